//! The library: the study's folder as planning looks at it. Each file is hashed and each folder listed once a plan.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use isoflop_contract::manifest::File;

use crate::{
    glob::{Glob, Part},
    source::{FileError, Files, Listed},
    suggest,
};

/// How many names are looked at for all globs of a plan.
const LOOK_LIMIT: usize = 1_000_000;

/// What was found out, by name.
type Known<T> = BTreeMap<String, Result<T, FileError>>;

/// The folder of a study.
pub(crate) struct Library<'w> {
    files: &'w dyn Files,
    folder: &'w str,
    stamps: RefCell<Known<File>>,
    lists: RefCell<Known<Rc<[Listed]>>>,
    looked: Cell<usize>,
}

impl<'w> Library<'w> {
    /// The folder that holds the study at `path`.
    pub(crate) fn of(files: &'w dyn Files, path: &'w str) -> Self {
        Self {
            files,
            folder: above(path),
            stamps: RefCell::default(),
            lists: RefCell::default(),
            looked: Cell::default(),
        }
    }

    /// The parts of the folder of `source`, a path like the study's own, from the study's folder; with `..` in front if it lies outside.
    pub(crate) fn base(&self, source: &str) -> Vec<String> {
        let (home, there) = (parts(self.folder), parts(above(source)));
        let shared = home.iter().zip(&there).take_while(|(a, b)| a == b).count();
        let up = home[shared..].iter().map(|_| "..".to_owned());
        up.chain(there[shared..].iter().cloned()).collect()
    }

    /// Where the caller reads the file `name` of the folder.
    pub(crate) fn path(&self, name: &str) -> String {
        match self.folder {
            "" => name.to_owned(),
            folder if folder.ends_with('/') => format!("{folder}{name}"),
            folder => format!("{folder}/{name}"),
        }
    }

    /// Digest and size of a file of the folder.
    pub(crate) fn stamp(&self, name: &str) -> Result<File, FileError> {
        let known = self.stamps.borrow().get(name).cloned();
        known.unwrap_or_else(|| {
            let stamp = self.files.stamp(&self.path(name));
            self.stamps.borrow_mut().insert(name.to_owned(), stamp.clone());
            stamp
        })
    }

    /// What a folder below holds; the empty name is the study's folder.
    fn list(&self, name: &str) -> Result<Rc<[Listed]>, FileError> {
        let known = self.lists.borrow().get(name).cloned();
        known.unwrap_or_else(|| {
            let path = if name.is_empty() { self.folder.to_owned() } else { self.path(name) };
            let list = self.files.list(&path).map(Rc::from);
            self.lists.borrow_mut().insert(name.to_owned(), list.clone());
            list
        })
    }

    /// Whether a name is that of a folder.
    pub(crate) fn is_folder(&self, name: &str) -> bool {
        self.list(name).is_ok()
    }

    /// All files that a glob names, in order. A folder that cannot be listed is no match, unless the system has something to say of it.
    pub(crate) fn find(&self, glob: &Glob) -> Result<BTreeSet<String>, FileError> {
        let mut found = BTreeSet::new();
        self.walk("", &glob.0, &mut found)?;
        Ok(found)
    }

    fn walk(&self, folder: &str, parts: &[Part], found: &mut BTreeSet<String>) -> Result<(), FileError> {
        let Some((part, rest)) = parts.split_first() else { return Ok(()) };
        if *part == Part::Deep && !rest.is_empty() {
            self.walk(folder, rest, found)?;
        }
        if let (Part::Plain(name), false) = (part, rest.is_empty()) {
            return self.walk(&join(folder, name), rest, found);
        }
        let listed = match self.list(folder) {
            Err(FileError::Missing | FileError::Folder) => return Ok(()),
            listed => listed?,
        };
        self.looked.set(self.looked.get() + listed.len());
        if self.looked.get() > LOOK_LIMIT {
            return Err(FileError::Other(format!("more than {LOOK_LIMIT} names had to be looked at")));
        }
        for Listed { name, folder: is_folder } in listed.iter().filter(|listed| part.matches(&listed.name)) {
            let name = join(folder, name);
            match (part, *is_folder) {
                (Part::Deep, true) => self.walk(&name, parts, found)?,
                (Part::Deep, false) if rest.is_empty() => drop(found.insert(name)),
                (Part::Deep, false) => {}
                (_, true) => self.walk(&name, rest, found)?,
                (_, false) if rest.is_empty() => drop(found.insert(name)),
                (_, false) => {}
            }
        }
        Ok(())
    }

