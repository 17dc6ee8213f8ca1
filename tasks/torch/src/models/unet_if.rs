//! The UNet of DeepFloyd IF, for the config and under the parameter names of `isoflop_kinds::model::IfUnet`.
//!
//! Layout of diffusers' `UNet2DConditionModel` with `SimpleCrossAttn…` blocks. What the authors' code starts at zero starts at zero: second
//! convolutions of residual blocks, attentions' ways out, the last convolution.

use isoflop_kinds::model;
use tch::Tensor;

use super::{Told, sinusoid};
use crate::nn::{Conv2d, GroupNorm, Init, LayerNorm, Linear, Path, attend};

/// A text-conditioned UNet whose attention is over pixels and text tokens together.
#[derive(Debug)]
pub struct IfUnet {
    time_embedding: (Linear, Linear),
    add_embedding: Pooling,
    encoder_hid_proj: Option<Linear>,
    conv_in: Conv2d,
    down: Vec<Level>,
    middle: (Resnet, Attention, Resnet),
    up: Vec<Level>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    first: i64,
}

/// One level on the way down or up: residual blocks, each with its attention where the level has some, then a change of size.
#[derive(Debug)]
struct Level {
    layers: Vec<(Resnet, Option<Attention>)>,
    resize: Option<Resnet>,
}

/// What a residual block does to the size, before its first convolution and beside it.
#[derive(Debug, Clone, Copy)]
enum Resize {
    Keep,
    Halve,
    Double,
}

impl Resize {
    fn forward(self, x: &Tensor) -> Tensor {
        match self {
            Self::Keep => x.shallow_clone(),
            Self::Halve => x.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>),
            Self::Double => {
                let (_, _, high, wide) = x.size4().expect("feature maps have four dimensions");
                x.upsample_nearest2d([2 * high, 2 * wide], None::<f64>, None::<f64>)
            }
        }
    }
}

/// Two normalized 3×3 convolutions; the noise level scales and shifts what the second one gets.
#[derive(Debug)]
struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    resize: Resize,
}

impl Resnet {
    fn new(path: &Path, [from, to]: [i64; 2], [time, groups]: [i64; 2], resize: Resize) -> Self {
        Self {
            norm1: GroupNorm::new(&(path / "norm1"), from, groups, 1e-5),
            conv1: Conv2d::new(&(path / "conv1"), from, to, 3),
            time_emb_proj: Linear::new(&(path / "time_emb_proj"), time, 2 * to),
            norm2: GroupNorm::new(&(path / "norm2"), to, groups, 1e-5),
            conv2: Conv2d::zero(&(path / "conv2"), to, to, 3),
            conv_shortcut: (from != to).then(|| Conv2d::new(&(path / "conv_shortcut"), from, to, 1)),
            resize,
        }
    }

    /// `x: [B, from, H, W]`, `time: [B, 4C]`, already activated, to `[B, to, H', W']`.
    fn forward(&self, x: &Tensor, time: &Tensor) -> Tensor {
        let h = self.resize.forward(&self.norm1.forward(x).gelu("none"));
        let x = self.resize.forward(x);
        let h = self.conv1.forward(&h);
        let told = self.time_emb_proj.forward(time).unsqueeze(-1).unsqueeze(-1).chunk(2, 1); // scale, shift: [B, to, 1, 1]
        let h = self.norm2.forward(&h) * (&told[0] + 1.0) + &told[1];
        let h = self.conv2.forward(&h.gelu("none"));
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(&x) + h,
            None => x + h,
        }
    }
}

/// Pixels attend to text tokens and pixels.
#[derive(Debug)]
struct Attention {
    name: String,
    group_norm: GroupNorm,
    norm_cross: GroupNorm,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    add_k_proj: Linear,
    add_v_proj: Linear,
    to_out: Linear,
    heads: i64,
}

