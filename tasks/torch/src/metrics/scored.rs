//! A score with what makes it one: an interval, and how much it rests on.

use serde::Serialize;

use super::bootstrap::{Interval, bootstrap};

/// A score.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    /// The final number's name.
    pub name: String,
    /// The score.
    pub value: f64,
    /// The interval's lower end.
    pub lower: f64,
    /// Its upper end.
    pub upper: f64,
    /// The standard deviation over resamples.
    pub stderr: f64,
    /// Prompts or images that it rests on.
    pub n: u64,
}

impl Scored {
    /// A score with its interval.
    pub fn new(name: &str, value: f64, interval: Interval, n: usize) -> Self {
        let Interval { lower, upper, stderr } = interval;
        Self { name: name.to_owned(), value, lower, upper, stderr, n: n as u64 }
    }

    /// The mean of the scores of prompts, with the interval that holds the share `level` of `draws` resamples of them. `None` without prompts.
    pub fn mean(name: &str, values: &[f64], draws: u64, level: f64) -> Option<Self> {
        let n = values.len();
        let mean = |drawn: &[usize]| (n > 0).then(|| drawn.iter().map(|&k| values[k]).sum::<f64>() / n as f64);
        let value = values.iter().sum::<f64>() / n as f64;
        bootstrap(n, draws, level, mean).map(|interval| Self::new(name, value, interval, n))
    }
}
