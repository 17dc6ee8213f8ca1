//! `verify`: makes tasks again, on the inputs that stand, and compares bits. What comes out the same is a witness of the result; what does not
//! is kept beside it, and named down to the first number.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use isoflop_contract::{Catalog, Digest, Key};
use isoflop_exec::{Force, Options, Outcome, Scope, Summary, TaskSummary};
use isoflop_ledger::{Bits, Ledger, Past, PastOutcome, view::AttemptView};
use isoflop_plan::{Plan, Selection};
use serde_json::{Value, json};

use crate::{
    args::{SetArgs, VerifyArgs},
    bits::{self, First},
    home, named,
    output::{Output, Paint},
    project, selection,
    settings::Settings,
    steps,
    stop::{Stop, infrastructure},
    verbs::{plan::processors, why},
    work::{Work, carry_out},
};

/// What came of one task.
struct Verified {
    name: String,
    key: Key,
    standing: Past,
    /// Which execution, and how it went; none if it never got as far.
    attempt: Option<AttemptView>,
    verdict: Verdict,
    bits: Bits,
}

enum Verdict {
    Equal,
    Differ(Box<First>),
    /// It could not be made again, for this reason.
    Failed(String),
}

/// Makes the tasks again and compares.
pub async fn verify(args: &VerifyArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = named::ledger(settings).await?;
    let (plan, place, set, chosen, past) = chosen(args, catalog, settings, &ledger).await?;
    let seed = args.seed.unwrap_or(plan.study.seed);
    let made: Vec<usize> =
        once(&plan, &chosen).into_iter().filter(|task| past.contains_key(&plan.tasks()[*task].key)).collect();
    let drawn: BTreeSet<usize> = match args.rerun {
        Some(draw) => drawn(&plan, &made, draw.of(made.len()), seed),
        None => made.iter().copied().collect(),
    };
    let missing = once(&plan, &chosen).len() - made.len();
    if missing > 0 && args.rerun.is_none() {
        eprintln!("{missing} of these tasks were not made yet, and are left out");
    }
    if args.dry_run {
        return rehearse(&plan, &drawn, seed, out);
    }
    let scope = Scope { force: Force::Targets, targets: Some(drawn.clone()), bytes: false, as_it_stands: true };
    let survey = isoflop_exec::survey(&plan, &past, &home::holds(settings)?, &scope);
    let store = Arc::new(home::store(settings)?);
    let mut marks = BTreeMap::new();
    for task in &drawn {
        let key = plan.tasks()[*task].key;
        let trail = trail_of(&ledger, &key, past[&key].attempt).await?;
        marks.insert(key, trail.iter().map(|(step, _)| *step).collect());
    }
    let options = Options {
        jobs: args.jobs.unwrap_or_else(processors).max(1),
        keep_going: true,
        witness: true,
        marks,
        ..Options::new(&settings.home)
    };
    let work = Work { plan: &plan, survey, store: Arc::clone(&store), ledger: &ledger, options, settings };
    let summary = carry_out(work, &place, &set, args.progress, None, |_| {}).await?;
    let mut verified = Vec::new();
    for task in &drawn {
        let (name, key) = (&plan.tasks()[*task].name, plan.tasks()[*task].key);
        let told = summary.tasks.iter().find(|told| told.name == *name);
        verified.push(judge(name, key, &past[&key], told, &ledger, &store).await?);
    }
    report(&verified, &summary, seed, out)
}

/// The plan that is meant, where it is, how it is set, which of its tasks, and what stands under their keys.
async fn chosen(
    args: &VerifyArgs,
    catalog: &Catalog,
    settings: &Settings,
    ledger: &Ledger,
) -> Result<(Arc<Plan>, PathBuf, SetArgs, BTreeSet<usize>, BTreeMap<Key, Past>), Stop> {
    let (place, set, names) = why::study(args.study.as_ref(), &args.set, &args.tasks, Some(ledger)).await?;
    let plan = project::plan_at(&place, &set, catalog)?;
    let find = async |plan: &Plan| {
        let wanted = Selection::of(names.iter().cloned());
        let chosen = selection::tasks(plan, &wanted, settings, Some(ledger)).await?;
        let past = home::past(plan, Some(ledger)).await?;
        let any = chosen.iter().any(|task| past.contains_key(&plan.tasks()[*task].key));
        Ok::<_, Stop>((chosen, past, any))
    };
    let first = find(&plan).await;
    if let Ok((chosen, past, true)) = first {
        return Ok((Arc::new(plan), place, set, chosen, past));
    }
    // Set as it is here, nothing of it was made. Perhaps the latest run was set in another way.
    let plain = args.set.profile.is_none() && args.set.params.is_empty();
    let latest = ledger.runs_of(&[&plan.study.name], 1).await.map_err(infrastructure)?.into_iter().next();
    if let (true, Some(run)) = (plain, latest) {
        let set: SetArgs = serde_json::from_value(run.soft["set"].clone()).unwrap_or_default();
        if let Ok(plan) = project::plan_at(&place, &set, catalog)
            && let Ok((chosen, past, true)) = find(&plan).await
        {
            return Ok((Arc::new(plan), place, set, chosen, past));
        }
    }
    first?;
    let names = if names.is_empty() { "of this study".to_owned() } else { names.join(", ") };
    Err(Stop::Usage(format!("nothing to verify: no task {names} was made yet; `isoflop run` makes them")))
}

