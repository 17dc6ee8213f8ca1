//! A key names a recipe: *what would be made*, known before anything runs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, NotADigest};

/// Hash of a recipe's canonical text, in BLAKE3's key-derivation mode.
///
/// The mode's context keeps keys apart from digests: the same text hashed as bytes gives another value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(Digest);

/// The fixed context of all keys. Changing it orphans every ledger there is.
const CONTEXT: &str = "isoflop 2026-11-23 recipe key";

impl Key {
    /// The key of a recipe with this canonical text.
    pub fn of_text(text: &str) -> Self {
        Self(Digest::from_bytes(blake3::derive_key(CONTEXT, text.as_bytes())))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Takes 32 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Digest::from_bytes(bytes))
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl FromStr for Key {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        text.parse().map(Self)
    }
}
