//! A figure as data: panels with axes, series and rules, a legend, and what stands beneath it. Nothing here knows how it is drawn, and everything that is
//! drawn is here, so the data file and the Vega-Lite specification lose nothing.
//!
//! To add a figure to the report: a function from facts to a [`Figure`] under `figures`.

use crate::{
    axis::{Axis, Scale},
    color::Ink,
    html::{put, putln},
    number,
};

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// A name that is unique in its page, of letters, digits and hyphens.
    pub id: String,
    /// What it shows, in one line.
    pub title: String,
    /// Its panels, row by row.
    pub panels: Vec<Panel>,
    /// How many panels stand side by side where there is room; 0 for a square of panels that belong together at any width.
    pub columns: usize,
    /// The legend, in order; entries of one group stand together under its name.
    pub legend: Vec<Entry>,
    /// Remarks that stand beneath it.
    pub notes: Vec<String>,
}

/// One pair of axes and what is drawn between them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Panel {
    /// What sets it apart from the other panels; empty where it is the only one.
    pub title: String,
    /// The horizontal axis.
    pub x: Axis,
    /// The vertical axis.
    pub y: Axis,
    /// What is drawn, the first at the bottom.
    pub series: Vec<Series>,
    /// Labelled straight lines.
    pub rules: Vec<Rule>,
    /// What was fitted, along the horizontal axis; what lies outside is told apart.
    pub fitted: Option<(f64, f64)>,
    /// Whether the place is left empty.
    pub blank: bool,
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
    /// Its points. A point that is no number ends a line, and the next begins another.
    pub points: Vec<Datum>,
}

/// One point.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Datum {
    /// Place along the horizontal axis.
    pub x: f64,
    /// Place along the vertical axis.
    pub y: f64,
    /// The lower end of its interval along the vertical axis.
    pub low: Option<f64>,
    /// The upper end of that interval.
    pub high: Option<f64>,
    /// The lower and upper end of its interval along the horizontal axis.
    pub across: Option<(f64, f64)>,
    /// Whose it is: shown on hovering, and in the data file.
    pub label: String,
    /// What is written beside it; empty for nothing.
    pub name: String,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A strong line.
    Line,
    /// A strong line, dashed: beyond what was fitted.
    Dashed,
    /// A fine dotted line: for comparison.
    Dotted,
    /// A thin line: one of many.
    Thin,
    /// The area between `low` and `high`.
    Band,
    /// The area inside the line through the points.
    Area,
    /// An upright bar from 0 to each point, as wide as its `across`.
    Bars,
    /// Marks, with bars over their intervals.
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
    /// A star: what the law is asked for.
    Star,
    /// A small pale disc: one of those that a mean is of, or one of many.
    Faint,
}

/// The marks of families, in order.
pub const FAMILY_MARKS: [Mark; 4] = [Mark::Disc, Mark::Square, Mark::Diamond, Mark::Triangle];

/// A labelled straight line.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Whether it stands upright, at a place of the horizontal axis.
    pub upright: bool,
    /// Where.
    pub at: f64,
    /// What it marks; empty for a line that needs no words. A line so far from the data that it would flatten them is told in words at the edge.
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

    /// A point with the interval from `low` to `high` along the vertical axis.
    pub fn between(x: f64, y: f64, low: f64, high: f64) -> Self {
        Self { x, y, low: Some(low), high: Some(high), ..Self::default() }
    }

    /// What ends a line.
    pub fn gap() -> Self {
        Self { x: f64::NAN, y: f64::NAN, ..Self::default() }
    }
}

impl Series {
    /// A series.
    pub fn new(name: impl Into<String>, shape: Shape, ink: Ink, points: Vec<Datum>) -> Self {
        Self { name: name.into(), shape, ink, points }
    }
}

impl Rule {
    /// A level line.
    pub fn level(y: f64, label: impl Into<String>) -> Self {
        Self { upright: false, at: y, label: label.into() }
    }

