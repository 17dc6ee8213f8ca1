//! How far to trust a fit: residuals, hold-out, intervals of parameters and how they go together, sensitivity to choices.

use super::{interval, symbol};
use crate::{
    axis::{Axis, Scale},
    color::Ink,
    figure::{Datum, Entry, Figure, Mark, Panel, Rule, Shape},
    fit::Param,
    number, stats,
};

/// One row of a fit, as far as a look at residuals needs it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Residual {
    /// Whose it is.
    pub label: String,
    /// What it is looked at against, in the order of the axes.
    pub along: Vec<f64>,
    /// Measured less fitted, in the space of the fit.
    pub residual: f64,
    /// Whether the fit did not see it.
    pub held_out: bool,
}

/// Residuals against each axis, and against what a normal distribution would have.
pub fn residuals(id: &str, unit: &str, axes: &[Axis], rows: &[Residual]) -> Figure {
    let label = if unit.is_empty() { "residual".to_owned() } else { format!("residual of {unit}") };
    let seen: Vec<f64> = rows.iter().filter(|r| !r.held_out).map(|r| r.residual).filter(|r| r.is_finite()).collect();
    let mut panels = Vec::new();
    for (i, axis) in axes.iter().enumerate() {
        let scale = super::scale(rows.iter().filter_map(|row| row.along.get(i).copied()), 5.0);
        let y = Axis::new(label.clone(), "", Scale::Linear);
        let mut panel =
            Panel { title: format!("against {}", axis.label), ..Panel::new(Axis { scale, ..axis.clone() }, y) };
        panel.rules.push(Rule::level(0.0, ""));
        for held_out in [false, true] {
            let points = rows
                .iter()
                .filter(|row| row.held_out == held_out)
                .filter_map(|row| Some(Datum::new(*row.along.get(i)?, row.residual, row.label.clone())))
                .collect();
            panel.draw(held(held_out), Shape::Marks(mark(held_out)), Ink::family(0), points);
        }
        panels.push(panel);
    }
    let mut sorted = seen.clone();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let x = Axis::new("normal quantile", "standard deviations", Scale::Linear);
    let mut panel =
        Panel { title: "normal quantiles".to_owned(), ..Panel::new(x, Axis::new(label, "", Scale::Linear)) };
    let points: Vec<Datum> = sorted
        .iter()
        .enumerate()
        .map(|(i, residual)| Datum::new(normal_quantile((i as f64 + 0.5) / n as f64), *residual, ""))
        .collect();
    // Through the quartiles, as such plots are usually drawn: the tails are what is looked at, and must not move the line.
    let quartile = |part: f64| sorted.get(((n as f64 - 1.0) * part).round() as usize).copied().unwrap_or(0.0);
    let (lower, upper) = (quartile(0.25), quartile(0.75));
    let (deviation, middle) = ((upper - lower) / (2.0 * normal_quantile(0.75)), f64::midpoint(lower, upper));
    if let (Some(first), Some(last)) = (points.first().map(|p| p.x), points.last().map(|p| p.x)) {
        let line = [first, last].map(|x| Datum::new(x, middle + x * deviation, "")).to_vec();
        panel.draw("normal", Shape::Dotted, Ink::Text, line);
    }
    // More than these would hide each other.
    let mark = if n > 60 { Mark::Faint } else { Mark::Disc };
    panel.draw("fitted", Shape::Marks(mark), Ink::family(0), points);
    panels.push(panel);
    let mut legend = vec![Entry::of("rows", format!("fitted, n = {n}"), Shape::Marks(Mark::Disc), Ink::family(0))];
    if rows.iter().any(|row| row.held_out) {
        legend.push(Entry::of("rows", "held out", Shape::Marks(Mark::Ring), Ink::family(0)));
    }
    legend.push(Entry::of(
        "scale",
        format!("normal through the quartiles, σ = {}", number::sig(deviation, 3)),
        Shape::Dotted,
        Ink::Text,
    ));
    Figure { id: id.to_owned(), title: "Residuals".to_owned(), panels, columns: 2, legend, notes: Vec::new() }
}

fn mark(held_out: bool) -> Mark {
    if held_out { Mark::Ring } else { Mark::Disc }
}

fn held(held_out: bool) -> &'static str {
    if held_out { "held out" } else { "fitted" }
}

/// One row of a fit, predicted and measured.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Foretold {
    /// Whose it is.
    pub label: String,
    /// Its place along the axis by which rows were held out.
    pub along: f64,
    /// What the law says.
    pub predicted: f64,
    /// The interval of that.
    pub interval: Option<(f64, f64)>,
    /// What was measured.
    pub measured: f64,
    /// Whether the fit did not see it.
    pub held_out: bool,
}

