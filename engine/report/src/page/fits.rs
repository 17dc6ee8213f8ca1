//! Fitted laws: the figure, and the card that says what was asked, of what data, with what result, and how far to trust it.

use serde_json::Value;

use super::{Page, figure, head_cell, pairs, wide};
use crate::{
    catalogue::{Exhibit, Of},
    figures::{capital, spoken, symbol},
    fit::{Fit, Param},
    html::{escape, put, putln},
    number::{plural, short, sig},
};

/// Fits whose checks are open at once; of more, a page would be too long to find anything in.
const OPEN: usize = 2;

/// All fits, empty if there are none.
pub fn section(page: &Page<'_>) -> String {
    let mut out = String::new();
    for (i, (name, fit)) in page.fits.iter().enumerate() {
        let fit = match fit {
            Ok(fit) => fit,
            Err(error) => {
                putln!(
                    out,
                    "<h3>{}</h3><p class=\"warning\">The fit cannot be shown: {}.</p>",
                    page.link(name),
                    escape(&error.to_string())
                );
                continue;
            }
        };
        let of = |wanted: Of| page.exhibits.iter().filter(move |exhibit| exhibit.of == wanted);
        for law in of(Of::Law((*name).to_owned())) {
            putln!(out, "<h3 id=\"fit{i}\">{}: {}</h3>", page.link(name), escape(&law.figure.title));
            out.push_str(&figure(law));
        }
        out.push_str(&card(page, name, fit));
        let checks: Vec<&Exhibit> = of(Of::Check((*name).to_owned())).collect();
        if !checks.is_empty() {
            let titles: Vec<String> = checks.iter().map(|check| escape(&check.figure.title)).collect();
            let drawn: Vec<String> = checks
                .iter()
                .map(|check| format!("<h4>{}</h4>\n{}", escape(&check.figure.title), figure(check)))
                .collect();
            putln!(
                out,
                "<details{}><summary>How far to trust <code>{}</code>: {}</summary>\n{}</details>",
                if page.fits.len() > OPEN { "" } else { " open" },
                escape(name),
                titles.join(" · "),
                drawn.concat()
            );
        }
    }
    out
}

fn card(page: &Page<'_>, name: &str, fit: &Fit) -> String {
    let mut out = String::from("<div class=\"cards\"><div>\n<h4>Law</h4>\n");
    if !fit.formula.is_empty() {
        putln!(out, "<p class=\"formula\">{}</p>", raised(&fit.formula));
    }
    out.push_str(&parameters(page, name, fit));
    out.push_str("</div><div>\n<h4>Data and fit</h4>\n");
    let fitted = fit.points.iter().filter(|p| !p.held_out && p.dropped.is_none()).count();
    let mut rows = vec![(
        "question".to_owned(),
        format!("{} as a function of {}", escape(&spoken(&fit.y)), escape(&spoken(&fit.x))),
    )];
    if !fit.form.is_empty() {
        rows.push(("form".to_owned(), escape(&fit.form)));
    }
    if !fit.points.is_empty() {
        rows.push(("fitted to".to_owned(), plural(fitted, "point")));
        let held: Vec<String> = fit.points.iter().filter(|p| p.held_out).map(|p| escape(&p.label)).collect();
        if !held.is_empty() {
            rows.push(("held out".to_owned(), format!("{} ({})", held.len(), held.join("; "))));
        }
        rows.push(("dropped".to_owned(), dropped(fit)));
    }
    let nested = |value: &Value| {
        matches!(value, Value::Object(_)) || value.as_array().is_some_and(|v| v.iter().any(Value::is_object))
    };
    let told_above = ["n", "parameters"];
    let plain =
        |(name, value): &(&String, &Value)| !nested(value) && !value.is_null() && !told_above.contains(&name.as_str());
    for (field, value) in fit.rest.iter().filter(plain) {
        // Among a fit's final numbers the objective's value has its name.
        let number = if field == "loss" { "objective" } else { field.as_str() };
        let shown = scalar(value);
        rows.push((titled(field), if value.is_number() { page.number(name, number, &shown) } else { shown }));
    }
    out.push_str(&pairs(&format!("Data and fit of {name}"), &rows));
    out.push_str("</div>\n");
    out.push_str(&foretold(page, name, fit));
    // The objective is told in words above, delta and all.
    for (name, value) in fit.rest.iter().filter(|(name, value)| nested(value) && *name != "objective_exactly") {
        // A table needs the whole width.
        let wide = if value.is_array() { " style=\"grid-column: 1 / -1\"" } else { "" };
        let title = capital(&titled(name));
        putln!(out, "<div{wide}><h4>{}</h4>\n{}</div>", escape(&title), block(&title, value));
    }
    out.push_str("</div>\n");
    for warning in &fit.warnings {
        putln!(out, "<p class=\"warning\">⚠ {}</p>", escape(warning));
    }
    out
}

