//! Checkpoints on disk, from the engine's side: which one to go on from, and which are of no use any more.
//!
//! They lie in `.isoflop/checkpoints/<key>/`, written by workers; [`isoflop_contract::checkpoint`] has the layout. A checkpoint is handed to a
//! body after every byte of it was held against its digests; a bad or foreign one is passed over, with a word, for the one before. When the
//! ledger has the task's result, they go.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use isoflop_contract::{
    Checkpoint, Digest, Key,
    checkpoint::{DATA, FORMAT, HEAD, METRICS, NEW, Point, Trail},
    manifest,
};
use isoflop_ledger::Metric;

/// The folder of all checkpoints in the project's `folder`.
pub fn home(folder: &Path) -> PathBuf {
    folder.join("checkpoints")
}

/// The folder of the checkpoints of `key`.
pub fn place(folder: &Path, key: &Key) -> PathBuf {
    home(folder).join(key.to_string())
}

/// What an attempt goes on from.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Carried {
    pub(crate) step: u64,
    /// What was measured up to that step.
    pub(crate) metrics: Vec<Metric>,
    pub(crate) trail: Trail,
}

/// What was found in a key's folder.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) carried: Option<Carried>,
    /// What was passed over, and why.
    pub(crate) passed: Vec<String>,
}

/// The latest good checkpoint in `place`. To be asked by whoever holds the key's lease: what dead workers left half-written goes.
pub(crate) fn latest(place: &Path, key: &Key, kind: &str, revision: u32) -> Found {
    let mut found = Found::default();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(NEW) {
            let _ = fs::remove_dir_all(entry.path()); // it is in nobody's way
        }
    }
    for (step, path) in steps(place).into_iter().rev() {
        match check(&path, step, key, kind, revision).and_then(|trail| Ok((trail, metrics(&path)?))) {
            Ok((trail, metrics)) => {
                found.carried = Some(Carried { step, metrics, trail });
                break;
            }
            Err(why) => found.passed.push(format!("the checkpoint of step {step} is passed over: {why}")),
        }
    }
    found
}

/// The checkpoints in `place` by step.
fn steps(place: &Path) -> BTreeMap<u64, PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let step = |entry: fs::DirEntry| {
        let step = entry.file_name().to_str()?.parse().ok()?;
        entry.file_type().ok()?.is_dir().then(|| (step, entry.path()))
    };
    entries.filter_map(step).collect()
}

/// Holds a checkpoint against what it says of itself, every byte. Answers with its trail.
fn check(path: &Path, step: u64, key: &Key, kind: &str, revision: u32) -> Result<Trail, String> {
    let head = fs::read(path.join(HEAD)).map_err(|error| format!("its `{HEAD}` cannot be read: {error}"))?;
    let head: Checkpoint =
        serde_json::from_slice(&head).map_err(|error| format!("its `{HEAD}` does not read: {error}"))?;
    if head.format != FORMAT {
        return Err(format!("it has the format {}, and this isoflop reads {FORMAT}", head.format));
    }
    if head.key != *key {
        return Err(format!("it belongs to another key, {}", head.key.short()));
    }
    if (head.kind.as_str(), head.revision) != (kind, revision) {
        return Err(format!(
            "it was written by revision {} of {}, and this is revision {revision} of {kind}",
            head.revision, head.kind
        ));
    }
    if head.step != step {
        return Err(format!("it says that it is of step {}", head.step));
    }
    hold(&path.join(METRICS), METRICS, &head.metrics)?;
    for (name, file) in &head.files {
        if Path::new(name).components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
            return Err(format!("`{name}` is no name of a file in it"));
        }
        hold(&path.join(DATA).join(name), name, file)?;
    }
    Ok(head.trail)
}

