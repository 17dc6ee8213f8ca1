//! What explains a plan, read as its user reads it: why tasks run, at which line that is decided, what it would cost, and exactly which tasks.

use serde_json::Value;

use crate::project::{Project, STUDY};

/// Tasks by name, of a plan, a `why` or a run.
fn task<'j>(json: &'j Value, name: &str) -> &'j Value {
    let tasks = json["tasks"].as_array().expect("tasks are listed");
    tasks.iter().find(|task| task["name"] == name).unwrap_or_else(|| panic!("there is no {name} in {json:#}"))
}

fn names(json: &Value) -> Vec<&str> {
    json["tasks"].as_array().expect("tasks are listed").iter().map(|task| task["name"].as_str().unwrap()).collect()
}

/// The names of those that a plan would run.
fn to_run(json: &Value) -> Vec<&str> {
    let tasks = json["tasks"].as_array().expect("tasks are listed").iter();
    tasks.filter(|task| task["state"] == "run").map(|task| task["name"].as_str().unwrap()).collect()
}

#[test]
fn a_cause_is_followed_to_the_line_that_says_so() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    project.write("study.yaml", &STUDY.replace("learning_rate: 1e-3", "learning_rate: 2e-3"));
    let said = project.run(&["why", "train[size=s,seed=0]"]).expect(0).out;
    assert!(said.contains("learning_rate 0.001 -> 0.002 (study.yaml:37:22)"), "{said}");
    assert!(said.contains("| learning_rate: 2e-3"), "the line is shown:\n{said}");
    let said = project.run(&["why", "scores[size=s,seed=0]"]).expect(0).out;
    assert!(said.contains("scores <- samples <- train: learning_rate 0.001 -> 0.002 (study.yaml:37:22)"), "{said}");
    let said = project.run(&["why", "law"]).expect(0).out;
    assert!(said.contains("law <- scores <- samples <- train: learning_rate"), "{said}");
    assert!(said.contains("in all 6 cells"), "{said}");

    let json = project.run(&["why", "law", "--json"]).expect(0).json();
    let reason = &task(&json, "law")["reasons"][0];
    assert_eq!(
        (reason["field"].as_str(), reason["old"].as_f64(), reason["new"].as_f64()),
        (Some("spec.learning_rate"), Some(0.001), Some(0.002))
    );
    assert_eq!(reason["origin"], serde_json::json!({"file": "study.yaml", "line": 37, "column": 22}));
    let chain: Vec<&str> = reason["chain"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    assert_eq!(chain.len(), 4);
    assert!(chain[0] == "law" && chain[3].starts_with("train[size="), "{chain:?}");

    // Upstream is made again and kept; the cause of what is left to do stays the same.
    project.run(&["run", "samples"]).expect(0);
    let plan = project.run(&["plan", "--json"]).expect(0).json();
    assert_eq!(to_run(&plan).len(), 7, "six scores and a law");
    assert_eq!(task(&plan, "train[size=s,seed=0]")["state"], "kept");
    let why = task(&plan, "scores[size=m,seed=1]")["why"][0].as_str().unwrap();
    assert!(why.starts_with("scores <- samples <- train: learning_rate 0.001 -> 0.002"), "{why}");
}

#[test]
fn what_many_tasks_share_is_said_once() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    project.write("study.yaml", &STUDY.replace("count: 16, steps: 5", "count: 16, steps: 6"));
    let said = project.run(&["why", "--all"]).expect(0).out;
    assert!(said.contains("samples: all 6 cells would run"), "{said}");
    assert_eq!(said.matches("steps 5 -> 6").count(), 3, "once for each group that it concerns:\n{said}");
    assert!(said.contains("9 are kept: scenes, heldout, judge, train (6 of 6)"), "{said}");
    let json = project.run(&["why", "--all", "--json"]).expect(0).json();
    assert_eq!(json["tasks"].as_array().map(Vec::len), Some(22));
    project.run(&["why"]).expect(2);
}

