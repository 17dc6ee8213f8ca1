//! A reference to tasks: `train`, or `train[variant=td4,seed=0]`.

use crate::braces;

/// A group, and values of some of its axes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) group: String,
    pub(crate) axes: Vec<(String, String)>,
}

impl Reference {
    /// Reads a reference.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (group, axes) = split(text)?;
        Ok(Self { group: group.to_owned(), axes })
    }

    /// The value wanted of an axis.
    pub(crate) fn value(&self, axis: &str) -> Option<&str> {
        self.axes.iter().find(|(name, _)| name == axis).map(|(_, value)| value.as_str())
    }
}

/// The texts of axes and of their values.
type Pairs = Vec<(String, String)>;

/// Cuts `GROUP[axis=value,…]` at its brackets, commas and equal signs, as far as they stand outside templates. The group is returned as it is
/// written, which may be a template.
pub(crate) fn split(text: &str) -> Result<(&str, Pairs), String> {
    let text = text.trim();
    let Some(open) = outside(text, '[').next() else { return Ok((text, Vec::new())) };
    let Some(inner) = text[open + 1..].strip_suffix(']') else {
        return Err(format!("`{text}` opens a cell by `[` and does not close it by `]`"));
    };
    let ends = outside(inner, ',').chain([inner.len()]);
    let mut start = 0;
    let mut axes = Vec::new();
    for end in ends {
        let part = inner[start..end].trim();
        start = end + 1;
        if part.is_empty() {
            continue;
        }
        let Some(equal) = outside(part, '=').next() else {
            return Err(format!("`{part}` in `{text}` is not `axis=value`"));
        };
        axes.push((part[..equal].trim().to_owned(), part[equal + 1..].trim().to_owned()));
    }
    Ok((text[..open].trim(), axes))
}

/// Where `wanted` stands outside `{{ … }}`.
fn outside(text: &str, wanted: char) -> impl Iterator<Item = usize> + '_ {
    let mut inside = 0..0;
    text.char_indices().filter_map(move |(at, c)| {
        if at >= inside.end && text[at..].starts_with("{{") {
            let length = braces::closing(&text[at + 2..]).map_or(text.len(), |close| close + 4);
            inside = at..at.saturating_add(length);
        }
        (c == wanted && !inside.contains(&at)).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read() {
        let axes = |axes: &[(&str, &str)]| axes.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        assert_eq!(Reference::parse("train"), Ok(Reference { group: "train".into(), axes: axes(&[]) }));
        let both = Reference { group: "train".into(), axes: axes(&[("a", "td4"), ("b", "0.5")]) };
        assert_eq!(Reference::parse("train[a=td4, b=0.5]"), Ok(both));
        assert_eq!(
            split("{{ model[0] }}[a={{ x[0] if y == 1 else z }},b=t-{{ 'a,]' }}]"),
            Ok(("{{ model[0] }}", axes(&[("a", "{{ x[0] if y == 1 else z }}"), ("b", "t-{{ 'a,]' }}")])))
        );
        for broken in ["train[a=1", "train[a]"] {
            assert!(Reference::parse(broken).is_err(), "{broken}");
        }
    }
}
