//! The policy of a run: how much of the machine it may use at once, and what it does about failures.

use isoflop_contract::FailureClass;

use crate::pool::Capacity;

/// How to go about it.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// What there is.
    pub capacity: Capacity,
    /// Whether independent tasks go on after a failure.
    pub keep_going: bool,
    /// After how many failures nothing more starts, though independent tasks may go on.
    pub max_fails: Option<u32>,
    /// How often a task is tried again, where it does not say itself.
    pub retries: u32,
    /// Whether old results may be adopted by trace.
    pub adopt: bool,
    /// Whether every task that must run again does so by itself, as a witness; otherwise one execution serves all tasks of its key.
    pub witness: bool,
}

/// Whether trying again may help. What a body says of its inputs, and what a worker does against the protocol, it will say and do again;
/// what took too long takes as long again; a run that was stopped was meant to stop. What crashed, and what the machine could not give,
/// may go well another time. A lost lease is no failure: whoever has it now makes the task.
pub const fn may_help(class: FailureClass) -> bool {
    match class {
        FailureClass::Crashed | FailureClass::Resource => true,
        FailureClass::Rejected | FailureClass::Interrupted | FailureClass::TimedOut | FailureClass::Refused => false,
    }
}

/// How many ticks a task rests before it is tried for the `tries`-th time again: 3, 6, 12 and so on, and at most `LONGEST_REST`.
pub const fn rest(tries: u32) -> u64 {
    let doublings = if tries > 7 { 7 } else { tries.saturating_sub(1) };
    let ticks = 3 << doublings;
    if ticks < LONGEST_REST { ticks } else { LONGEST_REST }
}

/// The longest rest, in ticks: a minute.
const LONGEST_REST: u64 = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_double_and_are_bounded() {
        assert_eq!([1, 2, 3, 7, 8, 1_000_000].map(rest), [3, 6, 12, 192, 200, 200]);
    }
}
