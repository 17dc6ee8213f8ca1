//! A scene as a PDF of one page, at its printed size: vectors, and text that can be searched and copied, in letters of the crate's own font, of which the
//! file holds those it uses. No date and no producer: the same scene gives the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use pdf_writer::{
    Content, Filter, Finish, Name, Pdf, Rect, Ref, Str, TextStr,
    types::{CidFontType, FontFlags, LineJoinStyle, SystemInfo, TextRenderingMode, UnicodeCmap},
};
use subsetter::GlyphRemapper;

use crate::{
    color::{Ink, Theme},
    font,
    scene::{Fill, Item, Part, Point, RAISED, Scene, Stroke, Type, Verb},
};

/// Points to a pixel of the scene.
const POINTS: f64 = 72.0 / crate::draw::PIXELS_PER_INCH;
const IDENTITY: SystemInfo<'static> = SystemInfo { registry: Str(b"Adobe"), ordering: Str(b"Identity"), supplement: 0 };
const FONTS: [Name<'static>; 2] = [Name(b"Regular"), Name(b"Bold")];

/// The scene as a PDF file.
pub fn to_pdf(scene: &Scene) -> Vec<u8> {
    let mut writer = Writer {
        content: Content::new(),
        used: [BTreeMap::new(), BTreeMap::new()],
        opacities: BTreeSet::new(),
        maps: [GlyphRemapper::new(), GlyphRemapper::new()],
    };
    writer.content.transform([POINTS as f32, 0.0, 0.0, -POINTS as f32, 0.0, (scene.height * POINTS) as f32]);
    for item in &scene.items {
        writer.item(item);
    }
    file(scene, writer)
}

/// What the page is made of so far.
struct Writer {
    content: Content,
    /// Letters in use by their place in the font's part, regular and bold.
    used: [BTreeMap<u16, char>; 2],
    maps: [GlyphRemapper; 2],
    /// Opacities in use, in hundredths: of areas, of lines.
    opacities: BTreeSet<(u8, u8)>,
}

fn hundredths(opacity: f64) -> u8 {
    (opacity.clamp(0.0, 1.0) * 100.0).round() as u8
}

fn state(areas: u8, lines: u8) -> String {
    format!("o{areas}-{lines}")
}

impl Writer {
    fn item(&mut self, item: &Item) {
        match item {
            Item::Path { outline, fill, stroke, .. } => self.paint(*fill, *stroke, |content| {
                for verb in outline {
                    match *verb {
                        Verb::Move(x, y) => content.move_to(x as f32, y as f32),
                        Verb::Line(x, y) => content.line_to(x as f32, y as f32),
                        Verb::Close => content.close_path(),
                    };
                }
            }),
            Item::Disc { at, radius, fill, stroke, .. } => {
                self.paint(Some(*fill), *stroke, |content| disc(content, *at, *radius));
            }
            Item::Text { at, parts, look, upwards } => self.text(*at, parts, *look, *upwards),
            Item::Clip { at, size } => {
                self.content.save_state();
                self.content.rect(at.0 as f32, at.1 as f32, size.0 as f32, size.1 as f32).clip_nonzero().end_path();
            }
            Item::End => {
                self.content.restore_state();
            }
        }
    }

    fn paint(&mut self, fill: Option<Fill>, stroke: Option<Stroke>, outline: impl Fn(&mut Content)) {
        self.content.save_state();
        let seen =
            (fill.map_or(100, |fill| hundredths(fill.opacity)), stroke.map_or(100, |line| hundredths(line.opacity)));
        if seen != (100, 100) {
            self.opacities.insert(seen);
            self.content.set_parameters(Name(state(seen.0, seen.1).as_bytes()));
        }
        if let Some(fill) = fill {
            let [red, green, blue] = rgb(fill.ink);
            self.content.set_fill_rgb(red, green, blue);
        }
        if let Some(Stroke { ink, width, dash, .. }) = stroke {
            let [red, green, blue] = rgb(ink);
            self.content
                .set_stroke_rgb(red, green, blue)
                .set_line_width(width as f32)
                .set_line_join(LineJoinStyle::RoundJoin);
            if !dash.is_empty() {
                self.content.set_dash_pattern(dash.iter().map(|length| *length as f32), 0.0);
            }
        }
        outline(&mut self.content);
        match (fill, stroke) {
            (Some(_), Some(_)) => self.content.fill_nonzero_and_stroke(),
            (Some(_), None) => self.content.fill_nonzero(),
            (None, Some(_)) => self.content.stroke(),
            (None, None) => self.content.end_path(),
        };
        self.content.restore_state();
    }

    fn text(&mut self, at: Point, parts: &[Part], look: Type, upwards: bool) {
        let back = look.back(parts);
        if look.halo {
            let [red, green, blue] = rgb(Ink::Paper);
            self.content.save_state();
            self.content.set_stroke_rgb(red, green, blue).set_line_width(3.0).set_line_join(LineJoinStyle::RoundJoin);
            self.line(at, back, parts, look, upwards, TextRenderingMode::Stroke);
            self.content.restore_state();
        }
        let [red, green, blue] = rgb(look.ink);
        self.content.set_fill_rgb(red, green, blue);
        self.line(at, back, parts, look, upwards, TextRenderingMode::Fill);
    }

    fn line(&mut self, at: Point, back: f64, parts: &[Part], look: Type, upwards: bool, mode: TextRenderingMode) {
        let weight = usize::from(look.bold);
        self.content.begin_text().set_text_rendering_mode(mode);
        // The page hangs upside down, so letters are turned back.
        let matrix =
            if upwards { [0.0, -1.0, -1.0, 0.0, at.0, at.1 + back] } else { [1.0, 0.0, 0.0, -1.0, at.0 - back, at.1] };
        self.content.set_text_matrix(matrix.map(|value| value as f32));
        for part in parts {
            let (size, rise) =
                if part.raised { (look.size * RAISED.0, look.size * RAISED.1) } else { (look.size, 0.0) };
            let mut codes = Vec::new();
            for c in part.text.chars() {
                let code = self.maps[weight].remap(font::glyph(look.bold, c).0);
                self.used[weight].entry(code).or_insert(c);
                codes.extend(code.to_be_bytes());
            }
            self.content.set_font(FONTS[weight], size as f32).set_rise(rise as f32).show(Str(&codes));
        }
        self.content.end_text();
    }
}

fn rgb(ink: Ink) -> [f32; 3] {
    // Two decimals more than eight bits hold, and the same on every machine.
    ink.rgb(Theme::Light).map(|channel| (f32::from(channel) / 255.0 * 1e4).round() / 1e4)
}

/// Four curves: how far their handles reach is 4/3·(√2 − 1) of the radius.
fn disc(content: &mut Content, (x, y): Point, radius: f64) {
    let reach = radius * 0.552_285;
    let at = |dx: f64, dy: f64| ((x + dx) as f32, (y + dy) as f32);
    let (x0, y0) = at(radius, 0.0);
    content.move_to(x0, y0);
    for (a, b, c) in [
        (at(radius, reach), at(reach, radius), at(0.0, radius)),
        (at(-reach, radius), at(-radius, reach), at(-radius, 0.0)),
        (at(-radius, -reach), at(-reach, -radius), at(0.0, -radius)),
        (at(reach, -radius), at(radius, -reach), at(radius, 0.0)),
    ] {
        content.cubic_to(a.0, a.1, b.0, b.1, c.0, c.1);
    }
    content.close_path();
}

/// Numbers of objects in order.
struct Refs(i32);

impl Refs {
    fn next(&mut self) -> Ref {
        self.0 += 1;
        Ref::new(self.0)
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 9)
}

fn file(scene: &Scene, writer: Writer) -> Vec<u8> {
    let mut refs = Refs(0);
    let (catalog, pages, page, content, info) = (refs.next(), refs.next(), refs.next(), refs.next(), refs.next());
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages).lang(TextStr("en"));
    pdf.document_info(info).title(TextStr(&scene.title)).subject(TextStr(&scene.alt));
    pdf.pages(pages).kids([page]).count(1);
    let fonts: Vec<(usize, Ref)> =
        (0..2).filter(|weight| !writer.used[*weight].is_empty()).map(|weight| (weight, refs.next())).collect();
    let states: Vec<((u8, u8), Ref)> = writer.opacities.iter().map(|seen| (*seen, refs.next())).collect();

    let mut sheet = pdf.page(page);
    sheet.media_box(Rect::new(0.0, 0.0, (scene.width * POINTS) as f32, (scene.height * POINTS) as f32));
    sheet.parent(pages).contents(content);
    let mut resources = sheet.resources();
    let mut named = resources.fonts();
    for (weight, id) in &fonts {
        named.pair(FONTS[*weight], *id);
    }
    named.finish();
    let mut named = resources.ext_g_states();
    for ((areas, lines), id) in &states {
        named.pair(Name(state(*areas, *lines).as_bytes()), *id);
    }
    named.finish();
    resources.finish();
    sheet.finish();
    for ((areas, lines), id) in states {
        pdf.ext_graphics(id).non_stroking_alpha(f32::from(areas) / 100.0).stroking_alpha(f32::from(lines) / 100.0);
    }
    let drawn = packed(&writer.content.finish());
    pdf.stream(content, &drawn).filter(Filter::FlateDecode);
    for (weight, id) in fonts {
        embed(&mut pdf, &mut refs, id, weight == 1, &writer.used[weight], &writer.maps[weight]);
    }
    pdf.finish()
}

