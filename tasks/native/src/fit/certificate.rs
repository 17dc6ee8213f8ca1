//! The certificate: evidence that a fit stands at an optimum. Published fits often do not, and nobody noticed.

use libm::sqrt;
use serde::Serialize;

/// The evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Certificate {
    /// The largest cosine between the residuals and a column of the law's derivatives: 0 at an optimum, whatever the units. A parameter on
    /// its bound is left out.
    pub gradient: f64,
    /// How many starts were tried.
    pub starts: u32,
    /// The share of them that reached the optimum.
    pub at_optimum: f64,
    /// The condition number of the derivatives, columns scaled to one length and the logarithms centred.
    pub condition: f64,
    /// Parameters that ended on a bound.
    pub on_bound: Vec<&'static str>,
}

/// The largest cosine between `residuals` and one of `columns`, where all residuals below `floor` count as none.
pub fn cosine(residuals: &[f64], columns: &[Vec<f64>], floor: f64) -> f64 {
    let length = norm(residuals);
    if length <= floor {
        return 0.0;
    }
    let cosines = columns.iter().map(|column| dot(residuals, column).abs() / (length * norm(column)));
    cosines.fold(0.0, f64::max)
}

/// The condition number of a matrix of these columns after scaling each to length one.
pub fn condition(columns: &[Vec<f64>]) -> f64 {
    let n = columns.len();
    let mut gram: Vec<Vec<f64>> = (0..n)
        .map(|i| (0..n).map(|j| dot(&columns[i], &columns[j]) / (norm(&columns[i]) * norm(&columns[j]))).collect())
        .collect();
    let values = eigenvalues(&mut gram);
    let (least, most) = values.iter().fold((f64::INFINITY, 0.0_f64), |(l, m), v| (l.min(*v), m.max(*v)));
    // Rounding leaves a singular matrix with an eigenvalue near 1e-16, of either sign.
    sqrt(most / least.max(f64::EPSILON * f64::EPSILON))
}

/// Eigenvalues of a small symmetric matrix by cyclic Jacobi rotations.
fn eigenvalues(a: &mut [Vec<f64>]) -> Vec<f64> {
    let n = a.len();
    for _ in 0..30 {
        for p in 0..n {
            for q in p + 1..n {
                if a[p][q] == 0.0 {
                    continue;
                }
                let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
                let t = theta.signum() / (theta.abs() + sqrt(theta * theta + 1.0));
                let c = 1.0 / sqrt(t * t + 1.0);
                let s = t * c;
                for row in a.iter_mut() {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (upper, lower) = a.split_at_mut(q);
                for (x, y) in upper[p].iter_mut().zip(&mut lower[0]) {
                    (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
                }
            }
        }
    }
    (0..n).map(|i| a[i][i]).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn norm(a: &[f64]) -> f64 {
    sqrt(dot(a, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_known_matrices() {
        assert!((condition(&[vec![1.0, 1.0], vec![1.0, -1.0]]) - 1.0).abs() < 1e-12);
        // Two unit columns at cosine 0.6: eigenvalues 1.6 and 0.4.
        assert!((condition(&[vec![1.0, 0.0], vec![0.6, 0.8]]) - 2.0).abs() < 1e-12);
        let mut three = vec![vec![2.0, -1.0, 0.0], vec![-1.0, 2.0, -1.0], vec![0.0, -1.0, 2.0]];
        let mut values = eigenvalues(&mut three);
        values.sort_by(f64::total_cmp);
        for (value, expected) in values.iter().zip([2.0 - sqrt(2.0), 2.0, 2.0 + sqrt(2.0)]) {
            assert!((value - expected).abs() < 1e-12);
        }
        assert!(condition(&[vec![1.0, 2.0], vec![2.0, 4.0]]) > 1e7);
    }
}
