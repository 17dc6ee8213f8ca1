//! A figure drawn as SVG: plot on the left, legend on the right, so that no label can cover a point.

use crate::{
    axis::{Range, Scale, Tick},
    color::{Ink, dark_rules},
    figure::{Datum, Entry, Figure, Mark, Series, Shape},
    html::escape,
    number,
    svg::{Anchor, Svg, Type, at, cut, path, width, wrap},
};

const WIDTH: f64 = 930.0;
const HEIGHT: f64 = 440.0;
const LEGEND: f64 = 244.0;
const BOTTOM: f64 = 56.0;
/// How far beyond the data, in their own span, a rule may lie and still be drawn.
const FAR: f64 = 1.4;
const FONT: &str = "font-family=\"Helvetica Neue,Helvetica,Arial,Liberation Sans,sans-serif\"";

const LABEL: Type = Type { size: 12.0, bold: false, ink: Ink::Muted, anchor: Anchor::Middle, halo: false };
const TITLE: Type = Type { size: 12.5, bold: false, ink: Ink::Text, anchor: Anchor::Middle, halo: false };

/// A rectangle of the drawing that stands for ranges of both axes.
struct Plot {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
    x: Range,
    y: Range,
}

impl Plot {
    fn x(&self, value: f64) -> Option<f64> {
        // A place far outside is drawn far outside and clipped; coordinates stay of a size any viewer can hold.
        self.x.place(value).map(|place| self.left + place.clamp(-4.0, 5.0) * self.width)
    }

    fn y(&self, value: f64) -> Option<f64> {
        self.y.place(value).map(|place| self.top + (1.0 - place.clamp(-4.0, 5.0)) * self.height)
    }

    fn point(&self, point: &Datum) -> Option<(f64, f64)> {
        Some((self.x(point.x)?, self.y(point.y)?))
    }

    /// Where the edge of a band is drawn: what has no place on a log axis lies below its lower end.
    fn edge(&self, value: f64) -> f64 {
        self.y(value).unwrap_or(self.top + self.height * 2.0)
    }

