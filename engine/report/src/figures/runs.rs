//! Many runs as curves: loss against compute with its envelope and law, and a score against steps, samples and compute.

use super::{capital, law::parts};
use crate::{
    axis::{Axis, Scale},
    color::Ink,
    figure::{Datum, Entry, Figure, Mark, Panel, Rule, Shape},
    number,
};

/// One run's course.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    /// Whose it is.
    pub name: String,
    /// What it stands under in the legend: its variant.
    pub variant: String,
    /// In what it is drawn.
    pub ink: Ink,
    /// Each measurement.
    pub points: Vec<Moment>,
}

/// One measurement of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Optimizer steps so far.
    pub step: f64,
    /// Samples seen so far.
    pub samples: f64,
    /// Training compute so far, in FLOP.
    pub compute: f64,
    /// What was measured.
    pub value: f64,
}

/// A fitted law to be drawn over measurements.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drawn {
    /// The law with its band, in order.
    pub curve: Vec<Datum>,
    /// The share of draws that the band encloses, `90 %`.
    pub percent: String,
    /// What was fitted, along the horizontal axis.
    pub fitted: Option<(f64, f64)>,
    /// What the legend says: `L = 2.1·C^(−0.117)`, `exponent α = 0.117 [0.101, 0.133]`, `n = 9`.
    pub remarks: Vec<String>,
    /// What the law foretells where nothing was measured.
    pub targets: Vec<Datum>,
}

impl Drawn {
    /// The law's band and line.
    pub fn draw(&self, panel: &mut Panel) {
        if self.curve.iter().any(|p| p.low.is_some() && p.high.is_some()) {
            panel.draw(format!("{} band", self.percent), Shape::Band, Ink::Law, self.curve.clone());
        }
        if !self.curve.is_empty() {
            for (name, shape, part) in parts(&self.curve, self.fitted) {
                panel.draw(name, shape, Ink::Law, part);
            }
            panel.fitted = self.fitted;
        }
    }

    /// What it foretells, over everything else.
    pub fn draw_targets(&self, panel: &mut Panel) {
        panel.draw("target", Shape::Marks(Mark::Star), Ink::Law, self.targets.clone());
    }

    /// Its entries of the legend, for what `panel` shows.
    pub fn legend(&self, panel: &Panel, group: &str) -> Vec<Entry> {
        let mut legend = Vec::new();
        let shapes = [
            (Shape::Line, "fitted law".to_owned()),
            (Shape::Dashed, "extrapolated".to_owned()),
            (Shape::Band, format!("{} band", self.percent)),
            (Shape::Marks(Mark::Star), "what it foretells".to_owned()),
        ];
        for (shape, text) in shapes {
            if panel.series.iter().any(|series| series.shape == shape && series.ink == Ink::Law) {
                legend.push(Entry::of(group, text, shape, Ink::Law));
            }
        }
        legend.extend(self.remarks.iter().map(|remark| Entry::remark(group, remark.clone())));
        legend
    }
}

/// Variants that a legend lists one by one.
const LISTED: usize = 14;

fn variants(courses: &[Course], heading: &str, shape: Shape) -> Vec<Entry> {
    let mut seen: Vec<(&str, Ink)> = Vec::new();
    for course in courses {
        if !seen.iter().any(|(name, _)| *name == course.variant) {
            seen.push((&course.variant, course.ink));
        }
    }
    let n = seen.len();
    let kept = |i: usize| n <= LISTED || i == 0 || i == n - 1 || i.is_multiple_of(n.div_ceil(LISTED - 1));
    seen.into_iter()
        .enumerate()
        .filter(|(i, _)| kept(*i))
        .map(|(_, (name, ink))| Entry::of(heading, name, shape, ink))
        .collect()
}

