//! `drill`: makes a task in a scratch home without interruption, then again with `kill -9` at random steps, each time going on from what the
//! dead attempt left, and compares the bits. What an interruption could change is found before it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use isoflop_contract::{Catalog, Digest, Key, Manifest, Seed, protocol::Death};
use isoflop_exec::{Deaths, Force, Interrupt, Moment, Options, Outcome, Scope, State, Summary, Survey};
use isoflop_ledger::Past;
use isoflop_plan::{Plan, Selection};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{
    args::{DrillArgs, SetArgs},
    bits::{self, First},
    ground::Ground,
    home,
    output::{Output, Paint},
    project, selection,
    settings::Settings,
    steps::{self, Series},
    stop::{Stop, infrastructure},
    verbs::why,
    work::{Work, carry_out},
};

/// How one way to the end went.
struct Way {
    outcome: Outcome,
    reason: Option<String>,
    digest: Option<Digest>,
    series: Series,
    seconds: f64,
}

/// What is drilled.
struct Drill<'a> {
    plan: Arc<Plan>,
    task: usize,
    place: PathBuf,
    set: SetArgs,
    /// What stands in the real home.
    past: BTreeMap<Key, Past>,
    args: &'a DrillArgs,
    settings: &'a Settings,
}

/// What one run told.
#[derive(Default)]
struct Seen {
    total: u64,
    resumed: Vec<u64>,
}

/// Makes the task twice and compares.
pub async fn drill(args: &DrillArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let drill = Drill::new(args, catalog, settings).await?;
    let ground = drill.ground().await?;
    let result = drill.twice(&ground, out).await;
    ground.leave().await;
    result
}

impl<'a> Drill<'a> {
    async fn new(args: &'a DrillArgs, catalog: &Catalog, settings: &'a Settings) -> Result<Self, Stop> {
        let ledger = home::ledger_if_any(settings).await?;
        let (place, set, names) = why::study(args.study.as_ref(), &args.set, &args.tasks, ledger.as_ref()).await?;
        let plan = Arc::new(project::plan_at(&place, &set, catalog)?);
        let wanted = Selection::of(names.iter().cloned());
        let chosen = selection::tasks(&plan, &wanted, settings, ledger.as_ref()).await?;
        let mut chosen = chosen.into_iter();
        let (Some(task), None) = (chosen.next(), chosen.next()) else {
            let hint = "a drill is of one task: name one, as in 'train[size=s,seed=0]'";
            return Err(Stop::Usage(format!("{} names several tasks; {hint}", names.join(", "))));
        };
        let past = home::past(&plan, ledger.as_ref()).await?;
        if let Some(ledger) = ledger {
            ledger.close().await;
        }
        Ok(Self { plan, task, place, set, past, args, settings })
    }

    fn key(&self) -> Key {
        self.plan.tasks()[self.task].key
    }

    fn survey(&self, past: &BTreeMap<Key, Past>, holds: &dyn Fn(&Manifest) -> bool) -> Survey {
        let scope =
            Scope { force: Force::Targets, targets: Some([self.task].into()), bytes: false, as_it_stands: true };
        isoflop_exec::survey(&self.plan, past, holds, &scope)
    }

    /// A home of its own, with the inputs that stand in the real one.
    async fn ground(&self) -> Result<Ground, Stop> {
        let ground = Ground::make(&format!("drill-{}", std::process::id()), self.settings).await?;
        match self.furnish(&ground) {
            Ok(()) => Ok(ground),
            Err(stop) => {
                ground.leave().await;
                Err(stop)
            }
        }
    }

    fn furnish(&self, ground: &Ground) -> Result<(), Stop> {
        if !self.settings.store().is_dir() {
            return Ok(());
        }
        let real = home::store(self.settings)?;
        let survey = self.survey(&self.past, &|manifest| real.holds(manifest));
        for task in survey.to_run().flat_map(|task| self.plan.producers(task)).collect::<BTreeSet<_>>() {
            if let State::Kept(past) = survey.state(task)
                && let Some(manifest) = past.manifest()
            {
                ground.lend(&real, manifest)?;
            }
        }
        Ok(())
    }

    async fn twice(&self, ground: &Ground, out: &mut Output) -> Result<(), Stop> {
        let name = &self.plan.tasks()[self.task].name;
        let mut seen = Seen::default();
        let whole = self.whole(ground, &mut seen).await?;
        if whole.outcome == Outcome::Failed {
            let reason = whole.reason.as_deref().unwrap_or("no reason given");
            return Err(Stop::Unmade(format!("{name} failed without being killed: {reason}")));
        }
        let (deaths, marks) = planned(self.args.seed, self.args.kills, seen.total);
        let mut seen = Seen::default();
        let (killed, kills) = self.killed(ground, &deaths, marks, whole.seconds, &mut seen).await?;
        if killed.outcome == Outcome::Failed {
            let reason = killed.reason.as_deref().unwrap_or("no reason given");
            return Err(Stop::Unmade(format!("{name} failed after it had been killed: {reason}")));
        }
        let first = self.first_difference(&whole, &killed, ground).await?;
        self.report(&whole, &killed, first.as_ref(), kills, &seen.resumed, out)?;
        // A task that was never killed has shown nothing.
        if first.is_some() || kills == 0 { Err(Stop::Disproved) } else { Ok(()) }
    }

