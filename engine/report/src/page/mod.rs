//! The report as one HTML page: no script, no network, light and dark, fit for print. The same facts give the same bytes.
//!
//! To add a section: a file here with a function that takes the `Page` and answers its HTML, empty where there is nothing to show, and one
//! line in [`render`].

mod claims;
mod fits;
mod groups;
mod head;
mod provenance;
mod tasks;

use std::collections::BTreeMap;

use isoflop_plan::Plan;

use crate::{
    claims::Judged,
    color::dark_rules,
    draw::to_svg,
    facts::{Facts, Index, State},
    figure::{Figure, to_csv},
    fit::{Fit, FitError},
    html::{escape, percent},
};

/// What all sections look at.
struct Page<'a> {
    facts: &'a Facts,
    index: Index<'a>,
    claims: &'a [Judged],
    /// Canonical recipe text by task.
    recipes: BTreeMap<&'a str, &'a str>,
    /// Fits in the plan's order.
    fits: Vec<(&'a str, Result<Fit, FitError>)>,
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
    let fits = facts.tasks.iter().filter_map(|task| {
        let document = facts.fits.get(&task.name)?;
        Some((task.name.as_str(), Fit::read(document)))
    });
    let page = Page { facts, index: facts.index(), claims, recipes, fits: fits.collect() };
    let sections: Vec<Section> = vec![
        ("claims", "Claims", claims::section(&page)),
        ("fits", "Fitted laws", fits::section(&page)),
        ("curves", "Learning curves", groups::curves_section(&page)),
        ("categories", "By category", groups::categories_section(&page)),
        ("samples", "Images", groups::images_section(&page)),
        ("tasks", "Tasks", tasks::section(&page)),
        ("provenance", "Provenance", provenance::section(&page)),
    ];
    let shown: Vec<&Section> = sections.iter().filter(|(_, _, html)| !html.is_empty()).collect();
    let links: Vec<String> = shown.iter().map(|(id, name, _)| format!("<a href=\"#{id}\">{name}</a>")).collect();
    let body: Vec<String> = shown
        .iter()
        .map(|(id, name, html)| format!("<section><h2 id=\"{id}\">{name}</h2>\n{html}</section>\n"))
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{} — isoflop report</title>\n<style>{}{}</style></head>\n<body>\n{}<main>\n{}</main>\n{}</body></html>\n",
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
}

/// A figure with its caption and its data.
fn figure(figure: &Figure, caption: &str) -> String {
    format!(
        "<figure id=\"{id}\">\n{}<figcaption>{caption} <a download=\"{id}.csv\" href=\"data:text/csv;charset=utf-8,{}\">Data (CSV)</a></figcaption></figure>\n",
        to_svg(figure),
        percent(&to_csv(figure)),
        id = escape(&figure.id)
    )
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

/// Two columns, names and values; the values are HTML.
fn pairs(rows: &[(String, String)]) -> String {
    let rows: Vec<String> = rows
        .iter()
        .map(|(name, value)| format!("<tr><th scope=\"row\">{}</th><td>{value}</td></tr>\n", escape(name)))
        .collect();
    format!("<table class=\"kv\">{}</table>\n", rows.concat())
}
