//! A figure drawn: panels side by side, the legend beside or beneath them so that no label can cover a point, remarks at the foot. Two widths, those of a
//! column and of a page of a journal, with letters of seven to eight points in both; nothing is scaled to fit.

mod axes;
mod legend;
mod marks;
mod plot;

use crate::{
    axis::Scale,
    color::{Ink, Theme},
    figure::{Figure, Panel, Shape},
    font::wrap,
    pdf, raster,
    scene::{Anchor, Item, Scene, Type},
    svg,
};
use plot::Plot;

/// What figures look like. A change that moves a line of theirs bumps it: golden digests are filed by it.
/// 4: texts of an SVG are as wide as they were laid out; many quantiles are small marks; clouds of draws have no names.
/// 3: titles of axes clear of their labels, words on darker grounds clear of points, labels of very large and small numbers as powers of ten.
/// 2: one drawing for SVG, PNG and PDF, in two widths; panels; letters measured by the font's own widths. 1: SVG alone.
pub const REVISION: u32 = 4;

/// Pixels of a scene to a printed inch: a page's 720 are 174 mm, a column's 350 are 85 mm.
pub const PIXELS_PER_INCH: f64 = 105.0;

/// How wide a figure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// One column of a journal, 85 mm; a phone's screen.
    Single,
    /// Both, 174 mm.
    Double,
}

const LABEL: Type = Type { size: 10.5, bold: false, ink: Ink::Muted, anchor: Anchor::Middle, halo: false };
const TITLE: Type = Type { size: 11.0, bold: false, ink: Ink::Text, anchor: Anchor::Middle, halo: false };
/// What a legend beside the plot takes of the width.
const BESIDE: f64 = 196.0;
const GAP: f64 = 18.0;
const BOTTOM: f64 = 40.0;
const ROW: f64 = 20.0;
const NOTE: f64 = 13.0;

impl Width {
    /// In pixels of a scene.
    pub fn pixels(self) -> f64 {
        if self == Self::Single { 350.0 } else { 720.0 }
    }
}

/// The figure as a drawing.
pub fn scene(figure: &Figure, width: Width) -> Scene {
    let (total, single) = (width.pixels(), width == Width::Single);
    let suffix = if single { "-n" } else { "" };
    let mut scene = Scene {
        id: format!("{}{suffix}", figure.id),
        title: figure.title.clone(),
        alt: figure.told(),
        width: total,
        ..Scene::default()
    };
    let alone = figure.panels.iter().filter(|panel| !panel.blank).count() < 2;
    let beside = !single && alone && !figure.legend.is_empty();
    // The last label of an axis reaches half its width beyond the plot.
    let room = if beside { total - BESIDE - GAP } else { total - 15.0 };
    let square = figure.columns == 0;
    let columns = match figure.columns {
        0 => figure.side(),
        n if single => n.min(1),
        n => n,
    };
    let mut letters = figure.lettered().into_iter();
    let mut bottom = 0.0f64;
    let mut right = 0.0f64;
    let lefts = lefts(figure, columns, single);
    let plots_width = (room - lefts.iter().sum::<f64>() - GAP * (columns as f64 - 1.0)) / columns as f64;
    for row in figure.panels.chunks(columns) {
        let top = bottom + if row.iter().any(|panel| !panel.title.is_empty()) || !alone { 24.0 } else { 10.0 };
        let height = row.iter().map(|panel| plot_height(panel, plots_width, square, alone, single)).fold(0.0, f64::max);
        let mut x = 0.0;
        for (panel, left) in row.iter().zip(&lefts) {
            if !panel.blank {
                let letter = letters.next().and_then(|(letter, _)| letter);
                let plot = Plot::of(panel, (x + left, top), (plots_width, height));
                draw(&mut scene, panel, &plot, letter.filter(|_| !square), x, single);
                right = right.max(plot.right());
            }
            x += left + plots_width + GAP;
        }
        let labelled = row.iter().any(|panel| !panel.x.label.is_empty());
        bottom = top + height + if labelled { BOTTOM } else { BOTTOM - 14.0 };
    }
    let mut foot = bottom;
    if beside {
        let end = legend::column(&mut scene, &figure.legend, (right + GAP, 14.0), BESIDE - 4.0);
        foot = foot.max(end + 4.0);
    } else if !figure.legend.is_empty() {
        let start = if single { 2.0 } else { lefts[0].min(46.0) };
        foot = legend::beneath(
            &mut scene,
            &figure.legend,
            (start, foot + 8.0),
            total - start - 2.0,
            if single { 2 } else { 3 },
        );
    }
    for note in &figure.notes {
        for line in wrap(note, 9.5, total - 8.0) {
            foot += NOTE;
            scene.text((4.0, foot), &line, Type { size: 9.5, anchor: Anchor::Start, ..LABEL });
        }
    }
    scene.height = (foot + if figure.notes.is_empty() { 2.0 } else { 6.0 }).ceil();
    scene
}

/// How much each column keeps for labels on its left: as much as its widest needs.
fn lefts(figure: &Figure, columns: usize, single: bool) -> Vec<f64> {
    (0..columns)
        .map(|column| {
            let panels = figure.panels.iter().skip(column).step_by(columns).filter(|panel| !panel.blank);
            panels.map(|panel| plot::left(panel, single)).fold(0.0, f64::max)
        })
        .collect()
}

