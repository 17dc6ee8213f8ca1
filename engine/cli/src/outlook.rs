//! An outlook: a surveyed plan with all that is told of it: reasons, costs, and by its past its time.

use std::collections::BTreeMap;

use isoflop_contract::{Catalog, quantity::prefixed};
use isoflop_exec::{State, Survey};
use isoflop_ledger::Ledger;
use isoflop_plan::{Plan, Reason};
use serde::Serialize;
use serde_json::Value;

use crate::{
    budget::{Limit, Weighed},
    history::{Forecast, duration},
    output::{Output, Paint},
    reasons::{self, Reasons},
    saved::How,
    stop::Stop,
    table::{Head, Table},
};

/// Tasks up to which each has a line of its own.
const LINES: usize = 60;

/// A surveyed plan with all that is told of it.
#[derive(Debug)]
pub struct Outlook<'a> {
    plan: &'a Plan,
    survey: &'a Survey,
    reasons: Reasons,
    forecast: Forecast,
    budget: Vec<Weighed<'a>>,
}

/// Sums over some tasks.
#[derive(Debug, Default, Serialize)]
struct Sums {
    tasks: usize,
    kept: usize,
    run: usize,
    params: u64,
    macs: u64,
    flops: f64,
    flops_to_run: f64,
}

impl<'a> Outlook<'a> {
    /// Gathers reasons and history.
    pub async fn read(
        plan: &'a Plan,
        survey: &'a Survey,
        ledger: Option<&Ledger>,
        catalog: &Catalog,
        jobs: u32,
        rate: Option<f64>,
    ) -> Result<Self, Stop> {
        let reasons = reasons::of(plan, survey, ledger).await?;
        let forecast = Forecast::read(plan, survey, ledger, catalog, jobs, rate).await?;
        Ok(Self { plan, survey, reasons, forecast, budget: Vec::new() })
    }

    /// Holds what must run against these limits, to be told with the rest.
    pub fn within(mut self, limits: &[Limit]) -> Self {
        self.budget = limits.iter().map(|limit| Weighed::new(*limit, self.plan, self.survey, &self.forecast)).collect();
        self
    }

    /// Refuses a plan that goes beyond a limit, once it has been printed.
    pub fn refuse(&self) -> Result<(), Stop> {
        if self.budget.iter().all(Weighed::fits) { Ok(()) } else { Err(Stop::BeyondBudget) }
    }

    /// The tasks it tells of: those that were asked for, and those that must run for them.
    pub fn tasks(&self) -> impl Iterator<Item = usize> {
        (0..self.plan.tasks().len()).filter(|index| self.survey.is_concerned(*index))
    }

    fn reasons(&self, index: usize) -> &[Reason] {
        self.reasons.get(&index).map_or(&[], Vec::as_slice)
    }

    fn sums(&self, tasks: impl Iterator<Item = usize>) -> Sums {
        let mut sums = Sums::default();
        for index in tasks {
            let cost = &self.plan.tasks()[index].cost;
            let runs = matches!(self.survey.state(index), State::Run(_));
            sums.tasks += 1;
            sums.kept += usize::from(matches!(self.survey.state(index), State::Kept(_)));
            sums.run += usize::from(runs);
            sums.params += cost.params.unwrap_or(0);
            sums.macs += cost.macs.unwrap_or(0);
            sums.flops += cost.flops;
            sums.flops_to_run += if runs { cost.flops } else { 0.0 };
        }
        sums
    }

