//! Made again, and interrupted: `verify`, `drill`, and what an interrupted run leaves for the next.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::project::{Project, STUDY};

const CELL: &str = "train[size=s,seed=0]";

fn one(verify: &Value) -> &Value {
    let tasks = verify["tasks"].as_array().expect("it lists tasks");
    assert_eq!(tasks.len(), 1, "{verify}");
    &tasks[0]
}

#[test]
fn equal_bits_are_witnesses_and_are_shown() {
    let project = Project::new();
    let first = project.run(&["run", "--json"]).expect(0).json();
    let shown = project.run(&["show", CELL, "--json"]).expect(0).json();
    assert_eq!((&shown["bits"], shown["witnesses"].as_array().map(Vec::len)), (&"unverified".into(), Some(0)));
    let blobs = project.files("store");
    let verify = project.run(&["verify", CELL, "--json"]).expect(0).json();
    assert_eq!(verify["version"], 1);
    let task = one(&verify);
    assert_eq!(
        (&task["name"], &task["bits"], &task["first_difference"]),
        (&CELL.into(), &"equal".into(), &Value::Null)
    );
    assert!(task["witness"]["host"].is_string() && task["witness"]["cpu"].is_string(), "{task}");
    let said = project.run(&["verify", CELL, "law"]).expect(0).out;
    assert!(said.contains("(verified 2x)") && said.contains("2 equal, 0 differ"), "{said}");
    assert_eq!(project.files("store"), blobs, "equal bits add nothing");
    let runs = project.run(&["runs"]).expect(0).out;
    assert!(
        runs.lines().nth(1).is_some_and(|run| run.contains("2 made again to compare") && run.contains(" verify")),
        "{runs}"
    );

    let shown = project.run(&["show", CELL, "--json"]).expect(0).json();
    assert_eq!((&shown["bits"], shown["witnesses"].as_array().map(Vec::len)), (&"verified 2x".into(), Some(2)));
    assert_eq!(shown["attempts"].as_array().map(Vec::len), Some(3));
    assert!(project.run(&["show", CELL]).expect(0).out.contains("verified 2x"));
    project.run(&["report"]).expect(0);
    let page = fs::read_to_string(project.path("report.html")).expect("the report");
    assert!(page.contains("verified 2x") && page.contains("unverified"));
    let again = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(Project::digests(&again), Project::digests(&first));
    project.run(&["audit", "--all"]).expect(0);
}

#[test]
fn what_a_run_was_not_asked_for_is_not_open() {
    let project = Project::new();
    project.run(&["run", "scenes"]).expect(0);
    for verb in ["runs", "status"] {
        let said = project.run(&[verb]).expect(0).out;
        assert!(said.contains("1 made") && said.contains("not asked for") && !said.contains("open"), "{verb}: {said}");
    }
}

