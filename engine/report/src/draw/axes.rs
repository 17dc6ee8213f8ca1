//! Axes: what lies outside the fitted range, grid, ticks, labels; and labelled straight lines.

use super::{
    LABEL, TITLE,
    plot::{Plot, row_limit, widest_label},
};
use crate::{
    axis::{Range, Scale, Tick},
    color::Ink,
    figure::{Panel, Shape},
    font::{cut, width, wrap},
    scene::{Anchor, Fill, Scene, Stroke, Type, parts_width, powers},
};

/// Everything behind the data.
pub fn draw(scene: &mut Scene, panel: &Panel, plot: &Plot, single: bool) {
    outside(scene, panel, plot);
    let (grid, rule) = (Stroke::of(Ink::Grid, 0.8), Stroke::of(Ink::Muted, 0.9));
    let bottom = plot.bottom();
    let labels = labelled(&plot.x, plot.width, 48.0, |label| label_width(label) + 8.0);
    for (Tick { at, label }, shown) in labels {
        let Some(x) = plot.x(at) else { continue };
        scene.line((x, bottom), (x, bottom + if label.is_some() { 4.5 } else { 2.5 }), rule);
        if let Some(label) = label {
            scene.line((x, plot.top), (x, bottom), grid);
            if shown {
                scene.power((x, bottom + 16.0), &label, LABEL);
            }
        }
    }
    if panel.y.scale == Scale::Rows {
        for (i, row) in panel.y.rows.iter().enumerate() {
            let Some(y) = plot.y(i as f64) else { continue };
            scene.line((plot.left, y), (plot.right(), y), grid);
            let look = Type { anchor: Anchor::End, ink: Ink::Text, ..LABEL };
            let lines = wrap(row, look.size, row_limit(single).min(plot.left - 8.0));
            let first = y + 3.7 - 5.5 * (lines.len().min(2) as f64 - 1.0);
            for (n, line) in lines.iter().take(2).enumerate() {
                let more = if n == 1 && lines.len() > 2 { "…" } else { "" };
                scene.text((plot.left - 7.0, first + 11.0 * n as f64), &format!("{line}{more}"), look);
            }
        }
    }
    for (Tick { at, label }, shown) in labelled(&plot.y, plot.height, 42.0, |_| 15.0) {
        let Some(y) = plot.y(at) else { continue };
        scene.line((plot.left - if label.is_some() { 4.5 } else { 2.5 }, y), (plot.left, y), rule);
        if let Some(label) = label {
            scene.line((plot.left, y), (plot.right(), y), grid);
            if shown {
                // A raised exponent ends the text; its anchor is the end all the same.
                scene.power((plot.left - 7.0, y + 3.7), &label, Type { anchor: Anchor::End, ..LABEL });
            }
        }
    }
    let middle = plot.left + plot.width / 2.0;
    scene.text((middle, bottom + 33.0), &cut(&panel.x.text(), TITLE.size, plot.width + 40.0), TITLE);
    if panel.y.scale != Scale::Rows {
        let widest = widest_label(&plot.y);
        let at = (plot.left - widest - 14.0, plot.top + plot.height / 2.0);
        scene.upwards(at, &cut(&panel.y.text(), TITLE.size, plot.height + 20.0), TITLE);
    }
}

fn label_width(label: &str) -> f64 {
    parts_width(&powers(label), LABEL.size, false)
}

/// Ticks with whether their labels are written: powers of ten before others, and none that would touch one written already.
fn labelled(range: &Range, length: f64, wanted: f64, room: impl Fn(&str) -> f64) -> Vec<(Tick, bool)> {
    let ticks = range.ticks_about((length / wanted).clamp(3.0, 7.0));
    let mut order: Vec<usize> = (0..ticks.len()).filter(|i| ticks[*i].label.is_some()).collect();
    order.sort_by_key(|i| ticks[*i].label.as_deref().is_some_and(|label| label.contains("·10")));
    let mut taken: Vec<(f64, f64)> = Vec::new();
    let mut shown = vec![false; ticks.len()];
    for i in order {
        let (Some(label), Some(place)) = (&ticks[i].label, range.place(ticks[i].at)) else { continue };
        let (half, at) = (room(label) / 2.0, place * length);
        if taken.iter().all(|(from, to)| at + half <= *from || at - half >= *to) {
            taken.push((at - half, at + half));
            shown[i] = true;
        }
    }
    ticks.into_iter().zip(shown).collect()
}

/// What lies outside the fitted range, on a darker ground.
fn outside(scene: &mut Scene, panel: &Panel, plot: &Plot) {
    for (_, left, right) in sides(panel, plot) {
        scene.rect((left, plot.top), (right - left, plot.height), Fill { ink: Ink::Grid, opacity: 0.5 });
    }
}

