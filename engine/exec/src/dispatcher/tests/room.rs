//! Who has room when, and who is claimed ahead of it.

use isoflop_contract::demand::Gpus;

use super::*;

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
