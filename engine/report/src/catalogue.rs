//! Every figure that a report shows, with what stands beneath it: made of facts once, for the page and for the files beside it.

use std::collections::BTreeSet;

use crate::{
    axis::{Axis, Scale},
    color::Ink,
    facts::{Facts, Index, TaskFacts},
    figure::{Datum, Figure, Mark, Shape},
    figures::{self, Better, Course, Drawn, Moment, column, spoken},
    fit::{CurvePoint, Fit, FitError, Point},
    html::id,
    ranks::ranks,
    variant::variants,
};

/// One figure of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Exhibit {
    /// The figure.
    pub figure: Figure,
    /// What stands beneath it.
    pub caption: String,
    /// What it is of.
    pub of: Of,
}

/// What a figure is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// The fit that this task made: the law itself.
    Law(String),
    /// The same, and how far to trust it.
    Check(String),
    /// The courses of the tasks of this group, by the metric that tells most.
    Courses(String),
    /// The same, by the others.
    MoreCourses(String),
    /// How metrics agree across designs.
    Metrics,
}

/// A fit by the name of its task, or what is wrong with its file.
pub type NamedFit<'a> = (&'a str, Result<Fit, FitError>);

/// Reads every fit, in the plan's order.
pub fn fits(facts: &Facts) -> Vec<NamedFit<'_>> {
    let read = |task: &'_ TaskFacts| facts.fits.get(&task.name).map(Fit::read);
    facts.tasks.iter().filter_map(|task| Some((task.name.as_str(), read(task)?))).collect()
}

/// All figures, laws first.
pub fn exhibits(facts: &Facts, index: &Index<'_>, fits: &[NamedFit<'_>]) -> Vec<Exhibit> {
    let mut all = Vec::new();
    for (i, (name, fit)) in fits.iter().enumerate() {
        if let (Ok(fit), Some(task)) = (fit, index.task(name)) {
            of_fit(&mut all, index, i, task, fit);
        }
    }
    let mut groups: Vec<(usize, &str)> = facts.groups().into_iter().enumerate().collect();
    groups.sort_by_key(|(_, group)| facts.group(group).count() < 2); // what is compared before what stands alone
    for (g, group) in groups {
        of_group(&mut all, facts, index, g, group);
    }
    let caption = "Rank correlation of every two metrics over the cells that have both: 1 where they put cells in one order, −1 where in the opposite one.";
    let figure = ranks(facts, index).figure();
    all.extend(figure.map(|figure| Exhibit { figure, caption: caption.to_owned(), of: Of::Metrics }));
    all
}

fn of_fit(all: &mut Vec<Exhibit>, index: &Index<'_>, i: usize, task: &TaskFacts, fit: &Fit) {
    let name = &task.name;
    let figure = figures::law(index, task, fit, &id("law", i, name));
    let panel = &figure.panels[0];
    let caption = format!(
        "{name}: points are {}, the line is the fitted law{}, the pale area its {} band{}.",
        if panel.series.iter().any(|s| s.name.ends_with("each")) {
            "means over repetitions"
        } else {
            "single measurements"
        },
        if panel.has(Shape::Dashed) { ", dashed where it is extrapolated" } else { "" },
        fit.percent(),
        if fit.points.iter().any(|p| p.held_out) { "; open marks were held out of the fit" } else { "" }
    );
    all.push(Exhibit { figure, caption, of: Of::Law(name.clone()) });
    let mut check = |figure: Option<Figure>, caption: String| {
        all.extend(figure.map(|figure| Exhibit { figure, caption, of: Of::Check(name.clone()) }));
    };
    let (x, y) = (spoken(&fit.x), spoken(&fit.y));
    check(
        training(index, task, fit, &id("training", i, name)),
        format!(
            "Each run's {y} on its way, the envelope of all runs, and the law of {name}. A step's compute is its share of the run's."
        ),
    );
    check(
        frontier(index, task, fit, &id("frontier", i, name)),
        format!(
            "Every run by {x} and {y}, those that no other beats, what they dominate, and the law of {name} through them."
        ),
    );
    check(
        against_size(index, task, fit, &id("size", i, name)),
        format!(
            "{} of each model against its parameters, mean over repetitions, with the rank correlation.",
            figures::capital(&y)
        ),
    );
    check(
        figures::surface_of(fit, &id("surface", i, name)),
        "The fitted surface with the runs it rests on; the red line is the best use of compute.".to_owned(),
    );
    check(
        figures::profiles_of(fit, &id("profiles", i, name)),
        "Runs at equal compute, the curve through each budget, and where it is lowest.".to_owned(),
    );
    check(
        figures::optimal_of(fit, &id("optimal", i, name)),
        "The best size and the best amount of data by compute; stars are what is foretold where it was asked."
            .to_owned(),
    );
    check(
        figures::holdout_of(fit, &id("holdout", i, name)),
        format!(
            "What the law says against what was measured; held-out rows by how far beyond the fitted {x} they lie."
        ),
    );
    check(
        figures::sensitivity_of(fit, &id("sensitivity", i, name)),
        "The same rows under other objectives and rules: how much the conclusion rests on a choice.".to_owned(),
    );
    check(
        figures::residuals_of(fit, &id("residuals", i, name)),
        "Measured less fitted. A trend means that the form is wrong; points off the dotted line mean tails heavier than normal.".to_owned(),
    );
    check(
        figures::forest_of(fit, &id("parameters", i, name)),
        "Each parameter's interval as a share of its estimate: what the data settle, and what they do not.".to_owned(),
    );
    check(
        figures::pairs_of(fit, &id("pairs", i, name)),
        "Resamples of the fit: parameters that trade against each other are known together, not apart.".to_owned(),
    );
}