fn plot_height(panel: &Panel, width: f64, square: bool, alone: bool, single: bool) -> f64 {
    let broken = |row: &String| crate::font::width(row, LABEL.size, false) > plot::row_limit(single);
    match panel.y.scale {
        _ if panel.blank => 0.0,
        Scale::Rows => {
            (if panel.y.rows.iter().any(broken) { ROW + 8.0 } else { ROW }) * (panel.y.rows.len() as f64).max(1.5) + 8.0
        }
        _ if square => width,
        _ if alone => (width * 0.66).clamp(190.0, 300.0),
        _ => (width * 0.72).clamp(140.0, 260.0),
    }
}

fn draw(scene: &mut Scene, panel: &Panel, plot: &Plot, letter: Option<char>, left: f64, single: bool) {
    let above = plot.top - 9.0;
    if let Some(letter) = letter {
        scene.text((left + 2.0, above), &letter.to_string(), Type { bold: true, anchor: Anchor::Start, ..TITLE });
    }
    if !panel.title.is_empty() {
        let title = crate::font::cut(&panel.title, TITLE.size, plot.right() - plot.left.max(left + 14.0));
        scene.text((plot.left.max(left + 14.0), above), &title, Type { anchor: Anchor::Start, ..TITLE });
    }
    axes::draw(scene, panel, plot, single);
    scene.items.push(Item::Clip { at: (plot.left, plot.top), size: (plot.width, plot.height) });
    for series in &panel.series {
        match series.shape {
            Shape::Band => plot::band(scene, series, plot),
            Shape::Area => plot::area(scene, series, plot),
            Shape::Bars => plot::bars(scene, series, plot),
            Shape::Line | Shape::Dashed | Shape::Dotted | Shape::Thin => plot::lines(scene, series, plot),
            Shape::Marks(_) => {}
        }
    }
    scene.items.push(Item::End);
    axes::frame(scene, plot);
    axes::rules(scene, panel, plot);
    for series in &panel.series {
        if let Shape::Marks(mark) = series.shape {
            marks::series(scene, series, mark, panel, plot);
        }
    }
    marks::names(scene, panel, plot);
    axes::words(scene, panel, plot);
}

/// The figure as an SVG element for a page.
pub fn to_svg(figure: &Figure, width: Width) -> String {
    svg::element(&scene(figure, width))
}

/// The figure as an SVG file.
pub fn to_svg_document(figure: &Figure, width: Width) -> String {
    svg::document(&scene(figure, width))
}

/// The figure as a PNG file on white; nothing for one too large to be looked at.
pub fn to_png(figure: &Figure, width: Width) -> Option<Vec<u8>> {
    raster::to_png(&scene(figure, width), Theme::Light)
}

/// The figure as a PDF file of one page.
pub fn to_pdf(figure: &Figure, width: Width) -> Vec<u8> {
    pdf::to_pdf(&scene(figure, width))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        axis::Axis,
        figure::{Datum, Entry, Mark, Rule, Series},
    };

    fn figure() -> Figure {
        let points = [(1e12, 0.41), (1e13, 0.55), (1e14, 0.68)]
            .map(|(x, y)| Datum { label: "size=s".into(), ..Datum::between(x, y, y - 0.02, y + 0.02) });
        let line: Vec<Datum> = points.iter().map(|p| Datum::between(p.x, p.y, p.y - 0.05, p.y + 0.05)).collect();
        let x = Axis::new("training compute", "FLOP", Scale::Log);
        let panel = Panel {
            series: vec![
                Series::new("band", Shape::Band, Ink::Law, line.clone()),
                Series::new("law", Shape::Line, Ink::Law, line),
                Series::new("points", Shape::Marks(Mark::Disc), Ink::step(1, 3), points.to_vec()),
            ],
            rules: vec![Rule::level(0.9, "real images")],
            fitted: Some((1e12, 1e13)),
            ..Panel::new(x, Axis::new("alignment", "", Scale::Linear))
        };
        Figure {
            legend: vec![Entry::of("model size", "s · 310 k", Shape::Marks(Mark::Disc), Ink::step(1, 3))],
            ..Figure::of("f", "Alignment <against> compute", panel)
        }
    }

    #[test]
    fn a_small_figure() {
        insta::assert_snapshot!(to_svg_document(&figure(), Width::Double));
    }

    #[test]
    fn points_without_a_place_are_passed_over_and_break_lines() {
        let mut figure = figure();
        figure.panels[0].series[1].points[1].y = f64::NAN;
        figure.panels[0].series[2].points[0].x = -1.0;
        let svg = to_svg(&figure, Width::Double);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<title>size=s").count(), 2);
    }

    #[test]
    fn a_figure_of_nothing_is_drawn() {
        let panel = Panel { x: Axis::new("training compute", "FLOP", Scale::Log), ..Panel::default() };
        for width in [Width::Single, Width::Double] {
            let figure = Figure::of("none", "Nothing", panel.clone());
            assert!(to_svg(&figure, width).contains("training compute (FLOP)"));
            assert!(to_png(&figure, width).is_some() && to_pdf(&figure, width).starts_with(b"%PDF-"));
        }
    }
}
