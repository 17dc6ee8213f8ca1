//! One task on several processes: sums whose bits do not depend on how many there are.
//!
//! A batch is cut into shards by the recipe. Ranks compute the gradients of the shards in turns; [`fold::Fold`] says in which order they
//! are added, whoever adds. [`cut::Cut`] cuts the flat vector of parameters into segments, of which each rank owns some: it reduces their gradient,
//! keeps their optimizer's state, steps them, and hands the result to all others. [`group::Group`] is how ranks reach each other.

pub mod cut;
pub mod door;
pub mod error;
pub mod fold;
pub mod group;
mod memory;
pub mod nccl;
pub mod staged;
pub mod tcp;
pub mod team;
mod vigil;
