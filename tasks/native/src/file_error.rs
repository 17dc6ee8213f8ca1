//! Why a file could not be used.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a file could not be read, written or understood. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file.
    #[error("cannot {doing} {}", path.display())]
    File {
        /// As in "read".
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's complaint.
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("{}: {problem}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl FileError {
    /// What becomes of the system's complaint about `path`.
    pub fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::File { doing, path, source }
    }

    /// What `path` holds is wrong.
    pub fn format(path: &Path, problem: impl Into<String>) -> Self {
        Self::Format { path: path.to_owned(), problem: problem.into() }
    }
}