fn hold(path: &Path, name: &str, file: &manifest::File) -> Result<(), String> {
    let read = File::open(path).and_then(Digest::of_reader);
    let (digest, size) = read.map_err(|error| format!("its file `{name}` cannot be read: {error}"))?;
    if size != file.size {
        return Err(format!("its file `{name}` has {size} bytes where {} were written", file.size));
    }
    if digest != file.digest {
        return Err(format!(
            "its file `{name}` has the digest {} where {} was written",
            digest.short(),
            file.digest.short()
        ));
    }
    Ok(())
}

fn metrics(path: &Path) -> Result<Vec<Metric>, String> {
    let text =
        fs::read_to_string(path.join(METRICS)).map_err(|error| format!("its `{METRICS}` cannot be read: {error}"))?;
    let point = |line: &str| {
        let Point { series, step, value } =
            serde_json::from_str(line).map_err(|error| format!("its `{METRICS}` does not read: {error}"))?;
        Ok(Metric { series, step, value })
    };
    text.lines().map(point).collect()
}

/// Takes out all checkpoints of `key`: its task is made.
pub(crate) fn forget(folder: &Path, key: &Key) {
    let place = place(folder, key);
    if let Err(error) = fs::remove_dir_all(&place)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(folder = %place.display(), %error, "cannot remove checkpoints");
    }
}

/// The checkpoints of one key, as `gc` and `doctor` see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    /// The key.
    pub key: Key,
    /// Where they are.
    pub path: PathBuf,
    /// The steps of the checkpoints.
    pub steps: Vec<u64>,
    /// Bytes in all, what a body keeps by itself included.
    pub bytes: u64,
    /// When something in it was last written.
    pub modified: SystemTime,
}

/// All checkpoints in the project's `folder`, by key.
pub fn inventory(folder: &Path) -> io::Result<Vec<Shelf>> {
    let entries = match fs::read_dir(home(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut shelves = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let Some(key) = path.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        let (mut bytes, mut modified) = (0, SystemTime::UNIX_EPOCH);
        weigh(&path, &mut bytes, &mut modified);
        shelves.push(Shelf { key, steps: steps(&path).into_keys().collect(), path, bytes, modified });
    }
    shelves.sort_by_key(|shelf| shelf.key);
    Ok(shelves)
}

/// Adds up the files below `path`. What goes meanwhile is left out.
fn weigh(path: &Path, bytes: &mut u64, modified: &mut SystemTime) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    *modified = metadata.modified().map_or(*modified, |at| at.max(*modified));
    if metadata.is_dir() {
        fs::read_dir(path).into_iter().flatten().flatten().for_each(|entry| weigh(&entry.path(), bytes, modified));
    } else {
        *bytes += metadata.len();
    }
}

impl Shelf {
    /// What is wrong with the checkpoints on it, one line each. Reads every byte.
    pub fn verify(&self) -> Vec<String> {
        let check = |step: &u64| {
            let path = self.path.join(Checkpoint::name(*step));
            let head = fs::read(path.join(HEAD)).ok().and_then(|text| serde_json::from_slice::<Checkpoint>(&text).ok());
            let (kind, revision) = head.map_or_else(|| (String::new(), 0), |head| (head.kind, head.revision));
            let why = check(&path, *step, &self.key, &kind, revision).err()?;
            Some(format!("key {}, step {step}: {why}", self.key.short()))
        };
        self.steps.iter().filter_map(check).collect()
    }

    /// Whether something in it was written after it was listed.
    pub fn was_written_since(&self) -> bool {
        let (mut bytes, mut modified) = (0, SystemTime::UNIX_EPOCH);
        weigh(&self.path, &mut bytes, &mut modified);
        modified > self.modified
    }