/// What a field of a record is called on the page.
fn titled(name: &str) -> String {
    let title = match name {
        "aicc" => "AICc, by residuals of y",
        "r2" => "R²",
        "loss" => "objective at the optimum",
        "at_ten_times" => "law at ten times the largest x",
        "points_digest" => "digest of the points",
        "share_of_resamples" => "share of resamples in an interval",
        "optima" => "other optima",
        "alternatives" => "other forms on the same points",
        "sensitivity" => "other choices",
        "holdout" => "hold-out",
        "mean_abs_error" => "mean absolute error",
        "mean_abs_log_error" => "mean absolute log error",
        "train_mean_abs_error" => "the same on what was fitted",
        "train_mean_abs_log_error" => "the same, of logarithms",
        "refit" => "by a fit of its own to the rest",
        "at_optimum" => "share of starts at the optimum",
        "near_optimum" => "share of starts near it",
        "gradient" => "scaled gradient",
        "condition" => "condition number",
        "moved" => "distance from the start",
        "minimum" => "curvature is positive",
        "on_bound" => "parameters on a bound",
        "worked_out" => "worked out from the others",
        "ruled_out_too" => "with rows ruled out",
        "leaves_range" => "leaves its range",
        "loss_column" => "loss",
        other => return spoken(other),
    };
    title.to_owned()
}

/// What the law says where it was asked.
fn foretold(page: &Page<'_>, name: &str, fit: &Fit) -> String {
    if fit.targets.is_empty() {
        return String::new();
    }
    let number = |value: f64| sig(value, 4).replace('-', "−");
    let between = |ends: Option<(f64, f64)>| {
        ends.map_or_else(|| "not given".to_owned(), |(low, high)| format!("{} … {}", number(low), number(high)))
    };
    let mut rows = String::new();
    for target in &fit.targets {
        let place: Vec<String> =
            target.at.iter().map(|(name, value)| format!("{} = {}", escape(&spoken(name)), number(*value))).collect();
        let best: Vec<String> = target
            .best
            .iter()
            .map(|(name, best)| {
                format!("{}* = {} ({})", escape(name), number(best.value), between(best.lower.zip(best.upper)))
            })
            .collect();
        let value = page.number(name, "", &number(target.y));
        putln!(
            rows,
            "<tr><th scope=\"row\" class=\"nowrap\">{}</th><td class=\"n\">{value}</td><td class=\"n\">{}</td><td class=\"nowrap\">{}</td></tr>",
            place.join(", "),
            between(target.interval),
            best.join("<br>")
        );
    }
    let head = head_cell("at", false)
        + &head_cell(&spoken(&fit.y), true)
        + &head_cell(&format!("{} interval of an observation", fit.percent()), true)
        + &head_cell("best use of that compute", false);
    format!(
        "<div style=\"grid-column: 1 / -1\"><h4>What the law foretells</h4>\n{}</div>\n",
        wide(&format!("What {name} foretells"), "", &head, &rows)
    )
}

/// Points that were left out, those of one reason together.
fn dropped(fit: &Fit) -> String {
    const NAMED: usize = 12;
    let mut reasons: Vec<(&str, Vec<String>)> = Vec::new();
    for point in &fit.points {
        let Some(why) = point.dropped.as_deref() else { continue };
        match reasons.iter_mut().find(|(other, _)| *other == why) {
            Some((_, labels)) => labels.push(escape(&point.label)),
            None => reasons.push((why, vec![escape(&point.label)])),
        }
    }
    let told = |(why, labels): (&str, Vec<String>)| {
        let more = labels.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}: {}", labels[..labels.len().min(NAMED)].join(", "), escape(why))
    };
    let all: Vec<String> = reasons.into_iter().map(told).collect();
    if all.is_empty() { "none".to_owned() } else { all.join("<br>") }
}

