//! The rules of a fit: which rows count, which only judge, how rows are drawn again, what counts as a parameter. All are part of the recipe,
//! so that they are settled before the runs exist.

use std::{collections::BTreeMap, fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which of two values of y is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// The higher, as of scores.
    Higher,
    /// The lower, as of losses.
    Lower,
}

/// Which points are kept out of the fit, to see how well it foretells them. One of the fields, no two.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holdout {
    /// All points at this many largest values of x (of compute, where the law is a surface).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub largest: Option<u32>,
    /// All points above the largest x divided by this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub factor: Option<f64>,
    /// All points whose x is this or larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// What is measured against `largest`, `factor` or `above` instead of x.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

impl Holdout {
    /// All points at the `n` largest values of x.
    pub fn largest(n: u32) -> Self {
        Self { largest: Some(n), ..Self::default() }
    }

    /// All points above the largest x divided by `factor`.
    pub fn factor(factor: f64) -> Self {
        Self { factor: Some(factor), ..Self::default() }
    }

    /// All points whose x is `value` or larger.
    pub fn above(value: f64) -> Self {
        Self { above: Some(value), ..Self::default() }
    }

    /// The rule in words, `x` being what is measured.
    pub fn sentence(&self, x: &str) -> String {
        let x = self.column.as_deref().unwrap_or(x);
        match (self.largest, self.factor, self.above) {
            (Some(1), ..) => format!("the largest value of {x}"),
            (Some(n), ..) => format!("the {n} largest values of {x}"),
            (_, Some(factor), _) => format!("{x} above 1/{factor} of its largest"),
            (.., Some(value)) => format!("{x} of {value:e} or more"),
            _ => "nothing".to_owned(),
        }
    }
}

/// Rows that are left out by rule. One of the fields besides `column`, no two.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drop {
    /// The column that decides.
    pub column: String,
    /// The rows with this many largest values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub largest: Option<u32>,
    /// The rows with this many smallest values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub smallest: Option<u32>,
    /// The rows above this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above: Option<f64>,
    /// The rows below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub below: Option<f64>,
}

impl Drop {
    /// How many of the rule's fields are given: one, in a rule that can be followed.
    pub fn given(&self) -> usize {
        [self.largest.is_some(), self.smallest.is_some(), self.above.is_some(), self.below.is_some()]
            .into_iter()
            .filter(|given| *given)
            .count()
    }
}

/// The rule in words, as the reason a record gives for a row.
impl fmt::Display for Drop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let column = &self.column;
        match (self.largest, self.smallest, self.above, self.below) {
            (Some(n), ..) => write!(f, "among the {n} largest `{column}`"),
            (_, Some(n), ..) => write!(f, "among the {n} smallest `{column}`"),
            (_, _, Some(value), _) => write!(f, "`{column}` above {value}"),
            (.., Some(value)) => write!(f, "`{column}` below {value}"),
            _ => write!(f, "`{column}`"),
        }
    }
}

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownDrop(String);

impl fmt::Display for UnknownDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no rule; write COLUMN>NUMBER, COLUMN<NUMBER, COLUMN:largest:N or COLUMN:smallest:N", self.0)
    }
}

impl std::error::Error for UnknownDrop {}

/// `loss>4.2`, `loss<1`, `loss:largest:5`, `loss:smallest:1`, as the command line has it.
impl FromStr for Drop {
    type Err = UnknownDrop;

    fn from_str(text: &str) -> Result<Self, UnknownDrop> {
        let unknown = || UnknownDrop(text.to_owned());
        let named = |column: &str| Self { column: column.trim().to_owned(), ..Self::default() };
        let rule = if let Some((column, value)) = text.split_once('>') {
            Self { above: Some(value.trim().parse().map_err(|_| unknown())?), ..named(column) }
        } else if let Some((column, value)) = text.split_once('<') {
            Self { below: Some(value.trim().parse().map_err(|_| unknown())?), ..named(column) }
        } else if let Some((column, count)) = text.rsplit_once(":largest:") {
            Self { largest: Some(count.parse().map_err(|_| unknown())?), ..named(column) }
        } else if let Some((column, count)) = text.rsplit_once(":smallest:") {
            Self { smallest: Some(count.parse().map_err(|_| unknown())?), ..named(column) }
        } else {
            return Err(unknown());
        };
        if rule.column.is_empty() { Err(unknown()) } else { Ok(rule) }
    }
}

