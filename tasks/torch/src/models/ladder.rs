//! A UNet's way down and up again, whatever its blocks are.

use isoflop_kinds::model::{self, Rung};
use tch::Tensor;

use crate::nn::Path;

/// Blocks in the order of the forward pass: layers `L`, and changes of size `S` behind the layers of a level.
#[derive(Debug)]
pub struct Ladder<L, S> {
    down: Vec<Step<L, S>>,
    up: Vec<Step<L, S>>,
}

#[derive(Debug)]
enum Step<L, S> {
    Layer(L),
    Resize(S),
}

impl<L, S> Ladder<L, S> {
    /// Builds `layer` number so and so of a rung under its level's path, and `resize` under its own.
    pub fn new(
        path: &Path,
        rungs: &model::Ladder,
        layer: impl Fn(&Path, &Rung, u64) -> L,
        resize: impl Fn(&Path, &Rung) -> S,
    ) -> Self {
        let step = |rung: &Rung| {
            let level = path / &rung.block;
            match rung.layer {
                Some(number) => Step::Layer(layer(&level, rung, number)),
                None => Step::Resize(resize(&(level / rung.sampler() / 0), rung)),
            }
        };
        Self { down: rungs.down.iter().map(step).collect(), up: rungs.up.iter().map(step).collect() }
    }

    /// Down from `h: [B, C, S, S]`: what comes out, and what enters and leaves each block on the way.
    pub fn down(
        &self,
        h: Tensor,
        layer: impl Fn(&L, &Tensor) -> Tensor,
        halve: impl Fn(&S, &Tensor) -> Tensor,
    ) -> (Tensor, Vec<Tensor>) {
        let mut kept = vec![h];
        for step in &self.down {
            let h = kept.last().expect("what enters is kept");
            kept.push(match step {
                Step::Layer(block) => layer(block, h),
                Step::Resize(block) => halve(block, h),
            });
        }
        let h = kept.last().expect("what enters is kept").shallow_clone();
        (h, kept)
    }

    /// Up from `h`, each layer beside what was kept, the last first.
    pub fn up(
        &self,
        mut h: Tensor,
        mut kept: Vec<Tensor>,
        layer: impl Fn(&L, &Tensor) -> Tensor,
        double: impl Fn(&S, &Tensor) -> Tensor,
    ) -> Tensor {
        for step in &self.up {
            h = match step {
                Step::Layer(block) => {
                    let skip = kept.pop().expect("as many are kept as are taken");
                    layer(block, &Tensor::cat(&[h, skip], 1))
                }
                Step::Resize(block) => double(block, &h),
            };
        }
        h
    }
}
