//! Model configs with closed-form counts: what a study sizes its runs with, without libtorch.
//!
//! Every config answers `blocks()`: its parts in the order of the forward pass, each with its parameters and multiply-accumulates. Totals
//! are sums over blocks, so a table of blocks and a total cannot disagree. Tests in `tasks/torch` hold both equal to the built models.

mod autoencoder;
mod clip;
mod companion;
mod count;
mod denoiser;
mod dit;
pub mod inception;
mod ladder;
mod network;
pub(crate) mod number;
mod pixart;
mod presets;
mod t5;
mod text;
mod unet;
mod unet_if;
mod uvit;
mod vqa;

pub use autoencoder::AutoencoderKl;
pub use clip::{Activation, ClipImage, ClipText, Tower};
pub use companion::{COMPANIONS, Companion, Named, companion};
pub use count::{Block, Count};
pub use denoiser::{Backbone, Denoiser, FrozenText, Latent};
pub use dit::{Condition, Dit, Embedding};
pub use inception::Inception;
pub use ladder::{Ladder, Rung};
pub use network::{Network, network, networks};
pub use pixart::Pixart;
pub use presets::{PRESETS, Preset, preset};
pub use t5::T5Encoder;
pub use text::Text;
pub use unet::{TextTime, Unet};
pub use unet_if::IfUnet;
pub use uvit::Uvit;
pub use vqa::Vqa;