/// What the darker grounds are, in words where they have room: at the foot or at the top, wherever fewer points are covered.
pub fn words(scene: &mut Scene, panel: &Panel, plot: &Plot) {
    let look = Type { size: 9.5, halo: true, ..LABEL };
    for (text, left, right) in sides(panel, plot) {
        let long = width(text, look.size, false);
        if right - left <= long + 8.0 {
            continue;
        }
        let middle = f64::midpoint(left, right);
        let covered = |base: &f64| {
            let points = panel.series.iter().filter(|series| !matches!(series.shape, Shape::Band | Shape::Area));
            let wide = middle - long / 2.0 - 8.0..=middle + long / 2.0 + 8.0;
            points
                .flat_map(|series| &series.points)
                .filter_map(|point| plot.point(point))
                .filter(|(x, y)| wide.contains(x) && (base - 16.0..=base + 8.0).contains(y))
                .count()
        };
        let (foot, top) = (plot.bottom() - 6.0, plot.top + 13.0);
        scene.text((middle, if covered(&foot) <= covered(&top) { foot } else { top }), text, look);
    }
}

/// The stretches along the horizontal axis that were not fitted, with what they are called.
fn sides(panel: &Panel, plot: &Plot) -> Vec<(&'static str, f64, f64)> {
    let Some((low, high)) = panel.fitted else { return Vec::new() };
    let (Some(from), Some(to)) = (plot.x(low), plot.x(high)) else { return Vec::new() };
    let sides = [("not fitted", plot.left, from.min(plot.right())), ("extrapolated", to.max(plot.left), plot.right())];
    sides.into_iter().filter(|(_, left, right)| right - left > plot.width * 0.05).collect()
}

/// The lower and left edge, over the data.
pub fn frame(scene: &mut Scene, plot: &Plot) {
    let corner = [(plot.left, plot.top), (plot.left, plot.bottom()), (plot.right(), plot.bottom())];
    scene.polyline(&corner, Stroke::of(Ink::Muted, 0.9), "");
}

/// Rules with their labels where they cover the fewest points: left or right, above or below.
pub fn rules(scene: &mut Scene, panel: &Panel, plot: &Plot) {
    let points: Vec<(f64, f64)> = panel
        .series
        .iter()
        .filter(|series| !matches!(series.shape, Shape::Band | Shape::Area))
        .flat_map(|series| &series.points)
        .filter_map(|point| plot.point(point))
        .collect();
    let line = Stroke { dash: &[2.0, 3.0], ..Stroke::of(Ink::Text, 1.1) };
    let size = 10.0;
    let look = Type { size, anchor: Anchor::Start, halo: true, ..TITLE };
    let fewest = |long: f64, places: Vec<(f64, f64)>| {
        let covered = |(left, base): &(f64, f64)| {
            let wide = left - 7.0..=left + long + 7.0;
            points.iter().filter(|(x, y)| wide.contains(x) && (base - 15.0..=base + 7.0).contains(y)).count()
        };
        places.into_iter().min_by_key(covered)
    };
    for rule in &panel.rules {
        let text = cut(&rule.label, size, plot.width - 12.0);
        let long = width(&text, size, false);
        if rule.upright {
            let Some(x) = plot.x(rule.at).filter(|x| (plot.left..=plot.right()).contains(x)) else { continue };
            scene.line((x, plot.top), (x, plot.bottom()), line);
            let lefts =
                [x + 5.0, x - 5.0 - long].into_iter().filter(|left| *left >= plot.left && left + long <= plot.right());
            let places = lefts.flat_map(|left| [(left, plot.top + 12.0), (left, plot.bottom() - 6.0)]).collect();
            if let Some(at) = fewest(long, places).filter(|_| !text.is_empty()) {
                scene.text(at, &text, look);
            }
            continue;
        }
        let Some(y) = plot.y(rule.at) else { continue };
        if !(plot.top..=plot.bottom()).contains(&y) {
            // Two lines of text for two far rules would be a first; they share the corner then.
            let (sign, base) = if y < plot.top { ("↑", plot.top + 12.0) } else { ("↓", plot.bottom() - 8.0) };
            let text = cut(&format!("{sign} {}", rule.label), size, plot.width - 12.0);
            scene.text((plot.left + 6.0, base), &text, Type { ink: Ink::Muted, ..look });
            continue;
        }
        scene.line((plot.left, y), (plot.right(), y), line);
        let lefts = [plot.left + 6.0, plot.right() - 6.0 - long, plot.left + (plot.width - long) / 2.0];
        let bases =
            [y - 5.0, y + 12.0].into_iter().filter(|base| base - 10.0 > plot.top - 6.0 && *base < plot.bottom());
        let places = bases.flat_map(|base| lefts.map(|left| (left, base))).collect();
        if let Some(at) = fewest(long, places).filter(|_| !text.is_empty()) {
            scene.text(at, &text, look);
        }
    }
}