/// Predicted against measured, and the error against how far beyond the fitted range a row lies.
pub fn holdout(id: &str, quantity: &Axis, along: &Axis, rows: &[Foretold]) -> Figure {
    let values = || rows.iter().flat_map(|row| [row.predicted, row.measured]).filter(|value| value.is_finite());
    let scale = super::scale(values(), 2.0);
    let named = |what: &str| Axis { label: format!("{what} {}", quantity.label), scale, ..quantity.clone() };
    let mut left =
        Panel { title: "predicted against measured".to_owned(), ..Panel::new(named("measured"), named("predicted")) };
    let span = stats::span(&values().collect::<Vec<_>>());
    if let Some((low, high)) = span {
        left.draw("equal", Shape::Dotted, Ink::Text, vec![Datum::new(low, low, ""), Datum::new(high, high, "")]);
    }
    let fitted =
        |of: fn(&Foretold) -> f64| stats::span(&rows.iter().filter(|row| !row.held_out).map(of).collect::<Vec<_>>());
    left.fitted = fitted(|row| row.measured);
    let furthest = fitted(|row| row.along).map_or(1.0, |(_, high)| high);
    let x = Axis::new(
        format!("{} over the largest fitted", along.label),
        "",
        super::scale(rows.iter().map(|row| row.along), 3.0),
    );
    let mut right =
        Panel { title: "error by distance".to_owned(), ..Panel::new(x, Axis::new("error", "%", Scale::Linear)) };
    right.rules.push(Rule::level(0.0, ""));
    right.fitted = fitted(|row| row.along).map(|(low, high)| (low / furthest, high / furthest));
    let error = |row: &Foretold| 100.0 * (row.predicted - row.measured) / row.measured;
    for held_out in [false, true] {
        let these = || rows.iter().filter(move |row| row.held_out == held_out);
        let points = these()
            .map(|row| Datum {
                low: row.interval.map(|i| i.0),
                high: row.interval.map(|i| i.1),
                ..Datum::new(row.measured, row.predicted, row.label.clone())
            })
            .collect();
        let ink = if held_out { Ink::Law } else { Ink::family(0) };
        left.draw(held(held_out), Shape::Marks(mark(held_out)), ink, points);
        let points = these().map(|row| Datum::new(row.along / furthest, error(row), row.label.clone())).collect();
        right.draw(held(held_out), Shape::Marks(mark(held_out)), ink, points);
    }
    let mean = |held_out: bool| {
        let errors: Vec<f64> = rows.iter().filter(|row| row.held_out == held_out).map(|row| error(row).abs()).collect();
        let told = stats::mean(&errors).map_or_else(|| "none".to_owned(), |mean| format!("{} %", number::sig(mean, 2)));
        format!("{}, n = {}: mean error {told}", held(held_out), errors.len())
    };
    let legend = vec![
        Entry::of("rows", mean(false), Shape::Marks(Mark::Disc), Ink::family(0)),
        Entry::of("rows", mean(true), Shape::Marks(Mark::Ring), Ink::Law),
        Entry::of("for comparison", "predicted as measured", Shape::Dotted, Ink::Text),
    ];
    Figure {
        id: id.to_owned(),
        title: "Held out: predicted against measured".to_owned(),
        panels: vec![left, right],
        columns: 2,
        legend,
        notes: Vec::new(),
    }
}

/// One row of a forest: an estimate with its interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// What differs: the objective, the rule, the rows.
    pub label: String,
    /// The estimate.
    pub estimate: Param,
    /// Whether it is the one that the fit reports.
    pub main: bool,
}