/// The lowest value reached by any run with at most that much compute, wherever it gets lower.
pub fn envelope(courses: &[Course]) -> Vec<Datum> {
    let mut all: Vec<(f64, f64, &str)> = courses
        .iter()
        .flat_map(|course| course.points.iter().map(|p| (p.compute, p.value, course.name.as_str())))
        .filter(|(x, y, _)| *x > 0.0 && x.is_finite() && y.is_finite())
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let mut lowest = f64::INFINITY;
    let mut out = Vec::new();
    for (x, y, name) in all {
        if y < lowest {
            lowest = y;
            out.push(Datum::new(x, y, name));
        }
    }
    out
}

/// Loss against compute: a thin curve a run, the envelope where it is lowest, the law through it, and what the law foretells.
pub fn loss_against_compute(id: &str, metric: &str, heading: &str, courses: &[Course], law: &Drawn) -> Figure {
    let spread = super::scale(courses.iter().flat_map(|c| &c.points).map(|p| p.value), 1.6);
    let x = Axis::new("training compute", "FLOP", Scale::Log);
    let mut panel = Panel::new(x, Axis::new(metric, "", spread));
    for course in courses {
        let points: Vec<Datum> = course
            .points
            .iter()
            .filter(|p| p.compute > 0.0)
            .map(|p| Datum::new(p.compute, p.value, course.name.clone()))
            .collect();
        panel.draw(course.name.clone(), Shape::Thin, course.ink, points);
    }
    law.draw(&mut panel);
    let mut lowest = envelope(courses);
    // The first steps of a run are on the envelope by having no rival.
    let reach = lowest.last().map_or(0.0, |p| p.x) / 1e3;
    lowest.retain(|p| p.x >= reach);
    let shown = thinned(lowest, 40);
    panel.draw("envelope", Shape::Marks(Mark::Faint), Ink::Text, shown);
    law.draw_targets(&mut panel);
    let mut legend = variants(courses, heading, Shape::Line);
    if panel.has(Shape::Marks(Mark::Faint)) {
        legend.push(Entry::of("runs", "lowest at this compute", Shape::Marks(Mark::Faint), Ink::Text));
    }
    legend.push(Entry::remark("runs", number::plural(courses.len(), "run")));
    legend.extend(law.legend(&panel, "law"));
    Figure { legend, ..Figure::of(id, format!("{} against training compute", capital(metric)), panel) }
}

/// At most `most` of the points, evenly along a logarithmic axis.
fn thinned(points: Vec<Datum>, most: usize) -> Vec<Datum> {
    let (Some(first), Some(last)) = (points.first().map(|p| p.x), points.last().map(|p| p.x)) else { return points };
    if points.len() <= most {
        return points;
    }
    let bin =
        |x: f64| (libm::log(x / first) / libm::log(last / first) * most as f64).floor().clamp(0.0, most as f64) as i64;
    let mut taken = -1;
    points
        .into_iter()
        .filter(|point| {
            let fresh = bin(point.x) > taken;
            taken = taken.max(bin(point.x));
            fresh
        })
        .collect()
}

