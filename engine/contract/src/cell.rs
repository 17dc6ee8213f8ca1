//! One point of a matrix: the value of every axis.

use std::{borrow::Cow, collections::BTreeMap, fmt};

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

/// A scalar as it stands in a name: a string without quotes, a float that would have many digits in scientific form (`1e12`, `2.5e-7`).
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => number.as_f64().map_or_else(|| number.to_string(), float),
        other => other.to_string(),
    }
}

/// Whether a value of an axis is the one that somebody asks for, as people see it: `1` and `1.0` are one number, and a list asks for any of its items.
pub fn alike(have: &Value, want: &Value) -> bool {
    match want {
        Value::Array(any) => any.iter().any(|want| alike(have, want)),
        want => match (have.as_f64(), want.as_f64()) {
            (Some(have), Some(want)) => have.total_cmp(&want).is_eq(),
            _ => plain(have) == plain(want),
        },
    }
}

/// What somebody typed for a value, as it stands in a name: `1000000000000.0`, `1.0e12` and `1e12` are one number.
pub fn spelt(text: &str) -> Cow<'_, str> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && text.contains(['.', 'e', 'E']) => Cow::Owned(float(x)),
        _ => Cow::Borrowed(text),
    }
}

fn float(x: f64) -> String {
    let short = x == 0.0 || (1e-4..1e6).contains(&x.abs());
    if short { Value::from(x).to_string() } else { format!("{x:e}") }
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

    #[test]
    fn a_value_is_alike_as_people_see_it() {
        let is = |have: Value, want: Value| alike(&have, &want);
        assert!(is(1.into(), 1.0.into()) && is("s".into(), "s".into()) && is(2.into(), vec![1, 2].into()));
        assert!(!is(1.into(), 2.into()) && !is("1".into(), 2.into()) && !is("s".into(), Value::Array(Vec::new())));
    }

    #[test]
    fn floats_are_short_however_they_were_typed() {
        for (x, text) in [
            (1e12, "1e12"),
            (2.5e-7, "2.5e-7"),
            (-3e6, "-3e6"),
            (1.0, "1.0"),
            (0.001, "0.001"),
            (250_000.0, "250000.0"),
        ] {
            assert_eq!(plain(&x.into()), text);
            assert_eq!(spelt(text), text);
            assert_eq!(spelt(&format!("{x:?}")), text);
        }
        assert_eq!(spelt("1000000000000.0"), "1e12");
        assert_eq!((spelt("12").as_ref(), spelt("nan").as_ref(), spelt("td4").as_ref()), ("12", "nan", "td4"));
    }
}
