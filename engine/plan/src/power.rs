//! Powers: `a ** b` becomes a call, so that its bits do not come from the system's library.
//!
//! The engine computes `**` of floats by whatever `pow` the system has, and those differ in the last bit; a task's key must not. So an
//! expression with `**` is cut into tokens, and each power is written as a call of [`POWER`], whose floats come from `libm`. The rules of
//! precedence are the engine's: `**` binds less than a sign, a filter or an attribute, more than every other operator, and to the left.
//!
//! Tokens are counted on the way: the engine reads recursively, so an expression of a million terms would end the process.

use std::ops::Range;

use minijinja::{Error, ErrorKind, value::Value as Dynamic};

use crate::template::ExpressionError;

/// The function that stands for `**`.
pub(crate) const POWER: &str = "__power";

/// Signs that compare two values by their order, or for being equal.
const COMPARING: [&str; 6] = ["<", "<=", ">", ">=", "==", "!="];

/// Signs that bind more than those.
const ARITHMETIC: [&str; 7] = ["+", "-", "~", "*", "/", "//", "%"];

/// How many tokens an expression may have.
const TOKEN_LIMIT: usize = 2_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Open,
    Close,
    Power,
    /// What an operand may hold besides brackets: names, numbers, texts, `.`, `|`, a sign.
    Part,
    /// The word `is`.
    Is,
    /// Ends an operand of `**`.
    Boundary,
}

#[derive(Debug)]
struct Token {
    sort: Sort,
    range: Range<usize>,
    /// For an opening bracket, the index of its closing one.
    closes: usize,
}

/// An expression rewritten, and where each piece of it stood.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub(crate) text: String,
    /// Where a piece begins here, where it began, and its length.
    pieces: Vec<(usize, usize, usize)>,
}

impl Rewritten {
    /// An expression as it is.
    pub(crate) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), pieces: vec![(0, 0, text.len())] }
    }

    /// The same between two texts.
    pub(crate) fn within(mut self, before: &str, after: &str) -> Self {
        self.text = format!("{before}{}{after}", self.text);
        for (new, _, _) in &mut self.pieces {
            *new += before.len();
        }
        self
    }

    /// The range of the original that a range of the new text stands for.
    pub(crate) fn original(&self, range: &Range<usize>) -> Option<Range<usize>> {
        let mut within = self.pieces.iter().filter(|(new, _, length)| *new < range.end && new + length > range.start);
        let (new, old, _) = within.clone().next()?;
        let start = old + range.start.saturating_sub(*new);
        let (new, old, length) = within.next_back()?;
        Some(start..old + (range.end - new).min(*length))
    }

    fn copy(&mut self, source: &str, range: Range<usize>) {
        self.pieces.push((self.text.len(), range.start, range.len()));
        self.text.push_str(&source[range]);
    }
}

/// An expression cut into tokens.
pub(crate) struct Cut<'t> {
    text: &'t str,
    tokens: Vec<Token>,
}

