//! A table: rows of CSV under a header, from which points are taken by the names of their columns.
//!
//! Files of others come as they come: cells parted by commas, semicolons, tabs or bars (whichever makes a table), with a byte order mark, with lines of
//! remarks on top, with missing values in many spellings. What is a number is for `cell.rs` to say.

use std::{collections::BTreeMap, io::Read};

use isoflop_kinds::fit::FitScaling;

use super::{
    cell::{Cell, Comma, Unread, read},
    points::{Point, Points, columns},
};

/// Rows under a header. Cells are text until a column is asked for.
#[derive(Debug, Clone)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Row>,
    separator: char,
}

#[derive(Debug, Clone)]
struct Row {
    line: u64,
    cells: Vec<String>,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It cannot be read.
    #[error("the table cannot be read")]
    Io(#[from] std::io::Error),
    /// It is not CSV: a quote without its other end.
    #[error("the table cannot be read as CSV")]
    Csv(#[from] csv::Error),
    /// Text of two bytes a letter.
    #[error("the table is UTF-16 text; save it as UTF-8")]
    Wide,
    /// A row of another length than the header.
    #[error(
        "line {line} has {found} cells, and the header has {expected}: a cell that holds a `{separator}` must stand in quotes"
    )]
    Ragged {
        /// The line of the file.
        line: u64,
        /// Its cells.
        found: usize,
        /// Those of the header.
        expected: usize,
        /// What parts cells.
        separator: char,
    },
    /// There is a header at most.
    #[error("the table has no rows{}", if *.header { " under its header" } else { "" })]
    Empty {
        /// Whether there is a header.
        header: bool,
    },
    /// Two columns of the name that was asked for.
    #[error("the table has two columns named `{0}`; rename one")]
    Twice(String),
    /// A column that is not there.
    #[error("the table has no column `{wanted}`{}; it has {}", meant(.nearest.as_deref()), listed(.there))]
    NoColumn {
        /// What was asked for.
        wanted: String,
        /// The name most like it.
        nearest: Option<String>,
        /// The columns there are.
        there: Vec<String>,
    },
    /// A cell that should hold a number.
    #[error("line {line}, column `{column}`: `{text}` is not a number{}; {}{}", hinted(.hint.as_deref()), MISSING, more(*.others))]
    NotANumber {
        /// The line of the file.
        line: u64,
        /// The column.
        column: String,
        /// What the cell holds.
        text: String,
        /// What it may mean.
        hint: Option<String>,
        /// Further cells of the column that are no numbers.
        others: usize,
    },
    /// A cell whose comma may part thousands or decimals.
    #[error(
        "line {line}, column `{column}`: `{text}` may mean two numbers, for its comma may part thousands or decimals; write it without"
    )]
    TwoMeanings {
        /// The line of the file.
        line: u64,
        /// The column.
        column: String,
        /// What the cell holds.
        text: String,
    },
    /// A cell that is asked for and holds bytes that are no UTF-8.
    #[error("line {line}, column `{column}`: the cell is not UTF-8 text; save the file as UTF-8")]
    NotText {
        /// The line of the file.
        line: u64,
        /// The column.
        column: String,
    },
}

const MISSING: &str = "leave the cell empty if the value is missing";

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// The columns there are, as far as a line holds them.
fn listed(there: &[String]) -> String {
    const SHOWN: usize = 40;
    let named =
        there.iter().take(SHOWN).map(|name| if name.is_empty() { "(one without a name)" } else { name.as_str() });
    let more = if there.len() > SHOWN { format!(" and {} more", there.len() - SHOWN) } else { String::new() };
    named.collect::<Vec<_>>().join(", ") + &more
}

fn hinted(hint: Option<&str>) -> String {
    hint.map_or_else(String::new, |hint| format!(" ({hint})"))
}

/// The line on which a record begins. The reader's own begins where the record before ended: on the second half of CRLF, or before empty lines.
fn line(text: &str, position: &csv::Position) -> u64 {
    let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
    let breaks = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + breaks.filter(|byte| **byte == b'\n').count() as u64
}

fn more(others: usize) -> String {
    match others {
        0 => String::new(),
        1 => "; so does one further cell of the column".to_owned(),
        n => format!("; so do {n} further cells of the column"),
    }
}

/// What may part cells, the usual first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Rows by which a separator is chosen.
const LOOKED_AT: usize = 20;

