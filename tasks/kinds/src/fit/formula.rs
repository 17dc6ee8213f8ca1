//! Formulas of one's own: `E + A / N^alpha + B / D^beta` over named inputs and named, bounded parameters.
//!
//! `+ - * / ^`, brackets, numbers, and the functions `exp ln log10 sqrt min max`. A power binds tighter than a sign and to the right; there is no
//! multiplication without its sign. A formula is read at plan time, into operations in the order in which a machine with a stack does them.

use std::{collections::BTreeMap, fmt};

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most parameters of one formula.
pub const MOST: usize = 12;
/// The most operations.
const LONGEST: usize = 400;
/// The deepest nesting.
const DEEPEST: usize = 60;

/// A formula and what its parameters may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Formula {
    /// The right-hand side: `E + A / N^alpha`.
    pub law: String,
    /// The parameters by name; every other name in the formula is an input.
    pub parameters: BTreeMap<String, Parameter>,
}

/// What a parameter may be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// The least it may be; 0 alone makes it positive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// The most it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Where searches start, if not spread over its range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub start: Vec<f64>,
}

/// One operation of a machine with a stack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Op {
    /// Puts a number there.
    Number(f64),
    /// Puts an input there.
    Input(usize),
    /// Puts a parameter there.
    Parameter(usize),
    /// Adds the upper two.
    Add,
    /// Subtracts the uppermost from the one below.
    Subtract,
    /// Multiplies the upper two.
    Multiply,
    /// Divides the one below by the uppermost.
    Divide,
    /// Raises the one below to the uppermost.
    Power,
    /// Turns the sign.
    Negate,
    /// e to it.
    Exp,
    /// Its natural logarithm.
    Ln,
    /// Its logarithm to the base 10.
    Log10,
    /// Its square root.
    Sqrt,
    /// The lesser of the upper two.
    Min,
    /// The greater.
    Max,
}

/// What is wrong with a formula, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// How many letters stand before.
    pub at: usize,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at letter {}", self.why, self.at + 1)
    }
}

impl Formula {
    /// These names of inputs in the order in which the formula first has them; as they are, if it cannot be read.
    pub fn ordered<'a>(&self, mut inputs: Vec<&'a str>) -> Vec<&'a str> {
        let parameters: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
        if let Ok(ops) = read(&self.law, &parameters, &inputs) {
            let first = |i: usize| ops.iter().position(|op| *op == Op::Input(i));
            let mut order: Vec<usize> = (0..inputs.len()).collect();
            order.sort_by_key(|i| first(*i));
            inputs = order.into_iter().map(|i| inputs[i]).collect();
        }
        inputs
    }

    /// Its operations, and the inputs it names in the order of their names; `inputs` are the ones it may.
    pub fn read(&self, inputs: &[&str]) -> Result<Vec<Op>, Complaint> {
        let wrong = |field: &str, problem: String| Err(Complaint::new(field, problem));
        if self.parameters.is_empty() || self.parameters.len() > MOST {
            return wrong("formula.parameters", format!("must be 1 to {MOST} parameters"));
        }
        for (name, parameter) in &self.parameters {
            let field = format!("formula.parameters.{name}");
            if !is_name(name) || FUNCTIONS.iter().any(|(other, ..)| other == name) {
                return wrong(&field, "must be named by letters, digits and `_`, and not as a function".to_owned());
            }
            if inputs.contains(&name.as_str()) {
                return wrong(&field, "must not have the name of an input".to_owned());
            }
            let (low, high) = (parameter.min.unwrap_or(f64::NEG_INFINITY), parameter.max.unwrap_or(f64::INFINITY));
            if low >= high || (parameter.min.is_none() && parameter.max.is_some()) || low == f64::INFINITY {
                return wrong(&field, "must have its min below its max, and no max without a min".to_owned());
            }
            if parameter.max.is_none() && parameter.min.is_some_and(|min| min != 0.0) {
                return wrong(&field, "must have a max, or a min of 0".to_owned());
            }
            if parameter.start.iter().any(|start| !(low..=high).contains(start) || !start.is_finite()) {
                return wrong(&field, "must start within its range".to_owned());
            }
        }
        let parameters: Vec<&str> = self.parameters.keys().map(String::as_str).collect();
        let ops = read(&self.law, &parameters, inputs)
            .map_err(|why| Complaint::new("formula.law", format!("cannot be read: {why}")))?;
        if let Some(idle) = (0..parameters.len()).find(|i| !ops.contains(&Op::Parameter(*i))) {
            return wrong("formula.law", format!("does not have the parameter `{}`", parameters[idle]));
        }
        if let Some(idle) = (0..inputs.len()).find(|i| !ops.contains(&Op::Input(*i))) {
            return wrong("formula.law", format!("does not have the input `{}`", inputs[idle]));
        }
        Ok(ops)
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Functions: name, how many arguments, operation.
const FUNCTIONS: [(&str, usize, Op); 6] = [
    ("exp", 1, Op::Exp),
    ("ln", 1, Op::Ln),
    ("log10", 1, Op::Log10),
    ("sqrt", 1, Op::Sqrt),
    ("min", 2, Op::Min),
    ("max", 2, Op::Max),
];

/// Reads a formula over these names.
pub fn read(text: &str, parameters: &[&str], inputs: &[&str]) -> Result<Vec<Op>, Unread> {
    let mut reader = Reader { text: text.chars().collect(), at: 0, parameters, inputs, ops: Vec::new(), depth: 0 };
    reader.sum()?;
    reader.skip();
    if reader.at < reader.text.len() {
        return Err(reader.unread("something is left over"));
    }
    Ok(reader.ops)
}

struct Reader<'a> {
    text: Vec<char>,
    at: usize,
    parameters: &'a [&'a str],
    inputs: &'a [&'a str],
    ops: Vec<Op>,
    depth: usize,
}

