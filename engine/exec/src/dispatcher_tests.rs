//! Tables ("given these inputs, these commands and nothing else") and properties over random graphs and random orders of events.

use proptest::prelude::*;

use isoflop_contract::demand::Gpus;

use super::*;
use crate::{
    outline::Node,
    pool::{Capacity, each},
};

fn node(needs: Vec<Need>, begin: Begin) -> Node {
    Node { needs, want: cpus(1), retries: None, length: 1.0, key: 0, begin }
}

fn cpus(cpus: u32) -> Want {
    Want { cpus, ..Want::default() }
}

fn policy(slots: u32) -> Policy {
    Policy { capacity: Capacity { cpus: slots, ..Capacity::default() }, ..Policy::default() }
}

/// An outline whose tasks all have keys of their own.
fn outline(nodes: impl IntoIterator<Item = Node>) -> Outline {
    Outline { nodes: nodes.into_iter().enumerate().map(|(key, node)| Node { key, ..node }).collect() }
}

const RUN: Begin = Begin::Run { again: false };

fn dispatcher(nodes: impl IntoIterator<Item = Node>, slots: u32) -> Dispatcher {
    Dispatcher::new(&outline(nodes), policy(slots))
}

const fn claim(task: usize) -> Command {
    Command::Claim { task, again: false }
}

const fn granted(task: usize) -> Input {
    Input::Claimed(task, Claimed::Granted)
}

/// Steps through `script`, each input with the commands it must bring.
fn follow(dispatcher: &mut Dispatcher, script: impl IntoIterator<Item = (Input, Vec<Command>)>) {
    for (input, commands) in script {
        assert_eq!(dispatcher.step(input.clone()), commands, "after {input:?}");
    }
}

#[test]
fn a_chain_runs_in_order_and_finishes() {
    let mut chain = dispatcher([node(vec![], RUN), node(vec![Need::One(0)], RUN)], 4);
    follow(
        &mut chain,
        [
            (Input::Started, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (Input::Ended(0, Ending::Made), vec![claim(1)]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Ended(1, Ending::Made), vec![Command::Finish]),
        ],
    );
}

#[test]
fn what_is_kept_is_finished_at_once() {
    let kept = [node(vec![], Begin::Made), node(vec![Need::One(0)], Begin::Made), node(vec![], Begin::Diverged)];
    follow(&mut dispatcher(kept, 1), [(Input::Started, vec![Command::Finish])]);
}

#[test]
fn bytes_already_seen_are_adopted_without_a_claim() {
    let nodes = outline([node(vec![], Begin::Made), node(vec![Need::One(0)], RUN), node(vec![Need::One(1)], RUN)]);
    let mut adopting = Dispatcher::new(&nodes, Policy { adopt: true, ..policy(1) });
    follow(
        &mut adopting,
        [
            (Input::Started, vec![Command::LookUp(1)]),
            (Input::Looked(1, Some(Stands::Made)), vec![Command::LookUp(2)]),
            (Input::Looked(2, None), vec![claim(2)]),
            (granted(2), vec![Command::Launch(2)]),
            (Input::Ended(2, Ending::Made), vec![Command::Finish]),
        ],
    );
}

#[test]
fn after_a_failure_what_runs_ends_and_nothing_starts() {
    let nodes = || [node(vec![], RUN), node(vec![], RUN), node(vec![Need::One(0)], RUN), node(vec![], RUN)];
    let mut stopping = dispatcher(nodes(), 2);
    follow(
        &mut stopping,
        [
            (Input::Started, vec![claim(0), claim(1)]),
            (granted(0), vec![Command::Launch(0)]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Ended(0, Ending::Failed), vec![Command::Block(2, Because::Failed(0))]),
            (Input::Ended(1, Ending::Made), vec![Command::Block(3, Because::Stopped), Command::Finish]),
        ],
    );
    let mut going = Dispatcher::new(&outline(nodes()), Policy { keep_going: true, ..policy(1) });
    follow(
        &mut going,
        [
            (Input::Started, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (Input::Ended(0, Ending::Failed), vec![Command::Block(2, Because::Failed(0)), claim(1)]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Ended(1, Ending::Made), vec![claim(3)]),
            (granted(3), vec![Command::Launch(3)]),
            (Input::Ended(3, Ending::Made), vec![Command::Finish]),
        ],
    );
}

#[test]
fn a_room_is_free_when_its_worker_is_gone_and_who_is_claimed_ahead_has_it_next() {
    let mut dispatcher = dispatcher((0..3).map(|_| node(vec![], RUN)), 1);
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (Input::Ahead(1), vec![claim(1)]),
            (granted(1), vec![]),
            (Input::Vacated(0), vec![Command::Launch(1), claim(2)]),
            (granted(2), vec![]),
            (Input::Ended(0, Ending::Made), vec![]),
            (Input::Ahead(0), vec![Command::Release(2)]), // a long task is in the way: others may have it
            (Input::Vacated(1), vec![claim(2)]),
            (Input::Ended(1, Ending::Made), vec![]),
            (granted(2), vec![Command::Launch(2)]),
            (Input::Ended(2, Ending::Made), vec![Command::Finish]),
        ],
    );
}

