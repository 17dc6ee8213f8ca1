//! The engine: compiles expressions, evaluates them within bounds, and says in our words what is wrong with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use isoflop_contract::Value;
use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior,
    value::{Rest, Value as Dynamic, ValueOrKwargs},
};

use crate::{
    access::{self, Access},
    function,
    inner::{ROOM, Scope, VALUE, count, dynamic, undynamic},
    power::{self, Cut, POWER, Rewritten},
    suggest,
    template::{ExpressionError, Function, Functions},
};

/// Instructions that one evaluation may take; what it allocates counts, too.
const FUEL: u64 = 1_000_000;
/// Instructions that all evaluations of a study may take together.
const ALL_FUEL: u64 = 300_000_000;
/// What compiling one expression takes of that.
const COMPILED: u64 = 1_000;
/// How many compiled expressions there may be at a time: each takes some kilobytes.
const ALIVE_LIMIT: u64 = 40_000;
/// What is said once they have.
pub(crate) const TOO_LONG: &str = "the templates of the study take too long together; what follows is not evaluated";
/// The function that says how much an evaluation has taken.
const SPENT: &str = "__spent";

/// Compiles expressions; holds the functions they may call, and what may still be spent on evaluating them.
pub(crate) struct Engine {
    environment: Environment<'static>,
    functions: BTreeSet<String>,
    /// What the evaluation under way has taken.
    spent: Arc<AtomicU64>,
    left: AtomicU64,
    /// How many evaluations have failed.
    failed: AtomicU64,
    /// How many compiled expressions there are.
    alive: AtomicU64,
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
        let spent = Arc::new(AtomicU64::new(0));
        let so_far = Arc::clone(&spent);
        environment.add_function(SPENT, move |state: &State| {
            so_far.store(state.fuel_levels().map_or(FUEL, |(spent, _)| spent), Ordering::Relaxed);
        });
        environment.add_function(POWER, power::power);
        environment.add_filter("int", |value: Dynamic| {
            let whole = undynamic(&value, &mut { ROOM }).map_err(|error| error.message);
            let whole = whole.and_then(|value| function::whole(&value));
            whole.map(|value| dynamic(&value)).map_err(|message| Error::new(ErrorKind::InvalidOperation, message))
        });
        Self {
            environment,
            functions: names,
            spent,
            left: AtomicU64::new(ALL_FUEL),
            failed: AtomicU64::new(0),
            alive: AtomicU64::new(0),
        }
    }

    /// The names of all functions.
    pub(crate) fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.iter().map(String::as_str)
    }

    /// Whether nothing more will be evaluated.
    pub(crate) fn is_spent(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }

    /// Takes so much of what may be spent.
    pub(crate) fn spend(&self, fuel: u64) {
        let left = self.left.load(Ordering::Relaxed);
        self.left.store(left.saturating_sub(fuel), Ordering::Relaxed);
    }

    /// Reads an expression.
    pub(crate) fn compile(&self, text: &str) -> Result<Compiled<'_>, ExpressionError> {
        if text.trim().is_empty() {
            return Err(ExpressionError::new("bad-expression", "the expression is empty"));
        }
        if is_name(text.trim()) {
            return Ok(Compiled {
                engine: self,
                program: None,
                names: [text.trim().to_owned()].into(),
                text: text.to_owned(),
            });
        }
        let cut = Cut::of(text)?;
        let read = |text: &str| self.environment.compile_expression_owned(text.to_owned());
        let mut expression = read(text).map_err(|error| sentence(&error, text))?;
        let names = expression.undeclared_variables(false).into_iter().collect();
        let fuel = cut.len() as u64;
        self.spend(COMPILED + fuel);
        // What calls nothing and repeats nothing takes no more than its tokens; everything else has to say what it took.
        let mut rewritten = None;
        if text.contains(['(', '|', '*', '+', '~', '[']) {
            let new = cut.rewrite()?.unwrap_or_else(|| Rewritten::of(text)).within("[(", &format!("), {SPENT}()]"));
            expression = read(&new.text).map_err(|error| sentence(&error, ""))?;
            rewritten = Some(new);
        }
        if self.alive.fetch_add(1, Ordering::Relaxed) >= ALIVE_LIMIT {
            self.alive.fetch_sub(1, Ordering::Relaxed);
            let message = format!("a task, with its variables, has more than {ALIVE_LIMIT} templates");
            return Err(ExpressionError::new("too-many-templates", message));
        }
        let program = Program { expression, rewritten, fuel, usual: AtomicU64::new(0) };
        Ok(Compiled { engine: self, program: Some(program), names, text: text.to_owned() })
    }

    /// Takes what a failed evaluation may have taken: its fuel is not known. A mistake shows up in every cell, so the first ones cost what
    /// the expression usually does.
    fn spend_failed(&self, usual: u64) {
        const CHEAP: u64 = 2_000;
        let often = self.failed.fetch_add(1, Ordering::Relaxed) >= CHEAP;
        self.spend(if often { FUEL / 4 } else { (2 * usual).clamp(COMPILED, FUEL) });
    }
}