/// The tasks whose numbers a fit rests on, by the label of their cells.
fn gathered<'a>(index: &Index<'a>, task: &TaskFacts, fit: &Fit) -> Vec<&'a TaskFacts> {
    let needed = task.needs.iter().filter_map(|name| index.task(name));
    let used: BTreeSet<&str> = fit.points.iter().filter(|p| p.dropped.is_none()).map(|p| p.label.as_str()).collect();
    needed.filter(|task| used.contains(task.cell.label().as_str())).collect()
}

/// The cell that a point is of: of a training's history, each step of it is one.
fn cell_of(label: &str) -> &str {
    label.split_once(", step ").map_or(label, |(cell, _)| cell)
}

/// Loss against compute, where the runs recorded a metric that ends at what was fitted.
fn training(index: &Index<'_>, task: &TaskFacts, fit: &Fit, id: &str) -> Option<Figure> {
    if fit.x != "compute" {
        return None;
    }
    let tasks = gathered(index, task, fit);
    let ends_there = |task: &&TaskFacts, name: &str| {
        let last = task.series.get(name)?.last()?.1;
        let fitted = *task.scalars.get(&fit.y)?;
        Some((last - fitted).abs() <= 1e-6 * fitted.abs())
    };
    let names: BTreeSet<&str> = tasks.iter().flat_map(|task| task.series.keys()).map(String::as_str).collect();
    let metric = names
        .into_iter()
        .find(|name| tasks.len() > 1 && tasks.iter().all(|task| ends_there(task, name) == Some(true)))?;
    let (courses, heading) = courses(index, &tasks, metric);
    Some(figures::loss_against_compute(id, &spoken(metric), &heading, &courses, &drawn(fit)))
}

/// All points with those that no other beats, where the law is fitted to these alone.
fn frontier(index: &Index<'_>, task: &TaskFacts, fit: &Fit, id: &str) -> Option<Figure> {
    let better = match fit.rest.get("frontier")?.as_str()? {
        "higher" => Better::Higher,
        _ => Better::Lower,
    };
    let needed: Vec<&TaskFacts> = task.needs.iter().filter_map(|name| index.task(name)).collect();
    let variants = variants(index, &needed);
    let used =
        |p: &&Point| p.x > 0.0 && p.y.is_finite() && p.dropped.as_ref().is_none_or(|why| why.contains(" beats it "));
    let datum = |p: &Point| Datum::new(p.x, p.y, p.label.clone());
    let mut groups: Vec<(String, Ink, Vec<Datum>)> = Vec::new();
    let mut named: BTreeSet<String> = BTreeSet::new();
    for variant in &variants.list {
        let labels: BTreeSet<String> = variant.tasks.iter().map(|task| task.cell.label()).collect();
        let points: Vec<Datum> =
            fit.points.iter().filter(used).filter(|p| labels.contains(cell_of(&p.label))).map(datum).collect();
        named.extend(labels);
        groups.push((variant.caption(), variant.ink, points));
    }
    let others: Vec<Datum> =
        fit.points.iter().filter(used).filter(|p| !named.contains(cell_of(&p.label))).map(datum).collect();
    groups.push(("rows of a table".to_owned(), Ink::family(0), others));
    groups.retain(|(_, _, points)| !points.is_empty());
    let all: usize = groups.iter().map(|(_, _, points)| points.len()).sum();
    let axis = |name: &str| {
        let (label, unit) = column(name);
        Axis::new(label, unit, Scale::Linear)
    };
    (all >= 4).then(|| figures::pareto(id, &axis(&fit.x), &axis(&fit.y), &groups, better, &drawn(fit)))
}

