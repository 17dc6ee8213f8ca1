//! Reasons: why each task is kept or would run. The ledger is asked a few questions for all tasks together, however many there are.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::Key;
use isoflop_exec::{State, Survey, headline};
use isoflop_ledger::{Before, Earlier, LastAttempt, Ledger, RunId, TaskOutcome};
use isoflop_plan::{Causes, Plan, Reason, Why};

use crate::stop::{Stop, infrastructure};

/// Reasons by task, the most telling first.
pub type Reasons = BTreeMap<usize, Vec<Reason>>;

/// Why those tasks that are concerned stand as they do; of kept tasks there is nothing to say, but see [`adopted`].
pub async fn of(plan: &Plan, survey: &Survey, ledger: Option<&Ledger>) -> Result<Reasons, Stop> {
    let concerned = (0..plan.tasks().len()).filter(|index| survey.is_concerned(*index)).collect();
    of_some(plan, survey, &concerned, ledger).await
}

/// The same of these tasks.
pub async fn of_some(
    plan: &Plan,
    survey: &Survey,
    tasks: &BTreeSet<usize>,
    ledger: Option<&Ledger>,
) -> Result<Reasons, Stop> {
    let mut reasons = Reasons::new();
    let mut unmade = Vec::new();
    for &index in tasks {
        let task = &plan.tasks()[index];
        let own = |why: Why| Reason::own(&task.name, why);
        let told = match survey.state(index) {
            State::Kept(_) => continue,
            State::Unneeded => vec![own(Why::Unneeded)],
            State::Blocked(root) => {
                let because = format!("{} diverged, and this task needs it", plan.tasks()[*root].name);
                vec![own(Why::Blocked { because })]
            }
            State::Run(whys) => {
                if whys.contains(&Why::New) {
                    unmade.push(index);
                }
                whys.iter().filter(|why| **why != Why::New).cloned().map(own).collect()
            }
        };
        reasons.insert(index, told);
    }
    if let Some(ledger) = ledger
        && !unmade.is_empty()
    {
        let past = Past::read(ledger, plan, &unmade).await?;
        let mut found = compare(Causes::of_plan(plan), &unmade, &past, ledger).await?;
        name_files(plan, &mut found, ledger).await?;
        for (index, more) in found {
            reasons.entry(index).or_default().extend(more);
        }
    }
    for index in unmade {
        let told = reasons.entry(index).or_default();
        if told.is_empty() {
            told.push(Reason::own(&plan.tasks()[index].name, Why::New));
        }
    }
    Ok(reasons)
}

/// Of those of `kept` that are kept because an earlier result was adopted: that, and what had changed without changing any bytes.
pub async fn adopted(plan: &Plan, kept: &[usize], ledger: &Ledger) -> Result<Reasons, Stop> {
    let keys: Vec<Key> = kept.iter().map(|index| plan.tasks()[*index].key).collect();
    let standing = ledger.standing(&keys).await.map_err(infrastructure)?;
    let mut reasons = Reasons::new();
    let mut asked = Vec::new();
    for &index in kept {
        let task = &plan.tasks()[index];
        let Some(standing) = standing.get(&task.key) else { continue };
        let Some((made_under, made_in)) = standing.made_under.zip(standing.made_in) else { continue };
        if made_under != task.key {
            let why = Why::Adopted { run: short(standing.run), made_in: short(made_in), trace: None };
            reasons.insert(index, vec![Reason::own(&task.name, why)]);
            asked.push((index, made_under, standing.made_in));
        }
    }
    let mut causes = Causes::of_plan(plan);
    let runs: BTreeSet<RunId> = asked.iter().filter_map(|(_, _, run)| *run).collect();
    learn_names(&mut causes, &runs, ledger).await?;
    for (index, key, _) in &asked {
        causes.ask(*index, *key);
    }
    settle(&mut causes, ledger).await?;
    for (index, key, _) in asked {
        reasons.entry(index).or_default().extend(causes.reasons(index, key).iter().cloned());
    }
    name_files(plan, &mut reasons, ledger).await?;
    Ok(reasons)
}

/// What earlier runs tell of tasks that have no result.
pub struct Past {
    /// The tasks, by index, with name and key.
    tasks: BTreeMap<usize, (String, Key)>,
    /// Earlier recipes by task name, latest first.
    earlier: BTreeMap<String, Vec<Earlier>>,
    last: BTreeMap<Key, LastAttempt>,
}

