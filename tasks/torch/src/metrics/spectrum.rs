//! Symmetric matrices in double precision: their eigenvalues, and factors of those that have no negative ones.
//!
//! By arithmetic of our own and not by LAPACK's. LAPACK cuts its work to the processor it finds, so that two processors of one class round differently, and a
//! digest must not tell them apart. Here every sum has one order. Inner loops run along rows, each number of a row by itself, which a compiler may do several at a
//! time without changing a bit.

use tch::{Kind, Tensor};

/// A square matrix by rows.
struct Matrix {
    side: usize,
    numbers: Vec<f64>,
}

impl Matrix {
    fn of(tensor: &Tensor) -> Self {
        let side = tensor.size()[0] as usize;
        let mut numbers = vec![0.0; side * side];
        let count = numbers.len();
        tensor.to_kind(Kind::Double).contiguous().copy_data(&mut numbers, count);
        Self { side, numbers }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.numbers[i * self.side..(i + 1) * self.side]
    }

    /// Divides by the largest number, which it answers with: then no square overflows. Zero if there is no other.
    fn scale(&mut self) -> f64 {
        let largest = self.numbers.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        if largest > 0.0 {
            for x in &mut self.numbers {
                *x /= largest;
            }
        }
        largest
    }
}

/// Adds `factor` times `from` to `to`.
fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// The eigenvalues of a symmetric matrix `[D, D]`, in no order, each wrong by a few roundings of the largest: Householder's reflections make it tridiagonal
/// (Golub & Van Loan, Matrix Computations, algorithm 8.3.1), and QR steps with Wilkinson's shift diagonal (8.3.2, 8.3.3). It costs 4/3 D³.
pub fn eigenvalues(matrix: &Tensor) -> Vec<f64> {
    let mut matrix = Matrix::of(matrix);
    let scale = matrix.scale();
    let (mut diagonal, mut beside) = tridiagonal(matrix);
    diagonalize(&mut diagonal, &mut beside);
    for value in &mut diagonal {
        *value *= scale;
    }
    diagonal
}

/// The diagonal and what stands beside it of the tridiagonal matrix with the same eigenvalues.
fn tridiagonal(mut matrix: Matrix) -> (Vec<f64>, Vec<f64>) {
    let side = matrix.side;
    let mut beside = vec![0.0; side.saturating_sub(1)];
    for (k, beside) in beside.iter_mut().enumerate() {
        // What is to the right of the diagonal becomes one number and zeros.
        let mut v = matrix.row(k)[k + 1..].to_vec();
        let first = v[0];
        let rest: f64 = v[1..].iter().map(|x| x * x).sum();
        if rest == 0.0 {
            *beside = first;
            continue;
        }
        let length = (first * first + rest).sqrt();
        *beside = if first > 0.0 { -length } else { length };
        v[0] = first - *beside;
        let half = -*beside * v[0]; // of v's square
        // The reflection I − v vᵀ/half on both sides takes v qᵀ + q vᵀ away.
        let mut q = vec![0.0; v.len()];
        for (i, factor) in v.iter().enumerate() {
            add(&mut q, factor / half, &matrix.row(k + 1 + i)[k + 1..]);
        }
        let overlap = v.iter().zip(&q).map(|(v, q)| v * q).sum::<f64>() / (2.0 * half);
        add(&mut q, -overlap, &v);
        for i in 0..v.len() {
            let row = &mut matrix.numbers[(k + 1 + i) * side + k + 1..][..v.len()];
            let (vi, qi) = (v[i], q[i]);
            for ((x, v), q) in row.iter_mut().zip(&v).zip(&q) {
                *x -= vi * q + qi * v;
            }
        }
    }
    ((0..side).map(|i| matrix.numbers[i * side + i]).collect(), beside)
}

/// Turns a tridiagonal matrix until nothing stands beside its diagonal.
fn diagonalize(diagonal: &mut [f64], beside: &mut [f64]) {
    let mut last = diagonal.len().saturating_sub(1);
    // Three steps an eigenvalue are usual. What would not end is not a number in a matrix of them.
    for _ in 0..100 * diagonal.len() {
        for k in 0..last {
            if beside[k].abs() <= f64::EPSILON * (diagonal[k].abs() + diagonal[k + 1].abs()) {
                beside[k] = 0.0;
            }
        }
        while last > 0 && beside[last - 1] == 0.0 {
            last -= 1;
        }
        if last == 0 {
            return;
        }
        let first = (0..last).rev().find(|k| beside[*k] == 0.0).map_or(0, |k| k + 1);
        turn(&mut diagonal[first..=last], &mut beside[first..last]);
    }
}

/// One implicit QR step with Wilkinson's shift.
fn turn(diagonal: &mut [f64], beside: &mut [f64]) {
    let last = beside.len();
    let (corner, side) = (diagonal[last], beside[last - 1]);
    let delta = (diagonal[last - 1] - corner) / 2.0;
    let root = (delta * delta + side * side).sqrt();
    let shift = corner - side * side / (delta + if delta < 0.0 { -root } else { root });
    let (mut x, mut z) = (diagonal[0] - shift, beside[0]);
    for k in 0..last {
        let length = (x * x + z * z).sqrt();
        let (c, s) = if length > 0.0 { (x / length, z / length) } else { (1.0, 0.0) };
        if k > 0 {
            beside[k - 1] = length;
        }
        let (upper, lower, between) = (diagonal[k], diagonal[k + 1], beside[k]);
        diagonal[k] = c * c * upper + 2.0 * c * s * between + s * s * lower;
        diagonal[k + 1] = s * s * upper - 2.0 * c * s * between + c * c * lower;
        beside[k] = c * s * (lower - upper) + (c * c - s * s) * between;
        if k + 1 < last {
            (x, z) = (beside[k], s * beside[k + 1]);
            beside[k + 1] *= c;
        }
    }
}

