//! The tests.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use isoflop_exec::{Device, Force, Interrupt, Moment, Outcome, State};

use crate::{
    edits::a_thousand_edits_run_what_they_planned,
    world::{Server, Told, World},
};

pub type Test = fn(&Server);

macro_rules! tests {
    ($($name:ident),* $(,)?) => { pub const TESTS: &[(&str, $crate::runs::Test)] = &[$((stringify!($name), $name)),*]; };
}

pub(crate) use tests;

tests!(
    a_study_runs_and_a_second_time_starts_nothing,
    bytes_already_seen_are_adopted,
    divergence_is_kept_and_gathers_drop_it,
    every_failure_says_what_happened,
    every_lie_is_refused,
    a_worker_that_writes_to_its_inputs_is_refused_and_the_store_heals,
    a_worker_without_a_sign_of_life_is_ended,
    a_worker_that_never_says_hello_is_refused,
    a_task_that_takes_too_much_memory_is_ended,
    a_log_that_grows_without_end_is_cut_in_the_middle,
    what_crashed_is_tried_again_and_what_was_rejected_is_not,
    after_so_many_failures_nothing_more_starts,
    two_engines_never_share_a_device,
    parts_of_a_device_are_shared,
    more_devices_than_there_are_end_the_run_before_it_begins,
    devices_that_cannot_be_leased_fail_the_run,
    independent_tasks_go_on_with_keep_going,
    slots_are_respected,
    a_task_that_takes_too_long_is_stopped,
    an_interrupt_ends_workers_and_the_next_run_goes_on,
    a_second_interrupt_kills,
    two_engines_make_each_task_once,
    a_killed_engine_loses_nothing_and_leaves_nothing,
    a_corrupt_blob_is_made_again,
    bytes_that_stay_bad_are_given_up,
    missing_bytes_matter_only_if_somebody_needs_them,
    what_is_asked_for_and_what_it_needs_runs_and_nothing_else,
    bytes_that_are_asked_for_are_made_again_if_they_are_gone,
    forced_tasks_run_again_and_witness_equal_bits,
    workers_see_only_what_they_should,
    what_a_worker_started_dies_with_it,
    a_store_that_cannot_be_written_ends_the_run,
    a_program_that_cannot_be_started_is_named,
    a_ledger_that_dies_is_revived_and_one_that_is_gone_ends_the_run,
    many_trivial_tasks_are_quick,
    a_thousand_edits_run_what_they_planned,
);

const DIAMOND: &str = r#"
  a: { kind: say, with: { text: hello, marks: MARKS } }
  b: { kind: shout, needs: { from: a }, with: { marks: MARKS } }
  c: { kind: shout, needs: { from: a }, with: { marks: MARKS, unused: 1 } }
  m:
    matrix: { n: [1, 2, 3] }
    kind: say
    with: { text: "t{{ n }}", marks: MARKS }
  all: { kind: join, gather: { parts: m }, with: { marks: MARKS } }
  loud: { kind: shout, needs: { from: all }, with: { marks: MARKS } }
"#;

fn one(with: &str) -> String {
    format!("  a: {{ kind: say, with: {{ text: hello, marks: MARKS{with} }} }}\n")
}

fn a_study_runs_and_a_second_time_starts_nothing(server: &Server) {
    let world = World::new(server);
    let first = world.run(DIAMOND);
    let summary = first.summary();
    assert_eq!(
        (summary.totals.made, summary.totals.failed, summary.interrupted),
        (8, 0, false),
        "{:?}",
        first.outcomes()
    );
    assert_eq!(first.text(&world, "loud"), "N=1:T1 N=2:T2 N=3:T3");
    assert_eq!(world.executed().len(), 8);
    assert_eq!(world.left_in("scratch"), 0);
    assert_eq!(world.left_in("logs"), 8);
    assert!(first.moments.iter().any(|m| matches!(m, Moment::TaskProgress { done: 10, total: 10, .. })));
    let second = world.run(DIAMOND);
    assert_eq!(second.summary().totals.kept, 8);
    assert_eq!(world.executed().len(), 8, "no worker was started");
    let digests = |told: &Told| told.summary().tasks.iter().map(|t| t.digest).collect::<Vec<_>>();
    assert_eq!(digests(&first), digests(&second));
    let json = serde_json::to_value(second.summary()).unwrap();
    assert_eq!(
        (&json["version"], &json["tasks"][0]["outcome"], &json["totals"]["kept"]),
        (&1.into(), &"kept".into(), &8.into())
    );
}

