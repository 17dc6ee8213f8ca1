//! What may stand for each argument, by the argument's name: whichever verb has one called `study`, `task` or `profile` is completed.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    sync::Arc,
};

use clap::{Arg, Command, builder::StyledStr};
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use isoflop_kinds::{catalog::catalog, fit::Form, model::networks};

use super::{
    study::{Place, studies, typed},
    text,
};
use crate::verbs::schema::STUDY;

/// The most candidates that a shell is given: nobody reads more, and a shell that sorts them would be felt.
const MANY: usize = 1000;

/// The command with a completer on each argument that has one here.
pub fn attach(command: Command, words: &[OsString]) -> Command {
    let place = Arc::new(Place::of(&command, words));
    command.mut_subcommands(|verb| {
        let name = verb.get_name().to_owned();
        verb.mut_args(|arg| match completer(&name, &arg, &place) {
            Some(completer) => arg.add(completer),
            None => arg,
        })
    })
}

fn completer(verb: &str, arg: &Arg, place: &Arc<Place>) -> Option<ArgValueCompleter> {
    let place = Arc::clone(place);
    let of = |list: fn(&Place, &str) -> Vec<CompletionCandidate>| {
        Some(ArgValueCompleter::new(move |typed: &OsStr| list(&place, text(typed))))
    };
    match (verb, arg.get_id().as_str()) {
        ("show" | "get", "study") => {
            of(|place, typed| starting(typed, place.outline().name.map(|name| (name, String::new()))))
        }
        (_, "study" | "studies") => Some(ArgValueCompleter::new(study)),
        ("audit", "run") => Some(ArgValueCompleter::new(run_or_crate)),
        ("show" | "get" | "logs", "name") | (_, "task" | "tasks" | "select" | "selection" | "only") => of(tasks),
        (_, "profile") => of(profiles),
        (_, "params") => of(params),
        ("model", "model" | "compare") => Some(ArgValueCompleter::new(model)),
        ("schema", "kind") => of(|_, typed| {
            let kinds = catalog().iter().map(|kind| (kind.name.to_owned(), kind.about.to_owned())).collect::<Vec<_>>();
            starting(typed, kinds.into_iter().chain([(STUDY.to_owned(), "A whole study, for editors.".to_owned())]))
        }),
        (_, "form") => of(|_, typed| starting(typed, Form::all().map(|form| (form.name().to_owned(), String::new())))),
        _ => None,
    }
}

/// Those that begin with what was typed.
fn starting(typed: &str, all: impl IntoIterator<Item = (String, String)>) -> Vec<CompletionCandidate> {
    let fits = all.into_iter().filter(|(value, _)| value.starts_with(typed));
    fits.take(MANY).map(|(value, about)| candidate(value, &about)).collect()
}

fn candidate(value: String, about: &str) -> CompletionCandidate {
    let about = (!about.is_empty()).then(|| StyledStr::from(about.to_owned()));
    CompletionCandidate::new(value).help(about)
}

/// Studies below `./studies`, then any path.
fn study(typed: &OsStr) -> Vec<CompletionCandidate> {
    let known = studies();
    let mut found = starting(text(typed), known.iter().map(|study| (study.clone(), String::new())));
    if found.is_empty() {
        found.extend(PathCompleter::any().complete(typed));
    }
    found
}

/// The latest runs, then any path: a crate may lie anywhere.
fn run_or_crate(typed: &OsStr) -> Vec<CompletionCandidate> {
    let runs = [("latest", "the latest run"), ("latest~1", "the run before it")];
    let mut found = starting(text(typed), runs.map(|(name, about)| (name.to_owned(), about.to_owned())));
    found.extend(PathCompleter::any().complete(typed));
    found
}

/// Presets, then any path.
fn model(typed: &OsStr) -> Vec<CompletionCandidate> {
    let presets = networks().map(|(name, about)| (name.to_owned(), about.to_owned()));
    let mut found = starting(text(typed), presets);
    if found.is_empty() {
        found.extend(PathCompleter::file().complete(typed));
    }
    found
}

/// Groups of tasks; the cells of one group once it is clear which.
fn tasks(place: &Place, typed: &str) -> Vec<CompletionCandidate> {
    let Some(plan) = place.plan() else {
        return starting(typed, place.outline().tasks); // the study has mistakes: what it says is all there is
    };
    let mut groups: BTreeMap<&str, (usize, &str)> = BTreeMap::new();
    let mut order = Vec::new();
    for task in plan.tasks() {
        let group = groups.entry(&task.group).or_insert_with(|| {
            order.push(task.group.as_str());
            (0, task.kind)
        });
        group.0 += 1;
    }
    let meant: BTreeSet<&str> = match typed.split_once('[') {
        Some((group, _)) => order.iter().copied().filter(|name| *name == group).collect(),
        None => order.iter().copied().filter(|name| name.starts_with(typed)).collect(),
    };
    let mut found = Vec::new();
    if !typed.contains('[') {
        found.extend(order.iter().filter(|name| meant.contains(*name)).map(|name| {
            let (cells, kind) = groups[name];
            let about = if cells == 1 { kind.to_owned() } else { format!("{kind}, {cells} cells") };
            ((*name).to_owned(), about)
        }));
    }
    if meant.len() == 1 {
        let cells = plan.tasks().iter().filter(|task| meant.contains(task.group.as_str()) && task.name != task.group);
        found.extend(cells.map(|task| (task.name.clone(), task.kind.to_owned())));
    }
    starting(typed, found)
}

/// Profiles, with what each sets.
fn profiles(place: &Place, typed: &str) -> Vec<CompletionCandidate> {
    let profiles = place.outline().profiles;
    starting(
        typed,
        profiles.into_iter().map(|(name, sets)| {
            let sets: Vec<String> = sets.into_keys().collect();
            (name, if sets.is_empty() { String::new() } else { format!("sets {}", sets.join(", ")) })
        }),
    )
}

/// `name=`, and behind it the default and what profiles set.
fn params(place: &Place, written: &str) -> Vec<CompletionCandidate> {
    let outline = place.outline();
    let Some((name, _)) = written.split_once('=') else {
        let names = outline.params.iter().map(|(name, default)| {
            (format!("{name}="), typed(default).map(|value| format!("default {value}")).unwrap_or_default())
        });
        return starting(written, names);
    };
    let default = outline.params.get(name).map(|value| (value, "default".to_owned()));
    let profiles =
        outline.profiles.iter().filter_map(|(profile, sets)| Some((sets.get(name)?, format!("profile {profile}"))));
    let mut seen = BTreeSet::new();
    let values = default
        .into_iter()
        .chain(profiles)
        .filter_map(|(value, about)| Some((format!("{name}={}", typed(value)?), about)));
    starting(written, values.filter(|(value, _)| seen.insert(value.clone())).collect::<Vec<_>>())
}
