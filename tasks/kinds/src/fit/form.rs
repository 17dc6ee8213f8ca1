//! The forms of laws, with the names of their parameters and inputs, and the objective each is fitted by unless another is asked for.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::objective::{Objective, Space};

/// What a law looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `y = c · x^p`, by default least squares of ln y on ln x. On scores it has no ceiling, and so is always shown beside forms that have.
    Power,
    /// `y = e + c · x^-p` with `e ≥ 0` and `p > 0`, by default least squares of y. The sign of c is the data's.
    PowerOffset,
    /// `y = a + b · ln x`, by default least squares of y.
    LogLinear,
    /// `logit(y) = a + b · ln x` for scores between 0 and 1, by default least squares of the logit.
    Logit,
    /// `1 - y = c · x^-p` for scores below 1, by default least squares of ln(1 - y).
    ErrorPower,
    /// `y = m - c · x^-p` for scores that level off at a ceiling of their own, with `c > 0` and `p > 0`, by default least squares of y.
    FreeCeiling,
    /// `y = lo + (hi - lo) / (1 + exp(-(a + b · ln x)))`, both ends fitted between 0 and 1 unless `ends` declares them, by default least
    /// squares of y.
    Sigmoid,
    /// `y = E + A / N^alpha + B / D^beta` over parameters and tokens (Hoffmann et al. 2022, approach 3), by default Huber of ln y at 1e-3.
    Chinchilla,
    /// `y = E + (a M^eta + b M^-eta) C^-eta` with `M = D / N` and `C = 6 N D`, for models trained on more data than is best for their compute
    /// (Gadre et al. 2024), by default least squares of y.
    OverTraining,
    /// `y = E + A / N'^alpha + B / D'^beta` over parameters, tokens seen and unique tokens `U`, where what is repeated counts for less and less
    /// (Muennighoff et al. 2023): `D' = u + u rd (1 - exp(-R / rd))`, `R = D / u - 1`, and likewise `N'` with `rn` beyond the size that is best for `u`.
    /// By default Huber of ln y at 1e-3; `fixed` holds a base law.
    RepeatedData,
    /// `y = a + b x^-c0 (1 + (x / d)^(1 / f))^(-c1 f)`: a power law that bends once, at d (Caballero et al. 2022), by default least squares of ln(1 + y).
    Broken,
    /// `ln y = d + a ln N + b ln D + c ln N ln D`: what one input buys depends on the other, by default least squares of ln y.
    Interaction,
    /// `y = hi - k exp(-gamma x)`, by default least squares of y.
    Exponential,
    /// A formula of one's own, in `formula`, by default least squares of y.
    Formula,
}

/// Everything about a form that is a fact and no calculation.
struct Facts {
    form: Form,
    name: &'static str,
    parameters: &'static [&'static str],
    /// What it is a law of.
    inputs: &'static [&'static str],
    objective: Objective,
    /// The law, for people.
    formula: &'static str,
}

const ONE: &[&str] = &["x"];
const SURFACE: &[&str] = &["N", "D"];
const SQUARED_Y: Objective = Objective::squared(Space::Linear);

