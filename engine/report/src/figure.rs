//! A figure as data: axes, series, rules and a legend. Nothing here knows how it is drawn.
//!
//! To add a figure to the report: a function from facts to a [`Figure`] under `figures`.

use crate::html::putln;
use crate::{axis::Axis, color::Ink};

/// One chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// A name that is unique in its page, of letters, digits and hyphens.
    pub id: String,
    /// What it shows, in one line.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, the first at the bottom.
    pub series: Vec<Series>,
    /// Labelled horizontal lines.
    pub rules: Vec<Rule>,
    /// Where the fitted range ends, if something is extrapolated beyond.
    pub fitted_to: Option<f64>,
    /// The legend, in order; entries of one group stand together under its name.
    pub legend: Vec<Entry>,
}

/// One set of points drawn alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Its name in the data file.
    pub name: String,
    /// How it is drawn.
    pub shape: Shape,
    /// In what.
    pub ink: Ink,
    /// Its points.
    pub points: Vec<Datum>,
}

/// One point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Datum {
    /// Place along the horizontal axis.
    pub x: f64,
    /// Place along the vertical axis.
    pub y: f64,
    /// The lower end of its interval.
    pub low: Option<f64>,
    /// The upper end of its interval.
    pub high: Option<f64>,
    /// Whose it is: shown on hovering, and in the data file.
    pub label: String,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A strong line.
    Line,
    /// A strong line, dashed.
    Dashed,
    /// A thin line: one of many.
    Thin,
    /// The area between `low` and `high`.
    Band,
    /// Marks, with a bar from `low` to `high` where there is one.
    Marks(Mark),
}

/// The form of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A filled disc.
    Disc,
    /// A filled square.
    Square,
    /// A filled diamond.
    Diamond,
    /// A filled triangle.
    Triangle,
    /// A ring: what the fit did not see.
    Ring,
    /// A cross: what was left out.
    Cross,
    /// A small pale disc: one of those that a mean is of.
    Faint,
}

/// The marks of families, in order.
pub const FAMILY_MARKS: [Mark; 4] = [Mark::Disc, Mark::Square, Mark::Diamond, Mark::Triangle];

/// A labelled horizontal line.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Where.
    pub y: f64,
    /// What it marks. A line so far from the data that it would flatten them is told in words at the edge.
    pub label: String,
}

/// One line of a legend.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The heading it stands under.
    pub group: String,
    /// What it says.
    pub text: String,
    /// The sample before it; none for a remark.
    pub sample: Option<(Shape, Ink)>,
}

impl Datum {
    /// A point without an interval.
    pub fn new(x: f64, y: f64, label: impl Into<String>) -> Self {
        Self { x, y, label: label.into(), ..Self::default() }
    }
}

impl Entry {
    /// An entry with a sample.
    pub fn of(group: &str, text: impl Into<String>, shape: Shape, ink: Ink) -> Self {
        Self { group: group.to_owned(), text: text.into(), sample: Some((shape, ink)) }
    }

    /// A remark.
    pub fn remark(group: &str, text: impl Into<String>) -> Self {
        Self { group: group.to_owned(), text: text.into(), sample: None }
    }
}

/// The figure's data as CSV, floats in the shortest form that reads back to the same bits; what is no number is left empty.
pub fn to_csv(figure: &Figure) -> String {
    let mut out = format!("series,label,{},{},lower,upper\n", field(&figure.x.text()), field(&figure.y.text()));
    let number =
        |value: Option<f64>| value.filter(|value| value.is_finite()).map_or_else(String::new, |v| v.to_string());
    for series in &figure.series {
        for point in &series.points {
            putln!(
                out,
                "{},{},{},{},{},{}",
                field(&series.name),
                field(&point.label),
                number(Some(point.x)),
                number(Some(point.y)),
                number(point.low),
                number(point.high)
            );
        }
    }
    for rule in &figure.rules {
        putln!(out, "rule,{},,{},,", field(&rule.label), rule.y);
    }
    out
}

/// A field of RFC 4180. What a spreadsheet would take for a formula is held back by an apostrophe.
fn field(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
