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
pub mod parts;
mod provenance;

use std::collections::BTreeMap;

use isoflop_plan::Plan;

use self::parts::{SCRIPT, STYLE, badge, figure, head_cell, pairs, policy, short, wide};
use crate::{
    catalogue::{self, Exhibit, NamedFit},
    claims::Judged,
    color::dark_rules,
    facts::{Facts, Index},
    html::escape,
};

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
         <meta http-equiv=\"Content-Security-Policy\" content=\"{}\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" href=\"data:,\">\
         <title>{} — isoflop report</title>\n<style>{}{}</style></head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the results</a>\n{}<main id=\"content\" tabindex=\"-1\">\n{}</main>\n{}<script>{SCRIPT}</script></body></html>\n",
        policy(),
        escape(&facts.study.name),
        STYLE,
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
