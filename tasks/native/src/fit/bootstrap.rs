//! The pairs bootstrap: points drawn with replacement and fitted again.
//!
//! Resample `b` depends on (seed, `b`) alone. Points are drawn one by one, also where several share one x (seeds of one cell): drawing
//! whole x would leave the few sizes of a study too few different resamples. A resample at too few different x to be fitted is drawn anew
//! from the same stream.

use isoflop_contract::Seed;

use super::{
    law::Law,
    solve::{Solution, solve_again},
    triage::distinct,
};
use crate::random::Stream;

/// How often one resample is drawn anew before it is given up.
const TRIES: u32 = 100;

/// The laws of `count` resamples of `points`. Fewer come back where resamples could not be fitted.
pub fn laws(points: &[(f64, f64)], solution: &Solution, seed: Seed, count: u32) -> Vec<Law> {
    (0..count).filter_map(|b| resample(points, solution, Stream::of(seed, "bootstrap", u64::from(b)))).collect()
}

fn resample(points: &[(f64, f64)], solution: &Solution, mut stream: Stream) -> Option<Law> {
    let form = solution.law.form;
    (0..TRIES).find_map(|_| {
        let drawn: Vec<(f64, f64)> = points.iter().map(|_| stream.one_of(points)).collect();
        if distinct(&drawn).len() < form.parameters().len() {
            return None;
        }
        let law = solve_again(form, &drawn, solution.start);
        law.parameters.iter().all(|value| value.is_finite()).then_some(law)
    })
}

/// The value below which the share `q` of `sorted` lies, between neighbours in proportion; `sorted` must not be empty.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

/// The bounds of the middle share `level` of `values`.
pub fn interval(mut values: Vec<f64>, level: f64) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (quantile(&values, 0.5 - level / 2.0), quantile(&values, 0.5 + level / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "these quarters are exact")]
    fn quantiles_lie_between_neighbours() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        assert_eq!([0.0, 0.25, 0.375, 1.0].map(|q| quantile(&values, q)), [1.0, 2.0, 3.0, 16.0]);
        assert_eq!(interval(vec![3.0, 1.0, 2.0], 0.5), (1.5, 2.5));
    }
}
