//! Files of a study: what a task reads beside the artifacts it needs, named under `files:` or by its kind's `code:`, and hashed by content.
//!
//! A name stands for one path, or a list of paths and globs, relative to the file that says so; nothing outside the study's folder can be
//! named. What they name becomes a manifest: paths below the nearest folder that holds both the files and the file that names them (mostly
//! the latter's own folder, so that paths stay as they are written). Where the study lies, and how its files are spelt, cannot matter.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isoflop_contract::{Digest, Manifest, Value, catalog::Segment, shape};

use crate::{
    finding::Finding,
    form::{Form, Trial, first_line},
    glob::Glob,
    inner::Scope,
    library::parts,
    seal::World,
    source::{FileError, Span},
    study::TaskText,
    yaml::what,
};

/// How many files one name may stand for.
const FILE_LIMIT: usize = 10_000;

/// The name of what a kind's `code:` names.
pub(crate) const CODE: &str = "code";

/// What one name stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct FileSet {
    /// The files: a manifest of shape [`FILES`](shape::FILES), without numbers.
    pub manifest: Manifest,
    /// The manifest's digest.
    pub digest: Digest,
    /// Where each file of the manifest is read, like the study's own path.
    pub paths: BTreeMap<String, String>,
}

/// The files of a task by name.
pub(crate) type FileSets = BTreeMap<String, Arc<FileSet>>;

/// One path or glob, and where it is written.
struct Item {
    text: String,
    span: Span,
}

/// What the last cell came to: cells mostly read the same files.
#[derive(Default)]
pub(crate) struct FileMemory(Option<Remembered>);

struct Remembered {
    asked: (Option<Value>, Vec<String>),
    sets: Option<FileSets>,
    findings: Vec<Finding>,
}

/// What is written of files in a task's text.
pub(crate) struct FileForms<'f, 'w> {
    /// `files:`.
    pub(crate) files: Option<&'f (Form<'w>, Span)>,
    /// `with:`, for its `code:`.
    pub(crate) with: Option<&'f (Form<'w>, Span)>,
}

impl FileForms<'_, '_> {
    /// The names of all files, as far as they can be told without reading any.
    pub(crate) fn names(&self, code: &[String]) -> Vec<String> {
        let code = (!code.is_empty()).then(|| CODE.to_owned());
        self.files.iter().flat_map(|(form, _)| form.keys()).map(str::to_owned).chain(code).collect()
    }
}

impl World<'_, '_> {
    /// The files of one cell. `None` if anything is wrong with them, which is added to `findings`.
    pub(crate) fn files(
        &self,
        text: &TaskText<'_>,
        forms: &FileForms<'_, '_>,
        code: &[String],
        scope: &Scope,
        memory: &mut FileMemory,
        trial: &mut Trial<'_>,
    ) -> Option<FileSets> {
        // What is wrong with its text has been said; the other names of it, and `code`, are looked at all the same.
        let mut whole = text.files.is_none() || forms.files.is_some();
        let value = forms.files.and_then(|(form, _)| {
            form.evaluate(scope, trial).or_else(|| {
                whole = false;
                form.known(scope, self.sources)
            })
        });
        let asked = (value, code.to_vec());
        if memory.0.as_ref().is_none_or(|last| last.asked != asked) {
            let mut findings = Vec::new();
            let sets = self.all_sets(text, forms, &asked, &mut findings);
            memory.0 = Some(Remembered { asked, sets, findings });
        }
        let last = memory.0.as_ref()?;
        trial.findings.extend(last.findings.iter().cloned());
        last.sets.clone().filter(|_| whole)
    }

    fn all_sets(
        &self,
        text: &TaskText<'_>,
        forms: &FileForms<'_, '_>,
        (value, code): &(Option<Value>, Vec<String>),
        findings: &mut Vec<Finding>,
    ) -> Option<FileSets> {
        let mut named: BTreeMap<&str, Vec<Item>> = BTreeMap::new();
        let before = findings.len();
        if let (Some((form, span)), Some(value)) = (forms.files, value) {
            match value {
                Value::Null => {}
                Value::Object(members) => {
                    for (name, value) in members {
                        named.extend(self.items(form, name, value, findings).map(|items| (name.as_str(), items)));
                    }
                }
                other => {
                    let message = format!("`files` must be a map, and is {}", what(other));
                    findings.push(Finding::new("wrong-type", message).at(*span, "here"));
                }
            }
        }
        if !code.is_empty() {
            let place = |index| {
                let path = [Segment::Field(CODE.to_owned()), Segment::Index(index)];
                forms.with.and_then(|(form, _)| form.place(&path, self.sources)).unwrap_or(text.span)
            };
            let items: Vec<Item> =
                code.iter().enumerate().map(|(index, text)| Item { text: text.clone(), span: place(index) }).collect();
            if let Some(first) = named.get(CODE).and_then(|items| items.first()) {
                let message = format!("`{}` names its `code` twice: in `files` and in `with`", text.name);
                findings.push(
                    Finding::new("files-twice", message).at(items[0].span, "again here").at(first.span, "first here"),
                );
            } else {
                named.insert(CODE, items);
            }
        }
        let sets: FileSets = named
            .into_iter()
            .filter_map(|(name, items)| Some((name.to_owned(), Arc::new(self.set(&items, findings)?))))
            .collect();
        (findings.len() == before).then_some(sets)
    }

