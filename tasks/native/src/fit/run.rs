//! From points to the record of a fit.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::Seed;
use isoflop_kinds::fit::{FitScaling, Form, Noise, Rho, Target};

use super::{
    bootstrap::{self, Urns},
    chain::Chain,
    compare::{Comparison, aicc, alternatives, bounded, sensitivity},
    counting,
    curve::curve,
    error::FitError,
    fitting::{Fitting, Request},
    judge::{by_default, judge},
    law::Own,
    math::{interval, moments},
    parallel::each,
    points::Points,
    problem::Work,
    record::{Chained, Estimate, Fit, FittedPoint, Foretold, Optimum, Second, Tally, VERSION},
    solve::Settings,
    triage::{Fate, Row, Triage, distinct, input_names, needed, x_name},
    uncertainty::{Covariance, delta, profile},
};
use crate::random::Stream;

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
struct Desk<'a> {
    points: &'a Points,
    spec: &'a FitScaling,
    means: &'a Means,
    request: Request,
    triage: Triage,
    fitted: Vec<Row>,
    main: Fitting,
    chain: Option<Chain>,
    /// Counts and parameters of each resample, and the second law's parameters.
    draws: Vec<(Vec<u32>, Vec<f64>)>,
    second: Vec<Option<Vec<f64>>>,
    warnings: Vec<String>,
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
    let draws: Vec<(Vec<u32>, Vec<f64>)> = if let Some(noise) = spec.resample.as_ref().and_then(|rule| rule.noise) {
        let sizes = bootstrap::noise(&main, &fitted, noise).ok_or_else(|| unrepeated(noise))?;
        bootstrap::shaken(&main, &sizes, means.seed, spec.bootstrap, threads).into_iter().flatten().collect()
    } else {
        let urns = Urns::of(points, &fitted, spec.resample.as_ref());
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
    Ok(Desk { points, spec, means, request, triage, fitted, main, chain, draws, second, warnings }.write())
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
            points_digest: self.points.digest(spec),
            points: self.account(),
            at_ten_times: self.main.at(&ten),
            curve: curve(&at, parameters, &draws, reach, self.farthest(), spec.level),
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
    fn beyond(&self, factor: f64) -> Vec<f64> {
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
        let spread = spread(of(&self.main.parameters), values, self.spec.level);
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

    fn foretell(&self, parameters: &[f64], target: &Target) -> f64 {
        self.main.with(parameters, &self.inputs_at(parameters, target))
    }

    /// The inputs of a target for given parameters: compute alone is put to its best use.
    fn inputs_at(&self, parameters: &[f64], target: &Target) -> Vec<f64> {
        let names = input_names(self.spec);
        if let (Some(c), false) = (target.get("C"), names.contains(&"C")) {
            let (n, d) = self.main.law.best(parameters, *c).unwrap_or((f64::NAN, f64::NAN));
            return vec![n, d];
        }
        names.iter().map(|name| target.get(*name).copied().unwrap_or(f64::NAN)).collect()
    }

    fn optima(&self) -> Vec<Optimum> {
        let far = self.beyond(10.0);
        let one = |other: &super::solve::Optimum| {
            let parameters = self.main.law.report(&other.theta);
            Optimum {
                foretells: if self.spec.targets.is_empty() {
                    vec![self.main.with(&parameters, &far)]
                } else {
                    self.spec.targets.iter().map(|target| self.foretell(&parameters, target)).collect()
                },
                params: self.main.law.names().iter().copied().zip(parameters).collect(),
                loss: other.loss,
                above: other.loss / self.main.solution.loss - 1.0,
            }
        };
        self.main.solution.others.iter().map(one).collect()
    }

    fn targets(&self) -> Vec<Foretold> {
        self.spec.targets.iter().enumerate().map(|(number, target)| self.target(number, target)).collect()
    }

    fn target(&self, number: usize, target: &Target) -> Foretold {
        let level = self.spec.level;
        let y = self.foretell(&self.main.parameters, target);
        let told: Vec<f64> = self.draws.iter().map(|(_, draw)| self.foretell(draw, target)).collect();
        // A new observation: a residual of the fit on top of each resampled law, in the objective's space.
        let space = self.request.objective.space;
        let residuals: Vec<f64> = self.fitted.iter().map(|row| self.main.residual(row)).collect();
        let inflate =
            libm::sqrt(self.fitted.len() as f64 / (self.fitted.len() - self.main.solution.free.len()).max(1) as f64);
        let mut stream = Stream::of(self.means.seed, "residuals", number as u64);
        let observed: Vec<f64> = told
            .iter()
            .map(|y| super::space::out_of(space, super::space::into(space, *y) + inflate * stream.one_of(&residuals)))
            .collect();
        let (lower, upper) = bounds(told.clone(), level, y);
        let (observed_lower, observed_upper) = bounds(observed, level, y);
        let mut best = BTreeMap::new();
        if target.contains_key("C") && self.spec.form.divides() {
            for (i, name) in ["N", "D"].into_iter().enumerate() {
                let of = |parameters: &[f64]| self.inputs_at(parameters, target)[i];
                let draws = self.draws.iter().map(|(_, draw)| of(draw)).filter(|value| value.is_finite()).collect();
                best.insert(name, spread(of(&self.main.parameters), draws, level));
            }
        }
        let then = self.chain.as_ref().map(|chain| {
            let second = |parameters: &[f64], first: f64| chain.fitting.with(parameters, &[first]);
            let value = second(&chain.fitting.parameters, y);
            let pairs = || told.iter().zip(&self.second).filter_map(|(first, draw)| Some((*first, draw.as_ref()?)));
            let (lower, upper) = bounds(pairs().map(|(first, draw)| second(draw, first)).collect(), level, value);
            let (second_alone_lower, second_alone_upper) =
                bounds(pairs().map(|(_, draw)| second(draw, y)).collect(), level, value);
            Chained { y: value, lower, upper, second_alone_lower, second_alone_upper }
        });
        Foretold { at: target.clone(), y, lower, upper, observed_lower, observed_upper, best, then }
    }

    fn second_law(&self) -> Option<Second> {
        let (chain, then) = (self.chain.as_ref()?, self.spec.then.as_ref()?);
        let fitting = &chain.fitting;
        let covariance = Covariance::of(fitting);
        let one = |(index, name): (usize, &&'static str)| {
            let values = self.second.iter().flatten().map(|draw| draw[index]).collect();
            let by = |matrix: &Option<super::dense::Matrix>| {
                delta(fitting, matrix.as_ref()?, &|theta| fitting.law.report(theta)[index])
            };
            let spread = spread(fitting.parameters[index], values, self.spec.level);
            let (wald, sandwich) = (by(&covariance.wald), by(&covariance.sandwich));
            (*name, spread.with(wald, sandwich, covariance.reach(self.spec.level)))
        };
        Some(Second {
            y: then.y.clone(),
            formula: fitting.law.formula(&fitting.parameters, &[&self.spec.y], &then.y),
            params: fitting.law.names().iter().enumerate().map(one).collect(),
            loss: fitting.loss(&chain.rows),
            n: chain.rows.len(),
            certificate: fitting.solution.certificate.clone(),
        })
    }

    /// What a reader should know before believing the law.
    fn caution(&mut self) {
        let (spec, certificate) = (self.spec, &self.main.solution.certificate);
        let mut all = Vec::new();
        all.extend(self.left_out());
        all.extend(self.repeated());
        let parameters = self.main.solution.free.len();
        let values = distinct(&self.fitted);
        if values < parameters + 2 {
            let x = x_name(spec);
            all.push(format!(
                "{values} different values of `{x}` for {parameters} parameters: the intervals mean little"
            ));
        }
        all.extend(self.leaves());
        for name in &certificate.on_bound {
            all.push(match (spec.form, *name) {
                (Form::PowerOffset | Form::FreeCeiling, "p") => {
                    "`p` ran to its bound: the points do not bend in ln x as an offset and an exponent would have them"
                        .to_owned()
                }
                (Form::PowerOffset, "e") => "`e` is on its bound 0: the points do not show an offset".to_owned(),
                (_, name) => format!("`{name}` is on its bound: the points do not tell it"),
            });
        }
        if certificate.at_optimum < 0.5 && certificate.starts > 1 {
            all.push(format!("only {:.0} % of the starts reached the optimum", 100.0 * certificate.at_optimum));
        }
        let close: Vec<f64> = self
            .main
            .solution
            .others
            .iter()
            .map(|other| other.loss / self.main.solution.loss - 1.0)
            .filter(|above| *above < 0.1)
            .collect();
        if let [first, ..] = close.as_slice() {
            all.push(format!("another optimum is only {:.2} % worse: compare what both foretell", 100.0 * first));
        }
        if self.request.objective.rho != Rho::Squared {
            let freedom = self.fitted.len().saturating_sub(parameters);
            if freedom < 5 {
                all.push(format!("{freedom} degrees of freedom are too few for a robust objective"));
            }
        }
        if let Some(chain) = &self.chain {
            if let Some(complaint) = chain.fitting.solution.certificate.complaint() {
                all.push(format!("the second law is not at an optimum: {complaint}"));
            }
            for name in &chain.fitting.solution.certificate.on_bound {
                all.push(format!("`{name}` of the second law is on its bound: the points do not tell it"));
            }
        }
        self.warnings.extend(all);
    }

    /// The rows that were left out, those of one reason together.
    fn left_out(&self) -> Vec<String> {
        const NAMED: usize = 6;
        let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
        for (row, fate) in self.points.rows.iter().zip(&self.triage.fates) {
            let why = match fate {
                Fate::Unusable(reason) => format!("left out: {reason}"),
                Fate::Ruled(reason) => format!("left out by rule: {reason}"),
                Fate::Fitted | Fate::HeldOut | Fate::Beaten(_) => continue,
            };
            match reasons.iter_mut().find(|(other, _)| *other == why) {
                Some((_, labels)) => labels.push(row.label.as_str()),
                None => reasons.push((why, vec![row.label.as_str()])),
            }
        }
        let told = |(why, labels): (String, Vec<&str>)| match labels.as_slice() {
            [one] => format!("{one} was {why}"),
            all if all.len() <= NAMED => format!("{} rows were {why} ({})", all.len(), all.join(", ")),
            all => {
                format!("{} rows were {why} ({} and {} more)", all.len(), all[..NAMED].join(", "), all.len() - NAMED)
            }
        };
        let (first, rest) = reasons.split_at(reasons.len().min(20));
        let rows: usize = rest.iter().map(|(_, labels)| labels.len()).sum();
        let rest = (rows > 0)
            .then(|| format!("{rows} further rows were left out, each for a reason of its own that the record has"));
        first.iter().cloned().map(told).chain(rest).collect()
    }

    /// Rows that say again what another says, to the last digit: copies, rather than seeds, which differ.
    fn repeated(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        let again = |row: &&Row| {
            !seen.insert((row.inputs.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), row.y.to_bits()))
        };
        let again: Vec<&Row> = self.fitted.iter().filter(again).collect();
        let first = &self.points.rows[again.first()?.index].label;
        Some(format!(
            "{} of {} rows repeat another to the last digit, as {first} does: intervals take them for measurements of their own",
            again.len(),
            self.fitted.len()
        ))
    }

    /// Whether a score's law leaves the range of scores, on the points or within a hundred times the largest x.
    fn leaves(&self) -> Option<String> {
        let all: Vec<Row> = self.triage.chosen(|fate| matches!(fate, Fate::Fitted | Fate::HeldOut));
        let range = self.spec.range.or_else(|| bounded(&all).then_some([0.0, 1.0]));
        let ([low, high], true) = (range?, self.spec.x.is_some()) else { return None };
        let (x, y) = (x_name(self.spec), &self.spec.y);
        let out = |value: f64| !(low..=high).contains(&value);
        if let Some(row) = all.iter().find(|row| out(self.main.at(&row.inputs))) {
            let told = self.main.at(&row.inputs);
            return Some(format!(
                "the law leaves [{low}, {high}] on the points themselves: `{y}` = {told:.3} at `{x}` = {}",
                row.x
            ));
        }
        let far = self.main.at(&self.beyond(100.0));
        out(far)
            .then(|| format!("the law leaves [{low}, {high}]: it says `{y}` = {far:.3} at 100 times the largest `{x}`"))
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

impl Estimate {
    /// With errors by the curvature and the sandwich, `reach` of which make an interval.
    fn with(self, wald: Option<f64>, sandwich: Option<f64>, reach: f64) -> Self {
        let interval = |error: f64| (self.value - reach * error, self.value + reach * error);
        let (wald_interval, sandwich_interval) = (wald.map(interval), sandwich.map(interval));
        Self { wald, sandwich, wald_interval, sandwich_interval, ..self }
    }
}

/// The middle share of values, or the value itself where there are none.
pub(super) fn bounds(values: Vec<f64>, level: f64, value: f64) -> (f64, f64) {
    let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    if values.is_empty() { (value, value) } else { interval(values, level) }
}

/// A value with the percentiles and the standard deviation of its resamples.
pub(super) fn spread(value: f64, draws: Vec<f64>, level: f64) -> Estimate {
    let stderr = if draws.len() > 1 { moments(&draws).1 } else { 0.0 };
    let (lower, upper) = bounds(draws, level, value);
    Estimate {
        value,
        lower,
        upper,
        stderr,
        wald: None,
        sandwich: None,
        wald_interval: None,
        sandwich_interval: None,
        profile: None,
    }
}
