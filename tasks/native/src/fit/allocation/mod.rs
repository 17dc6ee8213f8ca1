//! How compute is best divided between size and data, for the kind `fit-allocation` and for `isoflop fit --form parabola`.
//!
//! Runs are sorted into budgets, each budget gives its best size ([`profile`]) or the reason why it does not, or an envelope gives sizes
//! ([`envelope`]); a line through ln N* over ln C is the law. Resamples go through all of it.

mod bias;
mod envelope;
mod profile;
mod record;
mod report;
mod run;

pub use record::{Allocation, Bias, Division, Profile};
pub use run::{AllocationError, Divided, allocate, columns_of};
