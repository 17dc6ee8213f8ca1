//! Model configs with closed-form counts: what a study sizes its runs with, without libtorch.
//!
//! Every config answers `blocks()`: its parts in the order of the forward pass, each with its parameters and multiply-accumulates. Totals
//! are sums over blocks, so a table of blocks and a total cannot disagree. Tests in `tasks/torch` hold both equal to the built models.

mod count;
mod denoiser;
mod presets;
mod text;
mod unet;
mod vqa;

pub use count::{Block, Count};
pub use denoiser::{Backbone, Denoiser};
pub use presets::{PRESETS, Preset, preset};
pub use text::Text;
pub use unet::Unet;
pub use vqa::Vqa;
