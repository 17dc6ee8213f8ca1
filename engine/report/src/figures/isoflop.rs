//! Compute-optimal allocation: profiles at equal compute, the optima against compute, and the fitted surface.

use super::{capital, interval, runs::Drawn};
use crate::{
    axis::{Axis, Scale},
    color::Ink,
    contour::Grid,
    figure::{Datum, Entry, Figure, Mark, Panel, Shape},
    fit::Param,
    number,
};

/// The runs of one budget, and the parabola through them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// The budget in FLOP.
    pub budget: f64,
    /// Model size and loss of each run.
    pub points: Vec<Datum>,
    /// The parabola, or the slice of a surface.
    pub curve: Vec<Datum>,
    /// Its lowest point, with the interval of its place in `across`.
    pub vertex: Option<Datum>,
    /// Why there is no such point, where there is none.
    pub refused: Option<String>,
}

/// Loss against model size by budget, with the lowest point of each.
pub fn profiles(id: &str, size: &Axis, loss: &str, profiles: &[Profile]) -> Figure {
    let mut panel = Panel::new(Axis { scale: Scale::Log, ..size.clone() }, Axis::new(loss, "", Scale::Linear));
    let mut legend = Vec::new();
    let mut notes = Vec::new();
    let n = profiles.len();
    for (i, profile) in profiles.iter().enumerate() {
        let ink = Ink::step(i, n);
        let name = power(profile.budget);
        panel.draw(format!("{name}, parabola"), Shape::Line, ink, profile.curve.clone());
        panel.draw(name.clone(), Shape::Marks(Mark::Disc), ink, profile.points.clone());
        legend.push(Entry::of("budget (FLOP)", name.clone(), Shape::Marks(Mark::Disc), ink));
        if let Some(why) = &profile.refused {
            notes.push(format!("No optimum at {name} FLOP: {why}."));
        }
    }
    let vertices: Vec<Datum> = profiles.iter().filter_map(|profile| profile.vertex.clone()).collect();
    if !vertices.is_empty() {
        let dotted = vertices.iter().map(|p| Datum::new(p.x, p.y, "")).collect();
        panel.draw("optima", Shape::Dotted, Ink::Law, dotted);
        panel.draw("optimum", Shape::Marks(Mark::Star), Ink::Law, vertices);
        legend.push(Entry::of("fit", "lowest point; bar: its interval", Shape::Marks(Mark::Star), Ink::Law));
    }
    let points: usize = profiles.iter().map(|profile| profile.points.len()).sum();
    legend.push(Entry::remark("fit", format!("n = {points} in {}", number::plural(n, "budget"))));
    Figure {
        legend,
        notes,
        ..Figure::of(id, format!("{} against {} at equal compute", capital(loss), size.label), panel)
    }
}

/// A quantity that is chosen by compute.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Optimal {
    /// What it is, with its unit.
    pub axis: Axis,
    /// Its best value by budget, with intervals.
    pub vertices: Vec<Datum>,
    /// The law through them.
    pub law: Drawn,
    /// The law's exponent.
    pub exponent: Option<Param>,
    /// What others found, each a name and a line.
    pub others: Vec<(String, Vec<Datum>)>,
}

/// The best size and the best amount of data against compute, side by side.
pub fn optimal(id: &str, title: &str, quantities: &[Optimal]) -> Figure {
    let mut panels = Vec::new();
    let mut legend = Vec::new();
    let mut others: Vec<&str> = Vec::new();
    for quantity in quantities {
        let x = Axis::new("training compute", "FLOP", Scale::Log);
        let mut panel = Panel {
            title: quantity.axis.label.clone(),
            ..Panel::new(x, Axis { scale: Scale::Log, ..quantity.axis.clone() })
        };
        for (name, line) in &quantity.others {
            let i = others.iter().position(|other| other == name).unwrap_or_else(|| {
                others.push(name);
                others.len() - 1
            });
            panel.draw(name.clone(), Shape::Dotted, Ink::family(i), line.clone());
        }
        quantity.law.draw(&mut panel);
        panel.draw("optimum at a budget", Shape::Marks(Mark::Disc), Ink::Text, quantity.vertices.clone());
        quantity.law.draw_targets(&mut panel);
        if legend.is_empty() {
            if !quantity.vertices.is_empty() {
                let text = "optimum at a budget; bar: its interval";
                legend.push(Entry::of("measured", text, Shape::Marks(Mark::Disc), Ink::Text));
            }
            legend.extend(Drawn { remarks: Vec::new(), ..quantity.law.clone() }.legend(&panel, "fitted law"));
        }
        panels.push(panel);
    }
    for quantity in quantities {
        if let Some(exponent) = &quantity.exponent {
            // Of a surface the exponent rests on its runs, whose number the fit's own figures tell.
            let n = quantity.vertices.len();
            let n = if n > 0 { format!(", n = {n}") } else { String::new() };
            legend.push(Entry::remark("exponents", format!("{}: {}{n}", quantity.axis.label, interval(exponent))));
        }
        legend.extend(quantity.law.remarks.iter().map(|remark| Entry::remark("exponents", remark.clone())));
    }
    legend.extend(
        others.iter().enumerate().map(|(i, name)| Entry::of("other studies", *name, Shape::Dotted, Ink::family(i))),
    );
    Figure { id: id.to_owned(), title: title.to_owned(), panels, columns: 2, legend, notes: Vec::new() }
}

