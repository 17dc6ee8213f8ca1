//! What a person typed, by name.

use std::collections::BTreeMap;

use super::Stop;

/// Arguments as given: `--name value` pairs, and flags.
pub(super) struct Given<'a> {
    named: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Given<'a> {
    /// Reads arguments of these names, each with a value; those in `flags` have none.
    pub(super) fn read(arguments: &'a [String], known: &[&str], flags: &[&str]) -> Result<Self, Stop> {
        let mut named: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let (name, inline) = match argument.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (argument.as_str(), None),
            };
            if flags.contains(&argument.as_str()) {
                named.entry(name).or_default();
                continue;
            }
            if !known.contains(&name) {
                return Err(Stop::Usage(format!("`{argument}` is no argument here")));
            }
            let value = inline.or_else(|| rest.next().map(String::as_str));
            let value = value.ok_or_else(|| Stop::Usage(format!("`{name}` needs a value")))?;
            named.entry(name).or_default().push(value);
        }
        Ok(Self { named })
    }

    /// The value of `name`, if it is given.
    pub(super) fn once(&self, name: &str) -> Result<Option<&'a str>, Stop> {
        match self.named.get(name).map(Vec::as_slice) {
            None => Ok(None),
            Some([value]) => Ok(Some(value)),
            Some(_) => Err(Stop::Usage(format!("`{name}` is given more than once"))),
        }
    }

    /// The value of `name`.
    pub(super) fn needed(&self, name: &str) -> Result<&'a str, Stop> {
        self.once(name)?.ok_or_else(|| Stop::Usage(format!("`{name}` is missing")))
    }

    /// The number that `name` is, if it is given.
    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Stop> {
        let wrong = |value: &str| Stop::Usage(format!("`{name}` is `{value}`, which is no such number"));
        self.once(name)?.map(|value| value.parse().map_err(|_| wrong(value))).transpose()
    }

    /// Every value of `name`, in the order they were given.
    pub(super) fn all(&self, name: &str) -> &[&'a str] {
        self.named.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether the flag `name` is given.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }
}
