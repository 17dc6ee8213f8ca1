//! A table: rows of CSV under a header, from which points are taken by the names of their columns.

use std::{collections::BTreeMap, io::Read};

use isoflop_kinds::fit::FitScaling;

use super::points::{Point, Points, columns};

/// Rows under a header. Cells are text until a column is asked for.
#[derive(Debug, Clone)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone)]
struct Row {
    line: u64,
    cells: Vec<String>,
}

/// Why a table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// It is not CSV: a row of another length, bytes that are not UTF-8, a file that cannot be read.
    #[error("cannot read the table")]
    Csv(#[from] csv::Error),
    /// There is a header at most.
    #[error("the table has no rows{}", if *.header { " under its header" } else { "" })]
    Empty {
        /// Whether there is a header.
        header: bool,
    },
    /// Two columns of one name.
    #[error("the table has two columns named `{0}`")]
    Twice(String),
    /// A column that is not there.
    #[error("the table has no column `{wanted}`{}; it has {}", meant(.nearest.as_deref()), .there.join(", "))]
    NoColumn {
        /// What was asked for.
        wanted: String,
        /// The name most like it.
        nearest: Option<String>,
        /// The columns there are.
        there: Vec<String>,
    },
    /// A cell that should hold a number.
    #[error("line {line}, column `{column}`: `{text}` is not a number")]
    NotANumber {
        /// The line of the file.
        line: u64,
        /// The column.
        column: String,
        /// What the cell holds.
        text: String,
    },
    /// A cell that holds NaN or an infinity.
    #[error(
        "line {line}, column `{column}`: {text} is not a finite number; leave the cell empty if the value is missing"
    )]
    NotFinite {
        /// The line of the file.
        line: u64,
        /// The column.
        column: String,
        /// What the cell holds.
        text: String,
    },
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

impl Table {
    /// Reads CSV with a header. Spaces round cells do not count.
    pub fn read(source: impl Read) -> Result<Self, TableError> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(source);
        let header: Vec<String> =
            reader.headers()?.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
        for (index, name) in header.iter().enumerate() {
            if header[..index].contains(name) {
                return Err(TableError::Twice(name.clone()));
            }
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            let line = record.position().map_or(0, csv::Position::line);
            rows.push(Row { line, cells: record.iter().map(str::to_owned).collect() });
        }
        if rows.is_empty() {
            return Err(TableError::Empty { header: !header.is_empty() });
        }
        Ok(Self { header, rows })
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Refuses a column that is not there.
    pub fn has(&self, column: &str) -> Result<(), TableError> {
        self.column(column).map(|_| ())
    }

    /// The points that these columns make: numbers, and names of groups. An empty cell is a missing value, and the fit says so.
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
            groups.entry(&row.cells[column]).or_default().push(row);
        }
        groups.into_iter().map(|(name, rows)| Ok((name.to_owned(), self.take(&numbers, &words, &rows)?))).collect()
    }

    fn take(&self, numbers: &[String], words: &[String], rows: &[&Row]) -> Result<Points, TableError> {
        let numbers = self.columns(numbers)?;
        let words = self.columns(words)?;
        let point = |row: &&Row| {
            let mut point = Point { label: format!("line {}", row.line), ..Point::default() };
            for (index, name) in &numbers {
                if let Some(value) = number(row, *index, name)? {
                    point.numbers.insert((*name).clone(), value);
                }
            }
            for (index, name) in &words {
                point.words.insert((*name).clone(), row.cells[*index].clone());
            }
            Ok(point)
        };
        Ok(Points { rows: rows.iter().map(point).collect::<Result<_, TableError>>()? })
    }

    fn columns<'n>(&self, names: &'n [String]) -> Result<Vec<(usize, &'n String)>, TableError> {
        names.iter().map(|name| Ok((self.column(name)?, name))).collect()
    }

    fn column(&self, wanted: &str) -> Result<usize, TableError> {
        self.header.iter().position(|name| name == wanted).ok_or_else(|| {
            let likeness = |name: &String| strsim::jaro_winkler(&name.to_lowercase(), &wanted.to_lowercase());
            let nearest = self.header.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
            TableError::NoColumn {
                wanted: wanted.to_owned(),
                nearest: nearest.filter(|name| likeness(name) > 0.7).cloned(),
                there: self.header.clone(),
            }
        })
    }
}

fn number(row: &Row, index: usize, column: &str) -> Result<Option<f64>, TableError> {
    let (line, column, text) = (row.line, column.to_owned(), row.cells[index].clone());
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(Some(value)),
        Ok(_) => Err(TableError::NotFinite { line, column, text }),
        Err(_) => Err(TableError::NotANumber { line, column, text }),
    }
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::fit::Form;

    use super::*;

    fn refused(text: &str, x: &str) -> String {
        let spec = FitScaling::of(Form::Power, x, "loss");
        let error = Table::read(text.as_bytes()).and_then(|table| table.points_of(&spec)).unwrap_err();
        match error {
            TableError::Csv(source) => source.to_string(),
            error => error.to_string(),
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

    #[test]
    fn what_is_wrong_is_named_by_line_and_column() {
        let good = "compute,loss\n1,2\n";
        assert_eq!(
            refused(good, "compte"),
            "the table has no column `compte` (did you mean `compute`?); it has compute, loss"
        );
        assert_eq!(refused(good, "qqq"), "the table has no column `qqq`; it has compute, loss");
        assert_eq!(refused("compute,loss\n1,2\n3,high\n", "compute"), "line 3, column `loss`: `high` is not a number");
        assert_eq!(
            refused("compute,loss\n1,2\n3,NaN\n", "compute"),
            "line 3, column `loss`: NaN is not a finite number; leave the cell empty if the value is missing"
        );
        assert_eq!(refused("compute,loss\n", "compute"), "the table has no rows under its header");
        assert_eq!(refused("", "compute"), "the table has no rows");
        assert_eq!(refused("a,a\n1,2\n", "a"), "the table has two columns named `a`");
        assert!(refused("compute,loss\n1,2,3\n", "compute").contains("line: 2"));
    }
}
