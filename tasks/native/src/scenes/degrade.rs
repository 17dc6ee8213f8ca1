//! What pictures suffer, in whole numbers: the same bits everywhere. Strengths are in thousandths.

use isoflop_contract::Seed;
use isoflop_kinds::scenes::{Degrade, Way};

use crate::random::Stream;

/// What the image `index` suffers, if anything.
pub fn fate(degrade: &Degrade, seed: Seed, index: u64) -> Option<Way> {
    if degrade.share <= 0.0 {
        return None;
    }
    let mut stream = Stream::of(seed, "fate", index);
    let ways: Vec<Way> = degrade.ways.iter().copied().collect();
    stream.chance(degrade.share).then(|| stream.one_of(&ways))
}

/// Degrades a picture `[3, R, R]` in place.
pub fn degrade(picture: &mut [u8], side: usize, way: Way, strength: f64, stream: &mut Stream) {
    let strength = (strength * 1000.0).round() as i64;
    match way {
        Way::Blur => blur(picture, side, (side * strength as usize / 16_000).max(1)),
        Way::Noise => noise(picture, strength, stream),
        Way::Compression => super::compress::compress(picture, side, 100 - strength * 95 / 1000),
        Way::Watermark => watermark(picture, side, strength, stream),
        Way::WrongCaption => {}
    }
}

/// How little a picture lost, in thousandths from 10,000 down to 0: ten where nothing did, less by its root-mean-square error as a share of
/// half the range of a pixel.
pub fn quality(clean: &[u8], picture: &[u8]) -> u32 {
    let squares: u64 = clean.iter().zip(picture).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    // The root in thousandths of a level.
    let error = (squares * 1_000_000 / clean.len() as u64).isqrt();
    10_000 - (error * 10 / 128).min(10_000) as u32
}

/// Three box blurs of `2 radius + 1` pixels along both axes, edges repeated.
fn blur(picture: &mut [u8], side: usize, radius: usize) {
    for plane in picture.chunks_exact_mut(side * side) {
        for _ in 0..3 {
            for (stride, step) in [(side, 1), (1, side)] {
                for line in 0..side {
                    box_blur(plane, line * stride, step, side, radius);
                }
            }
        }
    }
}

fn box_blur(plane: &mut [u8], start: usize, step: usize, side: usize, radius: usize) {
    let line: Vec<u32> = (0..side).map(|i| u32::from(plane[start + i * step])).collect();
    // Shifted by `radius`, so that no index is below zero.
    let at = |shifted: usize| line[shifted.saturating_sub(radius).min(side - 1)];
    let width = 2 * radius as u32 + 1;
    let mut sum: u32 = (0..=2 * radius).map(at).sum();
    for i in 0..side {
        plane[start + i * step] = ((sum + width / 2) / width) as u8;
        sum = sum + at(i + 2 * radius + 1) - at(i);
    }
}

/// Adds the sum of four bytes, less its mean: a standard deviation of 48 levels at full strength.
fn noise(picture: &mut [u8], strength: i64, stream: &mut Stream) {
    for pair in picture.chunks_mut(2) {
        let bytes = stream.bits().to_le_bytes();
        for (level, four) in pair.iter_mut().zip(bytes.chunks_exact(4)) {
            let centred = four.iter().map(|byte| i64::from(*byte)).sum::<i64>() - 510;
            // The sum of four bytes has a standard deviation of 147.8.
            *level = (i64::from(*level) + (centred * strength * 48).div_euclid(147_800)).clamp(0, 255) as u8;
        }
    }
}

/// Letters of three by five dots, rows from above: "FREE".
const LETTERS: [[u8; 5]; 4] = [
    [0b111, 0b100, 0b110, 0b100, 0b100],
    [0b110, 0b101, 0b110, 0b101, 0b101],
    [0b111, 0b100, 0b110, 0b100, 0b111],
    [0b111, 0b100, 0b110, 0b100, 0b111],
];

/// Writes across the whole width, at a height of its own, in white that lets through what lies under it.
fn watermark(picture: &mut [u8], side: usize, strength: i64, stream: &mut Stream) {
    let scale = side / 16;
    let top = stream.below(side - 5 * scale + 1);
    let opacity = 300 + strength * 600 / 1000;
    for (place, letter) in LETTERS.iter().enumerate() {
        for (row, dots) in letter.iter().enumerate() {
            for column in (0..3).filter(|column| dots >> (2 - column) & 1 == 1) {
                let (left, top) = (scale * (4 * place + column), top + scale * row);
                for dot in 0..scale * scale {
                    let at = (top + dot / scale) * side + left + dot % scale;
                    for channel in 0..3 {
                        let level = &mut picture[channel * side * side + at];
                        *level = ((i64::from(*level) * (1000 - opacity) + 255 * opacity + 500) / 1000) as u8;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::scenes::MakeScenes;

    use super::*;
    use crate::scenes::{Painter, Scene};

    fn losses(way: Way, strength: f64, side: u32) -> f64 {
        let seed = Seed::from_number(5);
        let mut painter = Painter::new(side);
        let lost = (0..40).map(|index| {
            let clean = painter.paint(&Scene::draw(&MakeScenes::of(1), seed, index));
            let mut picture = clean.clone();
            degrade(&mut picture, side as usize, way, strength, &mut Stream::of(seed, "suffer", index));
            f64::from(10_000 - quality(&clean, &picture)) / 1000.0
        });
        lost.sum::<f64>() / 40.0
    }

    #[test]
    fn stronger_is_worse_and_a_wrong_caption_leaves_the_picture_alone() {
        for side in [16, 24, 64] {
            for way in [Way::Blur, Way::Noise, Way::Compression, Way::Watermark] {
                let [weak, strong] = [0.1, 1.0].map(|strength| losses(way, strength, side));
                // At 16 pixels the weakest blur is the strongest, of one pixel.
                assert!(
                    weak > 0.01 && (strong > weak || way == Way::Blur && side < 32),
                    "{way:?} {side}: {weak} {strong}"
                );
            }
            assert!(losses(Way::WrongCaption, 1.0, side) < 1e-9);
        }
    }

    #[test]
    fn a_flat_picture_stays_flat_under_blur_and_compression() {
        let flat = vec![77_u8; 3 * 20 * 20];
        for way in [Way::Blur, Way::Compression] {
            let mut picture = flat.clone();
            degrade(&mut picture, 20, way, 0.3, &mut Stream::of(Seed::from_number(1), "suffer", 0));
            let most = picture.iter().map(|level| level.abs_diff(77)).max();
            assert!(most <= Some(2), "{way:?} {most:?}");
        }
    }

    /// The noise has the deviation it says, far from both ends.
    #[test]
    fn noise_is_as_strong_as_it_says() {
        let mut picture = vec![128_u8; 3 * 64 * 64];
        noise(&mut picture, 500, &mut Stream::of(Seed::from_number(1), "suffer", 0));
        let (n, off) = (picture.len() as f64, |level: &u8| f64::from(*level) - 128.0);
        let mean = picture.iter().map(off).sum::<f64>() / n;
        let deviation = (picture.iter().map(|level| off(level).powi(2)).sum::<f64>() / n).sqrt();
        assert!(mean.abs() < 1.0 && (deviation - 24.0).abs() < 0.6, "{mean} {deviation}");
    }
}