    /// An upright line.
    pub fn upright(x: f64, label: impl Into<String>) -> Self {
        Self { upright: true, at: x, label: label.into() }
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

impl Panel {
    /// An empty panel with these axes.
    pub fn new(x: Axis, y: Axis) -> Self {
        Self { x, y, ..Self::default() }
    }

    /// A place without a panel.
    pub fn nothing() -> Self {
        Self { blank: true, ..Self::default() }
    }

    /// Adds a series, unless it has no point.
    pub fn draw(&mut self, name: impl Into<String>, shape: Shape, ink: Ink, points: Vec<Datum>) {
        if !points.is_empty() {
            self.series.push(Series::new(name, shape, ink, points));
        }
    }

    /// Whether a series is drawn in this shape.
    pub fn has(&self, shape: Shape) -> bool {
        self.series.iter().any(|series| series.shape == shape)
    }
}

impl Figure {
    /// A figure of one panel.
    pub fn of(id: impl Into<String>, title: impl Into<String>, panel: Panel) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            panels: vec![panel],
            columns: 1,
            legend: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// How many panels stand side by side in a square of them.
    pub fn side(&self) -> usize {
        (1..=self.panels.len()).find(|n| n * n >= self.panels.len()).unwrap_or(1)
    }

    /// The panels that are there, each with its letter where there are several.
    pub fn lettered(&self) -> Vec<(Option<char>, &Panel)> {
        let there: Vec<&Panel> = self.panels.iter().filter(|panel| !panel.blank).collect();
        let several = there.len() > 1;
        there.into_iter().zip('a'..='z').map(|(panel, letter)| (several.then_some(letter), panel)).collect()
    }

    /// What somebody is told who cannot see it: title, axes with their ranges, what is drawn, what the legend says in numbers.
    pub fn told(&self) -> String {
        let mut out = format!("{}.", self.title);
        for (letter, panel) in self.lettered() {
            let letter = letter.map_or_else(String::new, |letter| {
                format!(
                    " Panel {letter}{}:",
                    if panel.title.is_empty() { String::new() } else { format!(", {}", panel.title) }
                )
            });
            out.push_str(&letter);
            put!(
                out,
                " {} against {}",
                panel.y.told(panel.series.iter().flat_map(|s| &s.points).map(|p| p.y)),
                panel.x.told(panel.series.iter().flat_map(|s| &s.points).map(|p| p.x))
            );
            let marks = panel.series.iter().filter(|series| matches!(series.shape, Shape::Marks(_)));
            let points: usize = marks.map(|series| series.points.len()).sum();
            let lines = panel.series.iter().filter(|series| matches!(series.shape, Shape::Thin)).count();
            for (n, noun) in [(points, "point"), (lines, "line")] {
                if n > 0 {
                    put!(out, ", {}", number::plural(n, noun));
                }
            }
            out.push('.');
            for rule in panel.rules.iter().filter(|rule| !rule.label.is_empty()) {
                put!(out, " {}.", rule.label);
            }
        }
        let remarks: Vec<&str> = self
            .legend
            .iter()
            .filter(|entry| entry.sample.is_none_or(|(shape, _)| matches!(shape, Shape::Line)))
            .map(|entry| entry.text.as_str())
            .collect();
        if !remarks.is_empty() {
            put!(out, " Legend: {}.", remarks.join("; "));
        }
        for note in &self.notes {
            put!(out, " {note}");
        }
        out
    }
}

impl Axis {
    fn told(&self, values: impl Iterator<Item = f64>) -> String {
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        match crate::stats::span(&values) {
            Some((low, high)) if self.scale != Scale::Rows && !self.label.is_empty() => {
                format!("{} from {} to {}", self.text(), number::short(low, 3), number::short(high, 3))
            }
            _ if self.scale == Scale::Rows => self.rows.join(", "),
            _ => self.text(),
        }
    }
}

/// The figure's data as CSV, floats in the shortest form that reads back to the same bits; what is no number is left empty. Where there are several
/// panels, each row says of which it is and what its axes are.
pub fn to_csv(figure: &Figure) -> String {
    let panels = figure.lettered();
    let mut out = String::new();
    let several = panels.len() > 1;
    match panels.as_slice() {
        [(_, panel)] => {
            putln!(out, "series,label,{},{},lower,upper,left,right", field(&panel.x.text()), field(&panel.y.text()));
        }
        _ => out.push_str("panel,horizontal,vertical,series,label,x,y,lower,upper,left,right\n"),
    }
    let number =
        |value: Option<f64>| value.filter(|value| value.is_finite()).map_or_else(String::new, |v| v.to_string());
    for (letter, panel) in panels {
        let head = if several {
            format!("{},{},{},", letter.unwrap_or('a'), field(&panel.x.text()), field(&panel.y.text()))
        } else {
            String::new()
        };
        for series in &panel.series {
            for point in &series.points {
                putln!(
                    out,
                    "{head}{},{},{},{},{},{},{},{}",
                    field(&series.name),
                    field(if point.name.is_empty() { &point.label } else { &point.name }),
                    number(Some(point.x)),
                    panel
                        .y
                        .rows
                        .get(point.y as usize)
                        .filter(|_| panel.y.scale == Scale::Rows)
                        .map_or_else(|| number(Some(point.y)), |row| field(row)),
                    number(point.low),
                    number(point.high),
                    number(point.across.map(|(left, _)| left)),
                    number(point.across.map(|(_, right)| right))
                );
            }
        }
        for rule in &panel.rules {
            let (x, y) =
                if rule.upright { (rule.at.to_string(), String::new()) } else { (String::new(), rule.at.to_string()) };
            putln!(out, "{head}rule,{},{x},{y},,,,", field(&rule.label));
        }
    }
    out
}

/// A field of RFC 4180. What a spreadsheet would take for a formula is held back by an apostrophe.
pub fn field(text: &str) -> String {
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