fn bytes_already_seen_are_adopted(server: &Server) {
    let world = World::new(server);
    world.run(DIAMOND).summary();
    world.forget_marks();
    // The join's new spelling of `how` is a new key with the same bytes: what rests on it is adopted.
    let changed = DIAMOND.replace("text: hello, marks: MARKS", "text: hello, marks: MARKS, millis: 10");
    let told = world.run(&changed);
    assert_eq!(world.executed(), ["a"], "{:?}", told.outcomes());
    assert_eq!((told.summary().totals.made, told.summary().totals.kept), (1, 7));
    let adopted: Vec<&str> = told.summary().tasks.iter().filter(|t| t.adopted).map(|t| t.name.as_str()).collect();
    assert_eq!(adopted, ["b", "c"]);
    assert_eq!(told.summary().totals.adopted, 2);
    let again = world.run(&changed);
    assert!(again.survey.states().iter().all(|state| matches!(state, State::Kept(_))));
}

const DIVERGING: &str = r#"
  m:
    matrix: { how: [fine, diverge] }
    kind: say
    with: { text: hello, marks: MARKS, how: "{{ how }}" }
  score:
    each: m
    kind: shout
    needs: { from: m }
    with: { marks: MARKS }
  all: { kind: join, gather: { parts: score }, with: { marks: MARKS } }
"#;

fn divergence_is_kept_and_gathers_drop_it(server: &Server) {
    let world = World::new(server);
    let first = world.run(DIVERGING);
    assert_eq!(
        first.outcomes(),
        [
            "m[how=fine] made",
            "m[how=diverge] diverged",
            "score[how=fine] made",
            "score[how=diverge] blocked",
            "all made"
        ]
    );
    assert_eq!(first.reason("m[how=diverge]"), "the metric `loss` at step 11 is NaN");
    assert_eq!(first.reason("score[how=diverge]"), "`m[how=diverge]` diverged");
    assert_eq!(first.text(&world, "all"), "how=fine:HELLO how=diverge:nothing");
    let executed = world.executed();
    let second = world.run(DIVERGING);
    assert_eq!(second.summary().totals.kept, 4);
    assert_eq!((second.summary().totals.blocked, second.survey.to_run().count()), (1, 0), "nothing is left to do");
    assert_eq!(world.executed(), executed);
}

fn every_failure_says_what_happened(server: &Server) {
    for (how, said) in [
        ("panic", "crashed: the body panicked at engine/exec/tests/suite/toy.rs:"),
        ("reject", "rejected: the text is not to my taste"),
        ("full", "out of resources: no storage space"),
        (
            "abort",
            "crashed: the worker was killed by signal 6 (SIGABRT); the last lines of its log:\n    about to abort",
        ),
        ("exit", "refused: the worker exited without a word on how it ended"),
        ("kill", "crashed: the worker was killed by signal 9 (SIGKILL: perhaps the machine ran out of memory)"),
        ("link", "refused: the output cannot be committed: `text2`"),
    ] {
        let world = World::new(server);
        let tasks =
            one(&format!(", how: {how}")) + "  b: { kind: shout, needs: { from: a }, with: { marks: MARKS } }\n";
        let told = world.run(&tasks);
        assert_eq!(told.outcomes(), ["a failed", "b blocked"], "{how}");
        assert!(told.reason("a").starts_with(said), "{how}: {}", told.reason("a"));
        assert_eq!(told.reason("b"), "`a` failed");
        assert_eq!(world.left_in("scratch"), 0);
        assert!(matches!(world.run(&tasks).survey.state(0), State::Run(_)), "a failure is never kept");
    }
}

fn every_lie_is_refused(server: &Server) {
    for (how, said) in [
        ("protocol", "it speaks protocol 3, this engine 2"),
        ("revision", "it has revision 7 of say where the plan wants 1"),
        ("ignorant", "it does not know the kind say"),
        ("garbage", "it wrote what is not a notice"),
        ("endless", "it wrote what is not a notice"),
        ("long", "it wrote a line of more than 16777216 bytes"),
        ("hasty", "it did not say hello first"),
        ("two-faced", "said it was done, but exited with code 3"),
        ("mute", "exited without a word"),
        ("chatty", "more than 1000000 metrics"),
        ("flood", "it flooded the engine with"),
        ("empty", "it said it made its artifact, but left nothing in `out`"),
        ("gone", "its folder `out` is gone"),
        ("elsewhere", "it put a symbolic link in the place of `out`"),
    ] {
        let world = World::new(server);
        let plan = world.plan(&one(""));
        let began = Instant::now();
        let told = world.go().liar(how).run(&plan);
        let reason = told.reason("a");
        assert!(reason.starts_with("refused: ") && reason.contains(said), "{how}: {reason}");
        let ended_well = matches!(how, "empty" | "gone" | "elsewhere");
        assert!(
            ended_well || reason.contains(&format!("about to lie: {how}")),
            "the log's last lines are shown: {reason}"
        );
        assert!(began.elapsed() < Duration::from_mins(2), "{how} took {:?}", began.elapsed());
    }
}

