//! A halt: why a body did not make its artifact.

use std::{error::Error, fmt, io};

use isoflop_contract::{Failure, FailureClass, protocol::Notice};

/// Why a body ended without an artifact. Made from any error, a string included, by `?` or `.into()`.
///
/// Like other boxes of any error it is not an error itself. What the engine hears is found in the error or in what caused it: [`Diverged`],
/// [`Interrupted`] or [`Failing`], a full disk, and otherwise a rejection that spells out the whole chain.
pub struct Halt(Box<dyn Error + Send + Sync>);

/// Training diverged: a result, kept like success. Holds the evidence.
#[derive(Debug, Clone, thiserror::Error)]
#[error("diverged: {0}")]
pub struct Diverged(pub String);

/// The body stopped because [`Context::should_stop`](crate::Context::should_stop) said so.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("stopped on request")]
pub struct Interrupted;

/// A failure whose class the body knows better than its error tells.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}", .0.message)]
pub struct Failing(pub Failure);

/// A number that cannot be recorded.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what} is {value}; only finite numbers can be recorded")]
pub struct NotFinite {
    /// Which number.
    pub what: String,
    /// Its value.
    pub value: f64,
}

impl NotFinite {
    /// Takes it as evidence that training diverged.
    pub fn diverged(self) -> Diverged {
        Diverged(format!("{} is {}", self.what, self.value))
    }
}

impl<E> From<E> for Halt
where
    Box<dyn Error + Send + Sync>: From<E>,
{
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for Halt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self.0.as_ref()))
    }
}

impl Halt {
    /// The machine lacks something: memory, disk, a device.
    pub fn resource(message: impl Into<String>) -> Self {
        Failing(Failure { class: FailureClass::Resource, message: message.into() }).into()
    }

    /// What the engine is told.
    pub(crate) fn notice(&self) -> Notice {
        let failed = |class| Notice::Failed(Failure { class, message: shortened(chain(self.0.as_ref())) });
        for cause in causes(self.0.as_ref()) {
            if let Some(Diverged(reason)) = cause.downcast_ref() {
                return Notice::Diverged { reason: shortened(reason.clone()) };
            }
            if cause.is::<Interrupted>() {
                return failed(FailureClass::Interrupted);
            }
            if let Some(Failing(failure)) = cause.downcast_ref() {
                return failed(failure.class);
            }
            if let Some(error) = cause.downcast_ref::<io::Error>()
                && is_shortage(error.kind())
            {
                return failed(FailureClass::Resource);
            }
        }
        failed(FailureClass::Rejected)
    }
}

fn is_shortage(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{OutOfMemory, QuotaExceeded, StorageFull};
    matches!(kind, StorageFull | QuotaExceeded | OutOfMemory)
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The error and its causes, joined by colons. A cause that the one above it already quotes is not said twice.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    for cause in causes(error) {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// At most 64 KiB of `text`: a message is for a person.
pub(crate) fn shortened(mut text: String) -> String {
    const LIMIT: usize = 64 << 10;
    if text.len() > LIMIT {
        text.truncate(text.floor_char_boundary(LIMIT));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot train")]
    struct Wrapped(#[source] Box<dyn Error + Send + Sync>);

    fn wrapped(error: impl Into<Box<dyn Error + Send + Sync>>) -> Notice {
        Halt::from(Wrapped(error.into())).notice()
    }

    fn failed(class: FailureClass, message: &str) -> Notice {
        Notice::Failed(Failure { class, message: message.into() })
    }

    #[test]
    fn what_the_engine_hears_is_found_anywhere_in_the_chain() {
        assert_eq!(wrapped("no data"), failed(FailureClass::Rejected, "cannot train: no data"));
        assert_eq!(wrapped(Diverged("loss is NaN".into())), Notice::Diverged { reason: "loss is NaN".into() });
        assert_eq!(wrapped(Interrupted), failed(FailureClass::Interrupted, "cannot train: stopped on request"));
        assert_eq!(
            Halt::resource("no memory on the device").notice(),
            failed(FailureClass::Resource, "no memory on the device")
        );
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(matches!(wrapped(full), Notice::Failed(Failure { class: FailureClass::Resource, .. })));
        let nan = NotFinite { what: "the metric `loss`".into(), value: f64::NAN };
        assert_eq!(wrapped(nan.diverged()), Notice::Diverged { reason: "the metric `loss` is NaN".into() });
    }

    #[test]
    fn a_message_is_never_longer_than_a_line_may_be() {
        let Notice::Failed(failure) = Halt::from("é".repeat(1 << 20)).notice() else { unreachable!("a failure") };
        assert!(failure.message.len() <= (64 << 10) + 3 && failure.message.ends_with("é…"));
    }
}
