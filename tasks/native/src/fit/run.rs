//! From points to the record of a fit.

use std::collections::BTreeMap;

use isoflop_contract::Seed;
use isoflop_kinds::fit::{FitScaling, Noise, Target};

use super::{
    bootstrap::{self, Urns},
    chain::Chain,
    compare::{Comparison, aicc, alternatives, sensitivity},
    counting,
    curve::curve,
    error::FitError,
    estimate::spread,
    fitting::{Fitting, Request},
    judge::{by_default, judge},
    law::Own,
    parallel::each,
    points::Points,
    problem::Work,
    record::{Estimate, Fit, FittedPoint, Tally, VERSION},
    solve::Settings,
    student::{heavy_share, share},
    triage::{Fate, Row, Triage, input_names, needed, x_name},
    uncertainty::{Covariance, delta, profile},
};

/// What a fit is done with; none of it is asked by a spec.
#[derive(Debug, Clone)]
pub struct Means {
    /// What resamples are drawn from.
    pub seed: Seed,
    /// How hard the solver tries, and on how many threads, of which no bit depends.
    pub settings: Settings,
}

impl Default for Means {
    fn default() -> Self {
        Self { seed: Seed::from_number(0), settings: Settings::default() }
    }
}

/// A record, and what its intervals were made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// The record.
    pub fit: Fit,
    /// The parameters of every resample, in the order of [`Fit::parameters`].
    pub draws: Vec<Vec<f64>>,
}

impl Made {
    /// The draws as CSV.
    pub fn draws_csv(&self) -> String {
        let mut text = self.fit.parameters.join(",") + "\n";
        for draw in &self.draws {
            text += &draw.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(",");
            text.push('\n');
        }
        text
    }
}

/// Everything a fit knows on its way to the record.
pub(super) struct Desk<'a> {
    pub(super) points: &'a Points,
    pub(super) spec: &'a FitScaling,
    pub(super) means: &'a Means,
    pub(super) request: Request,
    pub(super) triage: Triage,
    pub(super) fitted: Vec<Row>,
    pub(super) main: Fitting,
    pub(super) chain: Option<Chain>,
    /// Counts and parameters of each resample, and the second law's parameters.
    pub(super) draws: Vec<(Vec<u32>, Vec<f64>)>,
    pub(super) second: Vec<Option<Vec<f64>>>,
    /// The shares of resamples in intervals of laws and of measurements.
    pub(super) shares: [f64; 2],
    pub(super) warnings: Vec<String>,
}

/// Fits `points` as `spec` asks.
pub fn fit(points: &Points, spec: &FitScaling, means: &Means) -> Result<Made, FitError> {
    use isoflop_contract::Kind;
    spec.check().map_err(|complaint| FitError::Request { field: complaint.field, problem: complaint.problem })?;
    let request = Request::of(spec);
    let triage = Triage::of(points, spec, request.objective.space)?;
    let fitted = triage.fitted();
    let starts = grid(spec);
    let main = Fitting::of(&fitted, request.clone(), starts.as_deref(), &means.settings)?;
    let mut warnings = Vec::new();
    if let Some(complaint) = main.solution.certificate.complaint() {
        if !spec.allow_unconverged {
            return Err(FitError::Unconverged { form: spec.form, complaint });
        }
        warnings.push(format!("not at an optimum: {complaint}"));
    }
    let all: Vec<Row> = triage.rows.iter().flatten().cloned().collect();
    let chain = spec.then.as_ref().map(|then| Chain::of(points, &fitted, &all, then, &means.settings)).transpose()?;
    let threads = means.settings.threads;
    let (level, moving) = (spec.level, main.solution.free.len());
    let mut shares = [level; 2];
    let draws: Vec<(Vec<u32>, Vec<f64>)> = if let Some(noise) = spec.resample.as_ref().and_then(|rule| rule.noise) {
        let sizes = bootstrap::noise(&main, &fitted, noise).ok_or_else(|| unrepeated(noise))?;
        bootstrap::shaken(&main, &sizes, means.seed, spec.bootstrap, threads).into_iter().flatten().collect()
    } else {
        let urns = Urns::of(points, &fitted, spec.resample.as_ref());
        shares = [share(level, urns.units(), moving), heavy_share(level, urns.units(), moving)];
        bootstrap::draws(&main, &fitted, &urns, means.seed, spec.bootstrap, threads).into_iter().flatten().collect()
    };
    if draws.len() < spec.bootstrap as usize {
        warnings.push(format!("{} resamples could not be fitted", spec.bootstrap as usize - draws.len()));
    }
    let second = match &chain {
        None => Vec::new(),
        Some(chain) => {
            each(draws.len(), threads, Work::default, |b, work| chain.again(&draws[b].0, means.seed, b, work))
        }
    };
    Ok(Desk { points, spec, means, request, triage, fitted, main, chain, draws, second, shares, warnings }.write())
}