/// The letters in use, how wide they are, and what they are when copied.
fn embed(pdf: &mut Pdf, refs: &mut Refs, id: Ref, bold: bool, used: &BTreeMap<u16, char>, map: &GlyphRemapper) {
    let (letters, descriptor, file, unicode) = (refs.next(), refs.next(), refs.next(), refs.next());
    let whole = if bold { font::BOLD } else { font::REGULAR };
    // The tag says that this is a part of the font.
    let name: &[u8] = if bold { b"ISOFLP+Arimo-Bold" } else { b"ISOFLP+Arimo" };
    let face = font::face(bold);
    let thousandths = |units: i16| (f64::from(units) * 1000.0 / f64::from(face.units_per_em())) as f32;
    pdf.type0_font(id)
        .base_font(Name(name))
        .encoding_predefined(Name(b"Identity-H"))
        .descendant_font(letters)
        .to_unicode(unicode);
    let mut cid = pdf.cid_font(letters);
    cid.subtype(CidFontType::Type2).base_font(Name(name)).system_info(IDENTITY).font_descriptor(descriptor);
    cid.cid_to_gid_map_predefined(Name(b"Identity")).default_width(0.0);
    let mut widths = cid.widths();
    for (code, c) in used {
        widths.consecutive(*code, [font::advance(bold, font::glyph(bold, *c)) as f32]);
    }
    widths.finish();
    cid.finish();
    let bounds = face.global_bounding_box();
    pdf.font_descriptor(descriptor)
        .name(Name(name))
        .flags(FontFlags::NON_SYMBOLIC)
        .bbox(Rect::new(
            thousandths(bounds.x_min),
            thousandths(bounds.y_min),
            thousandths(bounds.x_max),
            thousandths(bounds.y_max),
        ))
        .italic_angle(0.0)
        .ascent(thousandths(face.ascender()))
        .descent(thousandths(face.descender()))
        .cap_height(thousandths(face.capital_height().unwrap_or(1409)))
        .stem_v(if bold { 140.0 } else { 88.0 })
        .font_file2(file);
    let part =
        subsetter::subset(whole, 0, map).expect("the crate's own font can be cut: a test does so with both weights");
    let bytes = packed(&part);
    pdf.stream(file, &bytes)
        .filter(Filter::FlateDecode)
        .pair(Name(b"Length1"), i32::try_from(part.len()).unwrap_or(i32::MAX));
    let mut names = UnicodeCmap::new(Name(b"Letters"), IDENTITY);
    for (code, c) in used {
        names.pair(*code, *c);
    }
    let names = packed(&names.finish());
    pdf.cmap(unicode, &names).filter(Filter::FlateDecode);
}