impl Past {
    async fn read(ledger: &Ledger, plan: &Plan, tasks: &[usize]) -> Result<Self, Stop> {
        let tasks = tasks.iter().map(|index| {
            let task = &plan.tasks()[*index];
            (*index, (task.name.clone(), task.key))
        });
        Self::before(ledger, &plan.study.name, tasks.collect(), Before::Now).await
    }

    /// What runs before `before` tell of `tasks` of `study`.
    pub async fn before(
        ledger: &Ledger,
        study: &str,
        tasks: BTreeMap<usize, (String, Key)>,
        before: Before,
    ) -> Result<Self, Stop> {
        let names: Vec<&str> = tasks.values().map(|(name, _)| name.as_str()).collect();
        let keys: Vec<Key> = tasks.values().map(|(_, key)| *key).collect();
        let found = ledger.earlier(study, &names, before).await.map_err(infrastructure)?;
        let last = ledger.last_attempts(&keys, before).await.map_err(infrastructure)?;
        let mut earlier: BTreeMap<String, Vec<Earlier>> = BTreeMap::new();
        for recipe in found {
            earlier.entry(recipe.name.clone()).or_default().push(recipe);
        }
        Ok(Self { tasks, earlier, last })
    }

    /// What became of the recipe that the task has now, if it was planned or tried before.
    fn itself(&self, index: usize) -> Option<Why> {
        let (name, key) = self.tasks.get(&index)?;
        if let Some(last) = self.last.get(key) {
            let run = short(last.run);
            return match last.outcome.as_deref() {
                Some("failed") => {
                    let reason = last.reason.clone().unwrap_or_else(|| "no reason was given".to_owned());
                    let class = last.class.as_ref().map(|class| format!("{class}: ")).unwrap_or_default();
                    Some(Why::Failed { message: format!("{class}{reason}"), run })
                }
                Some("lost") => Some(Why::Lost { run }),
                _ => None,
            };
        }
        let same = self.earlier.get(name)?.iter().find(|earlier| earlier.key == *key)?;
        let because = match same.outcome {
            Some(TaskOutcome::Blocked) => same.reason.clone().unwrap_or_else(|| "it was blocked".to_owned()),
            _ => "the run was not asked for it, or did not come to it".to_owned(),
        };
        Some(Why::Unmade { run: short(same.run), because })
    }

    /// The recipes that the task had before; those with a result, if any has one.
    fn recipes(&self, index: usize) -> Vec<&Earlier> {
        let Some((name, key)) = self.tasks.get(&index) else { return Vec::new() };
        let others = self.earlier.get(name).into_iter().flatten().filter(|earlier| earlier.key != *key);
        let (settled, unsettled): (Vec<_>, Vec<_>) = others.partition(|earlier| earlier.settled);
        if settled.is_empty() { unsettled } else { settled }
    }
}

/// What sets each of these tasks apart from the nearest of its earlier recipes, after what became of its own.
pub async fn compare(mut causes: Causes<'_>, tasks: &[usize], past: &Past, ledger: &Ledger) -> Result<Reasons, Stop> {
    let mut nearest: BTreeMap<usize, &Earlier> = BTreeMap::new();
    for &index in tasks {
        let recipes = past.recipes(index);
        let texts: Vec<(Key, &str)> = recipes.iter().map(|earlier| (earlier.key, earlier.text.as_str())).collect();
        let Some(key) = causes.nearest(index, &texts) else { continue };
        nearest.extend(recipes.into_iter().find(|earlier| earlier.key == key).map(|earlier| (index, earlier)));
    }
    let runs: BTreeSet<RunId> = nearest.values().map(|earlier| earlier.run).collect();
    learn_names(&mut causes, &runs, ledger).await?;
    for (index, earlier) in &nearest {
        causes.learn(earlier.key, Some(&earlier.text));
        causes.ask(*index, earlier.key);
    }
    settle(&mut causes, ledger).await?;
    let mut reasons = Reasons::new();
    for &index in tasks {
        let name = past.tasks.get(&index).map_or("", |(name, _)| name.as_str());
        let causes = nearest.get(&index).map_or(&[][..], |earlier| causes.reasons(index, earlier.key));
        let itself = past.itself(index).map(|why| Reason::own(name, why));
        // What came of an attempt says more than what changed before it; that there was none says less.
        let (first, last): (Vec<_>, Vec<_>) =
            itself.into_iter().partition(|own| !matches!(own.why, Why::Unmade { .. }));
        let told: Vec<Reason> = first.into_iter().chain(causes.iter().cloned()).chain(last).collect();
        reasons.insert(index, told);
    }
    Ok(reasons)
}