impl Reader<'_> {
    fn unread(&self, why: &str) -> Unread {
        Unread { at: self.at, why: why.to_owned() }
    }

    fn skip(&mut self) {
        while self.text.get(self.at).is_some_and(|c| c.is_whitespace()) {
            self.at += 1;
        }
    }

    fn next_is(&mut self, sign: char) -> bool {
        self.skip();
        let is = self.text.get(self.at) == Some(&sign);
        self.at += usize::from(is);
        is
    }

    fn push(&mut self, op: Op) -> Result<(), Unread> {
        self.ops.push(op);
        if self.ops.len() > LONGEST { Err(self.unread("it is too long")) } else { Ok(()) }
    }

    fn sum(&mut self) -> Result<(), Unread> {
        self.product()?;
        loop {
            let op = if self.next_is('+') {
                Op::Add
            } else if self.next_is('-') {
                Op::Subtract
            } else {
                return Ok(());
            };
            self.product()?;
            self.push(op)?;
        }
    }

    fn product(&mut self) -> Result<(), Unread> {
        self.signed()?;
        loop {
            let op = if self.next_is('*') {
                Op::Multiply
            } else if self.next_is('/') {
                Op::Divide
            } else {
                return Ok(());
            };
            self.signed()?;
            self.push(op)?;
        }
    }

    fn signed(&mut self) -> Result<(), Unread> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.unread("it is nested too deep"));
        }
        if self.next_is('-') {
            self.signed()?;
            self.push(Op::Negate)?;
        } else {
            self.atom()?;
            if self.next_is('^') {
                self.signed()?;
                self.push(Op::Power)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn atom(&mut self) -> Result<(), Unread> {
        if self.next_is('(') {
            self.sum()?;
            return if self.next_is(')') { Ok(()) } else { Err(self.unread("`)` is missing")) };
        }
        let rest: String = self.text[self.at..].iter().collect();
        if rest.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return self.number(&rest);
        }
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if name.is_empty() {
            return Err(self.unread("a number, a name or a bracket belongs here"));
        }
        if let Some((_, count, op)) = FUNCTIONS.iter().find(|(other, ..)| *other == name) {
            self.at += name.len();
            return self.call(&name, *count, *op);
        }
        let op = if let Some(i) = self.parameters.iter().position(|other| *other == name) {
            Op::Parameter(i)
        } else if let Some(i) = self.inputs.iter().position(|other| *other == name) {
            Op::Input(i)
        } else {
            let all: Vec<&str> = self.inputs.iter().chain(self.parameters).copied().collect();
            return Err(self.unread(&format!("there is no `{name}`; there are {}", all.join(", "))));
        };
        self.at += name.len();
        self.push(op)
    }

    fn number(&mut self, rest: &str) -> Result<(), Unread> {
        let letters: Vec<char> = rest.chars().collect();
        let mut length = 0;
        while let Some(c) = letters.get(length) {
            let exponent = matches!(c, 'e' | 'E');
            let sign = matches!(c, '+' | '-') && length > 0 && matches!(letters[length - 1], 'e' | 'E');
            if !(c.is_ascii_digit() || *c == '.' || exponent || sign) {
                break;
            }
            length += 1;
        }
        let text: String = letters[..length].iter().collect();
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => {
                self.at += length;
                self.push(Op::Number(value))
            }
            _ => Err(self.unread(&format!("`{text}` is not a number"))),
        }
    }

    fn call(&mut self, name: &str, count: usize, op: Op) -> Result<(), Unread> {
        if !self.next_is('(') {
            return Err(self.unread(&format!("`(` belongs behind `{name}`")));
        }
        for i in 0..count {
            if i > 0 && !self.next_is(',') {
                return Err(self.unread(&format!("`{name}` takes {count} values, with `,` between")));
            }
            self.sum()?;
        }
        if !self.next_is(')') {
            return Err(self.unread(&format!("`)` belongs behind what `{name}` takes")));
        }
        self.push(op)
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Op::{Add, Exp, Input, Multiply, Negate, Number, Parameter as P, Power},
        *,
    };

    fn said(text: &str) -> String {
        read(text, &["a", "b"], &["x"]).unwrap_err().to_string()
    }

    #[test]
    fn powers_bind_tighter_than_signs_and_to_the_right() {
        let ops = |text: &str| read(text, &["a", "b"], &["x"]).unwrap();
        assert_eq!(ops("a + b * x^-2"), [P(0), P(1), Input(0), Number(2.0), Negate, Power, Multiply, Add]);
        assert_eq!(ops("-x^2"), [Input(0), Number(2.0), Power, Negate]);
        assert_eq!(ops("x^a^b"), [Input(0), P(0), P(1), Power, Power]);
        assert_eq!(ops("exp(1.5e-3*x)"), [Number(1.5e-3), Input(0), Multiply, Exp]);
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        assert_eq!(said("a + c"), "there is no `c`; there are x, a, b, at letter 5");
        assert_eq!(said("a + (b"), "`)` is missing, at letter 7");
        assert_eq!(said("a b"), "something is left over, at letter 3");
        assert_eq!(said("min(a)"), "`min` takes 2 values, with `,` between, at letter 6");
        assert_eq!(said("1e999"), "`1e999` is not a number, at letter 1");
        assert_eq!(said("a +"), "a number, a name or a bracket belongs here, at letter 4");
        assert!(said(&"(".repeat(500)).starts_with("it is nested too deep"));
    }

    #[test]
    fn parameters_have_ranges_and_all_are_used() {
        let formula = |law: &str, a: Parameter| Formula {
            law: law.to_owned(),
            parameters: BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), Parameter::default())]),
        };
        let refused = |law, a| {
            let complaint = formula(law, a).read(&["x"]).unwrap_err();
            format!("{} {}", complaint.field, complaint.problem)
        };
        assert!(formula("a + b * x", Parameter::default()).read(&["x"]).is_ok());
        assert_eq!(refused("a * x", Parameter::default()), "formula.law does not have the parameter `b`");
        assert_eq!(refused("a + b", Parameter::default()), "formula.law does not have the input `x`");
        let above = Parameter { min: Some(2.0), max: Some(1.0), ..Parameter::default() };
        assert!(refused("a + b * x", above).contains("min below its max"));
        let outside = Parameter { min: Some(0.0), max: Some(1.0), start: vec![2.0] };
        assert!(refused("a + b * x", outside).contains("start within its range"));
    }
}
