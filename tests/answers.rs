//! With `--json` there is one document on stdout, whatever happens: a verb's data, or what stopped it.

use rustix::process::{Pid, Signal, kill_process};

use crate::project::Project;

/// A study of one command.
fn command(line: &str) -> String {
    format!(
        "study: own\nseed: 3\ntasks:\n  a: {{ kind: command, with: {{ argv: [{line}, \"{{out.x}}\"], outputs: {{ x: {{}} }} }} }}\n"
    )
}

#[test]
fn a_run_that_a_signal_stops_prints_its_data_and_nothing_behind_it() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let project = Project::new();
        project.write("study.yaml", &command("sh, -c, 'sleep 600; echo > \"$1\"', sh"));
        let mut run = project.start(&["run", "--json", "--progress", "plain"]);
        Project::read_until(&mut run, "started");
        kill_process(Pid::from_raw(run.id().try_into().unwrap()).unwrap(), signal).unwrap();
        let ran = Project::wait(run).expect(code);
        assert_eq!(ran.json()["interrupted"], true, "{}", ran.out);
        assert!(ran.err.contains("error: stopped"), "{}", ran.err);
        let watched = project.run(&["watch", "--json"]).expect(130).out;
        let last: serde_json::Value = serde_json::from_str(watched.lines().last().unwrap()).unwrap();
        assert_eq!((&last["state"], last.get("error")), (&"stopped".into(), None), "{watched}");
    }
}

#[test]
fn what_stops_a_verb_is_data_too() {
    let project = Project::new();
    project.write("study.yaml", &command("no-such-program"));
    for (args, code, why) in [
        (&["drill", "a", "--progress", "none"][..], 4, "a failed without being killed: rejected: there is no program"),
        (&["cache", "status", "--remote", "rem"][..], 2, "`rem` is no remote store"),
        (&["plan", "--nonsense"][..], 2, "unexpected argument '--nonsense' found"),
        (&["show"][..], 2, "required arguments were not provided"),
        (&["runs", "-n", "0"][..], 2, "invalid value '0' for '--number <N>'"),
        (&["runs", "--home", "study.yaml"][..], 2, "is a file and no folder"),
        (&["report", "-o", "study.yaml"][..], 2, "is there already and is no report"),
        (&["show", "a"][..], 2, "nothing was run yet"),
    ] {
        let ran = project.run(&[args, &["--json"]].concat()).expect(code);
        let said = ran.json();
        assert_eq!((said["version"].as_i64(), said["code"].as_i64()), (Some(1), Some(i64::from(code))), "{args:?}");
        let error = said["error"].as_str().unwrap_or_else(|| panic!("{args:?}: {said}"));
        assert!(error.contains(why) && !error.contains("Usage:"), "{args:?}: {error}");
        assert!(ran.err.contains("error: ") && ran.err.contains(why), "{args:?}: {}", ran.err);
    }
    // Help is no mistake, and nobody reads it as data.
    let help = project.run(&["plan", "--help", "--json"]).expect(0);
    assert!(help.out.contains("Usage: isoflop plan"), "{}", help.out);
    // A failed task and a contradicted check leave their data alone on stdout.
    let run = project.run(&["run", "--json"]).expect(4).json();
    assert_eq!((run["totals"]["failed"].as_u64(), run.get("error")), (Some(1), None), "{run}");
}
