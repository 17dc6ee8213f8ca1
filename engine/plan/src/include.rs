//! Includes: the files of a study, each read once, and which includes which.
//!
//! A path is relative to the file that writes it. Whatever is wrong with a file is said once, and the rest of the study is read all the same.

use std::collections::BTreeMap;

use crate::{
    fields::FieldReader,
    finding::{Finding, Inbox},
    form::first_line,
    source::{FileError, Files, SIZE_LIMIT, Sources, Span},
    suggest,
    yaml::{self, Kind, Node},
};

/// How many files a study may have.
pub(crate) const FILE_LIMIT: usize = 64;

/// The files of a study, its own first.
pub(crate) struct Documents {
    pub(crate) sources: Sources,
    pub(crate) list: Vec<Document>,
}

/// A file of a study.
pub(crate) struct Document {
    /// Its tree, unless none could be made of it.
    pub(crate) root: Option<Node>,
    /// The files it includes, in order.
    pub(crate) includes: Vec<usize>,
}

/// Reads the study at `path` and all that it includes.
pub(crate) fn load(files: &dyn Files, path: &str, inbox: &mut Inbox) -> Documents {
    let mut loader = Loader {
        files,
        inbox,
        sources: Sources::default(),
        list: Vec::new(),
        known: BTreeMap::new(),
        way: Vec::new(),
        bytes: 0,
        nodes: 0,
        full: false,
    };
    match files.read(path, SIZE_LIMIT) {
        Ok(bytes) => drop(loader.document(&normal(path), path, bytes, None)),
        Err(error) => {
            loader.sources.add(path, String::new(), None);
            let finding = match error {
                FileError::TooLarge(size) => {
                    Finding::new("too-large", format!("the file has {size} bytes; a study may have {SIZE_LIMIT}"))
                }
                other => Finding::new("no-file", format!("the study cannot be read: {other}")),
            };
            loader.inbox.push(finding);
        }
    }
    Documents { sources: loader.sources, list: loader.list }
}

struct Loader<'l> {
    files: &'l dyn Files,
    inbox: &'l mut Inbox,
    sources: Sources,
    list: Vec<Document>,
    /// Files that have been read, by path; `None` if no text can be made of one.
    known: BTreeMap<String, Option<usize>>,
    /// The files that are being read, each with the place that includes the next.
    way: Vec<(String, Span)>,
    bytes: usize,
    nodes: usize,
    full: bool,
}