const FACTS: &[Facts] = &[
    Facts {
        form: Form::Power,
        name: "power",
        parameters: &["c", "p"],
        inputs: ONE,
        objective: Objective::squared(Space::Log),
        formula: "y = c x^p",
    },
    Facts {
        form: Form::PowerOffset,
        name: "power-offset",
        parameters: &["e", "c", "p"],
        inputs: ONE,
        objective: SQUARED_Y,
        formula: "y = e + c x^-p",
    },
    Facts {
        form: Form::LogLinear,
        name: "log-linear",
        parameters: &["a", "b"],
        inputs: ONE,
        objective: SQUARED_Y,
        formula: "y = a + b ln x",
    },
    Facts {
        form: Form::Logit,
        name: "logit",
        parameters: &["a", "b"],
        inputs: ONE,
        objective: Objective::squared(Space::Logit),
        formula: "logit y = a + b ln x",
    },
    Facts {
        form: Form::ErrorPower,
        name: "error-power",
        parameters: &["c", "p"],
        inputs: ONE,
        objective: Objective::squared(Space::LogError),
        formula: "1 - y = c x^-p",
    },
    Facts {
        form: Form::FreeCeiling,
        name: "free-ceiling",
        parameters: &["m", "c", "p"],
        inputs: ONE,
        objective: SQUARED_Y,
        formula: "y = m - c x^-p",
    },
    Facts {
        form: Form::Sigmoid,
        name: "sigmoid",
        parameters: &["lo", "hi", "a", "b"],
        inputs: ONE,
        objective: SQUARED_Y,
        formula: "y = lo + (hi - lo) / (1 + exp(-(a + b ln x)))",
    },
    Facts {
        form: Form::Chinchilla,
        name: "chinchilla",
        parameters: &["E", "A", "B", "alpha", "beta"],
        inputs: SURFACE,
        objective: Objective::huber(Space::Log, 1e-3),
        formula: "y = E + A N^-alpha + B D^-beta",
    },
    Facts {
        form: Form::OverTraining,
        name: "over-training",
        parameters: &["E", "a", "b", "eta"],
        inputs: SURFACE,
        objective: SQUARED_Y,
        formula: "y = E + (a M^eta + b M^-eta) C^-eta",
    },
    Facts {
        form: Form::RepeatedData,
        name: "repeated-data",
        parameters: &["E", "A", "B", "alpha", "beta", "rd", "rn"],
        inputs: &["N", "D", "U"],
        objective: Objective::huber(Space::Log, 1e-3),
        formula: "y = E + A N'^-alpha + B D'^-beta",
    },
    Facts {
        form: Form::Broken,
        name: "broken",
        parameters: &["a", "b", "c0", "c1", "d", "f"],
        inputs: ONE,
        objective: Objective::squared(Space::Log1p),
        formula: "y = a + b x^-c0 (1 + (x / d)^(1 / f))^(-c1 f)",
    },
    Facts {
        form: Form::Interaction,
        name: "interaction",
        parameters: &["d", "a", "b", "c"],
        inputs: SURFACE,
        objective: Objective::squared(Space::Log),
        formula: "ln y = d + a ln N + b ln D + c ln N ln D",
    },
    Facts {
        form: Form::Exponential,
        name: "exponential",
        parameters: &["hi", "k", "gamma"],
        inputs: ONE,
        objective: SQUARED_Y,
        formula: "y = hi - k exp(-gamma x)",
    },
    Facts {
        form: Form::Formula,
        name: "formula",
        parameters: &[],
        inputs: &[],
        objective: SQUARED_Y,
        formula: "y = a formula of one's own",
    },
];

impl Form {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        FACTS.iter().map(|facts| facts.form)
    }

    fn facts(self) -> &'static Facts {
        FACTS.iter().find(|facts| facts.form == self).expect("every form has its facts; a test walks them")
    }

    /// As it is written in a study.
    pub fn name(self) -> &'static str {
        self.facts().name
    }

    /// The names of its parameters, in order.
    pub fn parameters(self) -> &'static [&'static str] {
        self.facts().parameters
    }

    /// What it is fitted by unless another objective is asked for.
    pub fn objective(self) -> Objective {
        self.facts().objective
    }

    /// The law with letters for its numbers.
    pub fn formula(self) -> &'static str {
        self.facts().formula
    }

    /// What it is a law of, in order; of a formula the spec says.
    pub fn inputs(self) -> &'static [&'static str] {
        self.facts().inputs
    }

    /// Whether it is a law of model size and data rather than of one x.
    pub fn is_surface(self) -> bool {
        self.inputs().len() > 1
    }

    /// Whether some division of compute between size and data is best by it.
    pub fn divides(self) -> bool {
        matches!(self, Self::Chinchilla | Self::OverTraining)
    }

    /// Whether it is solved in its own parameters and inputs as they are measured, so that each can be fixed.
    pub fn is_plain(self) -> bool {
        matches!(self, Self::RepeatedData | Self::Exponential | Self::Formula)
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A form nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownForm(String);

impl fmt::Display for UnknownForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = Form::all().map(Form::name).collect();
        let likeness = |name: &&&str| (strsim::jaro_winkler(name, &self.0) * 1e6) as i64;
        let nearest = known.iter().max_by_key(likeness).filter(|name| strsim::jaro_winkler(name, &self.0) > 0.8);
        let meant = nearest.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"));
        write!(f, "there is no form `{}`{meant}; there are {}", self.0, known.join(", "))
    }
}

impl std::error::Error for UnknownForm {}

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        Self::all().find(|form| form.name() == text).ok_or_else(|| UnknownForm(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for form in Form::all() {
            assert_eq!(form.name().parse(), Ok(form));
            assert_eq!(serde_json::to_value(form).unwrap(), form.name());
        }
        let variants = isoflop_contract::schema::of::<Form>();
        assert_eq!(variants["oneOf"].as_array().unwrap().len(), Form::all().count());
        let refused = "chinchila".parse::<Form>().unwrap_err().to_string();
        assert!(
            refused.starts_with(
                "there is no form `chinchila` (did you mean `chinchilla`?); there are power, power-offset"
            )
        );
    }
}
