//! Why there is no fit.

use isoflop_kinds::fit::Form;

/// Why points cannot be fitted. Each names the column and, where there is one, the row.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// The request contradicts itself.
    #[error("`{field}` {problem}")]
    Request {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
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
        "cannot hold out {rule}: that leaves {left} of {values} different values of `{x}`, and form {form} needs {needed} to fit"
    )]
    Holdout {
        /// The rule.
        rule: String,
        /// The name of x.
        x: String,
        /// How many values there are.
        values: usize,
        /// How many are left.
        left: usize,
        /// The form.
        form: Form,
        /// How many it needs.
        needed: usize,
    },
    /// A hold-out that takes nothing.
    #[error("nothing is held out by the rule {rule}: no point has {rule}")]
    NothingHeldOut {
        /// The rule.
        rule: String,
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
    /// No start lies where the law and the objective are defined.
    #[error(
        "form {form} cannot be fitted in this space: no start gives every point a value there; try another objective"
    )]
    NoStart {
        /// The form.
        form: Form,
    },
    /// A fit without a certificate.
    #[error(
        "the fit of form {form} has no certificate: {complaint}; `allow_unconverged` keeps it all the same, with a warning"
    )]
    Unconverged {
        /// The form.
        form: Form,
        /// What is missing.
        complaint: String,
    },
}

/// The first few reasons; all are in the record of a fit that succeeds.
fn listed(unusable: &[(String, String)]) -> String {
    const SHOWN: usize = 5;
    let shown = unusable.iter().take(SHOWN).map(|(label, reason)| format!("; {label}: {reason}"));
    let more = unusable.len().saturating_sub(SHOWN);
    let shares = |(_, reason): &(String, String)| reason.ends_with("between 0 and 1") || reason.ends_with("below 1");
    let percent = unusable.iter().any(shares).then(|| "; scores in per cent are to be divided by 100".to_owned());
    shown.chain((more > 0).then(|| format!("; and {more} more"))).chain(percent).collect()
}

fn doubted(beaten: usize, y: &str) -> String {
    match beaten {
        0 => String::new(),
        n => format!(
            "; {n} points are beaten by others: does `better` say rightly whether higher or lower `{y}` is better?"
        ),
    }
}