/// A formula with its exponents raised: what stands after `^`, in brackets or as one word.
fn raised(formula: &str) -> String {
    let mut out = String::new();
    let mut rest = formula;
    while let Some((before, after)) = rest.split_once('^') {
        out.push_str(&escape(&minus(before)));
        let (power, tail) = exponent(after);
        put!(out, "<sup>{}</sup>", escape(&minus(power)));
        rest = tail;
    }
    out + &escape(&minus(rest))
}

/// Hyphens that are minus signs, which stand before a number or between two terms, as such; names keep theirs.
fn minus(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let is_minus = |i: usize| {
        let before = i.checked_sub(1).and_then(|i| letters.get(i));
        let after = letters.get(i + 1);
        before.is_none_or(|c| " ([{^·=".contains(*c))
            && after.is_some_and(|c| *c == ' ' || *c == '(' || c.is_ascii_digit())
    };
    letters.iter().enumerate().map(|(i, c)| if *c == '-' && is_minus(i) { '−' } else { *c }).collect()
}

/// The exponent that `text` begins with, and what comes after it.
fn exponent(text: &str) -> (&str, &str) {
    let (open, close) = match text.chars().next() {
        Some('(') => ('(', ')'),
        Some('{') => ('{', '}'),
        _ => {
            let end = text.find(|c: char| !(c.is_alphanumeric() || "-−.′_".contains(c))).unwrap_or(text.len());
            return text.split_at(end);
        }
    };
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == open) - i32::from(c == close);
        if depth == 0 {
            return (&text[1..at], &text[at + 1..]);
        }
    }
    (text, "")
}

/// A way to know how sure a parameter is: its column's name, and where it stands.
type ErrorOf = (&'static str, fn(&Param) -> Option<f64>);

/// Columns of standard errors, where any parameter has one.
const ERRORS: [ErrorOf; 3] =
    [("std. error", |p| p.stderr), ("by curvature", |p| p.wald), ("by sandwich", |p| p.sandwich)];

/// The parameters, and what follows from them.
fn parameters(page: &Page<'_>, name: &str, fit: &Fit) -> String {
    let all = || fit.params.iter().chain(&fit.derived);
    if all().next().is_none() {
        return String::new();
    }
    let errors: Vec<&ErrorOf> = ERRORS.iter().filter(|(_, of)| all().any(|(_, param)| of(param).is_some())).collect();
    let mut head =
        head_cell("name", false) + &head_cell("value", true) + &head_cell(&format!("{} interval", fit.percent()), true);
    for (title, _) in &errors {
        head += &head_cell(title, true);
    }
    let mut rows = String::new();
    let number = |value: f64| sig(value, 3).replace('-', "−");
    for (param, estimate) in all() {
        let interval = match (estimate.lower, estimate.upper) {
            (Some(lower), Some(upper)) => format!("{} … {}", number(lower), number(upper)),
            _ => "not given".to_owned(),
        };
        put!(
            rows,
            "<tr><th scope=\"row\">{}</th><td class=\"n\" title=\"{}\">{}</td><td class=\"n\">{interval}</td>",
            escape(&symbol(param)),
            estimate.value,
            page.number(name, param, &number(estimate.value))
        );
        for (_, of) in &errors {
            put!(rows, "<td class=\"n\">{}</td>", of(estimate).map_or_else(String::new, |error| sig(error, 2)));
        }
        rows.push_str("</tr>\n");
    }
    wide(&format!("Parameters of {name}"), "parameters", &head, &rows)
}

/// A plain value: numbers rounded, the whole number in the tooltip.
fn scalar(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if !number.is_i64() && !number.is_u64() => {
                format!("<span title=\"{float}\">{}</span>", short(float, 4).replace('-', "−"))
            }
            _ => number.to_string(),
        },
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "none".to_owned(),
        Value::String(text) => escape(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            if items.is_empty() { "none".to_owned() } else { items.join(", ") }
        }
        // A hold-out inside a row: the one number that rows are compared by.
        Value::Object(members) if members.contains_key("mean_abs_error") => scalar(&members["mean_abs_error"]),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{} {}", escape(&spoken(name)), scalar(value))).collect();
            members.join(", ")
        }
    }
}

/// What a number is sorted by: all of it.
fn sorted_by(value: Option<&Value>) -> String {
    value.and_then(Value::as_f64).map_or_else(String::new, |number| format!(" data-v=\"{number}\""))
}

/// A column of a table made from maps: a member, or a number of a member that is a map of numbers, such as the parameters of each row.
struct Column<'a> {
    name: &'a str,
    inner: Option<&'a str>,
}

