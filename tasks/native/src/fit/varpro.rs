//! Variable projection: for squares of y and a law that is a sum, the coefficients follow from the exponents, so a search moves in the
//! exponents alone (Golub and Pereyra 1973). Its derivative is that of the residuals at fixed coefficients, since those are optimal.

use super::{
    dense::positive_least_squares,
    law::{Block, Kind, Sum},
    math::{dot, norm},
};

/// Where the exponents lead: coefficients, loss and derivative.
struct Projection {
    coefficients: Vec<f64>,
    loss: f64,
    gradient: Vec<f64>,
}

fn project(law: &Sum, block: &Block, moving: &[usize], at: &[f64]) -> Option<Projection> {
    let exponent = |parameter: usize| {
        moving.iter().position(|m| *m == parameter).map_or(0.0, |i| law.kinds[parameter].value(at[i]))
    };
    let root: Vec<f64> = block.weight.iter().map(|w| libm::sqrt(*w)).collect();
    let columns: Vec<Vec<f64>> = law
        .basis(&exponent, block)
        .into_iter()
        .map(|column| column.iter().zip(&root).map(|(c, r)| c * r).collect())
        .collect();
    let target: Vec<f64> = block.y.iter().zip(&root).map(|(y, r)| y * r).collect();
    let coefficients = positive_least_squares(&columns, &target, &vec![true; columns.len()])?;
    let mut residual = target;
    for (column, c) in columns.iter().zip(&coefficients) {
        for (r, value) in residual.iter_mut().zip(column) {
            *r -= c * value;
        }
    }
    let mut gradient = vec![0.0; moving.len()];
    for ((term, column), c) in law.terms.iter().zip(&columns[1..]).zip(&coefficients[1..]) {
        for (parameter, input, factor) in &term.exponents {
            let Some(i) = moving.iter().position(|m| m == parameter) else { continue };
            let pull: f64 = residual.iter().zip(column).zip(&block.inputs[*input]).map(|((r, v), u)| r * v * u).sum();
            gradient[i] -= 2.0 * c * factor * law.kinds[*parameter].slope(at[i]) * pull;
        }
    }
    let loss = dot(&residual, &residual);
    loss.is_finite().then_some(Projection { coefficients, loss, gradient })
}

/// The working parameters that the exponents of `theta` lead to after a search among exponents, for further search.
pub fn search(law: &Sum, block: &Block, theta: &[f64], steps: u32) -> Option<Vec<f64>> {
    let moving = law.nonlinear();
    let n = moving.len();
    let mut at: Vec<f64> = moving.iter().map(|parameter| theta[*parameter]).collect();
    let mut here = project(law, block, &moving, &at)?;
    let mut curvature = vec![vec![0.0; n]; n];
    let first = 0.25 / norm(&here.gradient).max(1e-300);
    for (i, row) in curvature.iter_mut().enumerate() {
        row[i] = first;
    }
    for count in 0..steps {
        let mut direction: Vec<f64> = curvature.iter().map(|row| -dot(row, &here.gradient)).collect();
        let length = norm(&direction);
        if length > 1.0 {
            for d in &mut direction {
                *d /= length;
            }
        }
        let slope = dot(&direction, &here.gradient);
        if slope >= 0.0 || slope.is_nan() {
            break;
        }
        let mut t = 1.0;
        let next = loop {
            let place: Vec<f64> = at.iter().zip(&direction).map(|(a, d)| a + t * d).collect();
            match project(law, block, &moving, &place) {
                Some(next) if next.loss <= here.loss + 1e-4 * t * slope => break Some((place, next)),
                _ if t < 1e-10 => break None,
                _ => t *= 0.5,
            }
        };
        let Some((place, next)) = next else { break };
        let step: Vec<f64> = place.iter().zip(&at).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next.gradient.iter().zip(&here.gradient).map(|(a, b)| a - b).collect();
        let together = dot(&step, &change);
        let done = here.loss - next.loss <= 1e-13 * here.loss;
        (at, here) = (place, next);
        if done {
            break;
        }
        if together > 0.0 {
            if count == 0 {
                let scale = together / dot(&change, &change);
                curvature = super::dense::diagonal(n, scale);
            }
            let bent: Vec<f64> = curvature.iter().map(|row| dot(row, &change)).collect();
            let along = dot(&bent, &change);
            for i in 0..n {
                for j in 0..n {
                    curvature[i][j] += (1.0 + along / together) * step[i] * step[j] / together
                        - (bent[i] * step[j] + step[i] * bent[j]) / together;
                }
            }
        }
    }
    let exponent = |parameter: usize| {
        moving.iter().position(|m| *m == parameter).map_or(0.0, |i| law.kinds[parameter].value(at[i]))
    };
    let size = block.y.iter().map(|y| y.abs()).sum::<f64>() / block.rows() as f64;
    let mut found = law.assemble(&exponent, &here.coefficients, 1e-9 * size);
    for (parameter, theta) in moving.iter().zip(&at) {
        if !matches!(law.kinds[*parameter], Kind::Free) {
            found[*parameter] = *theta;
        }
    }
    Some(found)
}
