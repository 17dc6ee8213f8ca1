//! Events: facts, one chain a run. Each event's hash covers its canonical text and the hash before it, so nothing can be changed, left out
//! or put between without breaking the chain from there on.
//!
//! To add an event, add a variant here. Variants and members are never removed or renamed: old ledgers hold them. Old programs read a new
//! variant as [`Event::Unknown`]; its text still counts in the chain.

use isoflop_contract::{Digest, Failure, Key, canon, canon::CanonError, checkpoint::Trail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    id::{AttemptId, RunId},
    run::RunState,
};

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The run began.
    RunBegan {
        /// The study's name.
        study: String,
        /// The plan's digest.
        plan: Digest,
        /// Tasks in the plan.
        tasks: u64,
        /// Who runs it.
        holder: String,
        /// The digest of the plan's tasks in order, one line each: key, space, name.
        list: Digest,
        /// The study's file, as it was named.
        #[serde(default)]
        file: Option<String>,
        /// The digest of the soft environment's text.
        #[serde(default)]
        soft: Option<Digest>,
    },
    /// Results of earlier runs stand for these tasks.
    Kept {
        /// How many.
        tasks: u64,
        /// The digest of them in the plan's order, one line each: key, space, artifact (or `diverged`).
        list: Digest,
    },
    /// An attempt began.
    AttemptBegan {
        /// The attempt.
        attempt: AttemptId,
        /// The task's name.
        task: String,
        /// Its key.
        key: Key,
        /// The fence of its lease.
        fence: i64,
        /// What for: `make`, `remake` or `witness`.
        #[serde(default)]
        purpose: Option<String>,
        /// The digest of the soft environment's text.
        #[serde(default)]
        soft: Option<Digest>,
        /// The artifact that this run had kept for the task until its bytes were found bad or gone.
        #[serde(default)]
        unkeeps: Option<Digest>,
    },
    /// A lease was taken over from an engine that died or went silent.
    TakenOver {
        /// The key.
        key: Key,
        /// The new fence.
        fence: i64,
        /// Who had it.
        from: String,
    },
    /// An attempt saved checkpoints, or went on from one. Just before the event of its end.
    Checkpointed {
        /// The attempt.
        attempt: AttemptId,
        /// The task's name.
        task: String,
        /// Its key.
        key: Key,
        /// The step it went on from.
        #[serde(default)]
        resumed: Option<u64>,
        /// What was saved on the way to its end, by the attempts it goes on from too.
        #[serde(default)]
        trail: Trail,
    },
    /// An attempt made an artifact.
    Made {
        /// The attempt.
        attempt: AttemptId,
        /// The task's name.
        task: String,
        /// Its key.
        key: Key,
        /// The artifact.
        artifact: Digest,
        /// The digest of the recipe's trace.
        trace: Digest,
        /// The artifact that stood before, where this one takes its place.
        #[serde(default)]
        replaces: Option<Digest>,
        /// Whether this is the result under the key from now on. If not, another one stands.
        stands: bool,
        /// The digest of what it measured: see [`crate::Metric`].
        #[serde(default)]
        metrics: Option<Digest>,
        /// How long its body ran.
        #[serde(default)]
        seconds: Option<f64>,
    },
    /// An attempt diverged.
    Diverged {
        /// The attempt.
        attempt: AttemptId,
        /// The task's name.
        task: String,
        /// Its key.
        key: Key,
        /// The digest of the recipe's trace.
        trace: Digest,
        /// The evidence.
        reason: String,
        /// Whether this is the result under the key from now on.
        stands: bool,
        /// The digest of what it measured: see [`crate::Metric`].
        #[serde(default)]
        metrics: Option<Digest>,
        /// How long its body ran.
        #[serde(default)]
        seconds: Option<f64>,
    },
    /// An attempt failed.
    Failed {
        /// The attempt.
        attempt: AttemptId,
        /// The task's name.
        task: String,
        /// Its key.
        key: Key,
        /// How.
        failure: Failure,
        /// The digest of what it measured: see [`crate::Metric`].
        #[serde(default)]
        metrics: Option<Digest>,
        /// How long its body ran.
        #[serde(default)]
        seconds: Option<f64>,
    },
    /// A task adopted an old result, because its inputs came out with bytes already seen.
    Adopted {
        /// The task's name.
        task: String,
        /// Its key.
        key: Key,
        /// The artifact, unless it had diverged.
        #[serde(default)]
        artifact: Option<Digest>,
        /// The digest of the recipe's trace.
        trace: Digest,
        /// The artifact that stood before, made from other bits, where this one takes its place.
        #[serde(default)]
        replaces: Option<Digest>,
    },
    /// Tasks that cannot run because a need failed.
    Blocked {
        /// Their names.
        tasks: Vec<String>,
        /// Why.
        reason: String,
    },
    /// The run's engine was not heard of any more, and another ends it.
    FellSilent {
        /// Whose it was.
        by: String,
        /// For how many seconds nothing had been heard.
        seconds: f64,
    },
    /// The run ended.
    RunEnded {
        /// How.
        state: RunState,
    },
    /// An event of a newer isoflop.
    #[serde(other)]
    Unknown,
}

