//! Mixing: which of its captions an example is learned with, known from seed and number alone.

use isoflop_contract::Seed;
use tch::{Device, Kind, Tensor};

use crate::{
    data::{Portions, Sequence},
    draw::drawn,
};

/// Which captions examples are learned with: now and then a synthetic one.
#[derive(Debug, Clone, Copy)]
pub struct Mixing {
    pub seed: Seed,
    /// How often.
    pub share: f64,
    /// Among how many.
    pub count: i64,
}

impl Mixing {
    /// Of each of the `size` examples of part `index` of all batches, 0 for its own caption or the number of a synthetic one from 1.
    pub fn picks(&self, index: u64, size: i64) -> Vec<i64> {
        let draws = uniform(self.seed.stream("captions", index), &[2, size]);
        let numbers = |row: i64| Vec::<f64>::try_from(draws.get(row)).expect("one dimension of doubles");
        let count = self.count as f64;
        let pick = |(which, mixed): (f64, f64)| {
            if mixed < self.share { (which * count).floor().clamp(0.0, count - 1.0) as i64 + 1 } else { 0 }
        };
        numbers(0).into_iter().zip(numbers(1)).map(pick).collect()
    }
}

/// Portions of an order, each example with the number of its caption.
#[derive(Debug, Clone)]
pub struct Mixed {
    pub portions: Portions,
    /// Where texts lie with their images, what they are mixed by, and captions that an image is numbered with.
    pub mixing: Option<Mixing>,
    pub each: i64,
}

impl Sequence for Mixed {
    fn rows(&self, k: u64) -> Vec<i64> {
        let rows = self.portions.rows(k);
        match &self.mixing {
            None => rows.into_iter().map(|row| row * self.each).collect(),
            Some(mixing) => {
                let picks = mixing.picks(k, rows.len() as i64);
                rows.into_iter().zip(picks).map(|(row, pick)| row * self.each + pick).collect()
            }
        }
    }

    fn after(&self, k: u64) -> Option<u64> {
        self.portions.after(k)
    }
}

/// Uniform doubles in [0, 1) that depend on `seed` alone.
pub fn uniform(seed: Seed, size: &[i64]) -> Tensor {
    drawn(seed.get(), || Tensor::rand(size, (Kind::Double, Device::Cpu)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_are_mixed_as_often_as_asked_and_evenly_among_the_best() {
        let mixing = Mixing { seed: Seed::from_number(5), share: 0.5, count: 5 };
        let picks: Vec<i64> = (0..200).flat_map(|k| mixing.picks(k, 50)).collect();
        let count = |which: i64| picks.iter().filter(|&&pick| pick == which).count();
        // Five deviations of 10,000 draws: 250 of a half, 150 of a tenth.
        assert!(count(0).abs_diff(5000) < 250, "{}", count(0));
        for which in 1..=5 {
            assert!(count(which).abs_diff(1000) < 150, "{which}: {}", count(which));
        }
        assert_eq!(mixing.picks(7, 50), mixing.picks(7, 50));
        let best = Mixing { share: 1.0, count: 1, ..mixing };
        assert!(best.picks(3, 50).iter().all(|&pick| pick == 1));
    }
}
