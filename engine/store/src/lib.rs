//! The store: artifacts by content.
//!
//! A **blob** is a file named by the digest of its bytes; a **manifest** lists an artifact's files and scalars and is named by the digest
//! of its canonical text, which is the artifact's digest. Both are written once, read-only, and checked against their names whenever their
//! bytes are read. A manifest is written after all its blobs, so an artifact is there whole or not at all.
//!
//! ```text
//! blobs/ab/abcd…       bytes
//! manifests/ab/abcd…   canonical text
//! tmp/                 what is being written, on the same filesystem; remains of dead processes are cleaned up
//! quarantine/          blobs that did not hold what their names say
//! lock                 held shared by a commit, exclusively while garbage is taken out
//! ```
//!
//! A [`Remote`] holds the same blobs and manifests under the same names in a bucket or another folder. Bytes that are not here, or are not
//! what their name says, are fetched from it when somebody needs them.
//!
//! Nothing is ever taken out but by garbage collection ([`gc`]), which leaves alone what was written or counted on lately.

mod bring;
mod check;
mod commit;
mod copies;
mod disk;
mod error;
pub mod gc;
mod hash;
mod lock;
mod materialize;
mod name;
mod remote;
mod store;
mod transfer;
mod verify;

pub use check::{Held, Holdings, Seen, Unsound, check};
pub use commit::Committed;
pub use error::{Corruption, StoreError};
pub use hash::digest;
pub use remote::Remote;
pub use store::Store;
pub use transfer::{Moved, Pulled};
pub use verify::{Finding, FindingKind};
