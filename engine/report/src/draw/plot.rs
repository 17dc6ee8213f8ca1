//! A rectangle of the drawing that stands for ranges of both axes, and what is drawn inside it alone.

use crate::{
    axis::{Range, Scale},
    color::Ink,
    figure::{Datum, Panel, Series, Shape},
    font,
    scene::{Fill, Point, Scene, Stroke, outline, parts_width, powers},
};

/// How far beyond the data, in their own span, a rule may lie and still be drawn.
const FAR: f64 = 1.4;

/// The rectangle and its ranges.
pub struct Plot {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub x: Range,
    pub y: Range,
}

impl Plot {
    /// The plot of `panel` with its upper left corner at `at`.
    pub fn of(panel: &Panel, at: Point, size: (f64, f64)) -> Self {
        let (x, y) = ranges(panel);
        Self { left: at.0, top: at.1, width: size.0, height: size.1, x, y }
    }

    pub fn x(&self, value: f64) -> Option<f64> {
        // A place far outside is drawn far outside and clipped; coordinates stay of a size any viewer can hold.
        self.x.place(value).map(|place| self.left + place.clamp(-4.0, 5.0) * self.width)
    }

    pub fn y(&self, value: f64) -> Option<f64> {
        self.y.place(value).map(|place| self.top + (1.0 - place.clamp(-4.0, 5.0)) * self.height)
    }

    pub fn point(&self, point: &Datum) -> Option<Point> {
        Some((self.x(point.x)?, self.y(point.y)?))
    }

    /// Where the edge of a band is drawn: what has no place on a log axis lies below its lower end.
    fn edge(&self, value: f64) -> f64 {
        self.y(value).unwrap_or(self.top + self.height * 2.0)
    }

    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Whether a place lies in the plot, or on its edge.
    pub fn holds(&self, (x, y): Point) -> bool {
        (self.left - 0.5..=self.right() + 0.5).contains(&x) && (self.top - 0.5..=self.bottom() + 0.5).contains(&y)
    }
}

/// Ranges from the data; a band may widen the vertical one by half at most, or a wide extrapolation would flatten what was measured.
fn ranges(panel: &Panel) -> (Range, Range) {
    let drawn = panel.series.iter().flat_map(|series| &series.points);
    let across = drawn.clone().filter_map(|point| point.across).flat_map(|(left, right)| [left, right]);
    let upright = panel.rules.iter().filter(|rule| rule.upright).map(|rule| rule.at);
    let xs = match panel.x.range {
        Some((low, high)) => Range { scale: panel.x.scale, low, high },
        None => Range::of(panel.x.scale, drawn.map(|point| point.x).chain(across).chain(upright), 0.035),
    };
    let of = |shape: fn(Shape) -> bool| panel.series.iter().filter(move |s| shape(s.shape)).flat_map(|s| &s.points);
    let measured = of(|shape| shape != Shape::Band).flat_map(|p| [Some(p.y), p.low, p.high]).flatten();
    let zero = panel.has(Shape::Bars).then_some(0.0);
    let near = Range::of(panel.y.scale, measured.clone(), 0.0);
    let rules = panel
        .rules
        .iter()
        .filter(|rule| !rule.upright)
        .map(|rule| rule.at)
        .filter(|y| near.place(*y).is_some_and(|place| (-FAR..=1.0 + FAR).contains(&place)));
    let core = measured.chain(rules).chain(zero);
    let tight = Range::of(panel.y.scale, core.clone(), 0.0);
    let edges = of(|shape| shape == Shape::Band).flat_map(|p| [p.low, p.high]).flatten().filter_map(|value| {
        let place = tight.place(value)?.clamp(-0.5, 1.5);
        Some(match panel.y.scale {
            Scale::Log => tight.low * libm::pow(tight.high / tight.low, place),
            Scale::Linear | Scale::Rows => tight.low + place * (tight.high - tight.low),
        })
    });
    let ys = match (panel.y.range, panel.y.scale) {
        (Some((low, high)), scale) => Range { scale, low, high },
        (None, Scale::Rows) => Range::of(Scale::Rows, [0.0, panel.y.rows.len().saturating_sub(1) as f64], 0.0),
        (None, scale) if zero.is_some() => {
            let range = Range::of(scale, core.chain(edges), 0.06);
            Range { low: 0.0, ..range }
        }
        (None, scale) => Range::of(scale, core.chain(edges), 0.06),
    };
    (xs, ys)
}