#[test]
fn the_run_is_at_ease_while_slots_are_at_work_and_others_are_poised() {
    let mut dispatcher = dispatcher((0..4).map(|_| node(vec![], RUN)), 1);
    let mut at_ease = |input| {
        dispatcher.step(input);
        dispatcher.is_at_ease()
    };
    assert!(!at_ease(Input::Started) && !at_ease(granted(0)));
    assert!(!at_ease(Input::Ahead(2)), "nobody is poised yet");
    assert!(at_ease(granted(1)), "one of two is");
    assert!(!at_ease(Input::Vacated(0)), "and has the room now");
    assert!(at_ease(granted(2)) && at_ease(granted(3)), "no record is waited for");
    assert!(at_ease(Input::Ended(0, Ending::Made)));
    assert!(!at_ease(Input::Halt));
}

#[test]
fn a_record_that_another_task_waits_for_is_hurried() {
    let sum = Need::Many(vec![0, 1]);
    let mut dispatcher = dispatcher((0..5).map(|n| node(if n == 4 { vec![sum.clone()] } else { vec![] }, RUN)), 1);
    let mut at_ease = |input| {
        dispatcher.step(input);
        dispatcher.is_at_ease()
    };
    assert!(!at_ease(Input::Started) && !at_ease(granted(0)) && !at_ease(Input::Ahead(1)) && at_ease(granted(1)));
    assert!(!at_ease(Input::Vacated(0)) && at_ease(granted(2)), "the other one of the sum runs still");
    assert!(!at_ease(Input::Vacated(1)) && !at_ease(granted(3)), "the sum waits for records alone");
    assert!(!at_ease(Input::Ended(0, Ending::Made)));
    assert!(at_ease(Input::Ended(1, Ending::Made)), "and is in line now");
}

#[test]
fn what_is_claimed_ahead_is_given_back_where_nothing_may_start() {
    let mut dispatcher = dispatcher((0..3).map(|_| node(vec![], RUN)), 1);
    let stopped = |task| Command::Block(task, Because::Stopped);
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (Input::Ahead(2), vec![claim(1), claim(2)]),
            (granted(1), vec![]),
            (Input::Ended(0, Ending::Failed), vec![Command::Release(1)]),
            (granted(2), vec![Command::Release(2), stopped(1), stopped(2), Command::Finish]),
        ],
    );
}

#[test]
fn divergence_blocks_consumers_is_dropped_by_gathers_and_stops_nothing() {
    let mut dispatcher = dispatcher(
        [
            node(vec![], RUN),
            node(vec![], Begin::Made),
            node(vec![Need::One(0)], RUN),               // a score of the diverged model
            node(vec![Need::One(1)], Begin::Made),       // a score of the other
            node(vec![Need::Many(vec![2, 3])], RUN),     // a fit over both
            node(vec![Need::Many(vec![0, 2])], RUN),     // a fit over what is not there
            node(vec![Need::One(5), Need::One(1)], RUN), // and what rests on that
        ],
        1,
    );
    let gone = Because::Diverged(0);
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (
                Input::Ended(0, Ending::Diverged),
                vec![Command::Block(2, gone), Command::Block(5, gone), Command::Block(6, gone), claim(4)],
            ),
            (granted(4), vec![Command::Launch(4)]),
            (Input::Ended(4, Ending::Made), vec![Command::Finish]),
        ],
    );
}

