//! Properties over random graphs and random orders of events.

use isoflop_contract::demand::Gpus;
use proptest::prelude::*;

use super::*;
use crate::pool::each;

fn any_outline() -> impl Strategy<Value = Outline> {
    let begin = prop_oneof![
        6 => Just(RUN),
        1 => Just(Begin::Run { again: true }),
        1 => Just(Begin::Outdated),
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
        let mut accounted: Vec<bool> = outline.nodes.iter().map(|n| !matches!(n.begin, Begin::Run { .. } | Begin::Outdated)).collect();
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