    /// Without interruption.
    async fn whole(&self, ground: &Ground, seen: &mut Seen) -> Result<Way, Stop> {
        let summary = self.run(ground, Options::new(ground.folder()), None, seen).await?;
        self.way(&summary, ground).await
    }

    /// Killed again and again, until it comes to its end. Answers with how often it was killed, too.
    async fn killed(
        &self,
        ground: &Ground,
        deaths: &[Death],
        marks: BTreeSet<u64>,
        seconds: f64,
        seen: &mut Seen,
    ) -> Result<(Way, u32), Stop> {
        let options = Options {
            deaths: Deaths::of(self.key(), deaths.iter().copied()),
            marks: BTreeMap::from([(self.key(), marks)]),
            ..Options::new(ground.folder())
        };
        let mut kills = 0;
        for round in 0.. {
            // A body that tells no steps is killed by the clock, and sooner where that was too late.
            let by_clock = deaths.is_empty() && round < self.args.kills;
            let after =
                share(self.args.seed, u64::from(round)) * seconds / f64::from(if kills == 0 { round + 1 } else { 1 });
            let summary = self.run(ground, options.clone(), by_clock.then_some(after), seen).await?;
            let way = self.way(&summary, ground).await?;
            let died = way.outcome == Outcome::Failed
                && (summary.interrupted || way.reason.as_ref().is_some_and(|reason| reason.contains("SIGKILL")));
            kills += u32::from(died);
            let was_missed = by_clock && kills == 0 && way.outcome != Outcome::Failed && round + 1 < self.args.kills;
            if round > self.args.kills || !(died || was_missed) {
                return Ok((way, kills));
            }
        }
        unreachable!("it is killed only so often")
    }

    async fn run(
        &self,
        ground: &Ground,
        options: Options,
        kill_after: Option<f64>,
        seen: &mut Seen,
    ) -> Result<Summary, Stop> {
        // What this drill has made of the task's needs stands beside what was lent.
        let keys: Vec<Key> = self.plan.tasks().iter().map(|task| task.key).collect();
        let mut past = self.past.clone();
        past.extend(ground.ledger.past(&keys).await.map_err(infrastructure)?);
        let survey = self.survey(&past, &|manifest| ground.store.holds(manifest));
        let work = Work {
            plan: &self.plan,
            survey,
            store: Arc::clone(&ground.store),
            ledger: &ground.ledger,
            options,
            settings: self.settings,
        };
        let name = &self.plan.tasks()[self.task].name;
        let (kill, _) = watch::channel(Interrupt::No);
        let see = |moment: &Moment| match moment {
            Moment::TaskProgress { task, total, .. } if task == name => seen.total = seen.total.max(*total),
            Moment::Resumed { task, step } if task == name => seen.resumed.push(*step),
            Moment::TaskStarted { task, .. } if task == name => {
                if let Some(after) = kill_after {
                    let kill = kill.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_secs_f64(after)).await;
                        kill.send_replace(Interrupt::Kill);
                    });
                }
            }
            _ => {}
        };
        let summary = carry_out(work, &self.place, &self.set, self.args.progress, Some(&kill), see).await?;
        if summary.interrupted && *kill.borrow() != Interrupt::Kill {
            return Err(Stop::Interrupted);
        }
        if let Some(other) = summary.tasks.iter().find(|task| task.outcome == Outcome::Failed && task.name != *name) {
            let reason = other.reason.as_deref().unwrap_or("no reason given");
            return Err(Stop::Unmade(format!("{}, which {name} needs, failed: {reason}", other.name)));
        }
        Ok(summary)
    }

    async fn way(&self, summary: &Summary, ground: &Ground) -> Result<Way, Stop> {
        let name = &self.plan.tasks()[self.task].name;
        let told = summary.tasks.iter().find(|task| task.name == *name);
        let told = told.ok_or_else(|| Stop::Internal(anyhow::anyhow!("{name} was not run")))?;
        let series = match told.attempt {
            Some(attempt) => ground.ledger.metrics(attempt).await.map_err(infrastructure)?,
            None => Series::new(),
        };
        Ok(Way {
            outcome: told.outcome,
            reason: told.reason.clone(),
            digest: told.digest,
            series,
            seconds: told.seconds.unwrap_or_default(),
        })
    }

    async fn first_difference(&self, whole: &Way, killed: &Way, ground: &Ground) -> Result<Option<First>, Stop> {
        let series = steps::parted(&whole.series, &killed.series);
        if whole.outcome != killed.outcome || (whole.outcome == Outcome::Diverged && whole.reason != killed.reason) {
            let say = |way: &Way| match &way.reason {
                Some(reason) => format!("{}: {reason}", word(way.outcome)),
                None => word(way.outcome).to_owned(),
            };
            let what = format!("uninterrupted {}, and interrupted {}", say(whole), say(killed));
            return Ok(Some(First { step: series.and_then(|first| first.step), ..First::said(what) }));
        }
        let (Some(old), Some(new)) = (whole.digest, killed.digest) else { return Ok(series) };
        let manifest = async |digest| ground.ledger.artifact(digest).await.map_err(infrastructure);
        let (Some(old), Some(new)) = (manifest(old).await?, manifest(new).await?) else { return Ok(series) };
        Ok(match bits::artifacts(&old, &new, &ground.store) {
            Some(first) => Some(First { step: series.and_then(|series| series.step), ..first }),
            None => series,
        })
    }

    fn report(
        &self,
        whole: &Way,
        killed: &Way,
        first: Option<&First>,
        kills: u32,
        resumed: &[u64],
        out: &mut Output,
    ) -> Result<(), Stop> {
        let task = &self.plan.tasks()[self.task];
        if out.json {
            let digests: Vec<Value> = [whole, killed].iter().map(|way| json!(way.digest)).collect();
            return out.data(&json!({
                "version": 1, "task": task.name, "key": task.key, "study": self.plan.study.name, "seed": self.args.seed,
                "kills": kills, "resumed": resumed, "outcome": word(killed.outcome), "digests": digests,
                "tested": kills > 0, "bits": if first.is_none() { "equal" } else { "differ" }, "first_difference": first,
                "seconds": {"uninterrupted": whole.seconds, "last": killed.seconds},
            }));
        }
        let times = |n: u32| if n == 1 { "once".to_owned() } else { format!("{n} times") };
        let steps: Vec<String> = resumed.iter().map(u64::to_string).collect();
        let from = match steps.len() {
            _ if kills == 0 => "nothing is known of what an interruption changes".to_owned(),
            0 if keeps_its_own(&task.recipe.spec) => {
                "what it went on from is in its own `{checkpoint}`, and nothing tells how far that was".to_owned()
            }
            0 => "it began anew each time".to_owned(),
            _ => format!("it went on after step {}", steps.join(", ")),
        };
        let killed_so_often = if kills == 0 { "was not killed".to_owned() } else { format!("killed {}", times(kills)) };
        out.line(&format!("{}: {killed_so_often}; {from}", task.name))?;
        if kills < self.args.kills {
            let fewer = format!("it ended before it could be killed {}", times(self.args.kills));
            out.line(&out.paint(Paint::Notice, &fewer))?;
        }
        match first {
            None if kills == 0 => {
                let word = out.paint(Paint::Bad, "not tested");
                out.line(&format!("{word}: make it longer, or try another --seed"))
            }
            None => {
                let what = match killed.digest {
                    Some(digest) => format!("the same bits, {}, and the same series", digest.short()),
                    None => "it diverged as it does uninterrupted".to_owned(),
                };
                let word = out.paint(Paint::Good, "equal");
                out.line(&format!("{word}: {what}"))
            }
            Some(first) => {
                let word = out.paint(Paint::Bad, "differs");
                out.line(&format!("{word}: {}", first.says()))
            }
        }
    }
}

