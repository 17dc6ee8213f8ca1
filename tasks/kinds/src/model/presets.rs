//! Backbones by name: the UNets of Li et al. 2024, Table 1, for 32×32×4 latents and 1024-wide text tokens.

use super::{denoiser::Backbone, unet::Unet};

/// One named backbone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    channels: &'static [u64],
    transformer_depth: &'static [u64],
    middle_depth: u64,
}

const fn sd2(name: &'static str, about: &'static str, channels: &'static [u64]) -> Preset {
    Preset { name, about, channels, transformer_depth: &[1, 1, 1, 0], middle_depth: 1 }
}

/// SDXL's middle is as deep as its last level.
const fn sdxl(name: &'static str, about: &'static str, channels: &'static [u64], depth: &'static [u64]) -> Preset {
    Preset { name, about, channels, transformer_depth: depth, middle_depth: depth[depth.len() - 1] }
}

/// Every preset, as the paper lists them.
pub const PRESETS: &[Preset] = &[
    sd2("sd2.1", "the UNet of Stable Diffusion 2.1", &[320, 640, 1280, 1280]),
    sd2("sd2-c512", "SD2's UNet at 512 channels", &[512, 1024, 2048, 2048]),
    sdxl("sdxl-c128", "SDXL's UNet at 128 channels", &[128, 256, 512], &[0, 2, 10]),
    sdxl("sdxl-c192", "SDXL's UNet at 192 channels", &[192, 384, 768], &[0, 2, 10]),
    sdxl("sdxl-c320", "SDXL's UNet without its pooled conditioning", &[320, 640, 1280], &[0, 2, 10]),
    sdxl("sdxl-c384", "SDXL's UNet at 384 channels", &[384, 768, 1536], &[0, 2, 10]),
    sdxl("sdxl-td2", "SDXL's UNet, transformer depth 2 at 4× downsampling", &[320, 640, 1280], &[0, 2, 2]),
    sdxl("sdxl-td4", "SDXL's UNet, transformer depth 4 at 4× downsampling", &[320, 640, 1280], &[0, 2, 4]),
    sdxl("sdxl-td12", "SDXL's UNet, transformer depth 12 at 4× downsampling", &[320, 640, 1280], &[0, 2, 12]),
    sdxl("sdxl-td14", "SDXL's UNet, transformer depth 14 at 4× downsampling", &[320, 640, 1280], &[0, 2, 14]),
    sdxl("sdxl-td4_4", "the paper's efficient UNet, transformer depths 4 and 4", &[320, 640, 1280], &[0, 4, 4]),
    sdxl("sdxl-td4_8", "SDXL's UNet, transformer depths 4 and 8", &[320, 640, 1280], &[0, 4, 8]),
    sdxl("sdxl-td4_12", "SDXL's UNet, transformer depths 4 and 12", &[320, 640, 1280], &[0, 4, 12]),
    sdxl("sdxl-c384-td4_12", "384 channels, transformer depths 4 and 12", &[384, 768, 1536], &[0, 4, 12]),
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
        Backbone::Unet(Unet {
            in_channels: 4,
            out_channels: 4,
            channels: self.channels.to_vec(),
            layers_per_block: 2,
            transformer_depth: self.transformer_depth.to_vec(),
            middle_depth: self.middle_depth,
            head_dim: 64,
            cross_attention_dim: 1024,
            norm_groups: 32,
            linear_projection: true,
            pooled_text: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Count;

    /// Exact parameters and GMACs, from an independent counter that reproduces Table 1 of the paper and the published checkpoints' totals.
    const GOLDEN: &[(&str, u64, f64)] = &[
        ("sd2.1", 865_910_724, 86.27),
        ("sd2-c512", 2_191_746_564, 218.95),
        ("sdxl-c128", 423_971_332, 34.88),
        ("sdxl-c192", 902_336_260, 74.54),
        ("sdxl-c320", 2_391_824_644, 198.29),
        ("sdxl-c384", 3_402_948_100, 282.38),
        ("sdxl-td2", 849_373_444, 98.00),
        ("sdxl-td4", 1_234_986_244, 123.08),
        ("sdxl-td12", 2_777_437_444, 223.36),
        ("sdxl-td14", 3_163_050_244, 248.43),
        ("sdxl-td4_4", 1_321_930_244, 142.96),
        ("sdxl-td4_8", 2_093_155_844, 193.10),
        ("sdxl-td4_12", 2_864_381_444, 243.24),
        ("sdxl-c384-td4_12", 4_072_645_636, 346.29),
    ];

    #[test]
    fn counts_are_those_of_the_papers_table() {
        assert_eq!(GOLDEN.len(), PRESETS.len());
        for &(name, params, gmacs) in GOLDEN {
            let backbone = preset(name).expect(name).backbone();
            assert_eq!(backbone.params(), params, "{name}");
            let macs = backbone.macs(Preset::SIZE, Preset::TOKENS) as f64 / 1e9;
            assert!((macs - gmacs).abs() < 0.005, "{name}: {macs} GMACs, not {gmacs}");
            assert_eq!(backbone.check(Preset::SIZE, "backbone"), Ok(()), "{name}");
        }
    }

    /// Li et al. 2024, section 3.2: 45 % smaller, 28 % cheaper.
    #[test]
    fn the_efficient_unet_saves_what_the_paper_says() {
        let count = |name: &str| Count::of(&preset(name).unwrap().backbone().blocks(Preset::SIZE, Preset::TOKENS));
        let (sdxl, td4_4) = (count("sdxl-c320"), count("sdxl-td4_4"));
        assert!((1.0 - td4_4.params as f64 / sdxl.params as f64 - 0.447).abs() < 5e-4);
        assert!((1.0 - td4_4.macs as f64 / sdxl.macs as f64 - 0.279).abs() < 5e-4);
    }
}
