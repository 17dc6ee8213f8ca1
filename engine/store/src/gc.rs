//! Garbage: which files of the store nothing needs, worked out from values, and taken out under the store's lock.
//!
//! A **manifest** stays if it is live (the caller says so), younger than the grace period, or unknown to the ledger. A **blob** stays if a
//! staying manifest names it or it is younger than the grace period. Manifests go before blobs, so that what is left of a collection that died
//! half-way are blobs that nothing names, which the next one takes. A commit that finds a blob in the store renews its time under the lock,
//! and each file's time is looked at once more under the lock before it goes: what a commit counts on is never taken from under it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use isoflop_contract::{Digest, Manifest};

use crate::{
    disk::{refused, unreadable},
    error::StoreError,
    lock::Guard,
    store::Store,
};

/// A file in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Where.
    pub path: PathBuf,
    /// How many bytes.
    pub size: u64,
    /// When it was written or last counted on.
    pub modified: SystemTime,
}

/// Everything in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Manifests by digest.
    pub manifests: BTreeMap<Digest, Item>,
    /// Blobs by digest.
    pub blobs: BTreeMap<Digest, Item>,
    /// Files in `tmp`, those of living processes left out.
    pub remains: Vec<Item>,
    /// Files in `quarantine`.
    pub quarantine: Vec<Item>,
}

/// Why a manifest that is in the store stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stay {
    /// The caller says so.
    Live,
    /// It was committed lately.
    Fresh,
    /// This ledger does not know it; another one may.
    Unknown,
}

/// What goes and what stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Garbage {
    /// Manifests that go: their artifacts are evicted.
    pub manifests: Vec<(Digest, Item)>,
    /// Blobs that go.
    pub blobs: Vec<(Digest, Item)>,
    /// How many of these no manifest in the store names.
    pub orphans: usize,
    /// Remains of dead processes that go.
    pub remains: Vec<Item>,
    /// Quarantined files that go.
    pub quarantine: Vec<Item>,
    /// Artifacts that stay.
    pub stays: BTreeMap<Digest, Stay>,
    /// Bytes of blobs and manifests that stay.
    pub kept: u64,
}

/// What decides.
#[derive(Debug)]
pub struct Terms<'a> {
    /// Artifacts that must stay.
    pub live: &'a BTreeSet<Digest>,
    /// Manifests of all artifacts that the ledger knows.
    pub known: &'a BTreeMap<Digest, Manifest>,
    /// Whether artifacts that the ledger does not know may go.
    pub unknown_too: bool,
    /// Whatever was written after this stays.
    pub cutoff: SystemTime,
}

impl Garbage {
    /// Bytes that taking it out frees.
    pub fn bytes(&self) -> u64 {
        let named = self.manifests.iter().chain(&self.blobs).map(|(_, item)| item.size);
        named.chain(self.remains.iter().chain(&self.quarantine).map(|item| item.size)).sum()
    }

    /// Whether there is nothing to take out.
    pub fn is_empty(&self) -> bool {
        self.manifests.is_empty() && self.blobs.is_empty() && self.remains.is_empty() && self.quarantine.is_empty()
    }

    /// The files that go, in the order in which they must.
    pub fn files(&self) -> Vec<&Item> {
        let named = self.manifests.iter().chain(&self.blobs).map(|(_, item)| item);
        named.chain(&self.remains).chain(&self.quarantine).collect()
    }
}

