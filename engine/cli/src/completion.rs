//! Completion in shells: small scripts that call `isoflop complete` at each TAB, and what it answers.
//!
//! What may come next is decided here and not in the scripts, so that names of tasks, parameters and profiles come from the study at hand. A
//! study with mistakes, or none, gives fewer candidates and never a message: a shell that completes has nowhere to show one. clap's own
//! scripts are not used: they lose a word at `=` and at quotes in bash, and a task's name has both.

mod candidates;
mod study;
mod words;

use std::{
    ffi::{OsStr, OsString},
    io::Write,
};

use clap::CommandFactory;
use clap_complete::engine;

use crate::{
    args::{Arguments, CompleteArgs, Shell},
    completion::words::{Line, reply},
};

/// How to have them, for `isoflop completions --help`.
pub const SETUP: &str = "\
To have it in every new shell:
  bash  echo 'source <(isoflop completions bash)' >> ~/.bashrc
  zsh   echo 'source <(isoflop completions zsh)' >> ~/.zshrc     (after compinit)
  fish  isoflop completions fish > ~/.config/fish/completions/isoflop.fish";

/// The shell's name.
pub fn name(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    }
}

/// The script that a shell reads.
pub fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("completion/isoflop.bash"),
        Shell::Zsh => include_str!("completion/isoflop.zsh"),
        Shell::Fish => include_str!("completion/isoflop.fish"),
    }
}

/// Prints what may stand in the place of the last word: one candidate a line, for zsh and fish with a tab and a sentence behind it. Fails
/// silently.
pub fn answer(args: &CompleteArgs) {
    let answers: String = if args.shell == Shell::Bash {
        let line = Line::read(&args.words.first().map(|line| line.to_string_lossy()).unwrap_or_default());
        let found = candidates(line.words.iter().map(OsString::from).collect()).into_iter();
        found.map(|(value, _)| reply(&line, &value, &args.breaks) + "\n").collect()
    } else {
        let found = candidates(args.words.clone()).into_iter();
        found.map(|(value, about)| value + "\t" + &about + "\n").collect()
    };
    // A reader that has gone needs no answer.
    let _ = std::io::stdout().write_all(answers.as_bytes());
}

/// What may stand in the place of the last of `words`, the first being the program, each with a sentence.
fn candidates(mut words: Vec<OsString>) -> Vec<(String, String)> {
    if words.is_empty() {
        return Vec::new();
    }
    if words.len() == 1 {
        words.push(OsString::new());
    }
    let last = words.len() - 1;
    let mut command = candidates::attach(Arguments::command(), &words);
    let current = std::env::current_dir().ok();
    let asked = words[last].to_string_lossy().into_owned();
    let found = engine::complete(&mut command, words, last, current.as_deref()).unwrap_or_default();
    let mut offered: Vec<(String, String)> = found
        .into_iter()
        .filter(|candidate| !candidate.is_hide_set())
        .filter_map(|candidate| {
            let about = candidate.get_help().map(ToString::to_string).unwrap_or_default();
            let about = about.lines().next().unwrap_or_default().replace('\t', " ");
            let value = candidate.get_value().to_str().filter(|value| !value.contains(['\n', '\t']))?;
            Some((value.to_owned(), about))
        })
        .collect();
    // Options are offered to whoever begins with a dash, and to whoever could write nothing else.
    if !asked.starts_with('-') && offered.iter().any(|(value, _)| !value.starts_with('-')) {
        offered.retain(|(value, _)| !value.starts_with('-'));
    }
    offered
}

/// A word as text, as far as it is one.
fn text(word: &OsStr) -> &str {
    word.to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_and_options_are_offered_with_what_they_do() {
        let offered = |words: &[&str]| candidates(words.iter().map(OsString::from).collect());
        let verbs = offered(&["isoflop", "pl"]);
        assert_eq!(verbs.len(), 1, "{verbs:?}");
        assert_eq!(verbs[0].0, "plan");
        assert!(verbs[0].1.contains("what would run"), "{verbs:?}");
        let all = offered(&["isoflop", ""]);
        assert!(all.iter().any(|(verb, _)| verb == "schema"));
        assert!(!all.iter().any(|(verb, _)| verb == "worker" || verb == "complete"), "{all:?}");
        assert!(offered(&["isoflop", "run", "--keep"]).iter().any(|(option, _)| option == "--keep-going"));
        assert_eq!(offered(&["isoflop", "completions", "z"])[0].0, "zsh");
        assert!(offered(&["isoflop", "model", "sdxl-td4"]).iter().all(|(name, _)| name.starts_with("sdxl-td4")));
        assert!(offered(&["isoflop", "model", "sdxl-td4"]).len() >= 3);
        assert_eq!(offered(&["isoflop", "schema", "train-d"])[0].0, "train-denoiser");
        assert_eq!(offered(&["isoflop", "fit", "x.csv", "--form", "power-"])[0].0, "power-offset");
        assert_eq!(offered(&["isoflop", "init", "--template", "d"])[0].0, "denoiser");
        assert!(offered(&[]).is_empty());
    }
}