fn a_worker_that_writes_to_its_inputs_is_refused_and_the_store_heals(server: &Server) {
    let world = World::new(server);
    let first = world.run(&CHAIN[..CHAIN.find("  b:").unwrap()]);
    let plan = world.plan(CHAIN);
    let told = world.go().liar("outside").run(&plan);
    assert_eq!(told.outcomes(), ["a kept", "b failed"]);
    assert!(
        told.reason("b").starts_with("refused: the program changed its input `in/from/0/text`"),
        "{}",
        told.reason("b")
    );
    let told = world.go().run(&plan);
    assert_eq!(told.outcomes(), ["a made", "b made"], "the spoilt blob is found and made again");
    assert_eq!(told.text(&world, "b"), "HELLO");
    assert_eq!(told.summary().tasks[0].digest, first.summary().tasks[0].digest);
}

fn a_worker_without_a_sign_of_life_is_ended(server: &Server) {
    let silent = |how: &str| {
        let world = World::new(server);
        let mut go = world.go();
        go.options.patience = Duration::from_secs(3);
        if how == "silent-later" {
            go = go.liar(how);
        }
        let told = go.run(&world.plan(&one(&format!(", how: {how}"))));
        assert_eq!(told.outcomes(), ["a failed"], "{how}");
        told.reason("a").to_owned()
    };
    for how in ["stop", "silent-later"] {
        let reason = silent(how);
        let said = "crashed: the worker gave no sign of life for 3s";
        let stopped = "was stopped (SIGSTOP) and did nothing for 3s";
        assert!(reason.starts_with(said) || reason.contains(stopped), "{how}: {reason}");
    }
    let reason = silent("stopped-child");
    assert!(reason.contains("was stopped (SIGSTOP) and did nothing for 3s"), "its worker beats on: {reason}");
    // A body that says nothing for longer than that and works is left alone.
    let world = World::new(server);
    let mut go = world.go();
    go.options.patience = Duration::from_secs(3);
    let plan = world.plan("  a: { kind: say, with: { text: a, marks: MARKS, millis: 5000 } }\n");
    assert_eq!(go.run(&plan).outcomes(), ["a made"]);
}

fn a_worker_that_never_says_hello_is_refused(server: &Server) {
    let world = World::new(server);
    let mut go = world.go().liar("silent");
    go.options.patience = Duration::from_secs(2);
    let told = go.run(&world.plan(&one("")));
    assert_eq!(told.outcomes(), ["a failed"]);
    let reason = told.reason("a");
    assert!(reason.starts_with("refused: the worker did not say hello within 2 s"), "{reason}");
    assert_eq!(world.left_in("scratch"), 0);
}

fn a_task_that_takes_too_much_memory_is_ended(server: &Server) {
    let world = World::new(server);
    let told = world.run("  a: { kind: say, with: { text: a, marks: MARKS, how: hog }, on: { memory: 200MiB } }\n");
    let reason = told.reason("a");
    assert!(
        reason.starts_with("out of resources: it used ") && reason.contains("`on: memory` allows 200.0 MiB"),
        "{reason}"
    );
}

fn a_log_that_grows_without_end_is_cut_in_the_middle(server: &Server) {
    let world = World::new(server);
    let told = world.run(&one(", how: shout"));
    assert_eq!(told.outcomes(), ["a made"]);
    let log = fs::read_to_string(told.summary().tasks[0].log.as_ref().unwrap()).unwrap();
    assert!(log.len() <= 16 << 20, "{} bytes", log.len());
    assert!(log.starts_with("line 0 of far") && log.contains("were dropped here: the log was too long]\n"));
    assert!(log.trim_end().ends_with("line 599999 of far too many, each of them forty bytes"));
}

