//! The catalog: every kind there is, in a form that needs no type parameter.

use std::{borrow::Cow, collections::BTreeMap, fmt, sync::Arc};

use serde_json::Value;

use crate::{
    canon,
    cost::Cost,
    environment::Environment,
    fed::{Fed, Feeders, Misfit},
    kind::{Complaint, Kind, Outside, Runtime},
    port::{Port, Ports},
    schema,
    shape::{Any, Artifact},
};

/// A function that templates may call: positional arguments, arguments by name, and a sentence if it cannot.
pub type Function = Arc<dyn Fn(&[Value], &BTreeMap<String, Value>) -> Result<Value, String> + Send + Sync>;

/// Functions by the name they are called by.
pub type Functions = BTreeMap<String, Function>;

/// One kind with its types erased.
#[expect(clippy::struct_excessive_bools, reason = "each is a constant of the kind, independent of the others")]
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
    /// Whether it takes other ports too.
    pub open: bool,
    /// Whether it reads files of the study.
    pub files: bool,
    /// [`Kind::ALONE`].
    pub alone: bool,
    /// The shape of [`Kind::Makes`].
    pub makes: &'static str,
    read: fn(&Value) -> Result<Reading, SpecError>,
    suits: fn(&Value, &Fed<'_>) -> Vec<SpecError>,
    heeds: &'static [&'static str],
    follows: fn(&Value, &Feeders<'_>, &Environment) -> Vec<Misfit>,
    schema: fn() -> Value,
}

/// A `with:` that a kind has read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// The spec in canonical form, every default written out.
    pub spec: Value,
    /// What one execution costs.
    pub cost: Cost,
    /// The shape of what it makes.
    pub makes: Cow<'static, str>,
    /// Whether it uses randomness.
    pub seeded: bool,
    /// Paths and globs that count by what they name, as the files `code`.
    pub code: Vec<String>,
    /// What it uses of the machine besides.
    pub outside: Outside,
    /// How many processes can share it.
    pub shares: u64,
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
            open: K::Needs::OPEN,
            files: K::FILES,
            alone: K::ALONE,
            makes: K::Makes::SHAPE,
            read: read::<K>,
            suits: suits::<K>,
            heeds: K::FOLLOWS,
            follows: follows::<K>,
            schema: schema::of::<K>,
        }
    }

    /// Reads a `with:` through the kind's own type.
    pub fn read(&self, with: &Value) -> Result<Reading, SpecError> {
        (self.read)(with)
    }

    /// What of a `with:` that reads does not go with the ports and files of its task.
    pub fn suits(&self, with: &Value, fed: &Fed<'_>) -> Vec<SpecError> {
        (self.suits)(with, fed)
    }

    /// What of a spec, as it was read, and of the environment of its task does not go with the tasks that feed it.
    pub fn follows(&self, spec: &Value, feeders: &Feeders<'_>, here: &Environment) -> Vec<Misfit> {
        let heeds = self.heeds.iter().any(|port| feeders(port).is_some());
        if heeds { (self.follows)(spec, feeders, here) } else { Vec::new() }
    }

    /// The shape of what every task of the kind makes; `None` if each spec says it.
    pub fn makes_always(&self) -> Option<&'static str> {
        (self.makes != Any::SHAPE).then_some(self.makes)
    }

    /// The JSON Schema of a `with:` whose templates have become values.
    pub fn schema(&self) -> Value {
        (self.schema)()
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
    kind.check().map_err(|complaint| placed(complaint, with))?;
    let spec = canon::value(&kind)
        .map_err(|error| SpecError { path: Vec::new(), fault: Fault::Invalid(error.to_string()) })?;
    let (makes, seeded, code) = (kind.makes(), kind.seeded(), kind.code().to_vec());
    Ok(Reading { spec, cost: kind.cost(), makes, seeded, code, outside: kind.outside(), shares: kind.shares() })
}

fn suits<K: Kind>(with: &Value, fed: &Fed<'_>) -> Vec<SpecError> {
    match typed::<K>(with) {
        Ok(kind) => kind.suits(fed).into_iter().map(|complaint| placed(complaint, with)).collect(),
        Err(error) => vec![error],
    }
}

fn follows<K: Kind>(spec: &Value, feeders: &Feeders<'_>, here: &Environment) -> Vec<Misfit> {
    // A spec that does not read back has been complained of where it was read.
    typed::<K>(spec).map_or_else(|_| Vec::new(), |kind| kind.follows(feeders, here))
}