/// A factor `[R, D]` of a symmetric matrix `[D, D]` without negative eigenvalues, `S = Fᵀ F`: Cholesky's, the largest of what is left first (Higham 2002,
/// Accuracy and Stability of Numerical Algorithms, section 10.3). `R` is the rank, what is within rounding of zero left out.
pub fn factor(matrix: &Tensor) -> Tensor {
    let matrix = Matrix::of(matrix);
    let side = matrix.side;
    let mut left: Vec<f64> = (0..side).map(|i| matrix.row(i)[i]).collect();
    let least = left.iter().fold(0.0, |most: f64, x| most.max(*x)) * f64::EPSILON * side as f64;
    let mut rows: Vec<Vec<f64>> = Vec::new();
    while rows.len() < side {
        let pivot = (1..side).fold(0, |best, i| if left[i] > left[best] { i } else { best });
        if left[pivot] <= least {
            break;
        }
        let mut row = matrix.row(pivot).to_vec();
        for earlier in &rows {
            add(&mut row, -earlier[pivot], earlier);
        }
        let root = left[pivot].sqrt();
        for x in &mut row {
            *x /= root;
        }
        for (left, x) in left.iter_mut().zip(&row) {
            *left -= x * x;
        }
        left[pivot] = 0.0;
        rows.push(row);
    }
    Tensor::from_slice(&rows.concat()).view([rows.len() as i64, side as i64])
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    /// Symmetric, of this rank, with no negative eigenvalue.
    fn symmetric(side: i64, rank: i64, seed: u64) -> Tensor {
        let x = crate::draw::drawn(seed, || Tensor::randn([rank, side], (Kind::Double, Device::Cpu)));
        x.tr().matmul(&x)
    }

    fn sorted(mut values: Vec<f64>) -> Vec<f64> {
        values.sort_by(f64::total_cmp);
        values
    }

    /// LAPACK's are the reference.
    #[test]
    fn eigenvalues_are_those_of_lapack() {
        for (side, rank, seed) in [(1, 1, 1), (2, 2, 2), (3, 1, 3), (17, 17, 4), (64, 20, 5), (150, 200, 6)] {
            for shift in [0.0, -7.5] {
                let matrix = symmetric(side, rank, seed) + Tensor::eye(side, (Kind::Double, Device::Cpu)) * shift;
                let theirs = Vec::<f64>::try_from(matrix.linalg_eigvalsh("L")).unwrap();
                let largest = theirs.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
                for (ours, theirs) in sorted(eigenvalues(&matrix)).into_iter().zip(theirs) {
                    assert!((ours - theirs).abs() < 1e-13 * largest * side as f64, "{side}: {ours} {theirs}");
                }
            }
        }
    }

    /// Known in closed form: 2 − 2 cos(k π/(n + 1)) for twos with minus ones beside them; those of a diagonal matrix; none but zero.
    #[test]
    fn eigenvalues_in_closed_form() {
        let n = 40;
        let ones = Tensor::ones([n - 1], (Kind::Double, Device::Cpu));
        let matrix = Tensor::eye(n, (Kind::Double, Device::Cpu)) * 2.0 - ones.diag(1) - ones.diag(-1);
        let wanted = (1..=n).map(|k| 2.0 - 2.0 * (k as f64 * std::f64::consts::PI / (n + 1) as f64).cos());
        for (ours, wanted) in sorted(eigenvalues(&matrix)).into_iter().zip(wanted) {
            assert!((ours - wanted).abs() < 1e-13, "{ours} {wanted}");
        }
        let huge = sorted(eigenvalues(&Tensor::from_slice(&[4e200, -1e200, 0.0, 2e200]).diag(0)));
        assert!(
            huge.iter().zip([-1e200, 0.0, 2e200, 4e200]).all(|(ours, wanted)| (ours - wanted).abs() < 1e185),
            "{huge:?}"
        );
        assert_eq!(eigenvalues(&Tensor::zeros([3, 3], (Kind::Double, Device::Cpu))), [0.0; 3]);
    }

    #[test]
    fn a_factor_gives_its_matrix_back_and_has_its_rank() {
        for (side, rank) in [(1, 1), (9, 4), (30, 30), (30, 12)] {
            let matrix = symmetric(side, rank, side as u64);
            let factor = factor(&matrix);
            assert_eq!(factor.size(), [rank, side]);
            let apart = (factor.tr().matmul(&factor) - &matrix).abs().max().double_value(&[]);
            assert!(apart < 1e-12 * matrix.abs().max().double_value(&[]), "{apart}");
        }
        assert_eq!(factor(&Tensor::zeros([3, 3], (Kind::Double, Device::Cpu))).size(), [0, 3]);
    }

    /// Written down once: the bits do not depend on processor, build or library.
    #[test]
    fn bits_are_always_the_same() {
        let numbers: Vec<f64> = (0..64).map(|i| f64::from(i * 37 % 64) / 7.0).collect();
        let x = Tensor::from_slice(&numbers).view([8, 8]);
        let matrix = &x + x.tr();
        let folded = eigenvalues(&matrix).iter().fold(0_u64, |bits, value| bits.rotate_left(7) ^ value.to_bits());
        assert_eq!(format!("{folded:016x}"), "221d9c56bb3ac7ca");
    }
}
