//! The kind `command`: programs of a study's own, with what they read, see and write declared, and nothing of them left behind.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::project::Project;

/// A project whose study has these tasks.
fn project(tasks: &str) -> Project {
    let project = Project::new();
    write(&project, tasks);
    project
}

fn write(project: &Project, tasks: &str) {
    project.write("study.yaml", &format!("study: own\nseed: 3\ntasks:\n{tasks}"));
}

/// One command that runs a line of shell; `{brace}` where a `{` comes before a letter.
fn shell(line: &str) -> String {
    format!(
        "  a:\n    kind: command\n    with:\n      argv: [sh, -c, '{line}', sh, \"{{out.x}}\"]\n      outputs: {{ x: {{}} }}\n"
    )
}

/// Why the task `a` of such a study fails.
fn failure(tasks: &str) -> String {
    let project = project(tasks);
    let run = project.run(&["run", "--json"]).expect(4).json();
    reason(&run, "a")
}

fn reason(run: &Value, name: &str) -> String {
    let tasks = run["tasks"].as_array().unwrap();
    tasks.iter().find(|task| task["name"] == name).unwrap()["reason"].as_str().unwrap_or_default().to_owned()
}

/// The text of a task's output `x`.
fn text(project: &Project, task: &str, file: &str) -> String {
    let shown = project.run(&["show", task, "--json"]).expect(0).json();
    blob(project, &shown["files"][file]["digest"])
}

