//! Tests of what an interrupted task goes on from.

use std::{
    collections::BTreeMap,
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

use isoflop_contract::{Key, checkpoint::Checkpoint, protocol::Death};
use isoflop_exec::{Deaths, Force, Interrupt, Moment, checkpoints};
use isoflop_ledger::{Bits, Ledger, Place, Saved};

use crate::{
    runs::tests,
    world::{Go, Server, Told, World},
};

tests!(
    a_task_interrupted_three_ways_ends_as_if_it_never_was,
    who_takes_long_steps_is_waited_for,
    a_bad_checkpoint_is_passed_over_for_the_one_before,
    what_is_made_leaves_no_checkpoint_and_what_fails_does,
    a_witness_starts_from_the_beginning_and_saves_where_it_is_told,
);

fn counting(steps: u64, millis: u64, every: &str) -> String {
    format!(
        "  a: {{ kind: count, with: {{ marks: MARKS, steps: {steps}, millis: {millis} }}, on: {{ checkpoint: {{ every: {every} }} }} }}\n"
    )
}

/// What the ledger has of a task's final attempt.
struct Recorded {
    series: BTreeMap<String, Vec<(u64, f64)>>,
    saved: Saved,
    bits: Bits,
}

fn recorded(server: &Server, told: &Told) -> Recorded {
    let task = told.summary().tasks[0].clone();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let place = isoflop_ledger::server::PrivateServer::new(server.postgres());
        let ledger = Ledger::open(Place::Private(place)).await.expect("a ledger");
        let attempt = task.attempt.expect("it ran");
        let series = ledger.metrics(attempt).await.expect("metrics");
        let saved = ledger.saved(&task.key).await.expect("checkpoints").remove(&attempt).unwrap_or_default();
        let bits = ledger.bits(&[task.key]).await.expect("bits").remove(&task.key).unwrap_or_default();
        ledger.close().await;
        Recorded { series, saved, bits }
    })
}

fn deaths(go: &mut Go, key: Key, deaths: &[(u64, bool)]) {
    go.options.deaths = Deaths::of(key, deaths.iter().map(|(step, saving)| Death { step: *step, saving: *saving }));
}

fn resumed(told: &Told) -> Option<u64> {
    told.moments.iter().find_map(|moment| if let Moment::Resumed { step, .. } = moment { Some(*step) } else { None })
}

fn shelf(world: &World, key: &Key) -> PathBuf {
    checkpoints::place(&world.path().join(".isoflop"), key)
}

fn steps(world: &World, key: &Key) -> Vec<u64> {
    let shelves = checkpoints::inventory(&world.path().join(".isoflop")).expect("shelves");
    shelves.into_iter().find(|shelf| shelf.key == *key).map(|shelf| shelf.steps).unwrap_or_default()
}

fn who_takes_long_steps_is_waited_for(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(&counting(3, 6000, "1h"));
    let key = plan.tasks()[0].key;
    let told = world.go().run_and(&plan, |moment, interrupter| {
        if matches!(moment, Moment::TaskProgress { done: 1, .. }) {
            interrupter.send_replace(Interrupt::Stop);
        }
    });
    assert_eq!(told.reason("a"), "the run was stopped");
    assert_eq!(steps(&world, &key).len(), 1, "it took more than five seconds to where it could save");
}

fn a_task_interrupted_three_ways_ends_as_if_it_never_was(server: &Server) {
    const STEPS: u64 = 200;
    let whole = World::new(server);
    let uninterrupted = whole.run(&counting(STEPS, 0, "1h"));
    let expected = recorded(server, &uninterrupted);
    assert_eq!(expected.series["sum"].len(), STEPS as usize);
    assert!(expected.saved.is_empty());

    let world = World::new(server);
    let tasks = counting(STEPS, 10, "7");
    let plan = world.plan(&tasks);
    let key = plan.tasks()[0].key;
    // Killed by -9 between two steps, then while it saves.
    for (death, left, from) in [((10, false), 7, None), ((16, true), 14, Some(7))] {
        let mut go = world.go();
        deaths(&mut go, key, &[death]);
        let told = go.run(&plan);
        assert_eq!((told.outcomes(), resumed(&told)), (vec!["a failed".to_owned()], from));
        assert!(told.reason("a").contains("SIGKILL"), "{}", told.reason("a"));
        assert_eq!(steps(&world, &key).last(), Some(&left));
    }
    // Ctrl-C: it saves where it is.
    let told = world.go().run_and(&plan, |moment, interrupter| {
        if matches!(moment, Moment::TaskProgress { done: 22.., .. }) {
            interrupter.send_replace(Interrupt::Stop);
        }
    });
    assert_eq!(resumed(&told), Some(14));
    let at = *steps(&world, &key).last().unwrap();
    assert!(at >= 22, "it saved before it ended: {at}");
    // The engine is killed, and its worker with it.
    let mut engine = world.engine(&tasks);
    let began = Instant::now();
    while steps(&world, &key).last() < Some(&(at + 7)) && engine.try_wait().unwrap().is_none() {
        assert!(began.elapsed() < Duration::from_mins(1), "it does not get on: {:?}", steps(&world, &key));
        thread::sleep(Duration::from_millis(1));
    }
    engine.kill().unwrap();
    engine.wait().unwrap();

    let told = world.go().run(&plan);
    assert!(matches!(told.outcomes()[0].as_str(), "a made" | "a kept"));
    assert_eq!(told.text(&world, "a"), uninterrupted.text(&whole, "a"));
    if told.outcomes() == ["a made"] {
        assert!(resumed(&told) > Some(at), "{:?}", resumed(&told));
        let got = recorded(server, &told);
        assert_eq!(got.series, expected.series, "no gap, nothing twice");
        assert_eq!(got.saved.resumed, resumed(&told));
        let saved: Vec<u64> = got.saved.trail.iter().map(|(step, _)| *step).collect();
        assert!(saved.contains(&7) && saved.contains(&at) && saved.contains(&56), "{saved:?}");
        assert!(saved.is_sorted_by(|a, b| a < b));
    }
    assert!(!shelf(&world, &key).exists(), "what is made needs no checkpoint");
}

