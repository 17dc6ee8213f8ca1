//! The cluster: made once, started when nobody answers, found again after any crash.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use super::{
    binaries::{Binaries, Search},
    error::ServerError,
    guise::Guise,
    host,
    keeper::Keeper,
    socket::{self, Answer},
};

/// How long a start may take: recovery after a crash reads the log from the last checkpoint.
const PATIENCE: Duration = Duration::from_mins(2);

/// How long a server may be there without a socket.
const SOCKETLESS: Duration = Duration::from_secs(2);

/// How long something that a dead server left may keep another from starting: its last backends give their memory back.
const PASSING: Duration = Duration::from_secs(10);

/// How long to wait before asking again. There is nothing to be told by.
const PAUSE: Duration = Duration::from_millis(10);

/// A log longer than this is begun anew, and the old one kept beside it.
const LONG_LOG: u64 = 8 << 20;

/// What `postgresql.conf` says beyond `initdb`'s own: nothing on a network, small, and quick to recover.
const SETTINGS: &str = "
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 60
shared_buffers = 32MB
max_wal_size = 128MB
min_wal_size = 16MB
autovacuum_naptime = 60s
jit = off
recovery_init_sync_method = syncfs
log_checkpoints = off
cluster_name = 'isoflop'
";

/// A private Postgres cluster in one folder.
#[derive(Debug, Clone)]
pub struct PrivateServer {
    folder: PathBuf,
    search: Search,
    keeper: Option<Keeper>,
}

/// How a private server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// No cluster was made yet.
    Absent,
    /// There is one, and it is not running.
    Stopped {
        /// The data's major version.
        major: u32,
    },
    /// It answers.
    Running {
        /// The data's major version.
        major: u32,
        /// The server's process.
        pid: Option<i32>,
        /// Its address.
        url: String,
    },
}

