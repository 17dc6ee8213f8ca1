//! The figure of a fitted law: what was measured, the law through it, its band, and how far it reaches.

use crate::html::put;
use std::collections::BTreeMap;

use isoflop_contract::Cell;

use super::{capital, column, interval, record::is_exponent, scale, spoken, symbol};
use crate::{
    axis::Axis,
    color::Ink,
    facts::{Index, TaskFacts},
    figure::{Datum, Entry, Figure, Mark, Panel, Rule, Shape},
    fit::{Fit, Point},
    number, stats,
    variant::{Variants, variants},
};

/// Forms whose law is of x itself and not of its logarithm.
const IN_X: [&str; 3] = ["repeated-data", "exponential", "formula"];

/// How much repetitions of one variant may differ along the axis, as data do that every seed draws anew.
const TOGETHER: f64 = 0.05;

/// Sizes that a legend lists one by one.
const LISTED: usize = 12;

/// The figure of the fit that `task` made.
pub fn law(index: &Index<'_>, task: &TaskFacts, fit: &Fit, id: &str) -> Figure {
    let (x, x_unit) = column(&fit.x);
    let (y, y_unit) = column(&fit.y);
    let gathered: Vec<&TaskFacts> = task.needs.iter().filter_map(|name| index.task(name)).collect();
    let by_label: BTreeMap<String, &TaskFacts> = gathered.iter().map(|task| (task.cell.label(), *task)).collect();
    let used: Vec<&TaskFacts> = fit.points.iter().filter_map(|p| by_label.get(&p.label).copied()).collect();
    let variants = variants(index, &used);

    let title = format!("{} against {}", capital(&y), x);
    // What is drawn beyond the points would push these into a corner of a linear axis.
    let beyond = fit.curve.iter().filter(|_| !IN_X.contains(&fit.form.as_str())).map(|p| p.x);
    let x = Axis::new(x, x_unit, scale(fit.points.iter().map(|p| p.x).chain(beyond), 5.0));
    let y = Axis::new(y, y_unit, scale(fit.points.iter().map(|p| p.y), 12.0));
    let mut panel = Panel { rules: ceiling(fit, &used, index).into_iter().collect(), ..Panel::new(x, y) };
    curve(&mut panel, fit);
    points(&mut panel, fit, &variants, &by_label);
    panel.draw("foretold", Shape::Marks(Mark::Star), Ink::Law, super::targets(fit));
    let legend = legend(&panel, fit, &variants);
    Figure { legend, ..Figure::of(id, title, panel) }
}

/// Law and band; beyond what was fitted the line is dashed.
fn curve(panel: &mut Panel, fit: &Fit) {
    let datum = |p: &crate::fit::CurvePoint| Datum { x: p.x, y: p.y, low: p.lower, high: p.upper, ..Datum::default() };
    let all: Vec<Datum> = fit.curve.iter().map(datum).collect();
    if all.is_empty() {
        return;
    }
    if all.iter().any(|p| p.low.is_some() && p.high.is_some()) {
        panel.draw(format!("{} band", fit.percent()), Shape::Band, Ink::Law, all.clone());
    }
    panel.fitted = fit.fitted_range();
    for (name, shape, part) in parts(&all, panel.fitted) {
        panel.draw(name, shape, Ink::Law, part);
    }
}

/// A line in the parts before, in and beyond what was fitted. The point next to a border belongs to both sides, or a gap would show.
pub fn parts(all: &[Datum], fitted: Option<(f64, f64)>) -> Vec<(&'static str, Shape, Vec<Datum>)> {
    const BEYOND: &str = "law, extrapolated";
    let Some((low, high)) = fitted else { return vec![("law", Shape::Line, all.to_vec())] };
    let tolerance = 1e-9;
    let last = all.iter().rposition(|p| p.x <= high * (1.0 + tolerance)).unwrap_or(0);
    let first = all.iter().position(|p| p.x >= low * (1.0 - tolerance)).unwrap_or(0);
    if last < first {
        return vec![(BEYOND, Shape::Dashed, all.to_vec())];
    }
    let mut parts = vec![
        (BEYOND, Shape::Dashed, all[..=first].to_vec()),
        ("law", Shape::Line, all[first..=last].to_vec()),
        (BEYOND, Shape::Dashed, all[last..].to_vec()),
    ];
    parts.retain(|(_, _, part)| part.len() > 1);
    parts
}

