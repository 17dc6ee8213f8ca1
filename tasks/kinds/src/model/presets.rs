//! Backbones by name: Tables 1 and 2 of Li et al. 2024, released checkpoints, and the sizes of the DiT and U-ViT papers.
//!
//! All but the released ones read 1024-wide text tokens and denoise 4-channel latents. To add one: a line in [`PRESETS`], and a line in the
//! golden table of `tests/zoo.rs` with where its numbers stand.

use super::{
    denoiser::Backbone,
    dit::{Condition, Dit, Embedding},
    pixart::Pixart,
    unet::{TextTime, Unet},
    unet_if::IfUnet,
    uvit::Uvit,
};

/// One named backbone.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    config: Config,
}

/// What presets of one family differ in.
#[derive(Debug, Clone, Copy)]
enum Config {
    /// Four levels, transformers at three and in the middle, one block each.
    Sd2 { channels: u64 },
    /// Eight heads everywhere, 1×1 convolutions around the transformers, 768-wide text: Stable Diffusion 1.
    Sd1,
    /// Three levels; transformers of these depths at 2× and 4× downsampling and, as deep as the last, in the middle.
    Sdxl { channels: u64, depth: [u64; 2] },
    /// The released one, with 2048-wide text and its added conditioning.
    SdxlReleased,
    /// On latents, with attention at 1×, 2× and 4× downsampling.
    If { channels: u64 },
    /// The released one, on pixels.
    IfReleased,
    /// Sixteen heads, patches of two.
    Pixart { width: u64, depth: u64, context: u64, caption_projection: bool },
    /// Class-conditional, patches of two.
    Dit { width: u64, depth: u64, heads: u64, embedding: Embedding },
    /// Patches of two.
    Uvit { width: u64, depth: u64, heads: u64 },
}

use Config::{Dit as D, If, IfReleased, Pixart as P, Sd1, Sd2, Sdxl, SdxlReleased, Uvit as U};

const fn p(name: &'static str, about: &'static str, config: Config) -> Preset {
    Preset { name, about, config }
}

const fn dit(width: u64, depth: u64, heads: u64) -> Config {
    D { width, depth, heads, embedding: Embedding::Shared }
}

const fn h(width: u64, depth: u64, caption_projection: bool) -> Config {
    P { width, depth, context: 1024, caption_projection }
}

/// Every preset: the paper's tables in their order, then the others.
pub const PRESETS: &[Preset] = &[
    p("sd2.1", "the UNet of Stable Diffusion 2.1", Sd2 { channels: 320 }),
    p("sd2-c512", "SD2's UNet at 512 channels", Sd2 { channels: 512 }),
    p("if-xl-c512", "IF-XL's UNet on latents, at 512 channels", If { channels: 512 }),
    p("if-xl-c704", "IF-XL's UNet on latents", If { channels: 704 }),
    p("sdxl-c128", "SDXL's UNet at 128 channels", Sdxl { channels: 128, depth: [2, 10] }),
    p("sdxl-c192", "SDXL's UNet at 192 channels", Sdxl { channels: 192, depth: [2, 10] }),
    p("sdxl-c320", "SDXL's UNet without its pooled conditioning", Sdxl { channels: 320, depth: [2, 10] }),
    p("sdxl-c384", "SDXL's UNet at 384 channels", Sdxl { channels: 384, depth: [2, 10] }),
    p("sdxl-td2", "SDXL's UNet, transformer depth 2 at 4× downsampling", Sdxl { channels: 320, depth: [2, 2] }),
    p("sdxl-td4", "SDXL's UNet, transformer depth 4 at 4× downsampling", Sdxl { channels: 320, depth: [2, 4] }),
    p("sdxl-td12", "SDXL's UNet, transformer depth 12 at 4× downsampling", Sdxl { channels: 320, depth: [2, 12] }),
    p("sdxl-td14", "SDXL's UNet, transformer depth 14 at 4× downsampling", Sdxl { channels: 320, depth: [2, 14] }),
    p("sdxl-td4_4", "the paper's efficient UNet, transformer depths 4 and 4", Sdxl { channels: 320, depth: [4, 4] }),
    p("sdxl-td4_8", "SDXL's UNet, transformer depths 4 and 8", Sdxl { channels: 320, depth: [4, 8] }),
    p("sdxl-td4_12", "SDXL's UNet, transformer depths 4 and 12", Sdxl { channels: 320, depth: [4, 12] }),
    p("sdxl-c384-td4_12", "384 channels, transformer depths 4 and 12", Sdxl { channels: 384, depth: [4, 12] }),
    p(
        "pixart-alpha-xl2",
        "PixArt-α XL/2 as released, reading T5's 4096-wide tokens",
        P { width: 1152, depth: 28, context: 4096, caption_projection: true },
    ),
    p("pixart-h1152-d28", "PixArt-α XL/2 with 1024-wide text tokens", h(1152, 28, true)),
    p("pixart-h1536-d28", "PixArt-α at width 1536", h(1536, 28, true)),
    p("pixart-h1024-d28", "PixArt-α at width 1024, without caption embedding", h(1024, 28, false)),
    p("pixart-h1024-d56", "PixArt-α at width 1024 and twice the depth", h(1024, 56, false)),
    p("sdxl-base", "the released UNet of SDXL base 1.0, with its added conditioning", SdxlReleased),
    p("sd1.5", "the UNet of Stable Diffusion 1.5", Sd1),
    p("if-i-xl", "the released UNet of IF-I-XL, on pixels", IfReleased),
    p("dit-s2", "DiT-S/2 of the paper, class-conditional", dit(384, 12, 6)),
    p("dit-b2", "DiT-B/2 of the paper, class-conditional", dit(768, 12, 12)),
    p("dit-l2", "DiT-L/2 of the paper, class-conditional", dit(1024, 24, 16)),
    p("dit-xl2", "DiT-XL/2 of the paper, class-conditional", dit(1152, 28, 16)),
    p(
        "dit-xl2-released",
        "DiT-XL/2 as the released diffusers checkpoint holds it",
        D { width: 1152, depth: 28, heads: 16, embedding: Embedding::EachBlock },
    ),
    p("uvit-s2", "U-ViT-S/2 with 1024-wide text tokens", U { width: 512, depth: 12, heads: 8 }),
    p("uvit-s2-deep", "U-ViT-S/2 (Deep) with 1024-wide text tokens", U { width: 512, depth: 16, heads: 8 }),
    p("uvit-m2", "U-ViT-M/2 with 1024-wide text tokens", U { width: 768, depth: 16, heads: 12 }),
    p("uvit-l2", "U-ViT-L/2 with 1024-wide text tokens", U { width: 1024, depth: 20, heads: 16 }),
    p("uvit-h2", "U-ViT-H/2 with 1024-wide text tokens", U { width: 1152, depth: 28, heads: 16 }),
];

