//! What is kept: the declared rules in their order, and near duplicates.

use std::collections::HashMap;

use isoflop_kinds::import::Keep;

use super::{
    item::{Fault, Item},
    picture::Picture,
};

/// Reasons that mean an image could not be read, whatever the rules.
pub const UNREADABLE: [&str; 3] = ["unreadable", "unsafe-path", "broken-archive"];

/// The rules, and what they have seen.
#[derive(Debug)]
pub struct Rules<'a> {
    keep: &'a Keep,
    near: Option<Near>,
    /// Images read so far.
    pub read: u64,
}

impl<'a> Rules<'a> {
    /// Rules that have seen nothing.
    pub fn new(keep: &'a Keep) -> Self {
        Self { keep, near: keep.duplicates.map(Near::within), read: 0 }
    }

    /// The picture, if it is kept; or which rule it breaks first.
    pub fn judge(&mut self, item: &Item, picture: Picture) -> Result<Picture, Fault> {
        let (short, long) = (picture.width.min(picture.height), picture.width.max(picture.height));
        let aspect = f64::from(long) / f64::from(short);
        let words = item.caption.split_whitespace().count();
        let broken = |reason, detail: String| Err(Fault { reason, detail });
        if words == 0 {
            return broken("no-caption", String::new());
        }
        if !self.keep.side.hold(f64::from(short)) {
            return broken("side", format!("{} × {}", picture.width, picture.height));
        }
        if !self.keep.aspect.hold(aspect) {
            return broken("aspect", format!("{} × {}", picture.width, picture.height));
        }
        if !self.keep.words.hold(words as f64) {
            return broken("words", format!("{words} words"));
        }
        for (name, bounds) in &self.keep.scores {
            match item.scores.get(name) {
                Some(score) if bounds.hold(*score) => {}
                Some(score) => return broken("score", format!("{name} is {score}")),
                None => return broken("score", format!("has no {name}")),
            }
        }
        if let Some(near) = &mut self.near
            && !near.add(picture.hash)
        {
            return broken("duplicate", format!("{:016x}", picture.hash));
        }
        Ok(picture)
    }
}

/// Hashes of what was kept, found by any of their bands: of two hashes that differ in `k` bits, one of `k + 1` bands is alike.
#[derive(Debug)]
struct Near {
    bits: u32,
    kept: Vec<u64>,
    bands: Vec<HashMap<u64, Vec<u32>>>,
}

impl Near {
    fn within(bits: u32) -> Self {
        Self { bits, kept: Vec::new(), bands: vec![HashMap::new(); bits as usize + 1] }
    }

    /// Whether `hash` is far from all before; then it is kept too.
    fn add(&mut self, hash: u64) -> bool {
        let count = self.bands.len() as u32;
        let band = |index: u32| {
            let (from, to) = (64 * index / count, 64 * (index + 1) / count);
            (hash >> from) & (u64::MAX >> (64 - (to - from)))
        };
        for (index, known) in (0..).zip(&self.bands) {
            let alike = known.get(&band(index)).into_iter().flatten();
            if alike.into_iter().any(|&at| (self.kept[at as usize] ^ hash).count_ones() <= self.bits) {
                return false;
            }
        }
        for (index, known) in (0..).zip(&mut self.bands) {
            known.entry(band(index)).or_default().push(self.kept.len() as u32);
        }
        self.kept.push(hash);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use isoflop_kinds::import::Bounds;

    use super::*;

    /// Against a plain search through all pairs.
    #[test]
    fn near_hashes_are_found_whatever_bits_differ() {
        let mut stream = crate::random::Stream::of(isoflop_contract::Seed::from_number(1), "hashes", 0);
        for bits in [0, 1, 3, 9, 15] {
            let (mut near, mut kept) = (Near::within(bits), Vec::<u64>::new());
            for round in 0..400 {
                let fresh = stream.bits();
                let hash = if round % 2 == 0 || kept.is_empty() {
                    fresh
                } else {
                    let flips = stream.below(20);
                    (0..flips).fold(stream.one_of(&kept), |hash, _| hash ^ (1 << stream.below(64)))
                };
                let far = kept.iter().all(|old| (old ^ hash).count_ones() > bits);
                assert_eq!(near.add(hash), far, "{bits} {round}");
                if far {
                    kept.push(hash);
                }
            }
        }
    }

    #[test]
    fn the_first_rule_that_is_broken_is_named() {
        let bounds = |min, max| Bounds { min, max };
        let keep = Keep {
            side: bounds(Some(20.0), None),
            aspect: bounds(None, Some(2.0)),
            words: bounds(Some(2.0), Some(4.0)),
            scores: BTreeMap::from([("aesthetic".to_owned(), bounds(Some(5.0), None))]),
            duplicates: Some(0),
        };
        let mut rules = Rules::new(&keep);
        let picture = |width, height, hash| Picture { planes: Vec::new(), width, height, hash };
        let item = |caption: &str, score: Option<f64>| Item {
            caption: caption.into(),
            scores: score.map(|score| ("aesthetic".to_owned(), score)).into_iter().collect(),
            ..Item::default()
        };
        for (caption, score, seen, reason) in [
            ("", Some(6.0), picture(5, 5, 1), "no-caption"),
            ("a b c d e", Some(6.0), picture(5, 50, 1), "side"),
            ("a b c d e", Some(6.0), picture(20, 50, 1), "aspect"),
            ("a b c d e", None, picture(20, 40, 1), "words"),
            ("a b c", None, picture(20, 40, 1), "score"),
            ("a b c", Some(4.0), picture(20, 40, 1), "score"),
            ("a b c", Some(5.0), picture(20, 40, 1), ""),
            ("a b c", Some(5.0), picture(20, 40, 1), "duplicate"),
        ] {
            let found = rules.judge(&item(caption, score), seen);
            assert_eq!(found.map_or_else(|fault| fault.reason, |_| ""), reason);
        }
    }
}