impl<'t> Cut<'t> {
    /// Cuts an expression, whose syntax need not be sound.
    pub(crate) fn of(text: &'t str) -> Result<Self, ExpressionError> {
        tokens(text).map(|tokens| Self { text, tokens })
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// A sound expression with its powers written as calls; `None` if it has none.
    pub(crate) fn rewrite(&self) -> Result<Option<Rewritten>, ExpressionError> {
        if !self.tokens.iter().any(|token| token.sort == Sort::Power) {
            return Ok(None);
        }
        let mut out = Rewritten::default();
        let end = self.level(0, self.tokens.len(), 0, &mut out)?;
        out.copy(self.text, end..self.text.len());
        Ok(Some(out))
    }

    /// The comparisons in a sound expression, each as its two sides. In `a < b < c` there are two.
    pub(crate) fn comparisons(&self) -> Vec<(Range<usize>, Range<usize>)> {
        let mut found = Vec::new();
        self.compared(0, self.tokens.len(), &mut found);
        found
    }

    /// Those among the tokens from `from` to `to`, all on one level, and within their brackets.
    fn compared(&self, from: usize, to: usize, found: &mut Vec<(Range<usize>, Range<usize>)>) {
        let (mut next, mut start) = (from, from);
        // The side before, and whether a comparison stands between it and this one.
        let mut before: Option<Range<usize>> = None;
        while next <= to {
            let token = self.tokens.get(next).filter(|_| next < to);
            let sign = token.map_or("", |token| &self.text[token.range.clone()]);
            let ends = token.is_none_or(|token| token.sort == Sort::Boundary) && !ARITHMETIC.contains(&sign);
            if ends {
                let side = (start < next).then(|| self.tokens[start].range.start..self.tokens[next - 1].range.end);
                if let (Some(left), Some(right)) = (before.take(), side.clone()) {
                    found.push((left, right));
                }
                before = side.filter(|_| COMPARING.contains(&sign));
                start = next + 1;
            }
            if let Some(token) = token.filter(|token| token.sort == Sort::Open) {
                self.compared(next + 1, token.closes, found);
                next = token.closes.max(next); // in what is unsound, a bracket may not close
            }
            next += 1;
        }
    }

    /// Writes the tokens from `from` to `to`, all on one level; `at` is how far the text is written, and what is returned.
    fn level(&self, from: usize, to: usize, at: usize, out: &mut Rewritten) -> Result<usize, ExpressionError> {
        let (mut next, mut at) = (from, at);
        while next < to {
            let mut end = next;
            let mut powers = Vec::new();
            let mut tests = false;
            while end < to && self.tokens[end].sort != Sort::Boundary {
                match self.tokens[end].sort {
                    Sort::Power => powers.push(end),
                    Sort::Is => tests = true,
                    _ => {}
                }
                end = if self.tokens[end].sort == Sort::Open { self.tokens[end].closes + 1 } else { end + 1 };
            }
            if tests && !powers.is_empty() {
                let message = "beside `is`, the operands of `**` must stand in parentheses";
                let range = Some(self.tokens[powers[0]].range.clone());
                return Err(ExpressionError { range, ..ExpressionError::new("bad-expression", message) });
            }
            // `**` with nothing before it unfolds a map into arguments.
            if powers.first() == Some(&next) {
                out.copy(self.text, at..self.tokens[next].range.end);
                (at, next) = (self.tokens[next].range.end, next + 1);
                continue;
            }
            if let Some(first) = self.tokens.get(next).filter(|_| !powers.is_empty()) {
                out.copy(self.text, at..first.range.start);
                at = first.range.start;
            }
            for _ in &powers {
                out.text.push_str(POWER);
                out.text.push('(');
            }
            let mut start = next;
            for (index, power) in powers.iter().chain([&end]).enumerate() {
                at = self.operand(start, *power, at, out)?;
                if index > 0 {
                    out.text.push(')');
                }
                if let Some(token) = self.tokens.get(*power).filter(|_| index < powers.len()) {
                    out.copy(self.text, at..token.range.start);
                    out.text.push(',');
                    at = token.range.end;
                }
                start = power + 1;
            }
            if let Some(boundary) = self.tokens.get(end).filter(|_| end < to) {
                out.copy(self.text, at..boundary.range.end);
                at = boundary.range.end;
            }
            next = end + 1;
        }
        Ok(at)
    }

    /// Writes one operand, whatever is in its brackets rewritten.
    fn operand(&self, from: usize, to: usize, at: usize, out: &mut Rewritten) -> Result<usize, ExpressionError> {
        let (mut next, mut at) = (from, at);
        while next < to {
            let token = &self.tokens[next];
            out.copy(self.text, at..token.range.end);
            at = token.range.end;
            next += 1;
            if token.sort == Sort::Open {
                at = self.level(next, token.closes, at, out)?;
                next = token.closes.max(next); // in what is unsound, a bracket may not close
            }
        }
        Ok(at)
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, ExpressionError> {
    let bytes = text.as_bytes();
    let mut tokens: Vec<Token> = Vec::new();
    let mut open = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        let c = bytes[at];
        let previous = tokens.last().map(|token| (token.sort, &text[token.range.clone()]));
        let (sort, length) = match c {
            _ if c.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'\'' | b'"' => (Sort::Part, quoted(rest)),
            b'(' | b'[' | b'{' => (Sort::Open, 1),
            b')' | b']' | b'}' => (Sort::Close, 1),
            b'.' | b'|' => (Sort::Part, 1),
            b'0'..=b'9' => (Sort::Part, number(rest, previous.is_some_and(|(_, text)| text == "."))),
            b'*' if rest.starts_with("**") => (Sort::Power, 2),
            b'-' if !previous.is_some_and(|(sort, text)| ends_operand(sort, text)) => (Sort::Part, 1),
            _ if c.is_ascii_alphabetic() || c == b'_' || !c.is_ascii() => {
                let word = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len()).max(1);
                let word = (word..=rest.len()).find(|end| rest.is_char_boundary(*end)).unwrap_or(rest.len());
                let attribute = previous.is_some_and(|(_, text)| text == ".");
                let sort = match &rest[..word] {
                    "is" => Sort::Is,
                    _ if attribute => Sort::Part,
                    "and" | "or" | "not" | "in" | "if" | "else" => Sort::Boundary,
                    _ => Sort::Part,
                };
                (sort, word)
            }
            _ if ["//", "==", "!=", "<=", ">="].iter().any(|operator| rest.starts_with(operator)) => {
                (Sort::Boundary, 2)
            }
            _ => (Sort::Boundary, 1),
        };
        if tokens.len() == TOKEN_LIMIT {
            let message = format!("the expression has more than {TOKEN_LIMIT} names, numbers and signs");
            return Err(ExpressionError::new("expression-too-long", message));
        }
        match sort {
            Sort::Open => open.push(tokens.len()),
            Sort::Close => {
                if let Some(opened) = open.pop() {
                    let here = tokens.len();
                    let opened: &mut Token = &mut tokens[opened];
                    opened.closes = here;
                }
            }
            _ => {}
        }
        let here = tokens.len();
        tokens.push(Token { sort, range: at..at + length, closes: here });
        at += length;
    }
    Ok(tokens)
}

/// Whether a `-` after this token is a minus, not a sign.
fn ends_operand(sort: Sort, text: &str) -> bool {
    match sort {
        Sort::Close => true,
        Sort::Part => !matches!(text, "." | "|" | "-"),
        _ => false,
    }
}

/// The length of the text in quotes that `rest` begins with.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    let quote = rest.as_bytes()[0];
    let close = rest.bytes().enumerate().skip(1).find(|(_, c)| {
        let found = !escaped && *c == quote;
        escaped = !escaped && *c == b'\\';
        found
    });
    close.map_or(rest.len(), |(at, _)| at + 1)
}

