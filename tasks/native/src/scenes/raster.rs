//! Pictures: how much of each pixel an object covers, counted on 8 × 8 samples with whole numbers.

use std::collections::BTreeMap;

use isoflop_kinds::scenes::{Color, Shape};

use super::scene::{Scene, WORLD};

/// Samples on a side of a pixel.
const SAMPLES: i64 = 8;
/// Outlines are given in hundredths of half an object's width.
const UNIT: i64 = 100;
/// The ground.
const GROUND: [u8; 3] = [18, 18, 26];

/// How much of each pixel of a small rectangle is covered, in 64ths.
#[derive(Debug, Clone)]
struct Mask {
    width: usize,
    covered: Vec<u8>,
}

/// What decides a mask: shape, width, and where in its pixel the object begins.
type Phase = (Shape, i32, i64, i64);

/// Draws scenes at one resolution, and remembers the masks it has worked out.
#[derive(Debug)]
pub struct Painter {
    resolution: i64,
    masks: BTreeMap<Phase, Mask>,
}

impl Painter {
    /// Pictures of `resolution` pixels on a side.
    pub fn new(resolution: u32) -> Self {
        Self { resolution: i64::from(resolution), masks: BTreeMap::new() }
    }

    /// The picture of `scene`: `[3, R, R]`, one plane a color channel.
    pub fn paint(&mut self, scene: &Scene) -> Vec<u8> {
        let (side, width) = (self.resolution, self.resolution as usize);
        let mut picture: Vec<u8> = GROUND.iter().flat_map(|&level| std::iter::repeat_n(level, width * width)).collect();
        for object in &scene.objects {
            let group = &scene.groups[object.group];
            let start = |edge: i32| i64::from(edge) * side;
            let (x, y) = (start(object.left), start(object.top));
            let world = i64::from(WORLD);
            let phase = (group.shape, object.width, x % world, y % world);
            let mask = self.masks.entry(phase).or_insert_with(|| Mask::of(phase, side));
            let (column, row) = ((x / world) as usize, (y / world) as usize);
            for (index, &covered) in mask.covered.iter().enumerate().filter(|(_, covered)| **covered > 0) {
                let at = (row + index / mask.width) * width + column + index % mask.width;
                for (channel, level) in rgb(group.color).into_iter().enumerate() {
                    let pixel = &mut picture[channel * width * width + at];
                    *pixel = blend(*pixel, level, covered);
                }
            }
        }
        picture
    }
}

impl Mask {
    /// Coordinates are in units of which a pixel has `2 · SAMPLES · WORLD · UNIT`, so that samples and corners are whole numbers.
    fn of((shape, width, x, y): Phase, side: i64) -> Self {
        let fine = 2 * SAMPLES * UNIT;
        let half = i64::from(width) * side * SAMPLES; // half the width in units, divided by UNIT
        let centre = (x * fine + half * UNIT, y * fine + half * UNIT);
        let (columns, rows) = (touched(x, width, side), touched(y, width, side));
        let pixels = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        let covered = pixels.map(|(column, row)| {
            let sample = |cell: i64, s: i64| (2 * (cell * SAMPLES + s) + 1) * i64::from(WORLD) * UNIT;
            let hits = (0..SAMPLES * SAMPLES).filter(|s| {
                let point = (sample(column, s % SAMPLES) - centre.0, sample(row, s / SAMPLES) - centre.1);
                inside(shape, half, point)
            });
            hits.count() as u8
        });
        Self { width: columns as usize, covered: covered.collect() }
    }
}

/// How many pixels an object touches along one axis: one that ends on a pixel's edge does not touch the next.
fn touched(from: i64, width: i32, side: i64) -> i64 {
    (from + i64::from(width) * side + i64::from(WORLD) - 1).div_euclid(i64::from(WORLD))
}

