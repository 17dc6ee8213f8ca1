//! What is shown of a group as a whole: learning curves, images, and scores by category.

use std::collections::BTreeSet;

use super::{Page, figure, head_cell, wide};
use crate::{
    base64,
    catalogue::{Exhibit, Of},
    facts::{Picture, TaskFacts},
    figures::spoken,
    html::{escape, put, putln},
    number::{plural, sig},
    ranks::ranks,
    sheet::{Sheet, Slot},
    stats,
    variant::{Variant, variants},
};

/// Learning curves of every group whose tasks recorded metrics.
pub fn curves_section(page: &Page<'_>) -> String {
    let mut out = String::new();
    for exhibit in &page.exhibits {
        let Of::Courses(group) = &exhibit.of else { continue };
        let main = &exhibit.figure.panels[0].y.label;
        putln!(out, "<h3>{}: {}</h3>\n{}", escape(group), escape(main), figure(exhibit));
        let others: Vec<&Exhibit> =
            page.exhibits.iter().filter(|other| other.of == Of::MoreCourses(group.clone())).collect();
        if !others.is_empty() {
            let names: Vec<String> = others.iter().map(|other| escape(&other.figure.title)).collect();
            let drawn: String = others.iter().map(|other| figure(other)).collect();
            putln!(
                out,
                "<details><summary>More of <code>{}</code>: {}</summary>\n{drawn}</details>",
                escape(group),
                names.join(" · ")
            );
        }
    }
    out
}

/// How metrics agree across designs: the matrix, and the table with intervals.
pub fn metrics_section(page: &Page<'_>) -> String {
    let mut out = String::new();
    for exhibit in page.exhibits.iter().filter(|exhibit| exhibit.of == Of::Metrics) {
        out.push_str(&figure(exhibit));
    }
    if let Some(sheet) = ranks(page.facts, &page.index).sheet() {
        out.push_str(&sheet_table(&sheet));
    }
    out
}

/// A sheet as a table of the page.
fn sheet_table(sheet: &Sheet) -> String {
    let number = |column: usize| sheet.rows.iter().any(|row| matches!(row.get(column), Some(Slot::Number(_))));
    let head: String = sheet.columns.iter().enumerate().map(|(i, name)| head_cell(name, number(i))).collect();
    let mut body = String::new();
    for row in &sheet.rows {
        body.push_str("<tr>");
        for slot in row {
            let class = if matches!(slot, Slot::Number(_)) { " class=\"n\"" } else { "" };
            put!(body, "<td{class}>{}</td>", escape(&slot.rounded()));
        }
        body.push_str("</tr>\n");
    }
    wide(&sheet.title, "", &head, &body)
}

/// Endings that say how sure a number is, not what it is of.
const INTERVALS: [&str; 8] = ["lower", "upper", "low", "high", "stderr", "std", "min", "max"];

/// A prefix shared by a scalar and at least two others that continue it, with the continuations: `alignment`, and `color`, `counting`.
fn families(tasks: &[&TaskFacts]) -> Vec<(String, Vec<String>)> {
    let names: BTreeSet<&str> = tasks.iter().flat_map(|task| task.scalars.keys()).map(String::as_str).collect();
    names
        .iter()
        .filter_map(|prefix| {
            let tails: Vec<String> = names
                .iter()
                .filter_map(|name| Some(name.strip_prefix(prefix)?.strip_prefix('_')?.to_owned()))
                .filter(|tail| !INTERVALS.contains(&tail.as_str()))
                .collect();
            (tails.len() >= 2).then(|| ((*prefix).to_owned(), tails))
        })
        .collect()
}

/// Tables of scalars that break another one down, a column a variant. What is the reference of one table gets none of its own.
pub fn categories_section(page: &Page<'_>) -> String {
    let mut tables = Vec::new();
    let mut references = BTreeSet::new();
    for group in page.facts.groups() {
        let tasks: Vec<&TaskFacts> = page.facts.group(group).filter(|task| task.state.has_artifact()).collect();
        for (prefix, tails) in families(&tasks) {
            let reference = reference(page, &tasks, &tails);
            references.extend(reference.as_ref().map(|(task, _)| task.name.as_str()));
            tables.push((group, category_table(page, group, &tasks, &prefix, &tails, reference.as_ref())));
        }
    }
    tables.retain(|(group, _)| !references.contains(group));
    tables.into_iter().map(|(_, table)| table).collect()
}

