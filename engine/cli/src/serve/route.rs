//! Routes: what an address asks for.

use isoflop_contract::Digest;

/// What is asked for, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What.
    pub route: Route,
    /// The parameters behind the question mark.
    pub query: Query,
}

/// What an address leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// The runs and studies.
    Home,
    /// One run, by what names it on the command line too.
    Run(String),
    /// One study.
    Study(String),
    /// Its report.
    Report(String),
    /// One task, by name, key or artifact.
    Task(String),
    /// What a task rests on, or what rests on it.
    Lineage(String, Way),
    /// The log of a task's latest attempt.
    Log(String),
    /// A file of an artifact.
    File(Digest, String),
    /// The style of all pages.
    Style,
    /// What makes pages live, and sorts their tables.
    Script,
    /// The same for programs.
    Api(Api),
}

/// Which way a lineage is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// To what it rests on.
    Up,
    /// To what rests on it.
    Down,
}

/// What programs may ask for: each is what a verb prints with `--json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Api {
    /// `runs`.
    Runs,
    /// `status`, of what is under way or of one run.
    Status(Option<String>),
    /// `show`.
    Task(String),
    /// `trace`.
    Trace(String),
    /// `logs`.
    Log(String),
    /// `claims`.
    Claims(String),
}

/// Parameters of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// The parameter `name`, if it was given and is not empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(given, value)| given == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The same as a number; nothing else counts.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.text(name)?.parse().ok()
    }
}

impl Asked {
    /// Reads an address as a request has it: its path, and its query. Nothing if it leads nowhere.
    pub fn read(path: &str, query: &str) -> Option<Self> {
        Some(Self { route: Route::read(path)?, query: pairs(query) })
    }
}

impl Route {
    fn read(path: &str) -> Option<Self> {
        let rest = path.strip_prefix('/')?;
        // Cut before it is decoded: a name may hold what separates names.
        let parts: Vec<String> = rest.split('/').map(|part| decoded(part, false)).collect::<Option<_>>()?;
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let own = |text: &&str| Some((*text).to_owned()).filter(|text| !text.is_empty());
        Some(match parts.as_slice() {
            [""] => Self::Home,
            ["style.css"] => Self::Style,
            ["script.js"] => Self::Script,
            ["runs", run] => Self::Run(own(run)?),
            ["studies", study] => Self::Study(own(study)?),
            ["studies", study, "report"] => Self::Report(own(study)?),
            ["tasks", task] => Self::Task(own(task)?),
            ["tasks", task, "up"] => Self::Lineage(own(task)?, Way::Up),
            ["tasks", task, "down"] => Self::Lineage(own(task)?, Way::Down),
            ["tasks", task, "log"] => Self::Log(own(task)?),
            ["artifacts", digest, file @ ..] if !file.is_empty() => Self::File(digest.parse().ok()?, file.join("/")),
            ["api", "runs"] => Self::Api(Api::Runs),
            ["api", "status"] => Self::Api(Api::Status(None)),
            ["api", "runs", run] => Self::Api(Api::Status(Some(own(run)?))),
            ["api", "tasks", task] => Self::Api(Api::Task(own(task)?)),
            ["api", "tasks", task, "trace"] => Self::Api(Api::Trace(own(task)?)),
            ["api", "tasks", task, "log"] => Self::Api(Api::Log(own(task)?)),
            ["api", "studies", study, "claims"] => Self::Api(Api::Claims(own(study)?)),
            _ => return None,
        })
    }
}

fn pairs(query: &str) -> Query {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decoded(name, true)?, decoded(value, true)?))
    });
    Query(pairs.collect())
}

/// Percent-decoded text; nothing if it is no UTF-8 then, or holds what no name holds.
fn decoded(text: &str, plus: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            b'+' if plus => b' ',
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lead_where_they_say() {
        let read = |path: &str| Asked::read(path, "").map(|asked| asked.route);
        assert_eq!(read("/"), Some(Route::Home));
        assert_eq!(read("/tasks/train%5Bsize%3Ds%2Cseed=0%5D"), Some(Route::Task("train[size=s,seed=0]".to_owned())));
        assert_eq!(read("/tasks/a%2Fb/up"), Some(Route::Lineage("a/b".to_owned(), Way::Up)));
        assert_eq!(read("/api/runs/latest~1"), Some(Route::Api(Api::Status(Some("latest~1".to_owned())))));
        let digest = Digest::of("x");
        assert_eq!(read(&format!("/artifacts/{digest}/a/b.png")), Some(Route::File(digest, "a/b.png".to_owned())));
        for nowhere in [
            "",
            "x",
            "/tasks/",
            "/tasks",
            "/runs/a/b",
            "/artifacts/12/x",
            "/artifacts",
            "/tasks/%ff",
            "/tasks/%0",
            "/tasks/%00",
            "/tasks/%+1",
            "//",
            "/..",
        ] {
            assert_eq!(read(nowhere), None, "{nowhere}");
        }
    }

    #[test]
    fn parameters_are_read_as_forms_write_them() {
        let query = Asked::read("/", "study=a+b%26c&n=20&empty=&x=%zz&flag").unwrap().query;
        assert_eq!((query.text("study"), query.number("n"), query.text("empty")), (Some("a b&c"), Some(20), None));
        assert_eq!((query.text("x"), query.text("flag"), query.number("study")), (None, None, None));
    }
}