/// Estimates of one quantity below each other: what an exponent becomes under each choice.
pub fn sensitivity(id: &str, quantity: &str, branches: &[Branch]) -> Figure {
    let rows = branches.iter().map(|branch| branch.label.clone()).collect();
    let mut panel = Panel::new(Axis::new(symbol(quantity), "", Scale::Linear), Axis::rows("choice", rows));
    if let Some(main) = branches.iter().find(|branch| branch.main) {
        panel.rules.push(Rule::upright(main.estimate.value, ""));
    }
    for main in [false, true] {
        let points = branches
            .iter()
            .enumerate()
            .filter(|(_, branch)| branch.main == main)
            .map(|(i, branch)| Datum {
                across: branch.estimate.lower.zip(branch.estimate.upper),
                ..Datum::new(
                    branch.estimate.value,
                    i as f64,
                    format!("{}: {}", branch.label, interval(&branch.estimate)),
                )
            })
            .collect();
        let (name, ink) = if main { ("the fit's own", Ink::Law) } else { ("other choices", Ink::family(0)) };
        panel.draw(name, Shape::Marks(if main { Mark::Diamond } else { Mark::Disc }), ink, points);
    }
    let values: Vec<f64> = branches.iter().map(|branch| branch.estimate.value).collect();
    let range = stats::span(&values).map_or_else(String::new, |(low, high)| {
        format!(
            "{} from {} to {}",
            symbol(quantity),
            number::sig(low, 3).replace('-', "−"),
            number::sig(high, 3).replace('-', "−")
        )
    });
    let mut legend = vec![
        Entry::of("choice", "the fit's own", Shape::Marks(Mark::Diamond), Ink::Law),
        Entry::of("choice", "another", Shape::Marks(Mark::Disc), Ink::family(0)),
    ];
    if branches.iter().any(|branch| branch.estimate.lower.is_some()) {
        legend.push(Entry::remark("choice", "bar: interval"));
    }
    legend.push(Entry::remark("spread", range));
    Figure { legend, ..Figure::of(id, format!("{} under other choices", symbol(quantity)), panel) }
}

/// The parameters of a fit, each on a scale of its own: how far the interval reaches, in shares of the estimate.
pub fn forest(id: &str, percent: &str, params: &[(String, Param)]) -> Figure {
    let shown: Vec<&(String, Param)> =
        params.iter().filter(|(_, param)| param.value.is_finite() && param.value != 0.0).collect();
    let rows = shown.iter().map(|(name, param)| format!("{} = {}", symbol(name), interval(param))).collect();
    let mut panel = Panel::new(Axis::new("share of the estimate", "", Scale::Linear), Axis::rows("parameter", rows));
    panel.rules.push(Rule::upright(1.0, ""));
    let points = shown
        .iter()
        .enumerate()
        .map(|(i, (name, param))| {
            let ends = param.lower.zip(param.upper).map(|(low, high)| (low / param.value, high / param.value));
            // A negative estimate turns its interval round.
            let across = ends.map(|(a, b)| (a.min(b), a.max(b)));
            Datum { across, ..Datum::new(1.0, i as f64, format!("{} = {}", symbol(name), interval(param))) }
        })
        .collect();
    panel.draw("parameters", Shape::Marks(Mark::Disc), Ink::family(0), points);
    let legend = vec![Entry::of(
        "parameter",
        format!("estimate; bar: {percent} interval"),
        Shape::Marks(Mark::Disc),
        Ink::family(0),
    )];
    Figure { legend, ..Figure::of(id, "Parameters with their intervals", panel) }
}

/// Draws that a cloud shows; more would hide each other and make heavy files. Histograms and correlations are of all.
const SHOWN: usize = 400;

/// How parameters go together over resamples: a histogram of each, and a cloud for each pair.
pub fn pairs(id: &str, names: &[String], draws: &[Vec<f64>], estimate: &[f64]) -> Figure {
    let n = names.len();
    let column = |i: usize| -> Vec<f64> {
        draws.iter().filter_map(|draw| draw.get(i).copied()).filter(|v| v.is_finite()).collect()
    };
    let mut panels = Vec::new();
    for row in 0..n {
        for col in 0..n {
            if col > row {
                panels.push(Panel::nothing());
                continue;
            }
            let label = |i: usize, shown: bool| if shown { symbol(&names[i]) } else { String::new() };
            let x = Axis { range: wide(&column(col)), ..Axis::new(label(col, row == n - 1), "", Scale::Linear) };
            let mut panel;
            if row == col {
                panel = Panel {
                    title: symbol(&names[col]),
                    ..Panel::new(x, Axis::new(if row == 0 { "draws" } else { "" }, "", Scale::Linear))
                };
                panel.draw(symbol(&names[col]), Shape::Bars, Ink::family(0), histogram(&column(col)));
            } else {
                let y = Axis { range: wide(&column(row)), ..Axis::new(label(row, col == 0), "", Scale::Linear) };
                panel = Panel::new(x, y);
                let points = draws
                    .iter()
                    .filter_map(|draw| Some(Datum::new(*draw.get(col)?, *draw.get(row)?, "")))
                    .take(SHOWN)
                    .collect();
                panel.draw(
                    format!("{} and {}", symbol(&names[col]), symbol(&names[row])),
                    Shape::Marks(Mark::Faint),
                    Ink::family(0),
                    points,
                );
                if let (Some(x), Some(y)) = (estimate.get(col), estimate.get(row)) {
                    panel.draw("estimate", Shape::Marks(Mark::Diamond), Ink::Law, vec![Datum::new(*x, *y, "estimate")]);
                }
            }
            panels.push(panel);
        }
    }
    let clouds = number::plural(draws.len(), "draw");
    let clouds = if draws.len() > SHOWN { format!("{clouds}, {SHOWN} in each cloud") } else { clouds };
    let mut legend = vec![
        Entry::of("resamples", clouds, Shape::Marks(Mark::Faint), Ink::family(0)),
        Entry::of("resamples", "estimate", Shape::Marks(Mark::Diamond), Ink::Law),
    ];
    for row in 0..n {
        for col in 0..row {
            if let Some(r) = correlation(&column(col), &column(row)) {
                legend.push(Entry::remark(
                    "correlation",
                    format!(
                        "{}, {}: {}",
                        symbol(&names[col]),
                        symbol(&names[row]),
                        format!("{r:.2}").replace("-0.00", "0.00").replace('-', "−")
                    ),
                ));
            }
        }
    }
    Figure {
        id: id.to_owned(),
        title: "How the parameters go together".to_owned(),
        panels,
        columns: 0,
        legend,
        notes: Vec::new(),
    }
}

