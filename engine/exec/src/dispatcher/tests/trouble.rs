//! Failures, bad bytes, other tries and interrupts.

use super::*;

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
