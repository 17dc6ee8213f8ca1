//! What a fit foretells where it was asked: the law with its interval, a measurement's, the best use of compute, the second law on top of it; and what
//! other optima foretell there.

use std::collections::BTreeMap;

use isoflop_kinds::fit::Target;

use super::{
    chain::Chain,
    estimate::{bounds, spread},
    record::{Chained, Foretold, Optimum, Second},
    run::Desk,
    student::share,
    triage::input_names,
    uncertainty::{Covariance, delta},
};
use crate::random::Stream;

impl Desk<'_> {
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

    pub(super) fn optima(&self) -> Vec<Optimum> {
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

    pub(super) fn targets(&self) -> Vec<Foretold> {
        self.spec.targets.iter().enumerate().map(|(number, target)| self.target(number, target)).collect()
    }

    fn target(&self, number: usize, target: &Target) -> Foretold {
        let [level, seen] = self.shares;
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
        let (observed_lower, observed_upper) = bounds(observed, seen, y);
        let mut best = BTreeMap::new();
        if target.contains_key("C") && self.spec.form.divides() {
            for (i, name) in ["N", "D"].into_iter().enumerate() {
                let of = |parameters: &[f64]| self.inputs_at(parameters, target)[i];
                let draws = self.draws.iter().map(|(_, draw)| of(draw)).filter(|value| value.is_finite()).collect();
                best.insert(name, spread(of(&self.main.parameters), draws, level));
            }
        }
        let then = self.chain.as_ref().map(|chain| {
            let level = level.max(self.second_share(chain));
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

    fn second_share(&self, chain: &Chain) -> f64 {
        if self.shares[0] > self.spec.level || chain.from.is_none() {
            return share(self.spec.level, chain.rows.len(), chain.fitting.solution.free.len());
        }
        self.spec.level
    }

    pub(super) fn second_law(&self) -> Option<Second> {
        let (chain, then) = (self.chain.as_ref()?, self.spec.then.as_ref()?);
        let fitting = &chain.fitting;
        let covariance = Covariance::of(fitting);
        let one = |(index, name): (usize, &&'static str)| {
            let values = self.second.iter().flatten().map(|draw| draw[index]).collect();
            let by = |matrix: &Option<super::dense::Matrix>| {
                delta(fitting, matrix.as_ref()?, &|theta| fitting.law.report(theta)[index])
            };
            let spread = spread(fitting.parameters[index], values, self.second_share(chain));
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
}
