//! A fitted law as `fit.json` has it, read leniently: members that are absent are left out of the report, members of the wrong type are an
//! error that names them. Other writers than ours may make such a file.

use serde_json::{Map, Value};

/// What a `fit.json` says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fit {
    /// The name of the law's form, `power`.
    pub form: String,
    /// The law as a formula.
    pub formula: String,
    /// The column along the horizontal axis.
    pub x: String,
    /// The column that is fitted.
    pub y: String,
    /// Parameters in the file's order.
    pub params: Vec<(String, Param)>,
    /// What follows from them: a, b of a surface.
    pub derived: Vec<(String, Param)>,
    /// What the law foretells where it was asked.
    pub targets: Vec<Target>,
    /// What was fitted, held out or dropped.
    pub points: Vec<Point>,
    /// The law with its band.
    pub curve: Vec<CurvePoint>,
    /// The share of draws that intervals and band enclose.
    pub level: f64,
    /// A value that the fitted column cannot exceed.
    pub ceiling: Option<f64>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// The columns of a surface's inputs, as the file has them.
    pub inputs: Option<Value>,
    /// Resamples that were kept, as the file has them: a map from a parameter to its values.
    pub draws: Option<Value>,
    /// Everything else: objective, certificate, hold-out, alternatives.
    pub rest: Map<String, Value>,
}

/// A parameter with its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Param {
    /// The estimate.
    pub value: f64,
    /// The interval's lower end.
    pub lower: Option<f64>,
    /// The interval's upper end.
    pub upper: Option<f64>,
    /// The standard error.
    pub stderr: Option<f64>,
    /// The same by the curvature at the optimum.
    pub wald: Option<f64>,
    /// The same by the sandwich.
    pub sandwich: Option<f64>,
}

/// What a law foretells.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Target {
    /// Where, by input: `x`, or `N`, `D` and `C` of a surface.
    pub at: Vec<(String, f64)>,
    /// The law there.
    pub y: f64,
    /// The interval of a new observation, else of the law.
    pub interval: Option<(f64, f64)>,
    /// The best use of that compute: N and D.
    pub best: Vec<(String, Param)>,
}

/// One row of the data.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Point {
    /// The label of its cell.
    pub label: String,
    /// Place along the horizontal axis.
    pub x: f64,
    /// What was measured.
    pub y: f64,
    /// What the law says.
    pub fitted: Option<f64>,
    /// What is left over, in the space of the fit.
    pub residual: Option<f64>,
    /// N and D, where the law is a surface.
    pub inputs: Option<(f64, f64)>,
    /// Whether the fit did not see it, to be tested on it.
    pub held_out: bool,
    /// Why it was left out altogether.
    pub dropped: Option<String>,
}

/// One point of the law.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct CurvePoint {
    /// Place along the horizontal axis.
    pub x: f64,
    /// The law there.
    pub y: f64,
    /// The band's lower edge.
    pub lower: Option<f64>,
    /// The band's upper edge.
    pub upper: Option<f64>,
}

/// A member of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}` in fit.json is {found}, where {expected} belongs")]
pub struct FitError {
    /// The member, dotted from the top.
    pub path: String,
    /// What is there.
    pub found: String,
    /// What belongs there.
    pub expected: &'static str,
}

/// A value and where it stands.
struct At<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> At<'a> {
    fn error(&self, expected: &'static str) -> FitError {
        let found = match self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(_) => "a flag".to_owned(),
            Value::Number(number) => format!("the number {number}"),
            Value::String(text) => format!("the text `{}`", text.chars().take(40).collect::<String>()),
            Value::Array(_) => "a list".to_owned(),
            Value::Object(_) => "a map".to_owned(),
        };
        FitError { path: self.path.clone(), found, expected }
    }

    fn member(&self, name: &str) -> Option<At<'a>> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Some(At { path, value })
    }

    /// The member of the first of these names that there is.
    fn either(&self, names: &[&str]) -> Option<At<'a>> {
        names.iter().find_map(|name| self.member(name))
    }

    fn items(&self) -> Result<Vec<At<'a>>, FitError> {
        let items = self.value.as_array().ok_or_else(|| self.error("a list"))?;
        Ok(items.iter().enumerate().map(|(i, value)| At { path: format!("{}[{i}]", self.path), value }).collect())
    }

    fn number(&self) -> Result<f64, FitError> {
        self.value.as_f64().ok_or_else(|| self.error("a number"))
    }

    fn text(&self) -> Result<String, FitError> {
        self.value.as_str().map(str::to_owned).ok_or_else(|| self.error("a text"))
    }
}