fn blob(project: &Project, digest: &Value) -> String {
    let digest = digest.as_str().unwrap();
    fs::read_to_string(project.path(&format!(".isoflop/store/blobs/{}/{digest}", &digest[..2]))).unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(2), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

const TWO: &str = "
  a: { kind: command, with: { code: [a.sh, lib/both.sh], argv: [sh, \"{code}/a.sh\", \"{code}/lib\", \"{out.x}\"], outputs: { x: {} } } }
  b: { kind: command, with: { code: [b.sh, lib/both.sh], argv: [sh, \"{code}/b.sh\", \"{code}/lib\", \"{out.x}\"], outputs: { x: {} } } }
  c: { kind: command, needs: { a: a }, with: { argv: [cp, \"{in.a}/x\", \"{out.x}\"], outputs: { x: {} } } }
";

fn two() -> Project {
    let project = project(TWO);
    fs::create_dir(project.path("lib")).unwrap();
    project.write("lib/both.sh", "say() { echo \"$1\" > \"$2\"; }\n");
    project.write("a.sh", ". \"$1/both.sh\"; say a \"$2\"\n");
    project.write("b.sh", ". \"$1/both.sh\"; say b \"$2\"\n");
    project
}

#[test]
fn an_edited_script_runs_exactly_what_uses_it_and_why_names_it() {
    let project = two();
    let first = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(first["totals"]["made"], 3);
    assert_eq!(text(&project, "c", "x"), "a\n");
    assert_eq!(project.run(&["run", "--json"]).expect(0).json()["totals"]["kept"], 3);

    // A comment in one script: its task runs again, with the same bytes; what rests on it is not run.
    project.write("a.sh", ". \"$1/both.sh\"; say a \"$2\" # tidied\n");
    let why = project.run(&["why", "a"]).expect(0).out;
    assert!(why.contains("of the files `code`, `a.sh` changed"), "{why}");
    assert!(project.run(&["why", "b"]).expect(0).out.contains("is kept"));
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!((run["totals"]["made"].as_u64(), run["totals"]["kept"].as_u64()), (Some(1), Some(2)));
    assert_eq!(Project::digests(&run), Project::digests(&first));

    // What both use: both run.
    project.write("lib/both.sh", "say() { echo \"$1!\" > \"$2\"; }\n");
    let why = project.run(&["why", "b"]).expect(0).out;
    assert!(why.contains("of the files `code`, `lib/both.sh` changed"), "{why}");
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(run["totals"]["made"], 3);
    assert_eq!(text(&project, "c", "x"), "a!\n");

    // Files that no task names count for nothing; and where the study lies is nobody's business.
    project.write("notes.txt", "none");
    assert_eq!(project.run(&["run", "--json"]).expect(0).json()["totals"]["kept"], 3);
}

#[test]
fn the_code_that_made_a_number_can_be_had_back() {
    let project = two();
    project.run(&["run"]).expect(0);
    let old = fs::read_to_string(project.path("a.sh")).unwrap();
    project.write("a.sh", "echo something else > \"$2\"\n");
    project.run(&["run"]).expect(0);
    let key = |task: &str| project.run(&["show", task, "--json"]).expect(0).json();
    let now = key("a");
    assert_eq!(now["recipe"]["files"]["code"], now["study_files"]["code"]["digest"]);
    assert_eq!(
        blob(&project, &now["study_files"]["code"]["files"]["a.sh"]["digest"]),
        "echo something else > \"$2\"\n"
    );
    assert!(now["environment"]["soft"]["program"]["digest"].is_string(), "{}", now["environment"]["soft"]);
    assert!(project.run(&["show", "a"]).expect(0).out.contains("files of the study: code"));
    // The store has the bytes of every version that made something.
    let names: Vec<String> =
        project.files("store/blobs").iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    assert!(names.contains(&old));
}

#[test]
fn a_file_that_is_edited_under_a_run_fails_what_reads_it() {
    let project = Project::new();
    let folder = project.path("").display().to_string();
    write(
        &project,
        &format!(
            "
  a: {{ kind: command, with: {{ argv: [sh, -c, 'echo \"echo new\" > {folder}/b.sh; echo a > \"$0\"', \"{{out.x}}\"], outputs: {{ x: {{}} }} }} }}
  b: {{ kind: command, needs: {{ a: a }}, with: {{ code: b.sh, argv: [sh, -c, 'sh \"$0\" \"$1\" > \"$2\"', \"{{code}}/b.sh\", \"{{in.a}}\", \"{{out.x}}\"], outputs: {{ x: {{}} }} }} }}
"
        ),
    );
    project.write("b.sh", "echo old\n");
    let run = project.run(&["run", "--json"]).expect(4).json();
    let said = reason(&run, "b");
    assert!(said.contains("b.sh changed since the study was planned") && said.ends_with("run again"), "{said}");
    project.run(&["run"]).expect(0);
    assert_eq!(text(&project, "b", "x"), "new\n");
}

#[test]
fn a_program_sees_only_what_was_declared() {
    let project = project(
        "
  a:
    kind: command
    with:
      argv: [/bin/sh, -c, '/usr/bin/env > \"$0\"; cat >> \"$0\"; pwd >> \"$0\"', \"{out.x}\"]
      outputs: { x: {} }
      env: [COLOUR, NOT_THERE]
      set: { LEVEL: 3 }
",
    );
    let output = project.command(&["run", "--json"]).env("COLOUR", "green").env("SECRET", "42").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let said = text(&project, "a", "x");
    let mut seen: Vec<&str> = said.lines().filter(|line| line.contains('=') && !line.starts_with("PWD=")).collect();
    seen.sort_unstable();
    let names: Vec<&str> = seen.iter().map(|line| line.split_once('=').unwrap().0).collect();
    assert_eq!(names, ["COLOUR", "LANG", "LEVEL", "TMPDIR"], "{said}");
    assert!(seen.contains(&"COLOUR=green") && seen.contains(&"LEVEL=3"));
    assert!(said.lines().last().unwrap().ends_with("/work"), "a working folder of its own: {said}");
    // The value of a variable that is let through counts for nothing; its name does.
    let output = project.command(&["run", "--json"]).env("COLOUR", "red").output().unwrap();
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["totals"]["kept"], 1);
    let study = fs::read_to_string(project.path("study.yaml")).unwrap();
    project.write("study.yaml", &study.replace("env: [COLOUR, NOT_THERE]", "env: [COLOUR]"));
    assert_eq!(project.run(&["plan", "--json"]).expect(0).json()["totals"]["run"], 1);
}

#[test]
fn a_failure_shows_what_the_program_said_last() {
    let said = failure(&shell("echo first; echo no such column: loss >&2; exit 7"));
    assert!(said.starts_with("crashed: `sh` exited with code 7; the last lines of its log:"), "{said}");
    assert!(said.ends_with("    no such column: loss"), "{said}");
    let said = failure(&shell("kill -SEGV $$"));
    assert!(said.contains("`sh` was killed by signal 11 (SIGSEGV)"), "{said}");
}

#[test]
fn what_a_failure_left_stays_if_that_is_asked_for() {
    let project = project(&shell("echo half > out/half; exit 7"));
    project.run(&["run"]).expect(4);
    let kept = || fs::read_dir(project.path(".isoflop/failed")).map_or(0, Iterator::count);
    assert_eq!(kept(), 0);
    let told = project.run(&["run", "--keep-failed", "--progress", "plain"]).expect(4).err;
    let folder = told.lines().find_map(|line| Some(line.split_once("what it left stays in ")?.1.to_owned()));
    let folder = PathBuf::from(folder.unwrap_or_else(|| panic!("{told}")));
    assert_eq!(fs::read_to_string(folder.join("tmp/work/out/half")).unwrap(), "half\n");
    assert!(fs::read_to_string(folder.join("failure.txt")).unwrap().contains("`sh` exited with code 7"));
    // The log begins with what was started, as it can be tried again there.
    let log = project.run(&["logs", "a"]).expect(0).out;
    let line = log.lines().find_map(|line| line.strip_prefix("$ ")).unwrap_or_else(|| panic!("{log}"));
    assert_eq!(line, "sh -c 'echo half > out/half; exit 7' sh out/x");
    let again = Command::new("sh").args(["-c", line]).current_dir(folder.join("tmp/work")).status().unwrap();
    assert_eq!(again.code(), Some(7));

    assert_eq!(project.run(&["gc", "--json"]).expect(0).json()["failed"], 0, "it is younger than the grace period");
    assert_eq!(project.run(&["gc", "-n", "--grace", "0s", "--json"]).expect(0).json()["failed"], 1);
    assert_eq!(kept(), 1);
    project.run(&["gc", "--grace", "0s"]).expect(0);
    assert_eq!(kept(), 0);
}

#[test]
fn what_is_missing_is_named() {
    let said = failure(&shell("true"));
    assert!(said.starts_with("rejected: the output `x` (`out/x`) was not written"), "{said}");
    let said = failure(&shell("ln -s /etc/passwd \"$1\""));
    assert!(said.contains("is a link to `/etc/passwd`, outside of `out`"), "{said}");
    let said = failure("  a: { kind: command, with: { argv: [no-such-program, \"{out.x}\"], outputs: { x: {} } } }\n");
    assert!(
        said.starts_with("rejected: there is no program `no-such-program` on PATH; the task's log lists the folders"),
        "{said}"
    );
    let said = failure(
        "  a: { kind: command, with: { argv: [sh, -c, 'echo \"{\" > m.jsonl; sleep 60'], metrics: m.jsonl } }\n",
    );
    assert!(said.starts_with("rejected: m.jsonl:1: the line is no JSON object"), "at once, not after a minute: {said}");
    let said = failure(
        "  a: { kind: command, with: { argv: [sh, -c, 'echo \"{\\\"step\\\": 1}\" > m.jsonl'], metrics: m.jsonl } }\n",
    );
    assert!(said.starts_with("rejected: the metrics file `m.jsonl` holds no number"), "{said}");
}

#[test]
fn metrics_become_series_and_final_numbers_and_nan_is_divergence() {
    let tasks = |loss: &str| {
        format!(
            "
  a:
    kind: command
    with:
      argv: [sh, -c, 'for step in 1 2 3; do echo \"{{\\\"step\\\": $step, \\\"loss\\\": {loss}}}\"; done > \"$0\"; echo \"{{\\\"params\\\": 8}}\" >> \"$0\"', \"{{metrics}}\"]
      metrics: m.jsonl
"
        )
    };
    let project = project(&tasks("0.$step"));
    project.run(&["run"]).expect(0);
    let shown = project.run(&["show", "a", "--json"]).expect(0).json();
    assert_eq!(shown["metrics"]["loss"], serde_json::json!([[1, 0.1], [2, 0.2], [3, 0.3]]));
    assert_eq!(shown["scalars"], serde_json::json!({"loss": 0.3, "params": 8.0}));

    write(&project, &tasks("NaN"));
    // However the program ends, and whether or not the number was seen before that.
    let ended = std::fs::read_to_string(project.path("study.yaml"))
        .unwrap()
        .replace("; echo \"{\\\"params", "; exit 3; echo \"{\\\"params");
    project.write("ended.yaml", &ended);
    let run = project.run(&["run", "ended.yaml", "--json"]).expect(0).json();
    assert_eq!(
        (run["tasks"][0]["outcome"].as_str(), reason(&run, "a").as_str()),
        (Some("diverged"), "m.jsonl:1: `loss` is NaN")
    );
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(run["tasks"][0]["outcome"], "diverged");
    assert_eq!(reason(&run, "a"), "m.jsonl:1: `loss` is NaN");
    assert_eq!(project.run(&["run", "--json"]).expect(0).json()["totals"]["made"], 0, "divergence is kept");
}

#[test]
fn slips_of_the_pen_are_found_before_anything_runs() {
    let project = two();
    let study = TWO.replace("{in.a}/x", "{in.b}/x").replace("{code}/b.sh", "{code}/c.sh").replace("[a.sh,", "[A.sh,");
    write(&project, &study);
    let said = project.run(&["check"]).expect(3).err;
    for (place, sentence) in [
        ("study.yaml:5:", "the study's folder has no file `A.sh`"),
        ("study.yaml:6:", "`{code}` has no `c.sh`; there are `b.sh`, `lib/both.sh`"),
        ("study.yaml:7:", "`{in.b}`: there is no port `b`; there is `a`"),
    ] {
        let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(place) && said.contains(sentence), "{place} {sentence}:\n{said}");
    }
    assert!(!project.path(".isoflop").exists());
}

#[test]
fn a_gather_is_a_folder_with_one_folder_a_cell() {
    let project = project(
        "
  part:
    matrix: { n: [1, 2, 3] }
    kind: command
    with: { argv: [sh, -c, 'echo \"$0\" > \"$1\"', \"{param.n}\", \"{out.x}\"], param: { n: \"{{ n }}\" }, outputs: { x: {} }, makes: number }
  all:
    kind: command
    gather: { parts: part }
    with: { argv: [sh, -c, 'cat \"$0\"/*/x \"$1\" > \"$2\"', \"{in.parts}\", \"{in.parts.json}\", \"{out.x}\"], outputs: { x: {} } }
",
    );
    project.run(&["run"]).expect(0);
    let said = text(&project, "all", "x");
    let (numbers, told) = said.split_at(said.find('[').unwrap());
    assert_eq!(numbers, "1\n2\n3\n");
    let told: Value = serde_json::from_str(told).unwrap();
    assert_eq!(
        (&told[1]["folder"], &told[1]["cell"]["n"], &told[1]["shape"]),
        (&"n=2".into(), &2.into(), &"number".into())
    );
}

#[test]
fn commands_without_a_seed_are_made_once_under_any_name() {
    let one = "{ kind: command, with: { argv: [sh, -c, 'echo \"$0\" > \"$1\"', x, \"{out.x}\"], outputs: { x: {} } } }";
    let project = project(&format!("  a: {one}\n  b: {one}\n  c: {}\n", one.replace(", x,", ", \"{seed}\",")));
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!((run["totals"]["made"].as_u64(), run["totals"]["kept"].as_u64()), (Some(2), Some(1)));
    assert!(text(&project, "c", "x").trim().parse::<u64>().is_ok());
}

#[test]
fn a_bad_byte_in_kept_code_is_replaced_by_the_studys_own() {
    let project = two();
    project.run(&["run"]).expect(0);
    let code = project.run(&["show", "a", "--json"]).expect(0).json()["study_files"]["code"]["files"]["a.sh"]["digest"]
        .clone();
    let digest = code.as_str().unwrap();
    let path = project.path(&format!(".isoflop/store/blobs/{}/{digest}", &digest[..2]));
    let good = fs::read(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&path, vec![b'x'; good.len()]).unwrap();
    // The other script changes, so that a task runs which reads the damaged file as well.
    project.write("lib/both.sh", "say() { echo \"$1?\" > \"$2\"; }\n");
    project.run(&["run"]).expect(0);
    assert_eq!(fs::read(&path).unwrap(), good);
    project.run(&["doctor"]).expect(0);
}

/// A command that starts a process of its own, leaves both numbers in a file, and then would take ten minutes.
fn long(project: &Project) -> (String, impl Fn() -> Vec<Pid> + use<>) {
    let pids = project.path("pids").display().to_string();
    let tasks = format!(
        "  a:\n    kind: command\n    with: {{ argv: [sh, -c, 'sleep 600 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait; : > \"$0\"', \"{{out.x}}\"], outputs: {{ x: {{}} }} }}\n"
    );
    let read = move || {
        let text = fs::read_to_string(&pids).unwrap_or_default();
        text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
    };
    (tasks, read)
}

fn lives(pid: Pid) -> bool {
    // A process that ended and was not waited for yet is gone for our purposes.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn parent(pid: Pid) -> Pid {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    Pid::from_raw(fields[1].parse().unwrap()).unwrap()
}

/// Starts a long command, does something to the run, and waits until nothing of it is left.
fn end(how: impl Fn(Pid, Pid)) -> (Project, crate::project::Ran) {
    let project = Project::new();
    let (tasks, pids) = long(&project);
    write(&project, &tasks);
    let run = project.start(&["run", "--progress", "none"]);
    until("the program runs", || pids().len() == 2);
    let started = pids();
    assert!(started.iter().copied().all(lives));
    how(Pid::from_raw(run.id().try_into().unwrap()).unwrap(), parent(started[0]));
    until("the program and what it started are gone", || !started.iter().copied().any(lives));
    let ran = Project::wait(run);
    (project, ran)
}

#[test]
fn nothing_that_a_program_started_outlives_a_killed_engine() {
    let (project, ran) = end(|engine, _| kill_process(engine, Signal::KILL).unwrap());
    assert_eq!(ran.code, None);
    write(&project, &shell("echo later > \"$1\""));
    project.run(&["run"]).expect(0);
    assert_eq!(text(&project, "a", "x"), "later\n");
}

#[test]
fn nothing_that_a_program_started_outlives_a_killed_worker() {
    let (_, ran) = end(|_, worker| kill_process(worker, Signal::KILL).unwrap());
    assert!(ran.out.contains("was killed by signal 9"), "{}", ran.out);
    assert_eq!(ran.code, Some(4));
}

#[test]
fn engine_and_worker_killed_at_once_leave_nothing_either() {
    end(|engine, worker| {
        kill_process(worker, Signal::STOP).unwrap(); // it cannot do anything about it
        kill_process(engine, Signal::KILL).unwrap();
        let _ = kill_process(worker, Signal::KILL);
    });
}

#[test]
fn a_task_that_was_asked_for_and_cannot_be_made_is_a_failure_each_time() {
    let project = Project::new();
    let study = r#"
study: blocked
tasks:
  t:
    matrix: { n: [1, 3] }
    kind: command
    with:
      argv: [sh, -c, "if [ {{ n }} = 3 ]; then l=NaN; else l=1; fi; echo '{\"loss\": '$l'}' > $2; echo > $1", sh, "{out.a}", "{metrics}"]
      outputs: { a: {} }
      metrics: m
  rests:
    each: t
    kind: command
    needs: { t: t }
    with: { argv: [cp, "{in.t}/a", "{out.s}"], outputs: { s: {} } }
"#;
    project.write("study.yaml", study);
    for _ in 0..2 {
        let said = project.run(&["run", ".", "rests[n=3]"]).expect(4).err;
        assert!(said.contains("rests[n=3] was asked for and cannot be made"), "{said}");
    }
    project.run(&["run", ".", "rests[n=3]", "--frozen"]).expect(4);
    // A study keeps its divergences: as a whole, and of a group, what there is of it is enough.
    project.run(&["run"]).expect(0);
    project.run(&["run", ".", "rests"]).expect(0);
    project.run(&["run", "--frozen"]).expect(0);
}

#[test]
fn ctrl_c_ends_a_program_at_once() {
    let began = Instant::now();
    let (_, ran) = end(|engine, _| kill_process(engine, Signal::INT).unwrap());
    assert_eq!(ran.code, Some(130), "{}", ran.err);
    assert!(ran.out.contains("stopped"), "{}", ran.out);
    assert!(began.elapsed() < Duration::from_mins(2), "{:?}", began.elapsed());
}

#[test]
fn time_runs_out_for_a_program_too() {
    let said = failure(&(shell("sleep 60; : > \"$1\"") + "    on: { time: 1s }\n"));
    assert!(said.contains("it took longer than the 1 s that `on: time` allows"), "{said}");
}