impl Table {
    /// Reads CSV with a header. Spaces round cells do not count.
    pub fn read(mut source: impl Read) -> Result<Self, TableError> {
        let mut bytes = Vec::new();
        source.read_to_end(&mut bytes)?;
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(TableError::Wide);
        }
        // A bad byte in a column that nobody asks for does no harm, so it is found when the cell is asked for.
        let text = String::from_utf8_lossy(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes));
        let separator = separator(&text);
        let (text, skipped) = without_remarks(&text, separator);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .delimiter(separator)
            .flexible(true)
            .from_reader(text.as_bytes());
        let mut header: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, |position| line(text, position)) + skipped;
            let mut cells: Vec<String> = record.iter().map(str::to_owned).collect();
            // Spreadsheets leave empty cells beyond the last column.
            while cells.len() > header.len() && cells.last().is_some_and(String::is_empty) {
                cells.pop();
            }
            if cells.len() != header.len() {
                let (found, expected, separator) = (cells.len(), header.len(), char::from(separator));
                return Err(TableError::Ragged { line, found, expected, separator });
            }
            rows.push(Row { line, cells });
        }
        if rows.is_empty() {
            return Err(TableError::Empty { header: !header.is_empty() });
        }
        if let Some(first) = header.first_mut().filter(|first| first.starts_with("# ")) {
            *first = first.trim_start_matches("# ").to_owned();
        }
        Ok(Self { header, rows, separator: char::from(separator) })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Refuses a column that is not there.
    pub fn has(&self, column: &str) -> Result<(), TableError> {
        self.column(column).map(|_| ())
    }

    /// The points that these columns make: numbers, and names of groups. A missing value is left out, and the fit says so.
    pub fn points(&self, numbers: &[String], words: &[String]) -> Result<Points, TableError> {
        self.take(numbers, words, &self.rows.iter().collect::<Vec<_>>())
    }

    /// The points of what a fit asks.
    pub fn points_of(&self, spec: &FitScaling) -> Result<Points, TableError> {
        let (numbers, words) = columns(spec);
        self.points(&numbers, &words)
    }

    /// The same for each value of column `group`.
    pub fn grouped(&self, spec: &FitScaling, group: &str) -> Result<BTreeMap<String, Points>, TableError> {
        let (numbers, words) = columns(spec);
        let column = self.column(group)?;
        let mut groups: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
        for row in &self.rows {
            groups.entry(self.text(row, column)?).or_default().push(row);
        }
        groups.into_iter().map(|(name, rows)| Ok((name.to_owned(), self.take(&numbers, &words, &rows)?))).collect()
    }

    fn take(&self, numbers: &[String], words: &[String], rows: &[&Row]) -> Result<Points, TableError> {
        let mut points: Vec<Point> =
            rows.iter().map(|row| Point { label: format!("line {}", row.line), ..Point::default() }).collect();
        for name in numbers {
            let column = self.column(name)?;
            for (point, value) in points.iter_mut().zip(self.numbers(column, rows)?) {
                point.numbers.extend(value.map(|value| (name.clone(), value)));
            }
        }
        for name in words {
            let column = self.column(name)?;
            for (point, row) in points.iter_mut().zip(rows) {
                point.words.insert(name.clone(), self.text(row, column)?.to_owned());
            }
        }
        Ok(Points { rows: points })
    }

    /// A cell as text.
    fn text<'t>(&self, row: &'t Row, column: usize) -> Result<&'t str, TableError> {
        let text = &row.cells[column];
        if text.contains('\u{fffd}') {
            return Err(TableError::NotText { line: row.line, column: self.header[column].clone() });
        }
        Ok(text)
    }

    fn comma(&self, column: usize) -> Comma {
        Comma::of(self.rows.iter().map(|row| row.cells[column].as_str()), self.separator == ',')
    }

    /// What commas mean where a column by itself could have either: a file is written in one way throughout.
    fn convention(&self) -> Comma {
        let all: Vec<Comma> = (0..self.header.len()).map(|column| self.comma(column)).collect();
        match (all.contains(&Comma::Decimals), all.contains(&Comma::Thousands)) {
            (true, false) => Comma::Decimals,
            (false, true) => Comma::Thousands,
            _ => Comma::Either,
        }
    }

    /// The numbers of a column in these rows; None where a value is missing.
    fn numbers(&self, column: usize, rows: &[&Row]) -> Result<Vec<Option<f64>>, TableError> {
        let comma = match self.comma(column) {
            Comma::Either => self.convention(),
            comma => comma,
        };
        let mut bad: Option<TableError> = None;
        let mut values = Vec::with_capacity(rows.len());
        for row in rows {
            let (line, column, text) = (row.line, self.header[column].clone(), self.text(row, column)?);
            match (read(text, comma), &mut bad) {
                (Ok(cell), _) => values.push(match cell {
                    Cell::Number(value) => Some(value),
                    Cell::Missing => None,
                }),
                (Err(Unread::NotANumber(hint)), None) => {
                    bad = Some(TableError::NotANumber { line, column, text: text.to_owned(), hint, others: 0 });
                }
                (Err(Unread::TwoMeanings), None) => {
                    bad = Some(TableError::TwoMeanings { line, column, text: text.to_owned() });
                }
                (Err(_), Some(TableError::NotANumber { others, .. })) => *others += 1,
                (Err(_), Some(_)) => {}
            }
        }
        bad.map_or(Ok(values), Err)
    }

    fn column(&self, wanted: &str) -> Result<usize, TableError> {
        let Some(at) = self.header.iter().position(|name| name == wanted) else {
            let likeness = |name: &String| strsim::jaro_winkler(&name.to_lowercase(), &wanted.to_lowercase());
            let holds = |name: &&String| wanted.len() > 2 && name.to_lowercase().contains(&wanted.to_lowercase());
            let near = self.header.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            let nearest = near.filter(|name| likeness(name) > 0.7).or_else(|| self.header.iter().find(holds));
            let (nearest, there) = (nearest.cloned(), self.header.clone());
            return Err(TableError::NoColumn { wanted: wanted.to_owned(), nearest, there });
        };
        if self.header[at + 1..].iter().any(|name| name == wanted) {
            return Err(TableError::Twice(wanted.to_owned()));
        }
        Ok(at)
    }
}

