//! Progress: what a person sees while a run is under way, on stderr.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use isoflop_contract::quantity::Seconds;
use isoflop_exec::{Moment, Outcome, Survey};
use isoflop_plan::Plan;

use crate::{args, output::Paint, settings::Settings};

/// So many tasks that are blocked for the same reason have a line each.
const SHOWN: usize = 4;

/// Shows the moments of one run.
pub struct Progress {
    face: Face,
    color: bool,
    began: Instant,
    /// What each task that must run costs, in FLOPs or a token amount.
    costs: BTreeMap<String, f64>,
    running: BTreeMap<String, Running>,
    /// Tasks that were blocked one after the other for the same reason, not shown yet.
    blocked: Option<Blocked>,
    done: usize,
    cost_done: f64,
}

/// Tasks and why they do not run.
struct Blocked {
    tasks: Vec<String>,
    because: String,
}

/// How it is shown.
enum Face {
    Nothing,
    Lines,
    Bars { all: MultiProgress, total: ProgressBar },
}

/// One task under way.
struct Running {
    began: Instant,
    share: f64,
    note: String,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress of what `survey` says must run.
    pub fn new(mode: args::Progress, settings: &Settings, plan: &Plan, survey: &Survey) -> Self {
        let mut costs: BTreeMap<String, f64> =
            survey.to_run().map(|index| (plan.tasks()[index].name.clone(), plan.tasks()[index].cost.flops)).collect();
        // A task whose kind names no cost still takes time: it counts as a tenth of those that do.
        let known: Vec<f64> = costs.values().copied().filter(|cost| *cost > 0.0).collect();
        let floor = (known.iter().sum::<f64>() / known.len().max(1) as f64 / 10.0).max(1.0);
        for cost in costs.values_mut() {
            *cost = cost.max(floor);
        }
        let bars = match mode {
            args::Progress::Auto => settings.terminal,
            args::Progress::Plain | args::Progress::None => false,
        };
        let face = if mode == args::Progress::None || costs.is_empty() {
            Face::Nothing
        } else if bars {
            let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
            let total = all.add(ProgressBar::new(1000).with_style(style("{bar:30} {percent:>3}%  {msg}")));
            total.enable_steady_tick(Duration::from_millis(500));
            Face::Bars { all, total }
        } else {
            Face::Lines
        };
        Self {
            face,
            color: settings.color_err,
            began: Instant::now(),
            costs,
            running: BTreeMap::new(),
            blocked: None,
            done: 0,
            cost_done: 0.0,
        }
    }

    /// Shows one moment.
    pub fn show(&mut self, moment: &Moment) {
        if let Moment::Blocked { task, because } = moment {
            self.block(task, because);
        } else {
            self.tell_blocked();
        }
        match moment {
            Moment::RunStarted { .. } | Moment::RunEnded => {}
            Moment::TaskStarted { task, .. } => {
                self.line(Paint::Dim, "started", task, "");
                let bar = match &self.face {
                    Face::Bars { all, .. } => {
                        let bar = all.add(
                            ProgressBar::new(1000).with_style(style("  {bar:18} {prefix}  {msg:.dim}  {elapsed:.dim}")),
                        );
                        bar.set_prefix(task.clone());
                        bar.enable_steady_tick(Duration::from_millis(500));
                        Some(bar)
                    }
                    _ => None,
                };
                self.running
                    .insert(task.clone(), Running { began: Instant::now(), share: 0.0, note: String::new(), bar });
            }
            Moment::TaskProgress { task, done, total } => {
                if let Some(running) = self.running.get_mut(task) {
                    running.share = *done as f64 / (*total).max(1) as f64;
                    if let Some(bar) = &running.bar {
                        bar.set_position((running.share * 1000.0) as u64);
                        bar.set_message(format!("{done}/{total} {}", running.note));
                    }
                }
            }
            Moment::TaskMetric { task, series, value, .. } => {
                if let Some(running) = self.running.get_mut(task) {
                    running.note = format!("{series} {value:.4}");
                }
            }
            Moment::Resumed { task, step } => {
                self.line(Paint::Notice, "resumed", task, &format!("goes on after step {step}"));
            }
            Moment::PassedOver { task, why } => self.line(Paint::Notice, "warning", task, why),
            Moment::WorkerEnded { task } => {
                if let Some(Running { bar: Some(bar), .. }) = self.running.get(task) {
                    bar.set_message("being recorded");
                }
            }
            Moment::TaskEnded { task, outcome, seconds, reason, replaces } => {
                let (paint, word) = match outcome {
                    Outcome::Made => (Paint::Good, "made"),
                    Outcome::Kept => (Paint::Good, "kept"),
                    Outcome::Diverged => (Paint::Notice, "diverged"),
                    Outcome::Failed => (Paint::Bad, "failed"),
                    Outcome::Blocked => (Paint::Bad, "blocked"),
                };
                self.finish(task);
                let reason = reason.as_ref().map_or(String::new(), |reason| format!("  {reason}"));
                self.line(paint, word, task, &format!("{seconds:.1} s{reason}"));
                if let Some((old, new)) = replaces {
                    let what = format!("other bits than before: {} stood, and {} does now", old.short(), new.short());
                    self.line(Paint::Notice, "changed", task, &what);
                }
            }
            Moment::TaskAdopted { task } => {
                self.finish(task);
                self.line(Paint::Good, "adopted", task, "its inputs came out with bytes seen before");
            }
            Moment::TaskKept { task } => {
                self.finish(task);
                self.line(Paint::Good, "kept", task, "made meanwhile, under the same recipe");
            }
            Moment::Waiting { task, holder } => {
                self.line(Paint::Notice, "waiting", task, &format!("{holder} is making it"));
            }
            Moment::AwaitingDevices { task } => {
                self.line(Paint::Notice, "waiting", task, "another run has the devices it asks for");
            }
            Moment::FolderKept { task, folder } => {
                self.line(Paint::Notice, "left", task, &format!("what it left stays in {}", folder.display()));
            }
            Moment::Retrying { task, tries, because } => {
                if let Some(Running { bar: Some(bar), .. }) = self.running.remove(task) {
                    bar.finish_and_clear();
                }
                self.line(Paint::Notice, "retrying", task, &format!("try {} comes soon: {because}", tries + 1));
            }
            Moment::LeaseLost { task } => {
                self.finish(task);
                let why = "this run was not heard from in time and another took the task over; what was made here does not count";
                self.line(Paint::Notice, "lost", task, why);
            }
            Moment::Remaking { task, why } => self.line(Paint::Notice, "again", task, why),
            Moment::Blocked { task, .. } => self.finish(task),
            Moment::Stopping { because } => self.line(Paint::Notice, "stopping", "", because),
        }
        self.refresh();
    }

