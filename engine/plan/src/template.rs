//! Templates: expressions inside scalar values, evaluated to typed values.
//!
//! The language is Jinja's expressions, without statements, files, clock or environment variables. What a template must never do is give a
//! wrong number quietly: an undefined name, a result outside 64 bits, NaN, an infinity and a lossy `|int` are errors, and evaluation is
//! bounded by fuel. Programs outside this crate evaluate claims with [`Expression`] and functions of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use isoflop_contract::Value;
use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior,
    value::{Rest, Value as Dynamic, ValueKind, ValueOrKwargs},
};

use crate::{function, suggest};

/// Instructions that one evaluation may take.
const FUEL: u64 = 1_000_000;
/// How deep a result may nest.
const DEPTH_LIMIT: usize = 128;
/// How many values a result may hold.
const NODE_LIMIT: usize = 200_000;
/// How long a text in a result may be.
const TEXT_LIMIT: usize = 1 << 20;

/// A function that expressions may call: positional arguments, arguments by name, and a sentence if it cannot.
pub type Function = Arc<dyn Fn(&[Value], &BTreeMap<String, Value>) -> Result<Value, String> + Send + Sync>;

/// Functions by the name they are called by.
pub type Functions = BTreeMap<String, Function>;

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
        Ok(Self { text: text.to_owned(), names: compiled.names })
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
        check_names(&self.text, &self.names, known)
    }

    /// Evaluates it with these variables, the built-in functions and these.
    pub fn evaluate(&self, scope: &BTreeMap<String, Value>, functions: &Functions) -> Result<Value, ExpressionError> {
        let engine = Engine::new(functions);
        let compiled = engine.compile(&self.text)?;
        let known: BTreeSet<&str> = scope.keys().map(String::as_str).chain(engine.functions()).collect();
        compiled.check_names(&known)?;
        compiled.evaluate(&engine.scope(scope))
    }
}

/// Compiles expressions; holds the functions they may call.
pub(crate) struct Engine {
    environment: Environment<'static>,
    functions: BTreeSet<String>,
}

impl Engine {
    /// An engine with the built-in functions and these.
    pub(crate) fn new(functions: &Functions) -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(FUEL));
        environment.set_debug(true); // for the places of errors
        let globals: Vec<String> = environment.globals().map(|(name, _)| name.to_owned()).collect();
        for global in globals {
            environment.remove_global(&global);
        }
        let mut names = BTreeSet::new();
        for (name, function) in function::builtin().into_iter().chain(functions.clone()) {
            environment.add_global(name.clone(), adapt(function));
            names.insert(name);
        }
        environment.add_filter("int", |value: Dynamic| {
            let whole = undynamic(&value).map_err(|error| error.message).and_then(|value| function::whole(&value));
            whole.map(|value| dynamic(&value)).map_err(|message| Error::new(ErrorKind::InvalidOperation, message))
        });
        Self { environment, functions: names }
    }

    /// The names of all functions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(String::as_str)
    }

    /// Variables in the engine's own form.
    #[expect(clippy::unused_self, reason = "a scope belongs to an engine")]
    pub(crate) fn scope(&self, variables: &BTreeMap<String, Value>) -> Scope {
        Scope(variables.iter().map(|(name, value)| (name.clone(), dynamic(value))).collect())
    }

    /// Reads an expression.
    pub(crate) fn compile(&self, text: &str) -> Result<Compiled<'_>, ExpressionError> {
        if text.trim().is_empty() {
            return Err(ExpressionError::new("bad-expression", "the expression is empty"));
        }
        let expression =
            self.environment.compile_expression_owned(text.to_owned()).map_err(|error| sentence(&error, text))?;
        let names = expression.undeclared_variables(false).into_iter().collect();
        Ok(Compiled { expression, names, text: text.to_owned() })
    }
}

/// The variables of one evaluation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope(BTreeMap<String, Dynamic>);

impl Scope {
    /// Adds a variable or hides one of this name.
    pub(crate) fn set(&mut self, name: &str, value: &Value) {
        self.0.insert(name.to_owned(), dynamic(value));
    }
}

/// An expression ready to be evaluated many times.
pub(crate) struct Compiled<'e> {
    expression: minijinja::Expression<'e, 'static>,
    names: BTreeSet<String>,
    text: String,
}

