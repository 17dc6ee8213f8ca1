//! Solving: searches from many starts, what they reach, and the evidence.
//!
//! Searches descend by BFGS; a distinct place they reach is polished by Newton steps. A delta far below the residuals is approached through
//! larger ones, which absolute deviations always are; a law that is a sum is first projected for squares of y. A parameter that runs to its bound is put on
//! it, if nothing is lost.

use isoflop_kinds::fit::{Objective, Rho, Space};

use super::{
    bfgs::{Effort, Limits, minimise, polish},
    certificate::Certificate,
    dense::{cholesky, condition},
    law::{Block, Kind, Law},
    parallel::each,
    problem::{Problem, Work},
    varpro,
};

/// How hard a solver tries.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Starts in working coordinates instead of the law's own.
    pub starts: Option<Vec<Vec<f64>>>,
    /// How a search ends.
    pub limits: Limits,
    /// The most Newton steps.
    pub polish: u32,
    /// Whether a small delta is approached through larger ones.
    pub approach: bool,
    /// On how many threads.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { starts: None, limits: Limits::default(), polish: 30, approach: true, threads: 1 }
    }
}

/// A place where no small step helps.
#[derive(Debug, Clone, PartialEq)]
pub struct Optimum {
    /// Working parameters.
    pub theta: Vec<f64>,
    /// The objective.
    pub loss: f64,
    /// The scaled gradient there.
    pub gradient: f64,
}

/// What a solver found.
#[derive(Debug, Clone)]
pub struct Solution {
    /// Working parameters of the best optimum.
    pub theta: Vec<f64>,
    /// The objective there.
    pub loss: f64,
    /// Parameters that may still move.
    pub free: Vec<usize>,
    /// The evidence.
    pub certificate: Certificate,
    /// Other local optima, best first.
    pub others: Vec<Optimum>,
    /// A start besides the optimum, for resamples.
    pub elsewhere: Option<Vec<f64>>,
    /// The delta in use at the end.
    pub delta: f64,
    /// The delta that resamples use.
    pub coarse: f64,
}

/// How many other optima are kept.
const OTHERS: usize = 8;

/// The deltas on the way to an objective's, the largest first; `size` is that of a typical residual.
fn deltas(objective: Objective, size: f64, approach: bool, floor: f64) -> Vec<f64> {
    let last = match objective.rho {
        Rho::Squared => return vec![1.0],
        Rho::Huber => objective.delta.unwrap_or(1.0),
        Rho::Lad => (1e-7 * size).max(floor),
    };
    let mut all = Vec::new();
    let mut delta = 0.3 * size;
    while approach && delta > 3.0 * last {
        all.push(delta);
        delta *= 0.1;
    }
    all.push(last);
    all
}