/// The law L(N, D) = E + A·N^(−α) + B·D^(−β).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Surface {
    /// What no size and no data lower.
    pub e: f64,
    /// The factor of size.
    pub a: f64,
    /// The factor of data.
    pub b: f64,
    /// The exponent of size.
    pub alpha: f64,
    /// The exponent of data.
    pub beta: f64,
    /// FLOP of training for one parameter and one sample: 6 for a dense model that reads tokens.
    pub flops: f64,
}

impl Surface {
    /// The loss at a size and an amount of data.
    pub fn loss(&self, n: f64, d: f64) -> f64 {
        self.e + self.a * libm::pow(n, -self.alpha) + self.b * libm::pow(d, -self.beta)
    }

    /// The best size and amount of data for `compute`: N = G·(C/k)^(β/(α+β)), D = (C/k)/N, G = (αA/βB)^(1/(α+β)).
    pub fn optimum(&self, compute: f64) -> (f64, f64) {
        let sum = self.alpha + self.beta;
        let g = libm::pow(self.alpha * self.a / (self.beta * self.b), 1.0 / sum);
        let each = compute / self.flops;
        let n = g * libm::pow(each, self.beta / sum);
        (n, each / n)
    }
}

/// The surface as contours over size and data, with the runs, the efficient frontier and lines of equal compute. `runs` have their loss in `low`.
pub fn surface(
    id: &str,
    law: &Surface,
    (size, data): (&Axis, &Axis),
    loss: &str,
    runs: &[Datum],
    remarks: &[String],
) -> Figure {
    let log = |axis: &Axis| Axis { scale: Scale::Log, ..axis.clone() };
    let span =
        |values: Vec<f64>| crate::stats::span(&values).map_or((1.0, 10.0), |(low, high)| (low / 1.6, high * 2.5));
    let (n, d) = (span(runs.iter().map(|p| p.x).collect()), span(runs.iter().map(|p| p.y).collect()));
    let at = |(low, high): (f64, f64), part: f64| low * libm::pow(high / low, part);
    let grid = Grid::of(61, 49, |x, y| law.loss(at(n, x), at(d, y)));
    let heights: Vec<f64> = grid.heights.iter().flatten().copied().collect();
    let (low, high) = crate::stats::span(&heights).unwrap_or((0.0, 1.0));
    let levels = levels(law.e, low, high);
    let mut panel = Panel::new(Axis { range: Some(n), ..log(size) }, Axis { range: Some(d), ..log(data) });
    let place = |(x, y): &(f64, f64)| Datum::new(at(n, *x), at(d, *y), "");
    let joined = |lines: Vec<Vec<(f64, f64)>>| {
        let lines = lines.iter().map(|line| line.iter().map(place).collect::<Vec<_>>());
        lines.collect::<Vec<_>>().join(&Datum::gap())
    };
    let ink = |i: usize| Ink::step(levels.len() - 1 - i, levels.len());
    for (i, level) in levels.iter().enumerate() {
        panel.draw(format!("{loss} ≥ {}", number::short(*level, 4)), Shape::Area, ink(i), joined(grid.above(*level)));
    }
    for (i, level) in levels.iter().enumerate() {
        let name = format!("{loss} = {}", number::short(*level, 4));
        let points = joined(grid.lines(*level)).into_iter().map(|p| Datum { label: name.clone(), ..p }).collect();
        panel.draw(name, Shape::Thin, ink(i), points);
    }
    let budgets: Vec<f64> =
        crate::axis::Range { scale: Scale::Log, low: law.flops * n.0 * d.0, high: law.flops * n.1 * d.1 }
            .ticks_about(5.0)
            .into_iter()
            .filter(|tick| tick.label.as_ref().is_some_and(|label| !label.contains('·')))
            .map(|tick| tick.at)
            .collect();
    let inside = |value: f64, (low, high): (f64, f64)| value >= low && value <= high;
    for budget in &budgets {
        let points: Vec<Datum> = (0..=60)
            .map(|i| at(n, f64::from(i) / 60.0))
            .map(|x| Datum::new(x, budget / law.flops / x, format!("{} FLOP", power(*budget))))
            .filter(|p| inside(p.y, d))
            .collect();
        if points.len() > 1 {
            panel.draw(format!("{} FLOP", power(*budget)), Shape::Dotted, Ink::Muted, points);
        }
    }
    let frontier: Vec<Datum> = (0..=80)
        .map(|i| law.optimum(at((law.flops * n.0 * d.0, law.flops * n.1 * d.1), f64::from(i) / 80.0)))
        .filter(|(x, y)| inside(*x, n) && inside(*y, d))
        .map(|(x, y)| Datum::new(x, y, ""))
        .collect();
    panel.draw("efficient frontier", Shape::Line, Ink::Law, frontier);
    panel.draw("runs", Shape::Marks(Mark::Disc), Ink::Text, runs.to_vec());
    let mut legend: Vec<Entry> = levels
        .iter()
        .enumerate()
        .rev()
        .map(|(i, level)| Entry::of(loss, number::short(*level, 4), Shape::Thin, ink(i)))
        .collect();
    legend.push(Entry::of("lines", "most for the compute", Shape::Line, Ink::Law));
    let named: Vec<String> = budgets.iter().map(|budget| power(*budget)).collect();
    if !named.is_empty() {
        legend.push(Entry::of("lines", format!("equal compute: {} FLOP", named.join(", ")), Shape::Dotted, Ink::Muted));
    }
    legend.push(Entry::of("lines", number::plural(runs.len(), "run"), Shape::Marks(Mark::Disc), Ink::Text));
    legend.extend(remarks.iter().map(|remark| Entry::remark("fitted law", remark.clone())));
    Figure { legend, ..Figure::of(id, format!("{} over {} and {}", capital(loss), size.label, data.label), panel) }
}

