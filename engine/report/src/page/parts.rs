//! Parts that all pages are put together of, the report and those that `isoflop serve` shows: their style, figures, tables, badges.

use crate::{
    catalogue::Exhibit,
    claims::Verdict,
    draw::{Width, to_svg},
    facts::State,
    figure::to_csv,
    html::{escape, percent},
};

/// The style of all pages; [`dark_rules`](crate::color::dark_rules) recolour figures beside it.
pub const STYLE: &str = include_str!("style.css");
/// Sorts a table by the column whose button was pressed, and opens the record that a link leads into.
pub const SCRIPT: &str = include_str!("sort.js");
/// The digest of [`SCRIPT`] as a page's policy names it; a test holds it true.
pub(super) const SCRIPT_DIGEST: &str = "sha256-KZ95Nrq0MySt68kgp0TJAPI+Y/LIQ50Y7pIklJUMr7Q=";

/// What a report may do: run its one script and show what it carries. The report says so itself; who serves it says so too.
pub fn policy() -> String {
    format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{SCRIPT_DIGEST}'; base-uri 'none'; form-action 'none'"
    )
}

/// Panels of a matrix side by side, from which on a phone shows the broad drawing in a box that scrolls: smaller ones could not be read.
const MATRIX: usize = 4;

/// A figure with its caption and its data, in the width that the screen has room for; the other is not there for anybody.
pub fn figure(exhibit: &Exhibit) -> String {
    let (figure, caption) = (&exhibit.figure, escape(&exhibit.caption));
    let notes: Vec<String> = figure.notes.iter().map(|note| escape(note)).collect();
    let figure = &crate::figure::Figure { notes: Vec::new(), ..figure.clone() };
    let drawn = if figure.columns == 0 && figure.side() >= MATRIX {
        format!(
            "<div class=\"wide matrix\" role=\"region\" tabindex=\"0\" aria-label=\"{}\">{}</div>",
            escape(&figure.title),
            to_svg(figure, Width::Double)
        )
    } else {
        format!(
            "<div class=\"broad\">{}</div><div class=\"narrow\">{}</div>",
            to_svg(figure, Width::Double),
            to_svg(figure, Width::Single)
        )
    };
    format!(
        "<figure id=\"{id}\">\n{drawn}<figcaption>{caption} {} <a download=\"{id}.csv\" href=\"data:text/csv;charset=utf-8,{}\">Data of this figure (CSV)</a></figcaption></figure>\n",
        notes.join(" "),
        percent(&to_csv(figure)),
        id = escape(&figure.id)
    )
}

/// A table that a keyboard can scroll where it is wider than the screen; `head` and `body` are rows of HTML.
pub fn wide(caption: &str, class: &str, head: &str, body: &str) -> String {
    format!(
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\"><table class=\"{class}\"><caption>{0}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n",
        escape(caption)
    )
}

/// The head of a column; of numbers it stands to the right.
pub fn head_cell(name: &str, number: bool) -> String {
    format!("<th scope=\"col\"{}>{}</th>", if number { " class=\"n\"" } else { "" }, escape(name))
}

/// The class of a state's badge.
pub fn class(state: State) -> &'static str {
    match state {
        State::Kept => "kept",
        State::Made => "made",
        State::Adopted => "adopted",
        State::Diverged => "diverged",
        State::Failed => "failed",
        State::Blocked => "blocked",
        State::Waiting => "waiting",
    }
}

/// A state as a badge: its word says what its colour says.
pub fn badge(state: State) -> String {
    format!("<span class=\"badge state {}\">{state}</span>", class(state))
}

/// A verdict as a badge.
pub fn verdict(verdict: Verdict) -> String {
    let (sign, word) = match verdict {
        Verdict::Reproduced => ("✓", "reproduced"),
        Verdict::Contradicted => ("✗", "contradicted"),
        Verdict::NotTested => ("○", "not tested"),
    };
    format!("<span class=\"badge {verdict}\">{sign} {word}</span>")
}

/// The first digits of a digest or key, the whole in the tooltip.
pub fn short(whole: &str) -> String {
    format!("<code class=\"h\" title=\"{0}\">{1}</code>", escape(whole), escape(whole.get(..12).unwrap_or(whole)))
}

/// Two columns, names and values, of what `title` says; the values are HTML.
pub fn pairs(title: &str, rows: &[(String, String)]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{}</th><td>{value}</td></tr>\n", escape(name)))
        .collect();
    format!("<table class=\"kv\" aria-label=\"{}\">{}</table>\n", escape(title), rows.concat())
}
