//! One budget: the size at which the loss is least, by a parabola or a spline through the runs of equal compute, or why there is none.

use serde::Serialize;

use crate::fit::{
    dense::{gram, inverse, least_squares},
    math::{exp_any, ln_any},
};

/// The least of a budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vertex {
    /// ln N there.
    pub ln_n: f64,
    /// The loss there.
    pub y: f64,
    /// The standard error of ln N, where the runs are more than they need to be.
    pub stderr: Option<f64>,
    /// Whether it lies outside of the sizes that were run.
    pub beyond: bool,
    /// The coefficients of `y = c0 + c1 u + c2 u²`, u being ln N less its mean, and that mean; of a parabola.
    pub parabola: Option<([f64; 3], f64)>,
}

/// A point of a drawn curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Place {
    /// Parameters.
    #[serde(rename = "N")]
    pub n: f64,
    /// The loss.
    pub y: f64,
}

/// The fewest sizes of one budget.
const FEWEST: usize = 4;
/// Places of the spline between two neighbouring sizes, as its authors have it.
const BETWEEN: usize = 25;

fn sizes(runs: &[(f64, f64)]) -> usize {
    let mut all: Vec<u64> = runs.iter().map(|(u, _)| u.to_bits()).collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

/// The lowest point of the parabola through runs, each ln N and loss. One outside of the sizes is refused unless `outside` says otherwise.
pub fn parabola(runs: &[(f64, f64)], outside: bool) -> Result<Vertex, String> {
    let (n, different) = (runs.len(), sizes(runs));
    if different < FEWEST {
        return Err(format!("{different} sizes are too few for a parabola, which needs {FEWEST}"));
    }
    let mean = runs.iter().map(|(u, _)| u).sum::<f64>() / n as f64;
    let u: Vec<f64> = runs.iter().map(|(u, _)| u - mean).collect();
    let y: Vec<f64> = runs.iter().map(|(_, y)| *y).collect();
    let columns = [vec![1.0; n], u.clone(), u.iter().map(|u| u * u).collect::<Vec<f64>>()];
    let slices: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
    let found = least_squares(&slices, &y).ok_or("the sizes are too close together")?;
    let [c0, c1, c2] = [found[0], found[1], found[2]];
    if c2 <= 0.0 || !c2.is_finite() {
        return Err("the loss does not curve upwards in ln N".to_owned());
    }
    let at = -c1 / (2.0 * c2);
    let (least, most) = u.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), u| (l.min(*u), m.max(*u)));
    let beyond = at <= least || at >= most;
    if beyond && !outside {
        let side = if at <= least { "below the smallest" } else { "above the largest" };
        return Err(format!("the parabola is lowest at N = {:.3e}, {side} size that was run", exp_any(at + mean)));
    }
    let left: f64 = u.iter().zip(&y).map(|(u, y)| y - c0 - c1 * u - c2 * u * u).map(|r| r * r).sum();
    let stderr = (n > 3).then(|| inverse(&gram(&columns))).flatten().map(|inverse| {
        let gradient = [0.0, -1.0 / (2.0 * c2), c1 / (2.0 * c2 * c2)];
        libm::sqrt(left / (n - 3) as f64 * crate::fit::dense::quadratic(&inverse, &gradient))
    });
    let y = c0 + c1 * at + c2 * at * at;
    Ok(Vertex { ln_n: at + mean, y, stderr, beyond, parabola: Some(([c0, c1, c2], mean)) })
}

/// The lowest place of Akima's spline (Akima 1970) of ln y through runs, each ln N and loss. Runs of one size count by their mean.
pub fn akima(runs: &[(f64, f64)]) -> Result<Vertex, String> {
    let curve = spline(runs)?;
    let (at, y) = curve.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((f64::NAN, f64::NAN));
    let (first, last) = (curve[0].0, curve[curve.len() - 1].0);
    if at <= first || at >= last {
        let side = if at <= first { "smallest" } else { "largest" };
        return Err(format!("the loss is least at the {side} size that was run"));
    }
    Ok(Vertex { ln_n: at, y: exp_any(y), stderr: None, beyond: false, parabola: None })
}

