//! Training: one loop for every objective.

mod ema;
mod evaluate;
mod gauge;
mod health;
mod kept;
mod optimizer;
mod rate;
mod state;
mod trainer;

pub use ema::Ema;
pub use evaluate::{Heldout, normal};
pub use kept::{Branch, checkpoint, state_file};
pub use optimizer::{AdamW, Settings};
pub use rate::rate;
pub use trainer::{Curve, Objective, Outcome, Recipe, train};
