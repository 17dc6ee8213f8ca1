//! The tables of a report as data: claims, the cells of every group, and of every fit its parameters, its rows and its choices.

use crate::{
    catalogue::NamedFit,
    claims::Judged,
    facts::{Facts, TaskFacts},
    figures::{capital, spoken},
    fit::Fit,
    html::id,
    ranks::ranks,
    sheet::{Sheet, Slot},
};

/// All tables, in the order of the page.
pub fn tables(facts: &Facts, claims: &[Judged], fits: &[NamedFit<'_>]) -> Vec<Sheet> {
    let mut all = Vec::new();
    if !claims.is_empty() {
        let mut sheet =
            Sheet::new("claims", "Claims with their verdicts", &["claim", "says", "source", "verdict", "evidence"]);
        sheet.rows = claims
            .iter()
            .map(|claim| {
                let texts = [
                    &claim.name,
                    &claim.says,
                    claim.source.as_ref().unwrap_or(&String::new()),
                    &claim.verdict.to_string(),
                    &claim.evidence,
                ]
                .map(Slot::text);
                texts.to_vec()
            })
            .collect();
        all.push(sheet);
    }
    for (i, (name, fit)) in fits.iter().enumerate() {
        if let Ok(fit) = fit {
            of_fit(&mut all, i, name, fit);
        }
    }
    all.extend(ranks(facts, &facts.index()).sheet());
    for (g, group) in facts.groups().into_iter().enumerate() {
        all.push(cells(facts, g, group));
    }
    all
}

fn of_fit(all: &mut Vec<Sheet>, i: usize, name: &str, fit: &Fit) {
    let level = format!("{} interval", fit.percent());
    let (lower, upper) = (format!("{level}, lower"), format!("{level}, upper"));
    let title = format!(
        "Parameters of {name}: {} fitted to {} points",
        if fit.form.is_empty() { "a law" } else { &fit.form },
        fitted(fit)
    );
    let mut sheet =
        Sheet::new(id("parameters", i, name), title, &["parameter", "value", &lower, &upper, "standard error"]);
    for (param, estimate) in fit.params.iter().chain(&fit.derived) {
        let numbers = [Some(estimate.value), estimate.lower, estimate.upper, estimate.stderr].map(Slot::number);
        sheet.rows.push([vec![Slot::text(param)], numbers.to_vec()].concat());
    }
    if !sheet.rows.is_empty() {
        all.push(sheet);
    }
    let title = format!("Rows of {name}");
    let mut sheet = Sheet::new(
        id("rows", i, name),
        title,
        &["row", &spoken(&fit.x), &spoken(&fit.y), "fitted", "residual", "fate"],
    );
    for point in &fit.points {
        let residual = point.fitted.map(|fitted| point.y - fitted);
        let numbers = [Some(point.x), Some(point.y), point.fitted, residual].map(Slot::number);
        let fate = point.dropped.as_ref().map_or_else(
            || if point.held_out { "held out" } else { "fitted" }.to_owned(),
            |why| format!("dropped: {why}"),
        );
        sheet.rows.push([vec![Slot::text(&point.label)], numbers.to_vec(), vec![Slot::Text(fate)]].concat());
    }
    if !sheet.rows.is_empty() {
        all.push(sheet);
    }
    // Lists of maps that the record holds besides: other forms, other objectives, other optima.
    for (member, value) in &fit.rest {
        let Some(items) =
            value.as_array().filter(|items| !items.is_empty() && items.iter().all(serde_json::Value::is_object))
        else {
            continue;
        };
        let mut columns: Vec<&str> = Vec::new();
        for column in items.iter().filter_map(serde_json::Value::as_object).flat_map(|item| item.keys()) {
            if !columns.contains(&column.as_str()) {
                columns.push(column);
            }
        }
        let spoken: Vec<String> = columns.iter().map(|column| self::spoken(column)).collect();
        let heads: Vec<&str> = spoken.iter().map(String::as_str).collect();
        let mut sheet = Sheet::new(
            id(&member.replace('_', "-"), i, name),
            format!("{} of {name}", capital(&self::spoken(member))),
            &heads,
        );
        sheet.rows = items.iter().map(|item| columns.iter().map(|column| slot(item.get(*column))).collect()).collect();
        all.push(sheet);
    }
}

fn fitted(fit: &Fit) -> usize {
    fit.points.iter().filter(|p| !p.held_out && p.dropped.is_none()).count()
}

fn slot(value: Option<&serde_json::Value>) -> Slot {
    match value {
        None | Some(serde_json::Value::Null) => Slot::Nothing,
        Some(serde_json::Value::String(text)) => Slot::text(text),
        Some(serde_json::Value::Number(number)) => Slot::number(number.as_f64()),
        Some(other) => Slot::Text(other.to_string()),
    }
}

/// Every task of a group with all its numbers.
fn cells(facts: &Facts, g: usize, group: &str) -> Sheet {
    let tasks: Vec<&TaskFacts> = facts.group(group).collect();
    let mut axes: Vec<&str> = Vec::new();
    let mut scalars: Vec<&str> = Vec::new();
    for task in &tasks {
        for (axis, _) in task.cell.iter() {
            if !axes.contains(&axis) {
                axes.push(axis);
            }
        }
        for scalar in task.scalars.keys() {
            if !scalars.contains(&scalar.as_str()) {
                scalars.push(scalar);
            }
        }
    }
    let columns: Vec<&str> =
        [vec!["task"], axes.clone(), vec!["state"], scalars.clone(), vec!["seconds", "key", "digest"]].concat();
    let mut sheet = Sheet::new(id("cells", g, group), format!("Tasks of {group}"), &columns);
    for task in tasks {
        let mut row = vec![Slot::text(&task.name)];
        row.extend(axes.iter().map(|axis| {
            match task.cell.get(axis) {
                Some(value) => value
                    .as_f64()
                    .map_or_else(|| Slot::Text(crate::variant::plain(value)), |number| Slot::number(Some(number))),
                None => Slot::Nothing,
            }
        }));
        row.push(Slot::Text(task.state.to_string()));
        row.extend(scalars.iter().map(|scalar| Slot::number(task.scalars.get(*scalar).copied())));
        row.push(Slot::number(task.seconds));
        row.push(Slot::Text(task.key.to_string()));
        row.push(task.digest.map_or(Slot::Nothing, |digest| Slot::Text(digest.to_string())));
        sheet.rows.push(row);
    }
    sheet
}
