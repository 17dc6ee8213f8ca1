//! The UNet of DeepFloyd IF, for the config and under the parameter names of `isoflop_kinds::model::IfUnet`.
//!
//! Layout of diffusers' `UNet2DConditionModel` with `SimpleCrossAttn…` blocks. What the authors' code starts at zero starts at zero: second
//! convolutions of residual blocks, attentions' ways out, the last convolution.

use std::rc::Rc;

use isoflop_kinds::model::{self, Rung};
use tch::Tensor;

use super::{Ladder, Resize, Resnet, Style, Told, sinusoid};
use crate::nn::{Conv2d, GroupNorm, Init, LayerNorm, Linear, Path, attend, block};

/// A text-conditioned UNet whose attention is over pixels and text tokens together.
#[derive(Debug)]
pub struct IfUnet {
    time_embedding: (Linear, Linear),
    add_embedding: Pooling,
    encoder_hid_proj: Option<Linear>,
    conv_in: Conv2d,
    ladder: Ladder<Layer, Resnet>,
    middle: (Resnet, Attention, Resnet),
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
    first: i64,
}

/// A residual block, with an attention behind it where the level has some.
type Layer = Rc<(Resnet, Option<Attention>)>;

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
        let first = config.channels[0] as i64;
        let resnet = |path: Path, from: i64, to: i64, resize: Resize| {
            Resnet::new(&path, [from, to], groups, Style::Modulated(time, resize))
        };
        let attention = |path: Path, width: i64, there: bool| there.then(|| Attention::new(&path, width, config));

        let rungs = model::Ladder::new(&config.channels, config.layers_per_block);
        let layer = |level: &Path, rung: &Rung, number: u64| {
            Rc::new((
                resnet(level / "resnets" / number, rung.from as i64, rung.to as i64, Resize::Keep),
                attention(level / "attentions" / number, rung.to as i64, config.attention[rung.level]),
            ))
        };
        let resize = |path: &Path, rung: &Rung| {
            let resize = if rung.halves() { Resize::Halve } else { Resize::Double };
            resnet(path.clone(), rung.from as i64, rung.to as i64, resize)
        };
        let ladder = Ladder::new(path, &rungs, layer, resize);

        let width = rungs.width as i64;
        let mid = path / "mid_block";
        let middle = (
            resnet(&mid / "resnets" / 0, width, width, Resize::Keep),
            Attention::new(&(&mid / "attentions" / 0), width, config),
            resnet(&mid / "resnets" / 1, width, width, Resize::Keep),
        );

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
            ladder,
            middle,
            conv_norm_out: GroupNorm::new(&(path / "conv_norm_out"), first, groups, 1e-5),
            conv_out: Conv2d::zero(&(path / "conv_out"), first, config.out_channels() as i64, 3),
            first,
        }
    }

    /// `x: [B, in, S, S]`, `level: [B]` to `[B, out, S, S]`.
    pub fn forward(&self, x: &Tensor, level: &Tensor, told: &Told) -> Tensor {
        // 1. The noise level and the text as a whole, activated once for all residual blocks; the text as attention reads it.
        let (first, second) = &self.time_embedding;
        let time = second.forward(&first.forward(&sinusoid(level, self.first).to_kind(x.kind())).gelu("none"));
        let time = (time + self.add_embedding.forward(&told.tokens)).gelu("none");
        let text = match &self.encoder_hid_proj {
            Some(projection) => projection.forward(&told.tokens),
            None => told.tokens.shallow_clone(),
        };
        let layer = |layer: &Layer, h: &Tensor| {
            let layer = Rc::clone(layer);
            block(&[h, &time, &text], move |inputs| {
                let (resnet, attention) = &*layer;
                let h = resnet.forward(&inputs[0], Some(&inputs[1]));
                match attention {
                    Some(attention) => attention.forward(&h, &inputs[2]),
                    None => h,
                }
            })
        };
        let resize = |resnet: &Resnet, h: &Tensor| resnet.forward(h, Some(&time));

        // 2. Down, keeping what leaves each block.
        let (h, kept) = self.ladder.down(self.conv_in.forward(x), layer, resize);

        // 3. Middle.
        let (before, attention, after) = &self.middle;
        let h = attention.forward(&before.forward(&h, Some(&time)), &text);
        let h = after.forward(&h, Some(&time));

        // 4. Up, each layer beside what was kept.
        let h = self.ladder.up(h, kept, layer, resize);

        // 5. Out.
        self.conv_out.forward(&self.conv_norm_out.forward(&h).gelu("none"))
    }
}
