//! Remains: folders of attempts that failed, kept in `failed/<attempt>` to be looked at and tried again in by hand, where that was asked for. A file `failure.txt`
//! in each says whose it was and why it failed. `gc` takes them with age.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    time::SystemTime,
};

use isoflop_ledger::AttemptId;

use crate::{room::Room, scratch::remove_all};

/// The folder of all, below the project's.
const ALL: &str = "failed";

/// What is said in each.
const WHY: &str = "failure.txt";

/// What one attempt left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remains {
    /// Where it is.
    pub path: PathBuf,
    /// Bytes that nobody else has: inputs may be links to files of the store.
    pub bytes: u64,
    /// When it was put there.
    pub since: SystemTime,
}

/// Keeps `room`, of which `why` is said, below `folder`. Answers with its new place.
pub(crate) fn keep(room: Room, folder: &Path, attempt: AttemptId, why: &str) -> io::Result<PathBuf> {
    let (from, to) = (room.path().to_owned(), folder.join(ALL).join(attempt.to_string()));
    fs::create_dir_all(folder.join(ALL))?;
    fs::rename(&from, &to)?;
    drop(room); // nothing is left to remove
    relink(&to, &from, &to)?;
    fs::write(to.join(WHY), why)?;
    Ok(to)
}

/// Links below `folder` to what was moved `from` there follow it.
fn relink(folder: &Path, from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let (path, kind) = entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
        if kind.is_dir() {
            relink(&path, from, to)?;
        } else if kind.is_symlink()
            && let Ok(inside) = fs::read_link(&path)?.strip_prefix(from)
        {
            fs::remove_file(&path)?;
            symlink(to.join(inside), &path)?;
        }
    }
    Ok(())
}

/// What attempts left below `folder`.
pub fn inventory(folder: &Path) -> io::Result<Vec<Remains>> {
    let entries = match fs::read_dir(folder.join(ALL)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let remains = entries.flatten().filter_map(|entry| {
        let path = entry.path();
        let since = fs::metadata(path.join(WHY)).or_else(|_| fs::symlink_metadata(&path)).ok()?.modified().ok()?;
        Some(Remains { bytes: weight(&path), since, path })
    });
    Ok(remains.collect())
}

/// What can be seen of it: a program may have closed a folder to its owner, and somebody may be clearing up.
fn weight(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let weights = entries.map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => weight(&entry.path()),
        Ok(about) if about.is_file() && about.nlink() == 1 => about.len(),
        _ => 0,
    });
    weights.sum()
}

impl Remains {
    /// Takes them out.
    pub fn remove(&self) {
        remove_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use isoflop_ledger::Holder;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_room_moves_with_its_links_and_goes_when_it_is_told_to() {
        let home = tempfile::tempdir().unwrap();
        let scratch = Arc::new(Scratch::create(home.path(), "run", &Holder::here()).unwrap());
        let room = Room::create(&scratch, "one").unwrap();
        let from = room.path().to_owned();
        fs::write(room.out().join("half"), "half").unwrap();
        fs::create_dir_all(room.tmp().join("work")).unwrap();
        symlink(room.out(), room.tmp().join("work/results")).unwrap();
        symlink("/etc/hostname", room.tmp().join("work/elsewhere")).unwrap();
        assert_eq!(inventory(home.path()).unwrap(), []);
        let to = keep(room, home.path(), AttemptId::new(), "it had enough").unwrap();
        assert!(!from.exists());
        assert_eq!(fs::read_to_string(to.join("tmp/work/results/half")).unwrap(), "half");
        assert_eq!(fs::read_link(to.join("tmp/work/elsewhere")).unwrap(), Path::new("/etc/hostname"));
        let all = inventory(home.path()).unwrap();
        assert_eq!((all.len(), &all[0].path, all[0].bytes), (1, &to, 17));
        all[0].remove();
        assert_eq!(inventory(home.path()).unwrap(), []);
    }
}
