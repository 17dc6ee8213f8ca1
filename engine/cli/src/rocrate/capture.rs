//! A study captured: every file that planning it reads, with a place in the crate. What planning does not read is no part of a study.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
};

use isoflop_contract::{Catalog, manifest};
use isoflop_plan::{FileError, Files, Listed, Plan};

use super::no_file;
use crate::{args::StudyArgs, disk::Disk, project, stop::Stop};

/// Where a study lies in a crate.
const FOLDER: &str = "study";

/// Files that a reader wants beside the study, where its folder has them.
const BESIDE: [&str; 7] = ["README.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "LICENCE", "COPYING", "CITATION.cff"];

/// The files of a study.
#[derive(Debug)]
pub struct Captured {
    /// Where each file of the crate's study lies.
    pub files: BTreeMap<String, PathBuf>,
    /// The study's own file in the crate.
    pub main: String,
}

/// The disk, remembering what was read of it.
#[derive(Default)]
struct Recorder(RefCell<BTreeSet<String>>);

impl Recorder {
    fn keep<T>(&self, path: &str, found: Result<T, FileError>) -> Result<T, FileError> {
        if found.is_ok() {
            self.0.borrow_mut().insert(path.to_owned());
        }
        found
    }
}

impl Files for Recorder {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, FileError> {
        self.keep(path, Disk.read(path, limit))
    }

    fn stamp(&self, path: &str) -> Result<manifest::File, FileError> {
        self.keep(path, Disk.stamp(path))
    }

    fn list(&self, path: &str) -> Result<Vec<Listed>, FileError> {
        Disk.list(path)
    }
}

/// Plans the study that the arguments name, and captures its files.
pub fn capture(args: &StudyArgs, catalog: &Catalog) -> Result<(Plan, Captured), Stop> {
    let recorder = Recorder::default();
    let plan = project::plan_from(&recorder, &args.study, &args.set, catalog)?;
    let absolute = |path: &Path| {
        std::path::absolute(path).map(|path| plain(&path)).map_err(|error| {
            Stop::Internal(anyhow::Error::new(error).context(format!("cannot tell where {} lies", path.display())))
        })
    };
    let main = absolute(Path::new(&plan.study.file))?;
    let mut paths =
        recorder.0.take().iter().map(|path| absolute(Path::new(path))).collect::<Result<BTreeSet<_>, _>>()?;
    let folder = main.parent().unwrap_or(Path::new("/")).to_owned();
    paths.extend(BESIDE.iter().map(|name| folder.join(name)).filter(|path| path.is_file()));
    // A study may include files beside its folder: the crate keeps them where they are from it.
    let top = paths.iter().fold(folder, |top, path| common(&top, path.parent().unwrap_or(Path::new("/"))));
    let mut files = BTreeMap::new();
    for path in paths {
        files.insert(place(&top, &path)?, path);
    }
    Ok((plan, Captured { files, main: place(&top, &main)? }))
}

/// The path of a file in the crate.
fn place(top: &Path, path: &Path) -> Result<String, Stop> {
    let inside = path.strip_prefix(top).unwrap_or(path).to_str().filter(|name| !name.contains(['\n', '\r', '\\']));
    let inside = inside.ok_or_else(|| {
        Stop::Usage(format!("the file {} cannot go into a crate by this name; rename it", path.display()))
    })?;
    Ok(format!("{FOLDER}/{inside}"))
}

/// A path without `.` and `..`, as it is written: links are not followed.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}

/// The deepest folder that holds both.
fn common(a: &Path, b: &Path) -> PathBuf {
    a.components().zip(b.components()).take_while(|(a, b)| a == b).map(|(a, _)| a).collect()
}

impl Files for Captured {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, FileError> {
        Disk.read(&self.find(path)?, limit)
    }

    fn stamp(&self, path: &str) -> Result<manifest::File, FileError> {
        Disk.stamp(&self.find(path)?)
    }

    fn list(&self, path: &str) -> Result<Vec<Listed>, FileError> {
        Listed::among(self.files.keys(), path)
    }
}

impl Captured {
    fn find(&self, path: &str) -> Result<String, FileError> {
        let found = self.files.get(path).ok_or_else(|| no_file(self.files.keys(), path))?;
        found.to_str().map(str::to_owned).ok_or_else(|| FileError::Other("its path is not UTF-8".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_beside_the_study_keeps_its_place() {
        let top = common(Path::new("/a/b/study"), Path::new("/a/b/parts"));
        assert_eq!(top, Path::new("/a/b"));
        assert_eq!(place(&top, Path::new("/a/b/parts/x.yaml")).unwrap(), "study/parts/x.yaml");
        assert_eq!(plain(Path::new("/a/./b/../c")), Path::new("/a/c"));
        assert!(matches!(place(&top, Path::new("/a/b/x\ny")), Err(Stop::Usage(_))));
    }
}