/// Whether a point is inside a shape that is centred on zero and whose outline is scaled by `half`.
fn inside(shape: Shape, half: i64, (x, y): (i64, i64)) -> bool {
    let outline: &[(i64, i64)] = match shape {
        Shape::Circle => return x * x + y * y <= (half * UNIT) * (half * UNIT),
        Shape::Square => &[(-100, -100), (100, -100), (100, 100), (-100, 100)],
        Shape::Triangle => &[(0, -96), (100, 92), (-100, 92)],
        Shape::Diamond => &[(0, -100), (100, 0), (0, 100), (-100, 0)],
        Shape::Cross => &[
            (-32, -100),
            (32, -100),
            (32, -32),
            (100, -32),
            (100, 32),
            (32, 32),
            (32, 100),
            (-32, 100),
            (-32, 32),
            (-100, 32),
            (-100, -32),
            (-32, -32),
        ],
        // Five points on a circle of radius 105 round (0, 5), five notches on one of 42.
        Shape::Star => &[
            (0, -100),
            (25, -29),
            (100, -27),
            (40, 18),
            (62, 90),
            (0, 47),
            (-62, 90),
            (-40, 18),
            (-100, -27),
            (-25, -29),
        ],
    };
    let mut inside = false;
    for (i, &(ax, ay)) in outline.iter().enumerate() {
        let (bx, by) = outline[(i + 1) % outline.len()];
        let ((ax, ay), (bx, by)) = ((ax * half, ay * half), (bx * half, by * half));
        if (ay > y) != (by > y) {
            // A ray to the right crosses this edge if the point is left of it.
            let cross = (bx - ax) * (y - ay) - (x - ax) * (by - ay);
            inside ^= (cross > 0) == (by > ay);
        }
    }
    inside
}

fn blend(under: u8, over: u8, covered: u8) -> u8 {
    let all = (SAMPLES * SAMPLES) as u32;
    let covered = u32::from(covered);
    ((u32::from(under) * (all - covered) + u32::from(over) * covered + all / 2) / all) as u8
}

const fn rgb(color: Color) -> [u8; 3] {
    match color {
        Color::Red => [235, 35, 40],
        Color::Green => [30, 175, 60],
        Color::Blue => [45, 75, 250],
        Color::Yellow => [250, 225, 45],
        Color::Magenta => [235, 60, 230],
        Color::Cyan => [40, 220, 230],
    }
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::scenes::Size;

    use super::*;
    use crate::scenes::{Group, Object};

    fn picture(shape: Shape, size: Size, left: i32, side: u32) -> Vec<u8> {
        let width = crate::scenes::scene::width(size);
        let scene = Scene {
            groups: vec![Group { shape, color: Color::Red, size, count: 1 }],
            objects: vec![Object { group: 0, left, top: left, width }],
            relation: None,
        };
        Painter::new(side).paint(&scene)
    }

    /// The least difference between two shapes or sizes at 16 pixels, in pixels' worth of red.
    fn least_difference(shapes: &[Shape]) -> u32 {
        let mut least = u32::MAX;
        for left in [64, 96] {
            let pictures: Vec<Vec<u8>> = shapes
                .iter()
                .flat_map(|&shape| Size::ALL.iter().map(move |&size| picture(shape, size, left, 16)))
                .collect();
            for (i, a) in pictures.iter().enumerate() {
                for b in &pictures[i + 1..] {
                    let apart: u32 = a[..256].iter().zip(b).map(|(p, q)| u32::from(p.abs_diff(*q))).sum();
                    least = least.min(apart / 217);
                }
            }
        }
        least
    }

    #[test]
    fn shapes_and_sizes_differ_even_at_16() {
        let usual = [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Cross];
        assert!(least_difference(&usual) >= 4);
        assert!(least_difference(Shape::ALL) >= 2);
    }

    #[test]
    fn edges_are_smooth_and_corners_stay_inside() {
        for &shape in Shape::ALL {
            for (size, left) in [(Size::Small, 0), (Size::Large, WORLD - 480), (Size::Small, WORLD - 320)] {
                for side in [16, 17, 24, 33] {
                    let red = &picture(shape, size, left, side)[..(side * side) as usize];
                    // A square may lie on whole pixels, and then has no edge to soften.
                    let soft = red.iter().any(|&level| level > 40 && level < 220);
                    assert!(soft || shape == Shape::Square, "{shape:?} has no soft edge at {side}");
                    assert!(red.contains(&235), "{shape:?} has no full pixel at {side}");
                }
            }
        }
    }

    /// The disc's area is known: pi r^2, here 19.6 pixels of 16 and 78.5 of 32.
    #[test]
    fn a_disc_has_the_area_of_a_disc() {
        for (side, pixels) in [(16, 19.635), (32, 78.54)] {
            let red = &picture(Shape::Circle, Size::Small, 96, side)[..(side * side) as usize];
            let area: f64 = red.iter().map(|&level| (f64::from(level) - 18.0) / 217.0).sum();
            assert!((area - pixels).abs() < 0.01 * pixels, "{area} against {pixels}");
        }
    }
}