    /// Takes the bars away.
    pub fn close(mut self) {
        self.tell_blocked();
        if let Face::Bars { all, .. } = &self.face {
            let _ = all.clear();
        }
    }

    fn block(&mut self, task: &str, because: &str) {
        if self.blocked.as_ref().is_some_and(|blocked| blocked.because != because) {
            self.tell_blocked();
        }
        let blocked = self.blocked.get_or_insert_with(|| Blocked { tasks: Vec::new(), because: because.to_owned() });
        blocked.tasks.push(task.to_owned());
    }

    /// Shows who was blocked last: a run that is stopped blocks all that it has not begun, which may be thousands.
    fn tell_blocked(&mut self) {
        let Some(Blocked { tasks, because }) = self.blocked.take() else { return };
        if let [first, .., last] = &tasks[..]
            && tasks.len() > SHOWN
        {
            self.line(Paint::Bad, "blocked", &format!("{} tasks, {first} to {last}", tasks.len()), &because);
        } else {
            for task in &tasks {
                self.line(Paint::Bad, "blocked", task, &because);
            }
        }
    }

    fn finish(&mut self, task: &str) {
        self.done += 1;
        self.cost_done += self.costs.get(task).copied().unwrap_or(0.0);
        if let Some(Running { bar: Some(bar), .. }) = self.running.remove(task) {
            bar.finish_and_clear();
        }
    }

    /// One line for a change of state; with bars, only for what ended or deserves a look.
    fn line(&self, paint: Paint, word: &str, task: &str, more: &str) {
        let at = self.began.elapsed().as_secs_f64();
        let text = format!(
            "[{at:>6.1} s] {} {task}  {}",
            paint.on(&format!("{word:<8}"), self.color),
            Paint::Dim.on(more, self.color)
        );
        match &self.face {
            Face::Nothing => {}
            Face::Lines => eprintln!("{}", text.trim_end()),
            Face::Bars { .. } if word == "started" => {}
            Face::Bars { all, .. } => {
                let _ = all.println(text.trim_end());
            }
        }
    }

    /// How much of the work is done, by its cost, and how long the rest takes at the pace so far.
    pub fn standing(&self) -> (f64, Option<Seconds>) {
        let under_way: f64 = self
            .running
            .iter()
            .map(|(task, running)| running.share * self.costs.get(task).copied().unwrap_or(0.0))
            .sum();
        let all: f64 = self.costs.values().sum();
        let share = if all > 0.0 { ((self.cost_done + under_way) / all).min(1.0) } else { 1.0 };
        (share, time_left(share, self.began.elapsed()))
    }

    fn refresh(&self) {
        let Face::Bars { total, .. } = &self.face else { return };
        let (share, left) = self.standing();
        total.set_position((share * 1000.0) as u64);
        let left = match left {
            Some(left) => format!("about {left} left"),
            None => "estimating time left".to_owned(),
        };
        let oldest = self.running.values().map(|running| running.began).min();
        let running = oldest.map_or(String::new(), |_| format!(", {} running", self.running.len()));
        total.set_message(format!("{} of {} tasks done{running}, {left}", self.done, self.costs.len()));
    }
}

/// Time left at the pace so far; nothing before there is a pace.
fn time_left(share: f64, elapsed: Duration) -> Option<Seconds> {
    if share < 0.03 || elapsed < Duration::from_secs(3) {
        return None;
    }
    Some(Seconds((elapsed.as_secs_f64() * (1.0 - share) / share).ceil() as u64))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the template is one of ours").progress_chars("━╸─")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_at_the_pace_so_far() {
        assert_eq!(time_left(0.25, Duration::from_mins(1)), Some(Seconds(180)));
        assert_eq!(time_left(0.01, Duration::from_mins(1)), None);
    }
}