/// Works out what goes. `read` answers with a manifest that the ledger does not know, from the store; one that cannot be read names nothing.
pub fn garbage(inventory: &Inventory, terms: &Terms<'_>, read: &dyn Fn(&Digest) -> Option<Manifest>) -> Garbage {
    let mut garbage = Garbage::default();
    let fresh = |item: &Item| item.modified > terms.cutoff;
    let (mut needed, mut named) = (BTreeSet::new(), BTreeSet::new());
    // Blobs of live artifacts are needed even where the manifest has been lost: an engine asks for blobs alone.
    for manifest in terms.live.iter().filter_map(|digest| terms.known.get(digest)) {
        needed.extend(manifest.files.values().map(|file| file.digest));
    }
    for (digest, item) in &inventory.manifests {
        let known = terms.known.get(digest);
        let stay = if terms.live.contains(digest) {
            Some(Stay::Live)
        } else if fresh(item) {
            Some(Stay::Fresh)
        } else if known.is_none() && !terms.unknown_too {
            Some(Stay::Unknown)
        } else {
            None
        };
        let blobs: Vec<Digest> = match known {
            Some(manifest) => manifest.files.values().map(|file| file.digest).collect(),
            None => read(digest).iter().flat_map(|manifest| manifest.files.values()).map(|file| file.digest).collect(),
        };
        named.extend(blobs.iter().copied());
        match stay {
            Some(stay) => {
                needed.extend(blobs);
                garbage.stays.insert(*digest, stay);
                garbage.kept += item.size;
            }
            None => garbage.manifests.push((*digest, item.clone())),
        }
    }
    for (digest, item) in &inventory.blobs {
        // A live digest may be a blob of its own: files of the study are named so.
        if needed.contains(digest) || terms.live.contains(digest) || fresh(item) {
            garbage.kept += item.size;
        } else {
            garbage.orphans += usize::from(!named.contains(digest));
            garbage.blobs.push((*digest, item.clone()));
        }
    }
    let old = |items: &[Item]| items.iter().filter(|item| !fresh(item)).cloned().collect();
    garbage.remains = old(&inventory.remains);
    garbage.quarantine = old(&inventory.quarantine);
    garbage
}

impl Store {
    /// Lists everything in the store. Files that go while it is listed are left out, and so are strays with other names.
    pub fn inventory(&self) -> Result<Inventory, StoreError> {
        let mut inventory = Inventory {
            manifests: named(&self.root().join("manifests"))?,
            blobs: named(&self.root().join("blobs"))?,
            remains: list(&self.root().join("tmp"))?,
            quarantine: list(&self.root().join("quarantine"))?,
        };
        inventory.remains.retain(|item| !is_of_the_living(&item.path));
        Ok(inventory)
    }

    /// Takes files out, if they are as old as they were. Answers with how many bytes went. The guard proves that no commit is under way.
    pub fn take_out(&self, files: &[&Item], cutoff: SystemTime, _guard: &Guard) -> Result<u64, StoreError> {
        let mut freed = 0;
        for item in files {
            debug_assert!(item.path.starts_with(self.root()));
            match fs::symlink_metadata(&item.path) {
                // Counted on since, or put there anew.
                Ok(now) if now.modified().is_ok_and(|at| at > cutoff) => continue,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(unreadable(&item.path, "look at", error)),
            }
            match fs::remove_file(&item.path) {
                Ok(()) => freed += item.size,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(refused(&item.path, "remove", 0, error)),
            }
        }
        Ok(freed)
    }

    /// A manifest as it lies in the store, if it is what its name says. Moves nothing to quarantine.
    pub fn peek(&self, artifact: &Digest) -> Option<Manifest> {
        let bytes = fs::read(self.manifest_path(artifact)).ok()?;
        if Digest::of(&bytes) == *artifact { serde_json::from_slice(&bytes).ok() } else { None }
    }
}

/// The moment before which files are old.
pub fn cutoff(now: SystemTime, grace: Duration) -> SystemTime {
    now.checked_sub(grace).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Whether a temporary file's name is that of a process that lives.
fn is_of_the_living(path: &Path) -> bool {
    let pid = path.file_name().and_then(|name| name.to_str()?.split('-').next()?.parse::<u32>().ok());
    pid.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists())
}

/// The files in a folder; folders in it are left out.
fn list(folder: &Path) -> Result<Vec<Item>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, "list the folder", error)),
    };
    let mut items = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|e| unreadable(folder, "list the folder", e))?;
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_file() {
            let modified = metadata.modified().unwrap_or(SystemTime::now());
            items.push(Item { path: entry.path(), size: metadata.len(), modified });
        }
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