/// The preset `name`.
pub fn preset(name: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.name == name)
}

impl Preset {
    /// The size its counts are quoted at: 256×256 images, so 32×32 latents.
    pub const SIZE: u64 = 32;
    /// The text tokens its counts are quoted at.
    pub const TOKENS: u64 = 77;

    /// Its config.
    pub fn backbone(&self) -> Backbone {
        let sd1 = |channels: Vec<u64>, transformer_depth: Vec<u64>| Unet {
            in_channels: 4,
            out_channels: 4,
            layers_per_block: 2,
            middle_depth: transformer_depth.iter().copied().max().unwrap_or(0),
            cross_attention: vec![true; channels.len()],
            middle_cross_attention: true,
            head_dim: 64,
            heads: Some(8),
            cross_attention_dim: 768,
            norm_groups: 32,
            linear_projection: false,
            pooled_text: false,
            text_time: None,
            channels,
            transformer_depth,
        };
        // Since SD 2: heads of 64, linear layers around the transformers, OpenCLIP's text.
        let unet = |channels: Vec<u64>, transformer_depth: Vec<u64>| Unet {
            heads: None,
            cross_attention_dim: 1024,
            linear_projection: true,
            ..sd1(channels, transformer_depth)
        };
        let if_unet = |c: u64, attention: [bool; 4]| IfUnet {
            in_channels: 4,
            learned_variance: false,
            channels: vec![c, 2 * c, 3 * c, 4 * c],
            layers_per_block: 3,
            attention: attention.to_vec(),
            head_dim: 64,
            cross_attention_dim: 1024,
            encoder_hid_dim: None,
            pooling_heads: 64,
            norm_groups: 32,
        };
        match self.config {
            Sd1 => Backbone::Unet(sd1(vec![320, 640, 1280, 1280], vec![1, 1, 1, 0])),
            Sd2 { channels: c } => Backbone::Unet(unet(vec![c, 2 * c, 4 * c, 4 * c], vec![1, 1, 1, 0])),
            Sdxl { channels: c, depth: [outer, inner] } => {
                Backbone::Unet(Unet { middle_depth: inner, ..unet(vec![c, 2 * c, 4 * c], vec![0, outer, inner]) })
            }
            SdxlReleased => Backbone::Unet(Unet {
                cross_attention_dim: 2048,
                text_time: Some(TextTime { pooled: 1280, width: 256 }),
                ..unet(vec![320, 640, 1280], vec![0, 2, 10])
            }),
            If { channels } => Backbone::IfUnet(if_unet(channels, [true, true, true, false])),
            IfReleased => Backbone::IfUnet(IfUnet {
                in_channels: 3,
                learned_variance: true,
                cross_attention_dim: 2816,
                encoder_hid_dim: Some(4096),
                ..if_unet(704, [false, true, true, true])
            }),
            P { width, depth, context, caption_projection } => Backbone::Pixart(Pixart {
                in_channels: 4,
                learned_variance: true,
                width,
                depth,
                heads: 16,
                patch: 2,
                context,
                caption_projection,
                sample_size: None,
            }),
            D { width, depth, heads, embedding } => Backbone::Dit(Dit {
                in_channels: 4,
                learned_variance: true,
                width,
                depth,
                heads,
                patch: 2,
                condition: Condition::Classes(1000),
                embedding,
                sample_size: None,
            }),
            U { width, depth, heads } => Backbone::Uvit(Uvit {
                in_channels: 4,
                size: Self::SIZE,
                patch: 2,
                width,
                depth,
                heads,
                context: 1024,
                tokens: Self::TOKENS,
                qkv_bias: false,
                time_layers: false,
                final_conv: true,
            }),
        }
    }
}