#[test]
fn other_bits_are_named_and_kept_beside_those_that_stand() {
    let project = Project::new();
    project.behave(&format!(r#"{{"{CELL}": {{"do": "drift"}}, "judge": {{"do": "waver"}}}}"#));
    project.write(
        "study.yaml",
        &STUDY.replace("on: { cpus: 1, time: 10m }", "on: { cpus: 1, time: 10m, checkpoint: { every: 2 } }"),
    );
    let run = project.run(&["run", "--json"]).expect(0).json();
    let stands = Project::digests(&run);
    let verify = project.run(&["verify", CELL, "judge", "samples[size=s,seed=0]", "--json"]).expect(6).json();
    let task = |name: &str| verify["tasks"].as_array().unwrap().iter().find(|task| task["name"] == name).unwrap();
    let first = &task(CELL)["first_difference"];
    assert_eq!((&first["file"], &first["tensor"]), (&"model.safetensors".into(), &"weight".into()));
    assert_eq!(first["index"], serde_json::json!([1, 0]));
    assert!(first["values"][0].is_f64() && first["values"][0] != first["values"][1], "{first}");
    let shown = project.run(&["show", CELL, "--json"]).expect(0).json();
    let steps = shown["recipe"]["spec"]["steps"].as_u64().unwrap();
    let parted = first["step"].as_u64().unwrap();
    assert!(parted > steps / 2 && parted <= steps / 2 + 2, "they part where the checkpoints say: {first}");
    let first = &task("judge")["first_difference"];
    assert_eq!((&first["file"], first["line"].as_u64()), (&"toy.txt".into(), Some(4)));
    // Each was made on the inputs that stand, also where those came out otherwise this time.
    assert_eq!(task("samples[size=s,seed=0]")["bits"], "equal");

    assert_eq!((&shown["bits"], &shown["digest"]), (&"differs".into(), &task(CELL)["digest"]));
    let made = task(CELL)["made"].as_str().unwrap();
    assert!(project.path(&format!(".isoflop/store/manifests/{}/{made}", &made[..2])).exists(), "both are kept");
    let said = project.run(&["verify", CELL]).expect(6).out;
    assert!(said.contains("tensor `weight`[1, 0]") && said.contains("is kept beside it"), "{said}");
    assert_eq!(Project::digests(&project.run(&["run", "--json"]).expect(0).json()), stands);
    project.run(&["audit", "--all"]).expect(0);
}

#[test]
fn what_fails_or_diverges_is_said_and_what_was_not_made_is_refused() {
    let project = Project::new();
    let early = project.run(&["verify", CELL]).expect(2).err;
    assert!(early.contains("nothing was run yet"), "{early}");
    project.behave(r#"{"train[size=l,seed=0]": {"do": "diverge"}}"#);
    project.run(&["run", CELL, "train[size=l]"]).expect(0);
    let missing = project.run(&["verify", "law"]).expect(2).err;
    assert!(missing.contains("no task law was made yet"), "{missing}");

    let again = project.run(&["verify", "train[size=l,seed=0]", "--json"]).expect(0).json();
    assert_eq!((&one(&again)["bits"], &one(&again)["verified"]), (&"equal".into(), &"verified 1x".into()));
    project.behave(&format!(r#"{{"{CELL}": {{"do": "crash"}}, "train[size=l,seed=1]": {{"do": "diverge"}}}}"#));
    let broken = project.run(&["verify", CELL, "--json"]).expect(4).json();
    assert!(one(&broken)["bits"].is_null() && one(&broken)["error"].as_str().unwrap().contains("SIGABRT"), "{broken}");
    assert_eq!(project.run(&["show", CELL, "--json"]).expect(0).json()["bits"], "unverified");
    let said = project.run(&["verify", "train[size=l]"]).expect(6).out;
    assert!(said.contains("it had diverged (") && said.contains("this time it made an artifact"), "{said}");
    assert!(said.contains("an artifact stands, and this time it diverged"), "{said}");
}

#[test]
fn a_draw_is_the_same_for_the_same_seed() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    let drawn = |args: &[&str]| {
        let all: Vec<&str> = ["verify", "-n", "--json"].iter().chain(args).copied().collect();
        let json = project.run(&all).expect(0).json();
        json["would_verify"].as_array().unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let three = drawn(&["--rerun", "3"]);
    assert_eq!((three.len(), drawn(&["--rerun", "3"])), (3, three.clone()));
    assert_eq!(drawn(&["--rerun", "10%"]).len(), 3, "a tenth of 22, and no less");
    assert!((0..20).any(|seed| drawn(&["--rerun", "3", "--seed", &seed.to_string()]) != three));
    let of_some = drawn(&["train[size=s]", "--rerun", "1"]);
    assert!(of_some.len() == 1 && of_some[0].contains("size=s"), "{of_some:?}");
    let verify = project.run(&["verify", "--rerun", "2", "--json"]).expect(0).json();
    assert_eq!((verify["tasks"].as_array().map(Vec::len), verify["seed"].as_u64()), (Some(2), Some(17)));
    project.run(&["verify", "--rerun", "0%"]).expect(2);
}

/// Programs of a study's own tell no steps: the clock kills them. One goes on from what it kept, one begins anew, and what the third makes tells
/// how often it was begun.
#[test]
fn a_drill_of_commands_kills_them_by_the_clock() {
    let command = |name: &str, kept: &str, line: &str| {
        let argv = format!("[sh, -c, '{line}', sh, \"{kept}\", \"{{out.x}}\"]");
        format!("  {name}:\n    kind: command\n    with: {{ argv: {argv}, outputs: {{ x: {{}} }} }}\n")
    };
    let count = "while test $n -lt 12; do sleep 0.05; n=$((n+1)); echo $n > $1.new; mv $1.new $1; done; seq $n > $2";
    let goes_on = format!("n=$(cat $1 2>/dev/null || echo 0); {count}");
    let tasks = [
        command("goes-on", "{checkpoint}/n", &goes_on),
        command("anew", "n", &format!("n=0; {count}")),
        command("tells", "{checkpoint}/starts", "echo begun >> $1; sleep 0.6; cat $1 > $2"),
    ];
    let project = Project::new();
    project.write("study.yaml", &format!("study: own\nseed: 3\ntasks:\n{}", tasks.concat()));
    for task in ["goes-on", "anew"] {
        let drill = project.run(&["drill", task, "--json", "--progress", "none"]).expect(0).json();
        assert_eq!(drill["bits"], "equal", "{drill}");
        assert!(drill["kills"].as_u64() > Some(0), "{drill}");
    }
    let drill = project.run(&["drill", "tells", "--json", "--progress", "none"]).expect(6).json();
    assert_eq!((&drill["bits"], &drill["first_difference"]["file"]), (&"differ".into(), &"x".into()), "{drill}");

    // Of what a program keeps itself nothing is told that nobody knows.
    let told = project.run(&["drill", "goes-on", "--progress", "none"]).expect(0).out;
    assert!(told.contains("its own `{checkpoint}`") && !told.contains("anew"), "{told}");
    let told = project.run(&["drill", "anew", "--progress", "none"]).expect(0).out;
    assert!(told.contains("it began anew each time"), "{told}");
}

/// Over before any signal reaches it: nothing was tested, and that is no success.
#[test]
fn a_drill_that_never_killed_has_shown_nothing() {
    let project = Project::new();
    let task =
        "  short: { kind: command, with: { argv: [sh, -c, 'echo 1 > $1', sh, \"{out.x}\"], outputs: { x: {} } } }\n";
    project.write("study.yaml", &format!("study: own\ntasks:\n{task}"));
    // The lot decides after which share of no time at all it would be killed: nearly always, that is too late.
    let drill = (0..20).map(|seed| {
        project.run(&["drill", "short", "--kills", "1", "--seed", &seed.to_string(), "--json", "--progress", "none"])
    });
    let unkilled = drill.map(|ran| (ran.code, ran.json())).find(|(_, drill)| drill["kills"] == 0);
    let (code, drill) = unkilled.expect("a task of no length is hard to kill");
    assert_eq!((code, &drill["tested"]), (Some(6), &false.into()), "{drill}");
}

#[test]
fn a_drill_finds_a_body_that_forgets() {
    let project = Project::new();
    let drill = project.run(&["drill", CELL, "--json", "--progress", "none"]).expect(0).json();
    assert_eq!((&drill["bits"], drill["kills"].as_u64()), (&"equal".into(), Some(3)), "{drill}");
    assert!(!drill["resumed"].as_array().unwrap().is_empty(), "{drill}");
    assert!(!project.path(".isoflop/postgres").exists(), "a drill leaves nothing behind, a ledger neither");
    assert!(project.files("scratch").is_empty());

    project.behave(&format!(r#"{{"{CELL}": {{"do": "forget"}}}}"#));
    let drill = project.run(&["drill", CELL, "--kills", "2", "--json"]).expect(6).json();
    let first = &drill["first_difference"];
    assert_eq!((&first["tensor"], &first["index"]), (&"weight".into(), &serde_json::json!([1, 0])), "{drill}");
    let several = project.run(&["drill", "train"]).expect(2).err;
    assert!(several.contains("a drill is of one task"), "{several}");
}

const COUNTING: &str = r#"
study: counting
seed: 1
params: { fail: 1 }
tasks:
  count:
    kind: command
    with:
      argv: [sh, "{code}/count.sh", "{checkpoint}", "{metrics}", "{out.sum}"]
      code: count.sh
      outputs: { sum: {} }
      metrics: m.jsonl
"#;

/// Counts to 20 and falls over at 12, unless it had come that far before. What it does after its last checkpoint is lost.
const SCRIPT: &str = r#"
n=0
if [ -f "$1/n" ]; then n=$(cat "$1/n"); fi
while [ "$n" -lt 20 ]; do
  n=$((n + 1))
  echo "{\"step\": $n, \"n\": $((n * n))}" >> "$2"
  if [ $((n % 5)) = 0 ]; then echo "$n" > "$1/n.new"; mv "$1/n.new" "$1/n"; fi
  if [ "$n" = 12 ] && [ ! -f "$1/fallen" ]; then touch "$1/fallen"; exit 1; fi
done
echo "$n" > "$3"
"#;

/// Saves when it is asked to end, which takes longer than any other program is given.
const SLOW: &str = r#"
if [ -f "$1/n" ]; then cp "$1/n" "$3"; echo '{"n": 1}' > "$2"; exit 0; fi
trap 'sleep 7; echo saved > "$1/n"; exit 1' TERM
: > "$1/begun"
while :; do sleep 0.1; done
"#;

#[test]
fn a_program_that_keeps_something_is_given_time_to() {
    let project = Project::new();
    project.write("study.yaml", COUNTING);
    project.write("count.sh", SLOW);
    let run = project.start(&["run", "--progress", "none"]);
    let began = Instant::now();
    while !project.files("checkpoints").iter().any(|path| path.ends_with("program/begun")) {
        assert!(began.elapsed() < Duration::from_mins(2), "it does not begin");
        thread::sleep(Duration::from_millis(20));
    }
    kill_process(Pid::from_raw(run.id().try_into().unwrap()).unwrap(), Signal::INT).unwrap();
    assert_eq!(Project::wait(run).code, Some(130));
    let kept = project.files("checkpoints");
    assert!(kept.iter().any(|path| path.ends_with("program/n")), "{kept:?}");
    project.run(&["run"]).expect(0);
}

#[test]
fn a_program_goes_on_from_its_own_folder_and_its_series_is_whole() {
    let project = Project::new();
    project.write("study.yaml", COUNTING);
    project.write("count.sh", SCRIPT);
    project.run(&["run"]).expect(4);
    let kept = project.files("checkpoints");
    assert!(kept.iter().any(|path| path.ends_with("lasting/program/n")), "{kept:?}");
    let doctor = project.run(&["doctor"]).out;
    assert!(doctor.contains("one task has something to go on from"), "{doctor}");
    let gc = project.run(&["gc", "-n", "--json"]).expect(0).json();
    assert_eq!((gc["checkpoints"]["kept"].as_u64(), gc["checkpoints"]["evicted"].as_u64()), (Some(1), Some(0)));
    project.run(&["run"]).expect(0);
    let shown = project.run(&["show", "count", "--json"]).expect(0).json();
    let series: Vec<(u64, f64)> = serde_json::from_value(shown["metrics"]["n"].clone()).unwrap();
    let whole: Vec<(u64, f64)> = (1..=20).map(|n: u64| (n, (n * n) as f64)).collect();
    assert_eq!(series, whole, "no gap, nothing twice");
    assert!(project.files("checkpoints").is_empty(), "what is made needs none");
    project.run(&["verify", "count"]).expect(4);
}