impl Loader<'_> {
    /// Reads the text of the file `path`, which messages call `label`, and what it includes. `None` if no tree can be made of it.
    fn document(&mut self, path: &str, label: &str, bytes: Vec<u8>, included: Option<Span>) -> Option<usize> {
        self.bytes += bytes.len();
        let at = self.list.len();
        self.list.push(Document { root: None, includes: Vec::new() });
        let source = match self.sources.add_bytes(label, bytes, included) {
            Ok(source) => source,
            Err(finding) => {
                self.inbox.push(*finding);
                return None;
            }
        };
        match yaml::read(&self.sources, source, &mut self.nodes, self.inbox) {
            Ok(root) => self.list[at].root = Some(root),
            Err(finding) => {
                self.inbox.push(match (finding.code, included) {
                    ("empty", None) => finding.hint("`isoflop init` writes a study to begin with"),
                    ("empty", Some(span)) => {
                        Finding::new("empty", format!("the included file `{path}` is empty")).at(span, "included here")
                    }
                    _ => *finding,
                });
                return None;
            }
        }
        for (written, span) in self.written(at) {
            self.way.push((path.to_owned(), span));
            if let Some(included) = self.include(path, &written, span) {
                self.list[at].includes.push(included);
            }
            self.way.pop();
        }
        Some(at)
    }

    /// The paths under `include:`.
    fn written(&mut self, at: usize) -> Vec<(String, Span)> {
        let Some(Node { kind: Kind::Map(entries), .. }) = &self.list[at].root else { return Vec::new() };
        let Some(entry) = entries.iter().find(|entry| entry.key == "include") else { return Vec::new() };
        let mut reader = FieldReader { sources: &self.sources, inbox: self.inbox };
        let items = match &entry.value.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Null => &[],
            _ => std::slice::from_ref(&entry.value),
        };
        items.iter().filter_map(|item| reader.fixed_text(item, "an included file")).collect()
    }

    fn include(&mut self, from: &str, written: &str, span: Span) -> Option<usize> {
        let place = first_line(&self.sources, span);
        let path = match resolve(from, written) {
            Ok(path) => path,
            Err(message) => {
                let hint = "write a path relative to this file, as in `parts/recipe.yaml`";
                self.inbox.push(Finding::new("bad-path", message).at(place, "this path").hint(hint));
                return None;
            }
        };
        if let Some(start) = self.way.iter().position(|(open, _)| *open == path) {
            self.cycle(start, &path);
            return None;
        }
        if let Some(known) = self.known.get(&path) {
            return *known;
        }
        if self.list.len() >= FILE_LIMIT {
            if !self.full {
                let message = format!("the study has more than {FILE_LIMIT} files");
                self.inbox.push(Finding::new("too-many-files", message).at(place, "the limit is passed here"));
            }
            self.full = true;
            return None;
        }
        let read = self.files.read(&path, SIZE_LIMIT.saturating_sub(self.bytes));
        let known = match read {
            Ok(bytes) => self.document(&path, &path, bytes, Some(span)),
            Err(error) => {
                let finding = self.unreadable(&path, written, &error);
                self.inbox.push(finding.at(place, "included here"));
                None
            }
        };
        self.known.insert(path, known);
        known
    }

    fn unreadable(&self, path: &str, written: &str, error: &FileError) -> Finding {
        match error {
            FileError::Missing => {
                Finding::new("no-file", format!("there is no file `{path}`")).maybe_hint(self.near(path, written))
            }
            FileError::Folder => {
                Finding::new("no-file", format!("`{path}` is a folder, and only files can be included"))
                    .maybe_hint(self.inside(path, written))
            }
            FileError::TooLarge(size) => {
                let before =
                    if self.bytes == 0 { String::new() } else { format!(" after {} bytes of others", self.bytes) };
                let message =
                    format!("`{path}` has {size} bytes{before}; the files of a study may have {SIZE_LIMIT} together");
                Finding::new("too-large", message)
            }
            FileError::Other(said) => Finding::new("no-file", format!("`{path}` cannot be read: {said}")),
        }
    }

    /// A file beside `path` that may have been meant, as it would be written.
    fn near(&self, path: &str, written: &str) -> Option<String> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let listed = match self.files.list(folder) {
            Ok(listed) => listed,
            Err(_) if folder.is_empty() => return None,
            Err(_) => return Some(format!("there is no folder `{folder}`")),
        };
        let files = listed.iter().filter(|file| !file.folder).map(|file| file.name.as_str());
        let near = suggest::nearest(name, files)?;
        let beside = written.rsplit_once('/').map_or("", |(folder, _)| folder);
        Some(format!("did you mean `{}`?", join(beside, near)))
    }

    /// A file in the folder `path` that may have been meant, as it would be written.
    fn inside(&self, path: &str, written: &str) -> Option<String> {
        let listed = self.files.list(path).ok()?;
        let first = listed.iter().find(|file| !file.folder)?;
        Some(format!("name one of its files, as in `{}`", join(written, &first.name)))
    }

    /// The files from `start` on the way include each other.
    fn cycle(&mut self, start: usize, path: &str) {
        let steps = &self.way[start..];
        let next = steps.iter().skip(1).map(|(file, _)| file.as_str()).chain([path]);
        let ways: Vec<String> = next.map(|file| format!("includes `{file}`")).collect();
        let message = match steps {
            [_] => format!("the file `{path}` includes itself"),
            _ => format!("files include each other: `{path}` {}", ways.join(", which ")),
        };
        // The last step closes the cycle, and is the one to take out; how it is reached is said of every place in an included file.
        let Some((_, span)) = steps.last() else { return };
        let place = first_line(&self.sources, *span);
        self.inbox.push(Finding::new("include-cycle", message).at(place, "included here"));
    }
}

/// The path that `written` means in the file `from`.
fn resolve(from: &str, written: &str) -> Result<String, String> {
    if written.trim().is_empty() {
        return Err("the path of an included file is empty".to_owned());
    }
    let drive = written.as_bytes().get(1) == Some(&b':') && written.as_bytes()[0].is_ascii_alphabetic();
    if written.starts_with(['/', '\\', '~']) || drive {
        return Err(format!("`{written}` is not relative, and would not be found on another machine"));
    }
    if written.contains("://") {
        return Err(format!("`{written}` is an address, and a study is made of files"));
    }
    let folder = from.rsplit_once('/').map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder });
    Ok(normal(&join(folder, written)))
}

fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        _ if folder.ends_with('/') => format!("{folder}{name}"),
        _ => format!("{folder}/{name}"),
    }
}

/// A path without `.`, and without `..` where it can be taken back.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_file_that_writes_them() {
        let at = |from: &str, written: &str| resolve(from, written).unwrap();
        assert_eq!(at("study.yaml", "parts/a.yaml"), "parts/a.yaml");
        assert_eq!(at("studies/x/study.yaml", "./parts/a.yaml"), "studies/x/parts/a.yaml");
        assert_eq!(at("studies/x/parts/a.yaml", "../../shared/b.yaml"), "studies/shared/b.yaml");
        assert_eq!(at("study.yaml", "../shared/b.yaml"), "../shared/b.yaml");
        assert_eq!(at("../x/study.yaml", "../../b.yaml"), "../../b.yaml");
        assert_eq!(at("/home/me/study.yaml", "../b.yaml"), "/home/b.yaml");
        assert_eq!(at("/study.yaml", "b.yaml"), "/b.yaml");
        for refused in ["/etc/passwd", "~/a.yaml", "C:/a.yaml", "https://example.org/a.yaml", "", " "] {
            assert!(resolve("study.yaml", refused).is_err(), "{refused}");
        }
    }
}