/// What parts the cells: of those that give every row as many cells as the header, what gives most; a comma, if nothing does.
fn separator(text: &str) -> u8 {
    let width = |separator: &u8| {
        let (text, _) = without_remarks(text, *separator);
        let mut reader = csv::ReaderBuilder::new().delimiter(*separator).from_reader(text.as_bytes());
        let width = reader.headers().map_or(0, csv::StringRecord::len);
        let even = reader.records().take(LOOKED_AT).all(|record| record.is_ok());
        if even { width } else { 0 }
    };
    let mut best = (SEPARATORS[0], 1);
    for separator in &SEPARATORS {
        let width = width(separator);
        if width > best.1 {
            best = (*separator, width);
        }
    }
    best.0
}

/// The text without lines of remarks on top, and how many they were. A line that begins with `#` is a header if numbers follow it, as many as it has names.
fn without_remarks(text: &str, separator: u8) -> (&str, u64) {
    let cells = |line: &str| line.matches(char::from(separator)).count();
    let (mut rest, mut skipped) = (text, 0);
    while rest.starts_with('#') {
        let Some((line, after)) = rest.split_once('\n') else { break };
        let next = after.lines().next().unwrap_or_default();
        let numbers = next.split(char::from(separator)).any(|cell| cell.trim().parse::<f64>().is_ok());
        if numbers && cells(line) == cells(next) && cells(line) > 0 {
            break;
        }
        (rest, skipped) = (after, skipped + 1);
    }
    (rest, skipped)
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::fit::Form;

    use super::*;

    fn refused(text: &str, x: &str) -> String {
        let spec = FitScaling::of(Form::Power, x, "loss");
        match Table::read(text.as_bytes()).and_then(|table| table.points_of(&spec)) {
            Err(error) => error.to_string(),
            Ok(_) => "no error".to_owned(),
        }
    }

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        for text in ["x,loss\n1,2\n\n3,4\n", "x,loss\r\n1,2\r\n\r\n3,4\r\n", "# remark\r\nx,loss\r\n1,2\r\n3,4\r\n"] {
            let points =
                Table::read(text.as_bytes()).unwrap().points_of(&FitScaling::of(Form::Power, "x", "loss")).unwrap();
            let last = text.lines().count();
            assert_eq!(points.rows[1].label, format!("line {last}"), "{text:?}");
        }
    }

    #[test]
    fn points_come_by_column_and_group() {
        let table = Table::read("\u{feff}compute, loss,run\n1e3, 2.5,a\n10,,b\n# 1,3,b\n".replace("# ", "").as_bytes())
            .unwrap();
        let spec = FitScaling::of(Form::Power, "compute", "loss");
        let points = table.points_of(&spec).unwrap();
        assert_eq!((points.rows[0].label.as_str(), points.rows[0].numbers["compute"]), ("line 2", 1000.0));
        assert_eq!((points.rows[1].label.as_str(), points.rows[1].numbers.get("loss")), ("line 3", None));
        let groups = table.grouped(&spec, "run").unwrap();
        assert_eq!(groups.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(groups["b"].rows.len(), 2);
        let named = table.points(&["loss".to_owned()], &["run".to_owned()]).unwrap();
        assert_eq!(named.rows[2].word("run").as_deref(), Some("b"));
    }

    /// The same two rows as public files write them.
    #[test]
    fn tables_come_as_they_come() {
        let spec = FitScaling::of(Form::Power, "compute", "loss");
        let read = |bytes: &[u8]| {
            let points = Table::read(bytes).unwrap().points_of(&spec).unwrap();
            points.rows.iter().map(|row| (row.numbers["compute"], row.numbers["loss"])).collect::<Vec<_>>()
        };
        for text in [
            "compute,loss\n1500,2.5\n2e4,2.25\n",
            "\u{feff}compute,loss\r\n1500,2.5\r\n2e4,2.25\r\n",
            "compute;loss\n1500;2.5\n2e4;2.25\n",
            "compute;loss\n1500;2,5\n2e4;2,25\n",
            "compute;loss\n1500;2,500\n2e4;2,250\n".replace("1500;", "1500,0;").as_str(),
            "compute;loss;tokens\n1,500;2.5;1,000,000\n20,000;2.25;2\n",
            "compute,loss\n1.5k,2.5\n20k,2.25\n",
            "compute\tloss\n1500\t2.5\n2e4\t2.25\n",
            "# of a paper, by hand\n# compute is in FLOP\ncompute,loss\n1500,2.5\n2e4,2.25\n",
            "# compute,loss\n1500,2.5\n2e4,2.25\n",
            "compute,loss\n\"1,500\",2.5\n\"20,000\",2.25\n",
            ",compute,loss,,\n0,1500,2.5,,\n1,2e4,2.25,,\n",
            "compute,loss\n1500,2.5,,\n2e4,2.25,,\n",
        ] {
            assert_eq!(read(text.as_bytes()), [(1500.0, 2.5), (2e4, 2.25)], "{text:?}");
        }
        // A letter of another encoding does no harm in a column that is not asked for.
        assert_eq!(read(b"compute,loss,by\n1500,2.5,Ren\xe9\n").len(), 1);
        let named = Table::read(b"compute,loss,by\n1500,2.5,Ren\xe9\n".as_slice()).unwrap();
        let said = named.grouped(&spec, "by").unwrap_err().to_string();
        assert_eq!(said, "line 2, column `by`: the cell is not UTF-8 text; save the file as UTF-8");
        assert!(matches!(Table::read(b"\xff\xfea\0".as_slice()), Err(TableError::Wide)));
        // What has no value has none, and a run that came to nothing says so.
        let points =
            Table::read(b"compute,loss\n1,NA\n2,NaN\n3,-\n4,inf\n".as_slice()).unwrap().points_of(&spec).unwrap();
        let loss = |row: usize| points.rows[row].numbers.get("loss").copied();
        assert!(loss(0).is_none() && loss(1).unwrap().is_nan() && loss(2).is_none() && loss(3) == Some(f64::INFINITY));
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        let good = "compute,loss\n1,2\n";
        assert_eq!(
            refused(good, "compte"),
            "the table has no column `compte` (did you mean `compute`?); it has compute, loss"
        );
        assert_eq!(refused(good, "qqq"), "the table has no column `qqq`; it has compute, loss");
        assert_eq!(
            refused("compute,loss\n1,2\n3,high\n4,low\n", "compute"),
            "line 3, column `loss`: `high` is not a number; leave the cell empty if the value is missing; so does one further cell of the column"
        );
        assert_eq!(refused("compute,loss\n", "compute"), "the table has no rows under its header");
        assert_eq!(refused("", "compute"), "the table has no rows");
        assert_eq!(refused("loss,a,a\n1,2,3\n", "a"), "the table has two columns named `a`; rename one");
        assert_eq!(refused("compute,loss,a,a\n1,2,3,\n", "compute"), "no error");
        assert_eq!(
            refused("compute,loss\n1,2,3\n", "compute"),
            "line 2 has 3 cells, and the header has 2: a cell that holds a `,` must stand in quotes"
        );
        assert!(refused("\u{feff}compute;loss\n1;1,234\n", "compute").contains("`1,234` may mean two numbers"));
        assert_eq!(
            refused("a,Training compute (FLOP),loss\n1,2,3\n", "compute"),
            "the table has no column `compute` (did you mean `Training compute (FLOP)`?); it has a, Training compute (FLOP), loss"
        );
    }
}
