//! What stands beside a denoiser: the autoencoder it works inside of, the encoder that reads its captions, and the networks that judge its images.
//!
//! To add one: its config in a file of its own, a variant here, a line in [`COMPANIONS`]; its network in `tasks/torch`.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    autoencoder::AutoencoderKl,
    clip::{Activation, ClipImage, ClipText, Tower},
    count::Block,
    inception::{Inception, Resize},
    t5::T5Encoder,
};

/// A network beside the denoiser, by family.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "family", rename_all = "kebab-case")]
pub enum Companion {
    /// Images to latents and back.
    AutoencoderKl(AutoencoderKl),
    /// CLIP's text tower.
    ClipText(ClipText),
    /// CLIP's image tower.
    ClipImage(ClipImage),
    /// T5's encoder.
    T5Encoder(T5Encoder),
    /// The features of the Fréchet inception distance.
    Inception(Inception),
}

impl Companion {
    /// All families' names, as in `family:`.
    pub const FAMILIES: &[&str] = &["autoencoder-kl", "clip-text", "clip-image", "t5-encoder", "inception"];

    /// Height and width of an autoencoder's images where nothing is said: the study's.
    const IMAGE: u64 = 256;

    /// The family's name, as in `family:`.
    pub fn family(&self) -> &'static str {
        match self {
            Self::AutoencoderKl(_) => Self::FAMILIES[0],
            Self::ClipText(_) => Self::FAMILIES[1],
            Self::ClipImage(_) => Self::FAMILIES[2],
            Self::T5Encoder(_) => Self::FAMILIES[3],
            Self::Inception(_) => Self::FAMILIES[4],
        }
    }

    /// Refuses what cannot be built; `at` is the config's own place.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        match self {
            Self::AutoencoderKl(config) => config.check(Self::IMAGE, at),
            Self::ClipText(config) => config.check(at),
            Self::ClipImage(config) => config.check(at),
            Self::T5Encoder(config) => config.check(at),
            Self::Inception(_) => Ok(()),
        }
    }

    /// Height and width of the images its counts are quoted at, where it sees any. An autoencoder's are 256×256.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::AutoencoderKl(_) => Some(Self::IMAGE),
            Self::ClipImage(config) => Some(config.resolution),
            Self::Inception(_) => Some(Inception::SIZE),
            Self::ClipText(_) | Self::T5Encoder(_) => None,
        }
    }

    /// Text tokens its counts are quoted at, where it reads any.
    pub fn tokens(&self) -> Option<u64> {
        match self {
            Self::ClipText(config) => Some(config.tokens),
            Self::T5Encoder(config) => Some(config.tokens),
            Self::AutoencoderKl(_) | Self::ClipImage(_) | Self::Inception(_) => None,
        }
    }

    /// Every part in the order of the forward pass.
    pub fn blocks(&self) -> Vec<Block> {
        match self {
            Self::AutoencoderKl(config) => config.blocks(Self::IMAGE),
            Self::ClipText(config) => config.blocks(),
            Self::ClipImage(config) => config.blocks(),
            Self::T5Encoder(config) => config.blocks(),
            Self::Inception(_) => Inception::blocks(),
        }
    }
}

/// One named companion.
#[derive(Debug, Clone, Copy)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    config: fn() -> Companion,
}

/// Every companion that has a name.
pub const COMPANIONS: &[Named] = &[
    named("vae-sd", "the autoencoder of Stable Diffusion 1 and 2", || vae(&[128, 256, 512, 512], 2, 0.18215)),
    named("vae-sdxl", "the autoencoder of SDXL", || vae(&[128, 256, 512, 512], 2, 0.13025)),
    named("vae-small", "an autoencoder of 4× for small images, to be trained here", || vae(&[32, 64, 64], 1, 1.0)),
    named("clip-l", "CLIP ViT-L/14, text: SD 1's encoder and SDXL's first", || {
        text(tower(768, 12, 12, 3072, Activation::QuickGelu), None, false)
    }),
    named("clip-h", "OpenCLIP ViT-H/14, text: the paper's encoder of 354M", || {
        text(tower(1024, 24, 16, 4096, Activation::Gelu), Some(1024), true)
    }),
    named("clip-h-sd2", "OpenCLIP ViT-H/14, text, without its last layer: SD 2's encoder", || {
        text(tower(1024, 23, 16, 4096, Activation::Gelu), None, false)
    }),
    named("clip-bigg", "OpenCLIP ViT-bigG/14, text: SDXL's second encoder", || {
        text(tower(1280, 32, 20, 5120, Activation::Gelu), Some(1280), false)
    }),
    named("clip-small", "a text encoder of CLIP's layout, to be trained here", || {
        text(tower(128, 4, 4, 512, Activation::QuickGelu), None, false)
    }),
    named("clip-image-l", "CLIP ViT-L/14, images", || image(tower(1024, 24, 16, 4096, Activation::QuickGelu), 14, 768)),
    named("clip-image-h", "OpenCLIP ViT-H/14, images", || image(tower(1280, 32, 16, 5120, Activation::Gelu), 14, 1024)),
    named("clip-image-bigg", "OpenCLIP ViT-bigG/14, images", || {
        image(tower(1664, 48, 16, 8192, Activation::Gelu), 14, 1280)
    }),
    named("t5-small", "T5 v1.1 small, encoder", || t5(512, 8, 6, 1024)),
    named("t5-base", "T5 v1.1 base, encoder", || t5(768, 12, 12, 2048)),
    named("t5-large", "T5 v1.1 large, encoder", || t5(1024, 24, 16, 2816)),
    named("t5-xl", "T5 v1.1 XL, encoder", || t5(2048, 24, 32, 5120)),
    named("t5-xxl", "T5 v1.1 XXL, encoder: PixArt's", || t5(4096, 24, 64, 10_240)),
    named("inception-fid", "Inception-v3 of December 2015, features of the Fréchet distance", || {
        Companion::Inception(Inception { resize: Resize::Tensorflow })
    }),
];

