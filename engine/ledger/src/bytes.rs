//! Keys and digests as the database has them: 32 bytes.

use isoflop_contract::{Digest, Key};

/// Keys as an array to bind.
pub(crate) fn keys<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Vec<[u8; 32]> {
    keys.into_iter().map(|key| *key.as_bytes()).collect()
}

/// A digest that may be absent.
pub(crate) fn digest(bytes: Option<[u8; 32]>) -> Option<Digest> {
    bytes.map(Digest::from_bytes)
}

/// `text` without the one character that Postgres has no place for.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}
