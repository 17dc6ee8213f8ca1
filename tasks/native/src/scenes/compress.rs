//! Compression as JPEG loses it: blocks of 8 × 8 pixels through a discrete cosine transform, rounded by the standard's own table, and back. Whole
//! numbers throughout; channels are cut down alike, without the standard's change of color space.

/// ITU-T T.81, table K.1.
const TABLE: [i64; 64] = [
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
];
/// `cos(k π / 16) / 2` for `k` from 0 to 8, times 2^14; the first is `√½ / 2`, the weight of the constant.
const COSINES: [i64; 9] = [5793, 8035, 7568, 6811, 5793, 4551, 3135, 1598, 0];
const BITS: u32 = 14;

/// The entry of the transform's matrix for frequency `u` at sample `x`.
fn cosine(u: usize, x: usize) -> i64 {
    let angle = (2 * x + 1) * u % 32;
    let angle = if angle > 16 { 32 - angle } else { angle };
    let (angle, sign) = if angle > 8 { (16 - angle, -1) } else { (angle, 1) };
    // An angle of zero at a frequency other than zero cannot be: (2x + 1) u is no multiple of 32 for u below 8.
    sign * COSINES[angle]
}

/// Cuts a picture `[3, R, R]` down to `quality`, from 1 to 100 as with the reference encoder.
pub fn compress(picture: &mut [u8], side: usize, quality: i64) {
    let scale = if quality < 50 { 5000 / quality.max(1) } else { 200 - 2 * quality };
    let table = TABLE.map(|entry| ((entry * scale + 50) / 100).clamp(1, 255));
    let matrix: Vec<i64> = (0..64).map(|i| cosine(i / 8, i % 8)).collect();
    for plane in picture.chunks_exact_mut(side * side) {
        for (top, left) in (0..side).step_by(8).flat_map(|top| (0..side).step_by(8).map(move |left| (top, left))) {
            // Blocks that reach over an edge repeat it.
            let at = |i: usize| (top + i / 8).min(side - 1) * side + (left + i % 8).min(side - 1);
            let block: Vec<i64> = (0..64).map(|i| i64::from(plane[at(i)]) - 128).collect();
            let block = back(&matrix, &round(&forth(&matrix, &block), &table));
            for i in (0..64).filter(|i| top + i / 8 < side && left + i % 8 < side) {
                plane[(top + i / 8) * side + left + i % 8] = (block[i] + 128).clamp(0, 255) as u8;
            }
        }
    }
}

/// `C X Cᵀ`, scaled back to whole numbers.
fn forth(matrix: &[i64], block: &[i64]) -> Vec<i64> {
    let rows: Vec<i64> = (0..64).map(|i| (0..8).map(|k| matrix[i / 8 * 8 + k] * block[k * 8 + i % 8]).sum()).collect();
    let both = (0..64).map(|i| (0..8).map(|k| rows[i / 8 * 8 + k] * matrix[i % 8 * 8 + k]).sum());
    both.map(scaled).collect()
}

/// `Cᵀ X C`.
fn back(matrix: &[i64], block: &[i64]) -> Vec<i64> {
    let rows: Vec<i64> = (0..64).map(|i| (0..8).map(|k| matrix[k * 8 + i / 8] * block[k * 8 + i % 8]).sum()).collect();
    let both = (0..64).map(|i| (0..8).map(|k| rows[i / 8 * 8 + k] * matrix[k * 8 + i % 8]).sum());
    both.map(scaled).collect()
}

fn scaled(sum: i64) -> i64 {
    (sum + (1 << (2 * BITS - 1))) >> (2 * BITS)
}

fn round(block: &[i64], table: &[i64; 64]) -> Vec<i64> {
    block.iter().zip(table).map(|(value, step)| (value + value.signum() * step / 2) / step * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of the transform are of length one and stand at right angles, as far as fourteen bits go.
    #[test]
    fn the_transform_is_orthonormal() {
        for u in 0..8 {
            for v in 0..8 {
                let product: i64 = (0..8).map(|x| cosine(u, x) * cosine(v, x)).sum();
                let wanted = if u == v { 1_i64 << (2 * BITS) } else { 0 };
                assert!((product - wanted).abs() < 1 << (2 * BITS - 12), "{u} {v} {product}");
            }
        }
    }

    #[test]
    fn the_best_quality_loses_next_to_nothing() {
        let clean: Vec<u8> = (0..3 * 256).map(|i| (i * 37 % 251) as u8).collect();
        let worst = |quality| {
            let mut picture = clean.clone();
            compress(&mut picture, 16, quality);
            clean.iter().zip(&picture).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
        };
        assert!(worst(100) <= 3 && worst(10) > 40, "{} {}", worst(100), worst(10));
    }
}