impl Fit {
    /// Reads a parsed `fit.json`.
    pub fn read(document: &Value) -> Result<Self, FitError> {
        let top = At { path: String::new(), value: document };
        let members =
            document.as_object().ok_or_else(|| FitError { path: "the whole".to_owned(), ..top.error("a map") })?;
        let text = |name: &str| top.member(name).map_or(Ok(String::new()), |at| at.text());
        let mut rest = members.clone();
        for known in [
            "form", "formula", "x", "y", "params", "derived", "targets", "points", "curve", "level", "ceiling",
            "warnings", "version", "draws", "inputs",
        ] {
            rest.remove(known);
        }
        Ok(Self {
            form: text("form")?,
            formula: text("formula")?,
            x: column(&top, "x")?,
            y: column(&top, "y")?,
            params: params(&top, "params")?,
            derived: params(&top, "derived")?,
            targets: list(&top, "targets", target)?,
            points: list(&top, "points", point)?,
            curve: list(&top, "curve", curve_point)?,
            level: top.either(&["level", "confidence"]).map_or(Ok(0.9), |at| at.number())?,
            ceiling: top.member("ceiling").map(|at| at.number()).transpose()?,
            warnings: list(&top, "warnings", |at| {
                Ok(at.value.as_str().map_or_else(|| at.value.to_string(), str::to_owned))
            })?,
            inputs: members.get("inputs").cloned(),
            draws: members.get("draws").cloned(),
            rest,
        })
    }

    /// The range of what was fitted, along the horizontal axis.
    pub fn fitted_range(&self) -> Option<(f64, f64)> {
        let xs: Vec<f64> = self.points.iter().filter(|p| !p.held_out && p.dropped.is_none()).map(|p| p.x).collect();
        crate::stats::span(&xs)
    }

    /// The level as people write it: `90 %`.
    pub fn percent(&self) -> String {
        format!("{}\u{202f}%", crate::number::short(self.level * 100.0, 4))
    }
}

fn list<T>(top: &At<'_>, name: &str, read: impl Fn(&At<'_>) -> Result<T, FitError>) -> Result<Vec<T>, FitError> {
    top.member(name).map_or(Ok(Vec::new()), |at| at.items()?.iter().map(read).collect())
}

/// A column: its name, or a map with its name.
fn column(top: &At<'_>, name: &str) -> Result<String, FitError> {
    match top.member(name) {
        None => Ok(name.to_owned()),
        Some(at) if at.value.is_object() => at.either(&["name", "column"]).map_or(Ok(name.to_owned()), |at| at.text()),
        Some(at) => at.text(),
    }
}

/// Parameters by name, in the file's order.
fn params(of: &At<'_>, name: &str) -> Result<Vec<(String, Param)>, FitError> {
    let Some(at) = of.member(name) else { return Ok(Vec::new()) };
    let named = at.value.as_object().ok_or_else(|| at.error("a map"))?;
    let named = named.keys().filter_map(|name| Some((name, at.member(name)?)));
    named.map(|(name, at)| Ok((name.clone(), param(&at)?))).collect()
}

fn target(at: &At<'_>) -> Result<Target, FitError> {
    let number = |name: &str| at.member(name).map(|at| at.number()).transpose();
    let place = params(at, "at")?.into_iter().map(|(name, param)| (name, param.value)).collect();
    let y = at.member("y").ok_or_else(|| at.error("a map with `at` and `y`"))?.number()?;
    let observed = number("observed_lower")?.zip(number("observed_upper")?);
    let interval = observed.or(number("lower")?.zip(number("upper")?));
    Ok(Target { at: place, y, interval, best: params(at, "best")? })
}

