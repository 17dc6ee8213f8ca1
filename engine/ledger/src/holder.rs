//! A holder: which engine has a lease or a run, written so that another engine on the same machine can tell whether it still lives.

use std::{fmt, fs, process, str::FromStr};

use uuid::Uuid;

/// Names one engine: host, boot, process-id namespace, process id, when that process was started, and a random part that tells apart two
/// engines of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    host: String,
    boot: String,
    namespace: String,
    pid: u32,
    started: u64,
    nonce: Uuid,
}

/// A text that does not name a holder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not name an engine")]
pub struct NotAHolder(String);

impl Holder {
    /// This engine.
    pub fn here() -> Self {
        let line = |path: &str| fs::read_to_string(path).map_or_else(|_| "-".to_owned(), |text| word(text.trim()));
        Self {
            host: word(&rustix::system::uname().nodename().to_string_lossy()),
            boot: line("/proc/sys/kernel/random/boot_id"),
            namespace: namespace(),
            pid: process::id(),
            started: start_of(process::id()).unwrap_or(0),
            nonce: Uuid::now_v7(),
        }
    }

    /// The same engine under another name of its machine: for machines that share one, as containers may.
    #[must_use]
    pub fn on(self, host: &str) -> Self {
        Self { host: word(host), ..self }
    }

    /// Whether the process is provably gone, as seen from this machine.
    pub fn is_dead(&self) -> bool {
        Self::here().knows_dead(self)
    }

    /// Whether this engine can prove that the process of `other` is gone: it was of this machine, this boot and this process-id namespace, and
    /// no live process has its number and start time. Of another machine's engine nothing can be proved; its lease runs out instead.
    pub(crate) fn knows_dead(&self, other: &Self) -> bool {
        let comparable = (&other.host, &other.boot, &other.namespace) == (&self.host, &self.boot, &self.namespace);
        comparable && other.boot != "-" && other.namespace != "-" && start_of(other.pid) != Some(other.started)
    }

    /// For a person: the host and the process.
    pub fn short(&self) -> String {
        format!("process {} on {}", self.pid, self.host)
    }
}

/// `text` as one word: what separates the parts is taken out.
fn word(text: &str) -> String {
    let word: String = text.chars().map(|c| if c.is_whitespace() || c.is_control() { '-' } else { c }).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

/// Names the process-id namespace: numbers of different ones cannot be compared.
fn namespace() -> String {
    fs::read_link("/proc/self/ns/pid").map_or_else(|_| "-".to_owned(), |link| word(&link.to_string_lossy()))
}

/// When the process `pid` was started, in clock ticks since boot; none if there is no such process, or only its remains.
fn start_of(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, and may hold blanks and parentheses itself.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let dead = matches!(fields.first(), Some(&("Z" | "X")));
    (!dead).then(|| fields.get(19)?.parse().ok())?
}

/// As it is stored.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, boot, namespace, pid, started, nonce } = self;
        write!(f, "{host} {boot} {namespace} {pid} {started} {nonce}")
    }
}

impl FromStr for Holder {
    type Err = NotAHolder;

    fn from_str(text: &str) -> Result<Self, NotAHolder> {
        let refuse = || NotAHolder(text.to_owned());
        let [host, boot, namespace, pid, started, nonce] = text.split(' ').collect::<Vec<_>>()[..] else {
            return Err(refuse());
        };
        Ok(Self {
            host: host.to_owned(),
            boot: boot.to_owned(),
            namespace: namespace.to_owned(),
            pid: pid.parse().map_err(|_| refuse())?,
            started: started.parse().map_err(|_| refuse())?,
            nonce: nonce.parse().map_err(|_| refuse())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn an_engine_is_alive_until_its_process_is_gone() {
        let here = Holder::here();
        assert!(!here.is_dead());
        assert_eq!(here.to_string().parse(), Ok(here.clone()));

        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let there = Holder { pid: child.id(), started: start_of(child.id()).unwrap(), ..here.clone() };
        assert!(!there.is_dead());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(there.is_dead());
        assert!(!Holder { host: "elsewhere".into(), ..there.clone() }.is_dead(), "nothing is known of another machine");
        assert!(!Holder { namespace: "pid:[1]".into(), ..there }.is_dead(), "nor of another namespace");
        assert!(Holder { started: 1, ..here }.is_dead(), "a number that went to another process");
    }

    #[test]
    fn what_is_no_holder_is_refused() {
        assert!("".parse::<Holder>().is_err());
        assert!("a b c d e f".parse::<Holder>().is_err());
    }
}
