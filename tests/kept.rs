//! What is finished is kept: run, run again, change something, and only what follows from the change runs.

use crate::project::Project;

/// Tasks of the ladder study.
const TASKS: usize = 22;

#[test]
fn a_second_run_keeps_everything_and_starts_no_worker() {
    let project = Project::new();
    let first = project.run(&["run", "--json", "-j", "2"]).expect(0).json();
    assert_eq!(first["totals"]["made"], TASKS);
    assert_eq!(first["claims"][0]["verdict"], "reproduced");
    let logs = project.files("logs");
    assert_eq!(logs.len(), TASKS, "one log an attempt");

    let second = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(second["totals"]["kept"], TASKS);
    assert_eq!(Project::digests(&second), Project::digests(&first));
    assert_eq!(project.files("logs"), logs, "a worker was started for a kept task");
    assert!(project.files("scratch").is_empty());

    // Where, how long and how many at a time are no part of any key; nor are comments, order and spelling.
    let respelt = crate::project::STUDY
        .replace("time: 10m", "time: 600s, memory: 1GiB")
        .replace("learning_rate: 1e-3", "learning_rate: 0.001 # the same")
        .replace("batch: 8\n", "batch: 8\n      clip: 1\n");
    project.write("study.yaml", &respelt);
    assert_eq!(project.run(&["run", "--json", "-j", "1"]).expect(0).json()["totals"]["kept"], TASKS);
}

#[test]
fn a_change_runs_what_follows_from_it_and_says_why() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    project.write("study.yaml", &crate::project::STUDY.replace("count: 16, steps: 5", "count: 16, steps: 6"));

    let plan = project.run(&["plan", "--json"]).expect(0).json();
    assert_eq!((plan["totals"]["kept"].as_u64(), plan["totals"]["run"].as_u64()), (Some(9), Some(13)));
    let tasks = plan["tasks"].as_array().unwrap();
    let why = |name: &str| {
        let task = tasks.iter().find(|task| task["name"] == name).unwrap();
        task["why"][0].as_str().unwrap_or_default().to_owned()
    };
    let sample = why("samples[size=s,seed=0]");
    assert!(
        sample.contains("steps") && sample.contains('5') && sample.contains('6') && sample.contains("study.yaml:"),
        "{sample}"
    );
    assert!(
        why("scores[size=s,seed=0]").starts_with("scores <- samples: steps 5 -> 6"),
        "{}",
        why("scores[size=s,seed=0]")
    );
    let said = project.run(&["why", "samples[size=s,seed=0]"]).expect(0).out;
    assert!(said.contains("steps") && said.contains("study.yaml:"), "{said}");

    // --frozen does nothing and says so by its exit code; a dry run does nothing either.
    project.run(&["run", "--frozen", "--json"]).expect(5);
    project.run(&["run", "--dry-run"]).expect(0);
    assert!(project.run(&["why", "train[size=s,seed=0]"]).expect(0).out.contains("is kept"));

    // A cache that is read only: what is kept is used, and what is made is made for once.
    let once = project.run(&["run", "--cache", "read", "--json"]).expect(0).json();
    assert_eq!((once["totals"]["kept"].as_u64(), once["totals"]["made"].as_u64()), (Some(9), Some(13)));
    assert_eq!(once["claims"][0]["verdict"], "reproduced");
    project.run(&["run", "--frozen"]).expect(5);
    assert!(project.files("scratch").is_empty());

    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!((run["totals"]["kept"].as_u64(), run["totals"]["made"].as_u64()), (Some(9), Some(13)));
    assert_eq!(Project::digests(&run), Project::digests(&once));
    project.run(&["run", "--frozen"]).expect(0);
    let anew = project.run(&["plan", "--cache", "off", "--json"]).expect(0).json();
    assert_eq!(anew["totals"]["run"], TASKS);
}

#[test]
fn with_the_cache_off_a_study_is_made_and_judged_and_nothing_is_left_but_what_failed_has_its_log() {
    let project = Project::new();
    let report = project.path("report.html");
    let off = ["run", "--cache", "off", "--json", "-j", "2", "--report", report.to_str().unwrap()];
    let made = project.run(&off).expect(0).json();
    assert_eq!(
        (made["totals"]["made"].as_u64(), made["claims"][0]["verdict"].as_str()),
        (Some(22), Some("reproduced"))
    );
    assert!(report.exists());
    for folder in ["store", "postgres", "scratch", "logs"] {
        assert!(project.files(folder).is_empty(), "something is left in {folder}");
    }
    project.behave(r#"{"train[size=s,seed=0]": {"do": "crash"}}"#);
    let failed = project.run(&["run", "--cache", "off", "--json"]).expect(4).json();
    let crashed = failed["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "train[size=s,seed=0]");
    let log = std::path::Path::new(crashed.unwrap()["log"].as_str().unwrap());
    assert!(project.path(".").join(log).is_file() && project.files("logs").len() == 1, "{}", log.display());
    project.run(&["run", "--frozen"]).expect(5);
}

#[test]
fn renaming_an_unseeded_task_redoes_nothing() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    // Scores use no randomness, so their name is no part of their key; the fit names its points by cell, not by task.
    let renamed = crate::project::STUDY.replace("scores", "marks");
    project.write("study.yaml", &renamed);
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(run["totals"]["kept"], TASKS);
}

#[test]
fn show_traces_a_number_to_its_bits() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    let law = project.run(&["show", "law", "--json"]).expect(0).json();
    assert_eq!(law["recipe"]["kind"], "fit-scaling");
    assert_eq!(law["inputs"]["points"].as_object().unwrap().len(), 6);
    let score = project.run(&["show", "scores[size=l,seed=1]", "--json"]).expect(0).json();
    assert_eq!(law["inputs"]["points"]["seed=1,size=l"]["digest"], score["digest"]);
    let train = project.run(&["show", "train[size=l,seed=1]", "--json"]).expect(0).json();
    assert_eq!(train["environment"]["hard"]["libtorch"], "2.11.0");
    assert_eq!(train["metrics"]["loss"].as_array().unwrap().len(), 3);
    assert_eq!(train["attempts"].as_array().unwrap().len(), 1);
    // By the first digits of its key, too.
    let key = train["key"].as_str().unwrap();
    assert_eq!(project.run(&["show", &key[..10], "--json"]).expect(0).json()["digest"], train["digest"]);
    let near = project.run(&["show", "lwa"]).expect(2).err;
    assert!(near.contains("did you mean `law`"), "{near}");
}
