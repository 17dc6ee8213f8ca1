//! Text made safe for HTML and SVG, and how texts are put together.

/// Appends formatted text to a `String`, which takes any.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {
        std::fmt::Write::write_fmt(&mut $out, format_args!($($text)*)).expect("a string takes any text")
    };
}

/// [`put!`] and an end of line.
macro_rules! putln {
    ($out:expr, $($text:tt)*) => {{
        $crate::html::put!($out, $($text)*);
        $out.push('\n');
    }};
}

pub(crate) use {put, putln};

/// `text` with everything escaped that markup could take for its own, in content and in quoted attributes. Characters that XML does not
/// allow become the replacement character.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if u32::from(c) < 0x20 || c == '\u{7f}' || c == '\u{fffe}' || c == '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// `text` percent-encoded for a data URI.
pub fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' => out.push(char::from(byte)),
            byte => put!(out, "%{byte:02X}"),
        }
    }
    out
}

/// `text` as an id: letters, digits and hyphens, with `n` to keep two of one text apart.
pub fn id(prefix: &str, n: usize, text: &str) -> String {
    let tail: String = text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    format!("{prefix}-{n}-{tail}")
}