/// The text that is hashed and stored: the event with its place in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// The run.
    pub run: RunId,
    /// The event's place in the run, from 1.
    pub seq: u64,
    /// When it was recorded, RFC 3339.
    pub at: Timestamp,
    /// What happened.
    pub what: Event,
}

impl Line {
    /// The canonical text.
    pub fn text(&self) -> Result<String, CanonError> {
        canon::text(self)
    }
}

/// The hash before a run's first event.
pub(crate) const ORIGIN: Digest = Digest::from_bytes([0; 32]);

/// The hash of an event's text that follows the hash `prev`.
pub(crate) fn link(prev: &Digest, text: &str) -> Digest {
    Digest::from_bytes(*blake3::Hasher::new().update(prev.as_bytes()).update(text.as_bytes()).finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line {
            run: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            seq: 3,
            at: "2026-11-23T10:00:00.123456Z".parse().unwrap(),
            what: Event::Made {
                attempt: "01890a5d-ac96-774b-bcce-b302099a8058".parse().unwrap(),
                task: "train[seed=0]".into(),
                key: Key::of_text("k"),
                artifact: Digest::of("a"),
                trace: Digest::of("t"),
                replaces: None,
                stands: true,
                metrics: None,
                seconds: None,
            },
        }
    }

    /// Literal text: a change here breaks the chain of every ledger there is. Do not edit without a decision on record.
    #[test]
    fn literal_text_and_hash() {
        let text = line().text().unwrap();
        let key = Key::of_text("k");
        let (artifact, trace) = (Digest::of("a"), Digest::of("t"));
        assert_eq!(
            text,
            format!(
                concat!(
                    r#"{{"at":"2026-11-23T10:00:00.123456Z","run":"01890a5d-ac96-774b-bcce-b302099a8057","seq":3,"what":{{"#,
                    r#""artifact":"{}","attempt":"01890a5d-ac96-774b-bcce-b302099a8058","event":"made","key":"{}","#,
                    r#""stands":true,"task":"train[seed=0]","trace":"{}"}}}}"#
                ),
                artifact, key, trace
            )
        );
        assert_eq!(
            link(&ORIGIN, "x"),
            Digest::of([&[0u8; 32][..], b"x"].concat()),
            "a link is the plain hash of the hash before it and the text"
        );
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line());
    }

    #[test]
    fn an_event_of_a_newer_program_is_read_as_unknown() {
        let event: Event = serde_json::from_str(r#"{"event":"moved","to":"elsewhere"}"#).unwrap();
        assert_eq!(event, Event::Unknown);
    }
}
