//! An attempt: one execution of a task, and how it ended.

use std::collections::BTreeMap;

use isoflop_contract::{Digest, Failure, Manifest};

use crate::{bytes::clean, error::LedgerError, saved::Saved};

/// How an attempt ended, and what it measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// What the body measured on the way.
    pub metrics: Vec<Metric>,
    /// How long the body ran.
    pub seconds: f64,
    /// What it saved on the way, and what it went on from.
    pub saved: Saved,
}

/// One point of a series. The chain holds the digest of all points of an attempt: one line a point in order of series and step, each ended by
/// a line feed, with the series as a JSON string, a space, the step, a space, and the value in shortest scientific form.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The series.
    pub series: String,
    /// The optimizer step, or whatever the series counts in.
    pub step: u64,
    /// Its value there.
    pub value: f64,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptOutcome {
    /// An artifact, committed to the store.
    Made {
        /// Its digest.
        digest: Digest,
        /// What it is made of.
        manifest: Manifest,
        /// The digest of the recipe's trace.
        trace: Digest,
    },
    /// Training diverged.
    Diverged {
        /// The evidence.
        reason: String,
        /// The digest of the recipe's trace.
        trace: Digest,
    },
    /// It failed: recorded, never kept.
    Failed(Failure),
}

/// Points by series and step, as they are stored.
pub(crate) type Points = BTreeMap<(String, i64), f64>;

/// What is stored of `metrics`: of two values at one step, the later counts.
pub(crate) fn points(metrics: &[Metric]) -> Result<Points, LedgerError> {
    let mut points = Points::new();
    for metric in metrics {
        let step = i64::try_from(metric.step).map_err(|_| LedgerError::Unfit {
            what: format!("step {} of `{}`", metric.step, metric.series),
            why: "it is above 2^63".to_owned(),
        })?;
        points.insert((clean(&metric.series), step), metric.value);
    }
    Ok(points)
}

/// The digest of points, for the chain.
pub(crate) fn digest(points: &Points) -> Digest {
    let line = |((series, step), value): (&(String, i64), &f64)| {
        format!("{} {step} {value:e}\n", serde_json::Value::from(series.as_str()))
    };
    Digest::of(points.iter().map(line).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Literal lines: a change here makes every recorded series look tampered with.
    #[test]
    fn literal_digest_of_points() {
        let metric = |series: &str, step, value| Metric { series: series.to_owned(), step, value };
        let points = points(&[
            metric("loss", 10, 0.5),
            metric("a \"b\"", 2, f64::NAN),
            metric("loss", 9, 1.0),
            metric("loss", 9, -2.5e-7),
        ]);
        let lines = "\"a \\\"b\\\"\" 2 NaN\n\"loss\" 9 -2.5e-7\n\"loss\" 10 5e-1\n";
        assert_eq!(digest(&points.unwrap()), Digest::of(lines));
    }
}