fn unrepeated(noise: Noise) -> FitError {
    let problem = match noise {
        Noise::Replicates => "asks for replicates, and no two rows have the same inputs",
        Noise::Sigma(_) => "must be positive",
    };
    FitError::Request { field: "resample.noise".to_owned(), problem: problem.to_owned() }
}

/// All combinations of a spec's starting values. A parameter that is not named starts at 1.
fn grid(spec: &FitScaling) -> Option<Vec<Vec<f64>>> {
    if spec.grid.is_empty() {
        return None;
    }
    let mut all = vec![Vec::new()];
    for name in Own::of(spec).map_or_else(|| spec.form.parameters().to_vec(), |own| own.names) {
        let values = spec.grid.get(name).map_or_else(|| vec![1.0], Clone::clone);
        let extend = |start: &Vec<f64>| {
            values.iter().map(|value| start.iter().copied().chain([*value]).collect::<Vec<f64>>()).collect::<Vec<_>>()
        };
        all = all.iter().flat_map(extend).collect();
    }
    Some(all)
}

impl Desk<'_> {
    fn write(mut self) -> Made {
        let covariance = Covariance::of(&self.main);
        let (spec, x) = (self.spec, x_name(self.spec).to_owned());
        let held_out = self.triage.held_out();
        let rule = spec.holdout.as_ref().map(|rule| rule.sentence(&x)).unwrap_or_default();
        let (least, most) = self.range();
        let settings = &self.means.settings;
        let holdout = if held_out.is_empty() {
            by_default(&self.fitted, &self.request, needed(spec), &x, settings)
        } else {
            judge(&self.main, &self.fitted, &held_out, rule.clone(), false)
        };
        let with_ruled = self.triage.chosen(|fate| matches!(fate, Fate::Fitted | Fate::Ruled(_)));
        let names = self.input_columns();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let (ten, hundred) = (self.beyond(10.0), self.beyond(100.0));
        let alternatives = alternatives(
            &Comparison {
                names: (&names, &x, &spec.y),
                request: &self.request,
                fitted: &self.fitted,
                held_out: &held_out,
                rule: &rule,
                scores: spec.range.is_some_and(|[low, high]| low >= 0.0 && high <= 1.0),
                beyond: [&ten, &hundred],
            },
            settings,
        );
        let sensitivity = sensitivity(&self.fitted, &with_ruled, &self.request, settings);
        let (counting, counted) = counting::check(self.points, &self.fitted, spec);
        self.warnings.extend(counted);
        self.caution();
        let parameters = &self.main.parameters;
        let draws: Vec<Vec<f64>> = self.draws.iter().map(|(_, draw)| draw.clone()).collect();
        // Of a law of several inputs there is a curve only along the best use of compute.
        let single = names.len() == 1;
        let at = |parameters: &[f64], x: f64| match self.main.law.best(parameters, x) {
            Some((n, d)) => self.main.with(parameters, &[n, d]),
            None if single => self.main.with(parameters, &[x]),
            None => f64::NAN,
        };
        let reach = if spec.form.is_plain() && least <= 0.0 { (f64::NAN, f64::NAN) } else { (least, most) };
        let fit = Fit {
            version: VERSION,
            form: spec.form,
            formula: self.main.law.formula(parameters, &names, &spec.y),
            objective: self.request.objective.sentence(),
            objective_exactly: self.request.objective,
            x: x.clone(),
            y: spec.y.clone(),
            inputs: spec.inputs.clone(),
            parameters: self.main.law.names().to_vec(),
            params: self.params(&covariance),
            derived: self.derived(&covariance),
            loss: self.main.loss(&self.fitted),
            r2: self.main.r2(&self.fitted),
            aicc: aicc(&self.main, &self.fitted),
            n: self.fitted.len(),
            degrees_of_freedom: self.fitted.len().saturating_sub(self.main.solution.free.len()),
            rows: self.tally(),
            frontier: spec.frontier.then_some(spec.better),
            holdout,
            alternatives,
            sensitivity,
            certificate: self.main.solution.certificate.clone(),
            optima: self.optima(),
            targets: self.targets(),
            then: self.second_law(),
            counting,
            resamples: self.draws.len(),
            level: spec.level,
            share_of_resamples: self.shares[0],
            points_digest: self.points.digest(spec),
            points: self.account(),
            at_ten_times: self.main.at(&ten),
            curve: curve(&at, parameters, &draws, reach, self.farthest(), self.shares[0]),
            warnings: self.warnings,
        };
        Made { fit, draws }
    }

    fn range(&self) -> (f64, f64) {
        let fold = |(least, most): (f64, f64), row: &Row| (least.min(row.x), most.max(row.x));
        self.fitted.iter().fold((f64::INFINITY, f64::NEG_INFINITY), fold)
    }

    /// The farthest target along the curve.
    fn farthest(&self) -> Option<f64> {
        let place = |target: &Target| target.get("x").or_else(|| target.get("C")).copied();
        self.spec.targets.iter().filter_map(place).max_by(f64::total_cmp)
    }

    /// What the inputs are called in a formula.
    fn input_columns(&self) -> Vec<String> {
        match &self.spec.x {
            None => input_names(self.spec).into_iter().map(str::to_owned).collect(),
            Some(x) => vec![x.clone()],
        }
    }

    /// The inputs at so many times the largest x: along the best use of compute where there is one, else all inputs grow alike.
    pub(super) fn beyond(&self, factor: f64) -> Vec<f64> {
        let Some(last) = self.fitted.iter().max_by(|a, b| a.x.total_cmp(&b.x)) else { return Vec::new() };
        if let Some((n, d)) = self.main.law.best(&self.main.parameters, factor * last.x) {
            return vec![n, d];
        }
        if let [x] = last.inputs.as_slice() {
            return vec![factor * x];
        }
        let each = libm::pow(factor, 1.0 / last.inputs.len() as f64);
        last.inputs.iter().map(|input| each * input).collect()
    }

    /// Value, percentiles and standard deviation of a number that follows from parameters.
    fn estimate(&self, covariance: &Covariance, of: &dyn Fn(&[f64]) -> f64) -> Estimate {
        let values: Vec<f64> = self.draws.iter().map(|(_, draw)| of(draw)).filter(|value| value.is_finite()).collect();
        let by = |matrix: &Option<super::dense::Matrix>| {
            delta(&self.main, matrix.as_ref()?, &|theta| of(&self.main.law.report(theta)))
        };
        let spread = spread(of(&self.main.parameters), values, self.shares[0]);
        spread.with(by(&covariance.wald), by(&covariance.sandwich), covariance.reach(self.spec.level))
    }

    fn params(&self, covariance: &Covariance) -> BTreeMap<&'static str, Estimate> {
        let one = |(index, name): (usize, &&'static str)| {
            let mut estimate = self.estimate(covariance, &|parameters| parameters[index]);
            let finite = |end: f64| end.is_finite().then_some(end);
            estimate.profile =
                profile(&self.main, index, self.spec.level).map(|(lower, upper)| (finite(lower), finite(upper)));
            (*name, estimate)
        };
        self.main.law.names().iter().enumerate().map(one).collect()
    }

    fn derived(&self, covariance: &Covariance) -> BTreeMap<&'static str, Estimate> {
        let derived = self.main.law.derived(&self.main.parameters);
        let one = |(index, derived): (usize, &super::law::Derived)| {
            let of = |parameters: &[f64]| self.main.law.derived(parameters)[index].value;
            (derived.name, self.estimate(covariance, &of))
        };
        derived.iter().enumerate().map(one).collect()
    }

    fn tally(&self) -> Tally {
        let count = |passes: fn(&Fate) -> bool| self.triage.fates.iter().filter(|fate| passes(fate)).count();
        Tally {
            given: self.triage.fates.len(),
            fitted: count(|fate| *fate == Fate::Fitted),
            held_out: count(|fate| *fate == Fate::HeldOut),
            unusable: count(|fate| matches!(fate, Fate::Unusable(_))),
            ruled_out: count(|fate| matches!(fate, Fate::Ruled(_))),
            beaten: count(|fate| matches!(fate, Fate::Beaten(_))),
        }
    }

    fn account(&self) -> Vec<FittedPoint> {
        let names = input_names(self.spec);
        let one = |(index, (point, fate)): (usize, (&super::Point, &Fate))| {
            let row = self.triage.rows[index].as_ref();
            let known = |column: &str| point.numbers.get(column).copied().filter(|value| value.is_finite());
            let x = row.map(|row| row.x).or_else(|| self.spec.x.as_deref().and_then(known));
            // A law of one x says something also where y is missing.
            let place = row
                .map(|row| row.inputs.clone())
                .or_else(|| x.filter(|x| *x > 0.0 && self.spec.x.is_some()).map(|x| vec![x]));
            FittedPoint {
                label: point.label.clone(),
                x,
                y: row.map(|row| row.y).or_else(|| known(&self.spec.y)),
                inputs: row
                    .filter(|_| self.spec.x.is_none())
                    .map(|row| names.iter().copied().zip(row.inputs.iter().copied()).collect()),
                fitted: place.map(|inputs| self.main.at(&inputs)),
                residual: row.map(|row| self.main.residual(row)).filter(|value| value.is_finite()),
                held_out: *fate == Fate::HeldOut,
                dropped: match fate {
                    Fate::Unusable(reason) | Fate::Beaten(reason) => Some(reason.clone()),
                    Fate::Ruled(reason) => Some(format!("left out by rule: {reason}")),
                    Fate::Fitted | Fate::HeldOut => None,
                },
            }
        };
        self.points.rows.iter().zip(&self.triage.fates).enumerate().map(one).collect()
    }
}