/// How wide the name of a row may be; a wider one takes two lines.
pub fn row_limit(single: bool) -> f64 {
    if single { 118.0 } else { 210.0 }
}

/// What the labels on the left of a panel take.
pub fn left(panel: &Panel, single: bool) -> f64 {
    let title = if panel.y.label.is_empty() || panel.y.scale == Scale::Rows { 0.0 } else { 17.0 };
    let size = super::LABEL.size;
    let widest = if panel.y.scale == Scale::Rows {
        panel.y.rows.iter().map(|row| font::width(row, size, false)).fold(20.0, f64::max).min(row_limit(single))
    } else {
        widest_label(&ranges(panel).1)
    };
    title + widest + 12.0
}

/// The widest label that an axis may get, however long it is: with room for more labels they have more decimals.
pub fn widest_label(range: &Range) -> f64 {
    let labels = (3..=7).flat_map(|wanted| range.ticks_about(f64::from(wanted))).filter_map(|tick| tick.label);
    labels.map(|label| parts_width(&powers(&label), super::LABEL.size, false)).fold(16.0, f64::max)
}

/// A line, broken where a point has no place.
pub fn lines(scene: &mut Scene, series: &Series, plot: &Plot) {
    let tip = series.points.iter().find(|point| !point.label.is_empty()).map_or("", |point| point.label.as_str());
    for run in runs(&series.points, |point| plot.point(point)) {
        if run.len() > 1 {
            scene.polyline(&run, stroke(series.shape, series.ink), tip);
        }
    }
}

/// How a line of this shape is drawn.
pub fn stroke(shape: Shape, ink: Ink) -> Stroke {
    match shape {
        Shape::Dashed => Stroke { dash: &[6.0, 4.0], ..Stroke::of(ink, 2.0) },
        Shape::Dotted => Stroke { dash: &[1.6, 2.8], ..Stroke::of(ink, 1.3) },
        Shape::Thin => Stroke { opacity: 0.85, ..Stroke::of(ink, 1.15) },
        _ => Stroke::of(ink, 2.0),
    }
}

/// How an area of this shape is filled.
pub fn fill(shape: Shape, ink: Ink) -> Fill {
    Fill {
        ink,
        opacity: match shape {
            Shape::Band => 0.2,
            Shape::Bars => 0.75,
            _ if ink == Ink::Grid => 0.85,
            _ => 0.28,
        },
    }
}

fn runs<T>(points: &[Datum], place: impl Fn(&Datum) -> Option<T>) -> Vec<Vec<T>> {
    let mut runs = vec![Vec::new()];
    for point in points {
        match (place(point), runs.last_mut()) {
            (Some(place), Some(run)) => run.push(place),
            _ => runs.push(Vec::new()),
        }
    }
    runs
}

/// The area between `low` and `high`.
pub fn band(scene: &mut Scene, series: &Series, plot: &Plot) {
    let edges = |point: &Datum| Some((plot.x(point.x)?, plot.edge(point.low?), plot.edge(point.high?)));
    for run in runs(&series.points, edges) {
        let mut ring: Vec<Point> = run.iter().map(|(x, _, high)| (*x, *high)).collect();
        ring.extend(run.iter().rev().map(|(x, low, _)| (*x, *low)));
        scene.path(outline(&ring, true), Some(fill(series.shape, series.ink)), None, "");
    }
}

/// The areas inside the lines through the points, as one: where they meet there is no seam.
pub fn area(scene: &mut Scene, series: &Series, plot: &Plot) {
    let rings = runs(&series.points, |point| plot.point(point));
    let verbs = rings.iter().flat_map(|ring| outline(ring, true)).collect();
    scene.path(verbs, Some(fill(series.shape, series.ink)), None, "");
}

/// Upright bars from 0.
pub fn bars(scene: &mut Scene, series: &Series, plot: &Plot) {
    for point in &series.points {
        let across = point.across.unwrap_or((point.x, point.x));
        let (Some(left), Some(right), Some(top)) = (plot.x(across.0), plot.x(across.1), plot.y(point.y)) else {
            continue;
        };
        let base = plot.edge(0.0).min(plot.bottom());
        let ring = [(left, base), (left, top), (right, top), (right, base)];
        scene.path(outline(&ring, true), Some(fill(series.shape, series.ink)), None, &point.label);
    }
}
