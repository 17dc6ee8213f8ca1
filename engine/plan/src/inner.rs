//! Values in the template engine's own form, and the variables of an evaluation.
//!
//! Nothing passes from the engine to a study that a study could not have written: no undefined value, nothing infinite, no whole number
//! outside 64 bits, and no more values than fit into the limits here.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use isoflop_contract::Value;
use minijinja::{
    Error,
    value::{Object, Value as Dynamic, ValueKind},
};

use crate::{engine::sentence, template::ExpressionError};

/// How deep a result may nest.
const DEPTH_LIMIT: usize = 128;
/// How much one result, or all values of a cell together, may take: bytes of text, and [`VALUE`] for each value.
pub(crate) const ROOM: usize = 8 << 20;
/// What a value takes besides its text.
pub(crate) const VALUE: usize = 40;

/// A value that templates can see. Cloning is cheap.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Inner(pub(crate) Dynamic);

impl Inner {
    /// The value in the engine's form.
    pub(crate) fn of(value: &Value) -> Self {
        Self(dynamic(value))
    }
}

/// The variables of one evaluation: the study's parameters, and names that hide them, the last counting most. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scope(Arc<Names>);

#[derive(Debug, Clone, Default)]
struct Names {
    params: Arc<HashMap<String, Dynamic>>,
    under: Option<Arc<Names>>,
    above: Vec<(Arc<str>, Dynamic)>,
    /// Where names stand above, once there are many.
    index: HashMap<Arc<str>, usize>,
}

impl Scope {
    /// A scope of these variables.
    pub(crate) fn new(variables: &BTreeMap<String, Value>) -> Self {
        let params = variables.iter().map(|(name, value)| (name.clone(), dynamic(value))).collect();
        Self(Arc::new(Names { params: Arc::new(params), ..Names::default() }))
    }

    /// Adds a variable, which hides one of the same name.
    pub(crate) fn push(&mut self, name: &Arc<str>, value: &Inner) {
        const MANY: usize = 24;
        let names = Arc::make_mut(&mut self.0);
        names.above.push((Arc::clone(name), value.0.clone()));
        match names.above.len() {
            MANY => {
                let above = names.above.iter().enumerate();
                names.index = above.map(|(at, (name, _))| (Arc::clone(name), at)).collect();
            }
            length if length > MANY => drop(names.index.insert(Arc::clone(name), length - 1)),
            _ => {}
        }
    }

    /// A scope over this one.
    pub(crate) fn over(&self) -> Self {
        let params = Arc::clone(&self.0.params);
        Self(Arc::new(Names { params, under: Some(Arc::clone(&self.0)), ..Names::default() }))
    }

    /// Takes back the variables that were added.
    pub(crate) fn clear(&mut self) {
        if !self.0.above.is_empty() {
            let names = Arc::make_mut(&mut self.0);
            names.above.clear();
            names.index.clear();
        }
    }

    /// A variable.
    pub(crate) fn get(&self, name: &str) -> Option<&Dynamic> {
        self.0.find(name)
    }

    /// As the engine takes it.
    pub(crate) fn context(&self) -> Dynamic {
        Dynamic::from_dyn_object(Arc::clone(&self.0))
    }
}

impl Names {
    fn find(&self, name: &str) -> Option<&Dynamic> {
        let above = if self.index.is_empty() {
            self.above.iter().rev().find(|(known, _)| **known == *name).map(|(_, value)| value)
        } else {
            self.index.get(name).map(|at| &self.above[*at].1)
        };
        above.or_else(|| match &self.under {
            Some(under) => under.find(name),
            None => self.params.get(name),
        })
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Dynamic) -> Option<Dynamic> {
        self.find(key.as_str()?).cloned()
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Dynamic> {
        self.find(key).cloned()
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("variables")
    }
}

/// A value in the engine's form.
pub(crate) fn dynamic(value: &Value) -> Dynamic {
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

/// A value of the engine in ours, as far as there is room for it.
pub(crate) fn undynamic(value: &Dynamic, room: &mut usize) -> Result<Value, ExpressionError> {
    convert(value, DEPTH_LIMIT, room)
}

/// How many values a value is made of.
pub(crate) fn count(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<u64>(),
        Value::Object(members) => 1 + members.values().map(count).sum::<u64>(),
        _ => 1,
    }
}

/// Takes the room of a value with so much text.
pub(crate) fn take(room: &mut usize, text: usize) -> Result<(), ExpressionError> {
    let message = "the values here are too many, or their texts too long";
    *room =
        room.checked_sub(VALUE.saturating_add(text)).ok_or_else(|| ExpressionError::new("too-large-value", message))?;
    Ok(())
}

fn convert(value: &Dynamic, depth: usize, room: &mut usize) -> Result<Value, ExpressionError> {
    let bad = |message: &str| Err(ExpressionError::new("bad-expression", message));
    let text = value.as_str();
    take(room, text.map_or(0, str::len))?;
    let Some(below) = depth.checked_sub(1) else { return bad("the result nests too deep") };
    let fail = |error: Error| sentence(&error, "");
    match value.kind() {
        ValueKind::Undefined => Err(ExpressionError::new("undefined-name", "a value inside the result is not defined")),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number if value.is_integer() => {
            let number = i128::try_from(value.clone()).ok().and_then(serde_json::Number::from_i128);
            number.map(Value::Number).ok_or_else(|| {
                let message = "the result is a whole number that does not fit into 64 bits";
                ExpressionError::new("integer-overflow", message)
            })
        }
        ValueKind::Number => {
            let number = f64::try_from(value.clone()).map_err(fail)?;
            let number = serde_json::Number::from_f64(number).map(Value::Number);
            number.ok_or_else(|| ExpressionError::new("not-finite", "the result is not a finite number"))
        }
        ValueKind::String => Ok(Value::String(text.unwrap_or_default().to_owned())),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(fail)?;
            items.map(|item| convert(&item, below, room)).collect::<Result<_, _>>().map(Value::Array)
        }
        ValueKind::Map => {
            let mut members = serde_json::Map::new();
            for name in value.try_iter().map_err(fail)? {
                let Some(text) = name.as_str() else { return bad("the result is a map with a key that is not a text") };
                take(room, text.len())?;
                members.insert(text.to_owned(), convert(&value.get_item(&name).map_err(fail)?, below, room)?);
            }
            Ok(Value::Object(members))
        }
        _ => bad("the result is not a value; a function must be called with `(…)`"),
    }
}