impl PrivateServer {
    /// The cluster in `folder`, with binaries looked for where this process's environment says.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        // Absolute, and without asking whether it is there: the address must not depend on where the engine was started.
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        Self { folder, search: Search::of_process(None), keeper: None }
    }

    /// The same, with binaries looked for in this way.
    #[must_use]
    pub fn with_search(self, search: Search) -> Self {
        Self { search, ..self }
    }

    /// The same, with a keeper started beside it.
    #[must_use]
    pub fn with_keeper(self, keeper: Keeper) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    pub(super) fn keeper(&self) -> Option<&Keeper> {
        self.keeper.as_ref()
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The binaries that it would be started with.
    pub fn binaries(&self) -> Result<Binaries, ServerError> {
        self.search.find(&self.folder, self.major())
    }

    /// Sees to it that the server runs, and answers with its address. Several may ask at once: one starts it.
    pub fn ensure(&self) -> Result<String, ServerError> {
        let url = self.run()?;
        self.see_to_keeper();
        Ok(url)
    }

    fn run(&self) -> Result<String, ServerError> {
        let socket = socket::folder(&self.folder);
        if socket::ask(&socket) == Answer::Ready {
            return Ok(socket::url(&socket));
        }
        let _lock = self.lock()?;
        if socket::ask(&socket) == Answer::Ready {
            return Ok(socket::url(&socket));
        }
        self.refuse_elsewhere()?;
        let guise = Guise::choose(&self.folder).map_err(|source| ServerError::Root { source })?;
        let binaries = self.binaries()?;
        if self.major().is_none() {
            self.init(&binaries, guise)?;
        }
        socket::prepare(&socket).map_err(|e| io_error(&socket, "make the socket's folder", e))?;
        guise.own(&socket).map_err(|e| io_error(&socket, "hand over the socket's folder", e))?;
        host::write(&self.folder).map_err(|e| io_error(&self.folder, "write to", e))?;
        self.start(&binaries, guise, &socket)?;
        Ok(socket::url(&socket))
    }

    /// Stops the server; does nothing if it does not run. What clients have not committed is rolled back.
    pub fn stop(&self) -> Result<(), ServerError> {
        if !self.folder.exists() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let Some(pid) = self.postmaster() else { return Ok(()) };
        let patience = Duration::from_mins(1);
        if let Some(process) = Pid::from_raw(pid) {
            kill_process(process, Signal::INT).ok(); // gone already is as good
        }
        let end = Instant::now() + patience;
        while self.postmaster() == Some(pid) {
            if Instant::now() > end {
                return Err(ServerError::Stop { folder: self.folder.clone(), pid, seconds: patience.as_secs() });
            }
            thread::sleep(PAUSE);
        }
        fs::remove_dir(socket::folder(&self.folder)).ok(); // a short one would stay behind when the project is removed
        Ok(())
    }

    /// How it stands. Changes nothing.
    pub fn status(&self) -> Result<Status, ServerError> {
        let Some(major) = self.major() else { return Ok(Status::Absent) };
        let socket = socket::folder(&self.folder);
        Ok(match socket::ask(&socket) {
            Answer::Silence => Status::Stopped { major },
            Answer::Ready | Answer::Busy => {
                Status::Running { major, pid: self.postmaster(), url: socket::url(&socket) }
            }
        })
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// The data's major version; none before the cluster is made.
    fn major(&self) -> Option<u32> {
        fs::read_to_string(self.data().join("PG_VERSION")).ok()?.trim().parse().ok()
    }

    /// The process that the data folder names as its server, if it is one: alive, with the data as its working folder. A number alone can
    /// belong to a dead process that nobody has asked after, or after a reboot to anything.
    pub(super) fn postmaster(&self) -> Option<i32> {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        let pid: i32 = text.lines().next()?.trim().parse().ok()?;
        let cwd = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        (Some(cwd) == fs::canonicalize(self.data()).ok()).then_some(pid)
    }

    pub(super) fn make_folder(&self) -> Result<(), ServerError> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.folder);
        made.map_err(|e| self.refused(&self.folder, "make the folder", e))
    }

    /// Waits for the folder's lock and holds it as long as the file is open.
    fn lock(&self) -> Result<File, ServerError> {
        self.make_folder()?;
        let path = self.folder.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| io_error(&path, "open", e))?;
        file.lock().map_err(|e| io_error(&path, "lock", e))?;
        Ok(file)
    }

    /// On a folder that several machines share, a server of another machine must not be mistaken for a dead one of this.
    fn refuse_elsewhere(&self) -> Result<(), ServerError> {
        let running = self.data().join("postmaster.pid").exists();
        match host::other(&self.folder).filter(|_| running) {
            Some(host) => Err(ServerError::Elsewhere { folder: self.folder.clone(), host }),
            None => Ok(()),
        }
    }

    /// Makes the cluster: under another name first, so that a crash leaves no half of one.
    fn init(&self, binaries: &Binaries, guise: Guise) -> Result<(), ServerError> {
        let new = self.folder.join("data.new");
        if new.exists() {
            fs::remove_dir_all(&new).map_err(|e| io_error(&new, "remove", e))?;
        }
        DirBuilder::new().mode(0o700).create(&new).map_err(|e| self.refused(&new, "make the folder", e))?;
        guise.own(&self.folder).map_err(|e| io_error(&self.folder, "hand over", e))?;
        let program = binaries.program("initdb");
        let mut initdb = Command::new(&program);
        initdb.arg("-D").arg(&new).args(["-U", socket::ROLE, "-A", "trust", "--no-locale", "-E", "UTF8"]);
        // Without its thousand flushes; one at the end does as well.
        initdb.args(["--wal-segsize=4", "--data-checksums", "--no-instructions", "--no-sync"]);
        initdb.current_dir(&new).stdin(Stdio::null());
        plain(&mut initdb);
        guise.put_on(&mut initdb, false);
        let said = initdb.output().map_err(|e| io_error(&program, "run", e))?;
        if !said.status.success() {
            let text = [said.stdout, said.stderr].concat();
            let why = tail(&String::from_utf8_lossy(&text));
            let folder = self.folder.clone();
            return Err(if why.contains("No space left") {
                ServerError::Full { folder, why }
            } else {
                ServerError::Init { folder, why }
            });
        }
        let settings = if binaries.major >= 18 { "io_method = sync\n" } else { "" };
        let configured = (|| {
            let mut conf = OpenOptions::new().append(true).open(new.join("postgresql.conf"))?;
            conf.write_all(format!("{SETTINGS}{settings}").as_bytes())?;
            rustix::fs::syncfs(File::open(&new)?)?;
            fs::rename(&new, self.data())?;
            File::open(&self.folder)?.sync_all()
        })();
        configured.map_err(|e| self.refused(&new, "set up", e))
    }

    /// Starts the server and waits until it answers. Old backends may hold the shared memory for a moment after their server was killed, so
    /// a first refusal is not the last word.
    fn start(&self, binaries: &Binaries, guise: Guise, socket: &Path) -> Result<(), ServerError> {
        let begun = Instant::now();
        let late = || begun.elapsed() > PATIENCE;
        let mut refusals = 0;
        loop {
            // Somebody is there already: another starter's, or one going down.
            let found = Instant::now();
            let mut told = false;
            while let Some(pid) = self.postmaster() {
                match socket::ask(socket) {
                    Answer::Ready => return Ok(()),
                    _ if late() => return Err(self.silent("it is there and does not answer")),
                    // A server makes its socket before anything else. If there is none, somebody removed it (as a server does on its way
                    // out whose folder was deleted under it and made anew), and nobody can ever reach this one: it must start again.
                    Answer::Silence if !told && found.elapsed() > SOCKETLESS => {
                        told = true;
                        if let Some(process) = Pid::from_raw(pid) {
                            kill_process(process, Signal::INT).ok(); // gone already is as good
                        }
                    }
                    _ => thread::sleep(PAUSE),
                }
            }
            // What names a server names none of this folder's: a number that went to another process, or, where the folder was copied under a
            // running server, the server of the other folder.
            remove(&self.data().join("postmaster.pid"))?;
            if socket::ask(socket) == Answer::Silence {
                remove(&socket::lock(socket))?;
            }
            let (mut child, begin) = self.spawn(binaries, guise, socket)?;
            let status = loop {
                if let Some(status) =
                    child.try_wait().map_err(|e| io_error(&self.log(), "wait for the server of", e))?
                {
                    break status;
                }
                if socket::ask(socket) == Answer::Ready {
                    // Whoever starts a process must ask after it, or it stays in the list when it is dead.
                    thread::spawn(move || child.wait());
                    return Ok(());
                }
                if late() {
                    child.kill().ok();
                    child.wait().ok();
                    return Err(self.silent("it took too long"));
                }
                thread::sleep(PAUSE);
            };
            refusals += 1;
            let said = fs::read(self.log()).unwrap_or_default();
            let said = String::from_utf8_lossy(said.get(begin..).unwrap_or_default()).into_owned();
            if said.contains("No space left") {
                return Err(ServerError::Full { folder: self.folder.clone(), why: tail(&said) });
            }
            let passing = said.contains("shared memory block") || said.contains("lock file");
            let over = begun.elapsed() > PASSING;
            if late() || (passing && over) || (!passing && refusals >= 2) {
                let why = if said.trim().is_empty() { status.to_string() } else { tail(&said) };
                return Err(ServerError::Start { folder: self.folder.clone(), why });
            }
            thread::sleep(PAUSE * 10);
        }
    }

    /// Starts the process. Answers with it and with how long the log was before.
    fn spawn(
        &self,
        binaries: &Binaries,
        guise: Guise,
        socket: &Path,
    ) -> Result<(std::process::Child, usize), ServerError> {
        let path = self.log();
        if fs::metadata(&path).is_ok_and(|meta| meta.len() > LONG_LOG) {
            fs::rename(&path, self.folder.join("server.log.old")).ok();
        }
        let open = || OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
        let log = open().map_err(|e| self.refused(&path, "open", e))?;
        let begin = log.metadata().map_or(0, |meta| meta.len() as usize);
        let again = log.try_clone().map_err(|e| io_error(&path, "open", e))?;
        let program = binaries.program("postgres");
        let mut postgres = Command::new(&program);
        postgres.arg("-D").arg(self.data()).arg("-c").arg(setting("unix_socket_directories", socket));
        postgres.current_dir(self.data()).stdin(Stdio::null()).stdout(log).stderr(again);
        plain(&mut postgres);
        guise.put_on(&mut postgres, true);
        let child = postgres.spawn().map_err(|e| io_error(&program, "run", e))?;
        Ok((child, begin))
    }

    fn silent(&self, why: &str) -> ServerError {
        ServerError::Start { folder: self.folder.clone(), why: format!("{why} ({} s)", PATIENCE.as_secs()) }
    }

    fn refused(&self, path: &Path, doing: &'static str, source: io::Error) -> ServerError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                ServerError::Full { folder: self.folder.clone(), why: source.to_string() }
            }
            _ => io_error(path, doing, source),
        }
    }
}

pub(super) fn io_error(path: &Path, doing: &'static str, source: io::Error) -> ServerError {
    ServerError::Io { path: path.to_owned(), doing, source }
}

/// Removes a file that may not be there.
fn remove(path: &Path) -> Result<(), ServerError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(io_error(path, "remove", e)),
        _ => Ok(()),
    }
}

/// Takes away what could change a server's mind, and fixes the language of its messages, which are looked into.
fn plain(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"PG") || name.as_encoded_bytes().starts_with(b"LC_") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C").env_remove("LANGUAGE");
}

/// `name=value` for a list of folders: a quoted one may hold commas and blanks.
fn setting(name: &str, folder: &Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(format!("{name}=\""));
    text.push(folder);
    text.push("\"");
    text
}

/// The last lines of what a program said, as one.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(4)..].join("; ")
}