/// The best parameters of `law` on `block`, with the evidence. None if no start lies in the law's domain.
pub fn solve(law: &dyn Law, block: &Block, objective: Objective, settings: &Settings) -> Option<Solution> {
    let mut work = Work::default();
    let squares_of_y = objective == Objective::squared(Space::Linear);
    let mut starts = settings.starts.clone().unwrap_or_else(|| law.starts(block, objective.space));
    if let (Some(sum), true, None) = (law.separable(), squares_of_y, &settings.starts) {
        let moving = sum.nonlinear();
        starts.dedup_by(|a, b| moving.iter().all(|i| a[*i].to_bits() == b[*i].to_bits()));
    }
    let size = typical(law, block, objective, &starts, &mut work);
    let floor = 1e-13 * block.target.iter().map(|t| t.abs()).fold(1e-300, f64::max);
    let levels = deltas(objective, size, settings.approach, floor);
    // All starts go to the first two deltas; only distinct places go on to smaller ones.
    let (first, rest) = levels.split_at(levels.len().min(2));
    let coarse = first[first.len() - 1];
    let problem = Problem::new(law, block, objective, coarse);
    let descend = |k: usize, work: &mut Work| {
        let mut theta = starts[k].clone();
        let mut effort = Effort::default();
        let projected =
            law.separable().filter(|_| squares_of_y && settings.starts.is_none() && settings.limits.steps > 0);
        if let Some(found) = projected.and_then(|sum| varpro::search(sum, block, &theta, 100)) {
            theta = found;
        }
        let mut value = f64::INFINITY;
        for delta in first {
            value = minimise(&problem.with_delta(*delta), &mut theta, settings.limits, work, &mut effort);
        }
        (theta, value, effort.evaluations)
    };
    let ends = each(starts.len(), settings.threads, Work::default, descend);
    let evaluations = ends.iter().map(|(.., evaluations)| evaluations).sum();

    let mut order: Vec<usize> = (0..ends.len()).filter(|k| ends[*k].1.is_finite()).collect();
    order.sort_by(|a, b| ends[*a].1.total_cmp(&ends[*b].1).then(a.cmp(b)));
    let first_end = *order.first()?;
    let mut places: Vec<(usize, Optimum)> = Vec::new();
    for k in &order {
        let (theta, value, _) = &ends[*k];
        // Ends of one objective to six digits are one place; they are sorted.
        let known = places.last().is_some_and(|(last, _)| (value - ends[*last].1).abs() <= 1e-6 * value.abs());
        if known || places.len() >= 4 * OTHERS {
            continue;
        }
        let mut theta = theta.clone();
        polish(&problem, &mut theta, settings.polish, &mut work);
        for delta in rest {
            let sharper = problem.with_delta(*delta);
            minimise(&sharper, &mut theta, settings.limits, &mut work, &mut Effort::default());
            polish(&sharper, &mut theta, settings.polish, &mut work);
        }
        let last = problem.with_delta(levels[levels.len() - 1]);
        let loss = last.loss(&theta, &mut work);
        let gradient = last.cosine(&theta, &mut work, last.floor());
        let same = |(_, other): &(usize, Optimum)| {
            (loss - other.loss).abs() <= 1e-6 * loss.abs() + last.loss_floor()
                && theta.iter().zip(&other.theta).all(|(a, b)| (a - b).abs() < 1e-3 * (1.0 + a.abs()))
        };
        if !places.iter().any(same) {
            places.push((*k, Optimum { theta, loss, gradient }));
        }
    }
    let problem = problem.with_delta(levels[levels.len() - 1]);
    places.sort_by(|a, b| a.1.loss.total_cmp(&b.1.loss).then(a.0.cmp(&b.0)));
    let (from, best) = places.remove(0);
    let Optimum { mut theta, mut loss, .. } = best;
    let mut problem = problem;
    let mut on_bound = Vec::new();
    settle(&mut problem, &mut theta, &mut loss, settings, &mut work, &mut on_bound);

    let wide = problem.with_delta(coarse);
    let reach = ends[first_end].1.min(wide.value(&theta, &mut work));
    let floor = 1e3 * wide.loss_floor() * wide.scale() * if objective.rho == Rho::Lad { coarse } else { 1.0 };
    let share = |gap: f64| {
        let close = ends.iter().filter(|(_, value, _)| *value <= reach * (1.0 + gap) + floor).count();
        close as f64 / ends.len() as f64
    };
    let gradient = problem.cosine(&theta, &mut work, problem.floor());
    let minimum = minimum(&problem, &theta, &mut work);
    let columns = problem.columns(&theta, &mut work);
    let moved = starts[from].iter().zip(&theta).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let certificate = Certificate {
        converged: Certificate::vanishes(gradient) && minimum,
        gradient,
        minimum,
        starts: ends.len() as u32,
        at_optimum: share(1e-6),
        near_optimum: share(1e-3),
        moved,
        evaluations,
        condition: condition(&columns),
        on_bound: on_bound.iter().map(|i: &usize| law.names()[*i]).collect(),
    };
    let others: Vec<Optimum> = places
        .into_iter()
        .map(|(_, place)| place)
        .filter(|place| {
            Certificate::vanishes(place.gradient) && place.loss > loss * (1.0 + 1e-6) + problem.loss_floor()
        })
        .take(OTHERS)
        .collect();
    let elsewhere = others.first().map(|other| other.theta.clone()).or_else(|| starts.get(starts.len() / 2).cloned());
    let free = problem.free.clone();
    Some(Solution { theta, loss, free, certificate, others, elsewhere, delta: problem.delta, coarse })
}

