//! A denoiser: a backbone, and the text encoder that is trained with it unless a frozen one has read for it.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    count::{Block, Count},
    dit::Dit,
    number,
    pixart::Pixart,
    presets::Preset,
    text::Text,
    unet::Unet,
    unet_if::IfUnet,
    uvit::Uvit,
};

/// A denoising network, by family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "family", rename_all = "kebab-case")]
pub enum Backbone {
    /// A UNet with cross-attending transformers.
    Unet(Unet),
    /// The UNet of DeepFloyd IF.
    IfUnet(IfUnet),
    /// PixArt-α's transformer, cross-attending to the text.
    // What is hashed counts the meanings that the word has had. 2: tokens lie one behind the other from the first block on, so that linear layers and sums
    // over tokens round otherwise (decision 0048).
    #[serde(rename(serialize = "pixart.2"), alias = "pixart.2")]
    Pixart(Pixart),
    /// A transformer modulated by class or caption.
    // 2: as above.
    #[serde(rename(serialize = "dit.2"), alias = "dit.2")]
    Dit(Dit),
    /// A transformer over noise level, text and image tokens, with long skips.
    Uvit(Uvit),
}

impl Backbone {
    /// The family's name, as in `family:`.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Unet(_) => "unet",
            Self::IfUnet(_) => "if-unet",
            Self::Pixart(_) => "pixart",
            Self::Dit(_) => "dit",
            Self::Uvit(_) => "uvit",
        }
    }

    /// Channels of what is denoised.
    pub fn in_channels(&self) -> u64 {
        match self {
            Self::Unet(unet) => unet.in_channels,
            Self::IfUnet(unet) => unet.in_channels,
            Self::Pixart(pixart) => pixart.in_channels,
            Self::Dit(dit) => dit.in_channels,
            Self::Uvit(uvit) => uvit.in_channels,
        }
    }

    /// Channels of what comes out: as many, or twice as many with a variance behind the prediction.
    pub fn out_channels(&self) -> u64 {
        match self {
            Self::Unet(unet) => unet.out_channels,
            Self::IfUnet(unet) => unet.out_channels(),
            Self::Pixart(pixart) => pixart.out_channels(),
            Self::Dit(dit) => dit.out_channels(),
            Self::Uvit(uvit) => uvit.in_channels,
        }
    }

    /// Width of the text tokens it reads; a network told of classes reads none.
    pub fn text_width(&self) -> Option<u64> {
        match self {
            Self::Unet(unet) => Some(unet.cross_attention_dim),
            Self::IfUnet(unet) => Some(unet.text_width()),
            Self::Pixart(pixart) => Some(pixart.context),
            Self::Dit(dit) => dit.text_width(),
            Self::Uvit(uvit) => Some(uvit.context),
        }
    }

    /// The only number of text tokens it reads, if there is one.
    pub fn text_tokens(&self) -> Option<u64> {
        match self {
            Self::Uvit(uvit) => Some(uvit.tokens),
            _ => None,
        }
    }

    /// The input size and the text tokens that its counts are quoted at: its own where it has any, else those of the paper's tables.
    pub fn quoted(&self) -> (u64, u64) {
        match self {
            Self::Uvit(uvit) => (uvit.size, uvit.tokens),
            _ => (Preset::SIZE, Preset::TOKENS),
        }
    }

    /// Refuses what cannot be built for `size × size` inputs; `at` is the config's own place in the spec.
    pub fn check(&self, size: u64, at: &str) -> Result<(), Complaint> {
        match self {
            Self::Unet(unet) => unet.check(size, at),
            Self::IfUnet(unet) => unet.check(size, at),
            Self::Pixart(pixart) => pixart.check(size, at),
            Self::Dit(dit) => dit.check(size, at),
            Self::Uvit(uvit) => uvit.check(size, at),
        }
    }

    /// Every part in the order of the forward pass.
    pub fn blocks(&self, size: u64, tokens: u64) -> Vec<Block> {
        match self {
            Self::Unet(unet) => unet.blocks(size, tokens),
            Self::IfUnet(unet) => unet.blocks(size, tokens),
            Self::Pixart(pixart) => pixart.blocks(size, tokens),
            Self::Dit(dit) => dit.blocks(size),
            Self::Uvit(uvit) => uvit.blocks(), // its table of positions says both
        }
    }

    /// Parameters in all.
    pub fn params(&self) -> u64 {
        match self {
            Self::Unet(unet) => unet.params(),
            Self::IfUnet(unet) => unet.params(),
            Self::Pixart(pixart) => pixart.params(),
            Self::Dit(dit) => dit.params(),
            Self::Uvit(uvit) => uvit.params(),
        }
    }

    /// Multiply-accumulates of one forward pass at batch 1.
    pub fn macs(&self, size: u64, tokens: u64) -> u64 {
        Count::of(&self.blocks(size, tokens)).macs
    }
}