#[test]
fn what_another_engine_has_is_left_alone_and_looked_at_again() {
    let mut dispatcher = dispatcher([node(vec![], RUN), node(vec![], RUN), node(vec![Need::One(0)], RUN)], 1);
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(0)]),
            (Input::Claimed(0, Claimed::Held), vec![claim(1)]),
            (Input::Tick, vec![]), // no slot
            (Input::Claimed(1, Claimed::Held), vec![claim(0)]),
            (Input::Claimed(0, Claimed::Held), vec![]),
            (Input::Tick, vec![claim(0)]),
            (Input::Claimed(0, Claimed::Done(Stands::Made)), vec![Command::Keep(0), claim(1)]),
            (Input::Claimed(1, Claimed::Held), vec![claim(2)]),
            (granted(2), vec![Command::Launch(2)]),
            (Input::Tick, vec![]),
            (Input::Ended(2, Ending::LeaseLost), vec![claim(1)]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Ended(1, Ending::Made), vec![]),
        ],
    );
    assert!(dispatcher.awaits_time());
    follow(
        &mut dispatcher,
        [
            (Input::Tick, vec![claim(2)]),
            (Input::Claimed(2, Claimed::Done(Stands::Diverged)), vec![Command::Keep(2), Command::Finish]),
        ],
    );
}

#[test]
fn a_result_without_bytes_is_made_again_where_somebody_needs_them() {
    let again = |task| Command::Claim { task, again: true };
    let mut needed = dispatcher([node(vec![], RUN), node(vec![Need::One(0)], RUN)], 1);
    follow(
        &mut needed,
        [(Input::Started, vec![claim(0)]), (Input::Claimed(0, Claimed::Done(Stands::Absent)), vec![again(0)])],
    );
    let mut leaf = dispatcher([node(vec![], RUN)], 1);
    follow(
        &mut leaf,
        [
            (Input::Started, vec![claim(0)]),
            (Input::Claimed(0, Claimed::Done(Stands::Absent)), vec![Command::Keep(0), Command::Finish]),
        ],
    );
}

#[test]
fn bad_bytes_are_made_again_twice_and_then_given_up() {
    let again = Command::Claim { task: 1, again: true };
    let lost = || Input::Ended(2, Ending::InputLost(vec![1]));
    let nodes = [node(vec![], Begin::Unneeded), node(vec![Need::One(0)], Begin::Made), node(vec![Need::One(1)], RUN)];
    let mut dispatcher = dispatcher(nodes, 1);
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(2)]),
            (granted(2), vec![Command::Launch(2)]),
            (lost(), vec![claim(0)]), // nobody had wanted 0; now 1 does
            (Input::Claimed(0, Claimed::Done(Stands::Made)), vec![Command::Keep(0), again.clone()]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Ended(1, Ending::Made), vec![claim(2)]),
            (granted(2), vec![Command::Launch(2)]),
            (lost(), vec![again]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Ended(1, Ending::Made), vec![claim(2)]),
            (granted(2), vec![Command::Launch(2)]),
            (lost(), vec![Command::GiveUp(2, vec![1]), Command::Finish]),
        ],
    );
}

#[test]
fn an_interrupt_stops_workers_and_gives_back_what_is_granted_late() {
    let mut dispatcher = dispatcher([node(vec![], RUN), node(vec![], RUN), node(vec![], RUN)], 2);
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(0), claim(1)]),
            (granted(0), vec![Command::Launch(0)]),
            (Input::Interrupt, vec![Command::Stop(0)]),
            (granted(1), vec![Command::Release(1)]),
            (
                Input::Ended(0, Ending::Failed),
                vec![Command::Block(1, Because::Stopped), Command::Block(2, Because::Stopped), Command::Finish],
            ),
        ],
    );
}

#[test]
fn the_longest_path_goes_first_and_a_wide_task_is_not_overtaken() {
    let long = |needs, length, cpus| Node { want: self::cpus(cpus), length, ..node(needs, RUN) };
    let mut dispatcher = dispatcher(
        [
            long(vec![], 5.0, 1),
            long(vec![], 1.0, 1), // short, but what follows is long
            long(vec![Need::One(1)], 10.0, 9),
            long(vec![], 1.0, 1),
        ],
        2,
    );
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(1), claim(0)]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Ended(1, Ending::Made), vec![]), // 2 wants more slots than there are: it runs alone, and 3 waits behind it
            (granted(0), vec![Command::Launch(0)]),
            (Input::Ended(0, Ending::Made), vec![claim(2)]),
            (granted(2), vec![Command::Launch(2)]),
            (Input::Ended(2, Ending::Made), vec![claim(3)]),
        ],
    );
}