/// Whether a program is given a folder for checkpoints of its own, which tell the engine no steps.
fn keeps_its_own(spec: &Value) -> bool {
    spec["argv"].as_array().into_iter().flatten().filter_map(Value::as_str).any(|word| word.contains("{checkpoint}"))
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "kept",
        Outcome::Made => "made",
        Outcome::Diverged => "diverged",
        Outcome::Failed => "failed",
        Outcome::Blocked => "blocked",
    }
}

/// A share of one, by lot.
fn share(seed: u64, n: u64) -> f64 {
    Seed::from_number(seed).stream("drill", n).get() as f64 / (1_u64 << 53) as f64
}

/// Where a task of `total` steps is killed, and where it saves so that there is something to go on from. Every other death waits for a
/// checkpoint that is being written. No step tells: none of both.
fn planned(seed: u64, kills: u32, total: u64) -> (Vec<Death>, BTreeSet<u64>) {
    if total < 2 {
        return (Vec::new(), BTreeSet::new());
    }
    let mut steps: Vec<u64> = (0..u64::from(kills)).map(|n| 1 + (share(seed, n) * (total - 1) as f64) as u64).collect();
    steps.sort_unstable();
    let flips = steps.iter().enumerate().map(|(n, step)| Death { step: *step, saving: n % 2 == 1 });
    let every = (total / (4 * u64::from(kills) + 1)).max(1);
    (flips.collect(), (1..=total / every).map(|n| n * every).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_within_the_task_and_follow_from_the_seed() {
        let (deaths, marks) = planned(0, 3, 12);
        assert_eq!((deaths.len(), marks.len()), (3, 12));
        assert!(
            deaths.iter().all(|death| (1..12).contains(&death.step)) && deaths.is_sorted_by_key(|death| death.step)
        );
        assert_eq!(planned(0, 3, 12), (deaths.clone(), marks));
        assert_ne!(planned(1, 3, 12).0, deaths);
        let (_, marks) = planned(0, 3, 1300);
        assert_eq!(marks.first(), Some(&100));
        assert_eq!(planned(0, 3, 0), (Vec::new(), BTreeSet::new()));
    }
}