fn param(at: &At<'_>) -> Result<Param, FitError> {
    if at.value.is_number() {
        return Ok(Param { value: at.number()?, ..Param::default() });
    }
    let number = |name: &str| at.member(name).map(|at| at.number()).transpose();
    let value = at.member("value").ok_or_else(|| at.error("a number or a map with `value`"))?.number()?;
    let (lower, upper, stderr) = (number("lower")?, number("upper")?, number("stderr")?);
    Ok(Param { value, lower, upper, stderr, wald: number("wald")?, sandwich: number("sandwich")? })
}

fn point(at: &At<'_>) -> Result<Point, FitError> {
    let needed = |name: &str| at.member(name).ok_or_else(|| at.error("a map with `x` and `y`"))?.number();
    let dropped = match at.member("dropped") {
        None => None,
        Some(at) => match at.value {
            Value::Bool(dropped) => dropped.then(|| "dropped".to_owned()),
            _ => Some(at.text()?),
        },
    };
    // A dropped row may be dropped just because a number is missing from it.
    let or_missing =
        |value: Result<f64, FitError>| if dropped.is_some() { Ok(value.unwrap_or(f64::NAN)) } else { value };
    Ok(Point {
        label: at.member("label").map_or(Ok(String::new()), |at| at.text())?,
        x: or_missing(needed("x"))?,
        y: or_missing(needed("y"))?,
        fitted: at.member("fitted").map(|at| at.number()).transpose()?,
        residual: at.member("residual").map(|at| at.number()).transpose()?,
        inputs: at
            .member("inputs")
            .and_then(|at| Some((at.member("N")?.number().ok()?, at.member("D")?.number().ok()?))),
        held_out: at.member("held_out").is_some_and(|at| at.value.as_bool() == Some(true)),
        dropped,
    })
}

fn curve_point(at: &At<'_>) -> Result<CurvePoint, FitError> {
    let number = |name: &str| at.member(name).map(|at| at.number()).transpose();
    let needed = |name: &str| at.member(name).ok_or_else(|| at.error("a map with `x` and `y`"))?.number();
    Ok(CurvePoint { x: needed("x")?, y: needed("y")?, lower: number("lower")?, upper: number("upper")? })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_absent_is_left_out() {
        let fit = Fit::read(&json!({"form": "power", "x": {"column": "compute"}, "params": {"a": 1.5, "b": {"value": 2, "lower": null}}})).unwrap();
        assert_eq!((fit.x.as_str(), fit.y.as_str(), fit.percent().as_str()), ("compute", "y", "90\u{202f}%"));
        assert_eq!(fit.params[1], ("b".into(), Param { value: 2.0, ..Param::default() }));
        assert_eq!(fit.fitted_range(), None);
    }

    #[test]
    fn wrong_types_are_named_with_their_place() {
        let refused = |document: Value| Fit::read(&document).unwrap_err().to_string();
        assert_eq!(
            refused(json!({"points": [{"x": 1, "y": 2}, {"x": "many", "y": 2}]})),
            "`points[1].x` in fit.json is the text `many`, where a number belongs"
        );
        assert_eq!(refused(json!([])), "`the whole` in fit.json is a list, where a map belongs");
        assert_eq!(
            refused(json!({"params": {"a": {}}})),
            "`params.a` in fit.json is a map, where a number or a map with `value` belongs"
        );
    }

    #[test]
    fn a_dropped_row_may_lack_its_numbers() {
        let fit =
            Fit::read(&json!({"points": [{"label": "size=s", "x": 1, "y": null, "dropped": "diverged"}]})).unwrap();
        assert!(fit.points[0].y.is_nan() && fit.points[0].dropped.as_deref() == Some("diverged"));
    }
}
