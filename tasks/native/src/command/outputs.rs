//! Outputs: what a program was to write, taken from its working folder into the artifact's. All of it has to be there, as what it was
//! declared; what else lies in `out` is left behind, and told of.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use isoflop_kinds::command::{Command, Sort, WHOLE};

use super::folder::walk;

/// Why an output cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// It is not what was declared.
    #[error("the output `{name}` (`out/{path}`) {why}")]
    Wrong {
        /// Its name.
        name: String,
        /// Its path in the artifact.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// What the system says.
    #[error("the output `{name}` cannot be taken: {source}")]
    Io {
        /// Its name.
        name: String,
        /// What it said.
        source: io::Error,
    },
}

/// Moves every output of `command` from the working folder's `out` to the artifact's folder. Answers with what was left behind.
pub fn take(command: &Command, out: &Path, artifact: &Path) -> Result<Vec<PathBuf>, OutputError> {
    for (name, output) in &command.outputs {
        let path = output.path(name);
        let wrong = |why: String| OutputError::Wrong { name: name.clone(), path: path.to_owned(), why };
        let io = |source| OutputError::Io { name: name.clone(), source };
        let from = out.join(path);
        settle(&from, out).map_err(io)?.map_or(Ok(()), |why| Err(wrong(why)))?;
        let metadata = match from.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(wrong("was not written".to_owned())),
            Err(error) => return Err(io(error)),
        };
        let found = match () {
            () if metadata.is_file() => "file",
            () if metadata.is_dir() => "folder",
            () => "neither file nor folder",
        };
        match (output.sort, found) {
            (Sort::File, "file") => {}
            (Sort::Folder, "folder") => {
                let files = walk(&from).map_err(io)?;
                if files.is_empty() {
                    return Err(wrong("is a folder without any file".to_owned()));
                }
                for file in files {
                    if let Some(why) = settle(&from.join(&file), out).map_err(io)? {
                        return Err(wrong(format!("holds `{}`, which {why}", file.display())));
                    }
                }
            }
            (Sort::File, found) => return Err(wrong(format!("must be a file, and is a {found}"))),
            (Sort::Folder, found) => return Err(wrong(format!("must be a folder, and is a {found}"))),
        }
        if path == WHOLE {
            for entry in fs::read_dir(&from).map_err(io)? {
                let entry = entry.map_err(io)?;
                fs::rename(entry.path(), artifact.join(entry.file_name())).map_err(io)?;
            }
            continue;
        }
        let to = artifact.join(path);
        to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::rename(&from, &to)).map_err(io)?;
    }
    walk(out)
        .map(|left| left.into_iter().collect())
        .map_err(|source| OutputError::Io { name: "out".to_owned(), source })
}

/// Makes a link to another file of `out` a file of its own (`latest` beside numbered checkpoints); of any other link, says what is wrong.
fn settle(path: &Path, out: &Path) -> io::Result<Option<String>> {
    if !path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
        return Ok(None);
    }
    let target = fs::read_link(path)?;
    let Ok(real) = fs::canonicalize(path) else {
        return Ok(Some(format!("is a link to `{}`, which is not there", target.display())));
    };
    if !real.starts_with(fs::canonicalize(out)?) {
        return Ok(Some(format!("is a link to `{}`, outside of `out`; write a copy", target.display())));
    }
    if !real.is_file() {
        return Ok(Some(format!("is a link to the folder `{}`; write a copy", target.display())));
    }
    fs::remove_file(path)?;
    fs::copy(&real, path)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::json;
    use tempfile::TempDir;

    use super::*;

    struct Bench {
        folder: TempDir,
        command: Command,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("out/parts")).unwrap();
            fs::create_dir_all(folder.path().join("artifact")).unwrap();
            let outputs = json!({"model": {"path": "run/model.json"}, "parts": {"type": "folder"}});
            let command = serde_json::from_value(json!({"argv": ["x"], "outputs": outputs})).unwrap();
            Self { folder, command }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn write(&self, name: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }

        fn take(&self) -> Result<Vec<PathBuf>, String> {
            take(&self.command, &self.path("out"), &self.path("artifact")).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn declared_outputs_are_taken_and_others_left() {
        let bench = Bench::new();
        for name in ["out/run/model.json", "out/parts/1", "out/parts/deep/2", "out/run/model.json.tmp"] {
            bench.write(name);
        }
        symlink("1", bench.path("out/parts/latest")).unwrap();
        assert_eq!(bench.take().unwrap(), [PathBuf::from("run/model.json.tmp")]);
        let read = |name: &str| fs::read_to_string(bench.path("artifact").join(name)).unwrap();
        assert_eq!(read("run/model.json"), "out/run/model.json");
        assert_eq!(read("parts/deep/2"), "out/parts/deep/2");
        assert_eq!(read("parts/latest"), "out/parts/1");
        assert!(!bench.path("artifact/parts/latest").symlink_metadata().unwrap().is_symlink());
    }

    #[test]
    fn a_folder_may_be_the_artifact_as_a_whole() {
        let mut bench = Bench::new();
        let outputs = json!({"all": {"path": ".", "type": "folder"}});
        bench.command = serde_json::from_value(json!({"argv": ["x"], "outputs": outputs})).unwrap();
        assert_eq!(bench.take().unwrap_err(), "the output `all` (`out/.`) is a folder without any file");
        for name in ["out/config.json", "out/parts/1"] {
            bench.write(name);
        }
        assert!(bench.take().unwrap().is_empty());
        for name in ["config.json", "parts/1"] {
            assert_eq!(fs::read_to_string(bench.path("artifact").join(name)).unwrap(), format!("out/{name}"));
        }
    }

    #[test]
    fn what_is_not_as_declared_is_said() {
        let bench = Bench::new();
        let refused = |part: &str| {
            let error = bench.take().unwrap_err();
            assert!(error.contains(part), "{error}\ndoes not say\n{part}");
        };
        refused("the output `model` (`out/run/model.json`) was not written");
        fs::create_dir_all(bench.path("out/run/model.json")).unwrap();
        refused("must be a file, and is a folder");
        fs::remove_dir(bench.path("out/run/model.json")).unwrap();
        symlink("/etc/passwd", bench.path("out/run/model.json")).unwrap();
        refused("is a link to `/etc/passwd`, outside of `out`; write a copy");
        fs::remove_file(bench.path("out/run/model.json")).unwrap();
        symlink("nowhere", bench.path("out/run/model.json")).unwrap();
        refused("is a link to `nowhere`, which is not there");
        fs::remove_file(bench.path("out/run/model.json")).unwrap();
        bench.write("out/run/model.json");
        refused("the output `parts` (`out/parts`) is a folder without any file");
        bench.write("out/run/model.json");
        bench.write("out/parts/1");
        symlink("../..", bench.path("out/parts/up")).unwrap();
        refused("holds `up`, which is a link to `../..`, outside of `out`");
    }
}
