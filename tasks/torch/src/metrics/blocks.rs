//! Blocks that are always full. The last bits of a row that comes out of a network may depend on how many rows went in together: so always as many do, and
//! a score of an image does not depend on how many others are scored.

use tch::Tensor;

/// Rows that go through a network together.
pub const BLOCK: u64 = 64;

/// What `see` makes of `count` rows, a row each. It is given the numbers of [`BLOCK`] rows at a time; the last block is filled up with the last row.
pub fn in_blocks<E>(count: u64, mut see: impl FnMut(&[i64]) -> Result<Tensor, E>) -> Result<Tensor, E> {
    let mut seen = Vec::new();
    for first in (0..count).step_by(BLOCK as usize) {
        let rows: Vec<i64> = (first..first + BLOCK).map(|row| row.min(count - 1) as i64).collect();
        seen.push(see(&rows)?.narrow(0, 0, BLOCK.min(count - first) as i64));
    }
    Ok(Tensor::cat(&seen, 0))
}
