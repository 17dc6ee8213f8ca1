//! A lease: the right to run a key, for as long as it is renewed, fenced by a number that only grows.

use std::time::Duration;

use isoflop_contract::Key;
use jiff::Timestamp;

use crate::{holder::Holder, past::Past};

/// How long a lease lasts when nobody renews it.
pub const LENGTH: Duration = Duration::from_secs(15);

/// How often to renew.
pub const RENEWAL: Duration = Duration::from_secs(4);

/// The right to run a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The key.
    pub key: Key,
    /// Grows with every grant of this key: an older lease cannot commit.
    pub fence: i64,
    /// Who holds it.
    pub holder: Holder,
    /// What for.
    pub purpose: Purpose,
}

/// What a key is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To have a result: not needed if one stands.
    Make,
    /// To have it again: its bytes are gone, or a person asked. The new result takes the old one's place.
    Remake,
    /// To compare bits: the standing result stays, whatever comes out.
    Witness,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// Go on.
    Granted(Lease),
    /// Somebody else is at it.
    Held {
        /// Who, for a person.
        by: String,
        /// Since when.
        since: Timestamp,
    },
    /// There is a result by now.
    Done(Past),
}