/// Whether an expression is one name and nothing else, which needs no program.
fn is_name(text: &str) -> bool {
    const WORDS: [&str; 6] = ["true", "True", "false", "False", "none", "None"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&text)
        && !["and", "or", "not", "in", "is", "if", "else"].contains(&text)
}

/// An expression ready to be evaluated many times.
pub(crate) struct Compiled<'e> {
    engine: &'e Engine,
    /// `None` for a mere name.
    program: Option<Program<'e>>,
    names: BTreeSet<String>,
    text: String,
}

struct Program<'e> {
    expression: minijinja::Expression<'e, 'static>,
    /// What is evaluated in its place, if it says what it took.
    rewritten: Option<Rewritten>,
    /// What it takes at least.
    fuel: u64,
    /// The most that it has taken so far.
    usual: AtomicU64,
}

impl Drop for Compiled<'_> {
    fn drop(&mut self) {
        if self.program.is_some() {
            self.engine.alive.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Compiled<'_> {
    /// Refuses names that are not known.
    pub(crate) fn check_names(&self, known: &BTreeSet<&str>) -> Result<(), ExpressionError> {
        check_names(&self.text, &self.names, known, &self.engine.functions)
    }

    /// The variables and functions it uses.
    pub(crate) fn names(&self) -> &BTreeSet<String> {
        &self.names
    }

    /// The same in the order in which they are first used.
    pub(crate) fn names_as_used(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        names.sort_by_key(|name| find_name(&self.text, name).map_or(usize::MAX, |range| range.start));
        names
    }

    /// The value with these variables, as far as there is room for it.
    pub(crate) fn evaluate(&self, scope: &Scope, room: &mut usize) -> Result<Value, ExpressionError> {
        if self.engine.is_spent() {
            return Err(ExpressionError::new("templates-too-long", TOO_LONG));
        }
        let value = match &self.program {
            None => self.name(scope)?,
            Some(program) => program.evaluate(scope, self.engine).map_err(|error| {
                let said = program.sentence(&error, &self.text);
                let hint = if said.code == "undefined-name" { self.member(scope) } else { None };
                ExpressionError { hint: said.hint.clone().or(hint), ..said }
            })?,
        };
        if value.is_undefined() {
            let said = ExpressionError::new("undefined-name", format!("`{}` is not defined", self.text.trim()));
            return Err(ExpressionError { hint: self.member(scope), ..said });
        }
        let before = *room;
        let value = undynamic(&value, room);
        self.engine.spend(1 + ((before - *room) / VALUE) as u64);
        value
    }

    /// What a value has, where the expression asks it for a member that it does not have.
    fn member(&self, scope: &Scope) -> Option<String> {
        let value = |text: &str| {
            self.engine.spend(COMPILED + text.len() as u64);
            let value = self.engine.environment.compile_expression(text).ok()?.eval(scope.context()).ok();
            value.filter(|value| !value.is_undefined())
        };
        access::chains(&self.text).into_iter().filter(|chain| value(chain).is_none()).find_map(|mut chain| {
            loop {
                let access = Access::of(chain)?;
                match value(access.owner) {
                    Some(owner) => return access.hint(&owner, value),
                    None => chain = access.owner,
                }
            }
        })
    }

    fn name(&self, scope: &Scope) -> Result<Dynamic, ExpressionError> {
        let name = self.text.trim();
        match scope.get(name) {
            Some(value) => Ok(value.clone()),
            None if self.engine.functions.contains(name) => {
                Err(ExpressionError::new("bad-expression", "a function must be called with `(…)`"))
            }
            None => Ok(Dynamic::UNDEFINED),
        }
    }
}

impl Program<'_> {
    fn evaluate(&self, scope: &Scope, engine: &Engine) -> Result<Dynamic, Error> {
        let result = self.expression.eval(scope.context());
        let usual = self.usual.load(Ordering::Relaxed).max(self.fuel);
        match (&result, &self.rewritten) {
            (_, None) => engine.spend(self.fuel),
            (Ok(_), Some(_)) => {
                let spent = engine.spent.load(Ordering::Relaxed);
                self.usual.store(usual.max(spent), Ordering::Relaxed);
                engine.spend(spent.max(self.fuel));
            }
            (Err(error), Some(_)) if error.kind() == ErrorKind::OutOfFuel => engine.spend(FUEL),
            (Err(_), Some(_)) => engine.spend_failed(usual),
        }
        let value = result?;
        Ok(if self.rewritten.is_some() { value.get_item_by_index(0).unwrap_or_default() } else { value })
    }

    fn sentence(&self, error: &Error, text: &str) -> ExpressionError {
        let Some(rewritten) = &self.rewritten else { return sentence(error, text) };
        let mut said = sentence(error, &rewritten.text);
        said.range = said.range.and_then(|range| rewritten.original(&range));
        said
    }
}

