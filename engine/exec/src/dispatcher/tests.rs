//! Tables: given these inputs, these commands and nothing else.

use super::*;
use crate::{
    outline::{Begin, Need, Node},
    pool::{Capacity, Want},
};

mod any;
mod room;
mod trouble;

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
fn what_was_made_from_other_bits_runs_again_unless_these_were_seen() {
    let nodes = outline([
        node(vec![], Begin::Made),
        node(vec![Need::One(0)], Begin::Outdated),
        node(vec![Need::One(1)], Begin::Outdated),
    ]);
    let mut adopting = Dispatcher::new(&nodes, Policy { adopt: true, ..policy(1) });
    follow(
        &mut adopting,
        [
            (Input::Started, vec![Command::LookUp(1)]),
            (Input::Looked(1, None), vec![Command::Claim { task: 1, again: true }]),
            (granted(1), vec![Command::Launch(1)]),
            (Input::Ended(1, Ending::Made), vec![Command::LookUp(2)]),
            (Input::Looked(2, Some(Stands::Made)), vec![Command::Finish]),
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