    fn right(&self) -> f64 {
        self.left + self.width
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

/// The figure as an SVG element for a page that carries [`dark_rules`].
pub fn to_svg(figure: &Figure) -> String {
    draw(figure, false)
}

/// The figure as a document of its own, with its title.
pub fn to_svg_document(figure: &Figure) -> String {
    draw(figure, true)
}

fn draw(figure: &Figure, document: bool) -> String {
    let head = if document { 44.0 } else { 14.0 };
    let legend = legend_height(&figure.legend);
    let height = (HEIGHT + head).max(legend + head + 20.0);
    let plot = layout(figure, head, height);
    let mut svg = Svg::default();
    let namespace = if document { " xmlns=\"http://www.w3.org/2000/svg\"" } else { "" };
    svg.raw(&format!(
        "<svg{namespace} viewBox=\"0 0 {WIDTH:.0} {height:.0}\" width=\"{WIDTH:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{}\" {FONT}>",
        escape(&figure.title)
    ));
    if document {
        svg.raw(&format!("<style>{}</style>", dark_rules()));
        svg.rect((0.0, 0.0), (WIDTH, height), &Ink::Paper.fill());
        let look = Type { size: 15.0, bold: true, anchor: Anchor::Start, ..TITLE };
        svg.text((plot.left, 26.0), &cut(&figure.title, 15.5, WIDTH - plot.left - 12.0), look);
    }
    axes(&mut svg, figure, &plot);
    svg.raw(&format!(
        "<clipPath id=\"clip-{0}\"><rect x=\"{1}\" y=\"{2}\" width=\"{3}\" height=\"{4}\"/></clipPath><g clip-path=\"url(#clip-{0})\">",
        escape(&figure.id),
        at(plot.left),
        at(plot.top),
        at(plot.width),
        at(plot.height)
    ));
    for series in &figure.series {
        match series.shape {
            Shape::Band => band(&mut svg, series, &plot),
            Shape::Line | Shape::Dashed | Shape::Thin => lines(&mut svg, series, &plot),
            Shape::Marks(_) => {}
        }
    }
    svg.raw("</g>");
    rules(&mut svg, figure, &plot);
    for series in &figure.series {
        if let Shape::Marks(mark) = series.shape {
            marks(&mut svg, series, mark, figure, &plot);
        }
    }
    draw_legend(&mut svg, &figure.legend, (plot.right() + 22.0, plot.top + 4.0));
    svg.raw("</svg>");
    svg.finish()
}

/// Ranges from the data; a band may widen the vertical one by half at most, or a wide extrapolation would flatten what was measured.
fn layout(figure: &Figure, top: f64, height: f64) -> Plot {
    let drawn = figure.series.iter().flat_map(|series| &series.points);
    let xs = Range::of(figure.x.scale, drawn.clone().map(|point| point.x), 0.035);
    let measured = figure
        .series
        .iter()
        .filter(|series| series.shape != Shape::Band)
        .flat_map(|series| &series.points)
        .flat_map(|p| [Some(p.y), p.low, p.high])
        .flatten();
    let near = Range::of(figure.y.scale, measured.clone(), 0.0);
    let rules = figure
        .rules
        .iter()
        .map(|rule| rule.y)
        .filter(|y| near.place(*y).is_some_and(|place| (-FAR..=1.0 + FAR).contains(&place)));
    let core = measured.chain(rules);
    let tight = Range::of(figure.y.scale, core.clone(), 0.0);
    let bands = figure.series.iter().filter(|series| series.shape == Shape::Band).flat_map(|series| &series.points);
    let edges = bands.flat_map(|p| [p.low, p.high]).flatten().filter_map(|value| {
        let place = tight.place(value)?;
        let place = place.clamp(-0.5, 1.5);
        Some(match figure.y.scale {
            Scale::Linear => tight.low + place * (tight.high - tight.low),
            Scale::Log => tight.low * (tight.high / tight.low).powf(place),
        })
    });
    let ys = Range::of(figure.y.scale, core.chain(edges), 0.06);
    let labels = ys.ticks().into_iter().filter_map(|tick| tick.label);
    let widest = labels.map(|label| tick_width(&label)).fold(20.0, f64::max);
    let left = 34.0 + widest;
    Plot { left, top, width: WIDTH - LEGEND - left - 22.0, height: height - top - BOTTOM, x: xs, y: ys }
}

fn tick_width(label: &str) -> f64 {
    match label.split_once("^{") {
        Some((base, power)) => width(base, LABEL.size) + width(power.trim_end_matches('}'), LABEL.size * 0.76),
        None => width(label, LABEL.size),
    }
}

fn axes(svg: &mut Svg, figure: &Figure, plot: &Plot) {
    if let Some(x) = figure.fitted_to.and_then(|x| plot.x(x)).filter(|x| *x < plot.right() - 1.0) {
        svg.rect(
            (x, plot.top),
            (plot.right() - x, plot.height),
            &format!("{} fill-opacity=\"0.45\"", Ink::Grid.fill()),
        );
        let look = Type { size: 11.0, anchor: Anchor::Start, ..LABEL };
        if plot.right() - x > width("extrapolation", 11.0) + 12.0 {
            svg.text((x + 6.0, plot.bottom() - 8.0), "extrapolation", look);
        }
    }
    let grid = Ink::Grid.stroke();
    let rule = Ink::Muted.stroke();
    let mut free = f64::NEG_INFINITY;
    for Tick { at, label } in plot.x.ticks() {
        let Some(x) = plot.x(at) else { continue };
        let length = if label.is_some() { 6.0 } else { 3.0 };
        svg.line((x, plot.bottom()), (x, plot.bottom() + length), &rule);
        if let Some(label) = label {
            svg.line((x, plot.top), (x, plot.bottom()), &grid);
            let half = tick_width(&label) / 2.0;
            if x - half > free {
                svg.power((x, plot.bottom() + 21.0), &label, LABEL);
                free = x + half + 8.0;
            }
        }
    }
    for Tick { at, label } in plot.y.ticks() {
        let Some(y) = plot.y(at) else { continue };
        let length = if label.is_some() { 6.0 } else { 3.0 };
        svg.line((plot.left - length, y), (plot.left, y), &rule);
        if let Some(label) = label {
            svg.line((plot.left, y), (plot.right(), y), &grid);
            // A raised exponent ends the text; its anchor is the end all the same.
            svg.power((plot.left - 10.0, y + 4.2), &label, Type { anchor: Anchor::End, ..LABEL });
        }
    }
    svg.path(&path(&[(plot.left, plot.top), (plot.left, plot.bottom()), (plot.right(), plot.bottom())]), &rule, "");
    svg.text((plot.left + plot.width / 2.0, plot.bottom() + 44.0), &cut(&figure.x.text(), 12.5, plot.width), TITLE);
    svg.upwards((15.0, plot.top + plot.height / 2.0), &cut(&figure.y.text(), 12.5, plot.height), TITLE);
}

fn band(svg: &mut Svg, series: &Series, plot: &Plot) {
    let edge = |pick: fn(&Datum) -> Option<f64>| {
        series.points.iter().filter_map(move |p| Some((plot.x(p.x)?, plot.edge(pick(p)?)))).collect::<Vec<_>>()
    };
    let mut outline = edge(|p| p.low);
    let mut upper = edge(|p| p.high);
    upper.reverse();
    outline.append(&mut upper);
    if outline.len() > 2 {
        svg.path(&format!("{}Z", path(&outline)), &format!("{} fill-opacity=\"0.16\"", series.ink.fill()), "");
    }
}

fn lines(svg: &mut Svg, series: &Series, plot: &Plot) {
    // A point without a place breaks the line: nothing is drawn where nothing was measured.
    let parts = series.points.split(|p| plot.point(p).is_none());
    for part in parts.filter(|part| part.len() > 1) {
        let points: Vec<_> = part.iter().filter_map(|p| plot.point(p)).collect();
        svg.path(&path(&points), &format!("{} {}", series.ink.stroke(), stroke(series.shape)), &series.name);
    }
}

fn stroke(shape: Shape) -> &'static str {
    match shape {
        Shape::Thin => "stroke-width=\"1.40\" stroke-opacity=\"0.85\" stroke-linejoin=\"round\"",
        Shape::Dashed => "stroke-width=\"2.00\" stroke-dasharray=\"7 5\"",
        _ => "stroke-width=\"2.20\" stroke-linejoin=\"round\"",
    }
}

fn marks(svg: &mut Svg, series: &Series, mark: Mark, figure: &Figure, plot: &Plot) {
    for point in &series.points {
        let Some((x, y)) = plot.point(point) else { continue };
        if let (Some(low), Some(high)) = (point.low, point.high)
            && low < high
        {
            let (low, high) = (plot.edge(low).min(plot.bottom()), plot.edge(high));
            let ink = series.ink.stroke();
            svg.line((x, low), (x, high), &format!("{ink} stroke-width=\"1.50\""));
            for end in [low, high] {
                svg.line((x - 4.0, end), (x + 4.0, end), &format!("{ink} stroke-width=\"1.50\""));
            }
        }
        let unit = |unit: &str| if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let tip = format!(
            "{}\n{}: {}{}\n{}: {}{}",
            point.label,
            figure.x.label,
            number::sig(point.x, 4),
            unit(&figure.x.unit),
            figure.y.label,
            number::sig(point.y, 4),
            unit(&figure.y.unit)
        );
        svg.path(&outline(mark, x, y), &mark_paint(mark, series.ink), &tip);
    }
}

fn mark_paint(mark: Mark, ink: Ink) -> String {
    match mark {
        Mark::Ring => format!("{} stroke-width=\"2.40\"", Ink::Paper.fill_and_stroke(ink)),
        Mark::Cross => format!("{} stroke-width=\"2.00\"", ink.stroke()),
        Mark::Faint => format!("{} fill-opacity=\"0.42\"", ink.fill()),
        _ => format!("{} stroke-width=\"1.20\"", ink.fill_and_stroke(Ink::Paper)),
    }
}

fn outline(mark: Mark, x: f64, y: f64) -> String {
    let disc = |r: f64| format!("M{} {}a{r} {r} 0 1 0 {} 0a{r} {r} 0 1 0 {} 0Z", at(x - r), at(y), 2.0 * r, -2.0 * r);
    let polygon = |corners: &[(f64, f64)]| {
        format!("{}Z", path(&corners.iter().map(|(dx, dy)| (x + dx, y + dy)).collect::<Vec<_>>()))
    };
    match mark {
        Mark::Disc => disc(5.2),
        Mark::Ring => disc(4.8),
        Mark::Faint => disc(2.8),
        Mark::Square => polygon(&[(-4.6, -4.6), (4.6, -4.6), (4.6, 4.6), (-4.6, 4.6)]),
        Mark::Diamond => polygon(&[(0.0, -6.4), (6.4, 0.0), (0.0, 6.4), (-6.4, 0.0)]),
        Mark::Triangle => polygon(&[(0.0, -6.0), (5.8, 4.4), (-5.8, 4.4)]),
        Mark::Cross => {
            let stroke = |from: (f64, f64), to: (f64, f64)| path(&[(x + from.0, y + from.1), (x + to.0, y + to.1)]);
            stroke((-4.0, -4.0), (4.0, 4.0)) + &stroke((-4.0, 4.0), (4.0, -4.0))
        }
    }
}

/// Rules with their labels where they cover the fewest points: left or right, above or below.
fn rules(svg: &mut Svg, figure: &Figure, plot: &Plot) {
    let points: Vec<(f64, f64)> = figure
        .series
        .iter()
        .filter(|series| series.shape != Shape::Band)
        .flat_map(|series| &series.points)
        .filter_map(|point| plot.point(point))
        .collect();
    for rule in &figure.rules {
        let Some(y) = plot.y(rule.y) else { continue };
        if !(plot.top..=plot.bottom()).contains(&y) {
            // Two lines of text for two far rules would be a first; they share the corner then.
            let (sign, base) = if y < plot.top { ("↑", plot.top + 16.0) } else { ("↓", plot.bottom() - 10.0) };
            let text = cut(&format!("{sign} {}", rule.label), 12.0, plot.width - 16.0);
            let look = Type { anchor: Anchor::Start, ink: Ink::Muted, halo: true, ..TITLE };
            svg.text((plot.left + 8.0, base), &text, look);
            continue;
        }
        svg.line(
            (plot.left, y),
            (plot.right(), y),
            &format!("{} stroke-width=\"1.50\" stroke-dasharray=\"2 4\"", Ink::Text.stroke()),
        );
        let text = cut(&rule.label, 12.0, plot.width - 16.0);
        let long = width(&text, 12.0);
        let lefts = [plot.left + 8.0, plot.right() - 8.0 - long, plot.left + (plot.width - long) / 2.0];
        let bases =
            [y - 6.0, y + 15.0].into_iter().filter(|base| base - 12.0 > plot.top - 8.0 && *base < plot.bottom());
        let places = bases.flat_map(|base| lefts.map(|left| (left, base)));
        let covered = |(left, base): &(f64, f64)| {
            points
                .iter()
                .filter(|(x, y)| (left - 9.0..=left + long + 9.0).contains(x) && (base - 19.0..=base + 9.0).contains(y))
                .count()
        };
        if let Some((left, base)) = places.min_by_key(covered) {
            svg.text((left, base), &text, Type { anchor: Anchor::Start, halo: true, ..TITLE });
        }
    }
}

const ROW: f64 = 19.0;
const LINE: f64 = 15.0;
const SAMPLE: f64 = 32.0;

/// Headings and entries of a legend with their heights.
fn rows(legend: &[Entry]) -> Vec<(Option<&Entry>, Vec<String>)> {
    let mut rows: Vec<(Option<&Entry>, Vec<String>)> = Vec::new();
    let mut group = None;
    for entry in legend {
        if group != Some(&entry.group) && !entry.group.is_empty() {
            rows.push((None, wrap(&entry.group, 12.0, LEGEND - 30.0)));
        }
        group = Some(&entry.group);
        let indent = if entry.sample.is_some() { SAMPLE } else { 0.0 };
        rows.push((Some(entry), wrap(&entry.text, 12.0, LEGEND - 28.0 - indent)));
    }
    rows
}

fn legend_height(legend: &[Entry]) -> f64 {
    rows(legend).iter().map(|(entry, lines)| row_height(entry.is_none(), lines.len())).sum()
}

fn row_height(heading: bool, lines: usize) -> f64 {
    ROW + LINE * (lines.max(1) - 1) as f64 + if heading { 9.0 } else { 0.0 }
}

fn draw_legend(svg: &mut Svg, legend: &[Entry], (left, top): (f64, f64)) {
    let mut y = top;
    for (i, (entry, lines)) in rows(legend).iter().enumerate() {
        let heading = entry.is_none();
        let skip = if heading && i > 0 { 9.0 } else { 0.0 };
        let base = y + skip + 10.0;
        let indent = match entry.and_then(|entry| entry.sample) {
            Some((shape, ink)) => {
                sample(svg, shape, ink, (left, base - 4.0));
                SAMPLE
            }
            None => 0.0,
        };
        for (n, line) in lines.iter().enumerate() {
            let ink = if heading || entry.is_some_and(|entry| entry.sample.is_some()) { Ink::Text } else { Ink::Muted };
            let look = Type { size: 12.0, bold: heading, anchor: Anchor::Start, ink, halo: false };
            svg.text((left + indent, base + LINE * n as f64), line, look);
        }
        y += row_height(heading, lines.len()) - if heading && i == 0 { 9.0 } else { 0.0 };
    }
}

fn sample(svg: &mut Svg, shape: Shape, ink: Ink, (x, y): (f64, f64)) {
    match shape {
        Shape::Band => svg.rect((x, y - 5.5), (24.0, 11.0), &format!("{} fill-opacity=\"0.22\"", ink.fill())),
        Shape::Marks(mark) => svg.path(&outline(mark, x + 12.0, y), &mark_paint(mark, ink), ""),
        line => svg.line((x, y), (x + 24.0, y), &format!("{} {}", ink.stroke(), stroke(line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Axis;

    fn figure() -> Figure {
        let points = [(1e12, 0.41), (1e13, 0.55), (1e14, 0.68)].map(|(x, y)| Datum {
            low: Some(y - 0.02),
            high: Some(y + 0.02),
            ..Datum::new(x, y, "size=s")
        });
        let line: Vec<Datum> =
            points.iter().map(|p| Datum { low: Some(p.y - 0.05), high: Some(p.y + 0.05), ..p.clone() }).collect();
        Figure {
            id: "f".into(),
            title: "Alignment <against> compute".into(),
            x: Axis::new("training compute", "FLOP", Scale::Log),
            y: Axis::new("alignment", "", Scale::Linear),
            series: vec![
                Series { name: "band".into(), shape: Shape::Band, ink: Ink::Law, points: line.clone() },
                Series { name: "law".into(), shape: Shape::Line, ink: Ink::Law, points: line },
                Series {
                    name: "points".into(),
                    shape: Shape::Marks(Mark::Disc),
                    ink: Ink::step(1, 3),
                    points: points.to_vec(),
                },
            ],
            rules: vec![crate::figure::Rule { y: 0.9, label: "real images".into() }],
            fitted_to: Some(1e13),
            legend: vec![Entry::of("model size", "s · 310 k", Shape::Marks(Mark::Disc), Ink::step(1, 3))],
        }
    }

    #[test]
    fn a_small_figure() {
        insta::assert_snapshot!(to_svg_document(&figure()));
    }

    #[test]
    fn points_without_a_place_are_passed_over_and_break_lines() {
        let mut figure = figure();
        figure.series[1].points[1].y = f64::NAN;
        figure.series[2].points[0].x = -1.0;
        let svg = to_svg(&figure);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<title>size=s").count(), 2);
    }

    #[test]
    fn a_figure_of_nothing_is_drawn() {
        let figure = Figure { series: Vec::new(), rules: Vec::new(), legend: Vec::new(), fitted_to: None, ..figure() };
        assert!(to_svg(&figure).contains("training compute (FLOP)"));
    }
}