/// The files two levels below `folder`, by the digest that each one's name is.
fn named(folder: &Path) -> Result<BTreeMap<Digest, Item>, StoreError> {
    let mut all = BTreeMap::new();
    let shards = match fs::read_dir(folder) {
        Ok(shards) => shards,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
        Err(error) => return Err(unreadable(folder, "list the folder", error)),
    };
    for shard in shards {
        let shard = shard.map_err(|e| unreadable(folder, "list the folder", e))?.path();
        if !shard.is_dir() {
            continue;
        }
        for item in list(&shard)? {
            let digest = item.path.file_name().and_then(|name| name.to_str()?.parse().ok());
            if let Some(digest) = digest {
                all.insert(digest, item);
            }
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store with artifacts of these files, and what a ledger would know of them.
    fn filled(folder: &Path, artifacts: &[&[&str]]) -> (Store, Vec<Digest>, BTreeMap<Digest, Manifest>) {
        let store = Store::open(&folder.join("store")).unwrap();
        let (mut digests, mut known) = (Vec::new(), BTreeMap::new());
        for (n, files) in artifacts.iter().enumerate() {
            let out = folder.join(format!("out{n}"));
            fs::create_dir(&out).unwrap();
            for file in *files {
                fs::write(out.join(file), file.repeat(10)).unwrap();
            }
            let scalars = BTreeMap::from([("n".to_owned(), n as f64)]);
            let committed = store.commit("checkpoint", scalars, &out).unwrap();
            digests.push(committed.digest);
            known.insert(committed.digest, committed.manifest);
        }
        (store, digests, known)
    }

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_mins(1)
    }

    fn sweep(store: &Store, terms: &Terms<'_>) -> Garbage {
        let inventory = store.inventory().unwrap();
        let garbage = garbage(&inventory, terms, &|digest| store.peek(digest));
        let guard = store.exclusive().unwrap();
        let freed = store.take_out(&garbage.files(), terms.cutoff, &guard).unwrap();
        assert_eq!(freed, garbage.bytes(), "the preview is exact");
        garbage
    }

    #[test]
    fn what_nothing_needs_goes_and_shared_blobs_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (store, digests, known) = filled(folder.path(), &[&["a", "shared"], &["b", "shared"], &["c"]]);
        let live = BTreeSet::from([digests[0]]);
        let terms = Terms { live: &live, known: &known, unknown_too: false, cutoff: later() };
        let garbage = sweep(&store, &terms);
        assert_eq!(
            garbage.manifests.iter().map(|(digest, _)| *digest).collect::<BTreeSet<_>>(),
            digests[1..].iter().copied().collect()
        );
        assert_eq!((garbage.blobs.len(), garbage.orphans), (2, 0));
        assert!(
            store.holds(&known[&digests[0]]) && !store.holds(&known[&digests[1]]) && !store.holds(&known[&digests[2]])
        );
        assert!(store.verify().unwrap().is_empty());
        assert!(sweep(&store, &terms).is_empty(), "nothing is left to take");
    }

    #[test]
    fn what_is_young_stays_with_all_its_blobs() {
        let folder = tempfile::tempdir().unwrap();
        let (store, digests, known) = filled(folder.path(), &[&["a"]]);
        let live = BTreeSet::new();
        let cutoff = SystemTime::now() - Duration::from_mins(1);
        let terms = Terms { live: &live, known: &known, unknown_too: false, cutoff };
        let garbage = sweep(&store, &terms);
        assert!(garbage.is_empty());
        assert_eq!(garbage.stays[&digests[0]], Stay::Fresh);
    }

    #[test]
    fn what_another_ledger_may_know_stays_until_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (store, digests, _) = filled(folder.path(), &[&["a"]]);
        let (live, known) = (BTreeSet::new(), BTreeMap::new());
        let terms = Terms { live: &live, known: &known, unknown_too: false, cutoff: later() };
        let garbage = sweep(&store, &terms);
        assert_eq!((garbage.is_empty(), garbage.stays[&digests[0]]), (true, Stay::Unknown));
        let garbage = sweep(&store, &Terms { unknown_too: true, ..terms });
        assert_eq!((garbage.manifests.len(), garbage.blobs.len()), (1, 1));
    }

    #[test]
    fn a_blob_that_nothing_names_and_remains_and_quarantine_go() {
        let folder = tempfile::tempdir().unwrap();
        let (store, digests, known) = filled(folder.path(), &[&["a"]]);
        let orphan = store.blob_path(&Digest::of("orphan"));
        fs::create_dir_all(orphan.parent().unwrap()).unwrap();
        fs::write(&orphan, "orphan").unwrap();
        fs::write(store.root().join("tmp/4294967295-0-0"), "dead").unwrap();
        fs::write(store.root().join(format!("tmp/{}-0-0", std::process::id())), "alive").unwrap();
        fs::write(store.root().join("quarantine/x.0"), "bad").unwrap();
        let live = digests.iter().copied().collect();
        let terms = Terms { live: &live, known: &known, unknown_too: false, cutoff: later() };
        let garbage = sweep(&store, &terms);
        assert_eq!((garbage.blobs.len(), garbage.orphans), (1, 1));
        assert_eq!((garbage.remains.len(), garbage.quarantine.len()), (1, 1));
        assert!(store.holds(&known[&digests[0]]));
        assert!(store.root().join(format!("tmp/{}-0-0", std::process::id())).exists());
    }

    /// A commit that finds its blob in the store counts on it; a collection that was worked out before must not take it.
    #[test]
    fn a_blob_that_a_commit_counts_on_is_not_taken_from_under_it() {
        let folder = tempfile::tempdir().unwrap();
        let (store, digests, known) = filled(folder.path(), &[&["a"]]);
        let old = SystemTime::now() - Duration::from_hours(1);
        for item in store.inventory().unwrap().blobs.values().chain(store.inventory().unwrap().manifests.values()) {
            fs::File::open(&item.path).unwrap().set_modified(old).unwrap();
        }
        let cutoff = SystemTime::now() - Duration::from_mins(1);
        let live = BTreeSet::new();
        let terms = Terms { live: &live, known: &known, unknown_too: false, cutoff };
        let garbage = garbage(&store.inventory().unwrap(), &terms, &|digest| store.peek(digest));
        assert_eq!((garbage.manifests.len(), garbage.blobs.len()), (1, 1));
        // Meanwhile another task makes the same bytes.
        let out = folder.path().join("again");
        fs::create_dir(&out).unwrap();
        fs::write(out.join("a"), "a".repeat(10)).unwrap();
        let again = store.commit("other", BTreeMap::new(), &out).unwrap();
        assert_ne!(again.digest, digests[0]);
        let guard = store.exclusive().unwrap();
        store.take_out(&garbage.files(), cutoff, &guard).unwrap();
        assert!(store.holds(&again.manifest), "the new artifact is whole");
        assert!(store.peek(&digests[0]).is_none(), "the old one's manifest went");
    }

    #[test]
    fn a_commit_waits_for_a_collection_to_end() {
        let folder = tempfile::tempdir().unwrap();
        let (store, ..) = filled(folder.path(), &[]);
        let guard = store.exclusive().unwrap();
        let out = folder.path().join("waiting");
        fs::create_dir(&out).unwrap();
        fs::write(out.join("a"), "a").unwrap();
        std::thread::scope(|scope| {
            let commit = scope.spawn(|| store.commit("checkpoint", BTreeMap::new(), &out));
            std::thread::sleep(Duration::from_millis(100));
            assert!(!commit.is_finished() && out.join("a").exists());
            drop(guard);
            commit.join().unwrap().unwrap();
        });
    }
}
