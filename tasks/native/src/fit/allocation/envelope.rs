//! The envelope: runs that are best for their compute, by one of three rules that are in use and differ.

use isoflop_kinds::fit::Method;

use crate::fit::math::ln_any;

/// The places, among (compute, loss), that are on the frontier by `rule`, in the order of compute. Of equal runs the first counts.
pub fn frontier(runs: &[(f64, f64)], rule: Method, bins: u32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..runs.len()).collect();
    order.sort_by(|a, b| runs[*a].0.total_cmp(&runs[*b].0).then(runs[*a].1.total_cmp(&runs[*b].1)).then(a.cmp(b)));
    match rule {
        Method::Hull => hull(runs, &undominated(runs, &order)),
        Method::Bins => best_of_bins(runs, &order, bins),
        _ => undominated(runs, &order),
    }
}

/// Runs with a lower loss than all with equal or less compute.
fn undominated(runs: &[(f64, f64)], order: &[usize]) -> Vec<usize> {
    let mut least = f64::INFINITY;
    let better = |at: &&usize| {
        let better = runs[**at].1 < least;
        least = least.min(runs[**at].1);
        better
    };
    order.iter().filter(better).copied().collect()
}

/// The lower convex hull in logarithms, while the loss falls: Andrew's chain.
fn hull(runs: &[(f64, f64)], falling: &[usize]) -> Vec<usize> {
    let place = |at: usize| (ln_any(runs[at].0), ln_any(runs[at].1));
    let mut chain: Vec<usize> = Vec::new();
    for at in falling {
        let (x, y) = place(*at);
        while let [.., before, last] = chain.as_slice() {
            let ((x0, y0), (x1, y1)) = (place(*before), place(*last));
            if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0.0 {
                break;
            }
            chain.pop();
        }
        chain.push(*at);
    }
    chain
}

/// The best run in each bin of ln C, from the least compute on.
fn best_of_bins(runs: &[(f64, f64)], order: &[usize], bins: u32) -> Vec<usize> {
    let Some(first) = order.first() else { return Vec::new() };
    let start = ln_any(runs[*first].0);
    let width = std::f64::consts::LN_10 / f64::from(bins);
    // A bin's edge belongs to the bin above it; rounding must not put a run of exactly so much compute below.
    let bin = |at: usize| libm::floor((ln_any(runs[at].0) - start) / width + 1e-9);
    let mut best: Vec<(f64, usize)> = Vec::new();
    for at in order {
        match best.last_mut() {
            Some((known, kept)) if (*known - bin(*at)).abs() < 0.5 => {
                if runs[*at].1 < runs[*kept].1 {
                    *kept = *at;
                }
            }
            _ => best.push((bin(*at), *at)),
        }
    }
    best.into_iter().map(|(_, at)| at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compute and loss, with ties and duplicates: 2 and 3 are the same run, 5 is dominated, 6 is undominated but above the hull, 8 is no better.
    const RUNS: [(f64, f64); 9] = [
        (1.0, 8.0),
        (1.0, 9.0),
        (10.0, 3.9),
        (10.0, 3.9),
        (30.0, 3.89),
        (20.0, 5.0),
        (50.0, 3.85),
        (100.0, 2.0),
        (1000.0, 2.0),
    ];

    #[test]
    fn three_rules_give_three_frontiers() {
        assert_eq!(frontier(&RUNS, Method::Dominance, 1), [0, 2, 4, 6, 7]);
        assert_eq!(frontier(&RUNS, Method::Hull, 1), [0, 2, 7]);
        assert_eq!(frontier(&RUNS, Method::Bins, 1), [0, 6, 7, 8]);
        assert_eq!(frontier(&RUNS, Method::Bins, 2), [0, 4, 6, 7, 8]);
        assert!(frontier(&[], Method::Bins, 2).is_empty());
    }
}