/// Latents that are denoised in the place of pixels, as an autoencoder makes them of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Latent {
    /// Their channels: the autoencoder's `latent_channels`.
    #[serde(default = "number::four")]
    #[schemars(range(min = 1, max = 65_536))]
    pub channels: u64,
    /// How many times smaller they are than images, in height and in width: 8 for Stable Diffusion's.
    #[serde(default = "number::eight")]
    #[schemars(range(min = 1, max = 128))]
    pub shrink: u64,
}

/// Text tokens as a frozen encoder made them of captions, in the place of an encoder that is trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FrozenText {
    /// Tokens of each caption, what fills it up among them: 77 for CLIP's.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub tokens: u64,
    /// Their width: 1024 for OpenCLIP-H.
    #[schemars(range(min = 1, max = 65_536))]
    pub width: u64,
    /// Where the backbone reads the text as a whole: the width of the encoder's own summary of it. The mean of the tokens, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub pooled: Option<u64>,
}

impl FrozenText {
    /// Width of the text as a whole.
    pub fn pooled(&self) -> u64 {
        self.pooled.unwrap_or(self.width)
    }
}

/// Everything that is trained, and the size it is trained at: what `config.json` of a denoiser holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denoiser {
    /// The denoising network.
    pub backbone: Backbone,
    /// The text encoder.
    pub text: Text,
    /// Height and width of the images.
    pub resolution: u64,
    /// Squares of `patch × patch` pixels, or latents, become the channels of one: a lossless latent space at a fraction of the compute.
    pub patch: u64,
    /// The latents it denoises; pixels, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latent: Option<Latent>,
    /// The frozen text it reads; then `text` is not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_text: Option<FrozenText>,
}

impl Denoiser {
    /// Refuses what cannot be built.
    pub fn check(&self) -> Result<(), Complaint> {
        if !(1..=1 << 14).contains(&self.resolution) {
            return Err(Complaint::new("resolution", "must be between 1 and 16384"));
        }
        if let Some(Latent { channels, shrink }) = self.latent {
            number::within("latent", &[("channels", channels)], 1 << 16)?;
            number::within("latent", &[("shrink", shrink)], 128)?;
            let problem = format!("must divide the resolution, which is {}", self.resolution);
            Complaint::unless(self.resolution.is_multiple_of(shrink), "latent.shrink", &problem)?;
        }
        let (what, side) =
            if self.latent.is_some() { ("latents' side", self.side()) } else { ("resolution", self.side()) };
        if !(1..=64).contains(&self.patch) || !side.is_multiple_of(self.patch) {
            return Err(Complaint::new("patch", format!("must divide the {what}, which is {side}")));
        }
        if self.latent.is_some() {
            self.check_channels()?;
        }
        self.backbone.check(self.size(), "backbone")?;
        self.check_text()?;
        Complaint::unless(self.count().is_sane(), "backbone", "has more multiply-accumulates than can be counted")
    }

    /// Refuses a backbone for other latents, or for other pixels: with those it can be counted, and not trained.
    pub fn check_channels(&self) -> Result<(), Complaint> {
        let (what, channels) = self.latent.map_or(("pixels", 3), |latent| ("latents", latent.channels));
        let (there, patch) = (channels * self.patch * self.patch, self.patch);
        let (read, out) = (self.backbone.in_channels(), self.backbone.out_channels());
        let of = if patch == 1 { what.to_owned() } else { format!("{what} in patches of {patch}×{patch}") };
        let problem = format!("is {read}, and {of} have {there} channels");
        Complaint::unless(read == there, "backbone.in_channels", &problem)?;
        let problem =
            format!("has {out} channels coming out, and {of} have {there}: as many, or twice as many with a variance");
        Complaint::unless(out == there || out == 2 * there, "backbone", &problem)
    }

    /// Refuses frozen text that this backbone cannot read.
    fn check_frozen(&self, read: u64, frozen: FrozenText) -> Result<(), Complaint> {
        let FrozenText { tokens, width, .. } = frozen;
        number::within("frozen_text", &[("tokens", tokens)], 1 << 20)?;
        number::within("frozen_text", &[("width", width), ("pooled", frozen.pooled())], 1 << 16)?;
        let unused = "is trained, and `frozen_text` stands in its place: leave one out";
        Complaint::unless(self.text == Text::default(), "text", unused)?;
        let (pooled, whole) = (frozen.pooled(), if frozen.pooled.is_some() { "pooled" } else { "width" });
        let pooled_is = |wanted: u64| {
            let problem = format!("is {pooled}, and the backbone reads texts as a whole of {wanted}");
            Complaint::unless(pooled == wanted, &format!("frozen_text.{whole}"), &problem)
        };
        match &self.backbone {
            Backbone::Dit(_) => return pooled_is(read),
            Backbone::Unet(Unet { text_time: Some(text_time), .. }) => pooled_is(text_time.pooled)?,
            Backbone::Unet(Unet { pooled_text: true, .. }) => pooled_is(read)?,
            _ => {}
        }
        let problem = format!("is {width}, and the backbone reads tokens of {read}");
        Complaint::unless(width == read, "frozen_text.width", &problem)?;
        let only = self.backbone.text_tokens().unwrap_or(tokens);
        Complaint::unless(tokens == only, "frozen_text.tokens", &format!("is {tokens} and the backbone reads {only}"))
    }

