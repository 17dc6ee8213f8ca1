//! A crate's head, `isoflop.json`: which study, how it was set, and what of it is in the crate.

use std::fmt;

use isoflop_contract::Digest;
use serde::{Deserialize, Serialize};

/// What a crate says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The layout of crates: 1.
    pub version: u32,
    /// The isoflop that wrote it.
    pub isoflop: String,
    /// The study's name.
    pub study: String,
    /// Its file in the crate.
    pub file: String,
    /// How it was set.
    pub set: Set,
    /// The digest of its plan.
    pub plan: Digest,
    /// The time of the last event in the record, RFC 3339: writing a crate has no date of its own.
    pub published: String,
    /// Which bytes were asked for.
    pub bytes: Which,
    /// Tasks of the plan.
    pub planned: u64,
    /// Those without a result, by name.
    pub missing: Vec<String>,
    /// Under which licence the results are given, as an address or a sentence.
    #[serde(default)]
    pub license: Option<String>,
    /// Whose they are.
    #[serde(default)]
    pub author: Option<String>,
}

/// How a study was set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Parameters that were given, as they were typed.
    pub params: Vec<(String, String)>,
    /// The profile.
    pub profile: Option<String>,
}

impl fmt::Display for Set {
    /// The flags, each with a blank before it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(profile) = &self.profile {
            write!(f, " --profile {}", quoted(profile))?;
        }
        self.params.iter().try_for_each(|(name, value)| write!(f, " -p {}", quoted(&format!("{name}={value}"))))
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/+@%".contains(c);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

/// Which bytes of artifacts a crate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// None: manifests with digests and final numbers alone.
    None,
    /// Those of artifacts that claims ask for or nothing else needs, and every small file.
    Results,
    /// All.
    All,
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Results => "results",
            Self::All => "all",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_as_a_shell_takes_them() {
        let params = vec![("steps".to_owned(), "5".to_owned()), ("note".to_owned(), "it's".to_owned())];
        let set = Set { params, profile: Some("smoke".to_owned()) };
        assert_eq!(set.to_string(), r" --profile smoke -p steps=5 -p 'note=it'\''s'");
        assert_eq!(Set::default().to_string(), "");
    }
}
