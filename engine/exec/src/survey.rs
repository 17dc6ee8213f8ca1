//! The survey: a plan compared with the past. It says of every task whether an earlier result stands or it must run, and why.
//!
//! Pure: what the ledger knows and what the store holds come in as values. A task whose key has an outcome is kept, divergence included;
//! whether its bytes are in the store is asked only if somebody who must run needs them.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key, Manifest};
use isoflop_ledger::{Past, PastOutcome};
use isoflop_plan::{Plan, Task, TaskNeed, Why};

/// How each task of a plan stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Survey {
    states: Vec<State>,
    /// The artifact under each task's key, whether it is to be kept or not.
    before: Vec<Option<Digest>>,
    /// Whether each task was asked for by itself.
    targets: Vec<bool>,
}

/// How one task stands.
#[derive(Debug, Clone, PartialEq)]
pub enum State {
    /// An earlier result stands.
    Kept(Past),
    /// It must run, for these reasons.
    Run(Vec<Why>),
    /// It cannot run and need not: what it needs diverged, in the task of this index.
    Blocked(usize),
    /// Nothing that was asked for rests on it.
    Unneeded,
}

/// What a survey is asked for.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// What runs whatever the past holds.
    pub force: Force,
    /// The tasks that are wanted, by index; all if none are named.
    pub targets: Option<BTreeSet<usize>>,
    /// Whether the bytes of what is wanted must be in the store: otherwise that is asked only where somebody who must run needs them.
    pub bytes: bool,
    /// Whether a result counts although it was made from other bits than stand now under the keys it needs (`verify`, `drill`).
    pub as_it_stands: bool,
}

/// What runs whatever the past holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Force {
    /// Nothing.
    #[default]
    Nothing,
    /// The targets, but not what they need (`verify`).
    Targets,
    /// Everything (`--cache off`).
    Everything,
}

/// Surveys `plan`: `past` is what stands under its keys, and `holds` tells whether the store has all bytes of a manifest.
pub fn survey(plan: &Plan, past: &BTreeMap<Key, Past>, holds: &dyn Fn(&Manifest) -> bool, scope: &Scope) -> Survey {
    let tasks = plan.tasks();
    let mut states: Vec<State> = Vec::with_capacity(tasks.len());
    let is_target = |index: usize| scope.targets.as_ref().is_none_or(|targets| targets.contains(&index));
    for (index, task) in tasks.iter().enumerate() {
        let forced = match scope.force {
            Force::Nothing => false,
            Force::Targets => is_target(index),
            Force::Everything => true,
        };
        let kept = past.get(&task.key).filter(|_| !forced);
        let outdated = kept.filter(|_| !scope.as_it_stands).and_then(|kept| outdated(plan, index, kept, &states));
        let state = match (kept, diverged(&task.needs, &states)) {
            (Some(_), None) if let Some(why) = outdated => State::Run(vec![why]),
            (Some(past), _) => State::Kept(past.clone()),
            (None, Some(root)) => State::Blocked(root),
            (None, None) => State::Run(vec![if forced { Why::Asked } else { Why::New }]),
        };
        states.push(state);
    }
    // From the end: what must run wakes what it needs, and what nobody wants goes. A store is asked once of each task, however many need it.
    let mut asked = vec![false; tasks.len()];
    let mut is_gone = |index: usize, state: &State| {
        !std::mem::replace(&mut asked[index], true)
            && matches!(state, State::Kept(Past { outcome: PastOutcome::Made { manifest, .. }, .. }) if !holds(manifest))
    };
    let mut wanted: Vec<bool> = (0..tasks.len()).map(is_target).collect();
    for index in (0..tasks.len()).rev() {
        if scope.bytes && is_target(index) && is_gone(index, &states[index]) {
            states[index] = State::Run(vec![Why::BytesMissing { what: "its artifact".to_owned() }]);
        }
        match &states[index] {
            State::Run(_) if wanted[index] => {
                for producer in plan.producers(index) {
                    wanted[producer] = true;
                    if is_gone(producer, &states[producer]) {
                        let what = format!("what `{}` needs of it", tasks[index].name);
                        states[producer] = State::Run(vec![Why::BytesMissing { what }]);
                    }
                }
            }
            State::Run(_) | State::Blocked(_) if !wanted[index] => states[index] = State::Unneeded,
            _ => {}
        }
    }
    let before = tasks.iter().map(|task| past.get(&task.key)?.digest()).collect();
    Survey { states, before, targets: (0..tasks.len()).map(is_target).collect() }
}