    /// Refuses a text encoder that this backbone cannot read.
    fn check_text(&self) -> Result<(), Complaint> {
        let Some(width) = self.backbone.text_width() else {
            return Err(Complaint::new("backbone.condition", "reads classes, and scenes have captions: use `text`"));
        };
        if let Some(frozen) = self.frozen_text {
            return self.check_frozen(width, frozen);
        }
        self.text.check(width, "text")?;
        let (there, read) = (self.text.tokens, self.backbone.text_tokens().unwrap_or(self.text.tokens));
        Complaint::unless(there == read, "text.tokens", &format!("is {there} and the backbone reads {read}"))?;
        match &self.backbone {
            Backbone::Unet(Unet { text_time: Some(text_time), .. }) => {
                let problem = format!("is {} and the mean of the text tokens is {width} wide", text_time.pooled);
                Complaint::unless(text_time.pooled == width, "backbone.text_time.pooled", &problem)
            }
            _ => Ok(()),
        }
    }

    /// Width of the text tokens.
    pub fn text_width(&self) -> u64 {
        self.backbone.text_width().unwrap_or(0) // refused by `check`
    }

    /// Text tokens of a caption.
    pub fn tokens(&self) -> u64 {
        self.frozen_text.map_or(self.text.tokens, |frozen| frozen.tokens)
    }

    /// Height and width of the pixels or latents that are denoised.
    fn side(&self) -> u64 {
        self.resolution / self.latent.map_or(1, |latent| latent.shrink)
    }

    /// Height and width of what the backbone sees.
    pub fn size(&self) -> u64 {
        self.side() / self.patch
    }

    /// In what this network is another than the one that `weights` are of, so that they would mean something else in it although they may fit: a field with its
    /// value here and there. Sizes of what is denoised are no part of that, as long as fixed places of tokens span the same.
    pub fn differs(&self, weights: &Self) -> Option<(String, Value, Value)> {
        let (own, other) = (self.places(), weights.places());
        if own != other && self.backbone.family() == weights.backbone.family() {
            return Some(("backbone.sample_size".to_owned(), json!(own), json!(other)));
        }
        let (own, other) = (self.layers(), weights.layers());
        let fields =
            |part: &Value| part.as_object().into_iter().flat_map(|part| part.keys().cloned()).collect::<Vec<_>>();
        ["backbone", "text"].into_iter().find_map(|part| {
            let (own, other) = (&own[part], &other[part]);
            let mut names: Vec<String> = fields(own).into_iter().chain(fields(other)).collect();
            names.sort_by_key(|name| (name != "family", name.clone()));
            let name = names.into_iter().find(|name| own.get(name) != other.get(name))?;
            Some((format!("{part}.{name}"), own[&name].clone(), other[&name].clone()))
        })
    }

    /// What of the network weights depend on, and sizes do not.
    fn layers(&self) -> Value {
        let mut backbone = json!(self.backbone);
        if let Some(fields) = backbone.as_object_mut() {
            fields.retain(|name, _| name != "sample_size" && name != "size");
            fields.insert("family".to_owned(), json!(self.backbone.family()));
        }
        let text = if self.frozen_text.is_some() { Value::Null } else { json!(self.text) };
        json!({"backbone": backbone, "text": text})
    }

    /// How many places fixed positions of image tokens span, where a backbone has them.
    fn places(&self) -> Option<u64> {
        match &self.backbone {
            Backbone::Pixart(pixart) => Some(pixart.sample_size.unwrap_or(self.size())),
            Backbone::Dit(dit) => Some(dit.sample_size.unwrap_or(self.size())),
            _ => None,
        }
    }

    /// Every part in the order of the forward pass, under `text.` and the backbone's family.
    pub fn blocks(&self) -> Vec<Block> {
        let under = |prefix: &str, blocks: Vec<Block>| {
            let prefix = prefix.to_owned();
            blocks.into_iter().map(move |block| Block { path: format!("{prefix}.{}", block.path), ..block })
        };
        let text = if self.frozen_text.is_some() { Vec::new() } else { self.text.blocks(self.text_width()) };
        let text = under("text", text);
        let backbone = under(self.backbone.family(), self.backbone.blocks(self.size(), self.tokens()));
        text.chain(backbone).collect()
    }

    /// Parameters and multiply-accumulates in all: the one account that planner, trainer and fit share.
    pub fn count(&self) -> Count {
        Count::of(&self.blocks())
    }
}
