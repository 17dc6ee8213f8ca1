//! A cut: one flat vector in segments, and the ranges of whole segments that ranks own.
//!
//! The segments follow from the vector's length alone. Whatever reduces or steps a stretch of the vector (a norm, an optimizer's update) does so
//! segment by segment, each by itself, so that the bits do not depend on who owns it: vector instructions and threads share out a segment
//! alike, whatever lies beside it.

use std::ops::Range;

/// The most segments there are, and so the most ranks that can own one.
const MOST: u64 = 256;

/// The fewest numbers in a segment but the last.
const LEAST: u64 = 1 << 12;

/// A vector's segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    length: u64,
    segment: u64,
}

impl Cut {
    /// The segments of a vector of `length` numbers: a power of two long, all but the last.
    pub fn new(length: u64) -> Self {
        Self { length, segment: length.div_ceil(MOST).next_power_of_two().max(LEAST) }
    }

    /// How many numbers there are in all.
    pub const fn length(self) -> u64 {
        self.length
    }

    /// How many segments there are.
    pub const fn count(self) -> u64 {
        self.length.div_ceil(self.segment)
    }

    /// Where segment `index` lies.
    pub fn segment(self, index: u64) -> Range<u64> {
        index * self.segment..((index + 1) * self.segment).min(self.length)
    }

    /// The segments that rank `rank` of `world` owns: whole ones in a row, as even as can be. None if there are more ranks than segments.
    pub fn owned(self, rank: usize, world: usize) -> Range<u64> {
        super::fold::stretch(rank, world, self.count())
    }

    /// Where what rank `rank` of `world` owns lies.
    pub fn range(self, rank: usize, world: usize) -> Range<u64> {
        self.stretch(self.owned(rank, world))
    }

    /// Where the segments `segments` lie, which are in a row.
    pub fn stretch(self, segments: Range<u64>) -> Range<u64> {
        let place = |index: u64| (index * self.segment).min(self.length);
        place(segments.start)..place(segments.end)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_are_whole_segments_and_cover_the_vector(length in 0_u64..5_000_000, world in 1_usize..9) {
            let cut = Cut::new(length);
            let mut end = 0;
            for rank in 0..world {
                let range = cut.range(rank, world);
                prop_assert_eq!(range.start, end);
                let segments: u64 = cut.owned(rank, world).map(|s| cut.segment(s).end - cut.segment(s).start).sum();
                prop_assert_eq!(range.end - range.start, segments);
                end = range.end;
            }
            prop_assert_eq!(end, length);
            prop_assert!(cut.count() <= MOST);
        }
    }

    #[test]
    fn large_vectors_have_large_segments() {
        assert_eq!(Cut::new(4_000_000_000).segment(0), 0..1 << 24);
        assert_eq!((Cut::new(5000).count(), Cut::new(5000).segment(1)), (2, 4096..5000));
        assert_eq!(Cut::new(5000).range(2, 3), 5000..5000);
    }
}