fn what_crashed_is_tried_again_and_what_was_rejected_is_not(server: &Server) {
    let tries = |tasks: &str, retries: u32| {
        let world = World::new(server);
        let mut go = world.go();
        go.options.retries = retries;
        let told = go.run(&world.plan(tasks));
        let again = told.moments.iter().filter(|moment| matches!(moment, Moment::Retrying { .. })).count();
        assert_eq!(again + 1, world.executed().len(), "{:?}", world.executed());
        (told.outcomes()[0].clone(), world.executed().len())
    };
    assert_eq!(tries(&one(", how: once"), 1), ("a made".to_owned(), 2));
    assert_eq!(tries(&one(", how: twice"), 1), ("a failed".to_owned(), 2));
    assert_eq!(tries(&one(", how: reject"), 3), ("a failed".to_owned(), 1));
    assert_eq!(tries(&one(", how: diverge"), 3), ("a diverged".to_owned(), 1));
    let own = "  a: { kind: say, with: { text: a, marks: MARKS, how: twice }, on: { retries: 2 } }\n";
    assert_eq!(tries(own, 0), ("a made".to_owned(), 3));
}

fn after_so_many_failures_nothing_more_starts(server: &Server) {
    let world = World::new(server);
    let tasks =
        "  m: { matrix: { n: [1, 2, 3, 4] }, kind: say, with: { text: \"t{{ n }}\", marks: MARKS, how: reject } }\n";
    let mut go = world.go().jobs(1).keep_going();
    go.options.max_fails = Some(2);
    assert_eq!(
        go.run(&world.plan(tasks)).outcomes(),
        ["m[n=1] failed", "m[n=2] failed", "m[n=3] blocked", "m[n=4] blocked"]
    );
}

fn devices(count: usize) -> Vec<Device> {
    (0..count)
        .map(|n| Device {
            id: format!("fake-{n}"),
            name: "pretended".into(),
            memory: None,
            capability: None,
            clock: None,
        })
        .collect()
}

fn two_engines_never_share_a_device(server: &Server) {
    let world = World::new(server);
    let tasks = |text: &str| {
        format!(
            "  m: {{ matrix: {{ n: [1, 2, 3, 4, 5] }}, kind: say, with: {{ text: \"{text}{{{{ n }}}}\", marks: MARKS, how: device }}, on: {{ gpus: 1 }} }}\n"
        )
    };
    let run = |text: &str| {
        let mut go = world.go().jobs(4);
        go.options.devices = devices(2);
        go.options.runtime = world.path().join("runtime");
        go.run(&world.plan(&tasks(text)))
    };
    let (one, two) = thread::scope(|scope| {
        let one = scope.spawn(|| run("one"));
        let two = scope.spawn(|| run("two"));
        (one.join().unwrap(), two.join().unwrap())
    });
    for told in [&one, &two] {
        assert_eq!(told.summary().totals.made, 5, "{:?}", told.summary().tasks);
        for task in &told.summary().tasks {
            assert!(["fake-0", "fake-1"].contains(&told.text(&world, &task.name).as_str()));
        }
    }
}

fn parts_of_a_device_are_shared(server: &Server) {
    let world = World::new(server);
    let tasks = "  m: { matrix: { n: [1, 2, 3, 4] }, kind: say, with: { text: \"t{{ n }}\", marks: MARKS, millis: 200 }, on: { gpus: 0.5 } }\n";
    let (mut running, mut most) = (0_u32, 0);
    let plan = world.plan(tasks);
    let mut go = world.go().jobs(4);
    go.options.devices = devices(1);
    go.options.runtime = world.path().join("runtime");
    let told = go.run_and(&plan, |moment, _| {
        match moment {
            Moment::TaskStarted { .. } => running += 1,
            Moment::WorkerEnded { .. } => running -= 1,
            _ => {}
        }
        most = most.max(running);
    });
    assert_eq!((told.summary().totals.made, most), (4, 2));
    let left = fs::read_dir(world.path().join("runtime/devices/fake-0")).unwrap().count();
    assert_eq!(left, 1, "only the gate is left");
}

fn more_devices_than_there_are_end_the_run_before_it_begins(server: &Server) {
    let world = World::new(server);
    let mut go = world.go();
    go.options.devices = devices(1);
    let told = go.run(&world.plan("  a: { kind: say, with: { text: a, marks: MARKS }, on: { gpus: 2 } }\n"));
    let error = told.result.unwrap_err().to_string();
    assert!(error.starts_with("`a` asks for 2 devices (`on: gpus`) and this run may use 1;"), "{error}");
    assert!(world.executed().is_empty());
}

