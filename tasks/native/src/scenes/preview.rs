//! The preview: the first pictures in a grid, enlarged, for a person's eye.

use std::{fs::File, io::BufWriter, path::Path};

/// Pictures on a side of the grid.
const COLUMNS: usize = 8;
/// Pictures that are shown at most.
pub const MOST: usize = COLUMNS * COLUMNS;
/// Pixels between two pictures.
const SEAM: usize = 2;

/// Writes the first pictures of `images` (`[N, 3, R, R]`, `side` = R) as a PNG.
pub fn write(path: &Path, images: &[u8], side: usize) -> Result<(), png::EncodingError> {
    let scale = 96_usize.div_ceil(side).max(1);
    let count = (images.len() / (3 * side * side)).min(MOST);
    let (columns, rows) = (count.min(COLUMNS), count.div_ceil(COLUMNS));
    let cell = side * scale + SEAM;
    let (width, height) = (columns * cell + SEAM, rows * cell + SEAM);
    let mut pixels = vec![96_u8; 3 * width * height];
    for y in 0..height {
        for x in 0..width {
            let (Some(down), Some(across)) = (y.checked_sub(SEAM), x.checked_sub(SEAM)) else { continue };
            let index = down / cell * COLUMNS + across / cell;
            let (row, column) = (down % cell / scale, across % cell / scale);
            if row >= side || column >= side || index >= count {
                continue;
            }
            for channel in 0..3 {
                let from = ((index * 3 + channel) * side + row) * side + column;
                pixels[(y * width + x) * 3 + channel] = images[from];
            }
        }
    }
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()
}
