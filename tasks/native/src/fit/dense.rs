//! Small dense matrices: up to a dozen rows, by rows. Cholesky, linear systems, eigenvalues, and non-negative least squares.

use libm::sqrt;

use super::math::{dot, norm};

/// A square matrix by rows.
pub type Matrix = Vec<Vec<f64>>;

/// A square matrix of zeros with `value` on its diagonal.
pub fn diagonal(n: usize, value: f64) -> Matrix {
    (0..n).map(|i| (0..n).map(|j| if i == j { value } else { 0.0 }).collect()).collect()
}

/// The lower Cholesky factor, if the matrix is positive definite.
pub fn cholesky(a: &Matrix) -> Option<Matrix> {
    let n = a.len();
    let mut l = diagonal(n, 0.0);
    for i in 0..n {
        for j in 0..=i {
            let inner: f64 = (0..j).map(|k| l[i][k] * l[j][k]).sum();
            let rest = a[i][j] - inner;
            if i == j {
                if rest <= a[i][i].abs() * 1e-15 || rest.is_nan() {
                    return None;
                }
                l[i][i] = sqrt(rest);
            } else {
                l[i][j] = rest / l[j][j];
            }
        }
    }
    Some(l)
}

/// The solution of `l l' x = b`.
pub fn solve(l: &Matrix, b: &[f64]) -> Vec<f64> {
    let n = b.len();
    let mut x = b.to_vec();
    for i in 0..n {
        let inner: f64 = (0..i).map(|k| l[i][k] * x[k]).sum();
        x[i] = (x[i] - inner) / l[i][i];
    }
    for i in (0..n).rev() {
        let inner: f64 = (i + 1..n).map(|k| l[k][i] * x[k]).sum();
        x[i] = (x[i] - inner) / l[i][i];
    }
    x
}

/// The inverse of a positive definite matrix.
pub fn inverse(a: &Matrix) -> Option<Matrix> {
    let l = cholesky(a)?;
    let n = a.len();
    let unit = |i: usize| (0..n).map(|j| f64::from(u8::from(i == j))).collect::<Vec<f64>>();
    Some((0..n).map(|i| solve(&l, &unit(i))).collect())
}

/// `a b`.
pub fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let n = b.first().map_or(0, Vec::len);
    a.iter().map(|row| (0..n).map(|j| row.iter().zip(b).map(|(x, other)| x * other[j]).sum()).collect()).collect()
}

/// `v' a v`.
pub fn quadratic(a: &Matrix, v: &[f64]) -> f64 {
    a.iter().zip(v).map(|(row, x)| x * row.iter().zip(v).map(|(y, z)| y * z).sum::<f64>()).sum()
}

/// The matrix of inner products of `columns`.
pub fn gram(columns: &[Vec<f64>]) -> Matrix {
    columns.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect()
}

/// The condition number of a matrix of these columns after scaling each to length one.
pub fn condition(columns: &[Vec<f64>]) -> f64 {
    let scaled = |column: &Vec<f64>| {
        let length = norm(column).max(f64::MIN_POSITIVE);
        column.iter().map(|value| value / length).collect::<Vec<f64>>()
    };
    let columns: Vec<Vec<f64>> = columns.iter().map(scaled).collect();
    let values = eigenvalues(gram(&columns));
    let (least, most) = values.iter().fold((f64::INFINITY, 0.0_f64), |(l, m), v| (l.min(*v), m.max(*v)));
    // Rounding leaves a singular matrix with an eigenvalue near 1e-16, of either sign.
    sqrt(most / least.max(f64::EPSILON * f64::EPSILON))
}

