//! Why there is no fit.

use isoflop_kinds::fit::Form;

/// Why points cannot be fitted. Each names the column and, where there is one, the row.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// Fewer usable points than the form has parameters, or no more.
    #[error("form {form} needs points at {needed} different values of `{x}` at least, and {usable} can be used{}{}", listed(.unusable), doubted(*.beaten, .y))]
    TooFew {
        /// The form.
        form: Form,
        /// The name of x.
        x: String,
        /// How many different values it takes.
        needed: usize,
        /// How many there are.
        usable: usize,
        /// Why other points cannot be used: label and reason.
        unusable: Vec<(String, String)>,
        /// How many are not on the frontier.
        beaten: usize,
        /// The name of y.
        y: String,
    },
    /// Every usable point has the same value there.
    #[error("column `{column}` is constant: {value} in every usable row, so there is nothing to fit")]
    Constant {
        /// The column.
        column: String,
        /// Its value.
        value: f64,
    },
    /// A hold-out that leaves nothing to fit, or takes nothing.
    #[error(
        "cannot hold out the {largest} largest values of `{x}`: there are {values} different ones, and form {form} needs {needed} to fit"
    )]
    Holdout {
        /// How many values were to be held out.
        largest: u32,
        /// The name of x.
        x: String,
        /// How many there are.
        values: usize,
        /// The form.
        form: Form,
        /// How many it needs.
        needed: usize,
    },
    /// The optimum is no number that a double can hold.
    #[error("form {form} has no optimum that can be written down: {parameter} is {value}; give x in larger units")]
    NotFinite {
        /// The form.
        form: Form,
        /// The parameter.
        parameter: &'static str,
        /// Its value.
        value: f64,
    },
}

/// The first few reasons; all are in the record of a fit that succeeds.
fn listed(unusable: &[(String, String)]) -> String {
    const SHOWN: usize = 5;
    let shown = unusable.iter().take(SHOWN).map(|(label, reason)| format!("; {label}: {reason}"));
    let more = unusable.len().saturating_sub(SHOWN);
    shown.chain((more > 0).then(|| format!("; and {more} more"))).collect()
}

fn doubted(beaten: usize, y: &str) -> String {
    match beaten {
        0 => String::new(),
        n => format!(
            "; {n} points are beaten by others: does `better` say rightly whether higher or lower `{y}` is better?"
        ),
    }
}