impl Compiled<'_> {
    /// Refuses names that are not known.
    pub(crate) fn check_names(&self, known: &BTreeSet<&str>) -> Result<(), ExpressionError> {
        check_names(&self.text, &self.names, known)
    }

    /// The value with these variables.
    pub(crate) fn evaluate(&self, scope: &Scope) -> Result<Value, ExpressionError> {
        let value =
            self.expression.eval(Dynamic::from(scope.0.clone())).map_err(|error| sentence(&error, &self.text))?;
        if value.is_undefined() {
            let message = format!("`{}` is not defined", self.text.trim());
            return Err(ExpressionError::new("undefined-name", message));
        }
        undynamic(&value)
    }
}

fn check_names(text: &str, used: &BTreeSet<String>, known: &BTreeSet<&str>) -> Result<(), ExpressionError> {
    let Some(name) = used.iter().find(|name| !known.contains(name.as_str())) else { return Ok(()) };
    Err(ExpressionError {
        range: find_name(text, name),
        hint: names_hint(name, known),
        ..ExpressionError::new("undefined-name", format!("`{name}` is not defined here"))
    })
}

/// What was meant, or the variables there are; functions are known well enough.
fn names_hint(name: &str, known: &BTreeSet<&str>) -> Option<String> {
    if let Some(near) = suggest::nearest(name, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let functions = function::builtin();
    suggest::hint(name, known.iter().copied().filter(|name| !functions.contains_key(*name)))
}

/// The first use of `name` outside texts.
fn find_name(text: &str, name: &str) -> Option<Range<usize>> {
    let mut quote = None;
    let mut previous = ' ';
    let part = |c: char| c.is_alphanumeric() || c == '_';
    for (at, c) in text.char_indices() {
        match quote {
            Some(open) if c == open && previous != '\\' => quote = None,
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some(c),
            None => {
                let after = text[at..].strip_prefix(name);
                if after.is_some_and(|rest| !rest.starts_with(part)) && !part(previous) && previous != '.' {
                    return Some(at..at + name.len());
                }
            }
        }
        previous = c;
    }
    None
}

/// minijinja's error in our words.
fn sentence(error: &Error, text: &str) -> ExpressionError {
    let detail = error.detail().unwrap_or_default();
    // "tried to use + operator on unsupported types undefined and number (`model.widht` is undefined)"
    let undefined = detail.strip_suffix("` is undefined)").and_then(|head| head.rsplit_once("(`"));
    let (code, message) = match error.kind() {
        _ if undefined.is_some_and(|(_, name)| !name.is_empty()) => {
            ("undefined-name", format!("`{}` is not defined", undefined.map_or("", |(_, name)| name)))
        }
        ErrorKind::SyntaxError => ("bad-expression", format!("this expression cannot be read: {detail}")),
        ErrorKind::UndefinedError => match detail {
            "" => ("undefined-name", "a value used here is not defined".to_owned()),
            detail => ("undefined-name", format!("a value used here is not defined ({detail})")),
        },
        ErrorKind::OutOfFuel => ("expression-too-long", "the expression takes too long to evaluate".to_owned()),
        ErrorKind::UnknownFilter => {
            let name = detail.strip_prefix("filter ").and_then(|rest| rest.strip_suffix(" is unknown"));
            ("bad-expression", format!("there is no filter `{}`", name.unwrap_or(detail)))
        }
        ErrorKind::UnknownTest | ErrorKind::UnknownFunction | ErrorKind::UnknownMethod => {
            ("bad-expression", detail.to_owned())
        }
        _ if detail.is_empty() => ("bad-expression", format!("the expression cannot be evaluated: {}", error.kind())),
        _ => ("bad-expression", format!("the expression cannot be evaluated: {detail}")),
    };
    let range = error.range().filter(|range| text.get(range.clone()).is_some_and(|part| !part.is_empty()));
    ExpressionError { range, ..ExpressionError::new(code, message) }
}

fn adapt(function: Function) -> Dynamic {
    Dynamic::from_function(move |arguments: Rest<ValueOrKwargs>| {
        let fail = |message: String| Error::new(ErrorKind::InvalidOperation, message);
        let mut positional = Vec::new();
        let mut named = BTreeMap::new();
        for argument in &arguments.into_values() {
            if argument.is_kwargs() {
                for name in argument.try_iter()? {
                    let value = undynamic(&argument.get_item(&name)?).map_err(|error| fail(error.message))?;
                    named.insert(name.to_string(), value);
                }
            } else {
                positional.push(undynamic(argument).map_err(|error| fail(error.message))?);
            }
        }
        function(&positional, &named).map(|value| dynamic(&value)).map_err(fail)
    })
}

fn dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::from(()),
        Value::Bool(flag) => Dynamic::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Dynamic::from(number),
            (_, Some(number)) => Dynamic::from(number),
            _ => Dynamic::from(number.as_f64().expect("a number is one of three kinds")),
        },
        Value::String(text) => Dynamic::from(text.as_str()),
        Value::Array(items) => Dynamic::from(items.iter().map(dynamic).collect::<Vec<_>>()),
        Value::Object(members) => Dynamic::from(
            members.iter().map(|(name, value)| (name.clone(), dynamic(value))).collect::<BTreeMap<_, _>>(),
        ),
    }
}