/// The companion `name`.
pub fn companion(name: &str) -> Option<&'static Named> {
    COMPANIONS.iter().find(|named| named.name == name)
}

impl Named {
    /// Its config.
    pub fn config(&self) -> Companion {
        (self.config)()
    }
}

const fn named(name: &'static str, about: &'static str, config: fn() -> Companion) -> Named {
    Named { name, about, config }
}

fn vae(channels: &[u64], layers_per_block: u64, scaling_factor: f64) -> Companion {
    Companion::AutoencoderKl(AutoencoderKl {
        in_channels: 3,
        latent_channels: 4,
        channels: channels.to_vec(),
        layers_per_block,
        norm_groups: 32,
        scaling_factor,
    })
}

fn tower(width: u64, layers: u64, heads: u64, mlp: u64, activation: Activation) -> Tower {
    Tower { width, layers, heads, mlp, activation }
}

fn text(tower: Tower, projection: Option<u64>, logit_scale: bool) -> Companion {
    Companion::ClipText(ClipText { tower, vocabulary: 49_408, tokens: 77, end: 49_407, projection, logit_scale })
}

fn image(tower: Tower, patch: u64, projection: u64) -> Companion {
    Companion::ClipImage(ClipImage { tower, resolution: 224, patch, projection })
}

fn t5(width: u64, layers: u64, heads: u64, mlp: u64) -> Companion {
    Companion::T5Encoder(T5Encoder {
        vocabulary: 32_128,
        width,
        layers,
        heads,
        head_dim: 64,
        mlp,
        buckets: 32,
        max_distance: 128,
        tokens: 120,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Count;

    /// Published counts. Of the image towers: CLIP ViT-L/14 has 427,616,513 in all and ViT-H/14 986,109,441, both towers, both projections and
    /// the temperature. Of Inception: torchvision's 23,834,568 without its second classifier, less the 2,049,000 of its first.
    const PUBLISHED: &[(&str, u64)] = &[
        ("vae-sd", 83_653_863),
        ("vae-sdxl", 83_653_863),
        ("clip-l", 123_060_480),
        ("clip-h", 354_032_641),
        ("clip-h-sd2", 340_387_840),
        ("clip-bigg", 694_659_840),
        ("clip-image-l", 427_616_513 - 123_060_480 - 768 * 768 - 1),
        ("clip-image-h", 986_109_441 - 354_032_641),
        ("t5-xxl", 4_762_310_656),
        ("inception-fid", 21_785_568),
    ];

    #[test]
    fn counts_are_the_published_ones() {
        for &(name, params) in PUBLISHED {
            assert_eq!(Count::of(&companion(name).expect(name).config().blocks()).params, params, "{name}");
        }
    }

    #[test]
    fn every_named_companion_can_be_built_and_read_back() {
        for named in COMPANIONS {
            let config = named.config();
            assert_eq!(config.check("model"), Ok(()), "{}", named.name);
            let value = serde_json::to_value(&config).unwrap();
            assert_eq!(value["family"], config.family());
            assert_eq!(serde_json::from_value::<Companion>(value).unwrap(), config);
        }
    }

    #[test]
    fn what_cannot_be_built_is_refused_at_its_field() {
        let refused = |name: &str, change: fn(&mut serde_json::Value)| {
            let mut value = serde_json::to_value(companion(name).unwrap().config()).unwrap();
            change(&mut value);
            serde_json::from_value::<Companion>(value).unwrap().check("model").unwrap_err()
        };
        let at = |field: &str, problem: &str| Complaint::new(field, problem);
        let said = refused("vae-sd", |v| v["channels"][1] = 100.into());
        assert_eq!(said, at("model.channels", "100 is no multiple of the 32 groups of `norm_groups`"));
        let said = refused("vae-sd", |v| v["scaling_factor"] = 0.0.into());
        assert_eq!(said, at("model.scaling_factor", "is 0; must be positive"));
        let said = refused("clip-l", |v| v["tower"]["heads"] = 7.into());
        assert_eq!(said, at("model.tower.heads", "7 does not divide the width 768"));
        let said = refused("clip-l", |v| v["end"] = 49_408.into());
        assert_eq!(said, at("model.end", "is 49408, and there are 49408 tokens"));
        let said = refused("t5-xxl", |v| v["layers"] = 0.into());
        assert_eq!(said, at("model.layers", "is 0; must be between 1 and 65536"));
        let said = refused("clip-image-l", |v| v["patch"] = 300.into());
        assert_eq!(said, at("model.patch", "300 is larger than the image, which is 224"));
    }
}
