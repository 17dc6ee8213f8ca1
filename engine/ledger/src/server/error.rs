//! What can go wrong with a private server, by cause.

use std::{io, path::PathBuf};

/// Why a private server could not be found, made, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No binaries anywhere.
    #[error(
        "no Postgres server (15 or later) was found; looked in {}; run `setup/postgres.sh`, install the package `postgresql`, or name the \
         folder of its binaries in ISOFLOP_POSTGRES_BIN",
        .looked.join(", ")
    )]
    NotFound {
        /// Where it was looked for, with what was wrong there.
        looked: Vec<String>,
    },
    /// The configured folder holds no usable binaries.
    #[error("{} holds no usable Postgres server: {why}; ISOFLOP_POSTGRES_BIN must name a folder with `initdb` and `postgres` 15 or later", .folder.display())]
    Configured {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The data folder was made by another major version.
    #[error(
        "the ledger in {} was made by Postgres {data}, and only {found} was found; install Postgres {data}, or name its folder in \
         ISOFLOP_POSTGRES_BIN",
        .folder.display()
    )]
    OtherVersion {
        /// The cluster's folder.
        folder: PathBuf,
        /// The data's major version.
        data: u32,
        /// What was found, as in `15 and 18`.
        found: String,
    },
    /// Another machine may be running it.
    #[error(
        "the ledger in {} is on a shared filesystem and was last run by the machine `{host}`, which may still do so; stop it there with \
         `isoflop doctor --stop-server`, or use one shared server with --database",
        .folder.display()
    )]
    Elsewhere {
        /// The cluster's folder.
        folder: PathBuf,
        /// The other machine.
        host: String,
    },
    /// Root could not become somebody else for the server.
    #[error(
        "Postgres refuses to run as root, and this machine lets root neither make a user namespace nor become `nobody`: {source}; run isoflop as an ordinary user, or give it a server with --database"
    )]
    Root {
        /// What was refused.
        source: io::Error,
    },
    /// The new cluster could not be made.
    #[error("`initdb` could not make the ledger's cluster in {}: {why}", .folder.display())]
    Init {
        /// The cluster's folder.
        folder: PathBuf,
        /// The end of what it said.
        why: String,
    },
    /// The server did not come up.
    #[error("the ledger's server in {} did not start: {why}; the whole log is {}", .folder.display(), .folder.join("server.log").display())]
    Start {
        /// The cluster's folder.
        folder: PathBuf,
        /// The end of its log.
        why: String,
    },
    /// The server did not go down.
    #[error("the ledger's server in {} (process {pid}) did not stop within {seconds} s", .folder.display())]
    Stop {
        /// The cluster's folder.
        folder: PathBuf,
        /// Its process.
        pid: i32,
        /// How long it was waited for.
        seconds: u64,
    },
    /// No space for it.
    #[error("{} has no disk space left for the ledger's server: {why}; about 60 MB are needed", .folder.display())]
    Full {
        /// The cluster's folder.
        folder: PathBuf,
        /// What was said.
        why: String,
    },
    /// A file or folder that would not do.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why not.
        source: io::Error,
    },
}