/// The law of a fit to be drawn over what was measured.
fn drawn(fit: &Fit) -> Drawn {
    let datum = |p: &CurvePoint| Datum { x: p.x, y: p.y, low: p.lower, high: p.upper, ..Datum::default() };
    Drawn {
        curve: fit.curve.iter().map(datum).collect(),
        percent: fit.percent(),
        fitted: fit.fitted_range(),
        remarks: figures::remarks(fit),
        targets: figures::targets(fit),
    }
}

/// Courses of runs with what each step cost.
fn courses(index: &Index<'_>, tasks: &[&TaskFacts], metric: &str) -> (Vec<Course>, String) {
    let variants = variants(index, tasks);
    let mut courses = Vec::new();
    for variant in &variants.list {
        for task in &variant.tasks {
            let Some(series) = task.series.get(metric).filter(|series| !series.is_empty()) else { continue };
            let steps = task
                .series
                .values()
                .filter_map(|series| series.last())
                .map(|(step, _)| *step)
                .max()
                .unwrap_or(0)
                .max(1) as f64;
            let batch = task.cost.macs.map_or(f64::NAN, |macs| task.cost.flops / (6.0 * macs as f64 * steps)).round();
            let points = figures::thinned(series)
                .into_iter()
                .map(|(step, value)| Moment {
                    step,
                    samples: step * batch,
                    compute: task.cost.flops * step / steps,
                    value,
                })
                .collect();
            courses.push(Course { name: task.name.clone(), variant: variant.caption(), ink: variant.ink, points });
        }
    }
    (courses, variants.heading())
}

fn against_size(index: &Index<'_>, task: &TaskFacts, fit: &Fit, id: &str) -> Option<Figure> {
    let tasks = gathered(index, task, fit);
    let variants = variants(index, &tasks);
    let mut points = Vec::new();
    for variant in &variants.list {
        let labels: BTreeSet<String> = variant.tasks.iter().map(|task| task.cell.label()).collect();
        let values: Vec<f64> =
            fit.points.iter().filter(|p| p.dropped.is_none() && labels.contains(&p.label)).map(|p| p.y).collect();
        let (Some(params), Some(mean), Some((low, high))) =
            (variant.params, crate::stats::mean(&values), crate::stats::span(&values))
        else {
            continue;
        };
        let datum = Datum::between(params as f64, mean, low, high);
        points.push(Datum { label: variant.name.clone(), name: variant.name.clone(), ..datum });
    }
    let sizes: BTreeSet<u64> = variants.list.iter().filter_map(|variant| variant.params).collect();
    if sizes.len() < 3 {
        return None;
    }
    let ((x, unit), (y, y_unit)) = (column("params"), column(&fit.y));
    let (x, y) = (Axis::new(x, unit, Scale::Log), Axis::new(y, y_unit, Scale::Linear));
    let ink = Ink::family(0);
    Some(figures::against(id, &x, &y, &[("models".to_owned(), ink, Mark::Disc, points)], &Drawn::default()))
}

fn of_group(all: &mut Vec<Exhibit>, facts: &Facts, index: &Index<'_>, g: usize, group: &str) {
    let tasks: Vec<&TaskFacts> = facts.group(group).filter(|task| !task.series.is_empty()).collect();
    let names: BTreeSet<&str> = tasks.iter().flat_map(|task| task.series.keys()).map(String::as_str).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let Some(first) = figures::primary(&names) else { return };
    let variants = variants(index, &tasks);
    let mut draw = |n: usize, name: &str, of: Of| {
        let drawn = figures::curves(&variants, name, &id(&format!("curve-{g}"), n, name));
        let caption = format!("{} of {group}, a line a run.", figures::capital(&spoken(name)));
        all.extend(drawn.map(|figure| Exhibit { figure, caption, of }));
    };
    draw(0, first, Of::Courses(group.to_owned()));
    for (n, name) in names.iter().filter(|name| **name != first).enumerate() {
        draw(n + 1, name, Of::MoreCourses(group.to_owned()));
    }
    let costed: Vec<&TaskFacts> =
        tasks.iter().copied().filter(|task| task.cost.flops > 0.0 && task.cost.macs.is_some()).collect();
    if costed.len() > 1 && variants.list.len() > 1 {
        let (courses, heading) = courses(index, &costed, first);
        let least =
            courses.iter().filter_map(|course| course.points.last()).map(|m| m.compute).fold(f64::INFINITY, f64::min);
        let equal: Vec<f64> = [least].into_iter().filter(|compute| compute.is_finite()).collect();
        let figure =
            figures::score_against_progress(&id("progress", g, first), &spoken(first), &heading, &courses, &equal);
        let caption = "The same runs against steps, samples and compute; marks stand where all have spent what the cheapest run spent.".to_owned();
        all.push(Exhibit { figure, caption, of: Of::MoreCourses(group.to_owned()) });
    }
}