/// The tasks of `chosen`, each key once: its twins have the same result.
fn once(plan: &Plan, chosen: &BTreeSet<usize>) -> Vec<usize> {
    let mut seen = BTreeSet::new();
    chosen.iter().copied().filter(|task| seen.insert(plan.tasks()[*task].key)).collect()
}

/// `number` of `tasks`, by lot: the same for the same seed, whatever else is in the plan.
fn drawn(plan: &Plan, tasks: &[usize], number: usize, seed: u64) -> BTreeSet<usize> {
    let mut lots: Vec<(Digest, usize)> =
        tasks.iter().map(|task| (Digest::of(format!("verify {seed} {}", plan.tasks()[*task].key)), *task)).collect();
    lots.sort();
    lots.into_iter().take(number).map(|(_, task)| task).collect()
}

fn rehearse(plan: &Plan, drawn: &BTreeSet<usize>, seed: u64, out: &mut Output) -> Result<(), Stop> {
    let names: Vec<&str> = drawn.iter().map(|task| plan.tasks()[*task].name.as_str()).collect();
    if out.json {
        return out.data(&json!({"version": 1, "dry_run": true, "seed": seed, "would_verify": names}));
    }
    names.iter().try_for_each(|name| out.line(&format!("would make {name} again")))
}

/// The checkpoints of one attempt.
async fn trail_of(
    ledger: &Ledger,
    key: &Key,
    attempt: Option<isoflop_ledger::AttemptId>,
) -> Result<isoflop_contract::checkpoint::Trail, Stop> {
    let Some(attempt) = attempt else { return Ok(Vec::new()) };
    let mut saved = ledger.saved(key).await.map_err(infrastructure)?;
    Ok(saved.remove(&attempt).map(|saved| saved.trail).unwrap_or_default())
}

/// Holds what came out against what stands.
async fn judge(
    name: &str,
    key: Key,
    standing: &Past,
    told: Option<&TaskSummary>,
    ledger: &Ledger,
    store: &isoflop_store::Store,
) -> Result<Verified, Stop> {
    let attempts = ledger.attempts(&key).await.map_err(infrastructure)?;
    let attempt = told.and_then(|told| attempts.into_iter().find(|attempt| Some(attempt.id) == told.attempt));
    let bits = ledger.bits(&[key]).await.map_err(infrastructure)?.remove(&key).unwrap_or_default();
    let outcome = attempt.as_ref().and_then(|attempt| attempt.outcome.as_deref());
    let made = attempt.as_ref().and_then(|attempt| attempt.artifact);
    let verdict = match (&standing.outcome, outcome) {
        (PastOutcome::Made { digest, .. }, Some("made")) if made == Some(*digest) => Verdict::Equal,
        (PastOutcome::Made { manifest, .. }, Some("made")) => {
            let new = match made {
                Some(made) => ledger.artifact(made).await.map_err(infrastructure)?,
                None => None,
            };
            let new =
                new.ok_or_else(|| infrastructure(anyhow::anyhow!("the ledger lost what was just made of {name}")))?;
            let first = bits::artifacts(manifest, &new, store).unwrap_or_else(|| First::said("their digests differ"));
            Verdict::Differ(Box::new(first))
        }
        (PastOutcome::Diverged { .. }, Some("diverged")) => Verdict::Equal,
        (PastOutcome::Made { .. }, Some("diverged")) => {
            let reason =
                attempt.as_ref().and_then(|attempt| attempt.reason.as_deref()).unwrap_or("for no reason given");
            Verdict::Differ(Box::new(First::said(format!("an artifact stands, and this time it diverged: {reason}"))))
        }
        (PastOutcome::Diverged { reason }, Some("made")) => {
            let what = format!("it had diverged ({reason}), and this time it made an artifact");
            Verdict::Differ(Box::new(First::said(what)))
        }
        _ => {
            let reason = told.and_then(|told| told.reason.clone());
            Verdict::Failed(reason.unwrap_or_else(|| "it was not tried".to_owned()))
        }
    };
    let verdict = match (verdict, &attempt) {
        (Verdict::Differ(first), Some(attempt)) => {
            Verdict::Differ(Box::new(steps::date(*first, &key, standing, attempt.id, ledger).await?))
        }
        (verdict, _) => verdict,
    };
    Ok(Verified { name: name.to_owned(), key, standing: standing.clone(), attempt, verdict, bits })
}

