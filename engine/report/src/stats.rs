//! The few statistics that claims and figures use. Each takes finite numbers and answers `None` where it is not defined.

/// The arithmetic mean.
pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The sample standard deviation (divisor n − 1).
pub fn std(values: &[f64]) -> Option<f64> {
    let mean = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    (values.len() > 1).then(|| (squares / (values.len() - 1) as f64).sqrt())
}

/// Smallest and largest.
pub fn span(values: &[f64]) -> Option<(f64, f64)> {
    let first = *values.first()?;
    Some(values.iter().fold((first, first), |(low, high), v| (low.min(*v), high.max(*v))))
}

/// The means of both sides. Not a number without pairs.
pub fn centre(pairs: &[(f64, f64)]) -> (f64, f64) {
    let (x, y) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0, y + pair.1));
    (x / pairs.len() as f64, y / pairs.len() as f64)
}

/// Spearman's rank correlation: Pearson's of the ranks, ties sharing their mean rank. Not defined below two pairs or where one side is constant.
pub fn spearman(pairs: &[(f64, f64)]) -> Option<f64> {
    let xs = ranks(&pairs.iter().map(|(x, _)| x + 0.0).collect::<Vec<_>>());
    let ys = ranks(&pairs.iter().map(|(_, y)| y + 0.0).collect::<Vec<_>>());
    let (mx, my) = (mean(&xs)?, mean(&ys)?);
    let sum = |f: &dyn Fn(f64, f64) -> f64| xs.iter().zip(&ys).map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
    let (xy, xx, yy) = (sum(&|x, y| x * y), sum(&|x, _| x * x), sum(&|_, y| y * y));
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

/// `+ 0.0` above has made one zero of two: `total_cmp` would rank −0 below 0.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let mut end = start;
        while end + 1 < order.len() && values[order[end + 1]].total_cmp(&values[order[start]]).is_eq() {
            end += 1;
        }
        for &i in &order[start..=end] {
            ranks[i] = (start + end) as f64 / 2.0 + 1.0;
        }
        start = end + 1;
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.spearmanr(x, y).statistic`, `SciPy` 1.17.1.
    #[test]
    fn spearman_is_scipys() {
        let cases: [(&[f64], &[f64], f64); 4] = [
            (&[1.0, 2.0, 3.0, 4.0, 5.0], &[5.0, 6.0, 7.0, 8.0, 7.0], 0.820_782_681_668_123_3),
            (&[0.31, 0.9, 2.2, 5.1, 11.8, 11.8], &[0.41, 0.52, 0.50, 0.66, 0.71, 0.71], 0.941_176_470_588_235_4),
            (
                &[106.0, 100.0, 86.0, 101.0, 99.0, 103.0, 97.0, 113.0, 112.0, 110.0],
                &[7.0, 27.0, 2.0, 50.0, 28.0, 29.0, 20.0, 12.0, 6.0, 17.0],
                -0.175_757_575_757_575_75,
            ),
            (&[1.0, 2.0, 3.0], &[3.0, 2.0, 1.0], -1.0),
        ];
        for (xs, ys, expected) in cases {
            let pairs: Vec<_> = xs.iter().copied().zip(ys.iter().copied()).collect();
            assert!((spearman(&pairs).unwrap() - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn undefined_statistics_are_none() {
        assert_eq!((mean(&[]), std(&[1.0]), span(&[])), (None, None, None));
        assert_eq!((spearman(&[]), spearman(&[(1.0, 2.0)]), spearman(&[(1.0, 2.0), (1.0, 3.0)])), (None, None, None));
        assert_eq!(spearman(&[(0.0, 1.0), (-0.0, 2.0)]), None);
        assert!((std(&[1.0, 2.0, 4.0]).unwrap() - 1.527_525_231_651_947).abs() < 1e-12);
    }
}
