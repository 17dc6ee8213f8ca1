//! What a UNet is made of, counted.

use super::Unet;
use crate::model::{
    count::{Block, Count},
    ladder::{Ladder, Rung},
};

impl Unet {
    /// Every part in the order of the forward pass, for `size × size` inputs and `tokens` text tokens.
    pub fn blocks(&self, size: u64, tokens: u64) -> Vec<Block> {
        let mut blocks = Vec::new();
        let time = self.time_width();
        let first = self.channels[0];
        let read = |reads: bool| reads.then_some(tokens);
        blocks.push((Count::linear(first, time, 1) + Count::linear(time, time, 1)).at("time_embedding"));
        if self.pooled_text {
            let text = self.cross_attention_dim;
            blocks.push((Count::norm(text) + Count::linear(text, time, 1)).at("add_embedding"));
        }
        if let Some(text_time) = self.text_time {
            let through = Count::linear(text_time.joined(), time, 1) + Count::linear(time, time, 1);
            blocks.push(through.at("add_embedding"));
        }
        blocks.push(Count::conv(self.in_channels, first, 3, size * size).at("conv_in"));

        let ladder = Ladder::new(&self.channels, self.layers_per_block);
        let along = |rungs: &[Rung], blocks: &mut Vec<Block>| {
            for rung in rungs {
                let side = size >> rung.halvings;
                let Some(layer) = rung.layer else {
                    let path = format!("{}.{}.0", rung.block, rung.sampler());
                    blocks.push(Count::conv(rung.from, rung.to, 3, side * side).at(path));
                    continue;
                };
                blocks.push(self.residual(rung.from, rung.to, side).at(format!("{}.resnets.{layer}", rung.block)));
                let (depth, tokens) = (self.transformer_depth[rung.level], read(self.cross_attention[rung.level]));
                if depth > 0 {
                    let path = format!("{}.attentions.{layer}", rung.block);
                    blocks.push(self.transformer(rung.to, depth, side, tokens).at(path));
                }
            }
        };
        along(&ladder.down, &mut blocks);

        let (width, side) = (ladder.width, size >> ladder.halvings);
        blocks.push(self.residual(width, width, side).at("mid_block.resnets.0"));
        if self.middle_depth > 0 {
            let tokens = read(self.middle_cross_attention);
            blocks.push(self.transformer(width, self.middle_depth, side, tokens).at("mid_block.attentions.0"));
        }
        blocks.push(self.residual(width, width, side).at("mid_block.resnets.1"));

        along(&ladder.up, &mut blocks);
        blocks.push(Count::norm(first).at("conv_norm_out"));
        blocks.push(Count::conv(first, self.out_channels, 3, size * size).at("conv_out"));
        blocks
    }

    /// Parameters in all.
    pub fn params(&self) -> u64 {
        let size = 1 << (self.levels() - 1);
        Count::of(&self.blocks(size, 1)).params
    }

    /// Multiply-accumulates of one forward pass.
    pub fn macs(&self, size: u64, tokens: u64) -> u64 {
        Count::of(&self.blocks(size, tokens)).macs
    }

    /// A residual block: two normalized convolutions with the time embedding added between, and a 1×1 shortcut where widths differ.
    fn residual(&self, from: u64, to: u64, size: u64) -> Count {
        Count::residual(from, to, size * size) + Count::linear(self.time_width(), to, 1)
    }

    /// A transformer over a level's pixels: in, `depth` blocks of self-attention, cross-attention to the `tokens` if it reads any, and gated
    /// feed-forward, out.
    fn transformer(&self, width: u64, depth: u64, size: u64, tokens: Option<u64>) -> Count {
        let pixels = size * size;
        let around = Count::norm(width) + Count::linear(width, width, pixels) * 2;
        let attention = |context: u64, tokens: u64| {
            Count::norm(width)
                + Count::unbiased(width, width, pixels)
                + Count::unbiased(context, width, tokens) * 2
                + Count::attention(pixels, tokens, width)
                + Count::linear(width, width, pixels)
        };
        let read = tokens.map(|tokens| attention(self.cross_attention_dim, tokens)).unwrap_or_default();
        let feed_forward =
            Count::norm(width) + Count::linear(width, 8 * width, pixels) + Count::linear(4 * width, width, pixels);
        around + (attention(width, pixels) + read + feed_forward) * depth
    }
}