/// A column that says how much a row counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// The column.
    pub column: String,
    /// What it holds.
    #[serde(default = "sigma")]
    pub holds: WeightOf,
}

fn sigma() -> WeightOf {
    WeightOf::Sigma
}

/// What a column of weights holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WeightOf {
    /// The standard deviation of the residual: a row counts by `1 / sigma²`.
    Sigma,
    /// The weight itself.
    Weight,
}

/// What is drawn with replacement for an interval.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Resample {
    /// Rows with one value here are drawn together: checkpoints of one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub together: Option<String>,
    /// Rows are drawn within each value of this: budgets of an iso-FLOP study.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// No row is drawn: each y gets noise of the size that seeds are known to make.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
}

/// Noise for a bootstrap that keeps every row: `replicates`, or its standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Noise {
    /// As rows with the same inputs differ among each other, in the space of the fit.
    Replicates,
    /// The standard deviation of y.
    Sigma(f64),
}

/// What a model's number of parameters counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Counting {
    /// Every parameter.
    Total,
    /// Every parameter but those of embeddings.
    NonEmbedding,
    /// Those that one token or image passes through, of a model with experts.
    Active,
    /// Nobody said: the record warns of it.
    Unstated,
}

/// A known end of a sigmoid; a missing one is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ends {
    /// The score by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lo: Option<f64>,
    /// The best score there can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hi: Option<f64>,
}

/// A second law: what it foretells is worked out from what the first one foretells, errors included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// The final number that the second law foretells.
    pub y: String,
    /// Known ends of its sigmoid `y = lo + (hi - lo) / (1 + exp(-(a + b · first)))`.
    #[serde(default)]
    pub ends: Ends,
    /// What it looks like: a sigmoid, or `y = hi - k exp(-gamma · first)`.
    #[serde(default, skip_serializing_if = "is_sigmoid")]
    pub form: ThenForm,
    /// The rows it is fitted to, by the names in their columns, if not those of the first law.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keep: Keep,
}

/// What a second law looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ThenForm {
    /// A sigmoid.
    #[default]
    Sigmoid,
    /// An exponential approach (Gadre et al. 2024).
    Exponential,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks it so")]
fn is_sigmoid(form: &ThenForm) -> bool {
    *form == ThenForm::Sigmoid
}

impl Then {
    /// A sigmoid with these ends.
    pub fn sigmoid(y: &str, ends: Ends) -> Self {
        Self { y: y.to_owned(), ends, form: ThenForm::Sigmoid, keep: Keep::new() }
    }
}

/// Rows that count: in each of these columns, one of these names.
pub type Keep = BTreeMap<String, Vec<String>>;

/// Somewhere to foretell: a value by input, `{ x: 1e21 }`, `{ N: 7e10, D: 1.4e12 }` or, on a surface, `{ C: 1e24 }` for the best use of compute.
pub type Target = BTreeMap<String, f64>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_from_a_line_and_told_in_one() {
        let told = |text: &str| text.parse::<Drop>().unwrap().to_string();
        assert_eq!(told("loss>4.2"), "`loss` above 4.2");
        assert_eq!(told("Training FLOP < 1e18"), "`Training FLOP` below 1000000000000000000");
        assert_eq!(told("loss:largest:5"), "among the 5 largest `loss`");
        assert_eq!(told("a:b:smallest:1"), "among the 1 smallest `a:b`");
        for text in ["loss", "loss>high", ":largest:5", "loss:largest:-1"] {
            assert!(text.parse::<Drop>().unwrap_err().to_string().contains("COLUMN>NUMBER"), "{text}");
        }
    }
}
