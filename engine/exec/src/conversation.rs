//! The conversation with one worker, from the engine's side: what was heard, whether it keeps to the protocol, and how it ended. Pure: lines
//! come in, and what they mean goes out. A worker is not trusted; whatever breaks the rules is a lie, and a lie is a refusal.

use std::{os::unix::process::ExitStatusExt, process::ExitStatus, time::Duration};

use isoflop_contract::{
    Environment, Failure, FailureClass,
    checkpoint::remember,
    protocol::{MAX_LINE, Notice, PROTOCOL},
};
use isoflop_ledger::{Metric, Saved};

use crate::{checkpoints::Carried, words::with_words};

/// The most metrics that one attempt may record.
const MOST_METRICS: usize = 1_000_000;

/// The most notices of progress that a worker may send in each second of its life, and in one go.
const MOST_A_SECOND: u64 = 1000;
const MOST_AT_ONCE: u64 = 20_000;

/// The longest name of a series or a final number.
const LONGEST_NAME: usize = 200;

/// What the worker must be able to do.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) kind: String,
    pub(crate) revision: u32,
    pub(crate) environment: Environment,
}

/// What a line meant.
#[derive(Debug, PartialEq)]
pub(crate) enum Heard {
    /// The worker is fit: it may have its assignment.
    Hello,
    Progress {
        done: u64,
        total: u64,
    },
    Metric,
    /// It goes on from a checkpoint.
    Resumed {
        step: u64,
    },
    /// A checkpoint is being written, or is there.
    Saving,
    /// The process lives.
    Beat,
    /// It has said how it ended, and must exit now.
    Last,
}

/// What the protocol says against a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lie(pub(crate) String);

#[derive(Debug)]
pub(crate) struct Conversation {
    wanted: Wanted,
    greeted: bool,
    last: Option<Notice>,
    metrics: Vec<Metric>,
    /// What it may go on from.
    carried: Option<Carried>,
    saved: Saved,
    is_saving: bool,
    /// How often it said what nobody keeps.
    chatter: u64,
}

/// How a conversation went.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// What was measured, by the attempts that it goes on from too.
    pub(crate) metrics: Vec<Metric>,
    pub(crate) saved: Saved,
}

impl Conversation {
    pub(crate) fn new(wanted: Wanted, carried: Option<Carried>) -> Self {
        Self {
            wanted,
            greeted: false,
            last: None,
            metrics: Vec::new(),
            carried,
            saved: Saved::default(),
            is_saving: false,
            chatter: 0,
        }
    }

    /// Whether what it has said so far, in a life of `elapsed`, can be borne. A worker built with our loop says about eleven things a second;
    /// one that floods the engine would slow down all the others.
    pub(crate) fn bear(&self, elapsed: Duration) -> Result<(), Lie> {
        let most = MOST_AT_ONCE + MOST_A_SECOND * elapsed.as_secs();
        if self.chatter <= most {
            return Ok(());
        }
        let (said, seconds) = (self.chatter, elapsed.as_secs_f64());
        Err(Lie(format!(
            "it flooded the engine with {said} notices of progress in {seconds:.1} s; {MOST_A_SECOND} a second are the most"
        )))
    }

    pub(crate) const fn is_greeted(&self) -> bool {
        self.greeted
    }

    pub(crate) const fn is_over(&self) -> bool {
        self.last.is_some()
    }

    /// Whether it is writing a checkpoint.
    pub(crate) const fn is_saving(&self) -> bool {
        self.is_saving
    }

    pub(crate) fn metrics(&self) -> &[Metric] {
        &self.metrics
    }

    /// Everything it told but how it ended.
    pub(crate) fn account(self) -> Account {
        Account { metrics: self.metrics, saved: self.saved }
    }

