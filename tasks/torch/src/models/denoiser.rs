//! A denoiser: a backbone, and the text encoder that is trained with it unless a frozen one has read for it.

use isoflop_kinds::model;
use tch::{Kind, Tensor};

use super::{Backbone, Reading, Said, TextEncoder, Told};
use crate::nn::{Params, constant};

/// A denoiser over parameters `text.…` and those of the backbone under its family's name.
#[derive(Debug)]
pub struct Denoiser {
    /// None where text is read by a frozen encoder, whose own summary is then used if so said.
    text: Option<TextEncoder>,
    summarized: bool,
    backbone: Backbone,
    resolution: i64,
    channels: i64,
}

impl Denoiser {
    /// A denoiser of this config, which has been checked.
    pub fn new(params: &Params, config: &model::Denoiser) -> Self {
        let root = params.root();
        Self {
            text: config
                .frozen_text
                .is_none()
                .then(|| TextEncoder::new(&(&root / "text"), &config.text, config.text_width() as i64)),
            summarized: config.frozen_text.is_some_and(|frozen| frozen.pooled.is_some()),
            backbone: Backbone::new(&(&root / config.backbone.family()), &config.backbone),
            resolution: config.resolution as i64,
            channels: config.backbone.in_channels() as i64,
        }
    }

    /// Word numbers `[B, T]` to text tokens `[B, T, context]` and their mean over the words that are there, `[B, context]`: zero for the empty
    /// caption. Images are whole: as large before cropping as after it.
    pub fn read(&self, captions: &Tensor) -> Told {
        let encoder = self.text.as_ref().expect("a model that is told words has an encoder of its own");
        let tokens = encoder.forward(captions);
        let there = captions.not_equal(0).to_kind(Kind::Float).unsqueeze(2);
        let sum = (&tokens * &there).sum_dim_intlist(1_i64, false, None::<Kind>);
        let count = there.sum_dim_intlist(1_i64, false, None::<Kind>).clamp_min(1.0);
        Told { pooled: Some(sum / count), sizes: Some(self.sizes(captions)), ..Told::tokens(tokens) }
    }

    /// What a frozen encoder read.
    fn take_over(&self, read: &Reading) -> Told {
        let pooled = if self.summarized { read.pooled.shallow_clone() } else { read.mean() };
        let (mask, sizes) = (Some(read.mask.shallow_clone()), Some(self.sizes(&read.tokens)));
        Told { mask, pooled: Some(pooled), sizes, ..Told::tokens(read.tokens.shallow_clone()) }
    }

    /// What the backbone is told.
    pub fn told(&self, said: &Said) -> Told {
        match said {
            Said::Words(words) => self.read(words),
            Said::Read(read) => self.take_over(read),
        }
    }

    /// The six sizes for each of `batch`.
    fn sizes(&self, batch: &Tensor) -> Tensor {
        let side = self.resolution;
        let sizes = || Tensor::from_slice(&[side, side, 0, 0, side, side]);
        let sizes = constant("sizes", &[side], batch.device(), sizes);
        sizes.unsqueeze(0).expand([batch.size()[0], 6], false)
    }

    /// Noisy images `[B, C, S, S]`, their levels `[B]` and their captions to what the network puts out, `[B, C, S, S]`: a variance behind it is
    /// left alone, and not trained.
    pub fn denoise(&self, noisy: &Tensor, level: &Tensor, text: &Told) -> Tensor {
        let out = self.backbone.forward(noisy, level, text);
        if out.size()[1] == self.channels { out } else { out.narrow(1, 0, self.channels) }
    }
}