/// A score against steps, samples and compute side by side, with marks where runs have spent the same compute.
pub fn score_against_progress(id: &str, metric: &str, heading: &str, courses: &[Course], equal: &[f64]) -> Figure {
    type Along = fn(&Moment) -> f64;
    let axes: [(&str, &str, Along); 3] = [
        ("optimizer steps", "", |m| m.step),
        ("samples seen", "", |m| m.samples),
        ("training compute", "FLOP", |m| m.compute),
    ];
    let mut panels = Vec::new();
    for (i, (label, unit, along)) in axes.into_iter().enumerate() {
        let scale = if i == 2 { Scale::Log } else { Scale::Linear };
        let y = if i == 0 { Axis::new(metric, "", Scale::Linear) } else { Axis::new("", "", Scale::Linear) };
        let mut panel = Panel::new(Axis::new(label, unit, scale), y);
        for course in courses {
            let points: Vec<Datum> = course
                .points
                .iter()
                .filter(|m| scale == Scale::Linear || along(m) > 0.0)
                .map(|m| Datum::new(along(m), m.value, course.name.clone()))
                .collect();
            panel.draw(course.name.clone(), Shape::Thin, course.ink, points);
        }
        for (n, compute) in equal.iter().enumerate() {
            let mark = [Mark::Diamond, Mark::Triangle, Mark::Square][n % 3];
            for course in courses {
                if let Some(at) = at_compute(course, *compute) {
                    panel.draw(
                        format!("{} at {}", course.name, number::with_prefix(*compute, "FLOP")),
                        Shape::Marks(mark),
                        course.ink,
                        vec![Datum::new(
                            along(&at),
                            at.value,
                            format!("{} at {}", course.name, number::with_prefix(*compute, "FLOP")),
                        )],
                    );
                }
            }
            if i == 2 {
                panel.rules.push(Rule::upright(*compute, ""));
            }
        }
        panels.push(panel);
    }
    let shared: Vec<f64> = courses.iter().flat_map(|c| &c.points).map(|m| m.value).filter(|v| v.is_finite()).collect();
    if let Some((low, high)) = crate::stats::span(&shared).filter(|(low, high)| low < high) {
        let margin = (high - low) * 0.05;
        for panel in &mut panels {
            panel.y.range = Some((low - margin, high + margin));
        }
    }
    let mut legend = variants(courses, heading, Shape::Line);
    for (n, compute) in equal.iter().enumerate() {
        let mark = [Mark::Diamond, Mark::Triangle, Mark::Square][n % 3];
        legend.push(Entry::of("equal compute", number::with_prefix(*compute, "FLOP"), Shape::Marks(mark), Ink::Text));
    }
    legend.push(Entry::remark("runs", number::plural(courses.len(), "run")));
    Figure {
        id: id.to_owned(),
        title: format!("{} against steps, samples and compute", capital(metric)),
        panels,
        columns: 3,
        legend,
        notes: Vec::new(),
    }
}

/// Where a run has spent this much compute, on the line between its neighbours.
fn at_compute(course: &Course, compute: f64) -> Option<Moment> {
    course.points.windows(2).find(|pair| pair[0].compute <= compute && compute <= pair[1].compute).map(|pair| {
        let [a, b] = [pair[0], pair[1]];
        let part = if b.compute > a.compute { (compute - a.compute) / (b.compute - a.compute) } else { 0.0 };
        let between = |a: f64, b: f64| a + part * (b - a);
        Moment {
            step: between(a.step, b.step),
            samples: between(a.samples, b.samples),
            compute,
            value: between(a.value, b.value),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(name: &str, points: &[(f64, f64)]) -> Course {
        let moment = |(compute, value): &(f64, f64)| Moment {
            step: *compute / 2.0,
            samples: *compute * 3.0,
            compute: *compute,
            value: *value,
        };
        Course { name: name.into(), variant: name.into(), ink: Ink::Text, points: points.iter().map(moment).collect() }
    }

    #[test]
    fn the_envelope_is_what_nothing_cheaper_beats() {
        let runs = [course("a", &[(1.0, 5.0), (4.0, 3.0), (8.0, 3.5)]), course("b", &[(2.0, 5.5), (6.0, 2.0)])];
        let found: Vec<(f64, f64)> = envelope(&runs).iter().map(|p| (p.x, p.y)).collect();
        assert_eq!(found, [(1.0, 5.0), (4.0, 3.0), (6.0, 2.0)]);
    }

    #[test]
    fn equal_compute_is_met_between_two_measurements() {
        let at = at_compute(&course("a", &[(2.0, 0.2), (4.0, 0.4)]), 3.0).unwrap();
        assert!((at.value - 0.3).abs() < 1e-12 && (at.step - 1.5).abs() < 1e-12 && (at.samples - 9.0).abs() < 1e-12);
        assert_eq!(at_compute(&course("a", &[(2.0, 0.2), (4.0, 0.4)]), 5.0), None);
    }
}
