//! Bytes to an image: decoded, turned upright, laid on a ground, brought to one size; or the reason why not.

use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

use image::{DynamicImage, ImageDecoder, ImageReader, Limits};
use isoflop_kinds::import::{Filter, ImportImages};

use super::resize::{Rgb, resize, square};

/// An image that could be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// `[3, R, R]`.
    pub planes: Vec<u8>,
    /// Pixels in a row, upright, as it was.
    pub width: u32,
    /// Rows as it was.
    pub height: u32,
    /// Its 64-bit difference hash: whether each of 8 × 8 fields is darker than the next to its right.
    pub hash: u64,
}

/// Decodes one image. Whatever is wrong with the bytes is told, a panic of a decoder too.
pub fn read(bytes: &[u8], spec: &ImportImages) -> Result<Picture, String> {
    // Decoders are other people's code on anybody's bytes; nothing of theirs outlives this call.
    let caught = catch_unwind(AssertUnwindSafe(|| decode(bytes, spec.max_pixels)));
    let decoded = caught.unwrap_or_else(|_| Err("the decoder failed".into()))?;
    let rgb = on_ground(&decoded, spec.background);
    let hash = difference_hash(&rgb);
    let (width, height) = (rgb.width as u32, rgb.height as u32);
    Ok(Picture { planes: square(&rgb, spec.resolution as usize, spec.filter), width, height, hash })
}

fn decode(bytes: &[u8], max_pixels: u64) -> Result<DynamicImage, String> {
    if bytes.starts_with(&[0xff, 0xd8]) && is_cut_off(bytes) {
        return Err("the JPEG is cut off".into());
    }
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|error| error.to_string())?;
    let mut decoder = reader.into_decoder().map_err(|error| error.to_string())?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err("the image has no pixels".into());
    }
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(format!("{width} × {height} pixels are more than `max_pixels` allows"));
    }
    // Sixteen bits of four channels, and as much again for the decoder's own use.
    let mut limits = Limits::default();
    limits.max_alloc = Some(16 * max_pixels);
    decoder.set_limits(limits).map_err(|error| error.to_string())?;
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(|error| error.to_string())?;
    decoded.apply_orientation(orientation);
    Ok(decoded)
}

/// Whether a JPEG has no end after its last scan begins: decoders would fill up the rest with gray and say nothing.
fn is_cut_off(bytes: &[u8]) -> bool {
    let last = |marker: u8| bytes.windows(2).rposition(|pair| pair == [0xff, marker]);
    last(0xda).is_none_or(|scan| last(0xd9).is_none_or(|end| end < scan))
}

fn on_ground(decoded: &DynamicImage, ground: [u8; 3]) -> Rgb {
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    if !decoded.color().has_alpha() {
        return Rgb { width, height, pixels: decoded.to_rgb8().into_raw() };
    }
    let over = |level: u8, under: u8, alpha: u8| {
        let alpha = u32::from(alpha);
        ((u32::from(level) * alpha + u32::from(under) * (255 - alpha) + 127) / 255) as u8
    };
    let seen = decoded.to_rgba8();
    let pixels = seen.pixels().flat_map(|pixel| {
        let [red, green, blue, alpha] = pixel.0;
        [over(red, ground[0], alpha), over(green, ground[1], alpha), over(blue, ground[2], alpha)]
    });
    Rgb { width, height, pixels: pixels.collect() }
}

fn difference_hash(image: &Rgb) -> u64 {
    let small = resize(image, 9, 8, Filter::Box);
    let light: Vec<u32> = small
        .pixels
        .as_chunks::<3>()
        .0
        .iter()
        .map(|[red, green, blue]| 299 * u32::from(*red) + 587 * u32::from(*green) + 114 * u32::from(*blue))
        .collect();
    let darker = light.chunks(9).flat_map(|row| row.windows(2).map(|pair| u64::from(pair[0] < pair[1])));
    darker.fold(0, |hash, bit| hash << 1 | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_off_files_are_told_from_whole_ones() {
        assert!(!is_cut_off(b"\xff\xd8..\xff\xda..\xff\xd9"));
        assert!(!is_cut_off(b"\xff\xd8..\xff\xda..\xff\xd9\0\0"));
        assert!(is_cut_off(b"\xff\xd8.\xff\xd9.\xff\xda..."), "the end is a thumbnail's");
        assert!(is_cut_off(b"\xff\xd8.."));
    }
}