fn devices_that_cannot_be_leased_fail_the_run(server: &Server) {
    let world = World::new(server);
    let mut go = world.go();
    go.options.devices = devices(1);
    go.options.runtime = world.path().join("runtime");
    fs::create_dir(&go.options.runtime).unwrap();
    fs::write(go.options.runtime.join("devices"), "no folder").unwrap();
    let told = go.run(&world.plan("  a: { kind: say, with: { text: a, marks: MARKS }, on: { gpus: 1 } }\n"));
    let error = told.result.unwrap_err().to_string();
    assert!(error.starts_with("cannot lease devices in ") && world.executed().is_empty(), "{error}");
}

const INDEPENDENT: &str = r"
  a: { kind: say, with: { text: a, marks: MARKS, how: reject } }
  b: { kind: shout, needs: { from: a }, with: { marks: MARKS } }
  c: { kind: say, with: { text: c, marks: MARKS } }
  d: { kind: shout, needs: { from: c }, with: { marks: MARKS } }
";

fn independent_tasks_go_on_with_keep_going(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(INDEPENDENT);
    let stopped = world.go().jobs(1).run(&plan);
    assert_eq!(stopped.outcomes(), ["a failed", "b blocked", "c blocked", "d blocked"]);
    assert_eq!(stopped.reason("c"), "the run was stopped first");
    let going = world.go().jobs(1).keep_going().run(&plan);
    assert_eq!(going.outcomes(), ["a failed", "b blocked", "c made", "d made"]);
}

fn slots_are_respected(server: &Server) {
    let tasks = r#"
  m:
    matrix: { n: [1, 2, 3, 4, 5, 6] }
    kind: say
    with: { text: "t{{ n }}", marks: MARKS, millis: 100 }
"#;
    for jobs in [1, 3] {
        let world = World::new(server);
        let (mut running, mut most) = (0_u32, 0);
        let plan = world.plan(tasks);
        let told = world.go().jobs(jobs).run_and(&plan, |moment, _| {
            match moment {
                Moment::TaskStarted { .. } => running += 1,
                Moment::WorkerEnded { .. } => running -= 1,
                _ => {}
            }
            most = most.max(running);
        });
        assert_eq!((told.summary().totals.made, most), (6, jobs));
    }
}

fn a_task_that_takes_too_long_is_stopped(server: &Server) {
    let world = World::new(server);
    let told = world.run("  a: { kind: say, with: { text: a, marks: MARKS, how: hang }, on: { time: 1s } }\n");
    assert!(
        told.reason("a").starts_with("timed out: it took longer than the 1 s that `on: time` allows"),
        "{}",
        told.reason("a")
    );
    assert!(told.summary().seconds < 60.0, "a body that does not look is ended: {} s", told.summary().seconds);
}

const SLOW: &str = r"
  a: { kind: say, with: { text: a, marks: MARKS } }
  b: { kind: shout, needs: { from: a }, with: { marks: MARKS, millis: 60000 } }
  c: { kind: shout, needs: { from: b }, with: { marks: MARKS } }
";

fn an_interrupt_ends_workers_and_the_next_run_goes_on(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(SLOW);
    let told = world.go().run_and(&plan, |moment, interrupter| {
        if matches!(moment, Moment::TaskStarted { task, .. } if task == "b") {
            let interrupter = interrupter.clone();
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(200));
                interrupter.send_replace(Interrupt::Stop);
            });
        }
    });
    assert_eq!(told.outcomes(), ["a made", "b failed", "c blocked"]);
    assert!(told.summary().interrupted && told.summary().seconds < 5.0);
    assert_eq!(told.reason("b"), "the run was stopped");
    assert_eq!(world.left_in("scratch"), 0);
    let plan = world.plan(&SLOW.replace("60000", "0"));
    assert_eq!(world.go().run(&plan).outcomes(), ["a kept", "b made", "c made"]);
}

fn a_second_interrupt_kills(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(&one(""));
    let told = world.go().liar("deaf").run_and(&plan, |moment, interrupter| {
        if matches!(moment, Moment::TaskStarted { .. }) {
            interrupter.send_replace(Interrupt::Kill);
        }
    });
    assert!(told.summary().interrupted && told.summary().seconds < 3.0, "{} s", told.summary().seconds);
    assert_eq!(told.outcomes(), ["a failed"]);
}

