//! The report as one HTML page that needs no network: light and dark, fit for phones, print, keyboards and screen readers. The same facts give the same
//! bytes. One small script of ours sorts tables; a policy in the page's head lets no other run and nothing load, and without it the page lacks nothing else.
//!
//! To add a section: a file here with a function that takes the `Page` and answers its HTML, empty where there is nothing to show, and one
//! line in [`page`].

mod cells;
mod claims;
mod design;
mod fits;
mod groups;
mod head;
mod provenance;

use std::collections::BTreeMap;

use isoflop_plan::Plan;

use crate::{
    catalogue::{self, Exhibit, NamedFit},
    claims::Judged,
    color::dark_rules,
    draw::{Width, to_svg},
    facts::{Facts, Index, State},
    figure::to_csv,
    html::{escape, percent},
};

/// Sorts a table by the column whose button was pressed, and opens the record that a link leads into.
const SCRIPT: &str = include_str!("sort.js");
/// The digest of [`SCRIPT`] as a page's policy names it; a test holds it true.
const SCRIPT_DIGEST: &str = "sha256-KZ95Nrq0MySt68kgp0TJAPI+Y/LIQ50Y7pIklJUMr7Q=";

/// What all sections look at.
struct Page<'a> {
    facts: &'a Facts,
    index: Index<'a>,
    claims: &'a [Judged],
    /// Canonical recipe text by task.
    recipes: BTreeMap<&'a str, &'a str>,
    /// Fits in the plan's order.
    fits: Vec<NamedFit<'a>>,
    /// Every figure.
    exhibits: Vec<Exhibit>,
}

/// A section: its id, its name in the navigation, its HTML.
type Section = (&'static str, &'static str, String);

/// The whole page.
pub fn render(plan: &Plan, facts: &Facts, claims: &[Judged]) -> String {
    let recipes = plan.tasks().iter().map(|task| (task.name.as_str(), task.recipe_text.as_str())).collect();
    page(facts, claims, recipes)
}

/// The whole page where the recipes' canonical texts by task come from somewhere else than a plan: the ledger keeps those of old runs.
pub fn page<'a>(facts: &'a Facts, claims: &'a [Judged], recipes: BTreeMap<&'a str, &'a str>) -> String {
    let index = facts.index();
    let fits = catalogue::fits(facts);
    let exhibits = catalogue::exhibits(facts, &index, &fits);
    let page = Page { facts, index, claims, recipes, fits, exhibits };
    let sections: Vec<Section> = vec![
        ("design", "Question and design", design::section(&page)),
        ("claims", "Claims", claims::section(&page)),
        ("fits", "Fitted laws", fits::section(&page)),
        ("curves", "Learning curves", groups::curves_section(&page)),
        ("metrics", "Metrics", groups::metrics_section(&page)),
        ("categories", "By category", groups::categories_section(&page)),
        ("samples", "Images", groups::images_section(&page)),
        ("cells", "Cells", cells::section(&page)),
        ("provenance", "Provenance", provenance::section(&page)),
    ];
    let shown: Vec<&Section> = sections.iter().filter(|(_, _, html)| !html.is_empty()).collect();
    let links: Vec<String> =
        shown.iter().map(|(id, name, _)| format!("<li><a href=\"#{id}\">{name}</a></li>")).collect();
    let body: Vec<String> = shown
        .iter()
        .map(|(id, name, html)| {
            format!("<section aria-labelledby=\"{id}\"><h2 id=\"{id}\" tabindex=\"-1\">{name}</h2>\n{html}</section>\n")
        })
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src '{SCRIPT_DIGEST}'; base-uri 'none'; form-action 'none'\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">\
         <title>{} — isoflop report</title>\n<style>{}{}</style></head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the results</a>\n{}<main id=\"content\" tabindex=\"-1\">\n{}</main>\n{}<script>{SCRIPT}</script></body></html>\n",
        escape(&facts.study.name),
        include_str!("style.css"),
        dark_rules(),
        head::header(&page, &links.join("")),
        body.concat(),
        head::footer(&page)
    )
}

impl Page<'_> {
    /// A link to a task's record; plain text where there is none.
    fn link(&self, task: &str) -> String {
        match self.index.place(task) {
            Some(i) if i < provenance::RECORDS => format!("<a href=\"#t{i}\">{}</a>", escape(task)),
            _ => escape(task),
        }
    }

    /// A number that a task made, shown as `text`: a link to the number in the task's record, or to the record where it is not among the task's numbers.
    fn number(&self, task: &str, scalar: &str, text: &str) -> String {
        match self.index.place(task) {
            Some(i) if i < provenance::RECORDS => {
                let among = self.index.task(task).and_then(|task| task.scalars.keys().position(|name| name == scalar));
                let number = among.map_or_else(String::new, |n| format!("n{n}"));
                format!("<a class=\"v\" href=\"#t{i}{number}\">{text}</a>")
            }
            _ => text.to_owned(),
        }
    }
}

/// Panels of a matrix side by side, from which on a phone shows the broad drawing in a box that scrolls: smaller ones could not be read.
const MATRIX: usize = 4;

/// A figure with its caption and its data, in the width that the screen has room for; the other is not there for anybody.
fn figure(exhibit: &Exhibit) -> String {
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
fn wide(caption: &str, class: &str, head: &str, body: &str) -> String {
    format!(
        "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\"><table class=\"{class}\"><caption>{0}</caption><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table></div>\n",
        escape(caption)
    )
}

/// The head of a column; of numbers it stands to the right.
fn head_cell(name: &str, number: bool) -> String {
    format!("<th scope=\"col\"{}>{}</th>", if number { " class=\"n\"" } else { "" }, escape(name))
}

/// The class of a state's badge.
fn class(state: State) -> &'static str {
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
fn badge(state: State) -> String {
    format!("<span class=\"badge state {}\">{state}</span>", class(state))
}

/// The first digits of a digest or key, the whole in the tooltip.
fn short(whole: &str) -> String {
    format!("<code class=\"h\" title=\"{0}\">{1}</code>", escape(whole), escape(whole.get(..12).unwrap_or(whole)))
}

/// Two columns, names and values, of what `title` says; the values are HTML.
fn pairs(title: &str, rows: &[(String, String)]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{}</th><td>{value}</td></tr>\n", escape(name)))
        .collect();
    format!("<table class=\"kv\" aria-label=\"{}\">{}</table>\n", escape(title), rows.concat())
}