/// Why the result that stands does not count: what it needs was made again since, with other bits, or is about to be.
fn outdated(plan: &Plan, index: usize, kept: &Past, states: &[State]) -> Option<Why> {
    let task = &plan.tasks()[index];
    let mut digests: BTreeMap<Key, Digest> = BTreeMap::new();
    let mut later: Vec<&str> = Vec::new();
    for producer in plan.producers(index) {
        let Task { name, key, .. } = &plan.tasks()[producer];
        match &states[producer] {
            State::Run(whys) if whys.iter().any(|why| matches!(why, Why::Inputs { .. })) => {
                let because = format!("`{name}` is made again, and may come out with other bits");
                return Some(Why::Inputs { because });
            }
            State::Run(_) => return None, // what it comes out with is for the next survey
            State::Kept(past) => {
                digests.extend(past.digest().map(|digest| (*key, digest)));
                later.extend((past.at > kept.at).then_some(name.as_str()));
            }
            State::Blocked(_) | State::Unneeded => {}
        }
    }
    let trace = kept.trace.filter(|_| !task.needs.is_empty())?;
    let text = task.recipe.trace(|key| digests.get(key).copied())?.text().ok()?;
    let since = match later.as_slice() {
        [] => "what it needs was".to_owned(),
        [one] => format!("`{one}` was"),
        [one, others @ ..] => format!("`{one}` and {} more were", others.len()),
    };
    let because = format!("it was made from other bits than stand now: {since} made again since");
    (Digest::of(text) != trace).then_some(Why::Inputs { because })
}

/// The diverged task that leaves `needs` without what they must have.
fn diverged(needs: &BTreeMap<String, TaskNeed>, states: &[State]) -> Option<usize> {
    let root = |index: usize| match &states[index] {
        State::Kept(Past { outcome: PastOutcome::Diverged { .. }, .. }) => Some(index),
        State::Blocked(root) => Some(*root),
        _ => None,
    };
    needs.values().find_map(|need| match need {
        TaskNeed::One(index) => root(*index),
        TaskNeed::Many(cells) => {
            let roots: Option<Vec<usize>> = cells.values().map(|index| root(*index)).collect();
            roots?.first().copied()
        }
    })
}

impl Survey {
    /// How the task at `index` in the plan stands.
    pub fn state(&self, index: usize) -> &State {
        &self.states[index]
    }

    /// How all tasks stand, in the plan's order.
    pub fn states(&self) -> &[State] {
        &self.states
    }

    /// The artifact that stood under the key of the task at `index`, whether or not it is to be kept.
    pub fn before(&self, index: usize) -> Option<Digest> {
        self.before[index]
    }

    /// Whether the task at `index` was asked for by itself, and not only for another's sake.
    pub fn is_target(&self, index: usize) -> bool {
        self.targets[index]
    }

    /// Whether the task at `index` has to do with what was asked for: it was itself, or it must run for it.
    pub fn is_concerned(&self, index: usize) -> bool {
        self.targets[index] || !matches!(self.states[index], State::Kept(_) | State::Unneeded)
    }

    /// The indices of the tasks that must run.
    pub fn to_run(&self) -> impl Iterator<Item = usize> {
        self.states.iter().enumerate().filter_map(|(index, state)| matches!(state, State::Run(_)).then_some(index))
    }

    /// How many of the tasks that were asked for are kept.
    pub fn kept(&self) -> usize {
        self.states
            .iter()
            .zip(&self.targets)
            .filter(|(state, target)| **target && matches!(state, State::Kept(_)))
            .count()
    }
}
