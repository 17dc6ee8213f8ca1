//! What a reader should know before believing a fit, in sentences.

use std::collections::BTreeSet;

use isoflop_kinds::fit::{Form, Rho};

use super::{
    compare::bounded,
    run::Desk,
    triage::{Fate, Row, distinct, x_name},
};

impl Desk<'_> {
    /// What a reader should know before believing the law.
    pub(super) fn caution(&mut self) {
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
}