fn gpus(gpus: f64) -> Node {
    Node { want: Want { gpus: Gpus::of(gpus).unwrap(), ..cpus(1) }, ..node(vec![], RUN) }
}

#[test]
fn who_waits_for_devices_is_not_overtaken_by_others_who_want_them_and_lets_the_rest_pass() {
    let nodes = outline([gpus(0.5), gpus(2.0), gpus(0.5), node(vec![], RUN), node(vec![], RUN), gpus(1.0)]);
    let capacity = Capacity { cpus: 4, memory: 0, devices: 2 };
    let mut dispatcher = Dispatcher::new(&nodes, Policy { capacity, ..Policy::default() });
    let lease = |task, devices: &[usize]| Command::Lease { task, devices: devices.to_vec() };
    follow(
        &mut dispatcher,
        [
            // 1 wants both devices and waits: 2 and 5 may not have what it waits for, and one slot stays free for it. 3 and 4 go by.
            (Input::Started, vec![lease(0, &[0]), claim(3), claim(4)]),
            (Input::Leased(0, true), vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (Input::Ended(0, Ending::Made), vec![Command::Unlease(0), lease(1, &[0, 1])]),
            (Input::Leased(1, true), vec![claim(1)]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Ended(1, Ending::Made), vec![Command::Unlease(1), lease(2, &[0]), lease(5, &[1])]),
        ],
    );
}

#[test]
fn devices_that_another_engine_has_are_asked_for_again_with_time() {
    let nodes = outline([gpus(1.0)]);
    let capacity = Capacity { cpus: 1, memory: 0, devices: 2 };
    let mut dispatcher = Dispatcher::new(&nodes, Policy { capacity, ..Policy::default() });
    let lease = |device| Command::Lease { task: 0, devices: vec![device] };
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![lease(0)]),
            (Input::Leased(0, false), vec![lease(1)]),
            (Input::Leased(0, false), vec![]),
            (Input::Tick, vec![lease(0)]),
            (Input::Leased(0, true), vec![claim(0)]),
            (Input::Claimed(0, Claimed::Held), vec![Command::Unlease(0)]),
        ],
    );
    assert!(dispatcher.awaits_time());
}

#[test]
fn what_faltered_rests_and_is_tried_again_as_often_as_it_may() {
    let nodes =
        outline([node(vec![], RUN), Node { retries: Some(0), ..node(vec![], RUN) }, node(vec![Need::One(0)], RUN)]);
    let mut dispatcher = Dispatcher::new(&nodes, Policy { retries: 2, keep_going: true, ..policy(1) });
    let faltered = |task| Input::Ended(task, Ending::Faltered);
    let rest = |tries| Command::Rest { task: 0, tries };
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (faltered(0), vec![rest(1), claim(1)]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Tick, vec![]),
            (faltered(1), vec![]), // it said that once is enough
            (Input::Tick, vec![]),
            (Input::Tick, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (faltered(0), vec![rest(2)]),
        ],
    );
    assert!(dispatcher.awaits_time());
    follow(&mut dispatcher, (0..5).map(|_| (Input::Tick, vec![])));
    follow(
        &mut dispatcher,
        [
            (Input::Tick, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (faltered(0), vec![Command::Block(2, Because::Failed(0)), Command::Finish]),
        ],
    );
}

#[test]
fn a_run_that_stops_does_not_wait_for_the_next_try() {
    let mut dispatcher = Dispatcher::new(
        &outline([node(vec![], RUN), node(vec![Need::One(0)], RUN)]),
        Policy { retries: 9, ..policy(1) },
    );
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (Input::Ended(0, Ending::Faltered), vec![Command::Rest { task: 0, tries: 1 }]),
            (Input::Interrupt, vec![Command::Abandon(0), Command::Block(1, Because::Failed(0)), Command::Finish]),
        ],
    );
}

#[test]
fn after_so_many_failures_nothing_more_starts() {
    let nodes = outline((0..4).map(|_| node(vec![], RUN)));
    let mut dispatcher = Dispatcher::new(&nodes, Policy { keep_going: true, max_fails: Some(2), ..policy(1) });
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (Input::Ended(0, Ending::Failed), vec![claim(1)]),
            (granted(1), vec![Command::Launch(1)]),
            (
                Input::Ended(1, Ending::Failed),
                vec![Command::Block(2, Because::Stopped), Command::Block(3, Because::Stopped), Command::Finish],
            ),
        ],
    );
}

