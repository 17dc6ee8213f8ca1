//! Kept: which keys have a result, in one small file of the home, so that CI can ask without a server, without a store and without writing.
//!
//! The private ledger is the record; this is what a run noted of it at its end. Results are never taken back, so a key that is noted has a
//! result for good (which one, and made from what, is noted too), as long as the ledger is the same one: the file names the cluster it was noted from, and is nothing to any other. What
//! it lacks it may lack because a run was killed, so `--frozen` asks the server too where one is running.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read},
    path::PathBuf,
};

use isoflop_contract::{Digest, Key, Manifest};
use isoflop_exec::{Outcome, Summary};
use isoflop_ledger::{Past, PastOutcome, RunId};
use isoflop_plan::Plan;
use isoflop_store::Store;
use jiff::Timestamp;

use crate::settings::Settings;

/// What the first line begins with; the number is the file's version.
const HEAD: &str = "isoflop kept 2";

/// The keys that have a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept(BTreeMap<Key, Noted>);

/// A result: the digest of an artifact, or none of a divergence, and of the trace that it was made from, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Noted {
    digest: Option<Digest>,
    trace: Option<Digest>,
}

impl Kept {
    /// Reads what was noted of the private ledger of these settings. Nothing if there is no such file, or one of another ledger.
    pub fn read(settings: &Settings) -> Option<Self> {
        Self::parse(&fs::read_to_string(path(settings)).ok()?, &cluster(settings)?)
    }

    fn parse(text: &str, cluster: &str) -> Option<Self> {
        let mut lines = text.lines();
        if lines.next()? != format!("{HEAD} {cluster}") {
            return None;
        }
        let line = |line: &str| {
            let mut words = line.split(' ');
            let key = words.next()?.parse().ok()?;
            let mut digest = |none| match words.next()? {
                word if word == none => Some(None),
                word => Some(Some(word.parse().ok()?)),
            };
            Some((key, Noted { digest: digest("diverged")?, trace: digest("unknown")? }))
        };
        lines.map(line).collect::<Option<_>>().map(Self)
    }

    fn text(&self, cluster: &str) -> String {
        let mut text = format!("{HEAD} {cluster}\n");
        for (key, Noted { digest, trace }) in &self.0 {
            let word =
                |digest: &Option<Digest>, none: &str| digest.map_or(none.to_owned(), |digest| digest.to_string());
            let _ = writeln!(text, "{key} {} {}", word(digest, "diverged"), word(trace, "unknown"));
        }
        text
    }

    /// Whether every task of `plan` has a result.
    pub fn covers(&self, plan: &Plan) -> bool {
        plan.tasks().iter().all(|task| self.0.contains_key(&task.key))
    }

    /// What stands under the keys of `plan`, as far as it is noted. Manifests come from the store; of an artifact whose manifest is not
    /// there none is known, and [`is_known`] says so.
    pub fn past(&self, plan: &Plan, store: Option<&Store>) -> BTreeMap<Key, Past> {
        let run: RunId = "00000000-0000-0000-0000-000000000000".parse().expect("a UUID");
        let past = |key: &Key| {
            let Noted { digest, trace } = self.0.get(key)?;
            let outcome = match digest {
                Some(digest) => {
                    let unknown =
                        || Manifest { shape: String::new(), files: BTreeMap::new(), scalars: BTreeMap::new() };
                    let manifest = store.and_then(|store| store.peek(digest)).unwrap_or_else(unknown);
                    PastOutcome::Made { digest: *digest, manifest }
                }
                None => PastOutcome::Diverged { reason: "it diverged".to_owned() },
            };
            Some(Past { outcome, run, attempt: None, at: Timestamp::UNIX_EPOCH, trace: *trace })
        };
        plan.tasks().iter().filter_map(|task| Some((task.key, past(&task.key)?))).collect()
    }
}

/// Whether a manifest is more than a placeholder of [`Kept::past`].
pub fn is_known(manifest: &Manifest) -> bool {
    !manifest.shape.is_empty()
}

/// Notes the results of a run on the private ledger, besides those that are noted already.
pub fn note(settings: &Settings, summary: &Summary) -> io::Result<()> {
    let Some(cluster) = cluster(settings).filter(|_| settings.database.is_none()) else { return Ok(()) };
    let old = Kept::read(settings).unwrap_or_default();
    let mut new = old.clone();
    for task in &summary.tasks {
        match task.outcome {
            Outcome::Kept | Outcome::Made | Outcome::Diverged => {
                new.0.insert(task.key, Noted { digest: task.digest, trace: task.trace })
            }
            Outcome::Failed | Outcome::Blocked => None,
        };
    }
    if new == old {
        return Ok(());
    }
    let beside = settings.home.join(format!("kept.{}", std::process::id()));
    fs::write(&beside, new.text(&cluster))?;
    fs::rename(&beside, path(settings))
}

fn path(settings: &Settings) -> PathBuf {
    settings.home.join("kept")
}

/// The name of the private cluster: Postgres gives each a number that no other has, in the first eight bytes of its control file.
fn cluster(settings: &Settings) -> Option<String> {
    let mut number = [0; 8];
    File::open(settings.home.join("postgres/data/global/pg_control")).ok()?.read_exact(&mut number).ok()?;
    Some(format!("{:016x}", u64::from_le_bytes(number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_of_one_ledger_is_nothing_to_another() {
        let key = |text: &str| Key::from_bytes(*Digest::of(text).as_bytes());
        let noted = |digest, trace| Noted { digest, trace };
        let kept = Kept(BTreeMap::from([
            (key("a"), noted(Some(Digest::of("bits")), Some(Digest::of("trace")))),
            (key("b"), noted(None, None)),
        ]));
        let text = kept.text("00ff");
        assert_eq!(Kept::parse(&text, "00ff"), Some(kept));
        assert_eq!(Kept::parse(&text, "00fe"), None);
        for broken in ["", "isoflop kept 1 00ff\n", &text[..text.len() - 4]] {
            assert_eq!(Kept::parse(broken, "00ff"), None, "{broken}");
        }
    }
}
