//! Selections of a plan, carried out: names resolved, the past asked where it decides, the plan surveyed within what is left.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Key, Manifest};
use isoflop_exec::{Force, Scope, Survey};
use isoflop_ledger::{Before, Ledger, Past};
use isoflop_plan::{Plan, SelectError, Selection};

use crate::{
    args::Cache,
    home,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// A plan compared with what the ledger knows and the store holds, within a selection. Reads only.
pub async fn survey(
    plan: &Plan,
    selection: &Selection,
    force: Force,
    settings: &Settings,
    ledger: Option<&Ledger>,
) -> Result<Survey, Stop> {
    let failed = if selection.failed { failed(plan, &named(plan, selection)?, ledger).await? } else { BTreeSet::new() };
    let past = home::past(plan, ledger).await?;
    survey_in(plan, selection, force, (&past, &failed), &home::holds(settings)?)
}

/// The same for a run that uses the cache this way.
pub async fn survey_with(
    plan: &Plan,
    selection: &Selection,
    cache: Cache,
    settings: &Settings,
    ledger: Option<&Ledger>,
) -> Result<Survey, Stop> {
    match cache {
        Cache::ReadWrite | Cache::Read => survey(plan, selection, Force::Nothing, settings, ledger).await,
        Cache::Write => survey(plan, selection, Force::Everything, settings, ledger).await,
        Cache::Off => {
            let failed =
                if selection.failed { failed(plan, &named(plan, selection)?, ledger).await? } else { BTreeSet::new() };
            survey_in(plan, selection, Force::Nothing, (&BTreeMap::new(), &failed), &|_| false)
        }
    }
}

/// The same with a past that is known already, and which tasks failed last where the selection asks for that.
pub fn survey_in(
    plan: &Plan,
    selection: &Selection,
    force: Force,
    (past, failed): (&BTreeMap<Key, Past>, &BTreeSet<usize>),
    holds: &dyn Fn(&Manifest) -> bool,
) -> Result<Survey, Stop> {
    let targets = if selection.is_everything() {
        None
    } else {
        let is_missing = |task: usize| match past.get(&plan.tasks()[task].key) {
            Some(past) => past.manifest().is_some_and(|manifest| !holds(manifest)),
            None => true,
        };
        Some(selection.narrow(named(plan, selection)?, |task| failed.contains(&task), is_missing))
    };
    // With a selection, "again" means what was selected, and not all that it rests on.
    let force = match force {
        Force::Everything if targets.is_some() => Force::Targets,
        force => force,
    };
    let scope = Scope { force, targets, bytes: selection.missing, ..Scope::default() };
    Ok(isoflop_exec::survey(plan, past, holds, &scope))
}

/// The same where it is known already which tasks the selection means.
pub async fn survey_of(
    plan: &Plan,
    targets: BTreeSet<usize>,
    selection: &Selection,
    settings: &Settings,
    ledger: Option<&Ledger>,
) -> Result<Survey, Stop> {
    let past = home::past(plan, ledger).await?;
    let holds = home::holds(settings)?;
    let scope = Scope { force: Force::Nothing, targets: Some(targets), bytes: selection.missing, ..Scope::default() };
    Ok(isoflop_exec::survey(plan, &past, &holds, &scope))
}

/// The tasks that a selection means, without a survey.
pub async fn tasks(
    plan: &Plan,
    selection: &Selection,
    settings: &Settings,
    ledger: Option<&Ledger>,
) -> Result<BTreeSet<usize>, Stop> {
    if selection.failed || selection.missing {
        let survey = survey(plan, selection, Force::Nothing, settings, ledger).await?;
        return Ok((0..plan.tasks().len()).filter(|index| survey.is_target(*index)).collect());
    }
    named(plan, selection)
}

/// The tasks that a selection names, whatever became of them.
pub fn named(plan: &Plan, selection: &Selection) -> Result<BTreeSet<usize>, Stop> {
    selection.tasks(plan).map_err(|errors| refused(&errors))
}

/// Everything that is wrong with a selection, as one message.
pub fn refused(errors: &[SelectError]) -> Stop {
    Stop::Usage(errors.iter().map(SelectError::to_string).collect::<Vec<_>>().join("\n  "))
}

/// Those of `chosen` whose last attempt failed.
pub async fn failed(plan: &Plan, chosen: &BTreeSet<usize>, ledger: Option<&Ledger>) -> Result<BTreeSet<usize>, Stop> {
    let Some(ledger) = ledger else { return Ok(BTreeSet::new()) };
    let keys: Vec<Key> = chosen.iter().map(|task| plan.tasks()[*task].key).collect();
    let last = ledger.last_attempts(&keys, Before::Now).await.map_err(infrastructure)?;
    let failed = |task: &usize| last.get(&plan.tasks()[*task].key).is_some_and(isoflop_ledger::LastAttempt::failed);
    Ok(chosen.iter().copied().filter(failed).collect())
}

/// Those of `names` of which nothing can be made: whatever each of them means is blocked. Who asks for a study as a whole asks for what there is of it.
pub fn barren<'n>(plan: &Plan, names: &'n [String], is_blocked: impl Fn(usize) -> bool) -> Vec<&'n str> {
    let is_barren = |name: &&String| {
        let meant = Selection::of([(*name).clone()]).tasks(plan);
        meant.is_ok_and(|meant| meant.into_iter().all(&is_blocked))
    };
    names.iter().filter(is_barren).map(String::as_str).collect()
}

/// What is said where the past leaves nothing of a selection.
pub fn nothing(selection: &Selection) -> String {
    format!("nothing to do: no task {}", selection.in_words())
}
