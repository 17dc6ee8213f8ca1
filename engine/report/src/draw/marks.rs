//! Marks: their outlines, the bars over their intervals, and the names beside them.

use super::{LABEL, TITLE, plot::Plot};
use crate::{
    axis::Scale,
    color::Ink,
    figure::{Mark, Panel, Series, Shape},
    font::width,
    html::put,
    number,
    scene::{Anchor, Fill, Item, Point, Scene, Stroke, Type, Verb, outline},
};

/// All marks of a series.
pub fn series(scene: &mut Scene, series: &Series, mark: Mark, panel: &Panel, plot: &Plot) {
    for point in &series.points {
        let Some((x, y)) = plot.point(point).filter(|place| plot.holds(*place)) else { continue };
        let bar = Stroke::of(series.ink, 1.3);
        let within = |value: f64, low: f64, high: f64| value.clamp(low, high);
        if let (Some(low), Some(high)) =
            (point.low.and_then(|low| plot.y(low)), point.high.and_then(|high| plot.y(high)))
        {
            let (low, high) = (within(low, plot.top, plot.bottom()), within(high, plot.top, plot.bottom()));
            scene.line((x, low), (x, high), bar);
            for end in [low, high] {
                scene.line((x - 3.0, end), (x + 3.0, end), bar);
            }
        }
        if let Some((left, right)) = point.across.and_then(|(left, right)| plot.x(left).zip(plot.x(right))) {
            let (left, right) = (within(left, plot.left, plot.right()), within(right, plot.left, plot.right()));
            scene.line((left, y), (right, y), bar);
            for end in [left, right] {
                scene.line((end, y - 3.0), (end, y + 3.0), bar);
            }
        }
        if mark == Mark::Faint && point.label.is_empty() {
            draw(scene, mark, series.ink, (x, y), String::new());
            continue;
        }
        let mut tip = if point.label.is_empty() { series.name.clone() } else { point.label.clone() };
        for (axis, value) in [(&panel.x, point.x), (&panel.y, point.y)] {
            if axis.scale != Scale::Rows {
                put!(tip, "\n{}: {}", axis.text(), number::sig(value, 4));
            }
        }
        draw(scene, mark, series.ink, (x, y), tip);
    }
}

/// One mark.
pub fn draw(scene: &mut Scene, mark: Mark, ink: Ink, (x, y): Point, tip: String) {
    let edge = Some(Stroke::of(Ink::Paper, 0.9));
    let disc = |radius: f64, fill: Fill, stroke: Option<Stroke>, tip: String| Item::Disc {
        at: (x, y),
        radius,
        fill,
        stroke,
        tip,
    };
    match mark {
        Mark::Disc => scene.items.push(disc(4.0, Fill::of(ink), edge, tip)),
        Mark::Ring => scene.items.push(disc(3.7, Fill::of(Ink::Paper), Some(Stroke::of(ink, 1.8)), tip)),
        Mark::Faint => scene.items.push(disc(2.1, Fill { ink, opacity: 0.42 }, None, tip)),
        Mark::Cross => {
            let (a, b) = ([(x - 3.1, y - 3.1), (x + 3.1, y + 3.1)], [(x - 3.1, y + 3.1), (x + 3.1, y - 3.1)]);
            let verbs: Vec<Verb> = [a, b].iter().flat_map(|line| outline(line, false)).collect();
            scene.path(verbs, None, Some(Stroke::of(ink, 1.6)), &tip);
        }
        _ => {
            let corners: Vec<Point> = corners(mark).into_iter().map(|(dx, dy)| (x + dx, y + dy)).collect();
            scene.path(outline(&corners, true), Some(Fill::of(ink)), edge, &tip);
        }
    }
}

fn corners(mark: Mark) -> Vec<Point> {
    match mark {
        Mark::Square => vec![(-3.6, -3.6), (3.6, -3.6), (3.6, 3.6), (-3.6, 3.6)],
        Mark::Diamond => vec![(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)],
        Mark::Triangle => vec![(0.0, -4.8), (4.5, 3.5), (-4.5, 3.5)],
        // Five points of a star: a tenth of a turn between outer and inner corners.
        _ => vec![
            (0.0, -6.5),
            (1.53, -2.1),
            (6.18, -2.01),
            (2.47, 0.8),
            (3.82, 5.26),
            (0.0, 2.6),
            (-3.82, 5.26),
            (-2.47, 0.8),
            (-6.18, -2.01),
            (-1.53, -2.1),
        ],
    }
}

/// Names beside their points, where they cover least; one that would cover another name is left to the legend.
pub fn names(scene: &mut Scene, panel: &Panel, plot: &Plot) {
    let named = |series: &&Series| matches!(series.shape, Shape::Marks(_));
    let all: Vec<Point> = panel
        .series
        .iter()
        .filter(named)
        .flat_map(|series| &series.points)
        .filter_map(|point| plot.point(point))
        .collect();
    let lines: Vec<Point> = panel
        .series
        .iter()
        .filter(|series| matches!(series.shape, Shape::Line | Shape::Dashed))
        .flat_map(|series| &series.points)
        .filter_map(|point| plot.point(point))
        .collect();
    let mut taken: Vec<(f64, f64, f64, f64)> = Vec::new();
    for series in &panel.series {
        for point in series.points.iter().filter(|point| !point.name.is_empty()) {
            let Some((x, y)) = plot.point(point).filter(|place| plot.holds(*place)) else { continue };
            let size = LABEL.size - 1.0;
            let long = width(&point.name, size, false);
            let places = [
                (x + 7.0, y + 3.4),
                (x - 7.0 - long, y + 3.4),
                (x - long / 2.0, y - 8.0),
                (x - long / 2.0, y + 15.0),
                (x + 5.0, y - 6.0),
                (x + 5.0, y + 13.0),
                (x - 5.0 - long, y - 6.0),
                (x - 5.0 - long, y + 13.0),
            ];
            let cost = |(left, base): &Point| {
                let (right, top) = (left + long, base - size);
                let inside = *left >= plot.left && right <= plot.right() && top >= plot.top && *base <= plot.bottom();
                let hit = |(px, py): &&Point| {
                    (left - 4.0..=right + 4.0).contains(px) && (top - 4.0..=base + 4.0).contains(py)
                };
                let over = taken.iter().any(|(l, t, r, b)| *left < *r && right > *l && top < *b && *base > *t);
                (
                    usize::from(over),
                    usize::from(!inside),
                    all.iter().filter(hit).count() * 4 + lines.iter().filter(hit).count(),
                )
            };
            let Some(best) = places.into_iter().min_by_key(cost).filter(|place| cost(place).0 == 0) else { continue };
            taken.push((best.0, best.1 - size, best.0 + long, best.1));
            scene.text(best, &point.name, Type { size, anchor: Anchor::Start, halo: true, ..TITLE });
        }
    }
}
