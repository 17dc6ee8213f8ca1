//! Honesty: what a worker left behind, held against what it was allowed to do. Its inputs are links to what the store keeps, so writing to one
//! is the one way in which a worker can harm others without leaving its folder; and what it says it made must be there.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use isoflop_contract::{Digest, Manifest};

use crate::room::Room;

/// The files that a worker was given, as they were then.
#[derive(Debug, Default)]
pub(crate) struct Given(Vec<(PathBuf, Stamp, Digest)>);

/// What changes when somebody writes to a file, and not when it gets or loses another name. The store may renew the time of a blob that it
/// meets again, so a new time is a suspicion and no proof.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let meta = fs::symlink_metadata(path)?;
        Ok(Self { inode: meta.ino(), size: meta.size(), modified: (meta.mtime(), meta.mtime_nsec()) })
    }
}

impl Given {
    /// Notes the files of `manifest` that lie in `folder`.
    pub(crate) fn note(&mut self, folder: &Path, manifest: &Manifest) -> io::Result<()> {
        for (name, file) in &manifest.files {
            let path = folder.join(name);
            let stamp = Stamp::of(&path)?;
            self.0.push((path, stamp, file.digest));
        }
        Ok(())
    }

    /// What the worker did that it may not, if anything. It must be gone by now. Who `counted`, and told numbers, need not leave files.
    pub(crate) fn lie(&self, room: &Room, counted: bool) -> Option<String> {
        let shown = |path: &Path| path.strip_prefix(room.path()).unwrap_or(path).display().to_string();
        for (path, stamp, digest) in &self.0 {
            match Stamp::of(path) {
                Ok(now) if now == *stamp => {}
                Ok(now) if now.size == stamp.size && holds(path, digest) => {}
                Ok(_) => {
                    return Some(format!(
                        "it wrote to `{}`, which it may only read; the store notices what became of it when it is next read",
                        shown(path)
                    ));
                }
                Err(_) => return Some(format!("it took away `{}`, which it may only read", shown(path))),
            }
        }
        let out = room.out();
        match fs::symlink_metadata(&out) {
            Ok(meta) if meta.is_symlink() => {
                return Some(
                    "it put a symbolic link in the place of `out`; what it makes has to lie in its own folder"
                        .to_owned(),
                );
            }
            Ok(meta) if meta.is_dir() => {}
            _ => return Some("it said it made its artifact, but its folder `out` is gone".to_owned()),
        }
        let empty = !counted && fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_none());
        empty.then(|| "it said it made its artifact, but left nothing in `out`".to_owned())
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
        let fresh = |name: &str| {
            let room = Room::create(&scratch, name).unwrap();
            fs::create_dir_all(room.input("data", 0)).unwrap();
            let file = room.input("data", 0).join("x");
            fs::write(&file, "abc").unwrap();
            fs::write(room.out().join("y"), "made").unwrap();
            let blob = manifest::File { digest: Digest::of("abc"), size: 3 };
            let files = BTreeMap::from([("x".to_owned(), blob)]);
            let mut given = Given::default();
            given
                .note(file.parent().unwrap(), &Manifest { shape: "text".into(), files, scalars: BTreeMap::new() })
                .unwrap();
            (room, given, file)
        };
        let (room, given, file) = fresh("honest");
        fs::hard_link(&file, home.path().join("another name")).unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(given.lie(&room, false), None, "a new name and a renewed time are no writes");
        let (room, given, file) = fresh("writes");
        fs::write(&file, "abd").unwrap();
        assert!(given.lie(&room, false).unwrap().starts_with("it wrote to `in/data/0/x`"));
        let (room, given, file) = fresh("takes");
        fs::remove_file(&file).unwrap();
        assert!(given.lie(&room, false).unwrap().starts_with("it took away `in/data/0/x`"));
        let (room, given, _) = fresh("claims");
        fs::remove_file(room.out().join("y")).unwrap();
        assert_eq!(given.lie(&room, false).unwrap(), "it said it made its artifact, but left nothing in `out`");
        assert_eq!(given.lie(&room, true), None);
        fs::remove_dir(room.out()).unwrap();
        assert!(given.lie(&room, false).unwrap().ends_with("is gone"));
        symlink(home.path(), room.out()).unwrap();
        assert!(given.lie(&room, false).unwrap().starts_with("it put a symbolic link"));
    }
}
