//! Measures of what models make.

mod alignment;
mod blocks;
mod bootstrap;
mod cosine;
mod frechet;
mod preference;
mod scored;
mod spectrum;

pub use alignment::{Alignment, Answered, alignment};
pub use blocks::{BLOCK, in_blocks};
pub use bootstrap::{Interval, bootstrap, resamples};
pub use cosine::{cosine, directions};
pub use frechet::{Gaussian, Reference, extrapolated, frechet, kernel_distance, kernel_distances};
pub use preference::{preference_loss, preferred};
pub use scored::Scored;
