//! The ledger: all facts about what was run, on Postgres.
//!
//! **Events** are facts, chained by hash within a run and appended in the same transaction as the state they tell of. **Results** say
//! what stands under a key, **leases** who may run one, **attempts** who did. [`Ledger`] is the way in: reads answer with plain values
//! ([`view`], [`Past`]), writes are one transaction each, shared by those that ask at the same time, and may be repeated after a lost
//! connection without doubling anything. With no shared server, [`server::PrivateServer`] runs one in the project's own folder. What a crash
//! leaves behind is written down in `engine/decisions/0011-fault-model.md`.
//!
//! The tables are described in `migrations/README.md`.

mod adopt;
mod at;
mod attempt;
pub mod audit;
mod begin;
mod bits;
mod bytes;
mod chain;
mod claim;
mod earlier;
mod error;
pub mod event;
mod fault;
mod files;
mod finish;
mod given;
mod group;
mod groups;
mod holder;
mod id;
mod latest;
mod lease;
mod ledger;
pub mod lineage;
mod past;
mod pick;
pub mod pin;
mod place;
mod read;
mod recall;
mod result;
pub mod rights;
pub mod roots;
mod run;
mod saved;
pub mod server;
mod silence;
mod start;
pub mod view;

pub use attempt::{AttemptOutcome, Ending, Metric};
pub use bits::Bits;
pub use earlier::{Before, Earlier};
pub use error::LedgerError;
pub use event::Event;
pub use holder::{Holder, NotAHolder};
pub use id::{AttemptId, RunId};
pub use latest::{LastAttempt, Standing, Timing};
pub use lease::{Claim, Lease, LeaseTerms, Purpose};
pub use ledger::{Engine, Ledger};
pub use past::{Past, PastOutcome};
pub use pick::Maker;
pub use place::Place;
pub use run::{PlanTask, Run, RunHead, RunState, TaskOutcome};
pub use saved::Saved;
pub use silence::Silent;
