//! Learning curves: one metric against the step, a thin line a task.

use super::{capital, column};
use crate::{
    axis::{Axis, Scale},
    figure::{Datum, Entry, Figure, Panel, Series, Shape},
    number, stats,
    variant::Variants,
};

/// Points a line has at most; more are averaged in equal stretches.
const POINTS: usize = 240;
/// Lines a figure has at most.
const LINES: usize = 400;
/// Variants that a legend lists one by one.
const LISTED: usize = 14;

/// The metric that tells most of those that there are: one measured on data that was held out, else a loss, else the first.
pub fn primary<'a>(names: &[&'a str]) -> Option<&'a str> {
    let held_out = |name: &&&str| ["held", "valid", "eval", "test"].iter().any(|part| name.contains(part));
    let found = names.iter().find(|name| held_out(name) && name.contains("loss"));
    let found = found.or_else(|| names.iter().find(held_out));
    found.or_else(|| names.iter().find(|name| name.contains("loss"))).or_else(|| names.first()).copied()
}

/// The figure of metric `name` for the tasks of `variants`, none if no task has it.
pub fn curves(variants: &Variants<'_>, name: &str, id: &str) -> Option<Figure> {
    let (label, unit) = column(name);
    let mut series = Vec::new();
    for variant in &variants.list {
        for task in &variant.tasks {
            let Some(values) = task.series.get(name).filter(|values| !values.is_empty()) else { continue };
            if series.len() < LINES {
                let points = thinned(values).into_iter().map(|(x, y)| Datum::new(x, y, task.name.clone())).collect();
                series.push(Series::new(task.name.clone(), Shape::Thin, variant.ink, points));
            }
        }
    }
    if series.is_empty() {
        return None;
    }
    let ys: Vec<f64> = series.iter().flat_map(|s| &s.points).map(|p| p.y).filter(|y| y.is_finite()).collect();
    let log = stats::span(&ys).is_some_and(|(low, high)| low > 0.0 && high / low > 6.0);
    let heading = variants.heading();
    let n = variants.list.len();
    let mut legend = Vec::new();
    if n > 1 {
        for (i, variant) in variants.list.iter().enumerate() {
            if n <= LISTED || i == 0 || i == n - 1 || i % n.div_ceil(LISTED - 1) == 0 {
                legend.push(Entry::of(&heading, variant.caption(), Shape::Line, variant.ink));
            }
        }
    }
    legend.push(Entry::remark("lines", number::plural(series.len(), "run")));
    let x = Axis::new("optimizer step", "", Scale::Linear);
    let y = Axis::new(label.clone(), unit, if log { Scale::Log } else { Scale::Linear });
    let panel = Panel { series, ..Panel::new(x, y) };
    Some(Figure { legend, ..Figure::of(id, format!("{} during training", capital(&label)), panel) })
}

/// At most 240 points: means over equal stretches, so that a noisy metric shows its course. Short series are left as they are.
pub fn thinned(values: &[(u64, f64)]) -> Vec<(f64, f64)> {
    let stretch = values.len().div_ceil(POINTS);
    let mean = |part: &[(u64, f64)]| {
        let n = part.len() as f64;
        (part.iter().map(|(x, _)| *x as f64).sum::<f64>() / n, part.iter().map(|(_, y)| y).sum::<f64>() / n)
    };
    values.chunks(stretch.max(1)).map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metric_on_held_out_data_comes_first() {
        assert_eq!(primary(&["grad_norm", "heldout_accuracy", "heldout_loss", "loss"]), Some("heldout_loss"));
        assert_eq!(primary(&["accuracy_valid", "loss"]), Some("accuracy_valid"));
        assert_eq!((primary(&["rate", "loss"]), primary(&["rate"]), primary(&[])), (Some("loss"), Some("rate"), None));
    }

    #[test]
    fn long_series_are_averaged_in_stretches() {
        let values: Vec<(u64, f64)> = (0..1000).map(|i| (i, f64::from(i as u32 % 2))).collect();
        let thin = thinned(&values);
        assert_eq!(thin.len(), 200);
        assert_eq!(thin[0], (2.0, 0.4));
    }
}
