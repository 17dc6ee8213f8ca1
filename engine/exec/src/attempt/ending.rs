//! How an attempt ended, in the words that a person reads.

use std::{io, process::ExitStatus, time::Duration};

use isoflop_contract::{FailureClass, protocol::Notice};

use super::{Attempt, PATIENCE};
use crate::{
    conversation::{Account, Lie, failed},
    vigil::Alarm,
    words::with_words,
};

/// Why the engine ends a worker.
#[derive(Debug)]
pub(super) enum Ending {
    Ordered,
    TimedOut(Duration),
    Alarmed(Alarm),
    Silent,
    Lingering,
    Lied(Lie),
}

impl Attempt<'_> {
    pub(super) fn conclude(mut self, status: io::Result<ExitStatus>) -> (Notice, Account) {
        let words = self.log.last_words();
        let status = match status {
            Ok(status) => status,
            Err(error) => {
                return (
                    failed(FailureClass::Crashed, format!("the worker cannot be waited for: {error}")),
                    Account::default(),
                );
            }
        };
        let in_time = self.was_over && status.success();
        let (hello, seconds) = (self.hello().as_secs(), PATIENCE.as_secs());
        let (class, message) = match self.ending {
            Some(Ending::Lied(Lie(lie))) => {
                (FailureClass::Refused, with_words(format!("the worker broke the protocol: {lie}"), &words))
            }
            Some(Ending::Ordered) if !in_time => (FailureClass::Interrupted, "the run was stopped".to_owned()),
            Some(Ending::TimedOut(limit)) if !in_time => {
                let limit = limit.as_secs();
                (
                    FailureClass::TimedOut,
                    with_words(format!("it took longer than the {limit} s that `on: time` allows"), &words),
                )
            }
            Some(Ending::Alarmed(alarm)) if !in_time => {
                let class = match alarm {
                    Alarm::Memory { .. } => FailureClass::Resource,
                    Alarm::Silent(_) | Alarm::Stopped(..) => FailureClass::Crashed,
                };
                (class, with_words(alarm.message(), &words))
            }
            Some(Ending::Silent) => {
                (FailureClass::Refused, with_words(format!("the worker did not say hello within {hello} s"), &words))
            }
            Some(Ending::Lingering) => (
                FailureClass::Refused,
                with_words(format!("the worker did not exit within {seconds} s of its last word"), &words),
            ),
            _ => return self.talk.end(status, &words),
        };
        (failed(class, message), self.talk.account())
    }
}
