//! The keeper: a process beside a private server that stops it when nobody has used it for a while.
//!
//! Whoever uses the server holds the file `clients` locked shared ([`Presence`]), from before it asks for the server until it is done; the
//! system takes the lock away from a process that dies. The keeper stops the server only while it holds that lock alone, so never under an
//! engine, and an engine that comes just then waits and starts it again. The lock on the file `keeper` sees to it that there is one.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    cluster::{PrivateServer, io_error},
    error::ServerError,
    guise::Guise,
};

/// The longest pause between two looks.
const LOOK: Duration = Duration::from_secs(5);

/// How a keeper is started: a program that calls [`PrivateServer::keep`].
#[derive(Debug, Clone)]
pub struct Keeper {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<std::ffi::OsString>,
}

/// A mark that the server is in use. It is so until this is dropped.
#[derive(Debug)]
pub struct Presence {
    _clients: File,
}

impl PrivateServer {
    /// Marks the server as in use, whether it runs yet or not. Waits while it is being stopped.
    pub fn enter(&self) -> Result<Presence, ServerError> {
        self.make_folder()?;
        let path = self.folder().join("clients");
        let file = open(&path)?;
        file.lock_shared().map_err(|e| io_error(&path, "lock", e))?;
        // So that the keeper notices also who came and went between two looks. It looks for a change, not for a time.
        file.set_modified(SystemTime::now()).ok();
        Ok(Presence { _clients: file })
    }

    /// Starts the keeper, if this server is to have one and it is not there. That it cannot be started costs nothing but a server that stays.
    pub(super) fn see_to_keeper(&self) {
        let Some(Keeper { program, args }) = self.keeper() else { return };
        let Ok(file) = open(&self.folder().join("keeper")) else { return };
        if file.try_lock().is_err() {
            return;
        }
        drop(file);
        let mut command = Command::new(program);
        command.args(args).current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Guise::Myself.put_on(&mut command, true);
        if let Ok(mut child) = command.spawn() {
            // Whoever starts a process must ask after it, or it stays in the list when it is dead.
            thread::spawn(move || child.wait());
        }
    }

    /// Stays until the server is gone, and stops it when nobody has used it for `idle`.
    pub fn keep(&self, idle: Duration) -> Result<(), ServerError> {
        let path = self.folder().join("keeper");
        let keeper = open(&path)?;
        if keeper.try_lock().is_err() {
            return Ok(()); // there is one
        }
        let path = self.folder().join("clients");
        let clients = open(&path)?;
        let touched = || fs::metadata(&path).and_then(|meta| meta.modified()).ok();
        let (mut seen, mut since) = (touched(), Instant::now());
        while let Some(server) = self.postmaster() {
            thread::sleep((idle / 4).clamp(Duration::from_millis(20), LOOK));
            match clients.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    since = Instant::now();
                    continue;
                }
                Err(TryLockError::Error(source)) => return Err(io_error(&path, "lock", source)),
            }
            let now = touched();
            if now != seen || serves(server) {
                (seen, since) = (now, Instant::now());
            }
            if since.elapsed() >= idle {
                return self.stop();
            }
            clients.unlock().map_err(|e| io_error(&path, "unlock", e))?;
        }
        Ok(())
    }
}

fn open(path: &Path) -> Result<File, ServerError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map_err(|e| io_error(path, "open", e))
}

/// Whether the server has a client that holds no lock, such as a person at `psql`: each has a process, whose title says where it came from.
fn serves(server: i32) -> bool {
    let children = fs::read_to_string(format!("/proc/{server}/task/{server}/children")).unwrap_or_default();
    children.split_whitespace().any(|child| {
        fs::read(format!("/proc/{child}/cmdline")).is_ok_and(|title| title.windows(7).any(|word| word == b"[local]"))
    })
}
