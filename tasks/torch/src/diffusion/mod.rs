//! Diffusion: the noise levels, and the walk back from noise to an image. Pure functions named after the papers' objects.

mod ddim;
mod prediction;
mod schedule;
mod walk;

pub use ddim::{guide, levels, step};
pub use prediction::{Estimate, estimate, target};
pub use schedule::Schedule;
pub use walk::Walk;
