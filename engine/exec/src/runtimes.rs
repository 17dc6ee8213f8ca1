//! Runtimes: which program is the worker of a kind.

use std::path::{Path, PathBuf};

use isoflop_contract::Runtime;

/// A worker program and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
}

impl Program {
    /// `path` with `args`.
    pub fn new(path: impl Into<PathBuf>, args: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { path: path.into(), args: args.into_iter().map(Into::into).collect() }
    }
}

/// Why no worker can be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// There is no program for a runtime.
    #[error("no worker for {} kinds was found (looked for {}); {hint}", name(*.runtime), list(.looked_in))]
    NoWorker {
        /// The runtime.
        runtime: Runtime,
        /// Where it was looked for.
        looked_in: Vec<PathBuf>,
        /// What to do about it.
        hint: String,
    },
}

/// The worker program of each runtime.
#[derive(Debug, Clone)]
pub struct Runtimes {
    native: Program,
    torch: Result<Program, LaunchError>,
}

impl Runtimes {
    /// Native kinds run in `engine` itself (the path of `isoflop`), executed again as `isoflop worker`. Torch kinds run in `torch`, or in
    /// nothing if it was not found; that is an error only when one must run.
    pub fn new(engine: &Path, torch: Result<Program, LaunchError>) -> Self {
        Self { native: Program::new(engine, ["worker"]), torch }
    }

    /// One program for everything, for tests and for studies of one runtime.
    pub fn single(program: Program) -> Self {
        Self { native: program.clone(), torch: Ok(program) }
    }

    /// The program of `runtime`.
    pub fn program(&self, runtime: Runtime) -> Result<&Program, LaunchError> {
        match runtime {
            Runtime::Native => Ok(&self.native),
            Runtime::Torch => self.torch.as_ref().map_err(Clone::clone),
        }
    }
}

const fn name(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Native => "native",
        Runtime::Torch => "torch",
    }
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
    if paths.is_empty() { "nothing".to_owned() } else { paths.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_worker_is_named_with_what_to_do() {
        let missing = LaunchError::NoWorker {
            runtime: Runtime::Torch,
            looked_in: vec!["/opt/isoflop-torch".into()],
            hint: "build it with `make torch`".into(),
        };
        let runtimes = Runtimes::new(Path::new("/bin/isoflop"), Err(missing));
        assert_eq!(runtimes.program(Runtime::Native).unwrap().args, ["worker"]);
        assert_eq!(
            runtimes.program(Runtime::Torch).unwrap_err().to_string(),
            "no worker for torch kinds was found (looked for /opt/isoflop-torch); build it with `make torch`"
        );
    }
}