/// Heights of contours: closer together the nearer to what nothing lowers, each written with as few digits as tell them apart.
fn levels(floor: f64, low: f64, high: f64) -> Vec<f64> {
    let count = 9;
    let (from, to) = ((low - floor).max((high - low) * 1e-3), high - floor);
    let mut levels: Vec<f64> = (1..count)
        .map(|i| floor + from * libm::pow(to / from, f64::from(i) / f64::from(count)))
        .map(|level| format!("{level:.2e}").parse().unwrap_or(level))
        .collect();
    levels.dedup();
    levels.retain(|level: &f64| *level > low && *level < high);
    levels
}

/// `6×10¹⁸`, `10¹⁸`.
fn power(value: f64) -> String {
    let text = number::short(value, 3);
    let Some((digits, power)) = text.split_once('×') else { return text };
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    if digits == "1" { power.to_owned() } else { format!("{digits}×{power}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hoffmann et al.'s law as refitted by Besiroglu et al. 2024 (482.01, 2085.43, 1.8172, 0.3478, 0.3658): a = β/(α+β) = 0.5126, and at the optimum no
    /// neighbour of equal compute is lower.
    #[test]
    fn the_optimum_is_the_lowest_at_its_compute() {
        let law = Surface { e: 1.8172, a: 482.01, b: 2085.43, alpha: 0.3478, beta: 0.3658, flops: 6.0 };
        let (n, d) = law.optimum(5.76e23);
        assert!((6.0 * n * d / 5.76e23 - 1.0).abs() < 1e-12);
        for factor in [0.99, 1.01] {
            assert!(law.loss(n * factor, d / factor) > law.loss(n, d));
        }
        let (more, _) = law.optimum(5.76e24);
        assert!((libm::log10(more / n) - 0.3658 / (0.3478 + 0.3658)).abs() < 1e-12);
    }

    #[test]
    fn budgets_read_as_people_write_them() {
        let read = [1e18, 6e18, 1.5e20, 1.234e20, 4.1296e19].map(power);
        assert_eq!(read, ["10¹⁸", "6×10¹⁸", "1.5×10²⁰", "1.23×10²⁰", "4.13×10¹⁹"]);
    }
}
