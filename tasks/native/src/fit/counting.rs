//! Counting: whether compute, parameters and tokens are what they are taken for.

use isoflop_kinds::fit::{Counting, FitScaling};
use serde::Serialize;

use super::{math::quantile, points::Points, triage::Row};

/// What is known of how things were counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Counted {
    /// What N counts.
    pub parameters: Counting,
    /// How compute is taken: always 6 N D here.
    pub compute: &'static str,
    /// The input that was worked out from the other two, if one was.
    pub worked_out: Option<&'static str>,
    /// The middle of compute over 6 N D, where a column of compute can be held against it.
    pub ratio: Option<f64>,
}

/// Factors that ratios of compute have for a known reason, and the name and sentence of each.
const KNOWN: [(f64, &str, &str); 6] = [
    (1.0 / 3.0, "compute-counts-forward-only", "it looks like 2 N D, the forward pass alone"),
    (3.0, "compute-factor-three", "one of them may be 2 N D and the other 6 N D"),
    (1e-9, "compute-in-giga", "it looks like it is in units of 1e9, as GFLOPs"),
    (1e9, "inputs-in-giga", "N or D look like they are in units of 1e9, as billions"),
    (1e-18, "compute-in-exa", "it looks like it is in units of 1e18"),
    (1e6, "inputs-in-mega", "N or D look like they are in units of 1e6, as millions"),
];

/// What is known, and what a reader should be warned of. Warnings begin with their name.
pub fn check(points: &Points, rows: &[Row], spec: &FitScaling) -> (Option<Counted>, Vec<String>) {
    let Some(parameters) = spec.counting.filter(|_| spec.form.is_surface()) else { return (None, Vec::new()) };
    let mut warnings = Vec::new();
    if parameters == Counting::Unstated {
        warnings.push(
            "counting-unstated: nobody said whether N counts embeddings; exponents differ by it, so do not compare them"
                .to_owned(),
        );
    }
    let worked_out = ["N", "D", "C"].into_iter().find(|name| !spec.inputs.contains_key(*name) && *name != "C");
    let mut ratios: Vec<f64> = spec
        .compute
        .iter()
        .flat_map(|column| rows.iter().filter_map(move |row| Some((points.rows[row.index].numbers.get(column)?, row))))
        .map(|(compute, row)| compute / (6.0 * row.inputs[0] * row.inputs[1]))
        .collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = (!ratios.is_empty()).then(|| quantile(&ratios, 0.5));
    if let (Some(ratio), Some(column)) = (ratio, &spec.compute) {
        let known = KNOWN.iter().find(|(factor, ..)| (0.8..1.25).contains(&(ratio / factor)));
        if let Some((_, name, why)) = known {
            warnings.push(format!("{name}: column `{column}` is {ratio:.3e} times 6 N D; {why}"));
        } else if !(0.8..1.25).contains(&ratio) {
            warnings.push(format!("compute-off: column `{column}` is {ratio:.3e} times 6 N D, and nobody said why"));
        }
    }
    (Some(Counted { parameters, compute: "6 N D", worked_out, ratio }), warnings)
}