/// A complaint with its field as a path into `with`.
fn placed(complaint: Complaint, with: &Value) -> SpecError {
    let mut path = Vec::new();
    let mut value = Some(with);
    for part in complaint.field.split('.').filter(|part| !part.is_empty()) {
        let segment = match (value, part.parse()) {
            (Some(Value::Array(_)), Ok(index)) => Segment::Index(index),
            _ => Segment::Field(part.to_owned()),
        };
        value = value.and_then(|value| match &segment {
            Segment::Field(name) => value.get(name),
            Segment::Index(index) => value.get(index),
        });
        path.push(segment);
    }
    SpecError { path, fault: Fault::Invalid(complaint.problem) }
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

/// All kinds by name, and the functions that come with them.
#[derive(Clone, Default)]
pub struct Catalog {
    kinds: BTreeMap<&'static str, Entry>,
    functions: Functions,
}

impl Catalog {
    /// The catalog of these entries. Two kinds of one name are a mistake in the program.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Self {
        let mut kinds = BTreeMap::new();
        for entry in entries {
            let name = entry.name;
            assert!(kinds.insert(name, entry).is_none(), "two kinds are named {name}");
        }
        Self { kinds, functions: Functions::new() }
    }

    /// The same kinds, with functions that templates may call.
    #[must_use]
    pub fn with_functions(self, functions: Functions) -> Self {
        Self { functions, ..self }
    }

    /// The kind `name`.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.kinds.get(name)
    }

    /// All kinds, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.kinds.values()
    }

    /// What templates may call besides the built-in functions.
    pub fn functions(&self) -> &Functions {
        &self.functions
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let functions: Vec<&str> = self.functions.keys().map(String::as_str).collect();
        f.debug_struct("Catalog").field("kinds", &self.kinds).field("functions", &functions).finish()
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::{kind::Complaint, port::NoNeeds};

    #[derive(Debug)]
    enum Curve {}
    impl Artifact for Curve {
        const SHAPE: &'static str = "curve";
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Fit {
        x: String,
        #[serde(default = "thousand")]
        bootstrap: u32,
        #[serde(default)]
        bounds: Vec<Bound>,
    }

    #[derive(Serialize, Deserialize, JsonSchema)]
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

    /// Says what it makes, takes any port, and counts `code` by what it names.
    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Free {
        makes: String,
        #[serde(skip_serializing, default)]
        code: Vec<String>,
        #[serde(default)]
        argv: Vec<String>,
    }

    impl Kind for Free {
        const NAME: &'static str = "free";
        const REVISION: u32 = 1;
        const RUNTIME: Runtime = Runtime::Native;
        const SEEDED: bool = true;
        const FILES: bool = true;
        const ABOUT: &'static str = "Does anything.";
        const EXAMPLE: &'static str = "makes: curve";
        type Needs = crate::port::Open;
        type Makes = Any;

        fn makes(&self) -> Cow<'static, str> {
            Cow::Owned(self.makes.clone())
        }

        fn seeded(&self) -> bool {
            self.argv.iter().any(|word| word == "seed")
        }

        fn code(&self) -> &[String] {
            &self.code
        }

        fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
            let unknown = |(_, word): &(usize, &String)| !fed.ports.contains_key(word.as_str());
            let words = self.argv.iter().enumerate().filter(unknown);
            words.map(|(index, _)| Complaint::new(format!("argv.{index}"), "is no port")).collect()
        }
    }

    #[test]
    fn a_free_kind_tells_by_its_spec_what_others_tell_by_their_type() {
        let entry = Entry::of::<Free>();
        assert_eq!((entry.open, entry.files, entry.makes_always()), (true, true, None));
        let with = json!({"makes": "curve", "code": ["*.py"], "argv": ["data", "date"]});
        let reading = entry.read(&with).unwrap();
        assert_eq!(
            (reading.makes.as_ref(), reading.seeded, reading.code.as_slice()),
            ("curve", false, &["*.py".into()][..])
        );
        assert_eq!(reading.spec.get("code"), None, "code counts by what it names, not by its spelling");
        let fed = Fed { ports: BTreeMap::from([("data", crate::port::Arity::One)]), ..Fed::default() };
        let errors = entry.suits(&with, &fed);
        assert_eq!(errors[0].path, [Segment::Field("argv".into()), Segment::Index(1)]);
        assert_eq!(errors.len(), 1);
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
