//! A team: the processes that share one task. Rank 0 is the task's worker; it starts the others, hands its assignment on to them, hears what
//! they print, and ends them. All of them are in the worker's process group, so the engine ends them with it.

use std::{
    env,
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{ChildStdin, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use isoflop_contract::{Failure, FailureClass, protocol::NOTICE_FD};
use isoflop_worker::{Context, DESERTED, Failing, Halt, Interrupted};
use serde::{Deserialize, Serialize};
use tch::Device;

use super::{
    door::Token,
    error::RankError,
    group::{Group, Solo},
    nccl::Nccl,
    staged::Staged,
    tcp::{Opening, Tcp},
    vigil::{Life, Vigil},
};

/// The verb by which `isoflop-torch` becomes a rank.
pub const VERB: &str = "rank";

/// How long ranks may take to come together: each loads libtorch first.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long to wait for the end of a rank whose connection broke.
const SETTLING: Duration = Duration::from_secs(20);

/// Lines of a rank that are kept for a message.
const LAST_WORDS: usize = 8;

/// The processes of one task, as one of them sees them.
#[derive(Debug)]
pub struct Team {
    group: Box<dyn Group>,
    /// Before the followers, which it must not see being ended.
    vigil: Option<Vigil>,
    followers: Vec<Follower>,
}

/// Where a follower belongs.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Orders {
    port: u16,
    token: String,
    rank: usize,
    world: usize,
}

/// A rank that this process started.
#[derive(Debug)]
struct Follower {
    rank: usize,
    life: Arc<Life>,
    /// It ends when this is closed.
    _stdin: ChildStdin,
    listening: Option<JoinHandle<()>>,
}

impl Team {
    /// One process by itself.
    pub fn solo() -> Self {
        Self { group: Box::new(Solo), vigil: None, followers: Vec::new() }
    }

    /// One process of this group, for tests.
    #[cfg(test)]
    pub(crate) fn of(group: Box<dyn Group>) -> Self {
        Self { group, ..Self::solo() }
    }

    /// Brings together as many ranks as the task was granted and can use: `most` at most, one at least. On rank 0 this starts the others; on
    /// another it joins them. `device` is this rank's.
    pub fn assemble(context: &Context, most: u64, device: Device) -> Result<Self, Halt> {
        if let Some(orders) = context.orders() {
            let Orders { port, token, rank, world } = serde_json::from_value(orders.clone())?;
            let token = Token::read(&token).ok_or("the token that rank 0 gave is none")?;
            let group = Tcp::join(port, &token, rank, world, PATIENCE).and_then(|words| over(words, device));
            return Ok(Self { group: group.map_err(|error| deserted(&error))?, ..Self::solo() });
        }
        let (granted, most) = (context.ranks() as u64, most.max(1));
        let world = granted.min(most) as usize;
        if granted > most {
            eprintln!(
                "isoflop-torch: a batch of this task has {most} parts, so {world} of {granted} ranks are used (`micro_batch` says how many there are)"
            );
        }
        if world == 1 {
            return Ok(Self::solo());
        }
        let opening = Opening::new()?;
        let start = |rank| {
            let orders = Orders { port: opening.port(), token: opening.token().text(), rank, world };
            Follower::start(context, &orders)
        };
        let mut team = Self { followers: (1..world).map(start).collect::<Result<_, _>>()?, ..Self::solo() };
        let followers = &team.followers;
        let look = || match followers.iter().find(|follower| follower.ended().is_some()) {
            Some(Follower { rank, .. }) => {
                Err(RankError::Gone { rank: *rank, source: io::ErrorKind::BrokenPipe.into() })
            }
            None => Ok(()),
        };
        match opening.meet(world, PATIENCE, look) {
            // Meeting is over before the group is opened: what a device's library waits for, it waits for without looking up.
            Ok(words) => {
                team.vigil = Some(Vigil::over(team.followers.iter().map(|follower| Arc::clone(&follower.life)), world));
                match over(words, device) {
                    Ok(group) => team.group = group,
                    Err(error) => return Err(team.blame(&error, world)),
                }
            }
            Err(error) => return Err(team.blame(&error, world)),
        }
        Ok(team)
    }

    /// This rank.
    pub fn rank(&self) -> usize {
        self.group.rank()
    }

    /// How many ranks there are.
    pub fn world(&self) -> usize {
        self.group.world()
    }

    /// Whether this is the process that speaks, saves and writes.
    pub fn leads(&self) -> bool {
        self.rank() == 0
    }

    /// Does something together with the others. If that fails, the task does: the answer names the rank that is to blame, how it ended and
    /// what it said last.
    pub fn together<T>(&self, work: impl FnOnce(&dyn Group) -> Result<T, RankError>) -> Result<T, Halt> {
        work(self.group.as_ref())
            .map_err(|error| if self.leads() { self.blame(&error, self.world()) } else { deserted(&error) })
    }

    /// Why the team cannot go on, found out from how its processes ended.
    fn blame(&self, error: &RankError, world: usize) -> Halt {
        let began = Instant::now();
        let culprit = loop {
            let mut ended = self.followers.iter().filter_map(|follower| Some((follower, follower.ended()?)));
            let culprit = ended.find(|(_, status)| status.code() != Some(i32::from(DESERTED)));
            let waits = matches!(error, RankError::Gone { .. }) && began.elapsed() < SETTLING;
            if culprit.is_some() || !waits {
                break culprit;
            }
            thread::sleep(Duration::from_millis(5));
        };
        let message = match culprit {
            Some((follower, status)) => {
                let words = follower.last_words();
                let said = if words.is_empty() { "it said nothing".into() } else { format!("its last words: {words}") };
                format!("rank {} of {world} {}; {said}", follower.rank, how(status))
            }
            None => said(error),
        };
        Failing(Failure { class: FailureClass::Crashed, message }).into()
    }
}

/// The group of ranks that have met, each with its device. Where each has a CUDA device of its own, numbers go from device to device; where all are on
/// processors, or share a device, they go over TCP.
fn over(words: Tcp, device: Device) -> Result<Box<dyn Group>, RankError> {
    let own = match device {
        Device::Cuda(number) => number == words.rank(),
        _ => false,
    };
    // Ranks see the same devices, but what they do together is not left to that.
    let each = words.tell(&[u8::from(own)])?;
    if each.iter().all(|told| *told == [1]) {
        return Ok(Box::new(Nccl::new(words, device)?));
    }
    Ok(if device == Device::Cpu { Box::new(words) } else { Box::new(Staged::new(words)) })
}

/// A follower that lost the others only says so: its leader knows better why.
fn deserted(error: &RankError) -> Halt {
    eprintln!("{}", said(error));
    Interrupted.into()
}

fn said(error: &RankError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// Which rank this process is of its task.
pub fn rank(context: &Context) -> Result<usize, Halt> {
    match context.orders() {
        Some(orders) => Ok(serde_json::from_value::<Orders>(orders.clone())?.rank),
        None => Ok(0),
    }
}

/// How a process ended.
pub(super) fn how(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".into(),
    }
}

impl Follower {
    fn start(context: &Context, orders: &Orders) -> Result<Self, Halt> {
        let rank = orders.rank;
        let cannot = |doing: &str| RankError::system(format!("{doing} rank {rank}"));
        let scratch: PathBuf = context.scratch().join(format!("rank-{rank}"));
        std::fs::create_dir_all(&scratch).map_err(cannot("make a folder for"))?;
        let line = context.hand_on(&serde_json::to_value(orders)?, &scratch)?;
        let (output, written) = io::pipe().map_err(cannot("hear"))?;
        let program = env::current_exe().map_err(cannot("find the program of"))?;
        let mut command = Command::new(program);
        command.arg(VERB).env_remove(NOTICE_FD).stdin(Stdio::piped());
        command.stdout(written.try_clone().map_err(cannot("hear"))?).stderr(written);
        let mut child = command.spawn().map_err(cannot("start"))?;
        drop(command); // and with it our end of the pipe
        let mut stdin = child.stdin.take().expect("it is piped");
        let life = Arc::new(Life { rank, child: Mutex::new(child), words: Mutex::default() });
        let kept = Arc::clone(&life);
        let listen = move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                eprintln!("rank {rank}: {line}");
                let mut words = kept.words.lock().unwrap_or_else(PoisonError::into_inner);
                words.push_back(line);
                if words.len() > LAST_WORDS {
                    words.pop_front();
                }
            }
        };
        let listening = thread::Builder::new().name(format!("rank {rank}")).spawn(listen).map_err(cannot("hear"))?;
        let told = stdin.write_all(&line);
        let follower = Self { rank, life, _stdin: stdin, listening: Some(listening) };
        match told {
            // How it ended, before it had heard anything, is found out where the others wait for it.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(cannot("give its orders to")(error).into()),
            _ => Ok(follower),
        }
    }

    /// How it ended, if it has.
    fn ended(&self) -> Option<ExitStatus> {
        self.life.ended()
    }

    /// What it printed last, once it has ended.
    fn last_words(&self) -> String {
        let began = Instant::now();
        // The pipe ends with the process, and the thread with the pipe.
        while self.listening.as_ref().is_some_and(|thread| !thread.is_finished()) && began.elapsed() < SETTLING {
            thread::sleep(Duration::from_millis(1));
        }
        self.life.last_words()
    }
}

/// A follower has nothing to do once its leader is done with it, and nothing to save.
impl Drop for Follower {
    fn drop(&mut self) {
        let mut child = self.life.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.kill();
        let _ = child.wait();
        drop(child);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}