/// The spline on a fine grid: ln N and ln y.
pub fn spline(runs: &[(f64, f64)]) -> Result<Vec<(f64, f64)>, String> {
    let mut sorted: Vec<(f64, f64)> = runs.iter().filter(|(_, y)| *y > 0.0).map(|(u, y)| (*u, ln_any(*y))).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut knots: Vec<(f64, f64, f64)> = Vec::new();
    for (u, v) in sorted {
        match knots.last_mut() {
            Some(last) if last.0.to_bits() == u.to_bits() => {
                last.2 += 1.0;
                last.1 += (v - last.1) / last.2;
            }
            _ => knots.push((u, v, 1.0)),
        }
    }
    let n = knots.len();
    if n < FEWEST {
        return Err(format!("{n} sizes are too few for a spline, which needs {FEWEST}"));
    }
    let chord = |i: usize| (knots[i + 1].1 - knots[i].1) / (knots[i + 1].0 - knots[i].0);
    // Slopes of the pieces, two more beyond either end, where they go on as they were.
    let mut m = vec![0.0; n + 3];
    for i in 0..n - 1 {
        m[i + 2] = chord(i);
    }
    m[1] = 2.0 * m[2] - m[3];
    m[0] = 2.0 * m[1] - m[2];
    m[n + 1] = 2.0 * m[n] - m[n - 1];
    m[n + 2] = 2.0 * m[n + 1] - m[n];
    let turns: Vec<(f64, f64)> = (0..n).map(|i| ((m[i + 3] - m[i + 2]).abs(), (m[i + 1] - m[i]).abs())).collect();
    let most = turns.iter().map(|(a, b)| a + b).fold(0.0, f64::max);
    let slope = |i: usize| {
        let (after, before) = turns[i];
        if after + before > 1e-9 * most {
            (after * m[i + 1] + before * m[i + 2]) / (after + before)
        } else {
            0.5 * (m[i + 1] + m[i + 2])
        }
    };
    let mut curve = Vec::with_capacity((n - 1) * BETWEEN + 1);
    for i in 0..n - 1 {
        let ((u, v, _), (next, w, _)) = (knots[i], knots[i + 1]);
        let (h, s, t) = (next - u, slope(i), slope(i + 1));
        for k in 0..BETWEEN {
            let z = k as f64 / BETWEEN as f64;
            let (z2, z3) = (z * z, z * z * z);
            let value = (2.0 * z3 - 3.0 * z2 + 1.0) * v
                + (z3 - 2.0 * z2 + z) * h * s
                + (3.0 * z2 - 2.0 * z3) * w
                + (z3 - z2) * h * t;
            curve.push((u + z * h, value));
        }
    }
    curve.push((knots[n - 1].0, knots[n - 1].1));
    Ok(curve)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_is_found_or_refused() {
        let runs = |centre: f64, bend: f64| -> Vec<(f64, f64)> {
            (0..7).map(|k| f64::from(k) + 10.0).map(|u| (u, 3.0 + bend * (u - centre) * (u - centre))).collect()
        };
        let vertex = parabola(&runs(12.3, 0.1), false).unwrap();
        assert!((vertex.ln_n - 12.3).abs() < 1e-10 && (vertex.y - 3.0).abs() < 1e-12);
        assert!(parabola(&runs(20.0, 0.1), false).unwrap_err().contains("above the largest size that was run"));
        let outside = parabola(&runs(20.0, 0.1), true).unwrap();
        assert!(outside.beyond && (outside.ln_n - 20.0).abs() < 1e-9);
        assert!(parabola(&runs(9.0, 0.1), false).unwrap_err().contains("below the smallest"));
        assert_eq!(parabola(&runs(12.0, -0.1), false).unwrap_err(), "the loss does not curve upwards in ln N");
        assert!(parabola(&runs(12.0, 0.1)[..3], false).unwrap_err().starts_with("3 sizes are too few"));
    }

    /// `scipy.interpolate.Akima1DInterpolator([0, 1, 2, 3, 4.5], [2, 1, 0.5, 0.9, 2])`, `SciPy` 1.17.1, at 1.4, 2.2 and 4.02.
    #[test]
    fn the_spline_is_akimas() {
        let runs: Vec<(f64, f64)> = [(0.0, 2.0), (1.0, 1.0), (2.0, 0.5), (3.0, 0.9), (4.5, 2.0)]
            .map(|(u, v): (f64, f64)| (u, exp_any(v)))
            .to_vec();
        let curve = spline(&runs).unwrap();
        let at = |u: f64| curve.iter().find(|(other, _)| (other - u).abs() < 1e-9).unwrap().1;
        for (u, expected) in AKIMA {
            assert!((at(u) - expected).abs() < 1e-9, "{u}: {} against {expected}", at(u));
        }
    }

    const AKIMA: [(f64, f64); 3] =
        [(1.4, 0.701_874_285_714_285_8), (2.2, 0.526_136_216_216_216_3), (4.02, 1.601_598_270_270_269_8)];
}