impl Attention {
    fn new(path: &Path, width: i64, config: &model::IfUnet) -> Self {
        let (context, groups) = (config.cross_attention_dim as i64, config.norm_groups as i64);
        let to = |name: &str, from: i64| Linear::new(&(path / name), from, width);
        Self {
            name: path.name().to_owned(),
            group_norm: GroupNorm::new(&(path / "group_norm"), width, groups, 1e-5),
            norm_cross: GroupNorm::new(&(path / "norm_cross"), context, groups, 1e-5),
            to_q: to("to_q", width),
            to_k: to("to_k", width),
            to_v: to("to_v", width),
            add_k_proj: to("add_k_proj", context),
            add_v_proj: to("add_v_proj", context),
            to_out: Linear::zero(&(path / "to_out" / 0), width, width),
            heads: width / config.head_dim as i64,
        }
    }

    /// `x: [B, C, H, W]`, `text: [B, T, context]` to `[B, C, H, W]`.
    fn forward(&self, x: &Tensor, text: &Tensor) -> Tensor {
        let (_, _, high, wide) = x.size4().expect("feature maps have four dimensions");
        let text = self.norm_cross.forward(&text.transpose(1, 2)).transpose(1, 2); // over all tokens of a group of channels
        let h = self.group_norm.forward(x).flatten(2, 3).transpose(1, 2); // [B, H · W, C]
        let keys = Tensor::cat(&[self.add_k_proj.forward(&text), self.to_k.forward(&h)], 1);
        let values = Tensor::cat(&[self.add_v_proj.forward(&text), self.to_v.forward(&h)], 1);
        let out = attend(&self.name, [&self.to_q.forward(&h), &keys, &values], self.heads, None);
        x + self.to_out.forward(&out).transpose(1, 2).unflatten(2, [high, wide])
    }
}

/// The text as a vector: the mean of its tokens, moved by a learned place, attends to them and to itself.
#[derive(Debug)]
struct Pooling {
    name: String,
    norm1: LayerNorm,
    positional_embedding: Tensor,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    proj: Linear,
    norm2: LayerNorm,
    heads: i64,
}

impl Pooling {
    fn new(path: &Path, text: i64, time: i64, heads: i64) -> Self {
        let pool = path / "pool";
        let start = Init::Normal(1.0 / (text as f64).sqrt());
        let to = |name: &str| Linear::new(&(&pool / name), text, text);
        Self {
            name: pool.name().to_owned(),
            norm1: LayerNorm::new(&(path / "norm1"), text),
            positional_embedding: pool.param("positional_embedding", &[1, text], start),
            q_proj: to("q_proj"),
            k_proj: to("k_proj"),
            v_proj: to("v_proj"),
            proj: Linear::new(&(path / "proj"), text, time),
            norm2: LayerNorm::new(&(path / "norm2"), time),
            heads,
        }
    }

    /// `[B, T, text]` to `[B, 4C]`.
    fn forward(&self, tokens: &Tensor) -> Tensor {
        let tokens = self.norm1.forward(tokens);
        let mean = tokens.mean_dim(1, true, None) + &self.positional_embedding;
        let all = Tensor::cat(&[&mean, &tokens], 1);
        let (q, k, v) = (self.q_proj.forward(&mean), self.k_proj.forward(&all), self.v_proj.forward(&all));
        let pooled = attend(&self.name, [&q, &k, &v], self.heads, None).squeeze_dim(1);
        self.norm2.forward(&self.proj.forward(&pooled))
    }
}

