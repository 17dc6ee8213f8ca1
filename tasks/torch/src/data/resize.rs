//! Resizing as Pillow does it on floating-point pictures: cubic, smoothing when it shrinks, one pass a direction. clean-fid (Parmar et al. 2022, arXiv 2104.11222)
//! found that distances depend on this, and settled on it.

use tch::{Kind, Tensor};

/// Half the filter's width, in pixels.
const SUPPORT: f64 = 2.0;

/// Pictures `[B, C, H, W]`, 0 to 255, to `[B, C, size, size]` in single precision, held to the same range; not rounded to whole numbers.
pub fn bicubic(pictures: &Tensor, size: i64) -> Tensor {
    let (_, _, high, wide) = pictures.size4().expect("pictures have four dimensions");
    let pass = |from: i64| weights(from as usize, size as usize).to_device(pictures.device());
    let across = pictures.to_kind(Kind::Double).matmul(&pass(wide).tr());
    // Pillow keeps single precision between its passes, and adds up in double.
    let down = pass(high).matmul(&across.to_kind(Kind::Float).to_kind(Kind::Double));
    down.to_kind(Kind::Float).clamp(0.0, 255.0)
}

/// How much of each of `from` pixels is in each of `to`: f64 `[to, from]`, rows add up to one.
fn weights(from: usize, to: usize) -> Tensor {
    let scale = from as f64 / to as f64;
    let stretch = scale.max(1.0);
    let mut weights = vec![0.0; to * from];
    for (place, row) in weights.chunks_exact_mut(from).enumerate() {
        let center = (place as f64 + 0.5) * scale;
        let first = (center - SUPPORT * stretch + 0.5).max(0.0) as usize;
        let end = ((center + SUPPORT * stretch + 0.5) as usize).min(from);
        for (pixel, weight) in row.iter_mut().enumerate().take(end).skip(first) {
            *weight = cubic((pixel as f64 - center + 0.5) / stretch);
        }
        let whole: f64 = row.iter().sum();
        for weight in row {
            *weight /= whole;
        }
    }
    Tensor::from_slice(&weights).view([to as i64, from as i64])
}

/// Keys' cubic with a = −½.
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}
