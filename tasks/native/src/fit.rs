//! Scaling laws fitted to points, for the kind `fit-scaling` and for `isoflop fit`.
//!
//! ```text
//! Table ──▶ Points ──triage──▶ Rows ──▶ Law + Block + Objective = Problem ──starts──▶ Solution, with its certificate = Fitting
//! Fitting ──▶ resamples, covariances, profiles, hold-out, other forms, other objectives, targets, second law ──▶ Fit, the record
//! ```
//!
//! [`fit()`] is the way through. A [`Law`](law::Law) is a form bound to its data; an objective says what is minimised, in which space; a
//! `Problem` evaluates both with gradient and curvature; `solve` searches from many starts and certifies; everything a record says beside the
//! optimum is made of further [`Fitting`]s. Sums run in a fixed order and `exp` and `ln` are our own ([`math`]), so the bits are the same on every machine
//! and any number of threads.
//!
//! [`allocate`] divides compute without a law for the loss.
//!
//! To add a form: a variant and its facts in `isoflop_kinds::fit::Form`, a line in `law::build`. To add a sort of law: a type that implements
//! [`Law`](law::Law); the test beside `law::build` holds its derivatives against differences.

mod allocation;
pub mod bfgs;
mod bootstrap;
mod caution;
mod cell;
mod certificate;
mod chain;
mod compare;
mod counting;
mod curve;
mod dense;
mod error;
mod estimate;
mod fitting;
mod foretell;
mod judge;
pub mod law;
pub mod math;
pub(crate) mod parallel;
mod points;
mod problem;
mod record;
mod run;
mod solve;
mod space;
mod student;
mod suggest;
mod surface;
mod table;
mod triage;
mod uncertainty;
mod varpro;
mod written;

pub use allocation::{Allocation, AllocationError, Bias, Divided, Division, Profile, allocate, columns_of};
pub use certificate::Certificate;
pub use counting::Counted;
pub use curve::Band;
pub use error::FitError;
pub use fitting::{Fitting, Request};
pub use points::{Point, Points, columns};
pub use record::{
    Alternative, Chained, Estimate, Fit, FittedPoint, Foretold, HeldOut, Optimum, Second, Sensitive, Tally, VERSION,
};
pub use run::{Made, Means, fit};
pub use solve::{Settings, Solution};
pub use suggest::{Candidate, Quantity, Suggestion, Wish, suggest};
pub use table::{Table, TableError};
pub use triage::Row;
pub use written::Written;