    /// Takes in one line; `None` is a line longer than [`MAX_LINE`].
    pub(crate) fn hear(&mut self, line: Option<&[u8]>) -> Result<Heard, Lie> {
        let line = line.ok_or_else(|| Lie(format!("it wrote a line of more than {MAX_LINE} bytes")))?;
        let notice: Notice = serde_json::from_slice(line)
            .map_err(|error| Lie(format!("it wrote what is not a notice ({error}): {}", excerpt(line))))?;
        if self.last.is_some() {
            return Err(Lie(format!("it went on after it had said how it ended: {}", excerpt(line))));
        }
        if !self.greeted && !matches!(notice, Notice::Hello { .. }) {
            return Err(Lie(format!("it did not say hello first but: {}", excerpt(line))));
        }
        match notice {
            Notice::Hello { .. } if self.greeted => Err(Lie("it said hello twice".to_owned())),
            Notice::Hello { protocol, kinds, libraries } => {
                if protocol != PROTOCOL {
                    return Err(Lie(format!(
                        "it speaks protocol {protocol}, this engine {PROTOCOL}; install both from one release"
                    )));
                }
                let Wanted { kind, revision, environment } = &self.wanted;
                match kinds.get(kind) {
                    None => {
                        return Err(Lie(format!(
                            "it does not know the kind {kind}; install worker and engine from one release"
                        )));
                    }
                    Some(theirs) if theirs != revision => {
                        return Err(Lie(format!(
                            "it has revision {theirs} of {kind} where the plan wants {revision}; install worker and engine from one release"
                        )));
                    }
                    Some(_) => {}
                }
                if let Environment::Torch(torch) = environment {
                    let theirs = libraries.get("libtorch").map_or("no libtorch", String::as_str);
                    // A build's label (`2.11.0+cpu`) is not part of the release.
                    if theirs.split('+').next() != Some(&torch.libtorch) {
                        let wanted = &torch.libtorch;
                        return Err(Lie(format!(
                            "it has {theirs} where the plan declares libtorch {wanted}; keys made with one do not hold for the other"
                        )));
                    }
                }
                self.greeted = true;
                Ok(Heard::Hello)
            }
            Notice::Beat => {
                self.chatter += 1;
                Ok(Heard::Beat)
            }
            Notice::Progress { done, total } => {
                self.chatter += 1;
                Ok(Heard::Progress { done, total })
            }
            Notice::Metric { name, step, value } => {
                check_name(&name)?;
                if step > i64::MAX.cast_unsigned() {
                    return Err(Lie(format!("it recorded `{name}` at step {step}, and steps end at 2^63")));
                }
                if self.metrics.len() == MOST_METRICS {
                    return Err(Lie(format!("it recorded more than {MOST_METRICS} metrics; record every n-th step")));
                }
                self.metrics.push(Metric { series: name, step, value });
                Ok(Heard::Metric)
            }
            Notice::Resumed { step } => {
                // What it goes on from was measured by others, and comes first.
                let untouched = self.metrics.is_empty() && self.saved.is_empty();
                match self.carried.take().filter(|carried| untouched && carried.step == step) {
                    Some(Carried { metrics, trail, .. }) => {
                        self.metrics = metrics;
                        self.saved = Saved { resumed: Some(step), trail };
                        Ok(Heard::Resumed { step })
                    }
                    None => Err(Lie(format!("it says that it goes on from step {step}, which it was not offered"))),
                }
            }
            Notice::Saving { .. } => {
                self.is_saving = true;
                Ok(Heard::Saving)
            }
            Notice::Saved { step, digest } => {
                self.is_saving = false;
                remember(&mut self.saved.trail, step, digest);
                Ok(Heard::Saving)
            }
            Notice::Made { ref scalars } => {
                scalars.keys().try_for_each(|name| check_name(name))?;
                self.last = Some(notice);
                Ok(Heard::Last)
            }
            Notice::Diverged { .. } | Notice::Failed(_) => {
                self.last = Some(notice);
                Ok(Heard::Last)
            }
        }
    }

    /// How the worker ended: what it said last, held against how its process exited. `words` are the last lines of its log.
    pub(crate) fn end(mut self, status: ExitStatus, words: &str) -> (Notice, Account) {
        let crashed = |message: String| failed(FailureClass::Crashed, with_words(message, words));
        let refused = |message: String| failed(FailureClass::Refused, with_words(message, words));
        let notice = match (self.last.take(), status.success()) {
            (Some(Notice::Made { .. } | Notice::Diverged { .. }), false) => {
                refused(format!("the worker said it was done, but {}", exit(status)))
            }
            // What died with a message of its own may have said more in its log.
            (Some(Notice::Failed(Failure { class: FailureClass::Crashed, message })), _)
                if !words.lines().any(|line| message.ends_with(line.trim())) =>
            {
                crashed(message)
            }
            (Some(notice), _) => notice,
            (None, true) => refused("the worker exited without a word on how it ended".to_owned()),
            (None, false) => crashed(format!("the worker {}", exit(status))),
        };
        (notice, self.account())
    }
}

