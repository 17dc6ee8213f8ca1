//! A denoising network of any family.

use isoflop_kinds::model;
use tch::Tensor;

use super::{Dit, IfUnet, Pixart, Told, Unet, Uvit};
use crate::nn::Path;

/// A denoising network, by family.
#[derive(Debug)]
pub enum Backbone {
    /// A UNet with cross-attending transformers.
    Unet(Box<Unet>),
    /// The UNet of DeepFloyd IF.
    IfUnet(Box<IfUnet>),
    /// PixArt-α's transformer.
    Pixart(Box<Pixart>),
    /// DiT.
    Dit(Box<Dit>),
    /// U-ViT.
    Uvit(Box<Uvit>),
}

impl Backbone {
    /// The network of this config, which has been checked.
    pub fn new(path: &Path, config: &model::Backbone) -> Self {
        match config {
            model::Backbone::Unet(unet) => Self::Unet(Box::new(Unet::new(path, unet))),
            model::Backbone::IfUnet(unet) => Self::IfUnet(Box::new(IfUnet::new(path, unet))),
            model::Backbone::Pixart(pixart) => Self::Pixart(Box::new(Pixart::new(path, pixart))),
            model::Backbone::Dit(dit) => Self::Dit(Box::new(Dit::new(path, dit))),
            model::Backbone::Uvit(uvit) => Self::Uvit(Box::new(Uvit::new(path, uvit))),
        }
    }

    /// Noisy inputs `[B, in, S, S]` and their levels `[B]` to `[B, out, S, S]`.
    pub fn forward(&self, x: &Tensor, level: &Tensor, told: &Told) -> Tensor {
        match self {
            Self::Unet(unet) => unet.forward(x, level, told),
            Self::IfUnet(unet) => unet.forward(x, level, told),
            Self::Pixart(pixart) => pixart.forward(x, level, told),
            Self::Dit(dit) => dit.forward(x, level, told),
            Self::Uvit(uvit) => uvit.forward(x, level, told),
        }
    }
}