    /// The paths and globs under one name of `files:`.
    fn items(&self, form: &Form<'_>, name: &str, value: &Value, findings: &mut Vec<Finding>) -> Option<Vec<Item>> {
        let field = Segment::Field(name.to_owned());
        let place =
            |path: &[Segment]| form.place(path, self.sources).unwrap_or_else(|| first_line(self.sources, form.span()));
        let here = place(std::slice::from_ref(&field));
        if !is_name(name) {
            let message =
                format!("`{name}` cannot name files: lower-case letters, digits, `-` and `_` only, a letter first");
            let span = form.key(&[], name).unwrap_or(here);
            findings.push(Finding::new("bad-name", message).at(span, "this name"));
            return None;
        }
        let one = |value: &Value, span: Span, of: &str, findings: &mut Vec<Finding>| match value {
            Value::String(text) if !text.trim().is_empty() => Some(Item { text: text.clone(), span }),
            other => {
                let found = if other.is_string() { "an empty text" } else { what(other) };
                let message = format!("{of} must be a path, and is {found}");
                findings.push(Finding::new("wrong-type", message).at(span, "here"));
                None
            }
        };
        match value {
            Value::Array(values) if values.is_empty() => {
                let message = format!("the files `{name}` are none at all");
                findings.push(Finding::new("no-match", message).at(here, "this list is empty"));
                None
            }
            Value::Array(values) => {
                let items: Vec<Option<Item>> = values
                    .iter()
                    .enumerate()
                    .map(|(index, value)| {
                        let span = place(&[field.clone(), Segment::Index(index)]);
                        one(value, span, &format!("a file of `{name}`"), findings)
                    })
                    .collect();
                items.into_iter().collect()
            }
            other => one(other, here, &format!("`files.{name}`"), findings).map(|item| vec![item]),
        }
    }

    /// What some paths and globs name together.
    fn set(&self, items: &[Item], findings: &mut Vec<Finding>) -> Option<FileSet> {
        let mut names = BTreeSet::new();
        let mut folders: Vec<Vec<String>> = Vec::new();
        let before = findings.len();
        for item in items {
            let base = self.library.base(self.sources.path(item.span.source));
            match self.find(item, &base) {
                Ok(found) => names.extend(found),
                Err(finding) => findings.push(*finding),
            }
            folders.push(base);
        }
        let span = items.first()?.span;
        if names.len() > FILE_LIMIT {
            let message = format!("these are {} files; one name may stand for {FILE_LIMIT}", names.len());
            findings.push(Finding::new("too-many-files", message).at(span, "here").hint("put them into one archive"));
        }
        if findings.len() > before {
            return None;
        }
        let top = common(folders.iter().map(Vec::as_slice), &names);
        let (mut files, mut paths) = (BTreeMap::new(), BTreeMap::new());
        for name in &names {
            let path = self.library.path(name);
            match self.library.stamp(name) {
                Ok(file) => {
                    let inside = name[top.min(name.len())..].to_owned();
                    files.insert(inside.clone(), file);
                    paths.insert(inside, path);
                }
                Err(error) => findings.push(unreadable(name, &error, span)),
            }
        }
        if findings.len() > before {
            return None;
        }
        let manifest = Manifest { shape: shape::FILES.to_owned(), files, scalars: BTreeMap::new() };
        let digest = manifest.digest().expect("paths, digests and sizes have a canonical form");
        Some(FileSet { manifest, digest, paths })
    }