/// The middle size of residuals at the start that fits best.
fn typical(law: &dyn Law, block: &Block, objective: Objective, starts: &[Vec<f64>], work: &mut Work) -> f64 {
    if !objective.is_robust() {
        return 1.0;
    }
    let absolute = Problem::new(law, block, Objective::lad(objective.space), 1e-9);
    let best = starts.iter().map(|start| (absolute.loss(start, work), start)).filter(|(loss, _)| loss.is_finite());
    let Some((_, start)) = best.min_by(|a, b| a.0.total_cmp(&b.0)) else { return 1.0 };
    let squares = Problem::new(law, block, Objective::squared(objective.space), 1.0);
    squares.loss(start, work);
    let mut sizes = squares.sizes(work);
    sizes.sort_by(f64::total_cmp);
    super::math::quantile(&sizes, 0.5)
}

/// Puts parameters that run to a bound on it, where nothing is lost, and lets the others find their place.
fn settle(
    problem: &mut Problem<'_>,
    theta: &mut Vec<f64>,
    loss: &mut f64,
    settings: &Settings,
    work: &mut Work,
    on_bound: &mut Vec<usize>,
) {
    if settings.limits.steps == 0 {
        return;
    }
    let block = problem.block;
    let size = block.y.iter().map(|y| y.abs()).sum::<f64>() / block.rows() as f64;
    for parameter in problem.free.clone() {
        let kind = problem.law.kinds()[parameter];
        for bound in kind.bounds() {
            let near = match kind {
                Kind::Positive => kind.value(theta[parameter]) < 0.02 * size,
                _ => theta[parameter] * bound.signum() > 3.0,
            };
            if !near || on_bound.contains(&parameter) || problem.free.len() < 2 {
                continue;
            }
            let mut there = theta.clone();
            there[parameter] = *bound;
            let face = problem.without(parameter);
            minimise(&face, &mut there, settings.limits, work, &mut Effort::default());
            polish(&face, &mut there, settings.polish, work);
            let found = face.loss(&there, work);
            if found <= *loss * (1.0 + 1e-9) + problem.loss_floor() {
                (*theta, *loss) = (there, found);
                *problem = face;
                on_bound.push(parameter);
            }
        }
    }
}

/// Whether the objective curves upwards, but for a share that is rounding.
fn minimum(problem: &Problem<'_>, theta: &[f64], work: &mut Work) -> bool {
    let mut matrix = problem.hessian(theta, work);
    let diagonal: Vec<f64> = matrix.iter().enumerate().map(|(i, row)| row[i]).collect();
    if diagonal.iter().any(|d| !d.is_finite()) {
        return false;
    }
    // Scaled to a unit diagonal; 1e-7 is what differences leave of a singular one. With no residual within delta there is no curvature to see.
    let gauss = problem.gauss(theta, work);
    for i in 0..matrix.len() {
        for j in 0..matrix.len() {
            matrix[i][j] /= libm::sqrt((gauss[i][i] * gauss[j][j]).max(1e-300));
        }
    }
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += 1e-7;
    }
    cholesky(&matrix).is_some()
}

/// The best of searches from `starts` on other rows: for resamples.
pub fn again(problem: &Problem<'_>, starts: &[&[f64]], limits: Limits, work: &mut Work) -> Option<(Vec<f64>, f64)> {
    let mut best: Option<(Vec<f64>, f64)> = None;
    for start in starts {
        let mut theta = start.to_vec();
        let value = minimise(problem, &mut theta, limits, work, &mut Effort::default());
        if value.is_finite() && best.as_ref().is_none_or(|(_, least)| value < *least) {
            best = Some((theta, value));
        }
    }
    best
}