/// The length of the number that `rest` begins with; an index after a `.` has no fraction.
fn number(rest: &str, index: bool) -> usize {
    let bytes = rest.as_bytes();
    let mut at = 1;
    while let Some(c) = bytes.get(at) {
        let exponent = matches!(bytes[at - 1], b'e' | b'E') && !rest.starts_with("0x");
        let more = match c {
            b'.' => !index && bytes.get(at + 1).is_some_and(u8::is_ascii_digit),
            b'+' | b'-' => exponent,
            c => c.is_ascii_alphanumeric() || *c == b'_',
        };
        if !more {
            break;
        }
        at += 1;
    }
    at
}

/// `base ** exponent`: whole numbers stay whole, and everything else goes through `libm`.
#[expect(clippy::needless_pass_by_value, reason = "the engine calls it so")]
pub(crate) fn power(base: Dynamic, exponent: Dynamic) -> Result<Dynamic, Error> {
    let fail = |message: String| Error::new(ErrorKind::InvalidOperation, message);
    let whole = |value: &Dynamic| if value.is_integer() { i128::try_from(value.clone()).ok() } else { None };
    if let (Some(a), Some(b)) = (whole(&base), whole(&exponent))
        && b >= 0
    {
        let power = u32::try_from(b).ok().and_then(|b| a.checked_pow(b)).or(match a {
            0 | 1 => Some(a),
            -1 => Some(if b % 2 == 0 { 1 } else { -1 }),
            _ => None,
        });
        return power.map(Dynamic::from).ok_or_else(|| fail(format!("{a} ** {b} is too large a whole number")));
    }
    let real = |value: &Dynamic| {
        if value.is_number() {
            f64::try_from(value.clone()).map_err(|_| fail("** takes numbers".to_owned()))
        } else {
            Err(fail(format!("** takes numbers, and was given {}", value.kind())))
        }
    };
    let (a, b) = (real(&base)?, real(&exponent)?);
    let power = libm::pow(a, b);
    if power.is_finite() {
        Ok(Dynamic::from(power))
    } else {
        Err(fail(format!("{base} ** {exponent} is not a finite number")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rewritten(text: &str) -> String {
        let new = Cut::of(text).unwrap().rewrite().unwrap();
        new.map_or_else(|| text.to_owned(), |new| new.text.replace(POWER, "P"))
    }

    #[test]
    fn powers_become_calls_by_the_rules_of_precedence() {
        for (text, calls) in [
            ("a + b", "a + b"),
            ("'a ** b'", "'a ** b'"),
            ("a ** b", "P(a , b)"),
            ("a ** b ** c", "P(P(a , b) , c)"),
            ("1 + -a ** -2 * 3", "1 + P(-a , -2) * 3"),
            ("a - b ** 2 - c", "a - P(b , 2) - c"),
            ("x.y[2 ** n] ** f(3 ** m, k=2 ** 2)|abs", "P(x.y[P(2 , n)] , f(P(3 , m), k=P(2 , 2))|abs)"),
            ("2 ** 1e-5 - 1", "P(2 , 1e-5) - 1"),
            ("a if b ** 2 > c else {'k': d ** 2}", "a if P(b , 2) > c else {'k': P(d , 2)}"),
            ("f(**k)", "f(**k)"),
            ("f(1, **k ** 2)", "f(1, **P(k , 2))"),
            ("(a) ** (b ** c)", "P((a) , (P(b , c)))"),
            (" é.in ** 2 ", " P(é.in , 2) "),
            ("not a ** 2 in b", "not P(a , 2) in b"),
        ] {
            assert_eq!(rewritten(text), calls, "{text}");
        }
        assert!(Cut::of("a is odd ** 2").unwrap().rewrite().is_err() && Cut::of(&"1+".repeat(2_000)).is_err());
    }

    #[test]
    fn comparisons_are_found_at_every_level_with_their_sides() {
        let sides = |text: &'static str| {
            let found = Cut::of(text).unwrap().comparisons();
            found.into_iter().map(|(left, right)| (&text[left], &text[right])).collect::<Vec<_>>()
        };
        assert_eq!(sides("a < b"), [("a", "b")]);
        assert_eq!(sides("f('x', 'a < b') + 1 >= 'many' and not c"), [("f('x', 'a < b') + 1", "'many'")]);
        assert_eq!(
            sides("1 < a ** 2 < 2 or f(b == 'x', k=[c != d ~ e])"),
            [("1", "a ** 2"), ("a ** 2", "2"), ("b", "'x'"), ("c", "d ~ e")]
        );
        assert_eq!(sides("a if b > -1 else {'k': (c | max) == d.e}"), [("b", "-1"), ("(c | max)", "d.e")]);
        assert!(sides("a not in b and a is number and f(k=1)").is_empty());
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf =
            prop_oneof![(0_i64..5).prop_map(|n| n.to_string()), Just("x".to_owned()), Just("[1, 2][1]".to_owned())];
        leaf.prop_recursive(5, 24, 3, |inner| {
            let operators = vec!["+", "-", "*", "//", "%", "**", "**", "<", "if 1 else", "and", "if x > 1 else"];
            prop_oneof![
                (inner.clone(), prop::sample::select(operators), inner.clone())
                    .prop_map(|(a, operator, b)| format!("{a} {operator} {b}")),
                inner.clone().prop_map(|a| format!("({a})")),
                inner.clone().prop_map(|a| format!("-{a}")),
                inner.clone().prop_map(|a| format!("not {a}|abs")),
                inner.clone().prop_map(|a| format!("{{'k': {a}}}.k")),
                (inner.clone(), inner).prop_map(|(a, b)| format!("[{a}, {b}]|max")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

        /// The engine's own powers of whole numbers are exact: the same text must mean the same with ours.
        #[test]
        fn an_expression_means_what_it_meant(text in expression()) {
            let mut plain = minijinja::Environment::new();
            plain.add_function(POWER, power);
            let value = |text: &str| {
                let value = plain.compile_expression(text).ok()?.eval(minijinja::context! { x => 3 }).ok()?;
                value.is_integer().then_some(value)
            };
            let ours = Cut::of(&text).unwrap().rewrite().unwrap().map_or_else(|| text.clone(), |new| new.text);
            // Flags are numbers to the engine and not to ours, which refuses them.
            let flags = ["not", "<", "and"].iter().any(|word| text.contains(word));
            match (value(&text), value(&ours)) {
                (Some(theirs), None) => prop_assert!(flags, "{} is {} and is refused as {}", text, theirs, ours),
                (Some(theirs), Some(value)) => prop_assert_eq!(value, theirs, "{} became {}", text, ours),
                (None, _) => {}
            }
        }

        #[test]
        fn nothing_ends_in_a_panic(text in "[-a-c0-9 .*|()\\[\\]{}'\"\\\\é=,:~if]{0,40}") {
            if let Ok(cut) = Cut::of(&text) {
                let _ = cut.rewrite();
            }
        }
    }

    #[test]
    fn places_are_those_of_the_original() {
        let new = Cut::of("1 + a ** b.c").unwrap().rewrite().unwrap().unwrap();
        assert_eq!(new.text, format!("1 + {POWER}(a , b.c)"));
        let at = |part: &str| {
            let start = new.text.find(part).unwrap();
            new.original(&(start..start + part.len())).map(|range| &"1 + a ** b.c"[range])
        };
        assert_eq!((at("b.c"), at("a "), at("1")), (Some("b.c"), Some("a "), Some("1")));
        assert_eq!(at(&format!("{POWER}(a , b.c)")), Some("a ** b.c"));
    }
}
