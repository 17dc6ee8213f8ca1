//! A scene as a picture: PNG, three pixels to one of the scene's (300 dots an inch at the width of a page). Letters are the outlines of the crate's own
//! font, and the rasterizer is Rust without processor-specific code, so that the bytes are the same on every machine.

use tiny_skia::{FillRule, LineCap, LineJoin, Mask, Paint, PathBuilder, Pixmap, StrokeDash, Transform};
use ttf_parser::OutlineBuilder;

use crate::{
    color::{Ink, Theme},
    font,
    scene::{Fill, Item, Part, Point, RAISED, Scene, Stroke, Type, Verb},
};

/// Pixels of the picture to one of the scene.
pub const SCALE: f64 = 3.0;
/// Pixels that a picture has at most.
const LARGEST: f64 = 60e6;

/// The scene as a PNG file, on the paper of `theme`. Nothing for a scene without an extent, or one too large to be looked at.
pub fn to_png(scene: &Scene, theme: Theme) -> Option<Vec<u8>> {
    let (width, height) = ((scene.width * SCALE).round(), (scene.height * SCALE).round());
    let sensible = width >= 1.0 && height >= 1.0 && width * height <= LARGEST;
    let mut canvas =
        Canvas { pixels: sensible.then(|| Pixmap::new(width as u32, height as u32)).flatten()?, theme, clip: None };
    canvas.pixels.fill(color(Fill::of(Ink::Paper), theme));
    for item in &scene.items {
        canvas.item(item);
    }
    Some(encode(canvas.pixels))
}

/// Eight bits a channel, without the opacity: paper has none.
fn encode(pixels: Pixmap) -> Vec<u8> {
    let (width, height) = (pixels.width() as usize, pixels.height() as usize);
    let rgb: Vec<u8> = pixels.take().chunks_exact(4).flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
    let per_metre = (SCALE * crate::draw::PIXELS_PER_INCH / 0.0254).round() as u32;
    crate::png::encode(width, height, &rgb, per_metre)
}

struct Canvas {
    pixels: Pixmap,
    theme: Theme,
    clip: Option<Mask>,
}

fn color(fill: Fill, theme: Theme) -> tiny_skia::Color {
    let [red, green, blue] = fill.ink.rgb(theme);
    tiny_skia::Color::from_rgba8(red, green, blue, (fill.opacity.clamp(0.0, 1.0) * 255.0).round() as u8)
}

fn scaled() -> Transform {
    Transform::from_scale(SCALE as f32, SCALE as f32)
}

impl Canvas {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Path { outline, fill, stroke, .. } => {
                if let Some(path) = path(outline) {
                    self.paint(&path, *fill, *stroke, scaled());
                }
            }
            Item::Disc { at, radius, fill, stroke, .. } => {
                if let Some(path) = PathBuilder::from_circle(at.0 as f32, at.1 as f32, *radius as f32) {
                    self.paint(&path, Some(*fill), *stroke, scaled());
                }
            }
            Item::Text { at, parts, look, upwards } => self.text(*at, parts, *look, *upwards),
            Item::Clip { at, size } => {
                let mask = Mask::new(self.pixels.width(), self.pixels.height());
                let rect = tiny_skia::Rect::from_xywh(at.0 as f32, at.1 as f32, size.0 as f32, size.1 as f32);
                self.clip = mask.zip(rect).map(|(mut mask, rect)| {
                    mask.fill_path(&PathBuilder::from_rect(rect), FillRule::Winding, true, scaled());
                    mask
                });
            }
            Item::End => self.clip = None,
        }
    }

    fn paint(&mut self, path: &tiny_skia::Path, fill: Option<Fill>, stroke: Option<Stroke>, transform: Transform) {
        let paint = |fill: Fill, theme| {
            let mut paint = Paint { anti_alias: true, ..Paint::default() };
            paint.set_color(color(fill, theme));
            paint
        };
        if let Some(fill) = fill {
            self.pixels.fill_path(path, &paint(fill, self.theme), FillRule::Winding, transform, self.clip.as_ref());
        }
        if let Some(Stroke { ink, width, dash, opacity }) = stroke {
            let stroke = tiny_skia::Stroke {
                width: width as f32,
                line_cap: LineCap::Butt,
                line_join: LineJoin::Round,
                dash: StrokeDash::new(dash.iter().map(|length| *length as f32).collect(), 0.0),
                ..tiny_skia::Stroke::default()
            };
            let paint = paint(Fill { ink, opacity }, self.theme);
            self.pixels.stroke_path(path, &paint, &stroke, transform, self.clip.as_ref());
        }
    }

    fn text(&mut self, at: Point, parts: &[Part], look: Type, upwards: bool) {
        let back = look.back(parts);
        let turn = if upwards { Transform::from_rotate(-90.0) } else { Transform::identity() };
        let place = turn.post_translate(at.0 as f32, at.1 as f32).post_concat(scaled());
        let mut letters = Letters { builder: PathBuilder::new(), scale: 1.0, x: -back, y: 0.0 };
        for part in parts {
            let (size, rise) =
                if part.raised { (look.size * RAISED.0, look.size * RAISED.1) } else { (look.size, 0.0) };
            letters.scale = size / f64::from(font::face(look.bold).units_per_em());
            letters.y = -rise;
            for c in part.text.chars() {
                let glyph = font::glyph(look.bold, c);
                font::face(look.bold).outline_glyph(glyph, &mut letters);
                letters.x += font::advance(look.bold, glyph) / 1000.0 * size;
            }
        }
        let Some(path) = letters.builder.finish() else { return };
        if look.halo {
            self.paint(&path, None, Some(Stroke::of(Ink::Paper, 3.0)), place);
        }
        self.paint(&path, Some(Fill::of(look.ink)), None, place);
    }
}

fn path(outline: &[Verb]) -> Option<tiny_skia::Path> {
    let mut builder = PathBuilder::new();
    for verb in outline {
        match *verb {
            Verb::Move(x, y) => builder.move_to(x as f32, y as f32),
            Verb::Line(x, y) => builder.line_to(x as f32, y as f32),
            Verb::Close => builder.close(),
        }
    }
    builder.finish()
}

/// Collects the outlines of glyphs one after the other.
struct Letters {
    builder: PathBuilder,
    scale: f64,
    x: f64,
    y: f64,
}

impl Letters {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        ((self.x + f64::from(x) * self.scale) as f32, (self.y - f64::from(y) * self.scale) as f32)
    }
}

impl OutlineBuilder for Letters {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.builder.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.builder.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.builder.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.builder.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.builder.close();
    }
}