    /// Prints it; a line a task if there are few or `all` is set, else a line a group.
    pub fn print(&self, all: bool, out: &mut Output) -> Result<(), Stop> {
        if out.json {
            return out.data(&self.data(None));
        }
        let study = &self.plan.study;
        let about = study.about.as_deref().unwrap_or_default();
        let profile = study.profile.as_ref().map(|profile| format!(" (profile {profile})")).unwrap_or_default();
        out.line(format!("{}{profile}  {about}", out.paint(Paint::Bold, &study.name)).trim_end())?;
        let sums = self.sums(self.tasks());
        if sums.tasks == 0 {
            return Ok(());
        }
        if all || sums.tasks <= LINES {
            self.lines(out)?;
        } else {
            self.groups(out)?;
        }
        let others = match sums.tasks - sums.kept - sums.run {
            0 => String::new(),
            others => format!(", {others} that cannot run"),
        };
        let of = match self.plan.tasks().len() {
            all if all == sums.tasks => String::new(),
            all => format!(" of {all}"),
        };
        out.line(&format!(
            "{}{of} tasks: {} kept, {} to run{others}; {} to run of {}",
            sums.tasks,
            sums.kept,
            sums.run,
            flop(sums.flops_to_run),
            flop(sums.flops),
        ))?;
        if sums.params > 0 {
            out.line(&format!("all together {} params, {}", prefixed(sums.params as f64).trim_end(), macs(sums.macs)))?;
        }
        self.forecast.says().iter().try_for_each(|says| out.line(says))?;
        self.budget.iter().try_for_each(|weighed| {
            let says = weighed.says();
            out.line(&if weighed.fits() { says } else { out.paint(Paint::Bad, &says) })
        })
    }

    fn lines(&self, out: &mut Output) -> Result<(), Stop> {
        let mut table = Table::new(&[
            Head::left("state"),
            Head::left("task"),
            Head::left("key"),
            Head::right("params"),
            Head::right("MACs"),
            Head::right("FLOPs"),
            Head::right("time"),
            Head::left("why"),
        ]);
        for index in self.tasks() {
            let task = &self.plan.tasks()[index];
            let (word, paint) = match self.survey.state(index) {
                State::Kept(_) => ("kept", Paint::Good),
                State::Run(_) => ("run", Paint::Notice),
                State::Blocked(_) => ("blocked", Paint::Bad),
                State::Unneeded => ("-", Paint::Dim),
            };
            table.row(
                paint,
                vec![
                    word.to_owned(),
                    task.name.clone(),
                    task.key.short(),
                    task.cost.params.map_or(String::new(), |params| prefixed(params as f64).trim_end().to_owned()),
                    task.cost.macs.map_or(String::new(), macs),
                    if task.cost.flops > 0.0 { flop(task.cost.flops) } else { String::new() },
                    self.forecast.seconds.get(&index).map_or(String::new(), |seconds| duration(*seconds)),
                    reasons::line(self.reasons(index)),
                ],
            );
        }
        table.print(out)
    }

    fn groups(&self, out: &mut Output) -> Result<(), Stop> {
        let mut table = Table::new(&[
            Head::left("group"),
            Head::right("tasks"),
            Head::right("kept"),
            Head::right("run"),
            Head::right("params"),
            Head::right("MACs"),
            Head::right("FLOPs"),
            Head::right("time"),
            Head::left("why"),
        ]);
        for (group, tasks) in self.by_group() {
            let sums = self.sums(tasks.iter().copied());
            let costs = || tasks.iter().map(|index| &self.plan.tasks()[*index].cost);
            let seconds: f64 = tasks.iter().filter_map(|index| self.forecast.seconds.get(index)).sum();
            let sorts = reasons::sorts(tasks.iter().flat_map(|index| self.reasons(*index)));
            let mut why: Vec<String> = sorts
                .iter()
                .take(2)
                .map(|(reason, count, other)| {
                    let text = reasons::sort(reason, *other);
                    if *count == sums.run { text } else { format!("{text} ({count} tasks)") }
                })
                .collect();
            if sorts.len() > 2 {
                why.push(format!("and {} reasons more", sorts.len() - 2));
            }
            let paint = if sums.kept == sums.tasks { Paint::Good } else { Paint::Notice };
            table.row(
                paint,
                vec![
                    group.to_owned(),
                    sums.tasks.to_string(),
                    sums.kept.to_string(),
                    sums.run.to_string(),
                    range(costs().filter_map(|cost| cost.params), |params| {
                        prefixed(params as f64).trim_end().to_owned()
                    }),
                    range(costs().filter_map(|cost| cost.macs), macs),
                    if sums.flops > 0.0 { flop(sums.flops) } else { String::new() },
                    if seconds > 0.0 { duration(seconds) } else { String::new() },
                    why.join("; "),
                ],
            );
        }
        table.print(out)?;
        out.line(
            &out.paint(Paint::Dim, "  `--all` shows every task; params and MACs are of one task, FLOPs of the group"),
        )
    }