    /// Takes it out.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, key: &Key, step: u64) -> PathBuf {
        let path = place(folder, key).join(Checkpoint::name(step));
        fs::create_dir_all(path.join(DATA)).unwrap();
        let (state, points) =
            (format!("state {step}"), format!("{{\"series\":\"loss\",\"step\":{step},\"value\":0.5}}\n"));
        fs::write(path.join(DATA).join("state"), &state).unwrap();
        fs::write(path.join(METRICS), &points).unwrap();
        let file = |text: &str| manifest::File { digest: Digest::of(text), size: text.len() as u64 };
        let files = BTreeMap::from([("state".to_owned(), file(&state))]);
        let head = Checkpoint {
            format: FORMAT,
            key: *key,
            kind: "count".into(),
            revision: 1,
            step,
            trail: vec![(step, Checkpoint::digest(&files).unwrap())],
            files,
            metrics: file(&points),
        };
        fs::write(path.join(HEAD), serde_json::to_vec(&head).unwrap()).unwrap();
        path
    }

    #[test]
    fn a_bad_one_is_passed_over_for_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (Key::of_text("a"), Key::of_text("b"));
        let find = || latest(&place(folder.path(), &key), &key, "count", 1);
        assert!(find().carried.is_none() && find().passed.is_empty());
        for step in [10, 20, 30, 40, 50, 60] {
            write(folder.path(), &key, step);
        }
        let path = |step| place(folder.path(), &key).join(Checkpoint::name(step));
        assert_eq!(find().carried.unwrap().step, 60);
        // A flipped byte, a byte too few, none at all, another's, and one that never got its head.
        fs::write(path(60).join("data/state"), "state 61").unwrap();
        fs::write(path(50).join(METRICS), "").unwrap();
        fs::remove_file(path(40).join("data/state")).unwrap();
        fs::remove_dir_all(path(30)).unwrap();
        fs::rename(write(folder.path(), &other, 30), path(30)).unwrap();
        fs::remove_file(path(20).join(HEAD)).unwrap();
        fs::create_dir(place(folder.path(), &key).join("new-1-70")).unwrap();
        let found = find();
        let carried = found.carried.unwrap();
        assert_eq!(carried.step, 10);
        assert_eq!(carried.metrics, [Metric { series: "loss".into(), step: 10, value: 0.5 }]);
        let said = found.passed.join("\n");
        for part in [
            "step 60 is passed over: its file `state` has the digest",
            "step 50 is passed over: its file `metrics.jsonl` has 0 bytes",
            "step 40 is passed over: its file `state` cannot be read",
            &format!("step 30 is passed over: it belongs to another key, {}", other.short()),
            "step 20 is passed over: its `checkpoint.json` cannot be read",
        ] {
            assert!(said.contains(part), "{part}:\n{said}");
        }
        assert!(!place(folder.path(), &key).join("new-1-70").exists());
        let newer = latest(&place(folder.path(), &key), &key, "count", 2);
        assert!(newer.carried.is_none() && newer.passed[5].contains("revision 1 of count, and this is revision 2"));
    }

    #[test]
    fn shelves_are_listed_checked_and_taken_out() {
        let folder = tempfile::tempdir().unwrap();
        assert!(inventory(folder.path()).unwrap().is_empty());
        let key = Key::of_text("a");
        write(folder.path(), &key, 10);
        let bad = write(folder.path(), &key, 20);
        let [shelf] = &inventory(folder.path()).unwrap()[..] else { panic!("one shelf") };
        assert_eq!((shelf.key, &shelf.steps[..]), (key, &[10, 20][..]));
        assert!(shelf.bytes > 100 && shelf.verify().is_empty() && !shelf.was_written_since());
        fs::write(bad.join("data/state"), "x").unwrap();
        assert!(shelf.verify()[0].contains("step 20: its file `state` has 1 bytes"));
        File::open(bad.join(HEAD)).unwrap().set_modified(shelf.modified + std::time::Duration::from_secs(1)).unwrap();
        assert!(shelf.was_written_since());
        shelf.remove().unwrap();
        assert!(inventory(folder.path()).unwrap().is_empty());
        forget(folder.path(), &key);
    }
}
