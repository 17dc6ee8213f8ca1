//! Runs a plan.
//!
//! **Survey** ([`survey()`]) compares a plan with the past: what is kept, what must run and why. The **dispatcher** ([`dispatcher`]) is the
//! one owner of truth about a run: a pure state machine. The **reactor** ([`run`]) is the shell round it: leases, worker processes, the
//! store and then the ledger, always in this order. **Moments** tell whoever watches; the **summary** says what came of it.

mod attempt;
mod census;
mod cgroup;
pub mod checkpoints;
mod conversation;
mod device;
mod devices;
pub mod dispatcher;
mod error;
mod execution;
mod guard;
mod honesty;
mod job;
mod lines;
mod log;
mod moment;
pub mod outline;
mod pace;
pub mod policy;
pub mod pool;
mod process;
mod processor;
mod provide;
mod reactor;
mod record;
pub mod remains;
mod room;
mod runtimes;
mod scratch;
mod shared;
mod summary;
mod survey;
mod tool;
mod vigil;
mod words;

pub use cgroup::{Cgroups, Confine};
pub use device::{Device, private_folder};
pub use error::ExecError;
pub use job::{Deaths, Interrupt, Job, Options};
pub use moment::Moment;
pub use reactor::run;
pub use runtimes::{LaunchError, Program, Runtimes};
pub use scratch::Scratch;
pub use summary::{Outcome, Summary, TaskSummary, Totals};
pub use survey::{Force, Scope, State, Survey, survey};
pub use words::{headline, quotes};
