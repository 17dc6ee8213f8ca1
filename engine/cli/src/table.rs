//! A table for a terminal: columns as wide as they need to be, empty ones left out.

use crate::output::{Output, Paint};

/// Rows of cells below their heads. The last column is as wide as it likes.
#[derive(Debug)]
pub struct Table {
    heads: Vec<Head>,
    rows: Vec<(Paint, Vec<String>)>,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    name: &'static str,
    right: bool,
}

impl Head {
    /// A column of words.
    pub const fn left(name: &'static str) -> Self {
        Self { name, right: false }
    }

    /// A column of numbers.
    pub const fn right(name: &'static str) -> Self {
        Self { name, right: true }
    }
}

impl Table {
    /// A table without rows.
    pub fn new(heads: &[Head]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; the first cell is painted.
    pub fn row(&mut self, paint: Paint, cells: Vec<String>) {
        self.rows.push((paint, cells));
    }

    /// Prints it, indented by two.
    pub fn print(&self, out: &mut Output) -> Result<(), crate::stop::Stop> {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|(_, cells)| cells.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.heads.len()).map(width).collect();
        let shown: Vec<usize> = (0..self.heads.len()).filter(|column| widths[*column] > 0).collect();
        let last = shown.last().copied();
        let fit = |text: &str, column: usize| {
            let width = widths[column].max(self.heads[column].name.chars().count());
            match (self.heads[column].right, Some(column) == last) {
                (true, _) => format!("{text:>width$}"),
                (false, true) => text.to_owned(),
                (false, false) => format!("{text:<width$}"),
            }
        };
        let heads: Vec<String> = shown.iter().map(|column| fit(self.heads[*column].name, *column)).collect();
        out.line(&out.paint(Paint::Dim, format!("  {}", heads.join("  ")).trim_end()))?;
        for (paint, cells) in &self.rows {
            let mut line = String::from(" ");
            for column in &shown {
                let cell = fit(cells.get(*column).map_or("", String::as_str), *column);
                line.push_str(if Some(column) == shown.first() { " " } else { "  " });
                line.push_str(&match *column {
                    0 => out.paint(*paint, &cell),
                    _ if Some(*column) == last => out.paint(Paint::Dim, &cell),
                    _ => cell,
                });
            }
            out.line(line.trim_end())?;
        }
        Ok(())
    }
}
