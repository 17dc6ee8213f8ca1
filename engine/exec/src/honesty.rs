//! Honesty: what a worker left behind, held against what it was allowed to do. Its inputs may be links to what the store keeps, so writing to one
//! is the one way in which a worker can harm others without leaving its folder; and what it says it made must be there.
//!
//! Who finds an input changed need not be who changed it: a blob has one inode, whoever reads it by whatever name. So [`Readers`] knows which
//! programs had which blobs in hand at the same time, and all of them are named.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use isoflop_contract::{Digest, Manifest};

use crate::room::Room;

/// The files that a worker was given, as they were then.
#[derive(Debug, Default)]
pub(crate) struct Given {
    files: Vec<(PathBuf, Stamp, Digest)>,
    /// Whether they are given to a program of the study's own, of which nothing is known.
    foreign: bool,
    reading: Option<Reading>,
}

/// What changes when somebody writes to a file. A new time is a suspicion and no proof: the store may renew the time of a blob that it meets again,
/// and the time of the inode changes with each name that comes and goes.
#[derive(Debug)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    /// Only where a program may have put the other time back.
    changed: Option<(i64, i64)>,
    /// Whether the inode has other names, the store's among them.
    shared: bool,
}

impl Stamp {
    fn of(path: &Path, foreign: bool) -> io::Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        Ok(Self {
            inode: meta.ino(),
            size: meta.size(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: foreign.then(|| (meta.ctime(), meta.ctime_nsec())),
            shared: meta.nlink() > 1,
        })
    }

    /// Whether nobody has written to the file since `then`.
    fn is_unwritten(&self, then: &Self) -> bool {
        let of = |stamp: &Self| (stamp.inode, stamp.size, stamp.modified, stamp.changed);
        of(self) == of(then)
    }
}

impl Given {
    /// Nothing yet, for a worker that runs a program of the study's own, or one of ours.
    pub(crate) fn to(foreign: bool) -> Self {
        Self { foreign, ..Self::default() }
    }

    /// Notes the files of `manifest` that lie in `folder`.
    pub(crate) fn note(&mut self, folder: &Path, manifest: &Manifest) -> io::Result<()> {
        for (name, file) in &manifest.files {
            let path = folder.join(name);
            let stamp = Stamp::of(&path, self.foreign)?;
            self.files.push((path, stamp, file.digest));
        }
        Ok(())
    }

    /// From now on `task` reads all that was noted.
    pub(crate) fn begin(&mut self, task: &str, readers: &Arc<Readers>) {
        let blobs = self.files.iter().filter(|(_, stamp, _)| stamp.shared).map(|(.., digest)| *digest).collect();
        self.reading = Some(readers.begin(task, blobs, self.foreign));
    }

    /// What the worker did that it may not, if anything. It must be gone by now. Who `counted`, and told numbers, need not leave files.
    pub(crate) fn breach(&self, room: &Room, counted: bool) -> Option<String> {
        let shown = |path: &Path| path.strip_prefix(room.path()).unwrap_or(path).display().to_string();
        for (path, stamp, digest) in &self.files {
            let input = shown(path);
            match Stamp::of(path, self.foreign) {
                Ok(now) if now.is_unwritten(stamp) => {}
                Ok(now) if now.size == stamp.size && holds(path, digest) => {}
                Ok(_) if !stamp.shared => {
                    return Some(format!("the program changed its input `{input}`, which it may only read"));
                }
                Ok(_) => return Some(self.suspects(&input, digest)),
                Err(_) => return Some(format!("the program took away its input `{input}`, which it may only read")),
            }
        }
        let out = room.out();
        match fs::symlink_metadata(&out) {
            Ok(meta) if meta.is_symlink() => {
                return Some(
                    "the worker lied: it put a symbolic link in the place of `out`; what it makes has to lie in its own folder"
                        .to_owned(),
                );
            }
            Ok(meta) if meta.is_dir() => {}
            _ => return Some("the worker lied: it said it made its artifact, but its folder `out` is gone".to_owned()),
        }
        let empty = !counted && fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_none());
        empty.then(|| "the worker lied: it said it made its artifact, but left nothing in `out`".to_owned())
    }

    /// Whoever may have changed a file that the store keeps.
    fn suspects(&self, input: &str, blob: &Digest) -> String {
        let others = self.reading.as_ref().map_or_else(BTreeSet::new, |reading| reading.beside(blob));
        let others = others.iter().map(|task| format!("`{task}`")).collect::<Vec<_>>().join(", ");
        let after = "the store finds it when it is next read, and has it made again";
        match (others.as_str(), self.foreign) {
            ("", _) => format!("the program changed its input `{input}`, which it may only read; {after}"),
            (_, true) => format!(
                "its input `{input}` was changed: by this program, or by that of {others}, which had it at the same time; {after}"
            ),
            (_, false) => {
                format!("its input `{input}` was changed while it read it; {others} had it at the same time; {after}")
            }
        }
    }
}

/// Who reads which blobs of the store, by names of their own.
#[derive(Debug, Default)]
pub(crate) struct Readers(Mutex<BTreeMap<u64, Reader>>);