fn report(verified: &[Verified], summary: &Summary, seed: u64, out: &mut Output) -> Result<(), Stop> {
    if out.json {
        let tasks: Vec<Value> = verified.iter().map(Verified::to_json).collect();
        out.data(&json!({
            "version": 1, "run": summary.run, "study": summary.study, "seed": seed, "tasks": tasks,
            "seconds": summary.seconds,
        }))?;
    } else {
        for one in verified {
            one.print(out)?;
        }
        let count = |is: fn(&Verdict) -> bool| verified.iter().filter(|one| is(&one.verdict)).count();
        let equal = count(|verdict| matches!(verdict, Verdict::Equal));
        let differ = count(|verdict| matches!(verdict, Verdict::Differ(_)));
        let failed = verified.len() - equal - differ;
        let failed = if failed == 0 { String::new() } else { format!(", {failed} failed") };
        out.line(&format!("{equal} equal, {differ} differ{failed}"))?;
    }
    if summary.interrupted {
        return Err(Stop::Interrupted);
    }
    if verified.iter().any(|one| matches!(one.verdict, Verdict::Differ(_))) {
        return Err(Stop::Disproved);
    }
    let failed = verified.iter().any(|one| matches!(one.verdict, Verdict::Failed(_)));
    let outcome = summary.tasks.iter().any(|task| task.outcome == Outcome::Failed);
    if failed || outcome { Err(Stop::TaskFailed) } else { Ok(()) }
}

impl Verified {
    fn to_json(&self) -> Value {
        let (bits, first, error) = match &self.verdict {
            Verdict::Equal => (Some("equal"), None, None),
            Verdict::Differ(first) => (Some("differ"), Some(first), None),
            Verdict::Failed(why) => (None, None, Some(why)),
        };
        let made = self.attempt.as_ref().and_then(|attempt| attempt.artifact);
        json!({
            "name": self.name, "key": self.key, "bits": bits, "first_difference": first,
            "digest": self.standing.digest(), "made": made, "error": error,
            "witness": self.attempt.as_ref().filter(|_| bits == Some("equal")).map(witness),
            "seconds": self.attempt.as_ref().and_then(|attempt| attempt.seconds),
            "verified": self.bits.to_string(), "witnesses": self.bits.equal,
        })
    }

    fn print(&self, out: &mut Output) -> Result<(), Stop> {
        let name = &self.name;
        match &self.verdict {
            Verdict::Equal => {
                let what = match self.standing.digest() {
                    Some(digest) => format!("the same bits, {}", digest.short()),
                    None => "it diverged again".to_owned(),
                };
                let word = out.paint(Paint::Good, "equal  ");
                out.line(&format!("{word} {name}: {what} ({})", self.bits))
            }
            Verdict::Differ(first) => {
                let word = out.paint(Paint::Bad, "differs");
                out.line(&format!("{word} {name}: {}", first.says()))?;
                let made = self.attempt.as_ref().and_then(|attempt| attempt.artifact);
                if let (Some(old), Some(new)) = (self.standing.digest(), made) {
                    let more = if first.files.len() > 1 {
                        format!("; files that differ: {}", first.files.join(", "))
                    } else {
                        String::new()
                    };
                    let both = format!("        {} stands, {} is kept beside it{more}", old.short(), new.short());
                    out.line(&out.paint(Paint::Dim, &both))?;
                }
                Ok(())
            }
            Verdict::Failed(why) => {
                let word = out.paint(Paint::Bad, "failed ");
                out.line(&format!("{word} {name}: it could not be made again: {why}"))
            }
        }
    }
}

/// An execution that gave the same bits.
pub fn witness(attempt: &AttemptView) -> Value {
    let soft = |name: &str| attempt.soft[name].clone();
    json!({
        "attempt": attempt.id, "run": attempt.run, "at": attempt.ended, "host": soft("host"), "cpu": soft("cpu"),
        "gpus": soft("gpus"), "by": attempt.holder, "seconds": attempt.seconds,
    })
}
