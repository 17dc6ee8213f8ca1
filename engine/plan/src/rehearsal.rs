//! The checks of claims, rehearsed before anything has been measured: made-up numbers stand for measured ones, and what no number could mend is a finding.
//!
//! A check is rehearsed four times, with answers that are yes and answers that are no, and with numbers that rise and numbers that fall from call to call: so
//! both arms of most conditions are met. What depends on the numbers is left for the day on which the claim is judged.
//!
//! Both sides of each comparison are rehearsed by themselves besides: the engine puts values of all sorts in some order, so that a number held against a text
//! would give a verdict.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use isoflop_contract::Value;
use serde_json::json;

use crate::{
    claims::CLAIM_FUNCTIONS,
    engine::{Compiled, Engine},
    finding::Inbox,
    form::located,
    inner::{ROOM, Scope},
    plan::{Claim, Task},
    power::Cut,
    source::{Sources, Span},
    suggest,
    template::{ExpressionError, Function, Functions},
    yaml::what,
};

/// The rehearsals: whether answers are yes, and whether numbers fall.
const REHEARSALS: [(bool, bool); 4] = [(true, false), (false, false), (true, true), (false, true)];

/// By group of tasks, the axes of its cells.
pub(crate) type Axes = BTreeMap<String, BTreeSet<String>>;

/// Rehearses the claims of a study with these parameters and tasks.
pub(crate) fn rehearse(
    sources: &Sources,
    claims: &[(Claim, Span)],
    params: &BTreeMap<String, Value>,
    tasks: &[Task],
    inbox: &mut Inbox,
) {
    if claims.is_empty() {
        return;
    }
    let mut axes = Axes::new();
    for task in tasks {
        // Those of one cell are those of all.
        if !axes.contains_key(&task.group) {
            axes.insert(task.group.clone(), task.cell.iter().map(|(axis, _)| axis.to_owned()).collect());
        }
    }
    let theatre = Theatre::new(axes);
    for (claim, span) in claims {
        if let Err(error) = theatre.check(&claim.check, params) {
            inbox.push(located(sources, *span, &claim.check, error));
        }
    }
}

/// The cells that a check asks for: of this group, at these values of axes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    pub(crate) group: String,
    pub(crate) at: BTreeMap<String, Value>,
}

/// Where checks are rehearsed.
pub(crate) struct Theatre {
    engine: Engine,
    stage: Arc<Mutex<Stage>>,
}

impl Theatre {
    /// For a study whose groups have these axes; of a group that is not among them nothing is known.
    pub(crate) fn new(axes: Axes) -> Self {
        let stage = Arc::new(Mutex::new(Stage::default()));
        Self { engine: Engine::new(&functions(&Arc::new(axes), &stage)), stage }
    }

    /// What was heard in each rehearsal, with the value or the error that it ended in.
    fn rehearsals(
        &self,
        compiled: &Compiled<'_>,
        params: &BTreeMap<String, Value>,
    ) -> impl Iterator<Item = (Stage, Result<Value, ExpressionError>)> {
        REHEARSALS.into_iter().map(move |(yes, falls)| {
            let stage = || self.stage.lock().unwrap_or_else(PoisonError::into_inner);
            *stage() = Stage { yes, falls, ..Stage::default() };
            let ended = compiled.evaluate(&Scope::new(params), &mut { ROOM });
            (std::mem::take(&mut *stage()), ended)
        })
    }

    /// What no number could mend of a check.
    fn check(&self, text: &str, params: &BTreeMap<String, Value>) -> Result<(), ExpressionError> {
        let compiled = self.engine.compile(text)?;
        let (mut values, mut answers): (Vec<Misuse>, Vec<Value>) = Default::default();
        for (stage, ended) in self.rehearsals(&compiled, params) {
            let error = match ended {
                Ok(answer) => {
                    answers.push(answer);
                    continue;
                }
                Err(error) => error,
            };
            let Some(misuse) = stage.misuse else { continue };
            // A value that is the same whatever the numbers is the study's own.
            if misuse.value && !(stage.falls && values.contains(&misuse)) {
                values.push(misuse);
                continue;
            }
            let Misuse { message, hint, .. } = misuse;
            return Err(ExpressionError { range: error.range, hint, ..ExpressionError::new("bad-call", message) });
        }
        if !compiled.names().iter().any(|name| is_claims(name) && forms(name).1) {
            let message = "the check of a claim asks for a measured number, and this one asks for none";
            let hint = "compare what was measured, as in `mean('train', 'loss') < 0.5`";
            return Err(ExpressionError {
                hint: Some(hint.to_owned()),
                ..ExpressionError::new("asks-for-nothing", message)
            });
        }
        self.comparable(text, params)?;
        match answers.first() {
            Some(answer) if !answers.iter().any(|answer| answer.is_boolean() || answer.is_null()) => {
                let message =
                    format!("the check of a claim gives true, false or none, and this one gives {}", kind(answer));
                let hint = if is_interval(answer) {
                    "ask where it lies, as in `above(difference(…), 0)`"
                } else {
                    "compare it, as in `mean('train', 'loss') < 0.5`"
                };
                Err(ExpressionError { hint: Some(hint.to_owned()), ..ExpressionError::new("no-verdict", message) })
            }
            _ => Ok(()),
        }
    }