fn undynamic(value: &Dynamic) -> Result<Value, ExpressionError> {
    let mut budget = NODE_LIMIT;
    convert(value, DEPTH_LIMIT, &mut budget)
}

fn convert(value: &Dynamic, depth: usize, budget: &mut usize) -> Result<Value, ExpressionError> {
    let bad = |message: &str| Err(ExpressionError::new("bad-expression", message));
    let Some(left) = budget.checked_sub(1) else { return bad("the result holds too many values") };
    *budget = left;
    let Some(below) = depth.checked_sub(1) else { return bad("the result nests too deep") };
    let fail = |error: Error| sentence(&error, "");
    match value.kind() {
        ValueKind::Undefined => Err(ExpressionError::new("undefined-name", "a value inside the result is not defined")),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number if value.is_integer() => {
            let number = i128::try_from(value.clone()).ok().and_then(serde_json::Number::from_i128);
            number.map_or_else(
                || {
                    Err(ExpressionError::new(
                        "integer-overflow",
                        "the result is a whole number that does not fit into 64 bits",
                    ))
                },
                |number| Ok(Value::Number(number)),
            )
        }
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).map_err(fail)?;
            serde_json::Number::from_f64(number).map_or_else(
                || Err(ExpressionError::new("not-finite", "the result is not a finite number")),
                |number| Ok(Value::Number(number)),
            )
        }
        ValueKind::String => {
            let text = value.as_str().unwrap_or_default();
            if text.len() > TEXT_LIMIT {
                bad("the result is too long a text")
            } else {
                Ok(Value::String(text.to_owned()))
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(fail)?;
            items.map(|item| convert(&item, below, budget)).collect::<Result<_, _>>().map(Value::Array)
        }
        ValueKind::Map => {
            let mut members = serde_json::Map::new();
            for name in value.try_iter().map_err(fail)? {
                let Some(text) = name.as_str() else { return bad("the result is a map with a key that is not a text") };
                members.insert(text.to_owned(), convert(&value.get_item(&name).map_err(fail)?, below, budget)?);
            }
            Ok(Value::Object(members))
        }
        _ => bad("the result is not a value; a function must be called with `(…)`"),
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
            ("range", "bad-expression"),
            ("steps +", "bad-expression"),
            ("", "bad-expression"),
            ("steps | nope", "bad-expression"),
            ("geomspace(0, 1, 3)", "bad-expression"),
            ("[0] * 90000000", "bad-expression"),
        ] {
            let error = evaluate(text).expect_err(text);
            assert_eq!(error.code, code, "{text}: {error}");
        }
        assert_eq!(evaluate("stesp + 'stesp'").unwrap_err().range, Some(0..5));
        assert_eq!(evaluate("'stesp' ~ stesp").unwrap_err().range, Some(10..15));
        assert_eq!(evaluate("stesp").unwrap_err().hint.as_deref(), Some("did you mean `steps`?"));
        assert_eq!(evaluate("2 + steps / 0").unwrap_err().range, Some(4..13));
    }

    #[test]
    fn nothing_of_the_world_is_reachable() {
        for text in ["debug()", "namespace()", "env('HOME')", "now()", "include('x')", "self", "super()", "caller()"] {
            assert!(evaluate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_and_long_expressions_end_in_an_error() {
        assert!(evaluate(&format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000))).is_err());
        assert!(evaluate(&format!("{}1{}", "[".repeat(140), "]".repeat(140))).is_err());
    }
}
