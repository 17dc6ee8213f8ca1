//! Honesty: what a worker left behind, held against what it was allowed to do. Its inputs are links to what the store keeps, so writing to one
//! is the one way in which a worker can harm others without leaving its folder; and what it says it made must be there.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::scratch::Scratch;

/// What a worker was given, as it was then.
#[derive(Debug, Default)]
pub(crate) struct Given(Vec<(PathBuf, Stamp)>);

/// What changes when somebody writes to a file, and not when it gets or loses another name.
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
    /// Notes all that lies in the attempt's folder for its worker to read.
    pub(crate) fn note(scratch: &Scratch) -> io::Result<Self> {
        let mut files = Vec::new();
        let mut open: Vec<PathBuf> = ["in", "files"].iter().map(|part| scratch.path().join(part)).collect();
        while let Some(folder) = open.pop() {
            if !folder.exists() {
                continue;
            }
            for entry in fs::read_dir(folder)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    open.push(entry.path());
                } else {
                    files.push((entry.path(), Stamp::of(&entry.path())?));
                }
            }
        }
        Ok(Self(files))
    }

    /// What the worker did that it may not, if anything. It must be gone by now.
    pub(crate) fn lie(&self, scratch: &Scratch) -> Option<String> {
        let shown = |path: &Path| path.strip_prefix(scratch.path()).unwrap_or(path).display().to_string();
        for (path, stamp) in &self.0 {
            match Stamp::of(path) {
                Ok(now) if now == *stamp => {}
                Ok(_) => {
                    return Some(format!(
                        "it wrote to `{}`, which it may only read; the store notices what became of it when it is next read",
                        shown(path)
                    ));
                }
                Err(_) => return Some(format!("it took away `{}`, which it may only read", shown(path))),
            }
        }
        let out = scratch.out();
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
        let empty = fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_none());
        empty.then(|| "it said it made its artifact, but left nothing in `out`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use isoflop_ledger::Holder;

    use super::*;

    #[test]
    fn what_a_worker_may_not_do_is_found() {
        let home = tempfile::tempdir().unwrap();
        let fresh = |name: &str| {
            let scratch = Scratch::create(home.path(), name, &Holder::here()).unwrap();
            fs::create_dir_all(scratch.input("data", 0)).unwrap();
            let file = scratch.input("data", 0).join("x");
            fs::write(&file, "abc").unwrap();
            fs::write(scratch.out().join("y"), "made").unwrap();
            let given = Given::note(&scratch).unwrap();
            (scratch, given, file)
        };
        let (scratch, given, file) = fresh("honest");
        fs::hard_link(&file, home.path().join("another name")).unwrap();
        assert_eq!(given.lie(&scratch), None);
        let (scratch, given, file) = fresh("writes");
        fs::write(&file, "abcd").unwrap();
        assert!(given.lie(&scratch).unwrap().starts_with("it wrote to `in/data/0/x`"));
        let (scratch, given, file) = fresh("takes");
        fs::remove_file(&file).unwrap();
        assert!(given.lie(&scratch).unwrap().starts_with("it took away `in/data/0/x`"));
        let (scratch, given, _) = fresh("claims");
        fs::remove_file(scratch.out().join("y")).unwrap();
        assert_eq!(given.lie(&scratch).unwrap(), "it said it made its artifact, but left nothing in `out`");
        fs::remove_dir(scratch.out()).unwrap();
        assert!(given.lie(&scratch).unwrap().ends_with("is gone"));
        symlink(home.path(), scratch.out()).unwrap();
        assert!(given.lie(&scratch).unwrap().starts_with("it put a symbolic link"));
    }
}
