//! A scene as SVG text: coordinates with two decimals, everything escaped, nothing that depends on a machine.

use crate::{
    color::{Ink, dark_rules},
    font,
    html::{escape, put, putln},
    scene::{Anchor, Fill, Item, Part, Point, RAISED, Scene, Stroke, Type, Verb},
};

/// Fonts with the same widths, whichever a machine has.
const FONT: &str = "font-family=\"Helvetica Neue,Helvetica,Arial,Arimo,Liberation Sans,sans-serif\"";

/// The scene as an element for a page that carries [`dark_rules`].
pub fn element(scene: &Scene) -> String {
    write(scene, false)
}

/// The scene as a document of its own, on paper.
pub fn document(scene: &Scene) -> String {
    write(scene, true)
}

fn write(scene: &Scene, document: bool) -> String {
    let (width, height) = (scene.width, scene.height);
    let mut out = String::new();
    let namespace = if document { " xmlns=\"http://www.w3.org/2000/svg\"" } else { "" };
    putln!(
        out,
        "<svg{namespace} viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{}\" {FONT}>",
        escape(&scene.alt)
    );
    if document {
        putln!(out, "<title>{}</title>\n<style>{}</style>", escape(&scene.title), dark_rules());
        putln!(out, "<rect width=\"{width:.0}\" height=\"{height:.0}\" {}/>", paint(Some(Fill::of(Ink::Paper)), None));
    }
    let mut clips = 0;
    let mut alike = String::new();
    for item in &scene.items {
        let look = shared(item);
        if look != alike {
            out.push_str(if alike.is_empty() { "" } else { "</g>\n" });
            if !look.is_empty() {
                putln!(out, "<g {look}>");
            }
            alike = look;
        }
        match item {
            Item::Path { outline, fill, stroke, tip } => {
                put!(out, "<path d=\"{}\" {}", d(outline), paint(*fill, *stroke));
                close(&mut out, "path", tip);
            }
            Item::Disc { at: (x, y), radius, tip, .. } => {
                put!(out, "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"", at(*x), at(*y), at(*radius));
                close(&mut out, "circle", tip);
            }
            Item::Text { at, parts, look, upwards } => text(&mut out, *at, parts, *look, *upwards),
            Item::Clip { at: (x, y), size } => {
                let id = format!("clip-{}-{clips}", escape(&scene.id));
                clips += 1;
                putln!(
                    out,
                    "<clipPath id=\"{id}\"><rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/></clipPath><g clip-path=\"url(#{id})\">",
                    at(*x),
                    at(*y),
                    at(size.0),
                    at(size.1)
                );
            }
            Item::End => out.push_str("</g>\n"),
        }
    }
    if !alike.is_empty() {
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// What discs that follow each other have in common is written once: there may be thousands.
fn shared(item: &Item) -> String {
    match item {
        Item::Disc { fill, stroke, .. } => paint(Some(*fill), *stroke),
        _ => String::new(),
    }
}

fn close(out: &mut String, name: &str, tip: &str) {
    if tip.is_empty() {
        out.push_str("/>\n");
    } else {
        putln!(*out, "><title>{}</title></{name}>", escape(tip));
    }
}

/// A coordinate: at most two decimals, and one zero.
fn at(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn d(outline: &[Verb]) -> String {
    let mut out = String::new();
    for verb in outline {
        match verb {
            Verb::Move(x, y) => put!(out, "M{} {}", at(*x), at(*y)),
            Verb::Line(x, y) => put!(out, "L{} {}", at(*x), at(*y)),
            Verb::Close => out.push('Z'),
        }
    }
    out
}

fn paint(fill: Option<Fill>, stroke: Option<Stroke>) -> String {
    let mut out = String::new();
    let mut class = Vec::new();
    match fill {
        None => out.push_str("fill=\"none\""),
        Some(Fill { ink, opacity }) => {
            put!(out, "fill=\"{}\"", ink.light());
            class.push(format!("if-{}", ink.class()));
            if opacity < 1.0 {
                put!(out, " fill-opacity=\"{}\"", at(opacity));
            }
        }
    }
    if let Some(Stroke { ink, width, dash, opacity }) = stroke {
        put!(out, " stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"", ink.light(), at(width));
        class.push(format!("is-{}", ink.class()));
        if !dash.is_empty() {
            let dash: Vec<String> = dash.iter().map(|length| at(*length)).collect();
            put!(out, " stroke-dasharray=\"{}\"", dash.join(" "));
        }
        if opacity < 1.0 {
            put!(out, " stroke-opacity=\"{}\"", at(opacity));
        }
    }
    put!(out, " class=\"{}\"", class.join(" "));
    out
}

fn text(out: &mut String, (x, y): Point, parts: &[Part], look: Type, upwards: bool) {
    let mut content = String::new();
    let mut down = false;
    for part in parts {
        let text = escape(&part.text);
        if part.raised {
            put!(
                content,
                "<tspan dy=\"{}\" font-size=\"{}\">{text}</tspan>",
                at(-look.size * RAISED.1),
                at(look.size * RAISED.0)
            );
            down = true;
        } else if down {
            put!(content, "<tspan dy=\"{}\">{text}</tspan>", at(look.size * RAISED.1));
            down = false;
        } else {
            content.push_str(&text);
        }
    }
    let anchor = match look.anchor {
        Anchor::Start => "",
        Anchor::Middle => " text-anchor=\"middle\"",
        Anchor::End => " text-anchor=\"end\"",
    };
    // As wide as it was laid out, whichever of the fonts a machine has: a wider one would run over what stands beside it.
    let long = match parts {
        [part] if part.text.chars().nth(3).is_some() => {
            let long = font::width(&part.text, look.size, look.bold);
            format!(" textLength=\"{}\" lengthAdjust=\"spacingAndGlyphs\"", at(long))
        }
        _ => String::new(),
    };
    let weight = if look.bold { " font-weight=\"700\"" } else { "" };
    let turn = if upwards { format!(" transform=\"rotate(-90 {} {})\"", at(x), at(y)) } else { String::new() };
    let place = format!("x=\"{}\" y=\"{}\" font-size=\"{}\"{anchor}{weight}{turn}{long}", at(x), at(y), at(look.size));
    if look.halo {
        // A copy below instead of `paint-order`, which some viewers do not know.
        let edge = paint(Some(Fill::of(Ink::Paper)), Some(Stroke::of(Ink::Paper, 3.0)));
        putln!(*out, "<text {place} {edge} aria-hidden=\"true\">{content}</text>");
    }
    putln!(*out, "<text {place} {}>{content}</text>", paint(Some(Fill::of(look.ink)), None));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_have_two_decimals_at_most_and_one_zero() {
        assert_eq!((at(1.0 / 3.0), at(-0.001), at(12.0)), ("0.33".into(), "0".into(), "12".into()));
    }
}
