//! The autoencoder of latent diffusion (Rombach et al. 2022, arXiv 2112.10752, section 3.1), for the config of
//! `isoflop_kinds::model::AutoencoderKl`.
//!
//! Layout of diffusers' `AutoencoderKL`: residual blocks without a noise level, one head of attention in the middle, halving with padding below and
//! to the right only.

use isoflop_kinds::model;
use tch::Tensor;

use super::{Resnet, Style, resnet::double};
use crate::nn::{Conv2d, Filter, FilterShape, GroupNorm, Init, Linear, Path, attend};

/// Normalizations of this network add so much to the variance.
const EPSILON: f64 = 1e-6;

/// Images to latents and back.
#[derive(Debug)]
pub struct AutoencoderKl {
    encoder: Encoder,
    quant_conv: Conv2d,
    post_quant_conv: Conv2d,
    decoder: Decoder,
    scaling_factor: f64,
    /// How often sides are halved on the way to latents, and their channels.
    latents: [i64; 2],
}

/// A Gaussian for each latent number.
#[derive(Debug)]
pub struct Posterior {
    /// `[B, latent, h, w]`.
    pub mean: Tensor,
    /// Of the same shape, within ±30 and 20.
    pub log_variance: Tensor,
}

impl AutoencoderKl {
    /// An autoencoder of this config, which has been checked.
    pub fn new(path: &Path, config: &model::AutoencoderKl) -> Self {
        let latent = config.latent_channels as i64;
        Self {
            encoder: Encoder::new(&(path / "encoder"), config),
            quant_conv: Conv2d::new(&(path / "quant_conv"), 2 * latent, 2 * latent, 1),
            post_quant_conv: Conv2d::new(&(path / "post_quant_conv"), latent, latent, 1),
            decoder: Decoder::new(&(path / "decoder"), config),
            scaling_factor: config.scaling_factor,
            latents: [config.channels.len() as i64 - 1, latent],
        }
    }

    /// Images `[B, in, H, W]` within ±1 to what their latents are like.
    pub fn encode(&self, images: &Tensor) -> Posterior {
        let moments = self.quant_conv.forward(&self.encoder.forward(images)).chunk(2, 1);
        Posterior { mean: moments[0].shallow_clone(), log_variance: moments[1].clamp(-30.0, 20.0) }
    }

    /// The shape `[B, latent, h, w]` of the latents of images of this shape, `[B, in, H, W]`.
    pub fn latents(&self, images: &[i64]) -> [i64; 4] {
        let [halvings, channels] = self.latents;
        [images[0], channels, images[2] >> halvings, images[3] >> halvings]
    }

    /// Latents `[B, latent, h, w]` to images `[B, in, H, W]`.
    pub fn decode(&self, latents: &Tensor) -> Tensor {
        self.decoder.forward(&self.post_quant_conv.forward(latents))
    }

    /// Latents as a denoiser sees them: about unit deviation.
    pub fn scale(&self, latents: &Tensor) -> Tensor {
        latents * self.scaling_factor
    }

    /// A denoiser's latents as [`decode`](Self::decode) takes them.
    pub fn unscale(&self, latents: &Tensor) -> Tensor {
        latents / self.scaling_factor
    }
}

impl Posterior {
    /// One draw, from standard normal `noise` of the mean's shape.
    pub fn sample(&self, noise: &Tensor) -> Tensor {
        &self.mean + (&self.log_variance * 0.5).exp() * noise
    }

    /// Nats from the standard normal, summed over each sample: `[B]`.
    pub fn divergence(&self) -> Tensor {
        let nats = self.mean.square() + self.log_variance.exp() - 1.0 - &self.log_variance;
        nats.flatten(1, -1).sum_dim_intlist(1_i64, false, None::<tch::Kind>) * 0.5
    }
}

