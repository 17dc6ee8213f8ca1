//! Resizing as Pillow does it, to the bit: two passes of separable filters whose support grows with the reduction, with weights rounded to 22 bits and
//! sums in whole numbers. The filters are polynomials, or sines from `libm`, so the bits are the same on every machine.

use isoflop_kinds::import::Filter;

/// Bits of a weight behind the point.
const BITS: u32 = 22;

/// An image of three bytes a pixel, rows from above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

/// Where a pixel of the result lies in the source, and with which weights.
struct Taps {
    first: usize,
    weights: Vec<i64>,
}

/// Half the width of a filter, and its value at `x`.
fn kernel(filter: Filter, x: f64) -> f64 {
    let t = x.abs();
    match filter {
        Filter::Box => f64::from(x > -0.5 && x <= 0.5),
        Filter::Bilinear => (1.0 - t).max(0.0),
        Filter::Bicubic if t < 1.0 => (1.5 * t - 2.5) * t * t + 1.0,
        Filter::Bicubic if t < 2.0 => (((t - 5.0) * t + 8.0) * t - 4.0) * -0.5,
        Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
        Filter::Bicubic | Filter::Lanczos => 0.0,
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * std::f64::consts::PI;
    libm::sin(x) / x
}

fn support(filter: Filter) -> f64 {
    match filter {
        Filter::Box => 0.5,
        Filter::Bilinear => 1.0,
        Filter::Bicubic => 2.0,
        Filter::Lanczos => 3.0,
    }
}

fn taps(filter: Filter, from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    // Enlarging uses the filter as it is.
    let stretch = scale.max(1.0);
    let reach = support(filter) * stretch;
    (0..to)
        .map(|place| {
            let centre = (place as f64 + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(from);
            let raw: Vec<f64> =
                (first..end).map(|x| kernel(filter, (x as f64 - centre + 0.5) * (1.0 / stretch))).collect();
            let sum: f64 = raw.iter().sum();
            let scaled = |weight: f64| {
                let weight = if sum == 0.0 { weight } else { weight / sum } * f64::from(1 << BITS);
                (if weight < 0.0 { weight - 0.5 } else { weight + 0.5 }) as i64
            };
            Taps { first, weights: raw.into_iter().map(scaled).collect() }
        })
        .collect()
}

fn weighed(taps: &Taps, sample: impl Fn(usize) -> u8) -> u8 {
    let half = 1_i64 << (BITS - 1);
    let products = taps.weights.iter().enumerate().map(|(i, weight)| weight * i64::from(sample(taps.first + i)));
    ((half + products.sum::<i64>()) >> BITS).clamp(0, 255) as u8
}

/// Brings an image to `width` × `height`.
pub fn resize(image: &Rgb, width: usize, height: usize, filter: Filter) -> Rgb {
    let mut pixels = image.pixels.clone();
    if width != image.width {
        let taps = taps(filter, image.width, width);
        let mut out = Vec::with_capacity(3 * width * image.height);
        for row in pixels.chunks_exact(3 * image.width) {
            for tap in &taps {
                out.extend((0..3).map(|channel| weighed(tap, |x| row[3 * x + channel])));
            }
        }
        pixels = out;
    }
    if height != image.height {
        let row = 3 * width;
        let mut out = Vec::with_capacity(row * height);
        for tap in &taps(filter, image.height, height) {
            out.extend((0..row).map(|x| weighed(tap, |y| pixels[y * row + x])));
        }
        pixels = out;
    }
    Rgb { width, height, pixels }
}

/// Brings the shorter side to `side` and cuts the longer one around the middle, as torchvision's `Resize` and `CenterCrop` do: the result as
/// planes, `[3, side, side]`.
pub fn square(image: &Rgb, side: usize, filter: Filter) -> Vec<u8> {
    let short = image.width.min(image.height);
    let scaled = |long: usize| if long == short { side } else { (side as u64 * long as u64 / short as u64) as usize };
    let sized = resize(image, scaled(image.width), scaled(image.height), filter);
    // Half of an odd rest is rounded to the even number.
    let margin = |length: usize| (length - side).div_ceil(2) - usize::from((length - side) % 4 == 1);
    let (left, top) = (margin(sized.width), margin(sized.height));
    let at = |channel, y, x| sized.pixels[((top + y) * sized.width + left + x) * 3 + channel];
    (0..3)
        .flat_map(|channel| (0..side * side).map(move |i| (channel, i)))
        .map(|(c, i)| at(c, i / side, i % side))
        .collect()
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Digest;

    use super::*;

    /// The image that the script draws too.
    fn image(width: usize, height: usize) -> Rgb {
        let pixel = |x: usize, y: usize| [(x * 7 + y * 3) % 256, (x * y + 13 * x) % 256, (x * x + 5 * y * y) % 251];
        let pixels = (0..width * height).flat_map(|i| pixel(i % width, i / width).map(|level| level as u8)).collect();
        Rgb { width, height, pixels }
    }

    /// Every filter against Pillow, reductions, enlargements and both: `tasks/native/golden/resize.py` made the digests and the samples.
    #[test]
    fn as_pillow_resizes() {
        let text = include_str!("../../golden/resize.json");
        let golden: serde_json::Value = serde_json::from_str(text).unwrap();
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() >= 16);
        for case in cases {
            let number = |name: &str| case[name].as_u64().unwrap() as usize;
            let filter: Filter = serde_json::from_value(case["filter"].clone()).unwrap();
            let made =
                resize(&image(number("from_width"), number("from_height")), number("width"), number("height"), filter);
            let first: Vec<u8> = serde_json::from_value(case["first"].clone()).unwrap();
            assert_eq!(&made.pixels[..first.len()], first, "{case}");
            assert_eq!(Digest::of(&made.pixels).to_string(), case["blake3"].as_str().unwrap(), "{case}");
        }
    }

    #[test]
    fn squares_are_cut_around_the_middle() {
        // Of one row of nine, brought to 3 × 27, the middle three: margins of 12 on either side.
        let image = Rgb { width: 9, height: 1, pixels: (0..9).flat_map(|x| [x * 10, 0, 255]).collect() };
        let cut = square(&image, 3, Filter::Box);
        assert_eq!(cut, [[40_u8; 9], [0; 9], [255; 9]].concat());
        // Margins of 1.5 become 2, of 0.5 none and of 2.5 two: Python rounds halves to even numbers.
        let margin = |rest: usize| rest.div_ceil(2) - usize::from(rest % 4 == 1);
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(margin), [0, 0, 1, 2, 2, 2, 3, 4]);
    }
}
