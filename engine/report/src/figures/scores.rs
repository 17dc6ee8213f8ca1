//! Scores of finished runs: the Pareto frontier over compute, and the score against parameters or data.

use super::{capital, runs::Drawn, scale};
use crate::{
    axis::{Axis, Scale},
    color::Ink,
    figure::{Datum, Entry, Figure, Mark, Panel, Shape},
    number, stats,
};

/// Which of two scores is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// The higher, as alignment.
    Higher,
    /// The lower, as a loss.
    Lower,
}

/// The points that no other beats with as little or less, by their place along the horizontal axis.
pub fn undominated(points: &[Datum], better: Better) -> Vec<Datum> {
    let sign = if better == Better::Higher { 1.0 } else { -1.0 };
    let mut sorted: Vec<&Datum> = points.iter().filter(|p| p.x.is_finite() && p.y.is_finite()).collect();
    sorted.sort_by(|a, b| a.x.total_cmp(&b.x).then((sign * b.y).total_cmp(&(sign * a.y))));
    let mut best = f64::NEG_INFINITY;
    let mut out = Vec::new();
    for point in sorted {
        if sign * point.y > best {
            best = sign * point.y;
            out.push(point.clone());
        }
    }
    out
}

/// All checkpoints pale, the frontier strong, what it dominates shaded, the law fitted to it.
pub fn pareto(
    id: &str,
    x: &Axis,
    y: &Axis,
    checkpoints: &[(String, Ink, Vec<Datum>)],
    better: Better,
    law: &Drawn,
) -> Figure {
    let mut panel = Panel::new(Axis { scale: Scale::Log, ..x.clone() }, y.clone());
    let all: Vec<Datum> =
        checkpoints.iter().flat_map(|(_, _, points)| points.iter().cloned()).filter(|p| p.x > 0.0).collect();
    let frontier = undominated(&all, better);
    let xs: Vec<f64> = all.iter().map(|p| p.x).collect();
    let ys: Vec<f64> = all.iter().map(|p| p.y).collect();
    if let (Some((_, right)), Some((low, high))) = (stats::span(&xs), stats::span(&ys)) {
        let floor = if better == Better::Higher { low } else { high };
        let mut stairs: Vec<Datum> = Vec::new();
        for (i, point) in frontier.iter().enumerate() {
            stairs.push(Datum::new(point.x, if i == 0 { floor } else { frontier[i - 1].y }, ""));
            stairs.push(Datum::new(point.x, point.y, ""));
        }
        if let Some(last) = frontier.last() {
            stairs.push(Datum::new(right, last.y, ""));
            stairs.push(Datum::new(right, floor, ""));
        }
        panel.draw("dominated", Shape::Area, Ink::Grid, stairs);
    }
    for (name, ink, points) in checkpoints {
        panel.draw(name.clone(), Shape::Marks(Mark::Faint), *ink, points.clone());
    }
    law.draw(&mut panel);
    panel.draw("frontier", Shape::Marks(Mark::Disc), Ink::Text, frontier.clone());
    law.draw_targets(&mut panel);
    let mut legend = vec![
        Entry::of("checkpoints", format!("frontier, n = {}", frontier.len()), Shape::Marks(Mark::Disc), Ink::Text),
        Entry::of("checkpoints", "dominated", Shape::Area, Ink::Grid),
    ];
    let n = checkpoints.len();
    for (i, (name, ink, _)) in checkpoints.iter().enumerate() {
        if n <= 12 || i == 0 || i == n - 1 || i.is_multiple_of(n.div_ceil(11)) {
            legend.push(Entry::of("run", name.clone(), Shape::Marks(Mark::Faint), *ink));
        }
    }
    legend.extend(law.legend(&panel, "law of the frontier"));
    Figure { legend, ..Figure::of(id, format!("{}: the frontier over {}", capital(&y.label), x.label), panel) }
}

/// One score a model against its size or its data, named, with the fitted law and the rank correlation.
pub fn against(id: &str, x: &Axis, y: &Axis, families: &[(String, Ink, Mark, Vec<Datum>)], law: &Drawn) -> Figure {
    let all: Vec<&Datum> = families.iter().flat_map(|(_, _, _, points)| points).collect();
    let mut panel = Panel::new(Axis { scale: scale(all.iter().map(|p| p.x), 3.0), ..x.clone() }, y.clone());
    law.draw(&mut panel);
    for (name, ink, mark, points) in families {
        panel.draw(name.clone(), Shape::Marks(*mark), *ink, points.clone());
    }
    law.draw_targets(&mut panel);
    let mut legend: Vec<Entry> = if families.len() > 1 {
        families
            .iter()
            .map(|(name, ink, mark, _)| Entry::of("family", name.clone(), Shape::Marks(*mark), *ink))
            .collect()
    } else {
        Vec::new()
    };
    legend.extend(law.legend(&panel, "law"));
    let pairs: Vec<(f64, f64)> = all.iter().map(|p| (p.x, p.y)).collect();
    if let Some(rank) = stats::spearman(&pairs) {
        legend.push(Entry::remark(
            "ranks",
            format!("Spearman ρ = {}, n = {}", number::sig(rank, 3).replace('-', "−"), pairs.len()),
        ));
    }
    Figure { legend, ..Figure::of(id, format!("{} against {}", capital(&y.label), x.label), panel) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_and_duplicates_leave_one_point() {
        let points: Vec<Datum> =
            [(1.0, 0.2), (1.0, 0.3), (2.0, 0.3), (2.0, 0.1), (3.0, 0.5), (3.0, 0.5), (4.0, 0.4), (5.0, f64::NAN)]
                .map(|(x, y)| Datum::new(x, y, ""))
                .to_vec();
        let of = |better| undominated(&points, better).iter().map(|p| (p.x, p.y)).collect::<Vec<_>>();
        assert_eq!(of(Better::Higher), [(1.0, 0.3), (3.0, 0.5)]);
        assert_eq!(of(Better::Lower), [(1.0, 0.2), (2.0, 0.1)]);
    }
}