pub(crate) fn failed(class: FailureClass, message: impl Into<String>) -> Notice {
    Notice::Failed(Failure { class, message: message.into() })
}

fn check_name(name: &str) -> Result<(), Lie> {
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(Lie(format!(
            "it named a number `{}`, which is no name",
            name.escape_debug().take(60).collect::<String>()
        )));
    }
    Ok(())
}

/// The beginning of a line, fit for a message.
fn excerpt(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[..line.len().min(120)]);
    let more = if line.len() > 120 { "…" } else { "" };
    format!("`{}{more}`", text.escape_debug())
}

fn exit(status: ExitStatus) -> String {
    let Some(signal) = status.signal() else {
        return format!("exited with code {}", status.code().unwrap_or(-1));
    };
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL: it used an instruction that this processor does not have",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL: perhaps the machine ran out of memory",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        _ => return format!("was killed by signal {signal}"),
    };
    format!("was killed by signal {signal} ({name})")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use isoflop_contract::Runtime;

    use super::*;

    fn conversation() -> Conversation {
        let environment = Environment::default_for(Runtime::Torch);
        Conversation::new(Wanted { kind: "train".into(), revision: 2, environment }, None)
    }

    fn hello(protocol: u32, revision: u32, libtorch: &str) -> Vec<u8> {
        let hello = Notice::Hello {
            protocol,
            kinds: BTreeMap::from([("train".to_owned(), revision)]),
            libraries: BTreeMap::from([("libtorch".to_owned(), libtorch.to_owned())]),
        };
        serde_json::to_vec(&hello).unwrap()
    }

    const MADE: &[u8] = br#"{"notice":"made","scalars":{"loss":0.5}}"#;
    const METRIC: &[u8] = br#"{"notice":"metric","name":"loss","step":3,"value":0.5}"#;

    #[test]
    fn a_good_worker_is_heard_out() {
        let mut talk = conversation();
        assert_eq!(talk.hear(Some(&hello(PROTOCOL, 2, "2.11.0+cpu"))), Ok(Heard::Hello));
        assert_eq!(talk.hear(Some(METRIC)), Ok(Heard::Metric));
        assert_eq!(talk.hear(Some(MADE)), Ok(Heard::Last));
        let (notice, account) = talk.end(ExitStatus::from_raw(0), "");
        assert!(matches!(notice, Notice::Made { scalars } if scalars.len() == 1));
        assert_eq!(account.metrics, [Metric { series: "loss".into(), step: 3, value: 0.5 }]);
        assert!(account.saved.is_empty());
    }

    #[test]
    fn what_it_goes_on_from_comes_first_and_only_if_it_was_offered() {
        let resumed = br#"{"notice":"resumed","step":2}"#;
        let digest = isoflop_contract::Digest::of("saved");
        let before = Metric { series: "loss".into(), step: 2, value: 0.75 };
        let offered = || {
            let mut talk = conversation();
            talk.carried = Some(Carried { step: 2, metrics: vec![before.clone()], trail: vec![(2, digest)] });
            talk.hear(Some(&hello(PROTOCOL, 2, "2.11.0"))).unwrap();
            talk
        };
        let mut talk = offered();
        assert_eq!(talk.hear(Some(resumed)), Ok(Heard::Resumed { step: 2 }));
        talk.hear(Some(METRIC)).unwrap();
        assert_eq!(talk.hear(Some(br#"{"notice":"saving","step":4}"#)), Ok(Heard::Saving));
        assert!(talk.is_saving());
        let saved = format!(r#"{{"notice":"saved","step":4,"digest":"{digest}"}}"#);
        assert_eq!(talk.hear(Some(saved.as_bytes())), Ok(Heard::Saving));
        assert!(!talk.is_saving());
        let (_, account) = talk.end(ExitStatus::from_raw(0), "");
        assert_eq!(account.metrics, [before.clone(), Metric { series: "loss".into(), step: 3, value: 0.5 }]);
        assert_eq!(account.saved, Saved { resumed: Some(2), trail: vec![(2, digest), (4, digest)] });

        // One that begins at the beginning has nothing to do with what others measured.
        let mut anew = offered();
        anew.hear(Some(METRIC)).unwrap();
        assert_eq!(anew.metrics().len(), 1);
        assert!(anew.hear(Some(resumed)).unwrap_err().0.contains("goes on from step 2, which it was not offered"));
        assert!(offered().hear(Some(br#"{"notice":"resumed","step":3}"#)).is_err());
    }

    #[test]
    fn every_lie_is_told_apart() {
        let after = |heard: &[&[u8]], line: Option<&[u8]>| {
            let mut talk = conversation();
            for line in heard {
                talk.hear(Some(line)).unwrap();
            }
            talk.hear(line).unwrap_err().0
        };
        let hi = hello(PROTOCOL, 2, "2.11.0");
        for (heard, line, part) in [
            (vec![], Some(hello(99, 2, "2.11.0")), "it speaks protocol 99"),
            (vec![], Some(hello(PROTOCOL, 1, "2.11.0")), "it has revision 1 of train where the plan wants 2"),
            (vec![], Some(hello(PROTOCOL, 2, "2.12.0")), "it has 2.12.0 where the plan declares libtorch 2.11.0"),
            (
                vec![],
                Some(br#"{"notice":"hello","protocol":2,"kinds":{},"libraries":{}}"#.to_vec()),
                "does not know the kind train",
            ),
            (vec![], Some(MADE.to_vec()), "it did not say hello first"),
            (vec![&*hi], Some(hi.clone()), "it said hello twice"),
            (
                vec![&*hi],
                Some(b"\x1b[31mloss".to_vec()),
                r"what is not a notice (expected value at line 1 column 1): `\u{1b}[31mloss`",
            ),
            (vec![&*hi], Some(br#"{"notice":"metric","name":"loss","step":3,"value":null}"#.to_vec()), "not a notice"),
            (vec![&*hi], Some(br#"{"notice":"metric","name":"","step":3,"value":1}"#.to_vec()), "which is no name"),
            (vec![&*hi], None, "a line of more than 16777216 bytes"),
            (vec![&*hi, MADE], Some(METRIC.to_vec()), "it went on after"),
        ] {
            let lie = after(&heard, line.as_deref());
            assert!(lie.contains(part), "{lie} does not say: {part}");
        }
    }

    #[test]
    fn a_flood_is_told_from_a_long_life() {
        let mut talk = conversation();
        talk.hear(Some(&hello(PROTOCOL, 2, "2.11.0"))).unwrap();
        for _ in 0..=MOST_AT_ONCE {
            assert_eq!(
                talk.hear(Some(br#"{"notice":"progress","done":1,"total":2}"#)),
                Ok(Heard::Progress { done: 1, total: 2 })
            );
        }
        assert_eq!(talk.bear(Duration::from_mins(1)), Ok(()));
        let lie = talk.bear(Duration::from_millis(900)).unwrap_err().0;
        assert!(lie.starts_with("it flooded the engine with 20001 notices of progress in 0.9 s"), "{lie}");
    }

    #[test]
    fn a_word_and_an_exit_that_disagree_are_no_result() {
        let ended = |last: Option<&[u8]>, status: i32| {
            let mut talk = conversation();
            talk.hear(Some(&hello(PROTOCOL, 2, "2.11.0"))).unwrap();
            last.map(|line| talk.hear(Some(line)).unwrap());
            match talk.end(ExitStatus::from_raw(status), "boom").0 {
                Notice::Failed(failure) => failure.to_string(),
                other => panic!("{other:?}"),
            }
        };
        let words = "; the last lines of its log:\nboom";
        assert_eq!(
            ended(Some(MADE), 3 << 8),
            format!("refused: the worker said it was done, but exited with code 3{words}")
        );
        assert_eq!(ended(None, 0), format!("refused: the worker exited without a word on how it ended{words}"));
        assert_eq!(ended(None, 11), format!("crashed: the worker was killed by signal 11 (SIGSEGV){words}"));
        assert_eq!(ended(None, 1 << 8), format!("crashed: the worker exited with code 1{words}"));
        let said = br#"{"notice":"failed","class":"rejected","message":"no data"}"#;
        assert_eq!(ended(Some(said), 1 << 8), "rejected: no data");
        let died = br#"{"notice":"failed","class":"crashed","message":"`python3` exited with code 1"}"#;
        assert_eq!(ended(Some(died), 1 << 8), format!("crashed: `python3` exited with code 1{words}"));
        let panicked = br#"{"notice":"failed","class":"crashed","message":"the body panicked: boom"}"#;
        assert_eq!(ended(Some(panicked), 1 << 8), "crashed: the body panicked: boom");
    }
}
