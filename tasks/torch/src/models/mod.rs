//! Models: from blocks to the networks that train. Configs and their closed-form counts are in `isoflop_kinds::model`.

mod attention;
mod backbone;
mod caption;
mod denoiser;
mod dit;
mod feed_forward;
mod pixart;
mod resnet;
mod text;
mod time;
mod told;
mod transformer;
mod unet;
mod unet_if;
mod uvit;
mod vqa;

pub use attention::Attention;
pub use backbone::Backbone;
pub use caption::CaptionProjection;
pub use denoiser::Denoiser;
pub use dit::Dit;
pub use feed_forward::FeedForward;
pub use pixart::Pixart;
pub use resnet::Resnet;
pub use text::TextEncoder;
pub use time::{TimeEmbedding, closed_sinusoid, sinusoid};
pub use told::Told;
pub use transformer::{Shape, Transformer, TransformerBlock};
pub use unet::Unet;
pub use unet_if::IfUnet;
pub use uvit::Uvit;
pub use vqa::{Sight, Vqa, World};
