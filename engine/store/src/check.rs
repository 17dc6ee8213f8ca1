//! Check: the bytes of artifacts held against their digests, for the audit, wherever they lie. Changes nothing; a bad blob stays where it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use isoflop_contract::{Digest, Manifest};

use crate::store::Store;

/// What the store holds of some artifacts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Held {
    /// Artifacts all of whose bytes are there.
    pub whole: u64,
    /// Artifacts of which bytes are gone: they are made again when they are needed.
    pub gone: BTreeSet<Digest>,
    /// Blobs whose bytes were read.
    pub blobs: u64,
    /// How many bytes that was.
    pub bytes: u64,
    /// What is not what its name says.
    pub unsound: Vec<Unsound>,
}

/// A file in the store that is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsound {
    /// The artifacts it belongs to.
    pub artifacts: BTreeSet<Digest>,
    /// The file in the artifact, if it is a blob; none for a manifest.
    pub file: Option<String>,
    /// The digest that its name is.
    pub digest: Digest,
    /// What is wrong.
    pub what: String,
}

/// Who uses a blob: its size, its name in the first artifact, and all artifacts.
#[derive(Debug)]
struct Use {
    size: u64,
    name: String,
    artifacts: BTreeSet<Digest>,
}

/// What became of reading a file.
enum Read {
    Sound(u64),
    Gone,
    Bad(String),
}

/// What a place has under a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing.
    Gone,
    /// Bytes of this digest, and how many.
    Bytes(Digest, u64),
    /// Something that cannot be read, and why.
    Unreadable(String),
}

/// A place that should hold artifacts: a store, or a crate made from one.
pub trait Holdings: Sync {
    /// What lies where the manifest of this digest should.
    fn manifest(&self, artifact: &Digest) -> Seen;

    /// What lies where the blob of this digest should.
    fn blob(&self, blob: &Digest) -> Seen;
}

/// Holds the manifests and blobs of `artifacts` (each with its manifest's text as the ledger has it) in `place` against their names, every
/// blob once, several at a time. `progress` hears how many blobs are done.
pub fn check(
    place: &dyn Holdings,
    artifacts: &BTreeMap<Digest, &str>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Held {
    let mut held = Held::default();
    let mut uses: BTreeMap<Digest, Use> = BTreeMap::new();
    for (digest, text) in artifacts {
        let what = match place.manifest(digest) {
            Seen::Gone => None,
            Seen::Bytes(found, _) => (found != *digest).then(|| format!("its text has the digest {found}")),
            Seen::Unreadable(why) => Some(why),
        };
        if let Some(what) = what {
            held.unsound.push(Unsound { artifacts: [*digest].into(), file: None, digest: *digest, what });
        }
        let Ok(manifest) = serde_json::from_str::<Manifest>(text) else { continue };
        for (name, file) in manifest.files {
            let entry =
                uses.entry(file.digest).or_insert_with(|| Use { size: file.size, name, artifacts: BTreeSet::new() });
            entry.artifacts.insert(*digest);
        }
    }
    let uses: Vec<(Digest, Use)> = uses.into_iter().collect();
    let reads = read_all(place, &uses, progress);
    for ((digest, used), read) in uses.into_iter().zip(reads) {
        match read {
            Read::Sound(bytes) => {
                held.blobs += 1;
                held.bytes += bytes;
            }
            Read::Gone => held.gone.extend(used.artifacts),
            Read::Bad(what) => {
                held.blobs += 1;
                let Use { name, artifacts, .. } = used;
                held.unsound.push(Unsound { artifacts, file: Some(name), digest, what });
            }
        }
    }
    held.whole = (artifacts.len() - held.gone.len()) as u64;
    held
}

/// Reads every blob, on as many threads as a disk has use for.
fn read_all(place: &dyn Holdings, uses: &[(Digest, Use)], progress: &(dyn Fn(usize, usize) + Sync)) -> Vec<Read> {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let reads: Mutex<BTreeMap<usize, Read>> = Mutex::new(BTreeMap::new());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(8);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some((digest, used)) = uses.get(index) else { break };
                    let read = read_one(place, digest, used.size);
                    reads.lock().expect("no reader panics").insert(index, read);
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1, uses.len());
                }
            });
        }
    });
    reads.into_inner().expect("no reader panics").into_values().collect()
}