#[test]
fn cells_kinds_seeds_environments_and_ports_have_sentences_of_their_own() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    let why = |text: &str, task: &str| {
        project.write("study.yaml", text);
        project.run(&["why", task]).expect(0).out
    };
    let more = why(&STUDY.replace("seeds: [0, 1]", "seeds: [0, 1, 2]"), "law");
    assert!(more.contains("in `points`, 3 cells came (seed=2,size=l; seed=2,size=m; seed=2,size=s)"), "{more}");
    let fewer = why(&STUDY.replace("[s, m, l]", "[s, l]"), "law");
    assert!(fewer.contains("in `points`, 2 cells went"), "{fewer}");
    let fresh = why(&STUDY.replace("seeds: [0, 1]", "seeds: [0, 1, 2]"), "train[seed=2]");
    assert!(fresh.contains("train[size=s,seed=2] would run") && fresh.contains("never made"), "{fresh}");
    let seed = why(&STUDY.replace("seed: 17", "seed: 18"), "scenes");
    assert!(seed.contains("another seed: the study's `seed` is another"), "{seed}");
    let threads = why(&format!("{STUDY}\nenvironment: {{ threads: 2 }}\n"), "judge");
    assert!(threads.contains("another environment: threads 1 -> 2"), "{threads}");
    let wired = why(
        &STUDY.replace("needs: { model: train, prompts: heldout }", "needs: { model: train, prompts: scenes }"),
        "samples[size=s,seed=0]",
    );
    assert!(wired.contains("`prompts` is scenes and was heldout"), "{wired}");
    assert!(!wired.contains("images"), "another task's recipe is no earlier one of this:\n{wired}");
    let kind = why(&STUDY.replace("form: logit, bootstrap: 200", "form: logit, bootstrap: 201"), "law");
    assert!(kind.contains("bootstrap 200 -> 201"), "{kind}");
    let default = why(&STUDY.replace("batch: 8\n", "batch: 8\n      clip: 2\n"), "train[size=s,seed=0]");
    assert!(default.contains("clip 1.0 -> 2.0 (study.yaml:37:13)"), "{default}");
}

#[test]
fn the_nearest_earlier_recipe_is_the_one_compared_with() {
    let project = Project::new();
    project.run(&["run", "-p", "steps=50"]).expect(0);
    project.run(&["run", "-p", "steps=60", "-p", "images=32"]).expect(0);
    let said = project
        .run(&["why", "--study", ".", "scenes", "train[size=s,seed=0]", "-p", "images=33", "-p", "steps=60"])
        .expect(0)
        .out;
    assert!(said.contains("images 32 -> 33"), "{said}");
    assert!(!said.contains("steps"), "the nearest recipe has the same steps:\n{said}");
}

