//! A file that a verb is told to write: what is there already stays, unless it is what that verb has written before.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use crate::stop::Stop;

/// So many bytes tell what a file is.
const ENOUGH: u64 = 64;

/// What a verb writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outfile {
    /// A page of HTML.
    Report,
    /// A plan that is saved: an object of JSON.
    Plan,
    /// Suggested runs: a part of a study, below a comment that says what they are for.
    Suggestion,
}

impl Outfile {
    /// Refuses a place where something else is. This is asked before the work begins: nobody shall wait for hours to hear it.
    pub fn may_go_to(self, path: &Path) -> Result<(), Stop> {
        // Where nothing can be seen there is nothing, or writing will tell what is wrong.
        let Ok(about) = fs::metadata(path) else { return Ok(()) };
        if about.is_dir() {
            return Err(Stop::Usage(format!("{} is a folder; name a file in it", path.display())));
        }
        // Nothing is lost in a pipe or a terminal.
        if !about.is_file() || beginning(path).is_ok_and(|bytes| bytes.is_empty() || self.is_begun_by(&bytes)) {
            return Ok(());
        }
        Err(Stop::Usage(format!(
            "{} is there already and is no {} of isoflop; name another file or remove it",
            path.display(),
            self.name()
        )))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Plan => "saved plan",
            Self::Suggestion => "suggestion",
        }
    }

    fn is_begun_by(self, bytes: &[u8]) -> bool {
        const PAGE: &[u8] = b"<!doctype html";
        match self {
            Self::Report => bytes.get(..PAGE.len()).is_some_and(|head| head.eq_ignore_ascii_case(PAGE)),
            Self::Plan => bytes.starts_with(b"{"),
            Self::Suggestion => {
                let text = String::from_utf8_lossy(bytes);
                let runs = text.strip_prefix("# ").and_then(|text| text.split_once(" runs for "));
                runs.is_some_and(|(number, rest)| number.parse::<u64>().is_ok() && rest.contains(" FLOP of "))
            }
        }
    }
}

fn beginning(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(ENOUGH).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_writes_over_its_own_files_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let all = [Outfile::Report, Outfile::Plan, Outfile::Suggestion];
        let may = || all.map(|outfile| outfile.may_go_to(&path).is_ok());
        assert_eq!(may(), [true; 3], "nothing is there");
        for (text, is_own) in [
            ("", [true; 3]),
            ("<!DOCTYPE html>\n<html>", [true, false, false]),
            ("{\n  \"version\": 1", [false, true, false]),
            ("# 4 runs for 2.999e21 FLOP of 3.000e21, which should narrow the standard error", [false, false, true]),
            ("# 4 runs for the paper\n", [false; 3]),
            ("study: mine\n", [false; 3]),
            ("<!doc", [false; 3]),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(may(), is_own, "{text}");
        }
        assert!(Outfile::Report.may_go_to(folder.path()).is_err_and(|stop| stop.to_string().contains("is a folder")));
    }
}
