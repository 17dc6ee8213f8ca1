//! How far two sets of images are apart, by features: the Fréchet distance of the Gaussians fitted to them (Heusel et al. 2017, arXiv 1706.08500), its value for
//! endless samples (Chong and Forsyth 2020, arXiv 1911.07023), and the kernel distance (Bińkowski et al. 2018, arXiv 1801.01401). All in double precision.

use tch::{Kind, Tensor};

/// A Gaussian.
#[derive(Debug)]
pub struct Gaussian {
    /// `[D]`.
    mean: Tensor,
    /// `[D, D]`.
    covariance: Tensor,
}

impl Gaussian {
    /// The Gaussian of features `[N, D]`, N at least two, with the unbiased covariance.
    pub fn of(features: &Tensor) -> Self {
        let features = features.to_kind(Kind::Double);
        let mean = features.mean_dim(0, false, Kind::Double);
        let centred = &features - &mean;
        let covariance = centred.tr().matmul(&centred) / (features.size()[0] - 1) as f64;
        Self { mean, covariance }
    }
}

/// `‖μ₁ − μ₂‖² + Tr(S₁ + S₂ − 2 (S₁ S₂)^½)`. The root's trace is had exactly, also where covariances are singular: `S₁ S₂` has the eigenvalues of the
/// symmetric `S₁^½ S₂ S₁^½`, and those have real roots.
pub fn frechet(a: &Gaussian, b: &Gaussian) -> f64 {
    let (values, vectors) = a.covariance.linalg_eigh("L");
    let root = (&vectors * values.clamp_min(0.0).sqrt()).matmul(&vectors.tr());
    let inner = root.matmul(&b.covariance).matmul(&root);
    // Symmetric but for rounding.
    let inner = (&inner + inner.tr()) / 2.0;
    let overlap = inner.linalg_eigvalsh("L").clamp_min(0.0).sqrt().sum(Kind::Double);
    let apart = (&a.mean - &b.mean).square().sum(Kind::Double);
    let spread = a.covariance.trace() + b.covariance.trace();
    (apart + spread - overlap * 2.0).double_value(&[])
}

/// The Fréchet distance that endless samples would have: the value at `1/N = 0` of the line through the distances of growing parts of `features` `[N, D]`, which
/// must be in random order, from `reference`. The bias of a finite sample is proportional to `1/N`.
pub fn extrapolated(features: &Tensor, reference: &Gaussian) -> f64 {
    const PARTS: i64 = 15;
    let count = features.size()[0];
    let points: Vec<(f64, f64)> = (0..PARTS)
        .map(|part| {
            let size = count / 5 + (count - count / 5) * part / (PARTS - 1);
            // Parts begin at different places, so that they do not all hold the same images.
            let first = (count - size) * (part % 3) / 2;
            (1.0 / size as f64, frechet(&Gaussian::of(&features.narrow(0, first, size)), reference))
        })
        .collect();
    let n = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
        / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
    y - slope * x
}

/// The unbiased squared distance of means under the kernel `(x · y / D + 1)³`, of features `[M, D]` and `[N, D]`.
pub fn kernel_distance(a: &Tensor, b: &Tensor) -> f64 {
    let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
    let kernel = |x: &Tensor, y: &Tensor| (x.matmul(&y.tr()) / x.size()[1] as f64 + 1.0).pow_tensor_scalar(3);
    let within = |x: &Tensor| {
        let (k, n) = (kernel(x, x), x.size()[0] as f64);
        (k.sum(Kind::Double) - k.trace()) / (n * (n - 1.0))
    };
    (within(&a) + within(&b) - kernel(&a, &b).mean(Kind::Double) * 2.0).double_value(&[])
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    fn normal(count: i64, seed: u64) -> Tensor {
        crate::draw::drawn(seed, || Tensor::randn([count, 12], (Kind::Double, Device::Cpu)))
    }

    /// Diagonal Gaussians have a closed form: the sum of squared differences of means and of deviations.
    #[test]
    fn closed_form_of_diagonal_gaussians() {
        let gaussian = |mean: &[f64], deviation: &[f64]| Gaussian {
            mean: Tensor::from_slice(mean),
            covariance: Tensor::from_slice(deviation).square().diag(0),
        };
        let (a, b) = (gaussian(&[0.0, 1.0, 2.0], &[1.0, 2.0, 0.0]), gaussian(&[1.0, 1.0, 0.0], &[3.0, 0.5, 0.0]));
        let wanted = 1.0 + 4.0 + 4.0 + 2.25;
        assert!((frechet(&a, &b) - wanted).abs() < 1e-9 && (frechet(&b, &a) - wanted).abs() < 1e-9);
        assert!(frechet(&a, &a).abs() < 1e-9);
    }

    /// Two samples of one Gaussian: the plain distance is biased upward, the extrapolated one and the kernel's are not.
    #[test]
    fn extrapolation_takes_the_bias_away() {
        let reference = normal(20_000, 1);
        let gaussian = Gaussian::of(&reference);
        let (mut plain, mut endless, mut kernel) = (0.0, 0.0, 0.0);
        for seed in 2..10 {
            let sample = normal(400, seed);
            plain += frechet(&Gaussian::of(&sample), &gaussian) / 8.0;
            endless += extrapolated(&sample, &gaussian) / 8.0;
            kernel += kernel_distance(&sample, &reference.narrow(0, 0, 2000)) / 8.0;
        }
        assert!(plain > 0.1 && endless.abs() < plain / 4.0 && kernel.abs() < 0.02, "{plain} {endless} {kernel}");
    }
}
