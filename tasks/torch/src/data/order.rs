//! The order of training: batch `k` is a function of (seed, k).
//!
//! Each pass over the data is a keyed permutation, a Feistel network with cycle walking, so that the batch at any step is had without
//! having drawn the ones before it.

use isoflop_contract::Seed;
use tch::Tensor;

use super::loader::Sequence;

/// A pass-by-pass shuffled order over `items` things.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    seed: Seed,
    items: u64,
}

impl Order {
    /// The order of `items` (at least one) under `seed`'s stream `order`.
    pub fn new(seed: Seed, items: u64) -> Self {
        assert!(items > 0, "there is nothing to put in order");
        Self { seed, items }
    }

    /// Which things batch `k` of `size` holds. Every pass holds each thing once; a batch may reach into the next pass.
    pub fn batch(&self, k: u64, size: u64) -> Vec<i64> {
        let mut pass = None;
        (k * size..(k + 1) * size)
            .map(|position| {
                let (number, place) = (position / self.items, position % self.items);
                let key = match pass {
                    Some((n, key)) if n == number => key,
                    _ => self.seed.stream("order", number).get(),
                };
                pass = Some((number, key));
                permute(key, self.items, place) as i64
            })
            .collect()
    }

    /// The same as row numbers.
    pub fn rows(&self, k: u64, size: u64) -> Tensor {
        Tensor::from_slice(&self.batch(k, size))
    }
}

/// The portions of an order that one rank reads: of every batch, cut into parts of one size, those that fall to it in turn.
#[derive(Debug, Clone)]
pub struct Portions {
    /// What is read in which order.
    pub order: Order,
    /// In how many parts a batch is cut.
    pub parts: u64,
    /// How many things a part holds.
    pub size: u64,
    /// This rank, whose first part of every batch has its number.
    pub rank: u64,
    /// How many ranks take turns, no more than there are parts.
    pub world: u64,
    /// How many batches there are.
    pub batches: u64,
}

/// Part `p` of batch `b` is portion `b · parts + p`.
impl Sequence for Portions {
    fn rows(&self, k: u64) -> Vec<i64> {
        self.order.batch(k, self.size)
    }

    fn after(&self, k: u64) -> Option<u64> {
        let (batch, part) = (k / self.parts, k % self.parts);
        let more = part + self.world < self.parts;
        let next = if more { k + self.world } else { (batch + 1) * self.parts + self.rank };
        Some(next).filter(|&next| next < self.batches * self.parts)
    }
}

/// Where the permutation of `0..items` keyed by `key` sends `place`.
pub fn permute(key: u64, items: u64, place: u64) -> u64 {
    let bits = (64 - (items - 1).leading_zeros()).max(2).next_multiple_of(2);
    let half = bits / 2;
    let mask = (1_u64 << half) - 1;
    let mut x = place;
    loop {
        let (mut left, mut right) = (x >> half, x & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (mix(key ^ mix(right.wrapping_add(round << 40))) & mask));
        }
        x = left << half | right;
        if x < items {
            return x; // the network permutes a power of four; walking on until inside permutes the items
        }
    }
}

/// The finalizer of `SplitMix64`.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ x >> 31
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_pass_holds_each_thing_once() {
        for items in [1, 2, 3, 10, 64, 1000] {
            for key in 0..3 {
                let sent: BTreeSet<u64> = (0..items).map(|place| permute(key, items, place)).collect();
                assert_eq!(sent, (0..items).collect(), "{items} items, key {key}");
            }
        }
    }

    #[test]
    fn a_rank_reads_its_own_parts_of_every_batch() {
        let order = Order::new(Seed::from_number(5), 10);
        let of = |rank: u64, world: u64| {
            let portions = Portions { order, parts: 5, size: 2, rank, world, batches: 3 };
            std::iter::successors(Some(rank), |&k| portions.after(k)).collect::<Vec<_>>()
        };
        assert_eq!(of(0, 1), (0..15).collect::<Vec<_>>());
        assert_eq!(of(0, 2), [0, 2, 4, 5, 7, 9, 10, 12, 14]);
        assert_eq!(of(1, 2), [1, 3, 6, 8, 11, 13]);
        assert_eq!(of(4, 5), [4, 9, 14]);
    }

    /// No memory for any number of things, and no thing twice.
    #[test]
    fn a_hundred_million_things_are_in_order_too() {
        let items = 100_000_000;
        let order = Order::new(Seed::from_number(5), items);
        let batch = order.batch(7_000_000, 1000);
        assert!(batch.iter().all(|&row| (0..items as i64).contains(&row)));
        assert_eq!(batch.iter().collect::<BTreeSet<_>>().len(), 1000);
        let mean = batch.iter().map(|&row| row as f64).sum::<f64>() / 1000.0 / items as f64;
        assert!((mean - 0.5).abs() < 0.05, "they come from everywhere: {mean}");
    }

    #[test]
    fn batches_cut_one_sequence_wherever_they_are_cut() {
        let order = Order::new(Seed::from_number(5), 10);
        let fours: Vec<i64> = (0..6).flat_map(|k| order.batch(k, 4)).collect();
        let eights: Vec<i64> = (0..3).flat_map(|k| order.batch(k, 8)).collect();
        assert_eq!(fours, eights);
        assert_ne!(fours[..10], fours[10..20], "each pass has its own order");
        assert_ne!(Order::new(Seed::from_number(6), 10).batch(0, 10), order.batch(0, 10));
    }
}
