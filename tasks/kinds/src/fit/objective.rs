//! What a fit minimises, named exactly: the space residuals are taken in, how they count, and the threshold of robust ones.

use std::{fmt, str::FromStr};

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The space residuals are taken in: the difference of a point and the law after both went through a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Space {
    /// y itself.
    Linear,
    /// ln y, for positive y.
    Log,
    /// ln(y / (1 - y)), for scores between 0 and 1.
    Logit,
    /// ln(1 - y), for scores below 1.
    LogError,
    /// ln(1 + y), for y above -1.
    Log1p,
}

impl Space {
    const ALL: &'static [Self] = &[Self::Linear, Self::Log, Self::Logit, Self::LogError, Self::Log1p];

    /// As it is written in a study.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Log => "log",
            Self::Logit => "logit",
            Self::LogError => "log-error",
            Self::Log1p => "log1p",
        }
    }

    /// What of y residuals are differences of.
    pub const fn of_y(self) -> &'static str {
        match self {
            Self::Linear => "y",
            Self::Log => "ln y",
            Self::Logit => "logit y",
            Self::LogError => "ln(1 - y)",
            Self::Log1p => "ln(1 + y)",
        }
    }
}

/// How a residual counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rho {
    /// Its square.
    Squared,
    /// Half its square up to delta, linear beyond (Huber 1964): `r² / 2` or `delta (|r| - delta / 2)`.
    Huber,
    /// Its absolute value: least absolute deviations.
    Lad,
}

/// What a fit minimises: the sum of `rho` over residuals in `space`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Objective {
    /// The space residuals are taken in.
    pub space: Space,
    /// How a residual counts.
    #[serde(default = "squared")]
    pub rho: Rho,
    /// Where `huber` turns from a square to a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1e-12, max = 1e12))]
    pub delta: Option<f64>,
}

fn squared() -> Rho {
    Rho::Squared
}

impl Objective {
    /// Least squares.
    pub const fn squared(space: Space) -> Self {
        Self { space, rho: Rho::Squared, delta: None }
    }

    /// Huber's function.
    pub const fn huber(space: Space, delta: f64) -> Self {
        Self { space, rho: Rho::Huber, delta: Some(delta) }
    }

    /// Least absolute deviations.
    pub const fn lad(space: Space) -> Self {
        Self { space, rho: Rho::Lad, delta: None }
    }

    /// Whether outliers count less than by their square.
    pub const fn is_robust(&self) -> bool {
        !matches!(self.rho, Rho::Squared)
    }

    /// Refuses a threshold that is missing, out of place or no threshold.
    pub fn check(&self) -> Result<(), Complaint> {
        match (self.rho, self.delta) {
            (Rho::Huber, Some(delta)) if (1e-12..=1e12).contains(&delta) => Ok(()),
            (Rho::Huber, Some(_)) => Err(Complaint::new("objective.delta", "must lie between 1e-12 and 1e12")),
            (Rho::Huber, None) => {
                Err(Complaint::new("objective.delta", "must be given: fits by Huber's function depend on it"))
            }
            (_, Some(_)) => Err(Complaint::new("objective.delta", "belongs to `rho: huber` alone")),
            (_, None) => Ok(()),
        }
    }

    /// The sentence that a record names it by.
    pub fn sentence(&self) -> String {
        let of = self.space.of_y();
        match (self.rho, self.delta) {
            (Rho::Huber, Some(delta)) => format!("sum of Huber's function of residuals of {of}, delta {delta:e}"),
            (Rho::Lad, _) => format!("sum of absolute residuals of {of}"),
            _ => format!("sum of squared residuals of {of}"),
        }
    }
}

/// `log:huber:1e-3`, as the command line has it.
impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.rho, self.delta) {
            (Rho::Huber, Some(delta)) => write!(f, "{}:huber:{delta:e}", self.space.name()),
            (Rho::Lad, _) => write!(f, "{}:lad", self.space.name()),
            _ => write!(f, "{}:squared", self.space.name()),
        }
    }
}

/// An objective that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownObjective(String);

impl fmt::Display for UnknownObjective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spaces: Vec<&str> = Space::ALL.iter().map(|space| space.name()).collect();
        write!(
            f,
            "`{}` is no objective; write SPACE:squared, SPACE:lad or SPACE:huber:DELTA, where SPACE is one of {}",
            self.0,
            spaces.join(", ")
        )
    }
}

impl std::error::Error for UnknownObjective {}

impl FromStr for Objective {
    type Err = UnknownObjective;

    fn from_str(text: &str) -> Result<Self, UnknownObjective> {
        let unknown = || UnknownObjective(text.to_owned());
        let words: Vec<&str> = text.split(':').collect();
        let space =
            Space::ALL.iter().copied().find(|space| words.first() == Some(&space.name())).ok_or_else(unknown)?;
        let objective = match &words[1..] {
            [] | ["squared"] => Self::squared(space),
            ["lad"] => Self::lad(space),
            ["huber", delta] => Self::huber(space, delta.parse().map_err(|_| unknown())?),
            _ => return Err(unknown()),
        };
        objective.check().map(|()| objective).map_err(|_| unknown())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objectives_are_read_back() {
        for text in ["log:huber:1e-3", "linear:squared", "logit:lad", "log1p:squared", "log-error:huber:2e-2"] {
            assert_eq!(text.parse::<Objective>().unwrap().to_string(), text);
        }
        for text in ["log:huber", "log:huber:0", "log:huber:x", "cubic:squared", "log:squared:1", ""] {
            let error = text.parse::<Objective>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is no objective; write SPACE:squared")), "{error}");
        }
    }

    #[test]
    fn the_sentence_names_everything_that_counts() {
        let huber = Objective::huber(Space::Log, 1e-3);
        assert_eq!(huber.sentence(), "sum of Huber's function of residuals of ln y, delta 1e-3");
        assert_eq!(Objective::squared(Space::LogError).sentence(), "sum of squared residuals of ln(1 - y)");
        assert!(Objective { delta: None, ..huber }.check().is_err());
        assert!(Objective { delta: Some(1.0), ..Objective::lad(Space::Log) }.check().is_err());
    }
}
