//! The folder a program works in.
//!
//! ```text
//! in/PORT          an artifact; of a gather, a folder with one folder a cell
//! in/PORT.json     what is there: cell, shape, digest and final numbers of each
//! files/NAME       files of the study; files/code is the code
//! params.json      the parameters
//! checkpoint/      what the program keeps from attempt to attempt, if it uses that
//! out/             where outputs go
//! ```
//!
//! What others own is linked in: inputs are folders of read-only files elsewhere in the attempt's folder.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use isoflop_contract::{Digest, Input, Value, port::Given};
use isoflop_kinds::command::{Command, Sort};
use serde_json::json;

/// Where what the program keeps is, if it keeps something.
pub(super) const CHECKPOINT: &str = "checkpoint";

/// The working folder of one attempt.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// Makes the folder at `path`, which must not be there.
    pub fn create(
        path: PathBuf,
        command: &Command,
        needs: &BTreeMap<String, Given>,
        files: &BTreeMap<String, PathBuf>,
    ) -> io::Result<Self> {
        for part in ["in", "files", "out"] {
            fs::create_dir_all(path.join(part))?;
        }
        for (port, given) in needs {
            let place = path.join("in").join(port);
            let told = match given {
                Given::One(input) => {
                    symlink(&input.path, &place)?;
                    told(input)
                }
                Given::Many(cells) => {
                    fs::create_dir(&place)?;
                    let mut all = Vec::new();
                    for (label, input) in cells {
                        let name = entry(label);
                        symlink(&input.path, place.join(&name))?;
                        let mut told = told(input);
                        told["folder"] = name.into();
                        all.push(told);
                    }
                    Value::Array(all)
                }
            };
            fs::write(path.join("in").join(format!("{port}.json")), pretty(&told)?)?;
        }
        for (name, folder) in files {
            symlink(folder, path.join("files").join(name))?;
        }
        if !command.param.is_empty() {
            fs::write(path.join("params.json"), pretty(&json!(command.param))?)?;
        }
        for (name, output) in &command.outputs {
            let place = path.join("out").join(output.path(name));
            let made = if output.sort == Sort::Folder { Some(place.as_path()) } else { place.parent() };
            made.map_or(Ok(()), fs::create_dir_all)?;
        }
        Ok(Self(path))
    }

    /// Links in the folder `kept`, which outlives the attempt.
    pub fn keep(&self, kept: &Path) -> io::Result<()> {
        fs::create_dir_all(kept)?;
        symlink(kept, self.0.join(CHECKPOINT))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where outputs go.
    pub fn out(&self) -> PathBuf {
        self.0.join("out")
    }
}

fn pretty(value: &Value) -> io::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// What is said of an artifact: nothing that differs from attempt to attempt.
fn told(input: &Input) -> Value {
    let cell: BTreeMap<&str, &Value> = input.cell.iter().collect();
    json!({ "cell": cell, "shape": input.shape, "digest": input.digest, "scalars": input.scalars })
}

/// The name of a gathered cell's folder: its label, as in `seed=0,size=s`, with what names cannot hold written `%2F`; cut, and told apart
/// by a digest, where it is too long.
fn entry(label: &str) -> String {
    const LONGEST: usize = 200;
    if label.is_empty() {
        return "all".to_owned();
    }
    let name = label.replace('%', "%25").replace('/', "%2F").replace('\0', "%00");
    if name.len() <= LONGEST {
        return name;
    }
    format!("{}~{}", &name[..name.floor_char_boundary(LONGEST)], Digest::of(label).short())
}

/// The paths of all files and links below `folder`, from there.
pub(super) fn walk(folder: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![PathBuf::new()];
    while let Some(below) = open.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                open.push(path);
            } else {
                found.insert(path);
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Cell;

    use super::*;

    #[test]
    fn everything_has_a_fixed_relative_path() {
        let scratch = tempfile::tempdir().unwrap();
        let input = |name: &str, size: &str| {
            let path = scratch.path().join(name);
            fs::create_dir(&path).unwrap();
            fs::write(path.join("x.txt"), name).unwrap();
            Input {
                shape: "model".into(),
                cell: Cell::new([("size".to_owned(), size.into())]),
                digest: Digest::of(name),
                path,
                scalars: BTreeMap::from([("loss".to_owned(), 0.5)]),
            }
        };
        let needs = BTreeMap::from([
            ("data".to_owned(), Given::One(input("a", "s"))),
            (
                "models".to_owned(),
                Given::Many(BTreeMap::from([
                    ("size=l/2".to_owned(), input("b", "l/2")),
                    ("size=s".to_owned(), input("c", "s")),
                ])),
            ),
        ]);
        let files = BTreeMap::from([("code".to_owned(), scratch.path().join("a"))]);
        let command: Command = serde_json::from_value(json!({
            "argv": ["x"], "param": {"lr": 0.1},
            "outputs": {"model": {"path": "deep/model.json"}, "parts": {"type": "folder"}},
        }))
        .unwrap();
        let folder = Folder::create(scratch.path().join("work"), &command, &needs, &files).unwrap();
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert_eq!((read("in/data/x.txt").as_str(), read("files/code/x.txt").as_str()), ("a", "a"));
        assert_eq!(read("in/models/size=l%2F2/x.txt"), "b");
        let told: Value = serde_json::from_str(&read("in/models.json")).unwrap();
        assert_eq!(told[0]["folder"], "size=l%2F2");
        assert_eq!(told[0]["cell"], json!({"size": "l/2"}));
        assert_eq!((&told[1]["scalars"]["loss"], told.as_array().unwrap().len()), (&json!(0.5), 2));
        assert!(!read("in/data.json").contains("folder") && !read("in/models.json").contains("work"));
        assert_eq!(read("params.json"), "{\n  \"lr\": 0.1\n}\n");
        assert!(folder.out().join("deep").is_dir() && folder.out().join("parts").is_dir());
    }

    #[test]
    fn any_label_is_a_name() {
        assert_eq!(entry(""), "all");
        assert_eq!(entry("seed=0,size=s"), "seed=0,size=s");
        assert_eq!(entry("a=1/2,b=50%"), "a=1%2F2,b=50%25");
        let (one, two) = (entry(&"é".repeat(300)), entry(&"é".repeat(301)));
        assert!(one.len() < 255 && one != two);
    }
}