    /// Refuses a comparison of something measured with a value of another sort: the engine puts all values in some order, so that its answer would pass for a
    /// verdict.
    fn comparable(&self, text: &str, params: &BTreeMap<String, Value>) -> Result<(), ExpressionError> {
        for (left, right) in Cut::of(text)?.comparisons() {
            let compile = |side: Range<usize>| self.engine.compile(&text[side]);
            // A side may be no expression by itself, beside `is not`; it is then left alone.
            let (Ok(first), Ok(second)) = (compile(left.clone()), compile(right.clone())) else { continue };
            if !first.names().union(second.names()).any(|name| is_claims(name)) {
                continue;
            }
            let (first, second) = (self.sorts(&first, params), self.sorts(&second, params));
            let pairs: Vec<(&str, &str)> =
                first.iter().zip(&second).filter_map(|(a, b)| Some(((*a)?, (*b)?))).collect();
            let Some((a, b)) = pairs.first().filter(|_| pairs.iter().all(|(a, b)| a != b)) else { continue };
            let hint = if *a == INTERVAL || *b == INTERVAL {
                "ask where an interval lies, as in `above(difference(…), 0)`"
            } else {
                "compare numbers with numbers, as in `mean('train', 'loss') < 0.5`"
            };
            let message = format!("this compares {a} with {b}, which says nothing of either");
            return Err(ExpressionError {
                range: Some(left.start..right.end),
                hint: Some(hint.to_owned()),
                ..ExpressionError::new("bad-comparison", message)
            });
        }
        Ok(())
    }

    /// By rehearsal, the sort of a value: a number, a text, a list, an interval or another map. `None` for what can be compared with anything, and for what has
    /// no value.
    fn sorts(&self, compiled: &Compiled<'_>, params: &BTreeMap<String, Value>) -> Vec<Option<&'static str>> {
        let sort = |value: &Value| match value {
            Value::Null | Value::Bool(_) => None,
            Value::Number(_) => Some("a number"),
            value => Some(kind(value)),
        };
        self.rehearsals(compiled, params).map(|(_, ended)| sort(&ended.ok()?)).collect()
    }

    /// The cells that a check asks for, as far as rehearsals tell, each once. What is wrong with it is a finding, and said elsewhere.
    pub(crate) fn asked(&self, text: &str, params: &BTreeMap<String, Value>) -> Vec<Asked> {
        let Ok(compiled) = self.engine.compile(text) else { return Vec::new() };
        let mut all: Vec<Asked> = Vec::new();
        for asked in self.rehearsals(&compiled, params).flat_map(|(stage, _)| stage.asked) {
            if !all.contains(&asked) {
                all.push(asked);
            }
        }
        all
    }
}

/// What one rehearsal is told and hears.
#[derive(Debug, Default)]
struct Stage {
    yes: bool,
    falls: bool,
    calls: u32,
    misuse: Option<Misuse>,
    asked: Vec<Asked>,
}

impl Stage {
    /// Writes down which cells a call asks for, if it asks for any.
    fn hear(&mut self, name: &str, given: &[Value], named: &BTreeMap<String, Value>) {
        let (true, Some(group)) = (forms(name).1, given.first().and_then(Value::as_str)) else { return };
        let own = own(name);
        let named = named.iter().filter(|(axis, _)| !own.contains(&axis.as_str()));
        let named: BTreeMap<String, Value> = named.map(|(axis, value)| (axis.clone(), value.clone())).collect();
        let sides: Vec<&serde_json::Map<String, Value>> = given.iter().filter_map(Value::as_object).collect();
        let with = |side: &serde_json::Map<String, Value>| {
            named.clone().into_iter().chain(side.iter().map(|(axis, value)| (axis.clone(), value.clone()))).collect()
        };
        let at = if sides.is_empty() { vec![named] } else { sides.into_iter().map(with).collect() };
        self.asked.extend(at.into_iter().map(|at| Asked { group: group.to_owned(), at }));
    }
}

/// A call that could not be answered whatever is measured.
#[derive(Debug, Clone, PartialEq)]
struct Misuse {
    message: String,
    hint: Option<String>,
    /// Whether the value of an argument is at fault, which may have been made of made-up numbers.
    value: bool,
}

/// What each function takes, as it is written.
fn usage(name: &str) -> String {
    match name {
        "spearman" | "correlation" => {
            format!("write {name}('group', 'x', 'y', axis=value) or {name}('group', 'x', 'other', 'y', axis=value)")
        }
        "stronger" => {
            "write stronger('group', 'y', 'a', 'b', axis=value), where a and b are scalars of the group, or of another: 'other.scalar'"
                .to_owned()
        }
        "difference" => "write difference('group', 'scalar', {'axis': value}, {'axis': other})".to_owned(),
        "above" | "below" => format!("write {name}(difference(…)) or {name}(difference(…), bound)"),
        "within" => "write within(difference(…), margin)".to_owned(),
        "every" => "write every([…]) with answers that are true, false or none".to_owned(),
        "agree" => "write agree(values('group', 'scalar'), [numbers], tolerance, unit=1e9)".to_owned(),
        name => format!("write {name}('group', 'scalar', axis=value)"),
    }
}

/// What an argument must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Text,
    Map,
    Number,
    Interval,
    Numbers,
    Answers,
}

