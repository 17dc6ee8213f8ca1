//! Telling: reasons laid out for a person, each with the lines of the study that say so; what many tasks share is said once.

use std::collections::BTreeMap;

use isoflop_contract::Key;
use isoflop_plan::Reason;
use serde_json::{Value, json};

use crate::{
    output::{Output, Paint},
    reasons::{sort, sorts},
    snippet::Snippets,
    stop::Stop,
};

/// Tasks up to which each is told by itself.
const EACH: usize = 8;

/// One task, with all that is told of it.
#[derive(Debug)]
pub struct Told {
    /// Its name.
    pub name: String,
    /// Its group.
    pub group: String,
    /// Its key.
    pub key: Key,
    /// How it stands, for programs.
    pub state: &'static str,
    /// How it stands, for people, behind its name.
    pub verdict: String,
    /// The same of several tasks.
    pub plural: &'static str,
    /// Why.
    pub reasons: Vec<Reason>,
    /// What programs are told besides.
    pub more: Value,
}

impl Told {
    /// For programs; `state` is what the state is called.
    pub fn to_json(&self, state: &str) -> Value {
        let mut object = json!({
            "name": self.name,
            "key": self.key,
            "why": self.reasons.iter().map(Reason::to_string).collect::<Vec<_>>(),
            "reasons": self.reasons.iter().map(Reason::to_json).collect::<Vec<_>>(),
        });
        object[state] = self.state.into();
        if let Some(more) = self.more.as_object() {
            for (name, value) in more {
                object[name.as_str()] = value.clone();
            }
        }
        object
    }
}

/// Prints tasks: each by itself if there are few, else those that share group, state and reasons together.
pub fn print(told: &[Told], together: bool, out: &mut Output) -> Result<(), Stop> {
    let mut snippets = Snippets::default();
    if !together && told.len() <= EACH {
        for task in told {
            out.line(&format!("{} {}", out.paint(Paint::Bold, &task.name), task.verdict))?;
            for reason in &task.reasons {
                tell(reason, &reason.to_string(), &mut snippets, out)?;
            }
        }
        return Ok(());
    }
    let sizes = told.iter().fold(BTreeMap::new(), |mut sizes: BTreeMap<&str, usize>, task| {
        *sizes.entry(&task.group).or_default() += 1;
        sizes
    });
    for tasks in bundles(told) {
        let [first, rest @ ..] = tasks.as_slice() else { continue };
        if rest.is_empty() {
            out.line(&format!("{} {}", out.paint(Paint::Bold, &first.name), first.verdict))?;
        } else {
            let of = sizes[first.group.as_str()];
            let count =
                if tasks.len() == of { format!("all {of} cells") } else { format!("{} of {of} cells", tasks.len()) };
            out.line(&format!("{}: {count} {}", out.paint(Paint::Bold, &first.group), first.plural))?;
        }
        for (reason, count, other) in sorts(tasks.iter().flat_map(|task| &task.reasons)) {
            let mut text = sort(reason, other);
            if count < tasks.len() {
                text = format!("{text} ({count} of them)");
            }
            tell(reason, &text, &mut snippets, out)?;
        }
    }
    let (mut names, mut count) = (Vec::new(), 0);
    for (group, size) in plain(told) {
        count += size;
        names.push(if size == 1 && sizes[group] == 1 {
            group.to_owned()
        } else {
            format!("{group} ({size} of {})", sizes[group])
        });
    }
    match (count, told.iter().find(|task| task.reasons.is_empty())) {
        (1, Some(only)) => out.line(&format!("{} {}", out.paint(Paint::Bold, &only.name), only.verdict)),
        (1.., Some(first)) => out.line(&format!("{count} {}: {}", first.plural, names.join(", "))),
        _ => Ok(()),
    }
}

/// Tasks that have reasons, those together that share group, state and reasons; in the order of the first of each.
fn bundles(told: &[Told]) -> Vec<Vec<&Told>> {
    let mut bundles: Vec<Vec<&Told>> = Vec::new();
    let mut places = BTreeMap::new();
    for task in told.iter().filter(|task| !task.reasons.is_empty()) {
        let patterns: Vec<String> = task.reasons.iter().map(Reason::pattern).collect();
        let at = *places.entry((&task.group, task.state, patterns)).or_insert_with(|| {
            bundles.push(Vec::new());
            bundles.len() - 1
        });
        bundles[at].push(task);
    }
    bundles
}

/// Groups of tasks of which there is nothing to say, with how many.
fn plain(told: &[Told]) -> Vec<(&str, usize)> {
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for task in told.iter().filter(|task| task.reasons.is_empty()) {
        match groups.iter_mut().find(|(group, _)| *group == task.group) {
            Some((_, size)) => *size += 1,
            None => groups.push((&task.group, 1)),
        }
    }
    groups
}

/// One reason, and the lines of the study that have to do with it.
fn tell(reason: &Reason, text: &str, snippets: &mut Snippets, out: &mut Output) -> Result<(), Stop> {
    out.line(&format!("  {text}"))?;
    let Some(account) = reason.why.account() else { return Ok(()) };
    let places = account.places();
    let width = places.iter().map(|(_, origin)| origin.to_string().chars().count()).max().unwrap_or(0);
    let titles = places.iter().map(|(title, _)| title.chars().count()).max().unwrap_or(0);
    for (title, origin) in &places {
        let Some(line) = snippets.line(origin) else { continue };
        let place = format!("{:<width$}  {title:<titles$}  | ", origin.to_string());
        out.line(&format!("      {}{line}", out.paint(Paint::Dim, &place)))?;
    }
    Ok(())
}
