//! Models: from blocks to the networks that train. Configs and their closed-form counts are in `isoflop_kinds::model`.

mod attention;
mod denoiser;
mod resnet;
mod text;
mod time;
mod transformer;
mod unet;
mod vqa;

pub use attention::Attention;
pub use denoiser::Denoiser;
pub use resnet::Resnet;
pub use text::TextEncoder;
pub use time::{TimeEmbedding, sinusoid};
pub use transformer::{Shape, Transformer, TransformerBlock};
pub use unet::Unet;
pub use vqa::{Sight, Vqa, World};
