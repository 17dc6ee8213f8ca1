//! Randomness by name and index: draw `j` of a stream is a function of the stream's seed and `j`.
//!
//! The generator is `SplitMix64` (Steele, Lea and Flood 2014), written out: fifteen lines whose bits no release of a crate can change.
//! Streams are told apart by [`Seed::stream`], which hashes, so that neighbouring indices have nothing in common.

use isoflop_contract::Seed;

/// One stream of random numbers.
#[derive(Debug, Clone)]
pub struct Stream(u64);

impl Stream {
    /// The stream `name` at `index` of a task seeded with `seed`.
    pub fn of(seed: Seed, name: &str, index: u64) -> Self {
        Self(seed.stream(name, index).get())
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A whole number below `n`, which must be positive. Its bias is below `n / 2^64`.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "there is no number below 0");
        ((u128::from(self.bits()) * n as u128) >> 64) as usize
    }

    /// One of `items`, which must not be empty.
    pub fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// A normal number of mean 0 and deviation 1 (Box and Muller 1958), by libm's functions.
    pub fn normal(&mut self) -> f64 {
        let uniform = |bits: u64| ((bits >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        let (u, v) = (uniform(self.bits()), uniform(self.bits()));
        libm::sqrt(-2.0 * libm::log(u)) * libm::cos(std::f64::consts::TAU * v)
    }

    /// Whether something that happens in `share` of all cases happens in this one.
    pub fn chance(&mut self, share: f64) -> bool {
        // 53 random bits against the share in units of 2^-53: both exact.
        ((self.bits() >> 11) as f64) < share * (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published first outputs for the seed 1234567.
    #[test]
    fn golden_numbers() {
        let mut stream = Stream(1_234_567);
        let bits: Vec<u64> = (0..5).map(|_| stream.bits()).collect();
        assert_eq!(
            bits,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821
            ]
        );
    }

    #[test]
    fn numbers_below_n_are_even_and_shares_are_kept() {
        let mut stream = Stream::of(Seed::from_number(1), "test", 0);
        let mut counts = [0_i32; 7];
        let mut hits = 0;
        for _ in 0..70_000 {
            counts[stream.below(7)] += 1;
            hits += i32::from(stream.chance(0.3));
        }
        assert!(counts.iter().all(|count| (count - 10_000).abs() < 400), "{counts:?}");
        assert!((hits - 21_000).abs() < 600, "{hits}");
        assert!(stream.chance(1.0) && !stream.chance(0.0));
    }

    #[test]
    fn normal_numbers_have_their_moments() {
        let mut stream = Stream::of(Seed::from_number(3), "test", 0);
        let drawn: Vec<f64> = (0..40_000).map(|_| stream.normal()).collect();
        let moment = |p: i32| drawn.iter().map(|z| z.powi(p)).sum::<f64>() / 40_000.0;
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03 && (moment(4) - 3.0).abs() < 0.2);
    }

    /// A fitter once seeded its resamples so that each was a shifted copy of the one before.
    #[test]
    fn neighbouring_streams_share_nothing() {
        let draws = |index| {
            let mut stream = Stream::of(Seed::from_number(1), "bootstrap", index);
            (0..64).map(|_| stream.bits()).collect::<std::collections::BTreeSet<_>>()
        };
        let all: std::collections::BTreeSet<u64> = (0..100).flat_map(draws).collect();
        assert_eq!(all.len(), 6400);
    }
}
