//! The arguments of one call: in order, or by name.

use std::collections::BTreeMap;

use isoflop_contract::Value;

/// What was given, by name.
#[derive(Debug)]
pub(super) struct Arguments<'a> {
    function: &'static str,
    values: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Arguments<'a> {
    /// Gives each value its name: those of `needed` in order or by name, those of `optional` by name alone.
    pub(super) fn bind(
        function: &'static str,
        needed: &[&'a str],
        optional: &[&'a str],
        given: &'a [Value],
        named: &'a BTreeMap<String, Value>,
    ) -> Result<Self, String> {
        if given.len() > needed.len() {
            let (most, s) = (needed.len(), if needed.len() == 1 { "" } else { "s" });
            return Err(format!("{function} takes {most} argument{s} in order, and was given {}", given.len()));
        }
        let mut values: BTreeMap<&str, &Value> = needed.iter().copied().zip(given).collect();
        for (name, value) in named {
            let Some(known) = needed.iter().chain(optional).copied().find(|known| known == name) else {
                let near = nearest(name, needed.iter().chain(optional).copied());
                let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                return Err(format!("{function} has no argument `{name}`{hint}"));
            };
            if values.insert(known, value).is_some() {
                return Err(format!("`{known}` of {function} is given twice"));
            }
        }
        match needed.iter().find(|name| !values.contains_key(**name)) {
            Some(missing) => Err(format!("{function} needs `{missing}`: {function}({})", needed.join(", "))),
            None => Ok(Self { function, values }),
        }
    }

    /// An argument that is needed.
    pub(super) fn get(&self, name: &str) -> &'a Value {
        self.values.get(name).copied().unwrap_or(&Value::Null)
    }

    /// An argument that may be left out.
    pub(super) fn named(&self, name: &str) -> Option<&'a Value> {
        self.values.get(name).copied()
    }

    /// A whole number of at least one.
    pub(super) fn count(&self, name: &str) -> Result<u64, String> {
        let value = self.get(name);
        value.as_u64().filter(|count| *count > 0).ok_or_else(|| {
            format!("`{name}` of {} must be a whole number of at least 1, and is {value}", self.function)
        })
    }

    /// A number.
    pub(super) fn number(&self, name: &str) -> Result<f64, String> {
        let value = self.get(name);
        value.as_f64().ok_or_else(|| format!("`{name}` of {} must be a number, and is {value}", self.function))
    }
}

/// The name that was meant, if one is near enough.
pub(super) fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(word.len()).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
