//! A lease: the right to run a key, for as long as it is renewed, fenced by a number that only grows.

use std::time::Duration;

use isoflop_contract::Key;
use jiff::Timestamp;

use crate::{holder::Holder, past::Past};

/// How long leases last, and how often they are renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTerms {
    length: Duration,
}

impl LeaseTerms {
    /// Leases that end when nobody has renewed them for `length`: at least a tenth of a second, at most a day.
    pub fn new(length: Duration) -> Self {
        Self { length: length.clamp(Duration::from_millis(100), Duration::from_hours(24)) }
    }

    /// How long a lease lasts when nobody renews it.
    pub fn length(self) -> Duration {
        self.length
    }

    /// How often to renew: often enough that two renewals may come to nothing.
    pub fn renewal(self) -> Duration {
        self.length / 4
    }
}

/// Fifteen seconds: what another machine waits before it takes over from one that was switched off.
impl Default for LeaseTerms {
    fn default() -> Self {
        Self::new(Duration::from_secs(15))
    }
}

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

impl Purpose {
    /// As it is stored.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::Remake => "remake",
            Self::Witness => "witness",
        }
    }
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
