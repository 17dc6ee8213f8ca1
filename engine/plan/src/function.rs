//! The functions that every template may call.
//!
//! | function | value |
//! |---|---|
//! | `range(stop)`, `range(start, stop)`, `range(start, stop, step)` | whole numbers, as in Python |
//! | `linspace(first, last, n)`, `geomspace(first, last, n)` | numbers at equal distances, at equal ratios; both ends exact |
//! | `round_to(x, multiple)` | the nearest multiple, halves upwards, never zero for an `x` above zero |
//! | `floor(x)`, `ceil(x)` | a whole number |
//! | `sqrt(x)`, `exp(x)`, `log(x)` | a number |
//!
//! Besides there are the operators `+ - * / // % **`, comparisons, `in`, `and`, `or`, `not`, `~` (texts end to end), `a if c else b`, and the
//! engine's filters, of which a study may rely on `abs`, `first`, `float`, `int`, `join`, `last`, `length`, `list`, `max`, `min`, `round`,
//! `sort`, `sum` and `unique`. Whole numbers stay whole and exact; one that leaves 64 bits, and a number that is not finite, is an error.
//!
//! Powers (`power`) and logarithms come from `libm`, so that a value computed in a study has the same bits, and its task the same key, on
//! every machine. A kind's own functions come with the catalog.

use std::{collections::BTreeMap, sync::Arc};

use isoflop_contract::Value;

use crate::{
    template::{Function, Functions},
    yaml::what,
};

/// How long a list these functions may make.
const LIST_LIMIT: u64 = 100_000;

/// All of them by name.
pub(crate) fn builtin() -> Functions {
    let functions: [(&str, Function); 9] = [
        ("range", positional(range)),
        ("round_to", positional(round_to)),
        ("linspace", positional(linspace)),
        ("geomspace", positional(geomspace)),
        ("sqrt", number(|x| if x < 0.0 { Err("sqrt takes a number of at least zero".into()) } else { Ok(x.sqrt()) })),
        ("exp", number(|x| Ok(libm::exp(x)))),
        ("log", number(|x| if x > 0.0 { Ok(libm::log(x)) } else { Err("log takes a number above zero".into()) })),
        ("floor", positional(|arguments| one(arguments).and_then(|value| whole_float(real(value)?.floor())))),
        ("ceil", positional(|arguments| one(arguments).and_then(|value| whole_float(real(value)?.ceil())))),
    ];
    functions.into_iter().map(|(name, function)| (name.to_owned(), function)).collect()
}

fn positional(body: fn(&[Value]) -> Result<Value, String>) -> Function {
    Arc::new(move |arguments: &[Value], named: &BTreeMap<String, Value>| match named.keys().next() {
        Some(name) => Err(format!("this function takes no argument by name, and was given `{name}`")),
        None => body(arguments),
    })
}

fn number(body: fn(f64) -> Result<f64, String>) -> Function {
    Arc::new(move |arguments: &[Value], _: &BTreeMap<String, Value>| finite(body(real(one(arguments)?)?)?))
}

fn one(arguments: &[Value]) -> Result<&Value, String> {
    match arguments {
        [value] => Ok(value),
        _ => Err(format!("this function takes one argument, and was given {}", arguments.len())),
    }
}

fn real(value: &Value) -> Result<f64, String> {
    value.as_f64().ok_or_else(|| format!("a number is needed, and {} was given", what(value)))
}

fn integer(value: &Value) -> Result<i64, String> {
    whole(value)?.as_i64().ok_or_else(|| "a whole number is too large".to_owned())
}

fn finite(number: f64) -> Result<Value, String> {
    serde_json::Number::from_f64(number)
        .map(Value::Number)
        .ok_or_else(|| "the result is not a finite number".to_owned())
}

/// A float without a fraction, as a whole number; exact, since doubles count only to 2^53.
fn whole_float(number: f64) -> Result<Value, String> {
    if number.fract() != 0.0 {
        return Err(format!("{number} is not a whole number; use round_to, floor or ceil"));
    }
    if number.abs() > 9_007_199_254_740_992.0 {
        return Err(format!("{number:e} is too large to be exact as a whole number"));
    }
    Ok(Value::from(number as i64))
}

