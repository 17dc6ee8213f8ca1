//! How far two sets of images are apart, by features: the Fréchet distance of the Gaussians fitted to them (Heusel et al. 2017, arXiv 1706.08500), its value for
//! endless samples (Chong and Forsyth 2020, arXiv 1911.07023), and the kernel distance (Bińkowski et al. 2018, arXiv 1801.01401). All in double precision.

use std::cell::OnceCell;

use tch::{Kind, Tensor};

use super::spectrum::{eigenvalues, factor};

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

/// A Gaussian that many sets are compared with.
#[derive(Debug)]
pub struct Reference {
    gaussian: Gaussian,
    /// Of the covariance, once it is wanted: `S = Fᵀ F`.
    factor: OnceCell<Tensor>,
}

impl Reference {
    /// The Gaussian of features `[N, D]`.
    pub fn of(features: &Tensor) -> Self {
        Self { gaussian: Gaussian::of(features), factor: OnceCell::new() }
    }

    /// The Fréchet distance of features `[N, D]`. Of fewer rows than features it costs N D² instead of D³.
    pub fn frechet(&self, features: &Tensor) -> f64 {
        let [count, width] = features.size()[..] else { panic!("features are rows of numbers") };
        if count < width {
            return self.frechet_of_few(features);
        }
        let factor = self.factor.get_or_init(|| factor(&self.gaussian.covariance));
        frechet_from(&self.gaussian, factor, &Gaussian::of(features))
    }

    /// With `S₂ = Xᵀ X`, X being the centred rows over `√(N − 1)`, the product `S₁ S₂` has the eigenvalues of the symmetric `X S₁ Xᵀ` and zeros.
    fn frechet_of_few(&self, features: &Tensor) -> f64 {
        let features = features.to_kind(Kind::Double);
        let mean = features.mean_dim(0, false, Kind::Double);
        let rows = (&features - &mean) / ((features.size()[0] - 1) as f64).sqrt();
        let inner = rows.matmul(&self.gaussian.covariance).matmul(&rows.tr());
        let apart = (&self.gaussian.mean - &mean).square().sum(Kind::Double);
        let spread = self.gaussian.covariance.trace() + rows.square().sum(Kind::Double);
        (apart + spread).double_value(&[]) - 2.0 * roots(&inner)
    }
}

/// The sum of the roots of the eigenvalues of a matrix that is symmetric but for rounding.
fn roots(inner: &Tensor) -> f64 {
    eigenvalues(&((inner + inner.tr()) / 2.0)).into_iter().map(|value| value.max(0.0).sqrt()).sum()
}

/// `‖μ₁ − μ₂‖² + Tr(S₁ + S₂ − 2 (S₁ S₂)^½)`. The root's trace is had exactly, also where covariances are singular: with `S₁ = Fᵀ F` the product `S₁ S₂` has the
/// eigenvalues of the symmetric `F S₂ Fᵀ` and zeros, and those have real roots.
pub fn frechet(a: &Gaussian, b: &Gaussian) -> f64 {
    frechet_from(a, &factor(&a.covariance), b)
}

/// The same from `a`, whose covariance has this factor: for many distances from one set.
fn frechet_from(a: &Gaussian, factor: &Tensor, b: &Gaussian) -> f64 {
    let overlap = roots(&factor.matmul(&b.covariance).matmul(&factor.tr()));
    let apart = (&a.mean - &b.mean).square().sum(Kind::Double);
    let spread = a.covariance.trace() + b.covariance.trace();
    (apart + spread).double_value(&[]) - 2.0 * overlap
}

/// The Fréchet distance that endless samples would have: the value at `1/N = 0` of the line through the distances of growing parts of `features` `[N, D]`, which
/// must be in random order, from `reference`. There must be ten rows at least. The bias of a finite sample is proportional to `1/N`.
pub fn extrapolated(features: &Tensor, reference: &Reference) -> f64 {
    const PARTS: i64 = 15;
    let count = features.size()[0];
    let points: Vec<(f64, f64)> = (0..PARTS)
        .map(|part| {
            let size = count / 5 + (count - count / 5) * part / (PARTS - 1);
            // Parts begin at different places, so that they do not all hold the same images.
            let first = (count - size) * (part % 3) / 2;
            (1.0 / size as f64, reference.frechet(&features.narrow(0, first, size)))
        })
        .collect();
    let n = points.len() as f64;
    let (x, y) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let slope = points.iter().map(|p| (p.0 - x) * (p.1 - y)).sum::<f64>()
        / points.iter().map(|p| (p.0 - x).powi(2)).sum::<f64>();
    y - slope * x
}

/// Rows of a kernel matrix that are in memory at a time.
const ROWS: i64 = 1024;

/// The unbiased squared distance of means under the kernel `(x · y / D + 1)³`, of features `[M, D]` and `[N, D]`.
pub fn kernel_distance(a: &Tensor, b: &Tensor) -> f64 {
    kernel_distances(a, b, &Tensor::ones([1, a.size()[0]], (Kind::Double, a.device())))[0]
}

