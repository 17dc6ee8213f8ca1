//! Templates: expressions inside scalar values, evaluated to typed values.
//!
//! The language is Jinja's expressions, without statements, files, clock or environment variables. What a template must never do is give a
//! wrong number quietly: an undefined name, a result outside 64 bits, NaN, an infinity and a lossy `|int` are errors, and evaluation is
//! bounded by fuel. Programs outside this crate evaluate claims with [`Expression`] and functions of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use isoflop_contract::Value;

pub(crate) use crate::engine::{Compiled, Engine};
use crate::{
    engine::check_names,
    function,
    inner::{ROOM, Scope},
};

/// The filters that studies may rely on: the same bits everywhere, and an error where a number would lose anything.
#[cfg(test)]
const FILTERS: [&str; 14] =
    ["abs", "first", "float", "int", "join", "last", "length", "list", "max", "min", "round", "sort", "sum", "unique"];

pub use isoflop_contract::catalog::{Function, Functions};

/// Why an expression cannot be read or evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong: one lower-case sentence.
    pub message: String,
    /// Where in the expression, as bytes.
    pub range: Option<Range<usize>>,
    /// What to do about it.
    pub hint: Option<String>,
    pub(crate) code: &'static str,
}

impl ExpressionError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), range: None, hint: None }
    }
}

/// An expression whose syntax is sound.
///
/// ```
/// use std::{collections::BTreeMap, sync::Arc};
/// use isoflop_contract::Value;
/// use isoflop_plan::template::{Expression, Function};
///
/// let expression = Expression::compile("mean('eval', 'loss', width=w) < 0.5")?;
/// let mean: Function = Arc::new(|_: &[Value], named: &BTreeMap<String, Value>| {
///     Ok((named["width"].as_f64().unwrap_or(0.0) / 100.0).into())
/// });
/// let scope = BTreeMap::from([("w".to_owned(), 8.into())]);
/// assert_eq!(expression.evaluate(&scope, &BTreeMap::from([("mean".to_owned(), mean)]))?, true);
/// # Ok::<(), isoflop_plan::template::ExpressionError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Expression {
    text: String,
    names: BTreeSet<String>,
}

impl Expression {
    /// Reads an expression (without braces).
    pub fn compile(text: &str) -> Result<Self, ExpressionError> {
        let engine = Engine::new(&Functions::new());
        let compiled = engine.compile(text)?;
        Ok(Self { text: text.to_owned(), names: compiled.names().clone() })
    }

    /// The text it was read from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The variables and functions it uses.
    pub fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// Refuses names that are not known.
    pub(crate) fn check_names(&self, known: &BTreeSet<&str>) -> Result<(), ExpressionError> {
        let builtin: BTreeSet<String> = function::builtin().into_keys().collect();
        check_names(&self.text, &self.names, known, &builtin)
    }