/// Refuses names that are not known.
pub(crate) fn check_names(
    text: &str,
    used: &BTreeSet<String>,
    known: &BTreeSet<&str>,
    functions: &BTreeSet<String>,
) -> Result<(), ExpressionError> {
    let Some(name) = used.iter().find(|name| !known.contains(name.as_str())) else { return Ok(()) };
    Err(ExpressionError {
        range: find_name(text, name),
        hint: names_hint(name, known, functions),
        ..ExpressionError::new("undefined-name", format!("`{name}` is not defined here"))
    })
}

/// What was meant, or the variables there are; functions are known well enough.
fn names_hint(name: &str, known: &BTreeSet<&str>, functions: &BTreeSet<String>) -> Option<String> {
    if let Some(near) = suggest::nearest(name, known.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    suggest::hint(name, known.iter().copied().filter(|name| !functions.contains(*name)))
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
pub(crate) fn sentence(error: &Error, text: &str) -> ExpressionError {
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
    Dynamic::from_function(move |state: &State, arguments: Rest<ValueOrKwargs>| {
        let fail = |message: String| Error::new(ErrorKind::InvalidOperation, message);
        let room = &mut { ROOM };
        let mut positional = Vec::new();
        let mut named = BTreeMap::new();
        for argument in &arguments.into_values() {
            if argument.is_kwargs() {
                for name in argument.try_iter()? {
                    let value = undynamic(&argument.get_item(&name)?, room).map_err(|error| fail(error.message))?;
                    named.insert(name.to_string(), value);
                }
            } else {
                positional.push(undynamic(argument, room).map_err(|error| fail(error.message))?);
            }
        }
        let value = function(&positional, &named).map_err(fail)?;
        state.consume_fuel(((ROOM - *room) / VALUE) as u64 + 4 * count(&value))?;
        Ok(dynamic(&value))
    })
}