    /// What may have been meant by a path, or what there is in the deepest folder of it that there is. `wanted` is from the study's
    /// folder; `base` is what it is written relative to.
    pub(crate) fn meant(&self, wanted: &[String], base: &[String]) -> Option<String> {
        let mut folder = String::new();
        if wanted.iter().rev().skip(1).any(|part| part.contains(['*', '?', '['])) {
            return None;
        }
        for (depth, name) in wanted.iter().enumerate() {
            let listed = self.list(&folder).ok()?;
            let here = |entry: &&Listed| entry.name == *name && (entry.folder || depth + 1 == wanted.len());
            if let Some(entry) = listed.iter().find(here) {
                folder = join(&folder, &entry.name);
                continue;
            }
            let last = depth + 1 == wanted.len();
            let fitting = listed.iter().filter(|entry| entry.folder != last && !entry.name.starts_with('.'));
            let there: Vec<&str> = fitting.map(|entry| entry.name.as_str()).collect();
            let written = |name: &str| {
                let path = parts(&join(&folder, name));
                path.strip_prefix(base).unwrap_or(&path).join("/")
            };
            return match suggest::nearest(name, there.iter().copied()) {
                Some(near) => Some(format!(
                    "did you mean `{}`?",
                    [vec![written(near)], wanted[depth + 1..].to_vec()].concat().join("/")
                )),
                None if last => suggest::hint(name, there.iter().copied()),
                None => Some(format!("there is no folder `{}`", written(name))),
            };
        }
        None
    }
}

/// The folder of a path.
fn above(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) => "/",
        Some(at) => &path[..at],
        None => "",
    }
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// The parts of a path, with `.` and what `..` undoes left out.
pub(crate) fn parts(path: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." && parts.last().is_some_and(|last| last != "..") {
            parts.pop();
        } else {
            parts.push(part.to_owned());
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Memory;

    fn find(glob: &str) -> Vec<String> {
        let names =
            ["s/a.py", "s/lib/b.py", "s/lib/deep/c.py", "s/lib/.x/d.py", "s/lib/__pycache__/e.py", "s/.f.py", "t.py"];
        let memory = Memory(names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect());
        let library = Library::of(&memory, "s/study.yaml");
        library.find(&Glob::parse(glob.split('/')).unwrap()).unwrap().into_iter().collect()
    }

    #[test]
    fn globs_find_files_in_order_and_each_once() {
        assert_eq!(find("*.py"), ["a.py"]);
        assert_eq!(find("**/*.py"), ["a.py", "lib/b.py", "lib/deep/c.py"]);
        assert_eq!(find("lib/**"), ["lib/b.py", "lib/deep/c.py"]);
        assert_eq!(find("**/**/c.py"), ["lib/deep/c.py"]);
        assert_eq!(find("l*/b.py"), ["lib/b.py"]);
        assert_eq!(find("lib/.x/*"), ["lib/.x/d.py"]);
        assert_eq!(find("lib"), [""; 0], "a folder is no file");
        assert_eq!(find("nowhere/*"), [""; 0]);
    }

    #[test]
    fn a_source_is_found_from_the_studys_folder() {
        let memory = Memory::default();
        let library = Library::of(&memory, "studies/a/study.yaml");
        assert_eq!(library.base("studies/a/study.yaml"), [""; 0]);
        assert_eq!(library.base("studies/a/parts/x.yaml"), ["parts"]);
        assert_eq!(library.base("studies/a/../b/x.yaml"), ["..", "b"]);
        assert_eq!(library.path("x"), "studies/a/x");
        assert_eq!(Library::of(&memory, "study.yaml").path("x"), "x");
        assert_eq!(Library::of(&memory, "/study.yaml").path("x"), "/x");
    }

    #[test]
    fn what_was_meant_is_found_part_by_part() {
        let names = ["train.py", "lib/model.py", "data/x.csv"];
        let memory = Memory(names.iter().map(|name| ((*name).to_owned(), Vec::new())).collect());
        let library = Library::of(&memory, "study.yaml");
        let meant = |path: &str, base: &str| library.meant(&parts(path), &parts(base)).unwrap();
        assert_eq!(meant("trian.py", ""), "did you mean `train.py`?");
        assert_eq!(meant("lbi/model.py", ""), "did you mean `lib/model.py`?");
        assert_eq!(meant("lib/modle.py", "lib"), "did you mean `model.py`?");
        assert_eq!(meant("quantum/x.csv", ""), "there is no folder `quantum`");
        assert_eq!(meant("data/quantum", ""), "there is `x.csv`");
    }
}
