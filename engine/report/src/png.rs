//! A picture as a PNG file. Of our own, though a crate of that name reads and writes them elsewhere: that one leaves the packing to whichever library the
//! build happens to choose, and a figure's bytes must not depend on it.

/// Red, green and blue of `width` × `height` pixels as a file; `per_metre` pixels are printed to a metre.
pub fn encode(width: usize, height: usize, rgb: &[u8], per_metre: u32) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = Vec::new();
    head.extend((width as u32).to_be_bytes());
    head.extend((height as u32).to_be_bytes());
    head.extend([8, 2, 0, 0, 0]); // eight bits, three channels, and the only ways there are to pack, filter and order
    chunk(&mut out, *b"IHDR", &head);
    let mut size = Vec::new();
    size.extend(per_metre.to_be_bytes());
    size.extend(per_metre.to_be_bytes());
    size.push(1);
    chunk(&mut out, *b"pHYs", &size);
    chunk(&mut out, *b"IDAT", &miniz_oxide::deflate::compress_to_vec_zlib(&filtered(rgb, width * 3), 8));
    chunk(&mut out, *b"IEND", &[]);
    out
}

/// Each row as it is, or as differences from the pixel on the left or above: whichever has the smallest sum, the usual guess at what packs best.
fn filtered(rgb: &[u8], stride: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(rgb.len() + rgb.len() / stride.max(1) + 1);
    let mut above = vec![0; stride];
    for row in rgb.chunks_exact(stride.max(1)) {
        let left = |i: usize| if i < 3 { 0 } else { row[i - 3] };
        let filters: [&dyn Fn(usize) -> u8; 3] =
            [&|i| row[i], &|i| row[i].wrapping_sub(left(i)), &|i| row[i].wrapping_sub(above[i])];
        let sum = |filter: &dyn Fn(usize) -> u8| {
            (0..stride).map(|i| u32::from(filter(i).cast_signed().unsigned_abs())).sum::<u32>()
        };
        let best = (0..3).min_by_key(|i| sum(filters[*i])).unwrap_or(0);
        out.push(best as u8);
        out.extend((0..stride).map(filters[best]));
        above.copy_from_slice(row);
    }
    out
}

fn chunk(out: &mut Vec<u8>, name: [u8; 4], data: &[u8]) {
    out.extend((data.len() as u32).to_be_bytes());
    let start = out.len();
    out.extend(name);
    out.extend(data);
    let sum = checksum(&out[start..]);
    out.extend(sum.to_be_bytes());
}

/// The CRC-32 that PNG asks for, bit by bit over a table of sixteen.
fn checksum(bytes: &[u8]) -> u32 {
    let table: [u32; 16] = std::array::from_fn(|i| {
        (0..4).fold(i as u32, |value, _| if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 })
    });
    let step = |value: u32| table[(value & 15) as usize] ^ (value >> 4);
    !bytes.iter().fold(!0, |value, byte| step(step(value ^ u32::from(*byte))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_standards() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926); // the check value of CRC-32/ISO-HDLC
    }

    #[test]
    fn another_reader_gets_the_pixels_back() {
        let (width, height) = (37, 11);
        let rgb: Vec<u8> = (0..width * height * 3).map(|i| (i * i / 7 % 251) as u8).collect();
        let file = encode(width, height, &rgb, 11811);
        let mut reader = png::Decoder::new(std::io::Cursor::new(&file)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, rgb);
        assert_eq!(reader.info().pixel_dims.map(|size| size.xppu), Some(11811));
    }
}
