//! Images as sequences of patches, with fixed positions (Dosovitskiy et al. 2020, arXiv 2010.11929; Peebles & Xie 2023, arXiv 2212.09748).

use tch::{Device, Kind, Tensor};

use super::{Conv2d, Init, Path, constant};

/// The way in: each `patch × patch` square becomes a vector, and its place is added to it.
#[derive(Debug)]
pub struct Patches {
    proj: Conv2d,
    width: i64,
    patch: i64,
    span: Option<(i64, f64)>,
}

impl Patches {
    /// From `channels` to vectors of `width`. Positions are whole numbers from 0 or, where a `span` of places and a divisor are given, that
    /// many places' worth whatever the size, divided by it.
    pub fn new(path: &Path, [channels, width, patch]: [i64; 3], span: Option<(i64, f64)>) -> Self {
        let start = Init::xavier(channels * patch * patch, width);
        Self { proj: Conv2d::patches(&(path / "proj"), channels, width, patch, start), width, patch, span }
    }

    /// `[B, C, H, W]` to `[B, H / patch · W / patch, width]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (_, _, high, wide) = x.size4().expect("images have four dimensions");
        // The order in memory that comes in is kept by every sum with it: channels before tokens here would mean copies in each layer of each block.
        let tokens = self.proj.forward(x).flatten(2, 3).transpose(1, 2).contiguous();
        let (rows, columns) = (high / self.patch, wide / self.patch);
        let (span, divisor) = self.span.unwrap_or_default();
        let sizes = [rows, columns, self.width, span, divisor.to_bits().cast_signed()];
        let places = constant("places", &sizes, x.device(), || self.places(rows, columns));
        tokens + places.to_kind(x.kind())
    }

    /// Sines and cosines of the column in the first half of each vector, of the row in the second: `[rows · columns, width]`.
    fn places(&self, rows: i64, columns: i64) -> Tensor {
        let options = (Kind::Double, Device::Cpu);
        let half = self.width / 2;
        let powers = Tensor::arange(half / 2, options) / (half as f64 / 2.0);
        let frequencies = (powers * -(10_000_f64.ln())).exp();
        let waves = |places: i64| {
            let (span, divisor) = self.span.unwrap_or((places, 1.0));
            let at = Tensor::arange(places, options) / (places as f64 / span as f64) / divisor;
            let angles = at.unsqueeze(1) * &frequencies;
            Tensor::cat(&[angles.sin(), angles.cos()], 1) // [places, half]
        };
        let column = waves(columns).unsqueeze(0).expand([rows, columns, half], false);
        let row = waves(rows).unsqueeze(1).expand([rows, columns, half], false);
        Tensor::cat(&[column, row], 2).view([rows * columns, self.width]).to_kind(Kind::Float)
    }
}

/// The way back: `[B, rows · columns, patch · patch · C]`, a patch's pixels row by row with their channels innermost, to
/// `[B, C, rows · patch, columns · patch]`.
pub fn unpatch(tokens: &Tensor, [rows, columns]: [i64; 2], patch: i64) -> Tensor {
    let (batch, _, width) = tokens.size3().expect("sequences have three dimensions");
    let channels = width / (patch * patch);
    let squares = tokens.reshape([batch, rows, columns, patch, patch, channels]);
    squares.permute([0, 5, 1, 3, 2, 4]).reshape([batch, channels, rows * patch, columns * patch])
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Seed;

    use super::*;
    use crate::nn::Params;

    #[test]
    fn a_larger_image_divides_the_same_span() {
        let places = |span: Option<(i64, f64)>, side: i64| {
            let params = Params::new(Seed::from_number(1));
            Patches::new(&params.root(), [3, 8, 2], span).places(side, side).view([side, side, 8])
        };
        let (own, divided, beyond) = (places(None, 2), places(Some((2, 1.0)), 4), places(None, 4));
        for (row, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            assert_eq!(divided.get(2 * row).get(2 * column), own.get(row).get(column));
            assert_eq!(beyond.get(row).get(column), own.get(row).get(column), "without a span places go on");
        }
    }

    /// Tokens lie one behind the other, with the numbers that the convolution gives them, and so does what is added to them.
    #[test]
    fn tokens_lie_one_behind_the_other() {
        let params = Params::new(Seed::from_number(1));
        let patches = Patches::new(&params.root(), [3, 8, 2], None);
        let x = (Tensor::arange(2 * 3 * 4 * 6, (Kind::Float, Device::Cpu)) * 0.01).sin().view([2, 3, 4, 6]);
        let tokens = patches.forward(&x);
        assert_eq!((tokens.size(), tokens.stride()), (vec![2, 6, 8], vec![48, 8, 1]));
        assert!((&tokens + tokens.ones_like()).is_contiguous());
        let squares = patches.proj.forward(&x); // [2, 8, 2, 3]
        let places = patches.places(2, 3);
        for (token, row, column) in [(0, 0, 0), (4, 1, 1), (5, 1, 2)] {
            let expected = squares.select(3, column).select(2, row) + places.get(token);
            assert_eq!(tokens.select(1, token), expected);
        }
    }
}