#[test]
fn twins_are_never_under_way_together() {
    let twins = Outline { nodes: vec![node(vec![], RUN), node(vec![], RUN)] };
    let mut dispatcher = Dispatcher::new(&twins, policy(2));
    follow(
        &mut dispatcher,
        [
            (Input::Started, vec![claim(0)]),
            (granted(0), vec![Command::Launch(0)]),
            (Input::Ended(0, Ending::Made), vec![claim(1)]),
            (Input::Claimed(1, Claimed::Done(Stands::Made)), vec![Command::Keep(1), Command::Finish]),
        ],
    );
}

#[test]
fn a_twin_that_must_run_again_takes_what_was_just_made_unless_it_is_a_witness() {
    let twins =
        || Outline { nodes: vec![node(vec![], Begin::Run { again: true }), node(vec![], Begin::Run { again: true })] };
    let again = |task| Command::Claim { task, again: true };
    for (witness, second) in [(false, claim(1)), (true, again(1))] {
        let policy = Policy { adopt: true, witness, ..policy(2) };
        let mut dispatcher = Dispatcher::new(&twins(), policy);
        follow(
            &mut dispatcher,
            [
                (Input::Started, vec![again(0)]),
                (granted(0), vec![Command::Launch(0)]),
                (Input::Ended(0, Ending::Made), vec![second]),
            ],
        );
    }
}

#[test]
fn a_long_chain_of_blocked_tasks_does_not_exhaust_the_stack() {
    let nodes = (0..100_000).map(|i| node(if i == 0 { vec![] } else { vec![Need::One(i - 1)] }, RUN));
    let mut chain = dispatcher(nodes, 1);
    chain.step(Input::Started);
    chain.step(granted(0));
    assert_eq!(chain.step(Input::Ended(0, Ending::Failed)).len(), 100_000);
}

fn any_outline() -> impl Strategy<Value = Outline> {
    let begin = prop_oneof![
        6 => Just(RUN),
        1 => Just(Begin::Run { again: true }),
        2 => Just(Begin::Made),
        1 => Just(Begin::Diverged),
    ];
    let gpus = prop_oneof![4 => Just(0.0), 2 => Just(1.0), 1 => Just(0.5), 1 => Just(0.33), 1 => Just(2.0)];
    let want = (0_u32..5, 0_u64..7, gpus);
    let want = want.prop_map(|(cpus, memory, gpus)| Want { cpus, memory, gpus: Gpus::of(gpus).unwrap() });
    let retries = prop_oneof![3 => Just(None), 1 => (0_u32..3).prop_map(Some)];
    let node =
        (begin, prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..4), want, retries, 0.0..9.0);
    prop::collection::vec((node, 0_usize..256), 1..24).prop_map(|nodes| {
        let nodes = nodes.into_iter().enumerate().map(|(index, ((begin, needs, want, retries, length), key))| {
            let needs = needs.into_iter().filter(|_| index > 0).map(|(at, many)| {
                let at = at.index(index.max(1));
                if many { Need::Many((at..index).collect()) } else { Need::One(at) }
            });
            Node {
                needs: needs.collect(),
                want,
                retries,
                length,
                key: if index > 0 && key < 40 { key % index } else { index },
                begin,
            }
        });
        Outline { nodes: nodes.collect() }
    })
}

/// What the world does next: picks among the commands not yet answered and among answers.
#[derive(Debug, Clone)]
struct Turn {
    which: usize,
    answer: u8,
}

