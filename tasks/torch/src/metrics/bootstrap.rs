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

/// The interval that holds the middle `level` of `score` over `draws` resamples of `count` prompts. `score` is given the drawn prompts' numbers, as many as there
/// are prompts, and answers `None` where it has no value on them. The same numbers give the same bits.
pub fn bootstrap(count: usize, draws: u64, level: f64, score: impl Fn(&[usize]) -> Option<f64>) -> Option<Interval> {
    let mut drawn = vec![0; count];
    let mut scores: Vec<f64> = (0..draws)
        .filter_map(|draw| {
            let mut state = Seed::from_number(0).stream("bootstrap", draw).get();
            for place in &mut drawn {
                *place = ((u128::from(next(&mut state)) * count as u128) >> 64) as usize;
            }
            score(&drawn)
        })
        .collect();
    if scores.is_empty() {
        return None;
    }
    scores.sort_by(f64::total_cmp);
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let variance = scores.iter().map(|score| (score - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    let tail = (1.0 - level) / 2.0;
    Some(Interval { lower: quantile(&scores, tail), upper: quantile(&scores, 1.0 - tail), stderr: variance.sqrt() })
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
    }
}
