//! What was recorded, read again: runs, lineage, differences, audits; and what looks after it: pins and garbage collection.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::project::{Project, Ran, STUDY};

/// Files in the store that are named by a digest, with their sizes.
fn stored(project: &Project) -> BTreeMap<PathBuf, u64> {
    let files = ["store/blobs", "store/manifests"].map(|folder| project.files(folder)).concat();
    files.into_iter().map(|path| (path.clone(), fs::metadata(path).unwrap().len())).collect()
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

fn blob(project: &Project, digest: &Value) -> PathBuf {
    let digest = digest.as_str().unwrap();
    project.path(&format!(".isoflop/store/blobs/{}/{digest}", &digest[..2]))
}

/// The blob that a task of the toy made.
fn blob_of(project: &Project, task: &str) -> PathBuf {
    let shown = project.run(&["show", task, "--json"]).expect(0).json();
    blob(project, &shown["files"]["toy.txt"]["digest"])
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}

fn digest_of(run: &Value, task: &str) -> Value {
    run["tasks"].as_array().unwrap().iter().find(|found| found["name"] == task).unwrap()["digest"].clone()
}

#[test]
fn an_empty_project_says_so_plainly() {
    let project = Project::new();
    assert_eq!(project.run(&["runs"]).expect(0).out, "no runs yet\n");
    assert_eq!(project.run(&["runs", "--json"]).expect(0).json()["runs"].as_array().unwrap().len(), 0);
    assert_eq!(project.run(&["pin", "--list"]).expect(0).out, "nothing is pinned\n");
    assert!(project.run(&["gc", "-n"]).expect(0).out.contains("no store yet"));
    for args in [&["trace", "up", "law"][..], &["audit"], &["diff", "latest~1", "latest"], &["pin", "law"]] {
        let said = project.run(args).expect(2).err;
        assert!(said.contains("nothing was run yet"), "{args:?}: {said}");
    }
    assert!(!project.path(".isoflop/store").exists(), "reading made a store");
}

#[test]
fn a_task_is_looked_for_in_the_study_that_is_named() {
    let project = Project::new();
    for (study, task) in [("first", "train"), ("second", "law")] {
        let command = "{ kind: command, with: { argv: [touch, \"{out.x}\"], outputs: { x: {} } } }";
        project.write("study.yaml", &format!("study: {study}\nseed: 1\ntasks:\n  {task}: {command}\n"));
        project.run(&["run"]).expect(0);
    }
    // The latest run is that of the other study, which keeps under its own name what the first one made.
    let shown = project.run(&["show", "train", "--study", "first", "--json"]).expect(0).json();
    assert_eq!((&shown["task"], &shown["study"]), (&Value::from("train"), &Value::from("first")));
    for (args, said) in [
        (
            ["trian", "--study", "first"],
            "no run of `first` in the ledger has a task named `trian`; did you mean `train`?",
        ),
        (["train", "--study", "second"], "no run of `second` in the ledger has a task named `train`"),
        (["train", "--study", "frist"], "no study named `frist` was run; did you mean `first`?"),
    ] {
        let err = project.run(&[&["show"][..], &args].concat()).expect(2).err;
        assert!(err.contains(said), "{args:?}: {err}");
    }
    let digits = &shown["digest"].as_str().unwrap()[..12];
    assert_eq!(project.run(&["show", digits, "--json"]).expect(0).json()["digest"], shown["digest"]);
}

#[test]
fn a_number_is_traced_up_and_data_down() {
    let project = Project::new();
    let run = project.run(&["run", "--json"]).expect(0).json();
    let up = project.run(&["trace", "up", "law", "--json"]).expect(0).json();
    let nodes = up["nodes"].as_array().unwrap();
    assert_eq!((nodes.len(), up["cut"].as_bool()), (22, Some(false)), "the law rests on every task");
    for node in nodes {
        let task = node["task"].as_str().unwrap();
        assert_eq!(node["artifact"], digest_of(&run, task), "{task}");
        assert!(node["soft"]["host"].is_string() && node["began"].is_string(), "{task}");
        assert_eq!(
            node["seed"].is_u64(),
            ["train", "judge", "scene", "heldo", "law"].contains(&&task[..5.min(task.len())]),
            "{task}"
        );
    }
    assert_eq!(up["edges"].as_array().unwrap().len(), 6 + 6 * 3 + 6 * 2 + 6 * 2 + 2);

    let text = project.run(&["trace", "up", "law"]).expect(0).out;
    assert!(text.lines().next().unwrap().starts_with("TASK"), "{text}");
    assert!(text.contains("points: scores[size=l,seed=0]") && text.contains("(above)"), "{text}");
    assert!(text.contains("rests on 21 tasks"), "{text}");
    let cut = project.run(&["trace", "up", "law", "--depth", "1"]).expect(0).out;
    assert_eq!(cut.lines().count(), 1 + 1 + 6 + 1, "{cut}");
    assert!(cut.contains("more lies behind --depth"), "{cut}");

    // From an artifact's first digits.
    let digest = digest_of(&run, "heldout");
    let down = project.run(&["trace", "down", &digest.as_str().unwrap()[..12]]).expect(0).out;
    assert!(down.contains("20 tasks rest on it"), "{down}");
    assert!(!project.run(&["trace", "down", "heldout", "--all"]).expect(0).out.contains('…'));
    let said = project.run(&["trace", "up", "lwa"]).expect(2).err;
    assert!(said.contains("did you mean `law`"), "{said}");
    let said = project.run(&["trace", "up", "law", "-s", "other"]).expect(2).err;
    assert!(said.contains("no study named `other`"), "{said}");
}

#[test]
fn runs_are_listed_and_compared() {
    let project = Project::new();
    project.run(&["run", "-p", "steps=40"]).expect(0);
    project.run(&["run", "-p", "steps=40"]).expect(0);
    let same = project.run(&["diff", "latest~1", "latest", "--exit-code"]).expect(0);
    assert!(same.out.contains("no difference"), "{}", same.out);
    assert_eq!(project.run(&["diff", "latest~1", "latest", "--json"]).expect(0).json()["same"], true);

    project.write("study.yaml", &STUDY.replace("count: 16, steps: 5", "count: 16, steps: 6"));
    project.run(&["run", "-p", "steps=40"]).expect(0);
    let found = project.run(&["diff", "latest~1", "latest", "--json", "--exit-code"]).expect(1).json();
    let recipes = found["recipes"].as_array().unwrap();
    assert_eq!((recipes.len(), &recipes[0]["field"]), (1, &Value::from("spec.steps")));
    assert_eq!((recipes[0]["old"].as_i64(), recipes[0]["new"].as_i64()), (Some(5), Some(6)));
    assert_eq!(recipes[0]["tasks"].as_array().unwrap().len(), 6);
    assert_eq!(found["upstream"].as_array().unwrap().len(), 7, "scores and the law");
    assert!(found["environments"].as_array().unwrap().is_empty() && found["bits"].as_array().unwrap().is_empty());
    let text = project.run(&["diff", "latest~1", "latest"]).expect(0).out;
    assert!(text.contains("steps") && text.contains("6 tasks: samples["), "{text}");

    let runs = project.run(&["runs", "--json"]).expect(0).json();
    let runs = runs["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 3);
    assert_eq!(
        (&runs[0]["study"], &runs[0]["state"], runs[0]["tasks"].as_u64()),
        (&"ladder".into(), &"done".into(), Some(22))
    );
    assert_eq!((runs[1]["outcomes"]["kept"].as_u64(), runs[2]["outcomes"]["made"].as_u64()), (Some(22), Some(22)));
    assert!(runs[0]["head"].as_str().unwrap().len() == 64 && runs[0]["events"].as_u64() > Some(4));
    let list = project.run(&["runs", "-n", "2", "-s", "ladder"]).expect(0).out;
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(list.contains("22 kept") && list.contains("-p steps=40"), "{list}");
    let id = runs[2]["run"].as_str().unwrap();
    assert!(list.contains(&runs[1]["run"].as_str().unwrap()[..13]) && !list.contains(&id[..13]), "{list}");
    project.run(&["diff", id, "latest~1", "--exit-code"]).expect(0);
    let said = project.run(&["diff", "latest~9", "latest"]).expect(2).err;
    assert!(said.contains("isoflop runs"), "{said}");
}

fn ok(audit: &Ran) -> bool {
    audit.json()["ok"].as_bool().unwrap()
}

#[test]
fn an_audit_finds_a_flipped_byte_and_says_what_it_touches() {
    let project = Project::new();
    let run = project.run(&["run", "--json"]).expect(0).json();
    project.run(&["run"]).expect(0);
    let clean = project.run(&["audit", "latest", "--json"]).expect(0).json();
    let members: Vec<&str> = clean.as_object().unwrap().keys().map(String::as_str).collect();
    for member in ["version", "run", "events", "artifacts", "findings", "ok"] {
        assert!(members.contains(&member), "{members:?}");
    }
    assert_eq!(
        (clean["version"].as_u64(), clean["artifacts"].as_u64(), clean["ok"].as_bool()),
        (Some(1), Some(22), Some(true))
    );
    assert_eq!((clean["store"]["whole"].as_u64(), clean["store"]["gone"].as_array().unwrap().len()), (Some(22), 0));
    let text = project.run(&["audit", run["run"].as_str().unwrap()]).expect(0).out;
    assert!(text.contains("ok every chain") && text.contains("22 artifacts"), "{text}");

    let bad = blob_of(&project, "train[size=l,seed=1]");
    let before = fs::read(&bad).unwrap();
    flip(&bad);
    let found = project.run(&["audit", "--json"]).expect(6).json();
    let findings = found["findings"].as_array().unwrap();
    assert_eq!((findings.len(), &findings[0]["kind"]), (1, &Value::from("blob")));
    assert_eq!(texts(&findings[0]["tasks"]), ["train[size=l,seed=1]".to_owned()].into());
    let downstream = ["law", "samples[size=l,seed=1]", "scores[size=l,seed=1]"].map(str::to_owned);
    assert_eq!(texts(&findings[0]["downstream"]), downstream.into());
    assert_eq!(texts(&findings[0]["claims"]), ["size-helps".to_owned()].into());
    let text = project.run(&["audit"]).expect(6).out;
    assert!(text.contains("claims in doubt: size-helps") && text.contains("1 finding"), "{text}");
    assert!(bad.exists(), "an audit moves nothing");
    assert!(ok(&project.run(&["audit", "--no-bytes", "--json"]).expect(0)), "the ledger is sound");
    fs::write(&bad, before).unwrap();

    let digest = digest_of(&run, "judge");
    let digest = digest.as_str().unwrap();
    let manifest = project.path(&format!(".isoflop/store/manifests/{}/{digest}", &digest[..2]));
    flip(&manifest);
    let found = project.run(&["audit", "--all", "--json"]).expect(6).json();
    assert_eq!((&found["run"], &found["findings"][0]["kind"]), (&"all".into(), &"manifest".into()), "{found}");
    assert_eq!(found["findings"].as_array().unwrap().len(), 1, "{found}");
    fs::remove_file(manifest).unwrap();
    assert!(ok(&project.run(&["audit", "--all", "--json"]).expect(0)), "what is gone is no finding");
    assert!(project.run(&["audit", "zz"]).expect(2).err.contains("isoflop runs"));
}

#[test]
fn garbage_goes_exactly_as_foretold_and_is_made_again_when_needed() {
    let project = Project::new();
    let first = project.run(&["run", "--json"]).expect(0).json();
    let changed = STUDY.replace("count: 16, steps: 5", "count: 16, steps: 6");
    project.write("study.yaml", &changed);
    project.run(&["run"]).expect(0);

    // Nothing is old enough yet.
    assert!(project.run(&["gc"]).expect(0).out.contains("nothing to take out"));
    let before = stored(&project);
    let foretold = project.run(&["gc", "-n", "--grace", "0s", "--json"]).expect(0).json();
    assert_eq!(stored(&project), before, "a dry run does nothing");
    let evicted = foretold["evicted"].as_array().unwrap();
    assert_eq!(evicted.len(), 12, "samples and scores of the first run; its law came out with the same bits");
    assert!(evicted.iter().all(|one| one["study"] == "ladder" && one["task"].is_string()), "{foretold}");
    let text = project.run(&["gc", "-n", "--grace", "0s"]).expect(0).out;
    assert!(
        text.contains("would go")
            && text.contains("scores[size=l,seed=1] of ladder")
            && text.contains("nothing was done"),
        "{text}"
    );
    assert!(text.contains("22 artifacts") && text.contains("latest runs of ladder"), "{text}");

    // A pin holds a task, or all of a run; --keep-runs holds more runs.
    let prefix = |task: &str| digest_of(&first, task).as_str().unwrap()[..16].to_owned();
    let (one, law) = (prefix("samples[size=s,seed=0]"), prefix("law"));
    let (one, law) = (one.as_str(), law.as_str());
    project.run(&["pin", one, "--note", "figure 1"]).expect(0);
    assert!(project.run(&["pin", "--list"]).expect(0).out.contains("figure 1"));
    let held = |args: &[&str]| {
        let args = [&["gc", "-n", "--grace", "0s", "--json"][..], args].concat();
        project.run(&args).expect(0).json()["evicted"].as_array().unwrap().len()
    };
    assert_eq!(held(&[]), 11);
    assert_eq!(held(&["--keep-runs", "2"]), 0);
    project.run(&["pin", one, "--remove", "-n"]).expect(0);
    assert_eq!(held(&[]), 11, "a dry run does nothing");
    project.run(&["pin", one, "--remove"]).expect(0);
    project.run(&["pin", law, "--lineage"]).expect(0);
    assert_eq!(held(&[]), 0, "the law, the scores and the samples");
    project.run(&["pin", law, "--remove"]).expect(0);
    project.run(&["pin", "latest~1"]).expect(0);
    assert_eq!(held(&[]), 0);
    project.run(&["pin", "latest~1", "--remove"]).expect(0);
    let said = project.run(&["pin", "latest~1", "--remove"]).expect(2).err;
    assert!(said.contains("not pinned"), "{said}");

    let done = project.run(&["gc", "--grace", "0s", "--json"]).expect(0).json();
    assert_eq!((&done["evicted"], &done["freed"]), (&foretold["evicted"], &foretold["freed"]));
    let after = stored(&project);
    let freed: u64 = before.iter().filter(|(path, _)| !after.contains_key(*path)).map(|(_, size)| size).sum();
    assert_eq!(done["freed"], freed);
    assert!(project.run(&["gc", "--grace", "0s"]).expect(0).out.contains("nothing to take out"));
    assert!(ok(&project.run(&["audit", "--all", "--json"]).expect(0)), "evicted is no finding");

    // The record stays: the old study is still kept, without a byte.
    project.write("study.yaml", STUDY);
    assert_eq!(project.run(&["run", "--json"]).expect(0).json()["totals"]["kept"], 22);
    let audit = project.run(&["audit", "--json"]).expect(0).json();
    assert_eq!(audit["store"]["gone"].as_array().unwrap().len(), 12);

    // Something new needs what went: it is made again, bit for bit.
    project.write("study.yaml", &STUDY.replace("bootstrap: 200", "bootstrap: 201"));
    let again = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!((again["totals"]["made"].as_u64(), again["totals"]["kept"].as_u64()), (Some(13), Some(9)));
    for task in ["samples[size=m,seed=1]", "scores[size=m,seed=1]"] {
        assert_eq!(digest_of(&again, task), digest_of(&first, task), "{task}");
    }
    assert!(ok(&project.run(&["audit", "--all", "--json"]).expect(0)));
    project.run(&["doctor"]).expect(0);
}

#[test]
fn what_is_made_again_with_other_bits_is_found() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    fs::remove_file(blob_of(&project, "judge")).unwrap();
    project.behave(r#"{"judge": {"do": "waver"}}"#);
    let changed = STUDY.replace("count: 16, steps: 5", "count: 16, steps: 6");
    project.write("study.yaml", &changed);
    project.run(&["run"]).expect(0);
    assert!(ok(&project.run(&["audit", "--json"]).expect(0)), "all scores of this run were judged by the new bits");
    // The old study has scores that other bits judged: found as long as they stand, and made again by the next run.
    project.write("study.yaml", STUDY);
    let found = project.run(&["audit", "latest~1", "--json"]).expect(6).json();
    let findings = found["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 6, "{found}");
    assert!(
        findings.iter().all(|one| one["kind"] == "provenance" && texts(&one["downstream"]).contains("law")),
        "{found}"
    );
    let plan = project.run(&["plan", "--json"]).expect(0).json();
    assert_eq!(plan["totals"]["run"], 7, "six scores and the law: {plan}");
    project.run(&["run", "--frozen"]).expect(5);
    let again = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!((again["totals"]["made"].as_u64(), again["totals"]["kept"].as_u64()), (Some(7), Some(15)), "{again}");
    assert!(ok(&project.run(&["audit", "--json"]).expect(0)));
    let bits = project.run(&["diff", "latest~2", "latest~1", "--json"]).expect(0).json();
    assert_eq!(texts(&bits["bits"]), ["judge".to_owned()].into());
}

/// `train` makes what a variable says that no key knows of; `sum` copies it.
const CHANGING: &str = r#"
study: changing
tasks:
  train:
    kind: command
    with:
      argv: [sh, -c, "echo '{\"loss\": '$LR'}' > $2; echo $LR > $1", x, "{out.a}", "{metrics}"]
      env: [PATH, LR]
      outputs: { a: {} }
      metrics: m
  sum:
    kind: command
    needs: { t: train }
    with: { argv: [cp, "{in.t}/a", "{out.s}"], outputs: { s: {} } }
"#;

#[test]
fn what_rests_on_former_bits_is_made_again_and_traced_to_them_until_then() {
    let project = Project::new();
    project.write("study.yaml", CHANGING);
    let with = |rate: &str, args: &[&str]| {
        let ran = project.command(args).env("LR", rate).output().unwrap();
        Ran::of(&ran).expect(0)
    };
    let first = with("0.1", &["run", "--json"]).json();
    let (old, sum) = (digest_of(&first, "train"), digest_of(&first, "sum"));
    let said = with("0.9", &["run", ".", "train", "--cache", "write", "--progress", "plain"]);
    let short = |digest: &Value| digest.as_str().unwrap()[..12].to_owned();
    assert!(said.err.contains("other bits than before") && said.err.contains(&short(&old)), "{}", said.err);
    assert!(said.out.contains("other bits than before") && said.out.contains("next run"), "{}", said.out);

    // Until then `sum` is traced to what it was made from, and shown so.
    let trace = project.run(&["trace", "up", "sum", "--json"]).expect(0).json();
    let edge = &trace["edges"][0];
    assert_eq!((&edge["given"], &edge["changed"]), (&old, &Value::Bool(true)), "{trace}");
    let told = project.run(&["trace", "up", "sum"]).expect(0).out;
    assert!(told.contains(&format!("{} (now ", short(&old))), "{told}");
    assert_eq!(project.run(&["show", "sum", "--json"]).expect(0).json()["inputs"]["t"]["digest"], old);

    let plan = project.run(&["plan", "--json"]).expect(0).json();
    let task = plan["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "sum").unwrap().clone();
    let why = task["why"][0].as_str().unwrap();
    assert!(task["state"] == "run" && why.contains("made from other bits") && why.contains("`train`"), "{task}");
    project.run(&["run", "--frozen"]).expect(5);
    let again = with("0.9", &["run", "--json"]).json();
    assert_eq!(again["totals"]["made"], 1, "{again}");
    assert_ne!(digest_of(&again, "sum"), sum);
    assert!(ok(&project.run(&["audit", "--json"]).expect(0)));
    project.run(&["run", "--frozen"]).expect(0);
    let trace = project.run(&["trace", "up", "sum", "--json"]).expect(0).json();
    assert_eq!(
        (&trace["edges"][0]["given"], &trace["edges"][0]["changed"]),
        (&digest_of(&again, "train"), &false.into())
    );

    // Back to the first bits: what was made of them first does not stand any more, so it is made of them once more.
    with("0.1", &["run", ".", "train", "--cache", "write"]);
    let back = with("0.1", &["run", "--json"]).json();
    assert_eq!((digest_of(&back, "train"), digest_of(&back, "sum")), (old, sum));
    assert!(ok(&project.run(&["audit", "--all", "--json"]).expect(0)));
}

#[test]
fn garbage_is_collected_beside_a_run() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    project.behave(r#"{"*": {"do": "sleep", "milliseconds": 1500}}"#);
    project.write("study.yaml", &STUDY.replace("width: 8", "width: 12"));
    let mut run = project.start(&["run", "--json", "-j", "2", "--progress", "plain"]);
    Project::read_until(&mut run, "] made");
    let mut rounds = 0;
    while run.try_wait().unwrap().is_none() {
        let collected = project.run(&["gc", "--grace", "0s", "--json"]).expect(0).json();
        rounds += u32::from(collected["running"] == true);
    }
    assert!(rounds > 2, "{rounds}");
    let run = Project::wait(run).expect(0).json();
    assert!(run["totals"]["made"].as_u64() >= Some(7), "{}", run["totals"]);
    let audit = project.run(&["audit", "--json"]).expect(0).json();
    assert_eq!(audit["store"]["gone"].as_array().unwrap().len(), 0, "nothing of the run was taken");
    // With nobody at work and nothing held, all goes.
    let all = project.run(&["gc", "--grace", "0s", "--keep-runs", "0", "--json"]).expect(0).json();
    assert_eq!(all["kept"], 0);
    assert!(stored(&project).is_empty());
}

/// A gather goes on without the cells that a divergence took away, and its result rests on what is left.
#[test]
fn a_gather_without_a_diverged_cell_is_sound() {
    let project = Project::new();
    project.behave(r#"{"train[size=s,seed=0]": {"do": "diverge"}}"#);
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!((&run["totals"]["diverged"], &run["totals"]["blocked"]), (&1.into(), &2.into()), "{run}");
    let audit = project.run(&["audit", "--json"]).expect(0).json();
    assert_eq!(audit["findings"], serde_json::json!([]), "{audit}");
    project.run(&["audit", "--all"]).expect(0);
}
