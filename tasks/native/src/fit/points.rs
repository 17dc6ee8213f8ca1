//! Points: what a law is fitted to.

/// One point, as far as it is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// What it is called in messages: a cell's label, or a row of a table.
    pub label: String,
    /// Where it lies.
    pub x: Option<f64>,
    /// What was measured there.
    pub y: Option<f64>,
}

/// Points with the names of their columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// The name of x.
    pub x: String,
    /// The name of y.
    pub y: String,
    /// All of them, usable or not.
    pub rows: Vec<Point>,
}

impl Points {
    /// Complete points without labels of their own, for tests and for fits by hand.
    pub fn of(x: &str, y: &str, rows: impl IntoIterator<Item = (f64, f64)>) -> Self {
        let row = |(index, (x, y))| Point { label: format!("row {}", index + 1), x: Some(x), y: Some(y) };
        Self { x: x.to_owned(), y: y.to_owned(), rows: rows.into_iter().enumerate().map(row).collect() }
    }
}
