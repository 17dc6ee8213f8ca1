//! When two executions parted: the first step whose checkpoint or series differs.

use std::collections::BTreeMap;

use isoflop_contract::{Key, checkpoint::Trail, protocol::MACHINE};
use isoflop_ledger::{AttemptId, Ledger, Past};
use serde_json::json;

use crate::{
    bits::First,
    stop::{Stop, infrastructure},
};

/// What an execution measured, by series.
pub type Series = BTreeMap<String, Vec<(u64, f64)>>;

/// Adds to a difference the first step at which the attempt differs from that of the result.
pub async fn date(
    first: First,
    key: &Key,
    standing: &Past,
    attempt: AttemptId,
    ledger: &Ledger,
) -> Result<First, Stop> {
    let Some(maker) = standing.attempt else { return Ok(first) };
    let mut saved = ledger.saved(key).await.map_err(infrastructure)?;
    let mut trail = |attempt| saved.remove(&attempt).map(|saved| saved.trail).unwrap_or_default();
    let (old, new) = (trail(maker), trail(attempt));
    let before = ledger.metrics(maker).await.map_err(infrastructure)?;
    let after = ledger.metrics(attempt).await.map_err(infrastructure)?;
    let measured = parted(&before, &after);
    let at = [saved_apart(&old, &new), measured.as_ref().and_then(|first| first.step)].into_iter().flatten().min();
    Ok(First { step: at, series: measured.and_then(|measured| measured.series).or(first.series.clone()), ..first })
}

/// The first step at which both saved, and saved other bits.
pub fn saved_apart(old: &Trail, new: &Trail) -> Option<u64> {
    let old: BTreeMap<_, _> = old.iter().copied().collect();
    new.iter().find(|(step, digest)| old.get(step).is_some_and(|other| other != digest)).map(|(step, _)| *step)
}

/// Where two executions first measured something else; nothing if all is the same. What they measured of the machine is theirs.
pub fn parted(old: &Series, new: &Series) -> Option<First> {
    let points = |all: &Series| -> BTreeMap<(u64, String), f64> {
        let point = |name: &String, (step, value): &(u64, f64)| ((*step, name.clone()), *value);
        let compared = all.iter().filter(|(name, _)| !name.starts_with(MACHINE));
        compared.flat_map(|(name, points)| points.iter().map(move |one| point(name, one))).collect()
    };
    let (old, new) = (points(old), points(new));
    let bits = |value: Option<&f64>| value.map(|value| value.to_bits());
    let mut places: Vec<&(u64, String)> = old.keys().chain(new.keys()).collect();
    places.sort();
    let place = places.into_iter().find(|place| bits(old.get(*place)) != bits(new.get(*place)))?;
    let values = Some([json!(old.get(place)), json!(new.get(place))]);
    Some(First { series: Some(place.1.clone()), step: Some(place.0), values, ..First::default() })
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Digest;

    use super::*;

    #[test]
    fn the_first_step_apart_is_found() {
        let series = |points: &[(u64, f64)]| Series::from([("loss".to_owned(), points.to_vec())]);
        let one = series(&[(10, 0.5), (20, 0.25)]);
        assert_eq!(parted(&one, &one), None);
        let first = parted(&one, &series(&[(10, 0.5), (20, 0.125)])).unwrap();
        assert_eq!(first.says(), "series `loss`: 0.25 against 0.125; from step 20 on");
        assert_eq!(parted(&one, &series(&[(10, 0.5)])).unwrap().step, Some(20), "a gap is a difference");
        let timed =
            |rate| Series::from([("loss".to_owned(), vec![(10, 0.5)]), ("machine.rate".to_owned(), vec![(10, rate)])]);
        assert_eq!(parted(&timed(1.0), &timed(2.0)), None);
        let trail = |digests: &[(u64, &str)]| -> Trail {
            digests.iter().map(|(step, text)| (*step, Digest::of(text))).collect()
        };
        let old = trail(&[(5, "a"), (10, "b"), (15, "c")]);
        assert_eq!(saved_apart(&old, &trail(&[(5, "a"), (7, "x"), (10, "y"), (15, "z")])), Some(10));
        assert_eq!(saved_apart(&old, &old), None);
    }
}
