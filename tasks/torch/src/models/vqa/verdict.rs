//! From what was read of a picture to an answer.

use isoflop_kinds::model;
use tch::Tensor;

use super::World;
use crate::nn::{LayerNorm, Linear, Path};

/// Readings and spots together, gated by the question's words: "left" and "right" turn a difference of spots round.
#[derive(Debug)]
pub struct Verdict {
    norm: LayerNorm,
    read: Linear,
    /// Reads where heads looked, and how far apart each two of them. Beside the other readings, which are many and normalized together, it would drown.
    spots: Linear,
    gate: Linear,
    think: Linear,
    answer: Linear,
}

impl Verdict {
    /// A verdict on `reading` numbers.
    pub fn new(path: &Path, reading: i64, config: &model::Vqa, world: World) -> Self {
        let (width, heads) = (config.width as i64, config.heads as i64);
        Self {
            norm: LayerNorm::new(&(path / "norm"), reading),
            read: Linear::new(&(path / "read"), reading, 2 * width),
            spots: Linear::new(&(path / "spots"), heads * (heads + 1), 2 * width),
            gate: Linear::new(&(path / "gate"), width, 4 * width),
            think: Linear::new(&(path / "think"), 2 * width, 2 * width),
            answer: Linear::new(&(path / "answer"), 2 * width, world.answers),
        }
    }

    /// `reading` `[Q, reading]`, the heads' `spots` `[Q, heads (heads + 1)]` and the questions' `words` `[Q, width]` to a score for each answer `[Q, answers]`.
    pub fn forward(&self, reading: &Tensor, spots: &Tensor, words: &Tensor) -> Tensor {
        let read = self.read.forward(&self.norm.forward(reading)) + self.spots.forward(spots);
        let gate = self.gate.forward(words).chunk(2, -1);
        let z = (read * (&gate[0] + 1.0) + &gate[1]).silu();
        self.answer.forward(&(&z + self.think.forward(&z).silu()))
    }
}
