//! An account of where a value comes from, in words and for programs.

use isoflop_contract::Value;
use serde_json::json;

use crate::{
    finding::Way,
    plan::{Provenance, Variable, VariableKind},
    source::Origin,
    why::place,
};

/// Where a value comes from, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What the plan knows.
    pub provenance: Provenance,
}

impl Account {
    /// The account of a value.
    pub fn new(provenance: Provenance) -> Self {
        Self { provenance }
    }

    /// The variables that decide: those that are not made of others.
    fn deciding(&self) -> impl Iterator<Item = &Variable> {
        self.provenance
            .via
            .iter()
            .filter(|variable| !matches!(variable.what, VariableKind::Let | VariableKind::Argument))
    }

    /// The place to look at first: of the one variable that decides, else of the value itself.
    pub fn origin(&self) -> Option<&Origin> {
        let mut deciding = self.deciding();
        let only = match (deciding.next(), deciding.next()) {
            (Some(one), None) => one.origin.as_ref(),
            _ => None,
        };
        only.or(self.provenance.written.as_ref())
    }

    /// Every place that has to do with the value, with what is there; the deciding one first.
    pub fn places(&self) -> Vec<(String, Origin)> {
        let mut places: Vec<(String, Origin)> = Vec::new();
        for variable in &self.provenance.via {
            if let Some(origin) = &variable.origin {
                places.push((title(variable), origin.clone()));
            }
        }
        if let Some(written) = &self.provenance.written {
            let title = if self.provenance.via.is_empty() { "written here" } else { "used here" };
            places.push((title.to_owned(), written.clone()));
        }
        places.dedup_by(|a, b| a.1 == b.1);
        places
    }

    /// In few words, for the end of a sentence.
    pub fn short(&self) -> Option<String> {
        let mut deciding = self.deciding();
        match (deciding.next(), deciding.next()) {
            (Some(Variable { name, what: VariableKind::Flag, .. }), None) => Some(format!("flag -p {name}")),
            (Some(Variable { what: VariableKind::Profile(profile), origin: Some(origin), .. }), None) => {
                Some(format!("profile {profile}, {origin}"))
            }
            _ => self.origin().map(Origin::to_string),
        }
    }

    /// In full, as a comment beside the value. `study` is the study's own file.
    pub fn long(&self, study: &str) -> String {
        let at = |origin: &Origin| {
            if origin.file == study { origin.to_string() } else { format!("included {origin}") }
        };
        let mut parts: Vec<String> = Vec::new();
        for variable in &self.provenance.via {
            let part = match &variable.origin {
                Some(origin) => format!("{}, {}", title(variable), at(origin)),
                None => title(variable),
            };
            if !parts.contains(&part) {
                parts.push(part);
            }
        }
        match &self.provenance.written {
            Some(written) if parts.is_empty() => at(written),
            Some(written) => {
                parts.push(format!("used at {}", at(written)));
                parts.join("; ")
            }
            None if parts.is_empty() => "default".to_owned(),
            None => parts.join("; "),
        }
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let via: Vec<Value> = self
            .provenance
            .via
            .iter()
            .map(|variable| {
                let mut object = json!({
                    "name": variable.name,
                    "what": word(&variable.what),
                    "origin": variable.origin.as_ref().map(place),
                });
                if let VariableKind::Profile(profile) = &variable.what {
                    object["profile"] = profile.as_str().into();
                }
                object
            })
            .collect();
        json!({
            "default": self.provenance.written.is_none() && via.is_empty(),
            "written": self.provenance.written.as_ref().map(place),
            "via": via,
        })
    }
}

/// The variables behind a value as steps of the way to it.
pub(crate) fn ways(via: Vec<Variable>) -> impl Iterator<Item = Way> {
    Account::new(Provenance { written: None, via }).places().into_iter().map(|(what, origin)| Way { what, origin })
}

/// The account of a parameter: itself, without the templates that use it.
pub(crate) fn of_variable(variable: &Variable) -> Account {
    Account::new(Provenance { written: None, via: vec![variable.clone()] })
}

fn word(what: &VariableKind) -> &'static str {
    match what {
        VariableKind::Param => "param",
        VariableKind::Profile(_) => "profile",
        VariableKind::Flag => "flag",
        VariableKind::Axis => "axis",
        VariableKind::Let => "let",
        VariableKind::Argument => "argument",
    }
}

/// A variable in words.
fn title(variable: &Variable) -> String {
    match &variable.what {
        VariableKind::Profile(profile) => format!("profile {profile}"),
        VariableKind::Flag => format!("flag -p {}", variable.name),
        what => format!("{} {}", word(what), variable.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: usize, column: usize) -> Origin {
        Origin { file: "study.yaml".into(), line, column }
    }

    fn variable(name: &str, what: VariableKind, origin: Option<Origin>) -> Variable {
        Variable { name: name.into(), what, origin }
    }

    #[test]
    fn a_value_is_traced_to_what_decided_it() {
        let smoke = variable("steps", VariableKind::Profile("smoke".into()), Some(at(38, 12)));
        let account = Account::new(Provenance { written: Some(at(93, 14)), via: vec![smoke] });
        assert_eq!(account.long("study.yaml"), "profile smoke, study.yaml:38:12; used at study.yaml:93:14");
        assert_eq!(account.short().as_deref(), Some("profile smoke, study.yaml:38:12"));
        assert_eq!(account.origin(), Some(&at(38, 12)));

        let flag = Account::new(Provenance {
            written: Some(at(93, 14)),
            via: vec![variable("steps", VariableKind::Flag, None)],
        });
        assert_eq!(flag.long("study.yaml"), "flag -p steps; used at study.yaml:93:14");
        assert_eq!(flag.short().as_deref(), Some("flag -p steps"));

        // A `let` decides nothing by itself; two variables that do leave the template as the place to look at.
        let several = Account::new(Provenance {
            written: Some(at(93, 14)),
            via: vec![
                variable("model", VariableKind::Let, Some(at(80, 5))),
                variable("models", VariableKind::Param, Some(at(12, 3))),
                variable("size", VariableKind::Axis, Some(at(70, 9))),
            ],
        });
        assert_eq!(several.short().as_deref(), Some("study.yaml:93:14"));
        assert_eq!(several.places().len(), 4);

        assert_eq!(Account::new(Provenance::default()).long("study.yaml"), "default");
        let plain = Account::new(Provenance { written: Some(at(5, 6)), via: vec![] });
        assert_eq!(plain.long("study.yaml"), "study.yaml:5:6");
        assert_eq!(plain.long("other.yaml"), "included study.yaml:5:6");
    }
}
