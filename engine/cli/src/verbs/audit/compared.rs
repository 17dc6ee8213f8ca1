//! A crate compared with what was made here: which keys have the same digest.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key};
use isoflop_ledger::{
    Past,
    audit::{Books, Finding, FindingKind, Subject},
};
use serde_json::{Value, json};

/// What came of the comparison.
#[derive(Debug, PartialEq)]
pub struct Compared {
    /// Keys that have a result here too.
    made: usize,
    /// Those with other bits here.
    differ: Vec<Difference>,
}

/// One key whose results differ. No digest means that it diverged.
#[derive(Debug, PartialEq)]
struct Difference {
    key: Key,
    task: String,
    there: Option<Digest>,
    here: Option<Digest>,
}

/// Compares what stands under each key in a crate with what stands under it here.
pub fn compare(there: &BTreeMap<Key, Past>, here: &BTreeMap<Key, Past>, names: &BTreeMap<Key, String>) -> Compared {
    let both = there.iter().filter_map(|(key, there)| Some((key, there.digest(), here.get(key)?.digest())));
    let (mut made, mut differ) = (0, Vec::new());
    for (key, there, here) in both {
        made += 1;
        if there != here {
            let task = names.get(key).cloned().unwrap_or_else(|| format!("key {}", key.short()));
            differ.push(Difference { key: *key, task, there, here });
        }
    }
    differ.sort_by(|a, b| a.task.cmp(&b.task));
    Compared { made, differ }
}

impl Compared {
    /// For a person.
    pub fn sentence(&self) -> String {
        match self.made {
            0 => "made here too: none of these keys; `isoflop run` on the crate's study makes them".to_owned(),
            made => format!("made here too: {made}, equal: {}", made - self.differ.len()),
        }
    }

    /// For programs.
    pub fn data(&self) -> Value {
        let differ = self
            .differ
            .iter()
            .map(|one| json!({"task": one.task, "key": one.key, "crate": one.there, "here": one.here}));
        json!({"made": self.made, "equal": self.made - self.differ.len(), "differ": differ.collect::<Vec<_>>()})
    }

    /// What differs, as findings.
    pub fn findings(&self, books: &Books) -> Vec<Finding> {
        let run = books.audited().next_back();
        let known: BTreeSet<&str> = books.planned().map(|(name, _)| name).collect();
        let say = |digest: Option<Digest>| digest.map_or_else(|| "it diverged".to_owned(), |digest| digest.short());
        let finding = |one: &Difference| Finding {
            kind: FindingKind::Bits,
            what: format!(
                "`{}` was made here too, with other bits: {} there, {} here",
                one.task,
                say(one.there),
                say(one.here)
            ),
            subject: match run.filter(|_| known.contains(one.task.as_str())) {
                Some(run) => Subject::Tasks(run, vec![one.task.clone()]),
                None => Subject::Key(one.key),
            },
        };
        self.differ.iter().map(finding).collect()
    }
}