async fn learn_names(causes: &mut Causes<'_>, runs: &BTreeSet<RunId>, ledger: &Ledger) -> Result<(), Stop> {
    let runs: Vec<RunId> = runs.iter().copied().collect();
    for (name, key) in ledger.names(&runs).await.map_err(infrastructure)? {
        causes.name(key, &name);
    }
    Ok(())
}

/// Learns the recipes that are wanting, a level of the graph at a time.
async fn settle(causes: &mut Causes<'_>, ledger: &Ledger) -> Result<(), Stop> {
    loop {
        let wanting = causes.wanting();
        if wanting.is_empty() {
            return Ok(());
        }
        let texts = ledger.recipes(&wanting).await.map_err(infrastructure)?;
        for key in wanting {
            causes.learn(key, texts.get(&key).map(String::as_str));
        }
    }
}

/// Says which files differ, where the ledger still knows those of old.
async fn name_files(plan: &Plan, reasons: &mut Reasons, ledger: &Ledger) -> Result<(), Stop> {
    for reason in reasons.values_mut().flatten() {
        let Why::Files(difference, which) = &mut reason.why else { continue };
        let digest = |value: &Option<serde_json::Value>| value.as_ref().and_then(|value| value.as_str()?.parse().ok());
        let (Some(old), Some(new)) = (digest(&difference.old), digest(&difference.new)) else { continue };
        let name = difference.field.strip_prefix("files.").unwrap_or(&difference.field).to_owned();
        let planned = plan.tasks().iter().filter_map(|task| task.files.get(&name)).find(|set| set.digest == new);
        let Some(old) = ledger.artifact(old).await.map_err(infrastructure)? else { continue };
        let new = match planned {
            Some(set) => Some(set.manifest.clone()),
            None => ledger.artifact(new).await.map_err(infrastructure)?,
        };
        *which = new.map(|new| isoflop_plan::files::difference(&name, &old, &new));
    }
    Ok(())
}

/// A run's id for a sentence: its last digits, which `--run` takes.
pub fn short(run: RunId) -> String {
    let id = run.to_string();
    id.get(id.len() - 8..).unwrap_or(&id).to_owned()
}

/// Reasons on one line, for a list of tasks.
pub fn line(reasons: &[Reason]) -> String {
    const SOME: usize = 2;
    // A failure quotes its log, and a row of a table has one line.
    let told = |reason: &Reason| headline(&reason.to_string());
    let mut parts: Vec<String> = reasons.iter().take(SOME).map(told).collect();
    match reasons.len().saturating_sub(SOME) {
        0 => {}
        1 => parts.push(told(&reasons[SOME])),
        more => parts.push(format!("and {more} reasons more")),
    }
    parts.join("; ")
}

/// The reasons of many tasks, each sort once: with the first of its sort, how many tasks have it, and whether others have other values.
pub fn sorts<'r>(reasons: impl Iterator<Item = &'r Reason>) -> Vec<(&'r Reason, usize, bool)> {
    let mut sorts: Vec<(String, &Reason, usize, bool)> = Vec::new();
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for reason in reasons {
        let pattern = reason.pattern();
        if let Some(at) = places.get(&pattern) {
            sorts[*at].2 += 1;
            sorts[*at].3 |= sorts[*at].1.why != reason.why;
        } else {
            places.insert(pattern.clone(), sorts.len());
            sorts.push((pattern, reason, 1, false));
        }
    }
    sorts.sort_by_key(|(_, _, count, _)| std::cmp::Reverse(*count));
    sorts.into_iter().map(|(_, reason, count, other)| (reason, count, other)).collect()
}

/// A sort of reason in words.
pub fn sort(reason: &Reason, other_values: bool) -> String {
    let others =
        if other_values && reason.why.difference().is_some() { ", and other values in other cells" } else { "" };
    format!("{}{others}", headline(&reason.to_string()))
}
