//! Points: what a law is fitted to.

use std::collections::BTreeMap;

use isoflop_contract::Digest;
use isoflop_kinds::fit::FitScaling;

/// One point, as far as it is known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Point {
    /// What it is called in messages: a cell's label, or a row of a table.
    pub label: String,
    /// What was measured, by column. A column that is absent here is a missing value.
    pub numbers: BTreeMap<String, f64>,
    /// Columns that hold no numbers: which rows go together.
    pub words: BTreeMap<String, String>,
    /// Why nothing was measured, where that is known.
    pub absent: Option<String>,
}

impl Point {
    /// The value of a column as a name, for grouping.
    pub fn word(&self, column: &str) -> Option<String> {
        self.words.get(column).cloned().or_else(|| self.numbers.get(column).map(f64::to_string))
    }
}

/// Points in the order of their rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Points {
    /// All of them, usable or not.
    pub rows: Vec<Point>,
}

impl Points {
    /// Complete points of two columns without labels of their own, for tests and for fits by hand.
    pub fn of(x: &str, y: &str, rows: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self::table(&[x, y], rows.into_iter().map(|(x, y)| [x, y]))
    }

    /// Complete points of several columns.
    pub fn table<const N: usize>(columns: &[&str; N], rows: impl IntoIterator<Item = [f64; N]>) -> Self {
        let row = |(index, values): (usize, [f64; N])| Point {
            label: format!("row {}", index + 1),
            numbers: columns.iter().map(|name| (*name).to_owned()).zip(values).collect(),
            words: BTreeMap::new(),
            absent: None,
        };
        Self { rows: rows.into_iter().enumerate().map(row).collect() }
    }

    /// The digest of everything in them that a fit of this spec reads, labels included.
    pub fn digest(&self, spec: &FitScaling) -> Digest {
        let (numbers, words) = columns(spec);
        let line = |row: &Point| {
            let bits = |column: &String| {
                row.numbers.get(column).map_or_else(|| " -".to_owned(), |value| format!(" {:016x}", value.to_bits()))
            };
            let numbers: String = numbers.iter().map(bits).collect();
            let words: Vec<Option<String>> = words.iter().map(|column| row.word(column)).collect();
            format!("{:?}{numbers} {words:?}\n", row.label)
        };
        let text: String = self.rows.iter().map(line).collect();
        Digest::of(text)
    }
}

/// The columns a spec asks for: those of numbers, and those of names.
pub fn columns(spec: &FitScaling) -> (Vec<String>, Vec<String>) {
    let mut numbers: Vec<String> = spec.x.iter().cloned().chain(spec.inputs.values().cloned()).collect();
    numbers.push(spec.y.clone());
    numbers.extend(spec.weights.iter().map(|weights| weights.column.clone()));
    numbers.extend(spec.compute.iter().cloned());
    numbers.extend(spec.drop.iter().map(|rule| rule.column.clone()));
    numbers.extend(spec.holdout.iter().filter_map(|rule| rule.column.clone()));
    numbers.extend(spec.then.iter().map(|then| then.y.clone()));
    let mut words: Vec<String> =
        spec.resample.iter().flat_map(|rule| rule.together.iter().chain(&rule.within)).cloned().collect();
    words.extend(spec.keep.keys().chain(spec.then.iter().flat_map(|then| then.keep.keys())).cloned());
    let mut seen = Vec::new();
    numbers.retain(|name| {
        let new = !seen.contains(name);
        seen.push(name.clone());
        new
    });
    (numbers, words)
}