/// What all tasks share and what knows the same categories: what they are measured against, with the scalar that it breaks down.
fn reference<'a>(page: &Page<'a>, tasks: &[&'a TaskFacts], tails: &[String]) -> Option<(&'a TaskFacts, String)> {
    let shared = tasks.first()?.needs.iter().filter(|name| tasks.iter().all(|task| task.needs.contains(name)));
    shared.filter_map(|name| page.index.task(name)).find_map(|task| {
        let knows = |prefix: &&String| tails.iter().all(|tail| task.scalars.contains_key(&format!("{prefix}_{tail}")));
        Some((task, task.scalars.keys().find(knows)?.clone()))
    })
}

/// Columns that a table of categories has at most.
const COLUMNS: usize = 16;

fn category_table(
    page: &Page<'_>,
    group: &str,
    tasks: &[&TaskFacts],
    prefix: &str,
    tails: &[String],
    reference: Option<&(&TaskFacts, String)>,
) -> String {
    let variants = variants(&page.index, tasks);
    let shown: Vec<&Variant<'_>> = variants.list.iter().take(COLUMNS).collect();
    let mean = |variant: &Variant<'_>, name: &str| {
        let values: Vec<f64> = variant.tasks.iter().filter_map(|task| task.scalars.get(name).copied()).collect();
        stats::mean(&values).map(|mean| (mean, stats::span(&values), values.len()))
    };
    let mut rows: Vec<(String, String)> = tails.iter().map(|tail| (spoken(tail), format!("{prefix}_{tail}"))).collect();
    rows.push(("all".to_owned(), prefix.to_owned()));
    let all: Vec<f64> =
        rows.iter().flat_map(|(_, name)| shown.iter().filter_map(move |v| mean(v, name))).map(|(m, _, _)| m).collect();
    let Some((low, high)) = stats::span(&all) else { return String::new() };
    let title = format!("{group}: {} by category", spoken(prefix));
    let mut head = head_cell("category", false);
    for variant in &shown {
        head += &head_cell(&variant.name, true);
    }
    if let Some((task, scalar)) = reference {
        put!(head, "<th scope=\"col\" class=\"n\" title=\"{1} of {0}\">{0}</th>", escape(&task.name), escape(scalar));
    }
    let mut out = String::new();
    for (title, name) in &rows {
        put!(out, "<tr><th scope=\"row\">{}</th>", escape(title));
        for variant in &shown {
            match mean(variant, name) {
                Some((value, span, n)) => {
                    let (from, to) = span.unwrap_or((value, value));
                    let strength = if high > low { 6.0 + 40.0 * (value - low) / (high - low) } else { 20.0 };
                    put!(
                        out,
                        "<td style=\"--v:{strength:.0}\" title=\"mean of {n}, from {} to {}\">{}</td>",
                        sig(from, 4),
                        sig(to, 4),
                        sig(value, 3)
                    );
                }
                None => put!(out, "<td style=\"--v:0\" title=\"not measured\">–</td>"),
            }
        }
        if let Some((task, scalar)) = reference {
            let name = name.replacen(prefix, scalar, 1);
            let value = task.scalars.get(&name).map_or_else(|| "–".to_owned(), |value| sig(*value, 3));
            put!(out, "<td class=\"ref\">{value}</td>");
        }
        out.push_str("</tr>\n");
    }
    let more = variants.list.len().saturating_sub(COLUMNS);
    let more = if more > 0 { format!(" {} are left out.", plural(more, "larger variant")) } else { String::new() };
    let against = reference.map_or_else(String::new, |(task, scalar)| {
        format!(
            " The last column is <code>{}</code> of {}: what is reached on real data.",
            escape(scalar),
            page.link(&task.name)
        )
    });
    format!(
        "<h3>{}</h3>\n{}<p class=\"small soft\">Means over repetitions, from the smallest model to the largest.{more}{against}</p>\n",
        escape(&title),
        wide(&title, "heat", &head, &out)
    )
}

