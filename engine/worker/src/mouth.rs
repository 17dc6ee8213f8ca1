//! The mouth: the descriptor on which a worker says its notices.

use std::{
    env,
    fs::File,
    io::{self, Write},
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use isoflop_contract::protocol::{BEAT, MAX_LINE, NOTICE_FD, Notice};

/// Says notices, one a line, from any thread.
#[derive(Debug, Clone)]
pub(crate) struct Mouth {
    voice: Arc<Mutex<Voice>>,
    deaf: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Voice {
    file: File,
    /// Whether the last word has been said.
    over: bool,
}

/// Why there is nobody to talk to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Mute {
    #[error("this program is started by isoflop, not by hand ({NOTICE_FD} is not set)")]
    Unset,
    #[error("{NOTICE_FD} is `{0}`, which is not a descriptor that was passed on")]
    NotADescriptor(String),
    #[error("the descriptor for notices cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl Mouth {
    /// Takes the descriptor that the engine passed. To be called once, before anything else opens files.
    pub(crate) fn open() -> Result<Self, Mute> {
        let text = env::var(NOTICE_FD).map_err(|_| Mute::Unset)?;
        let number: RawFd = text.parse().ok().filter(|fd| *fd > 2).ok_or_else(|| Mute::NotADescriptor(text.clone()))?;
        if !std::path::Path::new(&format!("/dev/fd/{number}")).exists() {
            return Err(Mute::NotADescriptor(text));
        }
        let descriptor = own(number);
        // What the body starts must not hold the pipe open after the worker is gone.
        rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC).map_err(io::Error::from)?;
        Ok(Self::on(File::from(descriptor)))
    }

    pub(crate) fn on(file: File) -> Self {
        Self { voice: Arc::new(Mutex::new(Voice { file, over: false })), deaf: Arc::default() }
    }

    /// One that nobody hears.
    pub(crate) fn muzzled() -> io::Result<Self> {
        Ok(Self::on(File::options().write(true).open("/dev/null")?))
    }

    /// Says `notice`. That nobody listens any more is not the body's trouble: it shows as [`Mouth::is_unheard`].
    pub(crate) fn say(&self, notice: &Notice) {
        self.utter(notice, false);
    }

    /// Says the last word: whatever a thread that is still running says after it is swallowed.
    pub(crate) fn close(&self, notice: &Notice) {
        self.utter(notice, true);
    }

    fn utter(&self, notice: &Notice, last: bool) {
        let mut line = serde_json::to_vec(notice).expect("a notice is plain data");
        line.push(b'\n');
        debug_assert!(line.len() <= MAX_LINE);
        let mut voice = self.voice.lock().unwrap_or_else(PoisonError::into_inner);
        if voice.over {
            return;
        }
        voice.over = last;
        if voice.file.write_all(&line).is_err() {
            self.deaf.store(true, Ordering::Relaxed);
        }
    }

    /// Says once every [`BEAT`] that the process lives, from a thread of its own and for as long as somebody listens. A process that is
    /// stopped, or stuck as a whole, falls silent.
    pub(crate) fn beat(&self) -> io::Result<()> {
        let mouth = self.clone();
        thread::Builder::new().name("beat".into()).spawn(move || {
            while !mouth.is_unheard() {
                thread::sleep(BEAT);
                mouth.say(&Notice::Beat);
            }
        })?;
        Ok(())
    }

    /// Whether the engine has closed its end.
    pub(crate) fn is_unheard(&self) -> bool {
        self.deaf.load(Ordering::Relaxed)
    }
}

#[expect(unsafe_code, reason = "the engine passes an open descriptor by number; nothing in std takes it over safely")]
fn own(number: RawFd) -> OwnedFd {
    // SAFETY: the descriptor is open (checked by the caller), is none of the standard three, and by the protocol belongs to this module
    // alone: nothing else in the process knows its number.
    unsafe { OwnedFd::from_raw_fd(number) }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn nothing_comes_after_the_last_word() {
        let (mut ear, pipe) = io::pipe().unwrap();
        let mouth = Mouth::on(File::from(OwnedFd::from(pipe)));
        mouth.say(&Notice::Beat);
        mouth.close(&Notice::Diverged { reason: "nan".into() });
        mouth.say(&Notice::Beat);
        drop(mouth);
        let mut said = String::new();
        ear.read_to_string(&mut said).unwrap();
        assert_eq!(said, "{\"notice\":\"beat\"}\n{\"notice\":\"diverged\",\"reason\":\"nan\"}\n");
    }
}
