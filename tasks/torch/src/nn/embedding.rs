//! The table of learned vectors.

use tch::Tensor;

use super::{Init, Path};

/// One learned vector a row.
#[derive(Debug)]
pub struct Embedding {
    weight: Tensor,
}

impl Embedding {
    /// `rows` vectors of `width`, normal with `deviation` at first.
    pub fn new(path: &Path, rows: i64, width: i64, deviation: f64) -> Self {
        Self { weight: path.param("weight", &[rows, width], Init::Normal(deviation)) }
    }

    /// Row numbers `[…]` to `[…, width]`.
    pub fn forward(&self, rows: &Tensor) -> Tensor {
        Tensor::embedding(&self.weight, rows, -1, false, false)
    }

    /// All rows.
    pub fn rows(&self) -> &Tensor {
        &self.weight
    }
}
