//! Pictures: how much of each pixel an object covers, light and dark, counted on 8 × 8 samples with whole numbers.

use std::collections::BTreeMap;

use isoflop_kinds::scenes::{Color, Ground, Shape, Texture};

use super::scene::{Scene, WORLD};

/// Samples on a side of a pixel.
const SAMPLES: i64 = 8;
/// Outlines are given in hundredths of half an object's width.
const UNIT: i64 = 100;
/// The dark ground.
const DARK: [u8; 3] = [18, 18, 26];
/// The gray one.
const GRAY: [u8; 3] = [104, 104, 112];
/// Fields of tiles on a side of the image.
const TILES: usize = 8;

/// How much of each pixel of a small rectangle is covered, in 64ths: by an object's color, and by the dark parts of its texture.
#[derive(Debug, Clone)]
struct Mask {
    width: usize,
    covered: Vec<(u8, u8)>,
}

/// What decides a mask: shape, texture, width, and where in its pixel the object begins.
type Phase = (Shape, Texture, i32, i64, i64);

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
        let mut picture = ground(scene.ground.unwrap_or(Ground::Dark), width);
        for object in &scene.objects {
            let group = &scene.groups[object.group];
            let start = |edge: i32| i64::from(edge) * side;
            let (x, y) = (start(object.left), start(object.top));
            let world = i64::from(WORLD);
            let texture = group.texture.unwrap_or(Texture::Solid);
            let phase = (group.shape, texture, object.width, x % world, y % world);
            let mask = self.masks.entry(phase).or_insert_with(|| Mask::of(phase, side));
            let (column, row) = ((x / world) as usize, (y / world) as usize);
            for (index, &covered) in mask.covered.iter().enumerate().filter(|(_, covered)| **covered != (0, 0)) {
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
    fn of((shape, texture, width, x, y): Phase, side: i64) -> Self {
        let fine = 2 * SAMPLES * UNIT;
        let half = i64::from(width) * side * SAMPLES; // half the width in units, divided by UNIT
        let centre = (x * fine + half * UNIT, y * fine + half * UNIT);
        let (columns, rows) = (touched(x, width, side), touched(y, width, side));
        let pixels = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        let covered = pixels.map(|(column, row)| {
            let sample = |cell: i64, s: i64| (2 * (cell * SAMPLES + s) + 1) * i64::from(WORLD) * UNIT;
            let points = (0..SAMPLES * SAMPLES)
                .map(|s| (sample(column, s % SAMPLES) - centre.0, sample(row, s / SAMPLES) - centre.1))
                .filter(|point| inside(shape, half, *point));
            points.fold(
                (0, 0),
                |(light, shade), point| {
                    if shaded(texture, half, point) { (light, shade + 1) } else { (light + 1, shade) }
                },
            )
        });
        Self { width: columns as usize, covered: covered.collect() }
    }
}

/// How many pixels an object touches along one axis: one that ends on a pixel's edge does not touch the next.
fn touched(from: i64, width: i32, side: i64) -> i64 {
    (from + i64::from(width) * side + i64::from(WORLD) - 1).div_euclid(i64::from(WORLD))
}

/// Whether a point of an object centred on zero lies in the dark part of its texture: the second and fourth of five bands, nine spots, or every
/// other one of sixteen fields.
fn shaded(texture: Texture, half: i64, (x, y): (i64, i64)) -> bool {
    let whole = 2 * half * UNIT;
    let field = |along: i64, fields: i64| (along + half * UNIT) * fields / whole;
    // From the middle of its third, in sixths of the object's width: a spot has a radius of 0.7 of them.
    let off = |along: i64| 6 * (along + half * UNIT) - (2 * field(along, 3) + 1) * whole;
    match texture {
        Texture::Solid => false,
        Texture::Striped => field(y, 5) % 2 == 1,
        Texture::Dotted => {
            // Scaled down by a hundred so that squares stay small.
            let (dx, dy, radius) = (off(x) / 100, off(y) / 100, whole * 7 / 1000);
            dx * dx + dy * dy <= radius * radius
        }
        Texture::Checkered => (field(x, 4) + field(y, 4)) % 2 == 1,
    }
}

/// An empty picture: `[3, R, R]`.
fn ground(ground: Ground, side: usize) -> Vec<u8> {
    let between = |row: usize, channel: usize| {
        let (from, to) = (usize::from(DARK[channel]), usize::from(GRAY[channel]));
        (from + (to - from) * row / (side - 1)) as u8
    };
    let level = |channel: usize, row: usize, column: usize| match ground {
        Ground::Dark => DARK[channel],
        Ground::Gray => GRAY[channel],
        Ground::Light => [200, 196, 184][channel],
        Ground::Brown => [92, 60, 36][channel],
        Ground::Tiled => [DARK, GRAY][(row * TILES / side + column * TILES / side) % 2][channel],
        Ground::Graded => between(row, channel),
    };
    let planes = (0..3).flat_map(|channel| (0..side * side).map(move |at| (channel, at)));
    planes.map(|(channel, at)| level(channel, at / side, at % side)).collect()
}

/// Whether a point is inside a shape that is centred on zero and whose outline is scaled by `half`.
fn inside(shape: Shape, half: i64, (x, y): (i64, i64)) -> bool {
    let outline: &[(i64, i64)] = match shape {
        Shape::Circle => return disc(half, (x, y), 0, 100),
        Shape::Ring => return disc(half, (x, y), 0, 100) && !disc(half, (x, y), 0, 55),
        Shape::Crescent => return disc(half, (x, y), 0, 100) && !disc(half, (x, y), 50, 80),
        Shape::Hexagon => &[(-50, -87), (50, -87), (100, 0), (50, 87), (-50, 87), (-100, 0)],
        Shape::Arrow => &[(-100, -34), (4, -34), (4, -92), (100, 0), (4, 92), (4, 34), (-100, 34)],
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

/// Whether a point is in the disc of this radius whose centre lies `right` of zero, both in hundredths of half the width.
fn disc(half: i64, (x, y): (i64, i64), right: i64, radius: i64) -> bool {
    let (x, radius) = (x - half * right, half * radius);
    x * x + y * y <= radius * radius
}

/// The dark parts of a texture have a quarter of the color's light.
fn blend(under: u8, over: u8, (light, shade): (u8, u8)) -> u8 {
    let all = (SAMPLES * SAMPLES) as u32;
    let (light, shade) = (u32::from(light), u32::from(shade));
    let sum = u32::from(under) * (all - light - shade) + u32::from(over) * light + u32::from(over / 4) * shade;
    ((sum + all / 2) / all) as u8
}

const fn rgb(color: Color) -> [u8; 3] {
    match color {
        Color::Red => [235, 35, 40],
        Color::Green => [30, 175, 60],
        Color::Blue => [45, 75, 250],
        Color::Yellow => [250, 225, 45],
        Color::Magenta => [235, 60, 230],
        Color::Cyan => [40, 220, 230],
        Color::Orange => [245, 135, 25],
        Color::Purple => [120, 45, 175],
        Color::White => [245, 245, 245],
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
            groups: vec![Group { shape, color: Color::Red, size, texture: None, count: 1 }],
            objects: vec![Object { group: 0, left, top: left, width }],
            relation: None,
            ground: None,
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
        assert!(least_difference(Shape::FIRST) >= 2);
    }

    /// Every shape in every texture on every ground is a picture of its own at 32 pixels.
    #[test]
    fn textures_and_grounds_are_to_be_seen() {
        let mut pictures = std::collections::BTreeSet::new();
        let mut shaded = Vec::new();
        for &shape in Shape::ALL {
            for &texture in Texture::ALL {
                for &ground in Ground::ALL {
                    let group =
                        Group { shape, color: Color::White, size: Size::Large, texture: Some(texture), count: 1 };
                    let scene = Scene {
                        groups: vec![group],
                        objects: vec![Object { group: 0, left: 256, top: 256, width: 480 }],
                        relation: None,
                        ground: Some(ground),
                    };
                    let picture = Painter::new(32).paint(&scene);
                    if ground == Ground::Light && texture != Texture::Solid {
                        // Dark parts are darker than the ground: between a tenth and six tenths of a disc's area.
                        let dark = picture[..1024].iter().filter(|level| **level < 130).count();
                        shaded.push((shape, texture, dark));
                    }
                    pictures.insert(picture);
                }
            }
        }
        assert_eq!(pictures.len(), Shape::ALL.len() * Texture::ALL.len() * Ground::ALL.len());
        assert!(shaded.iter().all(|(_, _, dark)| (8..110).contains(dark)), "{shaded:?}");
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