/// Images of every group that made some: shared data first as they come, variants from small to large.
pub fn images_section(page: &Page<'_>) -> String {
    let mut out = String::new();
    for group in page.facts.groups() {
        let tasks: Vec<&TaskFacts> =
            page.facts.group(group).filter(|task| page.facts.images.contains_key(&task.name)).collect();
        match tasks.as_slice() {
            [] => {}
            [one] => {
                let picture = &page.facts.images[&one.name];
                put!(
                    out,
                    "<h3>{}</h3>\n<figure class=\"single\">{}<figcaption>{}</figcaption></figure>\n{}",
                    escape(&one.name),
                    image(picture, &one.name, 3),
                    page.link(&one.name),
                    captions(&picture.captions)
                );
            }
            many => out.push_str(&samples(page, group, many)),
        }
    }
    out
}

/// Repetitions shown side by side.
const SHOWN: usize = 2;

fn samples(page: &Page<'_>, group: &str, tasks: &[&TaskFacts]) -> String {
    let variants = variants(&page.index, tasks);
    let mut out = format!("<h3>{}, from the smallest model to the largest</h3>\n", escape(group));
    // One list of captions serves all that were asked the same.
    let asked: BTreeSet<&[String]> =
        tasks.iter().map(|task| page.facts.images[&task.name].captions.as_slice()).collect();
    if let [same] = asked.into_iter().collect::<Vec<_>>().as_slice() {
        out.push_str(&captions(same));
    }
    out.push_str("<div class=\"samples\">\n");
    for variant in &variants.list {
        let pictures: Vec<String> = variant
            .tasks
            .iter()
            .take(SHOWN)
            .map(|task| {
                let picture = &page.facts.images[&task.name];
                format!(
                    "<figure>{}<figcaption>{}</figcaption></figure>",
                    image(picture, &task.name, 2),
                    page.link(&task.name)
                )
            })
            .collect();
        let params = variant.params.map_or_else(String::new, |params| {
            format!(
                "<br><span class=\"small soft\">{} parameters</span>",
                crate::number::with_prefix(params as f64, "")
            )
        });
        let more = variant.tasks.len().saturating_sub(SHOWN);
        let more = if more > 0 {
            format!("<br><span class=\"small soft\">{more} more not shown</span>")
        } else {
            String::new()
        };
        putln!(
            out,
            "<div class=\"sample\"><div><b>{}</b>{params}{more}</div><div class=\"strip\">{}</div></div>",
            escape(&variant.name),
            pictures.concat()
        );
    }
    out.push_str("</div>\n");
    out
}

fn captions(captions: &[String]) -> String {
    if captions.is_empty() {
        return String::new();
    }
    let items: Vec<String> = captions.iter().take(64).map(|caption| format!("<li>{}</li>", escape(caption))).collect();
    let count = plural(captions.len(), "prompt");
    format!(
        "<details><summary class=\"small\">{count}, in the order of the images</summary><ol class=\"small\">{}</ol></details>\n",
        items.concat()
    )
}

/// A picture with its true size, so that nothing moves while the page loads; small ones are enlarged by a whole number.
fn image(picture: &Picture, name: &str, scale: u32) -> String {
    match png_size(&picture.png) {
        None => "<p class=\"warning\">The preview is not a PNG image.</p>".to_owned(),
        Some((width, height)) => {
            let scale = if width * scale <= 960 { scale } else { 1 };
            format!(
                "<img alt=\"images of {}\" width=\"{}\" height=\"{}\" src=\"data:image/png;base64,{}\">",
                escape(name),
                width * scale,
                height * scale,
                base64::encode(&picture.png)
            )
        }
    }
}

/// Width and height from a PNG's header; none if it is no PNG or its size is absurd.
fn png_size(png: &[u8]) -> Option<(u32, u32)> {
    let header = png.get(..24)?;
    let number = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let size = (number(16), number(20));
    let sane = (1..=16_384).contains(&size.0) && (1..=16_384).contains(&size.1);
    (header.starts_with(b"\x89PNG\r\n\x1a\n") && &header[12..16] == b"IHDR" && sane).then_some(size)
}
