//! A reference to tasks: `train`, or `train[variant=td4,seed=0]`.

use isoflop_contract::{Cell, Value};

/// A group, and values of some of its axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) group: String,
    pub(crate) axes: Vec<(String, String)>,
}

impl Reference {
    /// Reads a reference.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let Some((group, rest)) = text.split_once('[') else {
            return Ok(Self { group: text.to_owned(), axes: Vec::new() });
        };
        let Some(inner) = rest.strip_suffix(']') else {
            return Err(format!("`{text}` opens a cell by `[` and does not close it by `]`"));
        };
        let axis = |part: &str| {
            let (axis, value) =
                part.split_once('=').ok_or_else(|| format!("`{}` in `{text}` is not `axis=value`", part.trim()))?;
            Ok((axis.trim().to_owned(), value.trim().to_owned()))
        };
        let axes = inner.split(',').filter(|part| !part.trim().is_empty()).map(axis).collect::<Result<_, String>>()?;
        Ok(Self { group: group.trim().to_owned(), axes })
    }

    /// Whether a cell has these values.
    pub(crate) fn holds(&self, cell: &Cell) -> bool {
        self.axes.iter().all(|(axis, wanted)| cell.get(axis).is_some_and(|value| plain(value) == *wanted))
    }

    /// The value wanted of an axis.
    pub(crate) fn value(&self, axis: &str) -> Option<&str> {
        self.axes.iter().find(|(name, _)| name == axis).map(|(_, value)| value.as_str())
    }
}

/// A scalar as people write it: texts without quotes.
pub(crate) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        let axes = |axes: &[(&str, &str)]| axes.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(Reference::parse("train"), Ok(Reference { group: "train".into(), axes: axes(&[]) }));
        let both = Reference { group: "train".into(), axes: axes(&[("a", "td4"), ("b", "0.5")]) };
        assert_eq!(Reference::parse("train[a=td4, b=0.5]"), Ok(both.clone()));
        assert!(both.holds(&Cell::new([("b".into(), 0.5.into()), ("a".into(), "td4".into()), ("c".into(), 1.into())])));
        assert!(!both.holds(&Cell::new([("a".into(), "td4".into())])));
        assert!(Reference::parse("train[a=1").is_err() && Reference::parse("train[a]").is_err());
    }
}
