//! A table in plain text for a terminal: aligned columns, two spaces between them.

/// Where a column's cells hang.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// On the left: texts.
    Left,
    /// On the right: numbers.
    Right,
}

/// A table under way.
#[derive(Debug, Clone)]
pub struct Table {
    head: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
    limit: usize,
}

impl Table {
    /// A table with these columns.
    pub fn new<'a>(columns: impl IntoIterator<Item = (&'a str, Align)>) -> Self {
        let head = columns.into_iter().map(|(name, align)| (name.to_owned(), align)).collect();
        Self { head, rows: Vec::new(), limit: usize::MAX }
    }

    /// Cuts cells that are wider than `limit`.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit.max(2);
        self
    }

    /// Adds a row; cells that are missing stay empty, cells too many are left out.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        let mut cells: Vec<String> = cells.into_iter().map(Into::into).take(self.head.len()).collect();
        cells.resize(self.head.len(), String::new());
        self.rows.push(cells);
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl std::fmt::Display for Table {
    /// The head, then the rows, each with an end of line; none has white space at its end.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let head: Vec<String> = self.head.iter().map(|(name, _)| name.clone()).collect();
        let tame = |row: &Vec<String>| row.iter().map(|cell| fitted(cell, self.limit)).collect::<Vec<_>>();
        let rows: Vec<Vec<String>> = std::iter::once(&head).chain(&self.rows).map(tame).collect();
        let widths: Vec<usize> =
            (0..self.head.len()).map(|c| rows.iter().map(|row| width(&row[c])).max().unwrap_or(0)).collect();
        for row in rows {
            let mut line = String::new();
            for ((cell, (_, align)), widest) in row.iter().zip(&self.head).zip(&widths) {
                let space = " ".repeat(widest - width(cell));
                match align {
                    Align::Left => line.extend([cell.as_str(), &space, "  "]),
                    Align::Right => line.extend([space.as_str(), cell, "  "]),
                }
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// One line, no control characters, at most `limit` columns.
fn fitted(cell: &str, limit: usize) -> String {
    let tame: String = cell.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if width(&tame) <= limit {
        return tame;
    }
    let mut short = String::new();
    let mut columns = 0;
    for c in tame.chars() {
        columns += columns_of(c);
        if columns >= limit {
            break;
        }
        short.push(c);
    }
    short + "…"
}

/// How many columns of a terminal `text` takes.
pub fn width(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Two for East Asian and emoji, none for what combines with the character before, else one.
fn columns_of(c: char) -> usize {
    match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1faff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_is_in_them() {
        let mut table = Table::new([("task", Align::Left), ("loss", Align::Right), ("note", Align::Left)]).limit(12);
        table.row(["train", "0.5", ""]);
        table.row(["模型", "12.25", "a\u{1b}[31mb"]);
        table.row(["a-very-long-name-indeed", "1"]);
        let expected =
            "task           loss  note\ntrain           0.5\n模型          12.25  a [31mb\na-very-long…      1\n";
        assert_eq!(table.to_string(), expected);
    }
}