impl Sort {
    fn words(self) -> &'static str {
        match self {
            Self::Text => "a text",
            Self::Map => "a map of axes",
            Self::Number => "a number",
            Self::Interval => INTERVAL,
            Self::Numbers => "a list of numbers",
            Self::Answers => "a list of answers, each true, false or none",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Map => value.is_object() && !is_interval(value),
            Self::Number => value.is_number(),
            Self::Interval => is_interval(value),
            Self::Numbers => value.as_array().is_some_and(|list| list.iter().all(Value::is_number)),
            Self::Answers => value.as_array().is_some_and(|list| {
                !list.is_empty() && list.iter().all(|answer| answer.is_boolean() || answer.is_null())
            }),
        }
    }
}

/// What an interval is called.
const INTERVAL: &str = "an interval";

/// Whether a name is that of a function that only claims may call.
fn is_claims(name: &str) -> bool {
    CLAIM_FUNCTIONS.contains(&name)
}

fn is_interval(value: &Value) -> bool {
    ["estimate", "lower", "upper", "n"].iter().all(|name| value.get(name).is_some_and(Value::is_number))
}

/// What a value is, in words; an interval is one, and not a map.
fn kind(value: &Value) -> &'static str {
    if is_interval(value) { INTERVAL } else { what(value) }
}

/// The arguments of a function by place, in each form that it has, and whether what is named is an axis besides.
fn forms(name: &str) -> (&'static [&'static [Sort]], bool) {
    use Sort::{Answers, Interval, Map, Number, Numbers, Text};
    match name {
        "spearman" | "correlation" => (&[&[Text; 3], &[Text; 4]], true),
        "stronger" => (&[&[Text; 4]], true),
        "difference" => (&[&[Text, Text, Map, Map]], true),
        "above" | "below" => (&[&[Interval], &[Interval, Number]], false),
        "within" => (&[&[Interval, Number]], false),
        "every" => (&[&[Answers]], false),
        "agree" => (&[&[Numbers, Numbers, Number]], false),
        _ => (&[&[Text; 2]], true),
    }
}

/// What a function takes by name that is no axis.
fn own(name: &str) -> &'static [&'static str] {
    match name {
        "difference" => &["level"],
        "correlation" | "stronger" => &["level", "over"],
        "spearman" => &["over"],
        "agree" => &["unit"],
        _ => &[],
    }
}

