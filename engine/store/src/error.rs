//! What can go wrong with the store, by cause.

use std::{io, path::PathBuf};

use isoflop_contract::Digest;

/// A blob that does not hold what its name says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}blob {blob} is corrupt (its bytes have the digest {found}); it was moved to {}; run again to rebuild it",
    .of.as_ref().map_or_else(String::new, |(artifact, file)| format!("artifact {}, file `{file}`: ", artifact.short())),
    .quarantined_to.display()
)]
pub struct Corruption {
    /// The artifact that was asked for and the file in it; none if the blob was read by itself.
    pub of: Option<(Digest, String)>,
    /// The blob's digest, as it should be.
    pub blob: Digest,
    /// The digest of the bytes that were there.
    pub found: Digest,
    /// Where the bad bytes are now.
    pub quarantined_to: PathBuf,
}

/// Why the store could not do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No space, or over the quota.
    #[error("no space left in {}: {needed} more bytes are needed; nothing that was committed is lost: make room and run again", .path.display())]
    Full {
        /// The folder that is full.
        path: PathBuf,
        /// How many bytes were to be written.
        needed: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A blob does not hold what its name says.
    #[error(transparent)]
    Corrupt(Box<Corruption>),
    /// A stored manifest is not what its name says.
    #[error("the manifest of artifact {} is corrupt: {why}; it was moved to {}; run again to rebuild it", .artifact.short(), .quarantined_to.display())]
    CorruptManifest {
        /// The artifact.
        artifact: Digest,
        /// What is wrong.
        why: String,
        /// Where the bad text is now.
        quarantined_to: PathBuf,
    },
    /// A blob or manifest is not there.
    #[error("{what} is not in the store ({}); run again to rebuild it", .path.display())]
    Missing {
        /// What, for a person.
        what: String,
        /// Where it should be.
        path: PathBuf,
    },
    /// The remote store does not do what it is asked.
    #[error(
        "the remote store {url} could not {doing}: {why}; nothing is lost: run again when it answers, or without a remote store to make again what is missing"
    )]
    Remote {
        /// Where it is, as it was named.
        url: String,
        /// What was tried.
        doing: String,
        /// What it said.
        why: String,
    },
    /// What a body left cannot be an artifact.
    #[error("the output cannot be committed: `{file}` {why}")]
    BadOutput {
        /// The file, below the output folder.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file that was planned with is another by now.
    #[error("{} changed since the study was planned ({why}); run again", .path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// In what.
        why: String,
    },
    /// The folder to write into is not there.
    #[error("the folder {} is gone: was the store moved? nothing that was committed is lost: put it back and run again", .path.display())]
    Gone {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The store may not be written.
    #[error("the store at {} cannot be written: {source}; check who owns it and whether its filesystem is mounted read-only", .path.display())]
    ReadOnly {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Anything else the system said.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