fn two_engines_make_each_task_once(server: &Server) {
    let world = World::new(server);
    let tasks = r#"
  m:
    matrix: { n: [1, 2, 3, 4, 5, 6, 7, 8] }
    kind: say
    with: { text: "t{{ n }}", marks: MARKS, millis: 150 }
  all: { kind: join, gather: { parts: m }, with: { marks: MARKS } }
"#;
    let plan = world.plan(tasks);
    let (one, two) = thread::scope(|scope| {
        let one = scope.spawn(|| world.go().run(&plan));
        let two = scope.spawn(|| world.go().run(&plan));
        (one.join().unwrap(), two.join().unwrap())
    });
    let executed = world.executed();
    assert_eq!(executed.len(), 9, "each once: {executed:?}");
    assert_eq!(one.summary().totals.made + two.summary().totals.made, 9);
    assert_eq!(one.summary().totals.kept + two.summary().totals.kept, 9);
    assert_eq!(one.summary().tasks.last().unwrap().digest, two.summary().tasks.last().unwrap().digest);
    let waited = [&one, &two].iter().any(|told| told.moments.iter().any(|m| matches!(m, Moment::Waiting { .. })));
    assert!(waited, "at least one had to wait for the other");
}

fn a_killed_engine_loses_nothing_and_leaves_nothing(server: &Server) {
    let world = World::new(server);
    let mut engine = world.engine(SLOW);
    let began = Instant::now();
    while world.executed() != ["a", "b"] {
        assert!(began.elapsed() < Duration::from_mins(2), "the engine does not get to b: {:?}", world.executed());
        thread::sleep(Duration::from_millis(20));
    }
    let worker = fs::read_dir(world.path().join("marks"))
        .unwrap()
        .flatten()
        .find_map(|entry| entry.file_name().to_str()?.strip_prefix("b.").map(str::to_owned));
    let worker = format!("/proc/{}", worker.unwrap());
    engine.kill().unwrap();
    engine.wait().unwrap();
    let began = Instant::now();
    while fs::metadata(&worker).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(45), "the worker outlives its engine");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(world.left_in("scratch"), 1, "what the dead engine left");
    let began = Instant::now();
    let told = world.run(&SLOW.replace("60000", "0"));
    // b's key is another now; the same key would be taken over from the dead engine at once, which the next lines try.
    assert_eq!(told.outcomes(), ["a kept", "b made", "c made"]);
    assert_eq!(world.left_in("scratch"), 0);
    let plan = world.plan(SLOW);
    let told = world.go().run_and(&plan, |moment, interrupter| {
        if matches!(moment, Moment::TaskStarted { .. }) {
            interrupter.send_replace(Interrupt::Kill);
        }
    });
    assert_eq!(told.outcomes(), ["a kept", "b failed", "c blocked"]);
    assert!(
        began.elapsed() < Duration::from_mins(3),
        "nobody waits for the lease of a dead engine: {:?}",
        began.elapsed()
    );
}

const CHAIN: &str = r"
  a: { kind: say, with: { text: hello, marks: MARKS } }
  b: { kind: shout, needs: { from: a }, with: { marks: MARKS } }
";

/// The blob of task `a`.
fn blob(world: &World, told: &Told) -> std::path::PathBuf {
    let store = isoflop_store::Store::open(&world.path().join(".isoflop/store")).unwrap();
    let manifest = store.manifest(told.summary().tasks[0].digest.unwrap()).unwrap();
    store.blob_path(&manifest.files["text"].digest)
}

fn corrupt(blob: &std::path::Path) {
    fs::remove_file(blob).unwrap();
    fs::write(blob, "hellO").unwrap();
}

fn a_corrupt_blob_is_made_again(server: &Server) {
    let world = World::new(server);
    let first = world.run(&CHAIN[..CHAIN.find("  b:").unwrap()]);
    corrupt(&blob(&world, &first));
    let told = world.run(CHAIN);
    assert_eq!(told.outcomes(), ["a made", "b made"]);
    assert_eq!(told.text(&world, "b"), "HELLO");
    assert_eq!(world.executed(), ["a", "a", "b"]);
    assert_eq!(world.left_in("store/quarantine"), 1, "the bad bytes are kept for a person to look at");
    let why =
        told.moments.iter().find_map(|m| if let Moment::Remaking { task, why } = m { Some((task, why)) } else { None });
    let (task, why) = why.unwrap();
    assert!(task == "a" && why.contains("corrupt"), "{why}");
}

