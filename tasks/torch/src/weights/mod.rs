//! Weights in files: released checkpoints of diffusers and transformers as they are, and our own.
//!
//! [`Weights`] are one or more safetensors files, mapped rather than read. [`load()`] gives a model its numbers by name, one tensor at a time, in single
//! precision whatever the file holds; [`names`] knows what released files call things. [`save()`] writes a model's numbers, in as many files as wanted.

mod file;
mod load;
mod map;
pub mod names;
mod save;

pub use file::Weights;
pub use load::{Misfit, Shapes, load, load_at};
pub(crate) use map::Mapped;
pub use save::{Format, save};