impl IfUnet {
    /// A UNet of this config, which has been checked.
    pub fn new(path: &Path, config: &model::IfUnet) -> Self {
        let [time, groups, text] = [config.time_width(), config.norm_groups, config.text_width()].map(|n| n as i64);
        let channels: Vec<i64> = config.channels.iter().map(|&c| c as i64).collect();
        let (first, levels) = (channels[0], channels.len());
        let resnet =
            |path: Path, from: i64, to: i64, resize: Resize| Resnet::new(&path, [from, to], [time, groups], resize);
        let attention = |path: Path, width: i64, there: bool| there.then(|| Attention::new(&path, width, config));

        let mut kept = vec![first];
        let mut width = first;
        let mut down = Vec::with_capacity(levels);
        for (level, &to) in channels.iter().enumerate() {
            let path = path / "down_blocks" / level;
            let mut layers = Vec::new();
            for layer in 0..config.layers_per_block {
                let resnet = resnet(&path / "resnets" / layer, width, to, Resize::Keep);
                layers.push((resnet, attention(&path / "attentions" / layer, to, config.attention[level])));
                width = to;
                kept.push(width);
            }
            let resize = (level + 1 < levels).then(|| {
                kept.push(width);
                resnet(&path / "downsamplers" / 0, width, width, Resize::Halve)
            });
            down.push(Level { layers, resize });
        }

        let mid = path / "mid_block";
        let middle = (
            resnet(&mid / "resnets" / 0, width, width, Resize::Keep),
            Attention::new(&(&mid / "attentions" / 0), width, config),
            resnet(&mid / "resnets" / 1, width, width, Resize::Keep),
        );

        let mut up = Vec::with_capacity(levels);
        for (block, level) in (0..levels).rev().enumerate() {
            let path = path / "up_blocks" / block;
            let to = channels[level];
            let mut layers = Vec::new();
            for layer in 0..=config.layers_per_block {
                let skip = kept.pop().expect("as many are kept as are taken");
                let resnet = resnet(&path / "resnets" / layer, width + skip, to, Resize::Keep);
                layers.push((resnet, attention(&path / "attentions" / layer, to, config.attention[level])));
                width = to;
            }
            let resize = (level > 0).then(|| resnet(&path / "upsamplers" / 0, width, width, Resize::Double));
            up.push(Level { layers, resize });
        }

        let embed = path / "time_embedding";
        let projection =
            |from: u64| Linear::new(&(path / "encoder_hid_proj"), from as i64, config.cross_attention_dim as i64);
        Self {
            time_embedding: (
                Linear::new(&(&embed / "linear_1"), first, time),
                Linear::new(&(&embed / "linear_2"), time, time),
            ),
            add_embedding: Pooling::new(&(path / "add_embedding"), text, time, config.pooling_heads as i64),
            encoder_hid_proj: config.encoder_hid_dim.map(projection),
            conv_in: Conv2d::new(&(path / "conv_in"), config.in_channels as i64, first, 3),
            down,
            middle,
            up,
            conv_norm_out: GroupNorm::new(&(path / "conv_norm_out"), width, groups, 1e-5),
            conv_out: Conv2d::zero(&(path / "conv_out"), width, config.out_channels() as i64, 3),
            first,
        }
    }

    /// `x: [B, in, S, S]`, `level: [B]` to `[B, out, S, S]`.
    pub fn forward(&self, x: &Tensor, level: &Tensor, told: &Told) -> Tensor {
        // 1. The noise level and the text as a whole, activated once for all residual blocks; the text as attention reads it.
        let (first, second) = &self.time_embedding;
        let time = second.forward(&first.forward(&sinusoid(level, self.first)).gelu("none"));
        let time = (time + self.add_embedding.forward(&told.tokens)).gelu("none");
        let text = match &self.encoder_hid_proj {
            Some(projection) => projection.forward(&told.tokens),
            None => told.tokens.shallow_clone(),
        };
        let layer = |(resnet, attention): &(Resnet, Option<Attention>), h: &Tensor| {
            let h = resnet.forward(h, &time);
            attention.as_ref().map_or_else(|| h.shallow_clone(), |attention| attention.forward(&h, &text))
        };

        // 2. Down, keeping what leaves each block.
        let mut h = self.conv_in.forward(x);
        let mut kept = vec![h.shallow_clone()];
        for level in &self.down {
            for pair in &level.layers {
                h = layer(pair, &h);
                kept.push(h.shallow_clone());
            }
            if let Some(halve) = &level.resize {
                h = halve.forward(&h, &time);
                kept.push(h.shallow_clone());
            }
        }

        // 3. Middle.
        let (before, attention, after) = &self.middle;
        h = attention.forward(&before.forward(&h, &time), &text);
        h = after.forward(&h, &time);

        // 4. Up, each block but the doubling ones beside what was kept.
        for level in &self.up {
            for pair in &level.layers {
                let skip = kept.pop().expect("as many are kept as are taken");
                h = layer(pair, &Tensor::cat(&[h, skip], 1));
            }
            if let Some(double) = &level.resize {
                h = double.forward(&h, &time);
            }
        }

        // 5. Out.
        self.conv_out.forward(&self.conv_norm_out.forward(&h).gelu("none"))
    }
}
