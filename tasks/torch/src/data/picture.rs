//! Previews: the first images as one picture that people can look at.

use std::path::Path;

use tch::Tensor;

use super::write_bytes;
use crate::error::TorchError;

/// How many images stand in a row.
const COLUMNS: usize = 6;
/// How many rows there are.
const ROWS: usize = 4;
/// How many pixels a pixel becomes on each side.
const SCALE: usize = 4;
/// Pixels between images.
const GAP: usize = 2;

/// Writes the first images of `[N, 3, R, R]` (u8) as a grid.
pub fn write_preview(path: &Path, images: &Tensor) -> Result<(), TorchError> {
    let (count, _, side, _) = images.size4().expect("images have four dimensions");
    let (count, side) = ((count as usize).min(COLUMNS * ROWS), side as usize);
    let mut pixels = vec![0_u8; count * 3 * side * side];
    let length = pixels.len();
    images.narrow(0, 0, count as i64).contiguous().copy_data_u8(&mut pixels, length);

    let (columns, rows) = (count.clamp(1, COLUMNS), count.div_ceil(COLUMNS).max(1));
    let pitch = side * SCALE + GAP;
    let (wide, high) = (columns * pitch - GAP, rows * pitch - GAP);
    let mut canvas = vec![255_u8; wide * high * 3];
    for image in 0..count {
        let (left, top) = (image % COLUMNS * pitch, image / COLUMNS * pitch);
        for y in 0..side * SCALE {
            for x in 0..side * SCALE {
                for channel in 0..3 {
                    let from = ((image * 3 + channel) * side + y / SCALE) * side + x / SCALE;
                    canvas[((top + y) * wide + left + x) * 3 + channel] = pixels[from];
                }
            }
        }
    }

    let mut bytes = Vec::new();
    let wrong = |source| TorchError::Picture { path: path.into(), source };
    let mut encoder = png::Encoder::new(&mut bytes, wide as u32, high as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(wrong)?;
    writer.write_image_data(&canvas).map_err(wrong)?;
    writer.finish().map_err(wrong)?;
    write_bytes(path, &bytes)
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Digest;
    use tch::{Device, Kind};

    use super::*;

    /// A preview is part of an artifact, so its bytes are part of a digest: they must not depend on how the program was built. What compresses them is shared
    /// with other crates, whose features reach it.
    #[test]
    fn its_bytes_are_always_the_same() {
        let images =
            (Tensor::arange(5 * 3 * 8 * 8, (Kind::Int64, Device::Cpu)) * 37).remainder(251).to_kind(Kind::Uint8);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("preview.png");
        write_preview(&path, &images.view([5, 3, 8, 8])).unwrap();
        let digest = "71a06554a37d85abb4e4f3a982d3cf1ba438ddff0ea32eb88cd3965de800d04f";
        assert_eq!(Digest::of(std::fs::read(path).unwrap()).to_string(), digest);
    }
}