/// A value as a whole number, if that loses nothing.
pub(crate) fn whole(value: &Value) -> Result<Value, String> {
    match value {
        Value::Number(number) if !number.is_f64() => Ok(value.clone()),
        Value::Number(number) => whole_float(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => {
            text.trim().parse::<i64>().map(Value::from).map_err(|_| format!("`{text}` is not a whole number"))
        }
        Value::Bool(flag) => Ok(Value::from(i64::from(*flag))),
        _ => Err(format!("a whole number is needed, and {} was given", what(value))),
    }
}

fn length(value: &Value) -> Result<u64, String> {
    let length = integer(value)?;
    u64::try_from(length)
        .ok()
        .filter(|length| *length <= LIST_LIMIT)
        .ok_or_else(|| format!("a list may have up to {LIST_LIMIT} values, and {length} were asked for"))
}

/// `range(stop)`, `range(start, stop)`, `range(start, stop, step)`.
fn range(arguments: &[Value]) -> Result<Value, String> {
    let (start, stop, step) = match arguments {
        [stop] => (0, integer(stop)?, 1),
        [start, stop] => (integer(start)?, integer(stop)?, 1),
        [start, stop, step] => (integer(start)?, integer(stop)?, integer(step)?),
        _ => return Err("range takes one to three whole numbers".to_owned()),
    };
    if step == 0 {
        return Err("range takes a step other than zero".to_owned());
    }
    let (start, stop, step) = (i128::from(start), i128::from(stop), i128::from(step));
    let count = ((stop - start + step - step.signum()) / step).max(0);
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let values = (0..length(&count.into())?).map(|k| (start + i128::from(k) * step) as i64);
    Ok(values.map(Value::from).collect())
}

/// `round_to(x, multiple)`: the multiple nearest to `x`, halves upwards; never zero for an `x` above zero.
fn round_to(arguments: &[Value]) -> Result<Value, String> {
    let [x, multiple] = arguments else { return Err("round_to takes a number and a multiple".to_owned()) };
    let (x, step) = (real(x)?, real(multiple)?);
    if step <= 0.0 {
        return Err("round_to takes a multiple above zero".to_owned());
    }
    let count = (x / step + 0.5).floor();
    let count = if x > 0.0 { count.max(1.0) } else { count };
    if multiple.is_f64() { finite(count * step) } else { whole_float(count * step) }
}

/// `linspace(first, last, n)`: `n` numbers at equal distances.
fn linspace(arguments: &[Value]) -> Result<Value, String> {
    let [first, last, n] = arguments else { return Err("linspace takes first, last and how many".to_owned()) };
    let (first, last, n) = (real(first)?, real(last)?, length(n)?);
    spaced(first, last, n, |t| first + (last - first) * t)
}

/// `geomspace(first, last, n)`: `n` numbers at equal ratios.
fn geomspace(arguments: &[Value]) -> Result<Value, String> {
    let [first, last, n] = arguments else { return Err("geomspace takes first, last and how many".to_owned()) };
    let (first, last, n) = (real(first)?, real(last)?, length(n)?);
    if first <= 0.0 || last <= 0.0 {
        return Err("geomspace takes numbers above zero".to_owned());
    }
    spaced(first, last, n, |t| first * libm::pow(last / first, t))
}

fn spaced(first: f64, last: f64, n: u64, at: impl Fn(f64) -> f64) -> Result<Value, String> {
    let values = (0..n).map(|k| match k {
        0 => finite(first),
        k if k == n - 1 => finite(last),
        k => finite(at(k as f64 / (n - 1) as f64)),
    });
    values.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(name: &str, arguments: &Value) -> Result<Value, String> {
        builtin()[name](arguments.as_array().expect("a list"), &BTreeMap::new())
    }

    #[test]
    fn ranges_are_those_of_python() {
        for (arguments, values) in [
            (json!([0]), json!([])),
            (json!([-3]), json!([])),
            (json!([1, 7, 2]), json!([1, 3, 5])),
            (json!([1, 8, 2]), json!([1, 3, 5, 7])),
            (json!([5, 0, -2]), json!([5, 3, 1])),
            (json!([5, 1, -2]), json!([5, 3])),
            (json!([0, 5, -1]), json!([])),
        ] {
            assert_eq!(call("range", &arguments), Ok(values), "{arguments}");
        }
        for arguments in [json!([]), json!([1, 2, 0]), json!([i64::MIN, i64::MAX]), json!([1.5]), json!(["x"])] {
            assert!(call("range", &arguments).is_err(), "{arguments}");
        }
    }

    #[test]
    fn rounding_is_to_the_nearest_multiple() {
        for (arguments, value) in [
            (json!([85.7, 8]), json!(88)),
            (json!([84, 8]), json!(88)),
            (json!([83.9, 8]), json!(80)),
            (json!([1, 8]), json!(8)),
            (json!([0, 8]), json!(0)),
            (json!([0.37, 0.25]), json!(0.25)),
        ] {
            assert_eq!(call("round_to", &arguments), Ok(value), "{arguments}");
        }
        assert!(call("round_to", &json!([1e300, 8])).is_err());
    }

    #[test]
    fn ends_of_a_space_are_exact() {
        assert_eq!(call("geomspace", &json!([0.1, 0.7, 2])), Ok(json!([0.1, 0.7])));
        assert_eq!(call("linspace", &json!([3, 4, 1])), Ok(json!([3.0])));
        assert_eq!(call("linspace", &json!([3, 4, 0])), Ok(json!([])));
        assert_eq!(call("floor", &json!([2.9])), Ok(json!(2)));
        assert!(call("log", &json!([0])).is_err());
    }
}