impl<'a> Column<'a> {
    fn of(items: &'a [Value], name: &'a str) -> Vec<Self> {
        let mut inner: Vec<&str> = Vec::new();
        for value in items.iter().filter_map(|item| item.get(name)).filter(|value| !value.is_null()) {
            match value.as_object() {
                Some(members) if !members.is_empty() && members.values().all(Value::is_number) => {
                    inner.extend(
                        members.keys().map(String::as_str).filter(|key| !inner.contains(key)).collect::<Vec<_>>(),
                    );
                }
                _ => return vec![Self { name, inner: None }],
            }
        }
        if inner.is_empty() || inner.contains(&"mean_abs_error") {
            return vec![Self { name, inner: None }];
        }
        inner.into_iter().map(|key| Self { name, inner: Some(key) }).collect()
    }

    fn value(&self, item: &'a Value) -> Option<&'a Value> {
        let value = item.get(self.name)?;
        self.inner.map_or(Some(value), |inner| value.get(inner))
    }

    fn title(&self) -> String {
        let short = match self.name {
            _ if self.inner.is_some() => return self.inner.map(symbol).unwrap_or_default(),
            "aicc" => "AICc",
            "at_ten_times" => "at 10 × x",
            "holdout" => "hold-out error",
            "mean_abs_error" => "mean error",
            // Beside a column that says which objective.
            "loss" => "at optimum",
            other => return titled(other),
        };
        short.to_owned()
    }
}

/// A map as two columns, a list of maps as a table.
fn block(title: &str, value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let plain = |value: &Value| !value.is_null();
            let (tables, rows): (Vec<_>, Vec<_>) = members
                .iter()
                .filter(|(_, value)| plain(value))
                .partition(|(_, value)| value.as_array().is_some_and(|items| items.iter().any(Value::is_object)));
            let rows: Vec<(String, String)> =
                rows.into_iter().map(|(name, value)| (titled(name), scalar(value))).collect();
            let tables: Vec<String> = tables.into_iter().map(|(_, value)| block(title, value)).collect();
            pairs(title, &rows) + &tables.concat()
        }
        Value::Array(items) => {
            let mut columns: Vec<&str> = Vec::new();
            for name in items.iter().filter_map(Value::as_object).flat_map(|item| item.keys()) {
                if !columns.contains(&name.as_str()) {
                    columns.push(name);
                }
            }
            // What names a row stands first.
            let first = ["name", "form", "label", "objective", "rows", "ruled_out_too", "formula"];
            columns.sort_by_key(|name| first.iter().position(|other| other == name).unwrap_or(first.len()));
            let is_number = |column: &Column<'_>| {
                items
                    .iter()
                    .filter_map(|item| column.value(item))
                    .all(|value| value.is_number() || value.is_null() || value.get("mean_abs_error").is_some())
            };
            let cells: Vec<Column<'_>> = columns.iter().flat_map(|name| Column::of(items, name)).collect();
            let head: Vec<String> = cells.iter().map(|column| head_cell(&column.title(), is_number(column))).collect();
            let row = |item: &Value| {
                let cells: Vec<String> = cells
                    .iter()
                    .map(|column| {
                        let class = if is_number(column) { " class=\"n\"" } else { "" };
                        let value = column.value(item);
                        let shown = match value {
                            Some(Value::String(text)) if matches!(column.name, "formula" | "objective") => {
                                format!("<span class=\"nowrap\">{}</span>", raised(text))
                            }
                            value => value.map_or_else(String::new, scalar),
                        };
                        format!("<td{class}{}>{shown}</td>", sorted_by(value))
                    })
                    .collect();
                format!("<tr>{}</tr>\n", cells.concat())
            };
            let rows: Vec<String> = items.iter().map(row).collect();
            wide(title, "sort", &head.concat(), &rows.concat())
        }
        plain => format!("<p>{}</p>", scalar(plain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_raised_and_everything_is_escaped() {
        assert_eq!(raised("y = E − A · C^(−α)"), "y = E − A · C<sup>−α</sup>");
        assert_eq!(raised("x^2 + b^{(a+1)} <i>"), "x<sup>2</sup> + b<sup>(a+1)</sup> &lt;i&gt;");
        assert_eq!(raised("a^(b"), "a<sup>(b</sup>");
        assert_eq!(raised("a^"), "a<sup></sup>");
        assert_eq!(raised("ln err-avg = 7 - 0.2 · N^-0.3"), "ln err-avg = 7 − 0.2 · N<sup>−0.3</sup>");
    }
}
