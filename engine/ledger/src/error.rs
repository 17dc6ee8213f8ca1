//! What can go wrong with the ledger, by cause.

use std::sync::Arc;

use isoflop_contract::Key;

use crate::{id::RunId, server::ServerError};

/// Why the ledger could not do something.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The private server could not be found, made or started.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The database's address is not one.
    #[error(
        "the database address {place} cannot be read: {source}; it looks like postgres://user:password@host:5432/database"
    )]
    Address {
        /// The address without its password.
        place: String,
        /// Why.
        source: sqlx::Error,
    },
    /// No connection, after trying for a while.
    #[error(
        "cannot reach the ledger at {place}: {source}; check that the server runs and that this machine may connect to it"
    )]
    Unreachable {
        /// Which server.
        place: String,
        /// The last failure.
        source: sqlx::Error,
    },
    /// The server refused the user, the password or the database.
    #[error("the ledger at {place} refused the connection: {source}; check user, password and database name")]
    Refused {
        /// Which server.
        place: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// No encrypted connection that could be trusted.
    #[error(
        "the ledger at {place} could not prove who it is, or offers no encryption: {source}; name the certificate of its authority \
         with `sslrootcert=FILE` in the address, or ask for less with `sslmode=require`"
    )]
    Untrusted {
        /// Which server.
        place: String,
        /// Why not.
        source: sqlx::Error,
    },
    /// The role may not do this.
    #[error(
        "the ledger at {place} did not let this role {doing}: {source}; engines need the writer's rights, and new tables the owner's: \
         `isoflop doctor` lists what is missing"
    )]
    NotAllowed {
        /// Which server.
        place: String,
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: sqlx::Error,
    },
    /// The server has no space left.
    #[error(
        "the ledger at {place} has no disk space left: {source}; nothing that was recorded is lost: make room there and run again"
    )]
    Full {
        /// Which server.
        place: String,
        /// What it said.
        source: sqlx::Error,
    },
    /// The server is older than what is supported.
    #[error("the ledger at {place} runs Postgres {found}; 15 or later is needed")]
    TooOld {
        /// Which server.
        place: String,
        /// Its version.
        found: String,
    },
    /// The tables could not be brought up to date.
    #[error("the ledger's tables at {place} cannot be brought up to date: {source}")]
    Migration {
        /// Which server.
        place: String,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
    /// The tables belong to a newer isoflop.
    #[error(
        "the ledger at {place} was written by a newer isoflop (migration {version}); use that version or a later one"
    )]
    Newer {
        /// Which server.
        place: String,
        /// The migration that this program does not know.
        version: i64,
    },
    /// The tables belong to an older isoflop, and whoever asks may not change them.
    #[error(
        "the tables of the ledger at {place} are those of an older isoflop; `isoflop runs` with this one brings them up to date (on a shared server, as their owner)"
    )]
    Older {
        /// Which server.
        place: String,
    },
    /// Somebody else has taken the key over; what this engine made under the old lease is not recorded.
    #[error("the lease on key {} was lost (fence {fence}); another engine has taken it over, so this attempt does not count", .key.short())]
    LeaseLost {
        /// The key.
        key: Key,
        /// The fence of the lost lease.
        fence: i64,
    },
    /// A run that is not in the ledger.
    #[error("no run `{0}` in the ledger; `isoflop runs` lists them")]
    NoRun(String),
    /// A prefix of several runs' ids.
    #[error("`{prefix}` could be any of {count} runs; give more of the id")]
    Ambiguous {
        /// What was given.
        prefix: String,
        /// How many runs begin with it.
        count: usize,
    },
    /// A run whose engine was away for so long that another closed it.
    #[error(
        "run {0} was closed by another engine, since nothing was heard of this one for long; run the study again: what was made is kept"
    )]
    Closed(RunId),
    /// Two different values for what is recorded once.
    #[error("run {run} has already ended as {found}; it cannot end again as {wanted}")]
    Ended {
        /// The run.
        run: RunId,
        /// How it ended.
        found: String,
        /// How it was to end.
        wanted: String,
    },
    /// A row that cannot be right.
    #[error("the ledger holds a bad row: {what}; it was changed by other hands or is damaged")]
    BadRow {
        /// Which, and why.
        what: String,
    },
    /// A value that has no place in the ledger.
    #[error("{what} cannot be recorded: {why}")]
    Unfit {
        /// The value.
        what: String,
        /// Why.
        why: String,
    },
    /// What several had asked for in one transaction could not be done.
    #[error(transparent)]
    Shared(Arc<LedgerError>),
    /// The engine ended before it was answered.
    #[error("the ledger was asked to {doing}, and the engine ended before the answer came")]
    Abandoned {
        /// What was tried.
        doing: &'static str,
    },
    /// Anything else the database said.
    #[error("the ledger at {place} could not {doing}: {source}")]
    Query {
        /// Which server.
        place: String,
        /// What was tried.
        doing: &'static str,
        /// What it said.
        source: sqlx::Error,
    },
}

impl LedgerError {
    /// Whether this may be about one of several that were asked for together, and not about the way to the server.
    pub(crate) fn is_of_one(&self) -> bool {
        matches!(self, Self::Query { .. } | Self::NoRun(_) | Self::Closed(_) | Self::BadRow { .. } | Self::Unfit { .. })
    }
}