fn read_one(place: &dyn Holdings, digest: &Digest, size: u64) -> Read {
    match place.blob(digest) {
        Seen::Gone => Read::Gone,
        Seen::Bytes(found, _) if found != *digest => Read::Bad(format!("its bytes have the digest {found}")),
        Seen::Bytes(_, bytes) if bytes != size => {
            Read::Bad(format!("it has {bytes} bytes, and its manifest says {size}"))
        }
        Seen::Bytes(_, bytes) => Read::Sound(bytes),
        Seen::Unreadable(why) => Read::Bad(why),
    }
}

/// What lies at `path`.
fn seen(path: &Path) -> Seen {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Seen::Gone,
        Err(error) => return Seen::Unreadable(format!("it cannot be opened: {error}")),
    };
    match Digest::of_reader(file) {
        Ok((found, bytes)) => Seen::Bytes(found, bytes),
        Err(error) => Seen::Unreadable(format!("it cannot be read: {error}")),
    }
}

impl Holdings for Store {
    fn manifest(&self, artifact: &Digest) -> Seen {
        seen(&self.manifest_path(artifact))
    }

    fn blob(&self, blob: &Digest) -> Seen {
        seen(&self.blob_path(blob))
    }
}

impl Store {
    /// Holds what this store has of `artifacts` against their names: see [`check`].
    pub fn check_all(&self, artifacts: &BTreeMap<Digest, &str>, progress: &(dyn Fn(usize, usize) + Sync)) -> Held {
        check(self, artifacts, progress)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    fn flip(path: &std::path::Path, bit: usize) {
        let mut bytes = fs::read(path).unwrap();
        let at = bit / 8 % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(path, bytes).unwrap();
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Any one bit of any blob or manifest, turned over, is found, and names the artifact.
        #[test]
        fn any_flipped_bit_is_found(contents in prop::collection::vec("[a-z]{1,40}", 1..4), which in any::<usize>(), bit in any::<usize>()) {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("store")).unwrap();
            let mut texts = BTreeMap::new();
            let mut paths = Vec::new();
            for (n, content) in contents.iter().enumerate() {
                let out = folder.path().join(format!("out{n}"));
                fs::create_dir(&out).unwrap();
                fs::write(out.join("model"), content).unwrap();
                let scalars = BTreeMap::from([("loss".to_owned(), 0.5), ("n".to_owned(), n as f64)]);
                let committed = store.commit("checkpoint", scalars, &out).unwrap();
                paths.push((store.manifest_path(&committed.digest), committed.digest));
                paths.push((store.blob_path(&committed.manifest.files["model"].digest), committed.digest));
                texts.insert(committed.digest, committed.manifest.text().unwrap());
            }
            let texts: BTreeMap<Digest, &str> = texts.iter().map(|(digest, text)| (*digest, text.as_str())).collect();
            let held = store.check_all(&texts, &|_, _| {});
            prop_assert_eq!((held.whole, held.gone.len(), held.unsound.len()), (contents.len() as u64, 0, 0));
            let (path, artifact) = &paths[which % paths.len()];
            flip(path, bit);
            let held = store.check_all(&texts, &|_, _| {});
            prop_assert_eq!(held.unsound.len(), 1);
            prop_assert!(held.unsound[0].artifacts.contains(artifact));
            fs::remove_file(path).unwrap();
            let held = store.check_all(&texts, &|_, _| {});
            prop_assert!(held.unsound.is_empty(), "what is gone is not unsound");
        }
    }
}