#[test]
fn failures_and_what_they_block_are_reasons() {
    let project = Project::new();
    project.behave(r#"{"train[size=m,seed=0]": {"do": "refuse"}}"#);
    project.run(&["run", "--keep-going"]).expect(4);
    let said = project.run(&["why", "train[size=m,seed=0]", "scores[size=m,seed=0]"]).expect(0).out;
    assert!(
        said.contains("its last attempt failed (run ") && said.contains("the toy was told to refuse this"),
        "{said}"
    );
    assert!(said.contains("`train[size=m,seed=0]` failed"), "{said}");
    let failed = project.run(&["plan", "--failed", "--json"]).expect(0).json();
    assert_eq!(names(&failed), ["train[size=m,seed=0]"]);
    let missing = project.run(&["plan", "--missing", "--json"]).expect(0).json();
    assert_eq!(names(&missing), ["train[size=m,seed=0]", "samples[size=m,seed=0]", "scores[size=m,seed=0]", "law"]);

    // The trace of that run says the same, then and later.
    let then = project.run(&["why", "--run", "latest", "--json"]).expect(0).json();
    assert_eq!(task(&then, "train[size=m,seed=0]")["outcome"], "failed");
    assert_eq!(task(&then, "train[size=m,seed=0]")["why"][0], "never made");
    assert_eq!(task(&then, "law")["why"][0], "`train[size=m,seed=0]` failed");

    project.behave("{}");
    let run = project.run(&["run", "--failed", "--json"]).expect(0).json();
    assert_eq!(names(&run), ["train[size=m,seed=0]"]);
    let nothing = project.run(&["run", "--failed"]).expect(0);
    assert!(nothing.err.contains("no task failed at its last attempt"), "{}", nothing.err);
}

#[test]
fn divergence_is_told_as_what_it_is() {
    let project = Project::new();
    project.behave(r#"{"train[size=l,seed=0]": {"do": "diverge"}}"#);
    project.run(&["run"]).expect(0);
    let said = project.run(&["why", "train[size=l,seed=0]", "samples[size=l,seed=0]"]).expect(0).out;
    assert!(said.contains("it diverged, which is a result (the toy was told to diverge)"), "{said}");
    assert!(said.contains("samples[size=l,seed=0] cannot run"), "{said}");
    assert!(said.contains("train[size=l,seed=0] diverged, and this task needs it"), "{said}");
}

#[test]
fn inputs_that_come_out_the_same_stop_the_change() {
    let project = Project::new();
    project.behave(r#"{"judge": {"do": "same"}}"#);
    let first = project.run(&["run", "--json"]).expect(0).json();
    project.write("study.yaml", &STUDY.replace("steps: 100, batch: 16", "steps: 101, batch: 16"));
    assert_eq!(to_run(&project.run(&["plan", "--json"]).expect(0).json()).len(), 8, "the judge, six scores, the law");
    let logs = project.files("logs").len();
    let said = project.run(&["run", "-n"]).expect(0).out;
    assert!(said.contains("scores <- judge: steps 100 -> 101"), "{said}");
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(project.files("logs").len(), logs + 1, "only the judge was run");
    let totals = &run["totals"];
    assert_eq!(
        (totals["made"].as_u64(), totals["kept"].as_u64(), totals["adopted"].as_u64()),
        (Some(1), Some(21), Some(7))
    );
    let score = task(&run, "scores[size=s,seed=0]");
    assert_eq!((score["outcome"].as_str(), score["adopted"].as_bool()), (Some("kept"), Some(true)));
    assert_eq!(Project::digests(&run), Project::digests(&first));

    // Afterwards it is kept like anything else, and says how that came.
    project.run(&["run", "--frozen"]).expect(0);
    let said = project.run(&["why", "scores[size=s,seed=0]"]).expect(0).out;
    assert!(said.contains("is kept"), "{said}");
    assert!(said.contains("its inputs came out with the bytes of an earlier run"), "{said}");
    assert!(
        said.contains("scores <- judge: steps 100 -> 101 (study.yaml:19:20)"),
        "what changed and changed nothing:\n{said}"
    );
    let json = project.run(&["why", "law", "--json"]).expect(0).json();
    let law = task(&json, "law");
    assert_eq!((law["state"].as_str(), law["reasons"][0]["why"].as_str()), (Some("kept"), Some("adopted")));

    // The run itself tells the same: which trace it was.
    let then = project.run(&["why", "--run", run["run"].as_str().unwrap(), "--json"]).expect(0).json();
    let adopted = task(&then, "scores[size=s,seed=0]");
    assert_eq!(
        (adopted["outcome"].as_str(), adopted["reasons"][0]["why"].as_str()),
        (Some("adopted"), Some("adopted"))
    );
    assert_eq!(adopted["reasons"][0]["trace"].as_str().map(str::len), Some(64));
    assert_eq!(task(&then, "judge")["why"][0], "steps 100 -> 101");
    assert_eq!(task(&then, "train[size=s,seed=0]")["outcome"], "kept");

    // A person who watches sees it counted.
    project.write("study.yaml", &STUDY.replace("steps: 100, batch: 16", "steps: 102, batch: 16"));
    let said = project.run(&["run"]).expect(0).out;
    assert!(said.contains("14 kept, 7 adopted, 1 made"), "{said}");
}

#[test]
fn a_selection_is_wanted_with_what_it_needs_and_nothing_else() {
    let project = Project::new();
    // In the study's folder the first name may be a task.
    let run = project.run(&["run", "train[size=s]", "judge", "--json"]).expect(0).json();
    assert_eq!(names(&run), ["scenes", "heldout", "judge", "train[size=s,seed=0]", "train[size=s,seed=1]"]);
    let again = project.run(&["run", ".", "train[size=s]", "--json"]).expect(0).json();
    assert_eq!(
        names(&again),
        ["train[size=s,seed=0]", "train[size=s,seed=1]"],
        "what is kept and was not asked for is left out"
    );
    assert_eq!(again["totals"]["kept"], 2);
    let plan = project.run(&["plan", "--from", "train[size=s]", "--until", "scores", "--json"]).expect(0).json();
    assert_eq!(
        to_run(&plan),
        ["samples[size=s,seed=0]", "samples[size=s,seed=1]", "scores[size=s,seed=0]", "scores[size=s,seed=1]"]
    );
    assert_eq!(names(&plan).len(), 6, "the two that are kept are shown");
    let glob = project.run(&["plan", "s*", "*[size=m,seed=1]", "--json"]).expect(0).json();
    assert!(names(&glob).contains(&"scenes") && names(&glob).contains(&"train[size=m,seed=1]"));
    assert!(!names(&glob).contains(&"law"));

    let wrong = project.run(&["plan", ".", "trian", "train[siz=s]", "train[size=x]", "--from", "lwa"]).expect(2).err;
    for hint in [
        "did you mean `train`?",
        "which `train` does not have; did you mean `size`?",
        "no cell of `train`; of `size`",
        "did you mean `law`?",
    ] {
        assert!(wrong.contains(hint), "{hint}:\n{wrong}");
    }
    let apart = project.run(&["run", ".", "scenes", "--from", "law"]).expect(2).err;
    assert!(apart.contains("no task is among `scenes` and is downstream of `law`"), "{apart}");
}

#[test]
fn missing_is_what_is_not_kept_or_has_lost_its_bytes() {
    let project = Project::new();
    let first = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(
        project.run(&["run", "--missing", "--json"]).expect(0).json()["tasks"].as_array().map(Vec::len),
        Some(0)
    );
    let law = project.run(&["show", "law", "--json"]).expect(0).json();
    let blob = law["files"].as_object().unwrap().values().next().unwrap()["digest"].as_str().unwrap().to_owned();
    std::fs::remove_file(project.path(&format!(".isoflop/store/blobs/{}/{blob}", &blob[..2]))).unwrap();
    assert!(to_run(&project.run(&["plan", "--json"]).expect(0).json()).is_empty(), "nobody needs those bytes");
    let plan = project.run(&["plan", "--missing", "--json"]).expect(0).json();
    assert_eq!(to_run(&plan), ["law"]);
    assert_eq!(task(&plan, "law")["why"][0], "made before, and its artifact is missing from the store");
    let run = project.run(&["run", "--missing", "--json"]).expect(0).json();
    assert_eq!(task(&run, "law")["outcome"], "made");
    assert_eq!(task(&run, "law")["digest"], task(&first, "law")["digest"]);
    let then = project.run(&["why", "--run", "latest", "law", "--json"]).expect(0).json();
    assert_eq!(task(&then, "law")["reasons"][0]["why"], "again");
}

#[test]
fn a_saved_plan_runs_as_it_is_or_not_at_all() {
    let project = Project::new();
    let saved = project.run(&["plan", ".", "train[size=s]", "-p", "steps=40", "-o", "plan.json"]).expect(0).out;
    assert!(saved.contains("isoflop run --plan plan.json"), "{saved}");
    assert!(!project.path(".isoflop").exists(), "a plan makes no ledger");
    let run = project.run(&["run", "--plan", "plan.json", "--json"]).expect(0).json();
    assert_eq!(names(&run), ["scenes", "heldout", "train[size=s,seed=0]", "train[size=s,seed=1]"]);
    let shown = project.run(&["show", "train[size=s,seed=0]", "--json"]).expect(0).json();
    assert_eq!(shown["recipe"]["spec"]["steps"], 40, "flags are the saved plan's");
    assert_eq!(project.run(&["run", "--plan", "plan.json", "--json"]).expect(0).json()["totals"]["made"], 0);

    // What it does not concern may change.
    project.write("study.yaml", &STUDY.replace("count: 16, steps: 5", "count: 16, steps: 6"));
    project.run(&["run", "--plan", "plan.json"]).expect(0);
    project.write("study.yaml", &STUDY.replace("learning_rate: 1e-3", "learning_rate: 2e-3"));
    let stale = project.run(&["run", "--plan", "plan.json"]).expect(9).err;
    assert!(stale.contains("plan.json is out of date"), "{stale}");
    assert!(stale.contains("2 tasks have other keys: train[size=s,seed=0], train[size=s,seed=1]"), "{stale}");
    project.write("study.yaml", &STUDY.replace("seeds: [0, 1]", "seeds: [0, 2]"));
    let stale = project.run(&["run", "--plan", "plan.json"]).expect(9).err;
    assert!(stale.contains("1 task is gone: train[size=s,seed=1]; 1 task is new: train[size=s,seed=2]"), "{stale}");

    // More work than was looked at is another plan too.
    project.write("study.yaml", STUDY);
    project.run(&["run"]).expect(0);
    project.run(&["plan", "-o", "kept.json"]).expect(0);
    project.run(&["run", "--plan", "kept.json", "--frozen"]).expect(0);
    let elsewhere = project.run(&["run", "--plan", "kept.json", "--home", "elsewhere", "--dry-run"]).expect(9).err;
    assert!(elsewhere.contains("what was kept then would run now: scenes, heldout, judge"), "{elsewhere}");
    project.run(&["run", "train", "--plan", "plan.json"]).expect(2);
    project.write("bad.json", "{}");
    let bad = project.run(&["run", "--plan", "bad.json"]).expect(2).err;
    assert!(bad.contains("bad.json is not a saved plan"), "{bad}");
    project.run(&["run", "--plan", "nowhere.json"]).expect(2);
}

#[test]
fn expand_prints_what_was_resolved_and_reads_back() {
    let project = Project::new();
    let yaml = project.run(&["expand"]).expect(0).out;
    let json = project.run(&["expand", "--json"]).expect(0).json();
    let read = isoflop_plan::read_value(&yaml).unwrap_or_else(|findings| panic!("{findings}\n{yaml}"));
    assert_eq!((read["study"].as_str(), read["seed"].as_u64()), (Some("ladder"), Some(17)));
    assert_eq!(read["params"], json["params"]);
    assert_eq!(json["tasks"].as_array().map(Vec::len), Some(22));
    for task in json["tasks"].as_array().unwrap() {
        let printed = &read["tasks"][task["name"].as_str().unwrap()];
        assert_eq!(printed["with"], task["with"]);
        assert_eq!(printed["key"], task["key"]);
    }
    let plan = project.run(&["plan", "--json"]).expect(0).json();
    assert_eq!(task(&json, "law")["key"], task(&plan, "law")["key"]);
    let one = project.run(&["expand", ".", "--cell", "train[size=s,seed=0]", "--origin"]).expect(0).out;
    assert!(one.contains("batch: 8") && one.contains("# study.yaml:36:14"), "{one}");
    assert!(one.lines().any(|line| line.contains("clip: 1.0") && line.ends_with("# default")), "{one}");
    assert!(!one.contains("scores"), "{one}");
    assert!(!project.path(".isoflop").exists(), "nothing is made");
    let near = project.run(&["expand", "--cell", "train[size=s,seed=9]"]).expect(2).err;
    assert!(near.contains("did you mean `train[size=s,seed="), "{near}");
}

#[test]
fn a_plan_tells_its_cost_and_by_its_past_its_time() {
    let project = Project::new();
    let before = project.run(&["plan"]).expect(0).out;
    for needle in ["FLOPs", "12.987 GFLOP", "5.411 MMAC", "81.931 k", "22 tasks: 0 kept, 22 to run", "no history of"] {
        assert!(before.contains(needle), "{needle}:\n{before}");
    }
    project.behave(r#"{"*": {"do": "sleep", "milliseconds": 300}}"#);
    project.run(&["run", "-j", "4"]).expect(0);
    let steps = STUDY.replace("steps: 50", "steps: 500");
    project.write("study.yaml", &steps);
    let plan = project.run(&["plan", "-j", "2", "--json"]).expect(0).json();
    let seconds = |name: &str| task(&plan, name)["seconds"].as_f64();
    let (small, large) = (seconds("train[size=s,seed=0]").unwrap(), seconds("train[size=l,seed=0]").unwrap());
    assert!((large / small - 24.34 / 5.411).abs() < 0.01, "time grows with FLOPs: {small} {large}");
    assert!(small > 0.4, "ten times the steps of trainings that took 0.3 s each and more: {small}");
    assert!(seconds("scenes").is_none(), "what is kept takes no time");
    let time = &plan["time"];
    let (work, wall) = (time["seconds"].as_f64().unwrap(), time["wall_seconds"].as_f64().unwrap());
    assert!(wall < work && wall >= work / 2.0, "{time}");
    assert_eq!(time["attempts"].as_u64(), Some(19), "six trainings, samples and scores, and a law");
    assert_eq!(time["no_history"], serde_json::json!([]));
    let said = project.run(&["plan", "-j", "2"]).expect(0).out;
    assert!(said.contains("with -j 2, judging by 19 past attempts"), "{said}");
}

#[test]
fn a_large_plan_stays_readable_and_is_explained_at_once() {
    let project = Project::new();
    project.write("study.yaml", &STUDY.replace("seeds: [0, 1]", "seeds: \"{{ range(40) | list }}\""));
    let refused = project.run(&["plan"]).expect(3).err;
    assert!(refused.contains("a parameter cannot be a template"), "{refused}");
    let seeds: Vec<String> = (0..40).map(|seed: u32| seed.to_string()).collect();
    project.write("study.yaml", &STUDY.replace("seeds: [0, 1]", &format!("seeds: [{}]", seeds.join(", "))));
    let grouped = project.run(&["plan"]).expect(0).out;
    assert!(grouped.lines().count() < 16, "{grouped}");
    assert!(grouped.contains("train      120") && grouped.contains("never made"), "{grouped}");
    assert!(project.run(&["plan", "--all"]).expect(0).out.lines().count() > 364);
    assert_eq!(project.run(&["plan", "--json"]).expect(0).json()["tasks"].as_array().map(Vec::len), Some(364));
}
