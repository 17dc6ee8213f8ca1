//! What holds for one invocation: arguments, environment and the current folder, resolved. The only place that reads variables.

use std::{
    env,
    ffi::{OsStr, OsString},
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    time::Duration,
};

use isoflop_contract::quantity::Seconds;
use isoflop_exec::Confine;
use isoflop_ledger::{Engine, LeaseTerms, server::Search};
use isoflop_store::Remote;

use crate::args::{Color, Global};

/// The name of the folder that holds store, private ledger and logs.
const HOME: &str = ".isoflop";

/// How long a private server goes unused before it is stopped: as long as a person may think between two commands.
const SERVER_IDLE: Duration = Duration::from_mins(10);

/// Everything about where and how this invocation works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Folder of the store, the private ledger and the logs.
    pub home: PathBuf,
    /// URL of a shared ledger, if there is one.
    pub database: Option<String>,
    /// The store elsewhere, if there is one.
    pub remote: Option<Elsewhere>,
    /// How this engine presents itself to the ledger: `ISOFLOP_LEASE`, how long its leases last, and `ISOFLOP_HOST`, the name of its machine
    /// where several share one.
    pub engine: Engine,
    /// After how long without use the private server is stopped (`ISOFLOP_SERVER_IDLE`; `0s` for never).
    pub server_idle: Duration,
    /// Where to look for Postgres server binaries.
    pub search: Search,
    /// `PATH`, where worker programs are looked for last.
    pub path: Option<OsString>,
    /// The libtorch worker, if it was named.
    pub torch_worker: Option<PathBuf>,
    /// Whether stdout is coloured.
    pub color_out: bool,
    /// Whether stderr is coloured.
    pub color_err: bool,
    /// Whether stderr is a terminal on which what was written can be taken back.
    pub terminal: bool,
    /// Which devices to use: `fake:N` for N that are none, `none`, or otherwise what is found.
    pub devices: Option<String>,
    /// `CUDA_VISIBLE_DEVICES`.
    pub visible: Option<String>,
    /// How tasks are held to their memory: `ISOFLOP_CGROUP`, a folder for control groups, or `none`; otherwise it is found out.
    pub confine: Confine,
    /// A folder in which all engines of this user on this machine meet.
    pub runtime: PathBuf,
    /// The name of whoever types, if the environment has it.
    pub user: Option<String>,
}

/// A store elsewhere.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    /// Where it is.
    pub url: String,
    /// Whether nothing is sent to it.
    pub read_only: bool,
}

impl Settings {
    /// Resolves `global` against the environment.
    pub fn resolve(global: &Global) -> Result<Self, String> {
        let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let cwd = env::current_dir().map_err(|error| format!("the current folder cannot be found: {error}"))?;
        let time = |name: &str| match named(name).map(|text| text.to_string_lossy().parse::<Seconds>()).transpose() {
            Ok(time) => Ok(time.map(|time| Duration::from_secs(time.0))),
            Err(error) => Err(format!("{name}: {error}")),
        };
        let home = global
            .home
            .clone()
            .or_else(|| named("ISOFLOP_HOME").map(PathBuf::from))
            .map_or_else(|| find_home(&cwd), |home| cwd.join(home));
        if home.exists() && !home.is_dir() {
            let home = home.display();
            return Err(format!("the home {home} is a file and no folder; name another with --home or ISOFLOP_HOME"));
        }
        let obeys = obeys(named("TERM").as_deref());
        let color = |terminal: bool| match global.color {
            Color::Auto => terminal && obeys && named("NO_COLOR").is_none(),
            Color::Always => true,
            Color::Never => false,
        };
        let terminal = io::stderr().is_terminal();
        let remote = global.remote.clone().or_else(|| named("ISOFLOP_REMOTE")?.into_string().ok());
        if let Some(url) = &remote {
            Remote::new(url)?;
        }
        let read_only = global.remote_read_only || named("ISOFLOP_REMOTE_READ_ONLY").is_some_and(|it| it != "0");
        Ok(Self {
            home,
            remote: remote.map(|url| Elsewhere { url, read_only }),
            database: global.database.clone().or_else(|| env::var("DATABASE_URL").ok().filter(|url| !url.is_empty())),
            engine: Engine {
                lease: time("ISOFLOP_LEASE")?.map_or_else(LeaseTerms::default, LeaseTerms::new),
                host: named("ISOFLOP_HOST").map(|host| host.to_string_lossy().into_owned()),
                ..Engine::default()
            },
            server_idle: time("ISOFLOP_SERVER_IDLE")?.unwrap_or(SERVER_IDLE),
            search: Search::of_process(named("ISOFLOP_POSTGRES_BIN").map(PathBuf::from)),
            path: named("PATH"),
            torch_worker: named("ISOFLOP_TORCH").map(PathBuf::from),
            color_out: color(io::stdout().is_terminal()),
            color_err: color(terminal),
            terminal: terminal && obeys,
            devices: named("ISOFLOP_DEVICES").and_then(|text| text.into_string().ok()),
            visible: env::var("CUDA_VISIBLE_DEVICES").ok(), // empty means none
            confine: match named("ISOFLOP_CGROUP") {
                None => Confine::Search,
                Some(none) if none == "none" => Confine::Never,
                Some(folder) => Confine::In(folder.into()),
            },
            runtime: named("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir()).map_or_else(
                || env::temp_dir().join(format!("isoflop-{}", rustix::process::getuid().as_raw())),
                |folder| folder.join("isoflop"),
            ),
            user: ["USER", "LOGNAME"].iter().find_map(|name| named(name)?.into_string().ok()),
        })
    }

    /// The store's folder.
    pub fn store(&self) -> PathBuf {
        self.home.join("store")
    }
}

/// Whether a terminal of this sort does what it is told by escape sequences. One that has no name may be anything.
fn obeys(term: Option<&OsStr>) -> bool {
    term.is_some_and(|term| term != "dumb")
}

/// The nearest `.isoflop` at or above `cwd`, not leaving the git checkout `cwd` is in; where there is none, the one to be made in `cwd`.
fn find_home(cwd: &Path) -> PathBuf {
    for folder in cwd.ancestors() {
        if folder.join(HOME).is_dir() {
            return folder.join(HOME);
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    cwd.join(HOME)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_terminal_without_a_name_gets_plain_lines() {
        let of = |term: &str| obeys(Some(OsStr::new(term)));
        assert_eq!((of("xterm-256color"), of("dumb"), obeys(None)), (true, false, false));
    }

    #[test]
    fn the_home_is_the_nearest_one_inside_the_checkout() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("checkout/studies/x");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(root.path().join(HOME)).unwrap();
        fs::create_dir(root.path().join("checkout/.git")).unwrap();
        assert_eq!(find_home(&deep), deep.join(HOME));
        fs::create_dir(root.path().join("checkout").join(HOME)).unwrap();
        assert_eq!(find_home(&deep), root.path().join("checkout").join(HOME));
    }
}
