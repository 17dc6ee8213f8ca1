//! A head: layers from features down to one number, for the config of `isoflop_kinds::head::Head`.

use isoflop_kinds::head::{Between, Head as Config};
use tch::{Kind, Tensor, no_grad};

use crate::nn::{Linear, Params, Path};

/// The layers.
#[derive(Debug)]
pub struct Head {
    layers: Vec<Linear>,
    between: Between,
}

/// Where features lie, dimension by dimension.
#[derive(Debug)]
pub struct Standard {
    mean: Tensor,
    deviation: Tensor,
}

impl Standard {
    /// Of features `[N, W]`.
    pub fn of(features: &Tensor) -> Self {
        let deviation = features.std_dim(0, false, false);
        // A dimension that never moves says nothing.
        let still = deviation.less_equal(1e-6);
        Self { mean: features.mean_dim(0, false, Kind::Float), deviation: deviation.masked_fill(&still, 1.0) }
    }

    /// Brings features `[N, W]` to the mean zero and the deviation one.
    pub fn bring(&self, features: &Tensor) -> Tensor {
        (features - &self.mean) / &self.deviation
    }

    /// Makes a head over `params`, which was trained on features that had been brought there, one for features as they come.
    pub fn fold_into(&self, params: &Params) {
        let named = params.named();
        let (weight, bias) = (&named["layers.0.weight"], &named["layers.0.bias"]);
        no_grad(|| {
            let folded = weight / &self.deviation;
            let moved = bias - folded.mv(&self.mean);
            weight.shallow_clone().copy_(&folded);
            bias.shallow_clone().copy_(&moved);
        });
    }
}

impl Head {
    /// A head of this config on features of this width.
    pub fn new(path: &Path, config: &Config, width: i64) -> Self {
        let widths: Vec<i64> =
            std::iter::once(width).chain(config.hidden.iter().map(|&width| width as i64)).chain([1]).collect();
        let layer = |(i, pair): (usize, &[i64])| Linear::new(&(path / "layers" / i), pair[0], pair[1]);
        Self { layers: widths.windows(2).enumerate().map(layer).collect(), between: config.between }
    }

    /// Features `[B, W]` to numbers `[B]`.
    pub fn forward(&self, features: &Tensor) -> Tensor {
        let mut h = features.shallow_clone();
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 && self.between == Between::Gelu {
                h = h.gelu("none");
            }
            h = layer.forward(&h);
        }
        h.squeeze_dim(1)
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Seed;
    use tch::Device;

    use super::*;

    #[test]
    fn a_head_on_standardized_features_becomes_one_on_features_as_they_come() {
        let params = Params::new(Seed::from_number(1));
        let head = Head::new(&params.root(), &Config::default(), 6);
        let n = Tensor::arange(60, (Kind::Float, Device::Cpu)).view([10, 6]);
        let features = (n * 1.7).sin() * 30.0 + 5.0;
        let standard = Standard::of(&features);
        let brought = standard.bring(&features);
        assert!(
            brought.mean(Kind::Float).double_value(&[]).abs() < 1e-5
                && (brought.std(false).double_value(&[]) - 1.0).abs() < 1e-4
        );
        let before = no_grad(|| head.forward(&brought));
        standard.fold_into(&params);
        let after = no_grad(|| head.forward(&features));
        assert_eq!(after.size(), [10]);
        assert!((before - after).abs().max().double_value(&[]) < 1e-4);
    }
}