/// One mark a variant at the mean of its repetitions, with a bar over their range and the repetitions themselves beside it, pale.
fn points(panel: &mut Panel, fit: &Fit, variants: &Variants<'_>, by_label: &BTreeMap<String, &TaskFacts>) {
    let mut variant_of: BTreeMap<&str, usize> = BTreeMap::new();
    for (i, variant) in variants.list.iter().enumerate() {
        variant_of.extend(variant.tasks.iter().map(|task| (task.name.as_str(), i)));
    }
    let mut groups: Vec<(String, Ink, Mark, Vec<&Point>)> =
        variants.list.iter().map(|variant| (variant.name.clone(), variant.ink, variant.mark, Vec::new())).collect();
    for point in &fit.points {
        if let Some(i) = by_label.get(&point.label).and_then(|task| variant_of.get(task.name.as_str())) {
            groups[*i].3.push(point);
        }
    }
    let strangers: Vec<&Point> = fit.points.iter().filter(|p| !by_label.contains_key(&p.label)).collect();
    groups.extend(strangers.into_iter().map(|p| (p.label.clone(), Ink::Text, Mark::Disc, vec![p])));
    let mut push = |name: String, mark: Mark, ink: Ink, points: Vec<Datum>| {
        panel.draw(name, Shape::Marks(mark), ink, points);
    };
    let plain = |p: &Point| Datum::new(p.x, p.y, tip(p));
    for (name, ink, mark, points) in groups {
        let dropped: Vec<Datum> = points.iter().filter(|p| p.dropped.is_some()).map(|p| plain(p)).collect();
        push(format!("{name}, dropped"), Mark::Cross, Ink::Muted, dropped);
        let points: Vec<&Point> = points.into_iter().filter(|p| p.dropped.is_none()).collect();
        let held_out = points.iter().any(|p| p.held_out);
        let mark = if held_out { Mark::Ring } else { mark };
        let name = if held_out { format!("{name}, held out") } else { name };
        let (xs, ys): (Vec<f64>, Vec<f64>) = points.iter().map(|p| (p.x, p.y)).unzip();
        // Repetitions of one variant lie above each other; a variant spread along the axis has no one mean.
        let together = stats::span(&xs).is_some_and(|(low, high)| (high - low).abs() <= TOGETHER * high.abs());
        if points.len() > 1 && together {
            push(format!("{name}, each"), Mark::Faint, ink, points.iter().map(|p| plain(p)).collect());
            if let (Some(x), Some(y), Some((low, high))) = (stats::mean(&xs), stats::mean(&ys), stats::span(&ys)) {
                let label = format!("{name}: mean of {}", points.len());
                push(name, mark, ink, vec![Datum { label, ..Datum::between(x, y, low, high) }]);
            }
        } else {
            push(name, mark, ink, points.iter().map(|p| plain(p)).collect());
        }
    }
}

fn tip(point: &Point) -> String {
    let mut tip = point.label.clone();
    if let Some(fitted) = point.fitted {
        put!(tip, "; the law says {}", number::sig(fitted, 4));
    }
    if point.held_out {
        tip.push_str("; held out of the fit");
    }
    if let Some(why) = &point.dropped {
        put!(tip, "; dropped: {why}");
    }
    tip
}

fn legend(panel: &Panel, fit: &Fit, variants: &Variants<'_>) -> Vec<Entry> {
    let mut legend = Vec::new();
    let heading = variants.heading();
    let n = variants.list.len();
    for (i, variant) in variants.list.iter().enumerate() {
        if n <= LISTED || i == 0 || i == n - 1 || i % n.div_ceil(LISTED - 1) == 0 {
            legend.push(Entry::of(&heading, variant.caption(), Shape::Marks(variant.mark), variant.ink));
        }
    }
    let has = |mark: Mark| panel.has(Shape::Marks(mark));
    let marks = [
        (Mark::Ring, "held out of the fit"),
        (Mark::Faint, "each repetition; bar: their range"),
        (Mark::Cross, "dropped"),
    ];
    for (mark, text) in marks.into_iter().filter(|(mark, _)| has(*mark)) {
        legend.push(Entry::of(
            "points",
            text,
            Shape::Marks(mark),
            if mark == Mark::Cross { Ink::Muted } else { Ink::Text },
        ));
    }
    let group = "fitted law";
    let shapes = [
        (Shape::Line, if fit.form.is_empty() { "law".to_owned() } else { spoken(&fit.form).replace('-', " ") }),
        (Shape::Dashed, "extrapolated".to_owned()),
        (Shape::Band, format!("{} band", fit.percent())),
        (Shape::Marks(Mark::Star), "what it foretells".to_owned()),
    ];
    for (shape, text) in shapes {
        if panel.has(shape) {
            legend.push(Entry::of(group, text, shape, Ink::Law));
        }
    }
    for (name, param) in fit.params.iter().take(5) {
        legend.push(Entry::remark(
            group,
            format!("{}{} = {}", if is_exponent(name) { "exponent " } else { "" }, symbol(name), interval(param)),
        ));
    }
    let fitted = fit.points.iter().filter(|p| !p.held_out && p.dropped.is_none()).count();
    if fitted > 0 {
        legend.push(Entry::remark(group, format!("n = {fitted}")));
    }
    legend
}

/// A value that nothing can exceed: the fit's own, or how often the judge that all points share is right where the truth is known.
fn ceiling(fit: &Fit, used: &[&TaskFacts], index: &Index<'_>) -> Option<Rule> {
    if let Some(y) = fit.ceiling {
        return Some(Rule::level(y, format!("ceiling: {}", number::sig(y, 3))));
    }
    let is_share = fit.points.iter().filter(|p| p.dropped.is_none()).all(|p| (0.0..=1.0).contains(&p.y));
    if fit.y.contains("loss") || !is_share {
        return None;
    }
    let shared = |name: &&String| used.iter().all(|task| task.needs.contains(name));
    let judges = used.first()?.needs.iter().filter(shared).filter_map(|name| index.task(name));
    judges.filter(|judge| judge.cell == Cell::default()).find_map(|judge| {
        let (name, y) = judge
            .scalars
            .iter()
            .filter(|(name, _)| name.ends_with("accuracy"))
            .max_by_key(|(name, _)| name.contains("held"))?;
        let label = format!("{} of {} on real images: {}", spoken(name), judge.name, number::sig(*y, 3));
        Some(Rule::level(*y, label))
    })
}
