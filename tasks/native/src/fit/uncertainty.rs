//! Intervals without resamples: Wald's from the curvature at the optimum, the sandwich that also holds when variances differ, both carried to
//! reported and derived values by the delta method, and profiles.

use isoflop_kinds::fit::Rho;

use super::{
    bfgs::{Effort, Limits, minimise, polish},
    bootstrap::starts,
    dense::{Matrix, inverse, product, quadratic},
    fitting::Fitting,
    law::ON_BOUND,
    math::dot,
    problem::{Problem, Work},
    student::{normal, two_sided},
};

/// Covariances of the free working parameters.
#[derive(Debug)]
pub struct Covariance {
    /// By the curvature and the residuals' variance; for least squares alone.
    pub wald: Option<Matrix>,
    /// By the curvature and each row's own pull; not of absolute deviations, which have no curvature of their own.
    pub sandwich: Option<Matrix>,
    /// Rows less parameters.
    pub freedom: f64,
}

impl Covariance {
    /// At a fitting's optimum. Rows there must be more than parameters, and the curvature positive.
    pub fn of(fitting: &Fitting) -> Self {
        let problem = fitting.problem();
        let theta = &fitting.solution.theta;
        let mut work = Work::default();
        let rows = fitting.block.rows() as f64;
        let freedom = rows - problem.free.len() as f64;
        let none = Self { wald: None, sandwich: None, freedom };
        if freedom < 1.0 || fitting.request.objective.rho == Rho::Lad {
            return none;
        }
        let mut curvature = problem.hessian(theta, &mut work);
        for value in curvature.iter_mut().flatten() {
            *value /= problem.scale();
        }
        let Some(inverse) = inverse(&curvature) else { return none };
        let squared = fitting.request.objective.rho == Rho::Squared;
        let wald = squared.then(|| {
            // The objective is the sum of squares, whose curvature is twice the precision times the variance.
            let variance = problem.loss(theta, &mut work) / freedom;
            inverse.iter().map(|row| row.iter().map(|value| 2.0 * variance * value).collect()).collect()
        });
        let columns = problem.columns(theta, &mut work);
        let pulls: Vec<Vec<f64>> = columns
            .iter()
            .map(|column| column.iter().zip(problem.scores(&work)).map(|(c, s)| c * s).collect())
            .collect();
        let correction = rows / freedom;
        let meat: Matrix = pulls.iter().map(|a| pulls.iter().map(|b| correction * dot(a, b)).collect()).collect();
        let sandwich = Some(product(&product(&inverse, &meat), &inverse));
        Self { wald, sandwich, freedom }
    }

    /// The half-width of an interval, in standard errors.
    pub fn reach(&self, level: f64) -> f64 {
        if self.freedom > 1e6 { normal(level) } else { two_sided(level, self.freedom) }
    }
}

/// The standard error of something that follows from working parameters, by the delta method.
pub fn delta(fitting: &Fitting, covariance: &Matrix, of: &dyn Fn(&[f64]) -> f64) -> Option<f64> {
    let mut theta = fitting.solution.theta.clone();
    let mut gradient = Vec::with_capacity(fitting.solution.free.len());
    for parameter in &fitting.solution.free {
        let at = theta[*parameter];
        let h = 1e-5 * at.abs().max(1.0);
        theta[*parameter] = at + h;
        let up = of(&theta);
        theta[*parameter] = at - h;
        let down = of(&theta);
        theta[*parameter] = at;
        gradient.push((up - down) / (2.0 * h));
    }
    let variance = quadratic(covariance, &gradient);
    (variance >= 0.0 && variance.is_finite()).then(|| libm::sqrt(variance))
}

/// The interval of reported parameter `index` by its profile: where the sum of squares, minimised over all others, has risen by
/// what F allows (Bates and Watts 1988). For least squares, and for parameters that are their own coordinate (exponents, offsets and ends).
/// An end that the profile never reaches is infinite.
pub fn profile(fitting: &Fitting, index: usize, level: f64) -> Option<(f64, f64)> {
    let problem = fitting.problem();
    if fitting.request.objective.rho != Rho::Squared || !problem.free.contains(&index) || !own(fitting, index) {
        return None;
    }
    let covariance = Covariance::of(fitting);
    if covariance.freedom < 1.0 {
        return None;
    }
    let mut work = Work::default();
    let theta = &fitting.solution.theta;
    let least = problem.loss(theta, &mut work);
    let reach = covariance.reach(level);
    let most = least * (1.0 + reach * reach / covariance.freedom) + problem.loss_floor();
    let wald = covariance.wald.as_ref()?;
    let at = problem.free.iter().position(|free| *free == index)?;
    let step = libm::sqrt(wald[at][at].max(1e-24)).min(2.0);
    let held = problem.without(index);
    // A parameter on its bound may leave it as this one moves: then both ways are tried.
    let objective = fitting.request.objective;
    let open = Problem::new(fitting.law.as_ref(), &fitting.block, objective, fitting.solution.delta).without(index);
    let pinned: Vec<usize> = open.free.iter().copied().filter(|i| !held.free.contains(i)).collect();
    let off = starts(fitting).swap_remove(0);
    let mut risen = |from: &mut Vec<f64>, place: f64| {
        from[index] = place;
        minimise(&held, from, Limits::default(), &mut work, &mut Effort::default());
        polish(&held, from, 5, &mut work);
        let found = held.loss(from, &mut work);
        if pinned.is_empty() {
            return found;
        }
        let mut free = from.clone();
        for parameter in &pinned {
            free[*parameter] = off[*parameter];
        }
        minimise(&open, &mut free, Limits::default(), &mut work, &mut Effort::default());
        polish(&open, &mut free, 5, &mut work);
        found.min(open.loss(&free, &mut work))
    };
    let kind = fitting.law.kinds()[index];
    let mut end = |sign: f64| {
        let (mut inside, mut path) = (theta[index], theta.clone());
        let mut outside = None;
        let mut stride = step;
        for _ in 0..60 {
            let place = inside + sign * stride;
            if place.abs() > 60.0_f64.max(2.0 * theta[index].abs() + 50.0 * step) {
                break;
            }
            let mut there = path.clone();
            if risen(&mut there, place) > most {
                outside = Some(place);
                break;
            }
            (inside, path, stride) = (place, there, stride * 1.4);
        }
        let Some(mut outside) = outside else {
            // Flat to its bound: nothing there contradicts the data.
            let bound = kind.bounds().iter().find(|bound| bound.signum() * sign > 0.0);
            return bound.map_or(sign * f64::INFINITY, |bound| kind.value(bound.clamp(-ON_BOUND, ON_BOUND)));
        };
        for _ in 0..30 {
            let middle = 0.5 * (inside + outside);
            let mut there = path.clone();
            if risen(&mut there, middle) > most { outside = middle } else { (inside, path) = (middle, there) }
        }
        let mut found = path.clone();
        found[index] = 0.5 * (inside + outside);
        fitting.law.report(&found)[index]
    };
    let (a, b) = (end(-1.0), end(1.0));
    Some(if a <= b { (a, b) } else { (b, a) })
}

/// Whether a reported parameter follows from its own coordinate alone.
fn own(fitting: &Fitting, index: usize) -> bool {
    let theta = &fitting.solution.theta;
    let here = fitting.law.report(theta)[index];
    (0..theta.len()).filter(|other| *other != index).all(|other| {
        let mut moved = theta.clone();
        moved[other] += 0.1;
        fitting.law.report(&moved)[index].to_bits() == here.to_bits()
    })
}