fn any_turn() -> impl Strategy<Value = Turn> {
    (any::<u16>(), any::<u8>()).prop_map(|(which, answer)| Turn { which: which.into(), answer })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the graph and whatever happens in whatever order: needs come before tasks, slots, memory and devices are not exceeded, devices
    /// that were leased are given back, twins do not meet, what is there is not launched, every command is answered once, and the run
    /// finishes with every task accounted for.
    #[test]
    fn any_run_keeps_the_invariants_and_ends(
        outline in any_outline(),
        turns in prop::collection::vec(any_turn(), 400),
        capacity in (1_u32..4, 1_u64..6, 0_usize..3).prop_map(|(cpus, memory, devices)| Capacity { cpus, memory, devices }),
        retries in 0_u32..3,
        max_fails in prop::option::of(1_u32..4),
        keep_going in any::<bool>(),
        adopt in any::<bool>(),
        haste in prop::option::of(Just(())),
        trouble in 0_u8..3,
    ) {
        let mut dispatcher = Dispatcher::new(&outline, Policy { capacity, keep_going, max_fails, retries, adopt, witness: false });
        let count = outline.nodes.len();
        let mut there: Vec<bool> = outline.nodes.iter().map(|n| n.begin == Begin::Made).collect();
        let mut accounted: Vec<bool> = outline.nodes.iter().map(|n| !matches!(n.begin, Begin::Run { .. })).collect();
        let mut open: Vec<Command> = Vec::new();
        let mut devices: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut leased: BTreeSet<usize> = BTreeSet::new();
        let mut vacated: BTreeSet<usize> = BTreeSet::new();
        let mut finished = false;
        let mut turns = turns.into_iter().chain((0..).map(|which| Turn { which, answer: 0 }));
        let mut next = Input::Started;
        for round in 0.. {
            prop_assert!(round < 20_000, "the run does not end");
            for command in dispatcher.step(next.clone()) {
                prop_assert!(!finished, "{command:?} after the end");
                match &command {
                    Command::Launch(task) => {
                        prop_assert!(!there[*task]);
                        for need in &outline.nodes[*task].needs {
                            let mut producers = need.tasks().iter();
                            match need {
                                Need::One(_) => prop_assert!(producers.all(|p| there[*p])),
                                Need::Many(_) => prop_assert!(producers.any(|p| there[*p]) || need.tasks().is_empty()),
                            }
                            prop_assert!(need.tasks().iter().all(|p| accounted[*p]), "a need is still open");
                        }
                    }
                    Command::Lease { task, devices: picked } => {
                        let distinct: BTreeSet<&usize> = picked.iter().collect();
                        let wanted = outline.nodes[*task].want.within(&capacity).gpus.devices();
                        prop_assert!(wanted > 0 && distinct.len() == wanted && picked.len() == wanted, "{command:?}");
                        devices.insert(*task, picked.clone());
                    }
                    Command::Unlease(task) => {
                        prop_assert!(leased.remove(task), "{task} has no lease");
                        devices.remove(task);
                    }
                    Command::Abandon(task) => accounted[*task] = true,
                    Command::GiveUp(task, producers) => {
                        accounted[*task] = true;
                        for producer in producers {
                            (there[*producer], accounted[*producer]) = (true, true); // as far as anybody knows
                        }
                    }
                    Command::Block(task, _) => {
                        prop_assert!(!accounted[*task], "{command:?} of a settled task");
                        accounted[*task] = true;
                    }
                    Command::Finish => finished = true,
                    _ => {}
                }
                if !matches!(command, Command::Block(..) | Command::GiveUp(..) | Command::Finish | Command::Release(_) | Command::Stop(_) | Command::Keep(_) | Command::Unlease(_) | Command::Rest { .. } | Command::Abandon(_)) {
                    open.push(command);
                }
                let taken: Vec<usize> = open.iter().map(task_of).collect();
                // Who is claimed ahead has no room yet, and who is only recorded has none any more.
                let has_room = |command: &&Command| match command {
                    Command::Launch(task) => !vacated.contains(task),
                    Command::Lease { .. } => true,
                    _ => haste.is_none(),
                };
                let roomed: Vec<usize> = open.iter().filter(has_room).map(task_of).collect();
                let wants: Vec<Want> = roomed.iter().map(|task| outline.nodes[*task].want.within(&capacity)).collect();
                prop_assert!(wants.iter().map(|want| want.cpus).sum::<u32>() <= capacity.cpus, "slots exceeded: {open:?}");
                prop_assert!(wants.iter().map(|want| want.memory).sum::<u64>() <= capacity.memory, "memory exceeded: {open:?}");
                let mut used = vec![0; capacity.devices];
                for (task, devices) in &devices {
                    for device in devices { used[*device] += each(outline.nodes[*task].want.gpus); }
                }
                prop_assert!(used.iter().all(|used| *used <= Gpus::ONE), "devices exceeded: {devices:?}");
                let keys: BTreeSet<usize> = taken.iter().map(|t| outline.nodes[*t].key).collect();
                prop_assert_eq!(keys.len(), taken.len(), "twins under way: {:?}", &open);
            }
            if finished {
                break;
            }
            for command in &open {
                if let Command::Launch(task) = command {
                    let wants_devices = outline.nodes[*task].want.within(&capacity).gpus != Gpus::NONE;
                    let runs = !vacated.contains(task);
                    prop_assert_eq!(leased.contains(task), wants_devices && runs, "{} runs without its devices", task);
                }
            }
            let turn = turns.next().expect("turns never run out");
            let at_work = |command: &Command| matches!(command, Command::Launch(task) if !vacated.contains(task));
            let leaves = open.iter().find(|command| at_work(command)).filter(|_| haste.is_some() && turn.answer % 3 == 0).map(task_of);
            next = if open.is_empty() {
                prop_assert!(dispatcher.awaits_time(), "stuck");
                Input::Tick
            } else if haste.is_some() && turn.which % 13 == 0 {
                Input::Ahead(usize::from(turn.answer % 5))
            } else if let Some(task) = leaves {
                vacated.insert(task);
                Input::Vacated(task)
            } else if trouble == 2 && turn.answer == 255 {
                Input::Interrupt
            } else {
                answer(&open.swap_remove(turn.which % open.len()), turn.answer, trouble, &outline, &mut there, &mut accounted)
            };
            match next {
                Input::Leased(task, true) => drop(leased.insert(task)),
                Input::Leased(task, false) => drop(devices.remove(&task)),
                Input::Ended(task, Ending::Faltered) => accounted[task] = !dispatcher.would_retry(task),
                _ => {}
            }
            if let Input::Ended(task, _) = next {
                vacated.remove(&task);
            }
        }
        prop_assert!(leased.is_empty() && devices.is_empty(), "not given back: {leased:?}");
        prop_assert!(open.is_empty(), "not answered: {open:?}");
        prop_assert_eq!(accounted.iter().filter(|done| **done).count(), count);
    }
}

