//! Training: one loop for every objective.

mod evaluate;
mod optimizer;
mod rate;
mod state;
mod trainer;

pub use evaluate::{Heldout, normal};
pub use optimizer::{AdamW, Settings};
pub use rate::rate;
pub use trainer::{Curve, Objective, Outcome, Recipe, train};
