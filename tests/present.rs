//! What is under way, seen from outside: `status`, `watch` and `logs`.

use std::{
    fs,
    io::{BufRead, BufReader},
};

use crate::project::Project;

/// Two tasks: the first waits for a file named `go` beside the study, and talks; the second fails.
const STUDY: &str = r#"
study: own
seed: 3
tasks:
  slow:
    kind: command
    with:
      argv: [sh, -c, 'echo began; while [ ! -e "$GO" ]; do sleep 0.02; done; echo went; echo x > "$1"', sh, "{out.x}"]
      env: [GO, PATH]
      outputs: { x: {} }
  bad:
    kind: command
    needs: { slow: slow }
    with: { argv: [sh, -c, 'echo no luck; exit 3', sh, "{in.slow}", "{out.x}"], outputs: { x: {} } }
"#;

#[test]
fn a_run_is_seen_from_outside_until_it_ends() {
    let project = Project::new();
    project.write("study.yaml", STUDY);
    assert_eq!(project.run(&["status"]).expect(0).out, "nothing was run yet\n");
    let said = project.run(&["logs", "slow"]).expect(2).err;
    assert!(said.contains("nothing was run yet"), "{said}");

    let go = project.path("go");
    let mut command = project.command(&["run", "--progress", "plain", "--json"]);
    let run = command.env("GO", &go).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn();
    let mut run = run.expect("isoflop was built with the tests");
    Project::read_until(&mut run, "slow");

    let mut watch = project.start(&["watch", "latest"]);
    let mut watched = BufReader::new(watch.stdout.take().expect("stdout was captured")).lines();
    let mut seen = String::new();
    while !seen.contains("running  slow") {
        seen.push_str(&watched.next().expect("the watched run goes on").expect("a pipe can be read"));
        seen.push('\n');
    }
    let status = project.run(&["status", "--json"]).expect(0).json();
    assert_eq!(status["runs"][0]["state"], "running");
    assert_eq!(status["runs"][0]["running"][0]["task"], "slow");
    assert_eq!(status["runs"][0]["tasks"][1]["outcome"], serde_json::Value::Null);
    let text = project.run(&["status"]).expect(0).out;
    assert!(text.contains("1 running, 1 open") && text.contains("slow"), "{text}");
    let log = loop {
        let log = project.run(&["logs", "slow"]).expect(0).out;
        if log.contains("began\n") {
            break log;
        }
    };
    let (started, said) = log.split_once('\n').expect("there are lines");
    assert!(started.starts_with("$ sh -c 'echo began; ") && started.ends_with("' sh out/x"), "{started}");
    assert_eq!(said, "began\n");
    let follow = project.start(&["logs", "slow", "--follow"]);
    fs::write(&go, "").expect("a test's folder can be written");

    assert_eq!(Project::wait(follow).expect(0).out, format!("{started}\nbegan\nwent\n"));
    run.wait().expect("a child can be waited for");
    let rest: Vec<String> = watched.map(|line| line.expect("a pipe can be read")).collect();
    let rest = rest.join("\n");
    assert!(rest.contains("made     slow") && rest.contains("failed   bad"), "{rest}");
    assert_eq!(Project::wait(watch).code, Some(4), "watching ends as the run does");

    let status = project.run(&["status"]).expect(0).out;
    assert!(status.contains("failed") && status.contains("1 made, 1 failed"), "{status}");
    let log = project.run(&["logs", "bad", "--json"]).expect(0).json();
    assert_eq!(
        (log["outcome"].as_str(), log["text"].as_str()),
        (Some("failed"), Some("$ sh -c 'echo no luck; exit 3' sh in/slow out/x\nno luck\n"))
    );
    assert_eq!(project.run(&["logs", "slow", "-n", "1"]).expect(0).out, "went\n");
    let said = project.run(&["logs", "slow", "--back", "7"]).expect(2).err;
    assert!(said.contains("--back goes from 0 to 0"), "{said}");
    for log in project.files("logs") {
        fs::remove_file(log).expect("logs may be deleted");
    }
    let said = project.run(&["logs", "slow"]).expect(2).err;
    assert!(said.contains("there is no log") && said.contains("may have been deleted"), "{said}");
}
