//! Measures of what models make.

mod alignment;
mod bootstrap;
mod frechet;

pub use alignment::{Alignment, Answered, alignment, interval};
pub use bootstrap::{Interval, bootstrap};
pub use frechet::{Gaussian, extrapolated, frechet, kernel_distance};
