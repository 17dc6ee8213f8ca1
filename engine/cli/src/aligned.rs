//! Columns: rows of cells, each column as wide as its widest cell, coloured after it was measured.

use isoflop_contract::quantity::Seconds;
use jiff::Timestamp;

use crate::output::Paint;

/// One cell.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    paint: Option<Paint>,
    right: bool,
}

impl Cell {
    /// Plain text, to the left.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), paint: None, right: false }
    }

    /// In a colour.
    pub fn painted(text: impl Into<String>, paint: Paint) -> Self {
        Self { paint: Some(paint), ..Self::new(text) }
    }

    /// To the right: numbers.
    pub fn right(self) -> Self {
        Self { right: true, ..self }
    }
}

/// The rows as lines. The last cell of a row is not filled up.
pub fn lines(rows: &[Vec<Cell>], color: bool) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|c| c.text.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<Cell>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let fill = " ".repeat(width - cell.text.chars().count());
            let text = match cell.paint {
                Some(paint) if !cell.text.is_empty() => paint.on(&cell.text, color),
                _ => cell.text.clone(),
            };
            let (before, after) = if cell.right { (fill.as_str(), "") } else { ("", fill.as_str()) };
            line.extend([before, &text, after, "  "]);
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// A header: names of columns.
pub fn header(names: &[&str]) -> Vec<Cell> {
    names.iter().map(|name| Cell::painted(*name, Paint::Dim)).collect()
}

/// A point in time, RFC 3339, to the second.
pub fn date(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// A span of time: `4.2 s`, `3m05s`, `1h02m`.
pub fn span(seconds: f64) -> String {
    if seconds < 60.0 { format!("{seconds:.1} s") } else { Seconds(seconds.round() as u64).to_string() }
}

/// `1 task`, `2 tasks`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The first few of `names`, and how many more there are.
pub fn some<'a>(names: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        n if n > most => format!("{} … and {} more", names[..most].join(", "), n - most),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_without_its_colour() {
        let rows = [
            header(&["RUN", "TASKS", "NOTE"]),
            vec![Cell::painted("ü", Paint::Good), Cell::new("7").right(), Cell::new("")],
        ];
        assert_eq!(lines(&rows, false), ["RUN  TASKS  NOTE", "ü        7"]);
        assert_eq!(lines(&rows, true)[1], "\u{1b}[32mü\u{1b}[0m        7");
        assert!(lines(&[], true).is_empty());
    }

    #[test]
    fn long_lists_are_cut() {
        assert_eq!(some(["a", "b"], 2), "a, b");
        assert_eq!(some(["a", "b", "c"], 1), "a … and 2 more");
        assert_eq!((count(1, "task", "tasks"), count(0, "task", "tasks")), ("1 task".into(), "0 tasks".into()));
    }
}