    /// Evaluates it with these variables, the built-in functions and these.
    pub fn evaluate(&self, scope: &BTreeMap<String, Value>, functions: &Functions) -> Result<Value, ExpressionError> {
        let engine = Engine::new(functions);
        let compiled = engine.compile(&self.text)?;
        let known: BTreeSet<&str> = scope.keys().map(String::as_str).chain(engine.functions()).collect();
        compiled.check_names(&known)?;
        compiled.evaluate(&Scope::new(scope), &mut { ROOM })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn evaluate(text: &str) -> Result<Value, ExpressionError> {
        let scope = BTreeMap::from([
            ("steps".to_owned(), json!(600)),
            ("rate".to_owned(), json!(1e-4)),
            ("model".to_owned(), json!({"width": 64, "blocks": [1, 2]})),
        ]);
        Expression::compile(text)?.evaluate(&scope, &Functions::new())
    }

    #[test]
    fn expressions_give_typed_values() {
        for (text, value) in [
            ("steps", json!(600)),
            ("steps * 2", json!(1200)),
            ("steps / 2", json!(300.0)),
            ("steps // 7", json!(85)),
            ("rate * 2", json!(2e-4)),
            ("model", json!({"width": 64, "blocks": [1, 2]})),
            ("model.blocks[1]", json!(2)),
            ("model.blocks | max", json!(2)),
            ("{'a': {'b': steps}}", json!({"a": {"b": 600}})),
            ("range(3)", json!([0, 1, 2])),
            ("round_to(steps / 7, 8)", json!(88)),
            ("geomspace(1, 100, 3)", json!([1.0, 10.0, 100.0])),
            ("linspace(0, 1, 5)", json!([0.0, 0.25, 0.5, 0.75, 1.0])),
            ("(steps / 2) | int", json!(300)),
            ("'a' if steps > 3 else 'b'", json!("a")),
            ("18446744073709551615", json!(u64::MAX)),
            ("none", json!(null)),
            ("2 ** 10", json!(1024)),
            ("2 ** 3 ** 2 - 1", json!(63)),
            ("2 ** -1", json!(0.5)),
            ("(-2) ** 3", json!(-8)),
            ("2 ** 70 // 2 ** 60", json!(1024)),
            ("10 ** 0.5", json!(libm::pow(10.0, 0.5))),
            ("[1, 2.5] | sum", json!(3.5)),
            ("model.blocks | min + -3 | abs", json!(4)),
            ("2.675 | round(2)", json!(2.67)),
            ("'abc' | length + steps", json!(603)),
            ("(1, 2)", json!([1, 2])),
        ] {
            assert_eq!(evaluate(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_would_be_quietly_wrong_is_an_error() {
        for (text, code) in [
            ("stesp", "undefined-name"),
            ("[stesp]", "undefined-name"),
            ("model.widht", "undefined-name"),
            ("[model.widht]", "undefined-name"),
            ("{'a': model['widht']}", "undefined-name"),
            ("model.widht + 1", "undefined-name"),
            ("2 ** 64", "integer-overflow"),
            ("9223372036854775807 * 9223372036854775807 * 9223372036854775807 * 9223372036854775807", "bad-expression"),
            ("1e308 * 10", "not-finite"),
            ("1e308 * 10 - 1e308 * 10", "not-finite"),
            ("1 / 0", "bad-expression"),
            ("2.5 | int", "bad-expression"),
            ("'3x' | int", "bad-expression"),
            ("range(1000000000)", "bad-expression"),
            ("(-8) ** 0.5", "bad-expression"),
            ("10 ** 400", "bad-expression"),
            ("0 ** -1", "bad-expression"),
            ("range", "bad-expression"),
            ("steps +", "bad-expression"),
            ("", "bad-expression"),
            ("steps | nope", "bad-expression"),
            ("geomspace(0, 1, 3)", "bad-expression"),
            ("[0] * 90000000", "too-large-value"),
            ("['a' * 1000000] * 100", "too-large-value"),
            ("'a' * 1000000000", "expression-too-long"),
            ("range(100000) | map('string') | join('-') * 1000", "expression-too-long"),
        ] {
            let error = evaluate(text).expect_err(text);
            assert_eq!(error.code, code, "{text}: {error}");
        }
        assert_eq!(evaluate("stesp + 'stesp'").unwrap_err().range, Some(0..5));
        assert_eq!(evaluate("'stesp' ~ stesp").unwrap_err().range, Some(10..15));
        assert_eq!(evaluate("stesp").unwrap_err().hint.as_deref(), Some("did you mean `steps`?"));
        assert_eq!(evaluate("2 + steps / 0").unwrap_err().range, Some(4..13));
        assert_eq!(evaluate("(2 + steps) ** 2 / 0").unwrap_err().range, Some(0..20));
    }

    #[test]
    fn nothing_of_the_world_is_reachable() {
        for text in ["debug()", "namespace()", "env('HOME')", "now()", "include('x')", "self", "super()", "caller()"] {
            assert!(evaluate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_and_long_expressions_end_in_an_error() {
        for (before, after) in [("(", ")"), ("[", "]"), ("{'a': ", "}")] {
            for depth in [140, 900, 100_000] {
                assert!(evaluate(&format!("{}1{}", before.repeat(depth), after.repeat(depth))).is_err(), "{before}");
            }
        }
        for chain in ["not ", "-", "1 + ", "1 ** ", "1 if 1 else ", "1 and "] {
            for length in [300, 100_000] {
                let value = evaluate(&format!("{}1", chain.repeat(length)));
                assert!(length < 1_000 || value.is_err(), "{chain}");
            }
        }
        for chain in [" | abs", ".a", "[0]", " is odd", " ~ 1"] {
            for length in [300, 100_000] {
                let value = evaluate(&format!("steps{}", chain.repeat(length)));
                assert!(length < 1_000 || value.is_err(), "{chain}");
            }
        }
    }

    #[test]
    fn all_evaluations_together_are_bounded() {
        let engine = Engine::new(&Functions::new());
        let compiled = engine.compile("range(30000) | sum").unwrap();
        let rounds = (0..100_000).take_while(|_| compiled.evaluate(&Scope::default(), &mut { ROOM }).is_ok()).count();
        assert!((1_000..50_000).contains(&rounds), "{rounds}");
        assert!(engine.is_spent());
    }

    #[test]
    fn every_filter_that_is_documented_is_there() {
        for filter in FILTERS {
            let compiled = Engine::new(&Functions::new()).compile(&format!("x | {filter}")).map(|_| ());
            assert_eq!(compiled, Ok(()), "{filter}");
        }
    }
}
