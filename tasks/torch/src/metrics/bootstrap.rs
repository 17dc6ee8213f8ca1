//! Uncertainty of a score over prompts: what it would have been on other prompts of the same sort, by the percentile bootstrap (Efron 1979).

use isoflop_contract::Seed;

/// Where a score may lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub lower: f64,
    /// The upper end.
    pub upper: f64,
    /// The standard deviation of the resampled scores.
    pub stderr: f64,
}

/// `draws` resamples of `count` prompts: the numbers of the prompts drawn, as many as there are. The same counts give the same numbers.
pub fn resamples(count: usize, draws: u64) -> impl Iterator<Item = Vec<usize>> {
    (0..draws).map(move |draw| {
        let mut state = Seed::from_number(0).stream("bootstrap", draw).get();
        (0..count).map(|_| ((u128::from(next(&mut state)) * count as u128) >> 64) as usize).collect()
    })
}

/// The interval that holds the middle `level` of `score` over `draws` resamples of `count` prompts. `score` is given the drawn prompts' numbers, as many as there
/// are prompts, and answers `None` where it has no value on them. The same numbers give the same bits.
pub fn bootstrap(count: usize, draws: u64, level: f64, score: impl Fn(&[usize]) -> Option<f64>) -> Option<Interval> {
    Interval::of(resamples(count, draws).filter_map(|drawn| score(&drawn)).collect(), level)
}

impl Interval {
    /// The interval that holds the middle `level` of resampled scores. `None` if there are none.
    pub fn of(mut scores: Vec<f64>, level: f64) -> Option<Self> {
        if scores.is_empty() {
            return None;
        }
        scores.sort_by(f64::total_cmp);
        let (_, stderr) = moments(&scores);
        let tail = (1.0 - level) / 2.0;
        Some(Self { lower: quantile(&scores, tail), upper: quantile(&scores, 1.0 - tail), stderr })
    }

    /// The same for a score that resampling biases, moved so that resamples have the mean `value`: prompts drawn twice narrow a distribution, which a distance of
    /// distributions takes for distance.
    pub fn around(value: f64, scores: Vec<f64>, level: f64) -> Option<Self> {
        let (mean, _) = moments(&scores);
        Self::of(scores.into_iter().map(|score| score - mean + value).collect(), level)
    }
}

/// Mean and standard deviation.
fn moments(scores: &[f64]) -> (f64, f64) {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let squares = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>();
    (mean, (squares / (n - 1.0).max(1.0)).sqrt())
}

/// The quantile of sorted values, linear between them.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// `SplitMix64` (Steele, Lea and Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (*state ^ *state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a mean, the standard error is known: the deviation over the root of the count.
    #[test]
    fn a_mean_has_the_interval_it_must_have() {
        let values: Vec<f64> = (0..400).map(|k| f64::from(k % 20)).collect();
        let mean = |drawn: &[usize]| Some(drawn.iter().map(|&k| values[k]).sum::<f64>() / drawn.len() as f64);
        let interval = bootstrap(values.len(), 4000, 0.9, mean).unwrap();
        let wanted = (399.0_f64 / 12.0).sqrt() / 20.0; // the deviation of 0 to 19 is the root of 399/12
        assert!((interval.stderr / wanted - 1.0).abs() < 0.04, "{interval:?} {wanted}");
        assert!(
            (interval.lower - (9.5 - 1.645 * wanted)).abs() < 0.05
                && (interval.upper - (9.5 + 1.645 * wanted)).abs() < 0.05
        );
        assert_eq!(bootstrap(values.len(), 4000, 0.9, mean), Some(interval));
        assert_eq!(bootstrap(3, 10, 0.9, |_| None), None);
        let moved = Interval::around(5.0, vec![0.0, 1.0, 2.0], 0.999).unwrap();
        assert!((moved.lower - 4.001).abs() < 1e-9 && (moved.upper - 5.999).abs() < 1e-9, "{moved:?}");
    }
}