/// All but the outermost hundredths, with a margin: a few wild draws must not hide the others.
fn wide(values: &[f64]) -> Option<(f64, f64)> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |part: f64| sorted.get(((sorted.len() as f64 - 1.0) * part).round() as usize).copied();
    let (low, high) = at(0.005).zip(at(0.995))?;
    let margin = (high - low) * 0.08;
    (low < high).then_some((low - margin, high + margin))
}

fn histogram(values: &[f64]) -> Vec<Datum> {
    let Some((low, high)) = wide(values) else { return Vec::new() };
    let bins = 24;
    let step = (high - low) / f64::from(bins);
    let mut counts = vec![0u32; bins as usize];
    for value in values.iter().filter(|value| (low..high).contains(*value)) {
        if let Some(count) = counts.get_mut(((value - low) / step) as usize) {
            *count += 1;
        }
    }
    counts
        .into_iter()
        .enumerate()
        .map(|(i, count)| {
            let left = low + step * i as f64;
            Datum { across: Some((left, left + step)), ..Datum::new(left + step / 2.0, f64::from(count), "") }
        })
        .collect()
}

fn correlation(xs: &[f64], ys: &[f64]) -> Option<f64> {
    let (mx, my) = (stats::mean(xs)?, stats::mean(ys)?);
    let sum = |f: &dyn Fn(f64, f64) -> f64| xs.iter().zip(ys).map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
    let (xy, xx, yy) = (sum(&|x, y| x * y), sum(&|x, _| x * x), sum(&|_, y| y * y));
    (xx > 0.0 && yy > 0.0).then(|| xy / libm::sqrt(xx * yy))
}

/// The place below which a share `p` of a standard normal distribution lies: bisection on the error function of [`libm`], to its last digits.
pub fn normal_quantile(p: f64) -> f64 {
    let below = |x: f64| 0.5 * libm::erfc(-x / std::f64::consts::SQRT_2);
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..90 {
        let middle = f64::midpoint(low, high);
        if below(middle) < p {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.norm.ppf`, `SciPy` 1.17.1.
    #[test]
    fn normal_quantiles_are_scipys() {
        for (p, expected) in [
            (0.5, 0.0),
            (0.975, 1.959_963_984_540_054),
            (0.001, -3.090_232_306_167_813_5),
            (0.841_344_746_068_542_9, 1.0),
        ] {
            assert!((normal_quantile(p) - expected).abs() < 1e-12, "{p}: {}", normal_quantile(p));
        }
    }

    #[test]
    fn a_histogram_holds_every_draw_but_the_wildest() {
        let values: Vec<f64> = (0..1000).map(|i| normal_quantile((f64::from(i) + 0.5) / 1000.0)).collect();
        let total: f64 = histogram(&values).iter().map(|bar| bar.y).sum();
        assert!(total >= 990.0 && histogram(&[1.0, 1.0]).is_empty());
    }

    #[test]
    fn correlation_is_of_the_draws() {
        let (xs, ys): (Vec<f64>, Vec<f64>) = (0..20).map(|i| (f64::from(i), 3.0 - 2.0 * f64::from(i))).unzip();
        assert!((correlation(&xs, &ys).unwrap() + 1.0).abs() < 1e-12);
        assert_eq!(correlation(&xs, &[1.0; 20]), None);
    }
}