#[derive(Debug)]
struct Reader {
    task: String,
    blobs: BTreeSet<Digest>,
    foreign: bool,
    /// Foreign readers beside it since it began, with the blobs that they share.
    beside: BTreeMap<String, BTreeSet<Digest>>,
}

impl Reader {
    fn meet(&mut self, other: &str, blobs: &BTreeSet<Digest>) {
        let shared: BTreeSet<Digest> = self.blobs.intersection(blobs).copied().collect();
        if !shared.is_empty() {
            self.beside.entry(other.to_owned()).or_default().extend(shared);
        }
    }
}

impl Readers {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Reader>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, task: &str, blobs: BTreeSet<Digest>, foreign: bool) -> Reading {
        let mut all = self.all();
        let mut new = Reader { task: task.to_owned(), blobs, foreign, beside: BTreeMap::new() };
        for other in all.values_mut() {
            if other.foreign {
                new.meet(&other.task, &other.blobs);
            }
            if foreign {
                other.meet(task, &new.blobs);
            }
        }
        let number = all.last_key_value().map_or(0, |(last, _)| last + 1);
        all.insert(number, new);
        Reading { readers: Arc::clone(self), number }
    }
}

/// One who reads, until it is dropped.
#[derive(Debug)]
struct Reading {
    readers: Arc<Readers>,
    number: u64,
}

impl Reading {
    fn beside(&self, blob: &Digest) -> BTreeSet<String> {
        let all = self.readers.all();
        let beside = all.get(&self.number).into_iter().flat_map(|reader| &reader.beside);
        beside.filter(|(_, blobs)| blobs.contains(blob)).map(|(task, _)| task.clone()).collect()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.readers.all().remove(&self.number);
    }
}

fn holds(path: &Path, digest: &Digest) -> bool {
    File::open(path).and_then(Digest::of_reader).is_ok_and(|(found, _)| found == *digest)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::symlink, sync::Arc, time::SystemTime};

    use isoflop_contract::manifest;

    use isoflop_ledger::Holder;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn what_a_worker_may_not_do_is_found() {
        let home = tempfile::tempdir().unwrap();
        let scratch = Arc::new(Scratch::create(home.path(), "run", &Holder::here()).unwrap());
        let fresh = |name: &str, foreign: bool| {
            let room = Room::create(&scratch, name).unwrap();
            fs::create_dir_all(room.input("data", 0)).unwrap();
            let file = room.input("data", 0).join("x");
            fs::write(&file, "abc").unwrap();
            fs::write(room.out().join("y"), "made").unwrap();
            let blob = manifest::File { digest: Digest::of("abc"), size: 3 };
            let files = BTreeMap::from([("x".to_owned(), blob)]);
            let mut given = Given::to(foreign);
            given
                .note(file.parent().unwrap(), &Manifest { shape: "text".into(), files, scalars: BTreeMap::new() })
                .unwrap();
            (room, given, file)
        };
        let (room, given, file) = fresh("honest", false);
        fs::hard_link(&file, home.path().join("another name")).unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(given.breach(&room, false), None, "a new name and a renewed time are no writes");
        let (room, given, file) = fresh("writes", false);
        fs::write(&file, "abd").unwrap();
        assert!(given.breach(&room, false).unwrap().starts_with("the program changed its input `in/data/0/x`"));
        let (room, given, file) = fresh("puts the time back", true);
        let before = fs::metadata(&file).unwrap().modified().unwrap();
        fs::write(&file, "abd").unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(before).unwrap();
        assert!(given.breach(&room, false).unwrap().starts_with("the program changed its input `in/data/0/x`"));
        let (room, given, file) = fresh("takes", false);
        fs::remove_file(&file).unwrap();
        assert!(given.breach(&room, false).unwrap().starts_with("the program took away its input `in/data/0/x`"));
        let (room, given, _) = fresh("claims", false);
        fs::remove_file(room.out().join("y")).unwrap();
        assert_eq!(
            given.breach(&room, false).unwrap(),
            "the worker lied: it said it made its artifact, but left nothing in `out`"
        );
        assert_eq!(given.breach(&room, true), None);
        fs::remove_dir(room.out()).unwrap();
        assert!(given.breach(&room, false).unwrap().ends_with("is gone"));
        symlink(home.path(), room.out()).unwrap();
        assert!(given.breach(&room, false).unwrap().contains("it put a symbolic link"));
    }

    #[test]
    fn all_who_had_a_file_at_the_same_time_are_named() {
        let readers = Arc::new(Readers::default());
        let of = |text: &str| BTreeSet::from([Digest::of(text)]);
        let gone = readers.begin("gone", of("shared"), true);
        drop(gone);
        let innocent = readers.begin("innocent", of("shared"), true);
        let writer = readers.begin("writer", of("shared"), true);
        let ours = readers.begin("ours", of("shared"), false);
        let elsewhere = readers.begin("elsewhere", of("other"), true);
        let names = |reading: &Reading| reading.beside(&Digest::of("shared")).into_iter().collect::<Vec<_>>();
        assert_eq!(names(&innocent), ["writer"], "bodies of ours are trusted");
        drop(writer);
        assert_eq!(
            (names(&innocent), names(&ours)),
            (vec!["writer".to_owned()], vec!["innocent".to_owned(), "writer".to_owned()])
        );
        assert!(names(&elsewhere).is_empty());
    }
}
