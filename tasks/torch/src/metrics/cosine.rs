//! Cosines in double precision, a pair at a time: no sum depends on how many pairs there are.

use tch::{Kind, Tensor};

/// Features `[N, W]`, a row each, each at unit length.
pub fn directions(features: &Tensor) -> Vec<Vec<f64>> {
    let mut rows: Vec<Vec<f64>> = Vec::try_from(features.to_kind(Kind::Double)).expect("two dimensions of f64");
    for row in &mut rows {
        let length = row.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
        for x in row {
            *x /= length;
        }
    }
    rows
}

/// The cosine of the angle between two directions.
pub fn cosine(x: &[f64], y: &[f64]) -> f64 {
    x.iter().zip(y).map(|(x, y)| x * y).sum()
}
