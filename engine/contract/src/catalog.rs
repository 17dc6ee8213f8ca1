//! The catalog: every kind there is, in a form that needs no type parameter.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use crate::{
    canon,
    cost::Cost,
    kind::{Kind, Runtime},
    port::{Port, Ports},
    shape::Artifact,
};

/// One kind with its types erased.
#[derive(Clone)]
pub struct Entry {
    /// [`Kind::NAME`].
    pub name: &'static str,
    /// [`Kind::REVISION`].
    pub revision: u32,
    /// [`Kind::RUNTIME`].
    pub runtime: Runtime,
    /// [`Kind::SEEDED`].
    pub seeded: bool,
    /// [`Kind::ABOUT`].
    pub about: &'static str,
    /// [`Kind::EXAMPLE`].
    pub example: &'static str,
    /// The ports of [`Kind::Needs`].
    pub ports: &'static [Port],
    /// The shape of [`Kind::Makes`].
    pub makes: &'static str,
    read: fn(&Value) -> Result<Reading, SpecError>,
}

/// A `with:` that a kind has read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The spec in canonical form, every default written out.
    pub spec: Value,
    /// What one execution costs.
    pub cost: Cost,
}

/// A step from a value to one inside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// The member of this name.
    Field(String),
    /// The item at this index.
    Index(usize),
}

/// Why a kind refuses a `with:`, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    /// From the top of `with:` to the value at fault.
    pub path: Vec<Segment>,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A field that the kind does not have.
    UnknownField {
        /// What was written.
        field: String,
        /// What there is.
        expected: Vec<String>,
    },
    /// A field that has no default and was left out.
    MissingField(String),
    /// Anything else: a wrong type, a value out of range.
    Invalid(String),
}

impl Entry {
    /// The entry of `K`.
    pub fn of<K: Kind>() -> Self {
        Self {
            name: K::NAME,
            revision: K::REVISION,
            runtime: K::RUNTIME,
            seeded: K::SEEDED,
            about: K::ABOUT,
            example: K::EXAMPLE,
            ports: K::Needs::PORTS,
            makes: K::Makes::SHAPE,
            read: read::<K>,
        }
    }

    /// Reads a `with:` through the kind's own type.
    pub fn read(&self, with: &Value) -> Result<Reading, SpecError> {
        (self.read)(with)
    }

    /// The port `name`.
    pub fn port(&self, name: &str) -> Option<&'static Port> {
        self.ports.iter().find(|port| port.name == name)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} r{}", self.name, self.revision)
    }
}

/// Reads a value into a type; what is wrong comes back with its place.
pub fn typed<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, SpecError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = segments(error.path());
        SpecError { fault: fault(&error.into_inner().to_string()), path }
    })
}

fn read<K: Kind>(with: &Value) -> Result<Reading, SpecError> {
    let kind: K = typed(with)?;
    kind.check().map_err(|complaint| SpecError {
        path: complaint.field.split('.').filter(|f| !f.is_empty()).map(|f| Segment::Field(f.to_owned())).collect(),
        fault: Fault::Invalid(complaint.problem),
    })?;
    let spec = canon::value(&kind)
        .map_err(|error| SpecError { path: Vec::new(), fault: Fault::Invalid(error.to_string()) })?;
    Ok(Reading { spec, cost: kind.cost() })
}

fn segments(path: &serde_path_to_error::Path) -> Vec<Segment> {
    use serde_path_to_error::Segment as From;
    path.iter()
        .filter_map(|segment| match segment {
            From::Seq { index } => Some(Segment::Index(*index)),
            From::Map { key } => Some(Segment::Field(key.clone())),
            From::Enum { .. } | From::Unknown => None,
        })
        .collect()
}

/// Reads serde's own sentences ("unknown field `a`, expected one of `b`, `c`") back into their parts.
fn fault(message: &str) -> Fault {
    let quoted = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let mut names = quoted(rest).into_iter();
        if let Some(field) = names.next() {
            return Fault::UnknownField { field, expected: names.collect() };
        }
    }
    if let Some(rest) = message.strip_prefix("missing field ")
        && let Some(field) = quoted(rest).into_iter().next()
    {
        return Fault::MissingField(field);
    }
    Fault::Invalid(message.to_owned())
}

/// All kinds by name.
#[derive(Debug, Clone, Default)]
pub struct Catalog(BTreeMap<&'static str, Entry>);

impl Catalog {
    /// The catalog of these entries. Two kinds of one name are a mistake in the program.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut kinds = BTreeMap::new();
        for entry in entries {
            let name = entry.name;
            assert!(kinds.insert(name, entry).is_none(), "two kinds are named {name}");
        }
        Self(kinds)
    }

    /// The kind `name`.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.0.get(name)
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::{kind::Complaint, port::NoNeeds};

    #[derive(Debug)]
    enum Curve {}
    impl Artifact for Curve {
        const SHAPE: &'static str = "curve";
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Fit {
        x: String,
        #[serde(default = "thousand")]
        bootstrap: u32,
        #[serde(default)]
        bounds: Vec<Bound>,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bound {
        low: f64,
    }

    fn thousand() -> u32 {
        1000
    }

    impl Kind for Fit {
        const NAME: &'static str = "fit";
        const REVISION: u32 = 1;
        const RUNTIME: Runtime = Runtime::Native;
        const SEEDED: bool = true;
        const ABOUT: &'static str = "Fits.";
        const EXAMPLE: &'static str = "x: compute";
        type Needs = NoNeeds;
        type Makes = Curve;

        fn check(&self) -> Result<(), Complaint> {
            Complaint::unless(self.bootstrap > 0, "bootstrap", "must be positive")
        }
    }

    fn refused(with: &Value) -> (String, Fault) {
        let error = Entry::of::<Fit>().read(with).unwrap_err();
        let path: Vec<String> = error
            .path
            .iter()
            .map(|segment| match segment {
                Segment::Field(name) => name.clone(),
                Segment::Index(index) => index.to_string(),
            })
            .collect();
        (path.join("."), error.fault)
    }

    #[test]
    fn defaults_written_out_or_left_out_and_whole_floats_read_the_same() {
        let fit = Entry::of::<Fit>();
        let short = fit.read(&json!({"x": "compute", "bounds": [{"low": 1}]})).unwrap();
        let long = fit.read(&json!({"bounds": [{"low": 1.0}], "bootstrap": 1000, "x": "compute"})).unwrap();
        assert_eq!(short, long);
        assert_eq!(canon::text(&short.spec).unwrap(), r#"{"bootstrap":1000,"bounds":[{"low":1e0}],"x":"compute"}"#);
    }

    #[test]
    fn faults_say_where_and_what() {
        let unknown = Fault::UnknownField { field: "lo".into(), expected: vec!["low".into()] };
        assert_eq!(refused(&json!({"x": "c", "bounds": [{"lo": 1}]})), ("bounds.0.lo".into(), unknown));
        assert_eq!(refused(&json!({})), (String::new(), Fault::MissingField("x".into())));
        assert_eq!(
            refused(&json!({"x": "c", "bootstrap": 0})),
            ("bootstrap".into(), Fault::Invalid("must be positive".into()))
        );
        let (path, fault) = refused(&json!({"x": 3}));
        assert_eq!(path, "x");
        assert!(matches!(fault, Fault::Invalid(message) if message.contains("expected a string")));
    }
}