fn bytes_that_stay_bad_are_given_up(server: &Server) {
    let world = World::new(server);
    let first = world.run(&CHAIN[..CHAIN.find("  b:").unwrap()]);
    let path = blob(&world, &first);
    corrupt(&path);
    let plan = world.plan(CHAIN);
    let told = world.go().run_and(&plan, |moment, _| {
        // Every time it is made, the disk flips a bit. The moment comes before the consumer's claim is through.
        if matches!(moment, Moment::TaskEnded { task, .. } if task == "a") {
            corrupt(&path);
        }
    });
    let made = told.summary().tasks[1].outcome;
    if made == Outcome::Failed {
        assert!(told.reason("b").contains("bad or gone again"), "{}", told.reason("b"));
        assert_eq!(world.executed(), ["a", "a", "a"]);
    }
    assert_eq!(made, Outcome::Failed, "{:?}", told.outcomes());
}

fn missing_bytes_matter_only_if_somebody_needs_them(server: &Server) {
    let world = World::new(server);
    world.run(CHAIN).summary();
    fs::remove_dir_all(world.path().join(".isoflop/store")).unwrap();
    let kept = world.run(CHAIN);
    assert_eq!(kept.outcomes(), ["a kept", "b kept"], "nobody needs bytes");
    let told = world
        .run(&format!("{CHAIN}  c: {{ kind: shout, needs: {{ from: a }}, with: {{ marks: MARKS, unused: 5 }} }}\n"));
    assert_eq!(told.outcomes(), ["a made", "b kept", "c made"]);
    let State::Run(whys) = told.survey.state(0) else { panic!("a runs") };
    assert_eq!(whys[0].to_string(), "made before, and what `c` needs of it is missing from the store");
}

fn what_is_asked_for_and_what_it_needs_runs_and_nothing_else(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(DIAMOND);
    let at = |name: &str| plan.index_of(name).unwrap();
    let mut some = world.go();
    some.scope.targets = Some([at("c"), at("m[n=2]")].into());
    let told = some.run(&plan);
    assert_eq!(told.outcomes(), ["a made", "c made", "m[n=2] made"]);
    let mut again = world.go();
    again.scope.targets = Some([at("c"), at("b")].into());
    let told = again.run(&plan);
    assert_eq!(told.outcomes(), ["b made", "c kept"], "what is kept and was not asked for is not told");
    assert_eq!(
        (told.survey.kept(), told.survey.is_target(at("a")), told.survey.is_concerned(at("a"))),
        (1, false, false)
    );
}

fn bytes_that_are_asked_for_are_made_again_if_they_are_gone(server: &Server) {
    let world = World::new(server);
    world.run(CHAIN).summary();
    fs::remove_dir_all(world.path().join(".isoflop/store")).unwrap();
    let plan = world.plan(CHAIN);
    let mut missing = world.go();
    missing.scope.targets = Some([1].into());
    missing.scope.bytes = true;
    let told = missing.run(&plan);
    assert_eq!(told.outcomes(), ["a made", "b made"]);
    let State::Run(whys) = told.survey.state(1) else { panic!("b runs") };
    assert_eq!(whys[0].to_string(), "made before, and its artifact is missing from the store");
    let mut there = world.go();
    there.scope.bytes = true;
    assert_eq!(there.run(&plan).outcomes(), ["a kept", "b kept"]);
}

fn forced_tasks_run_again_and_witness_equal_bits(server: &Server) {
    let world = World::new(server);
    let first = world.run(CHAIN);
    world.forget_marks();
    let mut all = world.go();
    all.scope.force = Force::Everything;
    let plan = world.plan(CHAIN);
    assert_eq!(all.run(&plan).outcomes(), ["a made", "b made"]);
    assert_eq!(world.executed(), ["a", "b"]);
    world.forget_marks();
    let mut verify = world.go();
    verify.scope.force = Force::Targets;
    verify.scope.targets = Some([1].into());
    verify.options.witness = true;
    let told = verify.run(&plan);
    assert_eq!(told.outcomes(), ["b made"], "nobody asked for `a`");
    assert_eq!(world.executed(), ["b"]);
    assert_eq!(told.summary().tasks[0].digest, first.summary().tasks[1].digest);
}

