//! A denoiser: a backbone and the text encoder that is trained with it.

use isoflop_kinds::model::{self, Backbone};
use tch::{Kind, Tensor};

use super::{TextEncoder, Unet};
use crate::nn::Params;

/// A denoiser over parameters `text.…` and `unet.…`.
#[derive(Debug)]
pub struct Denoiser {
    text: TextEncoder,
    network: Network,
}

/// Captions as the backbone reads them.
#[derive(Debug)]
pub struct Read {
    /// `[B, T, context]`.
    pub tokens: Tensor,
    /// `[B, context]`.
    pub pooled: Tensor,
}

/// The backbone, by family.
#[derive(Debug)]
enum Network {
    Unet(Unet),
}

impl Denoiser {
    /// A denoiser of this config, which has been checked.
    pub fn new(params: &Params, config: &model::Denoiser) -> Self {
        let root = params.root();
        let text = TextEncoder::new(&(&root / "text"), &config.text, config.backbone.text_width() as i64);
        let path = &root / config.backbone.family();
        let network = match &config.backbone {
            Backbone::Unet(unet) => Network::Unet(Unet::new(&path, unet)),
        };
        Self { text, network }
    }

    /// Word numbers `[B, T]` to text tokens `[B, T, context]` and their mean over the words that are there, `[B, context]`: zero for the empty
    /// caption.
    pub fn read(&self, captions: &Tensor) -> Read {
        let tokens = self.text.forward(captions);
        let there = captions.not_equal(0).to_kind(Kind::Float).unsqueeze(2);
        let sum = (&tokens * &there).sum_dim_intlist(1_i64, false, None::<Kind>);
        let count = there.sum_dim_intlist(1_i64, false, None::<Kind>).clamp_min(1.0);
        Read { tokens, pooled: sum / count }
    }

    /// Noisy images `[B, C, S, S]`, their levels `[B]` and their captions to what the network puts out.
    pub fn denoise(&self, noisy: &Tensor, level: &Tensor, text: &Read) -> Tensor {
        match &self.network {
            Network::Unet(unet) => unet.forward(noisy, level, &text.tokens, &text.pooled),
        }
    }
}