/// The way in.
#[derive(Debug)]
struct Encoder {
    conv_in: Conv2d,
    levels: Vec<(Vec<Resnet>, Option<Filter>)>,
    middle: Middle,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Encoder {
    fn new(path: &Path, config: &model::AutoencoderKl) -> Self {
        let (channels, groups) = (widths(config), config.norm_groups as i64);
        let conv_in = Conv2d::new(&(path / "conv_in"), config.in_channels as i64, channels[0], 3);
        let mut width = channels[0];
        let mut levels = Vec::with_capacity(channels.len());
        for (level, &to) in channels.iter().enumerate() {
            let path = path / "down_blocks" / level;
            let mut residuals = Vec::new();
            for layer in 0..config.layers_per_block {
                residuals.push(Resnet::new(&(&path / "resnets" / layer), [width, to], groups, Style::Untold));
                width = to;
            }
            let halve = (level + 1 < channels.len()).then(|| {
                let shape = FilterShape { from: width, to: width, kernel: [3, 3], stride: 2, padding: [0, 0] };
                Filter::new(&(&path / "downsamplers.0.conv"), shape, Init::fan_in(9 * width), true)
            });
            levels.push((residuals, halve));
        }
        Self {
            conv_in,
            levels,
            middle: Middle::new(&(path / "mid_block"), width, groups),
            conv_norm_out: GroupNorm::new(&(path / "conv_norm_out"), width, groups, EPSILON),
            conv_out: Conv2d::new(&(path / "conv_out"), width, 2 * config.latent_channels as i64, 3),
        }
    }

    /// `[B, in, H, W]` to `[B, 2 latent, h, w]`.
    fn forward(&self, images: &Tensor) -> Tensor {
        let mut h = self.conv_in.forward(images);
        for (residuals, halve) in &self.levels {
            h = residuals.iter().fold(h, |h, residual| residual.forward(&h, None));
            if let Some(halve) = halve {
                h = halve.forward(&h.constant_pad_nd([0, 1, 0, 1])); // to the right and below
            }
        }
        let h = self.middle.forward(&h);
        self.conv_out.forward(&self.conv_norm_out.forward(&h).silu())
    }
}

/// The way out.
#[derive(Debug)]
struct Decoder {
    conv_in: Conv2d,
    middle: Middle,
    levels: Vec<(Vec<Resnet>, Option<Conv2d>)>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Decoder {
    fn new(path: &Path, config: &model::AutoencoderKl) -> Self {
        let (channels, groups) = (widths(config), config.norm_groups as i64);
        let mut width = channels[channels.len() - 1];
        let conv_in = Conv2d::new(&(path / "conv_in"), config.latent_channels as i64, width, 3);
        let middle = Middle::new(&(path / "mid_block"), width, groups);
        let mut levels = Vec::with_capacity(channels.len());
        for (block, &to) in channels.iter().rev().enumerate() {
            let path = path / "up_blocks" / block;
            let mut residuals = Vec::new();
            for layer in 0..=config.layers_per_block {
                residuals.push(Resnet::new(&(&path / "resnets" / layer), [width, to], groups, Style::Untold));
                width = to;
            }
            let double =
                (block + 1 < channels.len()).then(|| Conv2d::new(&(&path / "upsamplers.0.conv"), width, width, 3));
            levels.push((residuals, double));
        }
        let conv_norm_out = GroupNorm::new(&(path / "conv_norm_out"), width, groups, EPSILON);
        let conv_out = Conv2d::new(&(path / "conv_out"), width, config.in_channels as i64, 3);
        Self { conv_in, middle, levels, conv_norm_out, conv_out }
    }

    /// `[B, latent, h, w]` to `[B, in, H, W]`.
    fn forward(&self, latents: &Tensor) -> Tensor {
        let mut h = self.middle.forward(&self.conv_in.forward(latents));
        for (residuals, resize) in &self.levels {
            h = residuals.iter().fold(h, |h, residual| residual.forward(&h, None));
            if let Some(conv) = resize {
                h = conv.forward(&double(&h));
            }
        }
        self.conv_out.forward(&self.conv_norm_out.forward(&h).silu())
    }
}

fn widths(config: &model::AutoencoderKl) -> Vec<i64> {
    config.channels.iter().map(|&width| width as i64).collect()
}

/// Two residual blocks with attention over all pixels between them.
#[derive(Debug)]
struct Middle {
    before: Resnet,
    attention: PixelAttention,
    after: Resnet,
}

impl Middle {
    fn new(path: &Path, width: i64, groups: i64) -> Self {
        Self {
            before: Resnet::new(&(path / "resnets.0"), [width, width], groups, Style::Untold),
            attention: PixelAttention::new(&(path / "attentions.0"), width, groups),
            after: Resnet::new(&(path / "resnets.1"), [width, width], groups, Style::Untold),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        self.after.forward(&self.attention.forward(&self.before.forward(x, None)), None)
    }
}

/// One head of self-attention over pixels, behind a normalization and beside an identity; all of it biased.
#[derive(Debug)]
struct PixelAttention {
    name: String,
    group_norm: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
}

impl PixelAttention {
    fn new(path: &Path, width: i64, groups: i64) -> Self {
        Self {
            name: path.name().to_owned(),
            group_norm: GroupNorm::new(&(path / "group_norm"), width, groups, EPSILON),
            to_q: Linear::new(&(path / "to_q"), width, width),
            to_k: Linear::new(&(path / "to_k"), width, width),
            to_v: Linear::new(&(path / "to_v"), width, width),
            to_out: Linear::new(&(path / "to_out" / 0), width, width),
        }
    }

    /// `[B, C, H, W]` to the same.
    fn forward(&self, x: &Tensor) -> Tensor {
        let (_, _, high, wide) = x.size4().expect("feature maps have four dimensions");
        let tokens = self.group_norm.forward(x).flatten(2, 3).transpose(1, 2).contiguous(); // [B, H W, C]
        let (q, k, v) = (self.to_q.forward(&tokens), self.to_k.forward(&tokens), self.to_v.forward(&tokens));
        let out = self.to_out.forward(&attend(&self.name, [&q, &k, &v], 1, None));
        x + out.transpose(1, 2).unflatten(2, [high, wide])
    }
}