fn workers_see_only_what_they_should(server: &Server) {
    let world = World::new(server);
    let told = world.run(&one(", how: environment"));
    let names: Vec<String> = told.text(&world, "a").split(' ').map(str::to_owned).collect();
    let allowed = ["PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES"];
    assert!(names.iter().all(|name| allowed.contains(&name.as_str())), "{names:?}");
    let open = world.run(&one(", how: fd"));
    assert_eq!(open.text(&world, "a"), "", "no file of the engine is open in a worker");
}

fn what_a_worker_started_dies_with_it(server: &Server) {
    let world = World::new(server);
    let told = world.run(&one(", how: child"));
    assert_eq!(told.outcomes(), ["a made"]);
    assert!(told.summary().seconds < 60.0, "{} s", told.summary().seconds);
    let sleeping = fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.starts_with(b"sh\0-c\0trap '' TERM; sleep 1000"))
    });
    assert!(!sleeping, "the grandchild is still there");
}

fn a_store_that_cannot_be_written_ends_the_run(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(
        "  m: { matrix: { n: [1, 2, 3, 4] }, kind: say, with: { text: \"t{{ n }}\", marks: MARKS, millis: 100 } }\n",
    );
    let blobs = world.path().join(".isoflop/store/blobs");
    let told = world.go().jobs(1).keep_going().run_and(&plan, |moment, _| {
        if matches!(moment, Moment::RunStarted { .. }) {
            fs::remove_dir_all(&blobs).unwrap();
            fs::write(&blobs, "in the way").unwrap();
        }
    });
    assert_eq!(told.outcomes()[0], "m[n=1] failed");
    assert!(
        told.reason("m[n=1]").starts_with("out of resources: ") && told.reason("m[n=1]").contains("store/blobs"),
        "{}",
        told.reason("m[n=1]")
    );
    // One that began while the first was being committed fails like it.
    let totals = &told.summary().totals;
    assert!(totals.made == 0 && totals.blocked >= 2, "what is wrong concerns all: {:?}", told.outcomes());
}

fn a_program_that_cannot_be_started_is_named(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(&one(""));
    let mut go = world.go();
    go.runtimes = isoflop_exec::Runtimes::single(isoflop_exec::Program::new("/no/such/worker", ["x"]));
    let told = go.run(&plan);
    assert!(told.reason("a").contains("/no/such/worker cannot be started"), "{}", told.reason("a"));
}

fn a_ledger_that_dies_is_revived_and_one_that_is_gone_ends_the_run(_: &Server) {
    let server = Server::start();
    let world = World::new(&server);
    let tasks = |marks: &str| {
        format!(
            "  m: {{ matrix: {{ n: [1, 2, 3] }}, kind: say, with: {{ text: \"t{{{{ n }}}}\", marks: {marks}, millis: 200 }} }}\n"
        )
    };
    let plan = world.plan(&tasks("MARKS"));
    let told = world.go().jobs(1).run_and(&plan, |moment, _| {
        if matches!(moment, Moment::TaskStarted { task, .. } if task == "m[n=2]") {
            server.kill();
        }
    });
    assert_eq!(told.summary().totals.made, 3, "{:?}", told.outcomes());
    let plan = world.plan(&tasks("MARKS/"));
    let told = world.go().jobs(1).run_and(&plan, |moment, _| {
        if matches!(moment, Moment::TaskStarted { task, .. } if task == "m[n=2]") {
            server.take_away();
        }
    });
    let error = told.result.as_ref().unwrap_err().to_string();
    assert!(error.contains("postgres"), "{error}");
    server.put_back();
    let told = world.go().jobs(1).run(&plan);
    assert_eq!(told.outcomes(), ["m[n=1] kept", "m[n=2] made", "m[n=3] made"]);
}

fn many_trivial_tasks_are_quick(server: &Server) {
    let world = World::new(server);
    let tasks = "  m: { matrix: { n: \"{{ range(200) }}\" }, kind: say, with: { text: \"t{{ n }}\", marks: MARKS } }\n";
    let plan = world.plan(tasks);
    let told = world.go().jobs(1).run(&plan);
    let summary = told.summary();
    assert_eq!(summary.totals.made, 200);
    let bodies: f64 = summary.tasks.iter().filter_map(|task| task.seconds).sum();
    let each = (summary.seconds - bodies) / 200.0 * 1e3;
    println!("    the engine adds {each:.2} ms to a task; a worker takes {:.2} ms", bodies / 200.0 * 1e3);
    assert!(each < 250.0, "the engine adds {each} ms to a task");
    let again = world.go().run(&plan);
    println!("    200 kept tasks take {:.1} ms", again.summary().seconds * 1e3);
}
