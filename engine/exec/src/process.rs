//! A worker's process: its own group, a cleared environment, a pipe for notices, one for output, and stdin.
//!
//! Processes are started by one thread that lives as long as the run: a worker asks the kernel to be killed when the *thread* that started
//! it ends, and a runtime's threads come and go.

use std::{
    ffi::{OsStr, OsString},
    io::{self, PipeReader, PipeWriter},
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use isoflop_contract::{Environment, protocol::NOTICE_FD};
use rustix::{
    io::{FdFlags, fcntl_setfd},
    process::{Pid, Signal, kill_process_group},
};
use tokio::{
    net::unix::pipe,
    process::{Child, ChildStdin},
    runtime::Handle,
    sync::oneshot,
};

use crate::{
    error::ExecError,
    guard::{Guard, Guarded},
    runtimes::Program,
};

/// What every worker sees of the caller's environment. Anything more is named by its task; else it could change a result unrecorded.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "LD_LIBRARY_PATH", "CUDA_VISIBLE_DEVICES", "ISOFLOP_NO_GRAPHS"];

/// Held while a descriptor is open to whatever this process starts, so that no other worker gets it too.
static SPAWNING: Mutex<()> = Mutex::new(());

/// What to start.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) program: Program,
    pub(crate) folder: PathBuf,
    pub(crate) tmp: PathBuf,
    pub(crate) environment: Environment,
    /// The caller's variables.
    pub(crate) variables: Vec<(OsString, OsString)>,
    /// Those that the task names.
    pub(crate) wanted: Vec<String>,
    /// The devices it sees, as `CUDA_VISIBLE_DEVICES` has them; otherwise it sees those of the caller.
    pub(crate) devices: Option<String>,
}

/// A worker that was started.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) stdin: ChildStdin,
    pub(crate) notices: pipe::Receiver,
    pub(crate) output: pipe::Receiver,
    pub(crate) group: Group,
    /// Has the group ended should the engine be gone.
    pub(crate) guarded: Option<Guarded>,
}

/// A worker's process group: it and all that it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group(Option<Pid>);

impl Group {
    /// Asks all of the group to end.
    pub(crate) fn ask(self) {
        self.signal(Signal::TERM);
    }

    /// Ends all of the group.
    pub(crate) fn kill(self) {
        self.signal(Signal::KILL);
    }

    /// Its number.
    pub(crate) fn number(self) -> Option<i32> {
        self.0.map(|pid| pid.as_raw_nonzero().get())
    }

    fn signal(self, signal: Signal) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, signal); // nobody left is as good
        }
    }
}

/// The thread that starts processes.
#[derive(Debug, Clone)]
pub(crate) struct Launcher(mpsc::Sender<(Launch, oneshot::Sender<io::Result<Process>>)>);

impl Launcher {
    /// Starts the thread, and a guard that keeps its list in `folder`. It ends when the last clone is gone.
    pub(crate) fn start(folder: &Path) -> Result<Self, ExecError> {
        let (sender, launches) = mpsc::channel::<(Launch, oneshot::Sender<io::Result<Process>>)>();
        let runtime = Handle::current();
        let guard = Arc::new(Guard::post(folder).map_err(ExecError::Guard)?);
        let run = move || {
            let _entered = runtime.enter();
            for (launch, answer) in launches {
                if let Err(Ok(unwanted)) = answer.send(launch.start(&guard)) {
                    unwanted.group.kill();
                }
            }
        };
        thread::Builder::new().name("launcher".into()).spawn(run).map_err(ExecError::Thread)?;
        Ok(Self(sender))
    }

    /// Starts a worker.
    pub(crate) async fn launch(&self, launch: Launch) -> io::Result<Process> {
        let (answer, process) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts workers is gone");
        self.0.send((launch, answer)).map_err(|_| gone())?;
        process.await.map_err(|_| gone())?
    }
}

impl Launch {
    fn start(self, guard: &Arc<Guard>) -> io::Result<Process> {
        let (notices, said) = io::pipe()?;
        let (output, written) = io::pipe()?;
        let mut command = self.command(&said, written)?;
        let mut child = {
            let _alone = SPAWNING.lock().unwrap_or_else(PoisonError::into_inner);
            // Kept open by a flag and not by code between fork and exec: then the process can be started without copying this one's memory map,
            // which takes longer than many a task.
            fcntl_setfd(&said, FdFlags::empty())?;
            let child = command.spawn();
            drop(said);
            child?
        };
        drop(command); // and with it our ends of what only the worker may hold open
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        // Before it has its assignment, and so before it starts anything.
        let guarded = group.number().map(|group| guard.watch(group));
        let stdin = child.stdin.take().ok_or_else(|| io::Error::other("the worker has no stdin"))?;
        let receiver = |reader: PipeReader| pipe::Receiver::from_owned_fd(OwnedFd::from(reader));
        match (receiver(notices), receiver(output)) {
            (Ok(notices), Ok(output)) => Ok(Process { child, stdin, notices, output, group, guarded }),
            (Err(error), _) | (_, Err(error)) => {
                group.kill();
                Err(error)
            }
        }
    }

    fn command(self, said: &PipeWriter, written: PipeWriter) -> io::Result<tokio::process::Command> {
        let mut command = Command::new(&self.program.path);
        command
            .args(&self.program.args)
            .current_dir(&self.folder)
            .env_clear()
            .env("LANG", "C.UTF-8")
            .envs(passed_on(&self.variables, &self.wanted))
            .env("TMPDIR", &self.tmp)
            .envs(self.environment.variables())
            .envs(self.devices.iter().map(|devices| ("CUDA_VISIBLE_DEVICES", devices)))
            // The descriptor keeps its number in the worker: no other can be in its way.
            .env(NOTICE_FD, said.as_raw_fd().to_string())
            .stdin(Stdio::piped())
            .stdout(written.try_clone()?)
            .stderr(written);
        let mut command = tokio::process::Command::from(command);
        command.process_group(0).kill_on_drop(true);
        Ok(command)
    }
}

fn passed_on<'a>(
    variables: &'a [(OsString, OsString)],
    wanted: &'a [String],
) -> impl Iterator<Item = (&'a OsStr, &'a OsStr)> {
    let passed =
        |name: &OsStr| PASSED_ON.iter().copied().chain(wanted.iter().map(String::as_str)).any(|passed| name == passed);
    variables.iter().filter(move |(name, _)| passed(name)).map(|(name, value)| (name.as_os_str(), value.as_os_str()))
}

/// What is said when a program cannot be started.
pub(crate) fn cannot_start(program: &Path, error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "; it is not there any more",
        io::ErrorKind::PermissionDenied => "; it may not be executed",
        _ => "",
    };
    format!("the worker {} cannot be started: {error}{hint}", program.display())
}
