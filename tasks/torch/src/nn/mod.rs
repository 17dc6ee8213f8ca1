//! Layers: the few that the models are made of, with parameters by name.
//!
//! A layer is a struct of tensors made by `new(path, …)` and used by `forward`. Its parameters live in [`Params`] under the path's name, with
//! PyTorch's initial distributions, or those of a model's paper. Convolutions, linear layers and attention report their multiply-accumulates to
//! [`tally`] from the shapes they see.

mod attend;
mod constant;
mod conv;
mod embedding;
mod filter;
mod halves;
mod linear;
mod norm;
mod params;
mod patch;
mod replay;
mod setting;
pub mod tally;
mod thrift;

pub use attend::attend;
pub use constant::constant;
pub use conv::Conv2d;
pub use embedding::Embedding;
pub use filter::{Filter, FilterShape};
pub use halves::Halves;
pub use linear::Linear;
pub use norm::{GroupNorm, LayerNorm};
pub use params::{Init, Packed, Params, Path};
pub use patch::{Patches, unpatch};
pub use replay::Replay;
pub use setting::{Setting, precise, precisely};
pub use thrift::{block, thriftily};