/// Eigenvalues of a small symmetric matrix by cyclic Jacobi rotations.
pub fn eigenvalues(mut a: Matrix) -> Vec<f64> {
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
                for row in &mut a {
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

/// The coefficients of `columns` that come closest to `target` in least squares, those marked in `positive` being no less than 0. Every
/// subset of the marked ones is tried, of which there are few.
pub fn positive_least_squares(columns: &[Vec<f64>], target: &[f64], positive: &[bool]) -> Option<Vec<f64>> {
    let n = columns.len();
    let marked: Vec<usize> = (0..n).filter(|i| positive[*i]).collect();
    let mut best: Option<(f64, Vec<f64>)> = None;
    for subset in 0_u32..1 << marked.len() {
        let kept: Vec<usize> =
            (0..n).filter(|i| marked.iter().position(|m| m == i).is_none_or(|at| subset >> at & 1 == 0)).collect();
        let Some(found) = least_squares(&kept.iter().map(|i| columns[*i].as_slice()).collect::<Vec<_>>(), target)
        else {
            continue;
        };
        if kept.iter().zip(&found).any(|(i, value)| positive[*i] && *value < 0.0) {
            continue;
        }
        let mut all = vec![0.0; n];
        for (i, value) in kept.iter().zip(&found) {
            all[*i] = *value;
        }
        let residual = |row: usize| target[row] - columns.iter().zip(&all).map(|(c, v)| c[row] * v).sum::<f64>();
        let loss: f64 = (0..target.len()).map(|row| residual(row) * residual(row)).sum();
        if subset == 0 {
            return Some(all);
        }
        if best.as_ref().is_none_or(|(least, _)| loss < *least) {
            best = Some((loss, all));
        }
    }
    best.map(|(_, all)| all)
}

/// Least squares by Householder reflections, on columns scaled to length one.
pub fn least_squares(columns: &[&[f64]], target: &[f64]) -> Option<Vec<f64>> {
    let (n, rows) = (columns.len(), target.len());
    if n == 0 || rows < n {
        return (n == 0).then(Vec::new);
    }
    let lengths: Vec<f64> = columns.iter().map(|column| norm(column)).collect();
    if lengths.iter().any(|length| *length <= 0.0 || !length.is_finite()) {
        return None;
    }
    let mut a: Vec<Vec<f64>> =
        columns.iter().zip(&lengths).map(|(column, length)| column.iter().map(|v| v / length).collect()).collect();
    let mut b = target.to_vec();
    for k in 0..n {
        let length = norm(&a[k][k..]);
        if length < 1e-13 {
            return None;
        }
        let sign = if a[k][k] > 0.0 { -length } else { length };
        let mut v = a[k][k..].to_vec();
        v[0] -= sign;
        let scale = dot(&v, &v);
        let reflect = |x: &mut [f64]| {
            let factor = 2.0 * dot(&v, x) / scale;
            for (x, v) in x.iter_mut().zip(&v) {
                *x -= factor * v;
            }
        };
        for column in &mut a[k..] {
            reflect(&mut column[k..]);
        }
        reflect(&mut b[k..]);
    }
    let mut x = vec![0.0; n];
    for i in (0..n).rev() {
        let inner: f64 = (i + 1..n).map(|j| a[j][i] * x[j]).sum();
        x[i] = (b[i] - inner) / a[i][i];
    }
    Some(x.iter().zip(&lengths).map(|(value, length)| value / length).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_of_known_matrices() {
        assert!((condition(&[vec![1.0, 1.0], vec![1.0, -1.0]]) - 1.0).abs() < 1e-12);
        // Two unit columns at cosine 0.6: eigenvalues 1.6 and 0.4.
        assert!((condition(&[vec![1.0, 0.0], vec![0.6, 0.8]]) - 2.0).abs() < 1e-12);
        let mut values = eigenvalues(vec![vec![2.0, -1.0, 0.0], vec![-1.0, 2.0, -1.0], vec![0.0, -1.0, 2.0]]);
        values.sort_by(f64::total_cmp);
        for (value, expected) in values.iter().zip([2.0 - sqrt(2.0), 2.0, 2.0 + sqrt(2.0)]) {
            assert!((value - expected).abs() < 1e-12);
        }
        assert!(condition(&[vec![1.0, 2.0], vec![2.0, 4.0]]) > 1e7);
    }

    #[test]
    fn systems_are_solved() {
        let a = vec![vec![4.0, 2.0, 0.5], vec![2.0, 3.0, 1.0], vec![0.5, 1.0, 2.0]];
        let identity = product(&a, &inverse(&a).unwrap());
        for (i, row) in identity.iter().enumerate() {
            for (j, value) in row.iter().enumerate() {
                assert!((value - f64::from(u8::from(i == j))).abs() < 1e-14);
            }
        }
        assert!(cholesky(&vec![vec![1.0, 2.0], vec![2.0, 1.0]]).is_none());
    }

    #[test]
    fn coefficients_that_may_not_be_negative_stop_at_zero() {
        let columns = vec![vec![1.0, 1.0, 1.0, 1.0], vec![0.0, 1.0, 2.0, 3.0]];
        let falling = [3.0, 2.0, 1.0, 0.0];
        let free = positive_least_squares(&columns, &falling, &[false, false]).unwrap();
        assert!((free[0] - 3.0).abs() < 1e-12 && (free[1] + 1.0).abs() < 1e-12);
        let bound = positive_least_squares(&columns, &falling, &[true, true]).unwrap();
        assert!((bound[0] - 1.5).abs() < 1e-12 && bound[1].abs() < 1e-300);
    }
}