    /// The files that one path or glob names, from the study's folder.
    fn find(&self, item: &Item, base: &[String]) -> Result<BTreeSet<String>, Box<Finding>> {
        let (text, span) = (item.text.as_str(), item.span);
        let outside = |message: String| {
            Finding::new("outside", message)
                .at(span, "here")
                .hint("what a study reads lies in its folder, so that it can be given away whole")
        };
        if text.starts_with('/') || text.starts_with('~') {
            return Err(outside(format!("`{text}` is not relative to the study's folder")).into());
        }
        let wanted = parts(&format!("{}/{text}", base.join("/")));
        if wanted.first().is_some_and(|first| first == "..") {
            return Err(outside(format!("`{text}` leaves the study's folder")).into());
        }
        let glob = Glob::parse(wanted.iter().map(String::as_str))
            .map_err(|message| Finding::new("bad-glob", format!("`{text}`: {message}")).at(span, "here"))?;
        let odd = |part: &str| part.contains('\\') || part.chars().any(char::is_control);
        if let Some(odd) = wanted.iter().find(|part| odd(part)) {
            let message =
                format!("the name `{}` has a character that names in a store cannot have", odd.escape_debug());
            return Err(Finding::new("bad-name", message).at(span, "here").into());
        }
        let meant = |finding: Finding| finding.maybe_hint(self.library.meant(&wanted, base));
        if glob.is_plain() {
            let name = wanted.join("/");
            return match self.library.stamp(&name) {
                Ok(_) => Ok(BTreeSet::from([name])),
                Err(FileError::Missing | FileError::Folder) if self.library.is_folder(&name) => {
                    let hint = format!("write `{}/**` for all files in it", text.trim_end_matches('/'));
                    Err(Finding::new("a-folder", format!("`{text}` is a folder")).at(span, "here").hint(hint).into())
                }
                Err(FileError::Missing) => {
                    let message = format!("the study's folder has no file `{text}`");
                    Err(meant(Finding::new("no-file", message).at(span, "here")).into())
                }
                Err(error) => Err(unreadable(text, &error, span).into()),
            };
        }
        let found = self.library.find(&glob).map_err(|error| unreadable(text, &error, span))?;
        if found.is_empty() {
            let message = format!("`{text}` matches no file of the study's folder");
            return Err(meant(Finding::new("no-match", message).at(span, "here")).into());
        }
        if let Some(odd) = found.iter().find(|name| odd(name)) {
            let message = format!(
                "the name of `{}`, which `{text}` matches, has a character that names in a store cannot have",
                odd.escape_debug()
            );
            let finding = Finding::new("bad-name", message).at(span, "here");
            return Err(finding.hint("rename the file, or name files so that it is left out").into());
        }
        Ok(found)
    }
}

fn unreadable(name: &str, error: &FileError, span: Span) -> Finding {
    Finding::new("unreadable-file", format!("`{name}` cannot be read: {error}")).at(span, "here")
}

/// Whether `name` may name files, a port or an output.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'))
}

/// The length of what all names begin with: the path of the nearest folder that holds them and `folders`, and its `/`.
fn common<'a>(mut folders: impl Iterator<Item = &'a [String]>, names: &BTreeSet<String>) -> usize {
    let meet = |a: &[String], b: &[String]| a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let first = folders.next().unwrap_or(&[]);
    let mut depth = folders.fold(first.len(), |depth, folder| depth.min(meet(first, folder)));
    for name in names {
        let mut folder = parts(name);
        folder.pop();
        depth = depth.min(meet(first, &folder));
    }
    first[..depth].iter().map(|part| part.len() + 1).sum()
}

/// What is different between two sets of files under one name, in a sentence.
pub fn difference(name: &str, old: &Manifest, new: &Manifest) -> String {
    const SHOWN: usize = 5;
    let mut parts = Vec::new();
    let names: BTreeSet<&String> = old.files.keys().chain(new.files.keys()).collect();
    for file in names {
        match (old.files.get(file), new.files.get(file)) {
            (Some(a), Some(b)) if a == b => {}
            (Some(_), Some(_)) => parts.push(format!("`{file}` changed")),
            (None, _) => parts.push(format!("`{file}` is new")),
            (_, None) => parts.push(format!("`{file}` is gone")),
        }
    }
    if parts.len() > SHOWN {
        let more = parts.len() - SHOWN;
        parts.truncate(SHOWN);
        parts.push(format!("and {more} more"));
    }
    format!("of the files `{name}`, {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use isoflop_contract::manifest::File;

    use super::*;

    #[test]
    fn paths_in_a_set_are_as_they_are_written_where_that_can_be() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let top = |folder: &str, all: &[&str]| common([parts(folder).as_slice()].into_iter(), &names(all));
        assert_eq!(top("", &["src/train.py"]), 0);
        assert_eq!(top("parts", &["parts/train.py", "parts/lib/a.py"]), 6);
        assert_eq!(top("parts", &["train.py"]), 0);
        assert_eq!(top("a/b", &["a/c.py", "a/b/d.py"]), 2);
    }

    #[test]
    fn a_difference_names_the_files() {
        let manifest = |files: &[(&str, &str)]| Manifest {
            shape: shape::FILES.to_owned(),
            files: files
                .iter()
                .map(|(name, text)| ((*name).to_owned(), File { digest: Digest::of(text), size: text.len() as u64 }))
                .collect(),
            scalars: BTreeMap::new(),
        };
        let old = manifest(&[("a.py", "1"), ("b.py", "1"), ("c.py", "1")]);
        let new = manifest(&[("a.py", "2"), ("b.py", "1"), ("d.py", "1")]);
        assert_eq!(
            difference("code", &old, &new),
            "of the files `code`, `a.py` changed, `c.py` is gone, `d.py` is new"
        );
    }
}