fn task_of(command: &Command) -> usize {
    match command {
        Command::Lease { task, .. } | Command::LookUp(task) | Command::Launch(task) | Command::Claim { task, .. } => {
            *task
        }
        other => unreachable!("{other:?} holds no slot"),
    }
}

/// One answer of the world to `command`. Without `trouble` everything goes well.
fn answer(
    command: &Command,
    answer: u8,
    trouble: u8,
    outline: &Outline,
    there: &mut [bool],
    accounted: &mut [bool],
) -> Input {
    let answer = if trouble == 0 { 0 } else { answer };
    let lost = match *command {
        Command::Launch(task) => outline.nodes[task].needs.iter().flat_map(Need::tasks).find(|p| there[**p]).copied(),
        _ => None,
    };
    let mut settle = |task: usize, made: bool| {
        there[task] = made;
        accounted[task] = true;
    };
    match *command {
        Command::Lease { task, .. } => Input::Leased(task, answer % 4 != 1),
        Command::LookUp(task) => match answer % 5 {
            1 => {
                settle(task, true);
                Input::Looked(task, Some(Stands::Made))
            }
            2 => {
                settle(task, false);
                Input::Looked(task, Some(Stands::Diverged))
            }
            _ => Input::Looked(task, None),
        },
        Command::Claim { task, again } => Input::Claimed(
            task,
            match answer % 7 {
                1 | 2 => Claimed::Held,
                3 if !again => {
                    settle(task, true);
                    Claimed::Done(Stands::Made)
                }
                4 if !again => {
                    settle(task, false);
                    Claimed::Done(Stands::Diverged)
                }
                _ => Claimed::Granted,
            },
        ),
        Command::Launch(task) => Input::Ended(
            task,
            match answer % 11 {
                9 => {
                    there[task] = false;
                    Ending::Faltered
                }
                1 => {
                    settle(task, false);
                    Ending::Diverged
                }
                2 => {
                    settle(task, false);
                    Ending::Failed
                }
                3 => Ending::LeaseLost,
                4 | 5 => {
                    if let Some(lost) = lost {
                        settle(lost, false);
                        accounted[lost] = false;
                        Ending::InputLost(vec![lost])
                    } else {
                        settle(task, true);
                        Ending::Made
                    }
                }
                _ => {
                    settle(task, true);
                    Ending::Made
                }
            },
        ),
        ref other => unreachable!("{other:?} wants no answer"),
    }
}