fn a_bad_checkpoint_is_passed_over_for_the_one_before(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(&counting(30, 0, "5"));
    let key = plan.tasks()[0].key;
    let mut go = world.go();
    deaths(&mut go, key, &[(21, false)]);
    go.run(&plan).summary();
    assert_eq!(steps(&world, &key), [15, 20], "the last two are kept");
    fs::write(shelf(&world, &key).join(Checkpoint::name(20)).join("data/sum"), "9").unwrap();
    // One of another key, moved here, is no better.
    let other = world.plan(&counting(31, 0, "5"));
    let mut go = world.go();
    deaths(&mut go, other.tasks()[0].key, &[(26, false)]);
    go.run(&other).summary();
    fs::rename(
        shelf(&world, &other.tasks()[0].key).join(Checkpoint::name(25)),
        shelf(&world, &key).join(Checkpoint::name(25)),
    )
    .unwrap();

    let told = world.go().run(&plan);
    assert_eq!((told.outcomes(), resumed(&told)), (vec!["a made".to_owned()], Some(15)));
    let said: Vec<&str> = told
        .moments
        .iter()
        .filter_map(|moment| if let Moment::PassedOver { why, .. } = moment { Some(why.as_str()) } else { None })
        .collect();
    assert!(said[0].contains("step 25 is passed over: it belongs to another key"), "{said:?}");
    assert!(said[1].contains("step 20 is passed over: its file `sum` has"), "{said:?}");
    let whole = world.run(&counting(30, 0, "1h"));
    assert_eq!(whole.outcomes(), ["a kept"], "how often it saves is no part of its key");
    let fresh = World::new(server);
    assert_eq!(told.text(&world, "a"), fresh.run(&counting(30, 0, "1h")).text(&fresh, "a"));
}

fn what_is_made_leaves_no_checkpoint_and_what_fails_does(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(&counting(10, 0, "1"));
    let key = plan.tasks()[0].key;
    let told = world.go().run(&plan);
    assert_eq!(told.outcomes(), ["a made"]);
    assert!(!shelf(&world, &key).exists());
    let mut again = world.go();
    again.scope.force = Force::Everything;
    deaths(&mut again, key, &[(8, false)]);
    assert_eq!(again.run(&plan).outcomes(), ["a failed"]);
    assert_eq!(steps(&world, &key), [6, 7]);
}

fn a_witness_starts_from_the_beginning_and_saves_where_it_is_told(server: &Server) {
    let world = World::new(server);
    let plan = world.plan(&counting(20, 0, "4"));
    let key = plan.tasks()[0].key;
    let first = world.go().run(&plan);
    let trail = recorded(server, &first).saved.trail;
    assert_eq!(trail.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [4, 8, 12, 16, 20]);
    let mut verify = world.go();
    verify.scope.force = Force::Targets;
    verify.options.witness = true;
    verify.options.marks = [(key, [8, 12].into())].into();
    // What somebody left there is of no use to a witness, and none of its business.
    let left = shelf(&world, &key).join(Checkpoint::name(4));
    fs::create_dir_all(&left).unwrap();
    let told = verify.run(&plan);
    assert_eq!((told.outcomes(), resumed(&told)), (vec!["a made".to_owned()], None));
    let witness = recorded(server, &told);
    assert_eq!(witness.saved.trail, trail[1..3]);
    assert_eq!(witness.bits, Bits { equal: 1, differ: 0 });
    assert!(left.exists());
}