/// The same of resamples of `a`: `times` f64 `[R, M]` says how often each row is in each of them. What is drawn twice is no pair with itself, which keeps the
/// distance unbiased.
pub fn kernel_distances(a: &Tensor, b: &Tensor, times: &Tensor) -> Vec<f64> {
    let (a, b) = (a.to_kind(Kind::Double), b.to_kind(Kind::Double));
    let kernel = |x: &Tensor, y: &Tensor| (x.matmul(&y.tr()) / x.size()[1] as f64 + 1.0).pow_tensor_scalar(3);
    let diagonal = |x: &Tensor| {
        (x.square().sum_dim_intlist(1_i64, false, Kind::Double) / x.size()[1] as f64 + 1.0).pow_tensor_scalar(3)
    };
    let sum = |x: Tensor| x.sum_dim_intlist(1_i64, false, Kind::Double);
    // The mean over pairs of two different rows, each pair as often as it was drawn.
    let within = |x: &Tensor, times: &Tensor| {
        let squares = times.square();
        let mut total = -squares.matmul(&diagonal(x));
        for (first, rows) in blocks(x.size()[0]) {
            let part = times.matmul(&kernel(&x.narrow(0, first, rows), x).tr());
            total += sum(part * times.narrow(1, first, rows));
        }
        total / (sum(times.shallow_clone()).square() - sum(squares))
    };
    let parts =
        blocks(a.size()[0]).map(|(first, rows)| kernel(&a.narrow(0, first, rows), &b).mean_dim(1, false, Kind::Double));
    let across = Tensor::cat(&parts.collect::<Vec<_>>(), 0);
    let across = times.matmul(&across) / sum(times.shallow_clone());
    let all = Tensor::ones([1, b.size()[0]], (Kind::Double, b.device()));
    let distances = within(&a, times) + within(&b, &all) - across * 2.0;
    Vec::try_from(distances).expect("one dimension of f64")
}

/// `count` rows as stretches, by their first and their length.
fn blocks(count: i64) -> impl Iterator<Item = (i64, i64)> {
    (0..count).step_by(ROWS as usize).map(move |first| (first, ROWS.min(count - first)))
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

    /// Fewer rows than features: the same distance by a smaller matrix.
    #[test]
    fn few_rows_are_as_far_as_their_gaussian_is() {
        let reference = normal(40, 1);
        for (count, seed) in [(2, 2), (5, 3), (11, 4)] {
            let few = normal(count, seed) + 0.5;
            let (short, long) =
                (Reference::of(&reference).frechet(&few), frechet(&Gaussian::of(&reference), &Gaussian::of(&few)));
            assert!((short - long).abs() < 1e-6 * long, "{count}: {short} {long}");
        }
        let few = normal(6, 5);
        assert!(Reference::of(&few).frechet(&few).abs() < 1e-6);
    }

    /// Two samples of one Gaussian: the plain distance is biased upward, the extrapolated one and the kernel's are not.
    #[test]
    fn extrapolation_takes_the_bias_away() {
        let reference = normal(20_000, 1);
        let gaussian = Reference::of(&reference);
        let (mut plain, mut endless, mut kernel) = (0.0, 0.0, 0.0);
        for seed in 2..10 {
            let sample = normal(400, seed);
            plain += gaussian.frechet(&sample) / 8.0;
            endless += extrapolated(&sample, &gaussian) / 8.0;
            kernel += kernel_distance(&sample, &reference.narrow(0, 0, 2000)) / 8.0;
        }
        assert!(plain > 0.1 && endless.abs() < plain / 4.0 && kernel.abs() < 0.02, "{plain} {endless} {kernel}");
    }

    /// Counts stand for rows that are there several times, but for pairs of a row with itself.
    #[test]
    fn counts_stand_for_rows() {
        let (a, b) = (normal(5, 1), normal(7, 2));
        let times = Tensor::from_slice(&[1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 0.0, 1.0, 1.0, 1.0]).view([2, 5]);
        let distances = kernel_distances(&a, &b, &times);
        assert!((distances[0] - kernel_distance(&a, &b)).abs() < 1e-12);
        let rows = |t: &Tensor| -> Vec<Vec<f64>> { Vec::try_from(t).unwrap() };
        let k = |x: &[f64], y: &[f64]| (x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>() / 12.0 + 1.0).powi(3);
        let (a, b) = (rows(&a), rows(&b));
        let drawn = [0, 0, 2, 3, 4];
        let mean = |pairs: Vec<f64>| pairs.iter().sum::<f64>() / pairs.len() as f64;
        let pairs = |x: &[Vec<f64>], drawn: &[usize]| -> Vec<f64> {
            let all = drawn.iter().flat_map(|&i| drawn.iter().map(move |&j| (i, j)));
            all.filter(|(i, j)| i != j).map(|(i, j)| k(&x[i], &x[j])).collect()
        };
        let across = drawn.iter().flat_map(|&i| b.iter().map(|y| k(&a[i], y)).collect::<Vec<_>>()).collect();
        let wanted = mean(pairs(&a, &drawn)) + mean(pairs(&b, &[0, 1, 2, 3, 4, 5, 6])) - 2.0 * mean(across);
        assert!((distances[1] - wanted).abs() < 1e-12, "{} {wanted}", distances[1]);
    }
}