    /// Tasks by group, in the order of the plan.
    fn by_group(&self) -> Vec<(&str, Vec<usize>)> {
        let mut groups: Vec<(&str, Vec<usize>)> = Vec::new();
        let mut places = BTreeMap::new();
        for index in self.tasks() {
            let group = self.plan.tasks()[index].group.as_str();
            let at = *places.entry(group).or_insert_with(|| {
                groups.push((group, Vec::new()));
                groups.len() - 1
            });
            groups[at].1.push(index);
        }
        groups
    }

    /// What `plan --json` prints, to which fields are added and from which none are taken; `saved` says how a plan that is kept in a file was asked for.
    pub fn data(&self, saved: Option<How>) -> Data<'_> {
        let plan = self.plan;
        let tasks = self.tasks().map(|index| {
            let task = &plan.tasks()[index];
            let reasons = self.reasons(index);
            TaskData {
                name: &task.name,
                group: &task.group,
                cell: task.cell.iter().collect(),
                kind: task.kind,
                key: task.key,
                needs: plan.producers(index).map(|producer| plan.tasks()[producer].name.as_str()).collect(),
                state: word(self.survey.state(index)),
                selected: self.survey.is_target(index),
                why: reasons.iter().map(Reason::to_string).collect(),
                reasons: reasons.iter().map(Reason::to_json).collect(),
                cost: CostData { params: task.cost.params, macs: task.cost.macs, flops: task.cost.flops },
                seconds: self.forecast.seconds.get(&index).copied(),
                origin: &task.origin,
            }
        });
        Data {
            version: 1,
            study: &plan.study.name,
            profile: plan.study.profile.as_deref(),
            plan: plan.digest(),
            tasks: tasks.collect(),
            totals: self.sums(self.tasks()),
            time: self.forecast.to_json(),
            budget: self.budget.iter().map(Weighed::to_json).collect(),
            saved,
        }
    }
}

/// What `plan --json` prints. Members are added, never removed.
#[derive(Debug, Serialize)]
pub struct Data<'a> {
    version: u32,
    study: &'a str,
    profile: Option<&'a str>,
    plan: isoflop_contract::Digest,
    tasks: Vec<TaskData<'a>>,
    totals: Sums,
    time: Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    budget: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<How>,
}

#[derive(Debug, Serialize)]
struct TaskData<'a> {
    name: &'a str,
    group: &'a str,
    cell: BTreeMap<&'a str, &'a Value>,
    kind: &'a str,
    key: isoflop_contract::Key,
    needs: Vec<&'a str>,
    state: &'static str,
    selected: bool,
    why: Vec<String>,
    reasons: Vec<Value>,
    cost: CostData,
    seconds: Option<f64>,
    origin: &'a isoflop_plan::Origin,
}

#[derive(Debug, Serialize)]
struct CostData {
    params: Option<u64>,
    macs: Option<u64>,
    flops: f64,
}

/// A state for programs.
pub fn word(state: &State) -> &'static str {
    match state {
        State::Kept(_) => "kept",
        State::Run(_) => "run",
        State::Blocked(_) => "blocked",
        State::Unneeded => "unneeded",
    }
}

/// FLOPs of what must run.
pub fn to_run(plan: &Plan, survey: &Survey) -> f64 {
    survey.to_run().map(|index| plan.tasks()[index].cost.flops).sum()
}

fn flop(flops: f64) -> String {
    format!("{}FLOP", prefixed(flops))
}

fn macs(macs: u64) -> String {
    format!("{}MAC", prefixed(macs as f64))
}

/// The least and the most of some counts.
fn range(counts: impl Iterator<Item = u64>, shown: impl Fn(u64) -> String) -> String {
    let counts: Vec<u64> = counts.collect();
    match (counts.iter().min(), counts.iter().max()) {
        (Some(least), Some(most)) if least == most => shown(*least),
        (Some(least), Some(most)) => format!("{}–{}", shown(*least), shown(*most)),
        _ => String::new(),
    }
}
