//! One point of a matrix: the value of every axis.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The axes of a task in the order they were declared, each with its value (a string, a number or a flag).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cell(Vec<(String, Value)>);

impl Cell {
    /// The cell with these axes.
    pub fn new(axes: impl IntoIterator<Item = (String, Value)>) -> Self {
        Self(axes.into_iter().collect())
    }

    /// Whether there are no axes: the one cell of a task without a matrix.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of `axis`, if the cell has that axis.
    pub fn get(&self, axis: &str) -> Option<&Value> {
        self.0.iter().find(|(name, _)| name == axis).map(|(_, value)| value)
    }

    /// Axes and values in the order they were declared.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Axes and values by name: what seeds and gathered needs are made of, so that reordering a matrix changes neither.
    pub fn sorted(&self) -> BTreeMap<&str, &Value> {
        self.iter().collect()
    }

    /// The label that a gathered need goes by: axes by name, as in `seed=0,variant=td4`.
    pub fn label(&self) -> String {
        let parts: Vec<String> = self.sorted().iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
        parts.join(",")
    }
}

/// A scalar as people write it: strings without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// As in a task's name: `[variant=td4,seed=0]`, and nothing for the empty cell.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        let parts: Vec<String> = self.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
        write!(f, "[{}]", parts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_declared_order_and_a_label_does_not() {
        let cell = Cell::new([("variant".to_owned(), "td4".into()), ("seed".to_owned(), 0.into())]);
        assert_eq!(format!("train{cell}"), "train[variant=td4,seed=0]");
        assert_eq!(cell.label(), "seed=0,variant=td4");
        assert_eq!(Cell::default().to_string(), "");
    }
}
