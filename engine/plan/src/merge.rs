//! Merging what several files say under the same names: the file that includes another wins over it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    finding::{Finding, Inbox},
    form::first_line,
    source::Sources,
    yaml::Entry,
};

/// Which files there are, and what each includes in order. The first is the study's own; includes have no cycles.
pub(crate) struct Includes<'d>(Vec<&'d [usize]>);

/// What stands under a name after all files are merged.
#[derive(Clone, Copy)]
pub(crate) struct Chosen<'n> {
    /// What counts.
    pub(crate) entry: &'n Entry,
    /// What the innermost file says: it gives the type.
    pub(crate) base: &'n Entry,
    file: usize,
}

/// Entries by name.
pub(crate) type Table<'n> = BTreeMap<&'n str, Chosen<'n>>;

impl<'d> Includes<'d> {
    pub(crate) fn new(includes: impl IntoIterator<Item = &'d [usize]>) -> Self {
        Self(includes.into_iter().collect())
    }

    /// All files that `file` includes, directly or not.
    fn reach(&self, file: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(next) = open.pop() {
            open.extend(self.0[next].iter().filter(|included| reached.insert(**included)));
        }
        reached
    }

    /// Merges the entries that each file has; `what` names an entry in a finding. Files included beside each other must agree, unless the
    /// file that includes both says what counts.
    pub(crate) fn merge<'n>(
        &self,
        own: &[Vec<&'n Entry>],
        what: &dyn Fn(&str) -> String,
        sources: &Sources,
        inbox: &mut Inbox,
    ) -> Table<'n> {
        let reach: Vec<BTreeSet<usize>> = (0..self.0.len()).map(|file| self.reach(file)).collect();
        let mut done: Vec<Option<Table<'n>>> = vec![None; self.0.len()];
        // A file is done after all it includes; those further away from the study may stand anywhere in the list.
        let mut order: Vec<usize> = (0..self.0.len()).collect();
        order.sort_by_key(|file| reach[*file].len());
        for file in order {
            let mut table = Table::new();
            for entry in self.0[file].iter().filter_map(|included| done[*included].as_ref()).flat_map(BTreeMap::values)
            {
                let name = entry.entry.key.as_str();
                let Some(other) = table.get(name).copied() else {
                    table.insert(name, *entry);
                    continue;
                };
                if other.file == entry.file || reach[other.file].contains(&entry.file) {
                    continue;
                }
                if reach[entry.file].contains(&other.file) {
                    table.insert(name, *entry);
                } else if !own[file].iter().any(|own| own.key == name)
                    && other.entry.value.plain() != entry.entry.value.plain()
                {
                    let place = |entry: &Entry| first_line(sources, entry.value.span);
                    inbox.push(
                        Finding::new("include-conflict", format!("two included files set {} differently", what(name)))
                            .at(place(entry.entry), "here")
                            .at(place(other.entry), "and here")
                            .hint(format!("set `{name}` in the file that includes both, to say what counts")),
                    );
                }
            }
            for entry in &own[file] {
                let base = table.get(entry.key.as_str()).map_or(*entry, |included| included.base);
                table.insert(&entry.key, Chosen { entry, base, file });
            }
            done[file] = Some(table);
        }
        done.swap_remove(0).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{yaml, yaml::Kind};

    /// Files as YAML maps; what is merged, and the findings.
    fn merged(includes: &[&[usize]], files: &[&str]) -> (BTreeMap<String, String>, String) {
        let mut sources = Sources::default();
        let mut inbox = Inbox::default();
        let mut roots = Vec::new();
        for (at, text) in files.iter().enumerate() {
            let source = sources.add(&format!("{at}"), (*text).to_owned(), None);
            roots.push(yaml::read(&sources, source, &mut 0, &mut inbox).unwrap());
        }
        let own: Vec<Vec<&Entry>> = roots
            .iter()
            .map(|root| match &root.kind {
                Kind::Map(entries) => entries.iter().collect(),
                _ => Vec::new(),
            })
            .collect();
        let table =
            Includes::new(includes.iter().copied()).merge(&own, &|name| format!("`{name}`"), &sources, &mut inbox);
        let plain = |(name, chosen): (&str, Chosen<'_>)| {
            (name.to_owned(), format!("{} of {}", chosen.entry.value.plain(), chosen.base.value.plain()))
        };
        let found = inbox.close(&sources).err().map(|findings| findings.to_string()).unwrap_or_default();
        (table.into_iter().map(plain).collect(), found)
    }

    #[test]
    fn the_file_that_includes_wins() {
        let (table, found) = merged(&[&[1], &[2], &[]], &["{a: 3}", "{a: 2, b: 2}", "{a: 1, b: 1, c: 1}"]);
        let expected = [("a", "3 of 1"), ("b", "2 of 1"), ("c", "1 of 1")];
        assert_eq!(table, expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        assert_eq!(found, "");
    }

    #[test]
    fn files_beside_each_other_must_agree_unless_one_includes_the_other() {
        let (_, found) = merged(&[&[1, 2], &[], &[]], &["{}", "{a: 1, b: 1}", "{a: 2, b: 1}"]);
        assert!(found.starts_with("2:1:5: two included files set `a` differently"), "{found}");
        let (table, found) = merged(&[&[1, 2], &[], &[]], &["{a: 3}", "{a: 1}", "{a: 2}"]);
        assert_eq!((table["a"].as_str(), found.as_str()), ("3 of 1", ""));
        // A diamond: 1 overrides what both bring from 3.
        for order in [[1, 2], [2, 1]] {
            let (table, found) = merged(&[&order, &[3], &[3], &[]], &["{}", "{a: 2}", "{}", "{a: 1}"]);
            assert_eq!((table["a"].as_str(), found.as_str()), ("2 of 1", ""));
        }
    }
}