/// What no number could mend of a call.
fn misuse(name: &str, given: &[Value], named: &BTreeMap<String, Value>, axes: &Axes) -> Option<Misuse> {
    let wrong = |message: String, value: bool| Some(Misuse { message, hint: Some(usage(name)), value });
    let (forms, asks) = forms(name);
    let Some(form) = forms.iter().find(|form| form.len() == given.len()) else {
        let counts: Vec<String> = forms.iter().map(|form| form.len().to_string()).collect();
        let one = counts == ["1"];
        let message = format!(
            "`{name}` takes {} argument{}, and was given {}",
            counts.join(" or "),
            if one { "" } else { "s" },
            given.len()
        );
        return wrong(message, false);
    };
    for (place, (sort, value)) in ["first", "second", "third", "fourth"].into_iter().zip(form.iter().zip(given)) {
        if !sort.fits(value) {
            let given = if value.is_array() && matches!(sort, Sort::Numbers | Sort::Answers) {
                "another list"
            } else {
                kind(value)
            };
            let message = format!("the {place} argument of `{name}` must be {}, and is {given}", sort.words());
            return wrong(message, false);
        }
    }
    let own = own(name);
    for (own, value) in own.iter().filter_map(|own| Some((*own, named.get(*own)?))) {
        let is_axes = value.is_string() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
        let (fits, words) = match own {
            "over" => (is_axes, "an axis or a list of axes"),
            _ => (value.is_number(), "a number"),
        };
        if !fits {
            return wrong(format!("`{own}` of `{name}` must be {words}, and is {}", kind(value)), false);
        }
    }
    let unknown = named.keys().find(|name| !asks && !own.contains(&name.as_str()));
    if let Some(unknown) = unknown {
        return wrong(format!("`{name}` takes nothing by the name `{unknown}`"), false);
    }
    if asks && let Some(found) = unknown_axis(name, given, named, own, axes) {
        return Some(found);
    }
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let (level, unit) = (number(named.get("level")), number(named.get("unit")));
    if own.contains(&"level") && level.is_some_and(|level| !(level > 0.0 && level < 1.0)) {
        return wrong(format!("the `level` of an interval lies between 0 and 1, and is {}", named["level"]), true);
    }
    if name == "within" && number(given.get(1)).is_some_and(|margin| margin <= 0.0) {
        return wrong(format!("the margin of `within` must be more than 0, and is {}", given[1]), true);
    }
    if name == "agree" && number(given.get(2)).is_some_and(|tolerance| tolerance < 0.0) {
        return wrong(format!("the tolerance of `agree` must not be negative, and is {}", given[2]), true);
    }
    if name == "agree" && unit.is_some_and(|unit| unit <= 0.0) {
        return wrong(format!("the `unit` of `agree` must be more than 0, and is {}", named["unit"]), true);
    }
    None
}

/// An axis that the cells of the group do not have. A group without cells may have any.
fn unknown_axis(
    name: &str,
    given: &[Value],
    named: &BTreeMap<String, Value>,
    own: &[&str],
    axes: &Axes,
) -> Option<Misuse> {
    let group = given.first()?.as_str()?;
    let known = axes.get(group)?;
    let by_name = named.keys().filter(|name| !own.contains(&name.as_str()));
    let in_maps = given.iter().filter_map(Value::as_object).flat_map(|map| map.keys());
    let over = named.get("over").filter(|_| own.contains(&"over"));
    let over: Vec<String> = match over {
        Some(Value::String(axis)) => vec![axis.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    let unknown = by_name.chain(in_maps).chain(&over).find(|axis| !known.contains(*axis))?;
    let message = format!("`{group}` has no axis `{unknown}`, by which this `{name}` asks");
    let hint = suggest::hint(unknown, known.iter().map(String::as_str));
    Some(Misuse { message, hint: hint.or_else(|| Some("its cells have no axes".to_owned())), value: false })
}

fn functions(axes: &Arc<Axes>, stage: &Arc<Mutex<Stage>>) -> Functions {
    let function = |name: &'static str| {
        let (axes, stage) = (Arc::clone(axes), Arc::clone(stage));
        let function: Function = Arc::new(move |given: &[Value], named: &BTreeMap<String, Value>| {
            let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(misuse) = misuse(name, given, named, &axes) {
                let message = misuse.message.clone();
                stage.misuse = Some(misuse);
                return Err(message);
            }
            stage.hear(name, given, named);
            stage.calls += 1;
            let number = f64::from(if stage.falls { 1_000_000 - stage.calls.min(999_999) } else { stage.calls });
            Ok(match name {
                "above" | "below" | "within" | "every" | "agree" => stage.yes.into(),
                "difference" | "correlation" | "stronger" | "interval" => {
                    json!({"estimate": number, "lower": number, "upper": number, "n": 2})
                }
                "values" => json!([number, number]),
                "count" => (number as u64).into(),
                _ => number.into(),
            })
        });
        (name.to_owned(), function)
    };
    CLAIM_FUNCTIONS.into_iter().map(function).collect()
}
