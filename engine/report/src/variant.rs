//! Variants: the tasks of a group that differ in nothing but a repetition, in the order of the size of what they trained.
//!
//! A matrix has axes that vary the thing studied (`size`, `variant`, `data`) and axes that only repeat it: those named `seed`, `repeat`,
//! `replicate` or `trial`. A mean goes over the latter, never over the former.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Cell, Value};

use crate::{
    color::Ink,
    facts::{Index, TaskFacts},
    figure::{FAMILY_MARKS, Mark},
    number,
};

const REPEATS: [&str; 4] = ["seed", "repeat", "replicate", "trial"];

/// Whether `axis` only repeats.
pub fn is_repeat(axis: &str) -> bool {
    REPEATS.contains(&axis)
}

/// A scalar as people write it: strings without quotes.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One variant.
#[derive(Debug, Clone)]
pub struct Variant<'a> {
    /// What tells it from the others: `td4`, or `size=s, data=dense` where more than one axis varies.
    pub name: String,
    /// Trainable parameters of what was trained for it.
    pub params: Option<u64>,
    /// Its repetitions, in the plan's order.
    pub tasks: Vec<&'a TaskFacts>,
    /// Its colour.
    pub ink: Ink,
    /// Its mark.
    pub mark: Mark,
}

/// All variants among some tasks.
#[derive(Debug, Clone, Default)]
pub struct Variants<'a> {
    /// What they differ in, as a heading: `size`, or `variant`.
    pub axis: String,
    /// The variants by size, and by the plan's order where sizes are equal or unknown.
    pub list: Vec<Variant<'a>>,
}

impl Variant<'_> {
    /// Name and size: `td4 · 1.31 M`.
    pub fn caption(&self) -> String {
        match self.params {
            Some(params) => format!("{} · {}", self.name, number::with_prefix(params as f64, "")),
            None => self.name.clone(),
        }
    }
}

impl Variants<'_> {
    /// What captions are of: `size · parameters`.
    pub fn heading(&self) -> String {
        let axis = self.axis.replace('_', " ");
        if self.list.iter().any(|variant| variant.params.is_some()) { format!("{axis} · parameters") } else { axis }
    }
}

/// Sorts tasks into variants. Colours follow size where one axis varies. Where several do, the one with the fewest values decides the mark; it decides the colour too where variants are more than
/// there are colours to tell apart.
pub fn variants<'a>(index: &Index<'a>, tasks: &[&'a TaskFacts]) -> Variants<'a> {
    let mut values: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for task in tasks {
        for (axis, value) in task.cell.iter().filter(|(axis, _)| !is_repeat(axis)) {
            let seen = values.entry(axis).or_default();
            if !seen.contains(&plain(value)) {
                seen.push(plain(value));
            }
        }
    }
    let axes: Vec<&str> = axes_in_order(tasks).into_iter().filter(|axis| values[axis].len() > 1).collect();
    let name = |cell: &Cell| match axes.as_slice() {
        [] => String::new(),
        [axis] => cell.get(axis).map_or_else(String::new, plain),
        axes => {
            let parts: Vec<String> =
                axes.iter().filter_map(|axis| Some(format!("{axis}={}", plain(cell.get(axis)?)))).collect();
            parts.join(", ")
        }
    };
    let mut list: Vec<Variant<'a>> = Vec::new();
    for task in tasks {
        let name = if axes.is_empty() { task.group.clone() } else { name(&task.cell) };
        match list.iter_mut().find(|variant| variant.name == name) {
            Some(variant) => variant.tasks.push(task),
            None => list.push(Variant {
                name,
                params: trained(index, task).and_then(|task| task.cost.params),
                tasks: vec![task],
                ink: Ink::Text,
                mark: Mark::Disc,
            }),
        }
    }
    list.sort_by_key(|variant| variant.params.unwrap_or(u64::MAX)); // stable: the plan's order among equals
    // With two axes or more, the one with the fewest values tells families apart.
    let family = (axes.len() > 1).then(|| axes.iter().min_by_key(|axis| values[**axis].len())).flatten();
    let n = list.len();
    for (i, variant) in list.iter_mut().enumerate() {
        let kind = family.and_then(|axis| {
            let value = plain(variant.tasks.first()?.cell.get(axis)?);
            values[axis].iter().position(|seen| *seen == value)
        });
        (variant.ink, variant.mark) = match kind {
            // Each its own colour, as long as there are enough of them.
            Some(kind) => {
                let ink = if n <= Ink::FAMILIES { i } else { kind };
                (Ink::family(ink), FAMILY_MARKS[kind % FAMILY_MARKS.len()])
            }
            None => (Ink::step(i, n), Mark::Disc),
        };
    }
    let axis = if axes.is_empty() { "task".to_owned() } else { axes.join(" and ") };
    Variants { axis, list }
}

fn axes_in_order<'a>(tasks: &[&'a TaskFacts]) -> Vec<&'a str> {
    let mut axes: Vec<&str> = Vec::new();
    for (axis, _) in tasks.iter().flat_map(|task| task.cell.iter()) {
        if !is_repeat(axis) && !axes.contains(&axis) {
            axes.push(axis);
        }
    }
    axes
}

/// The dearest task with a parameter count that `task` rests on and that was made for its cell: what was trained for it. Tasks shared by other
/// cells (data, a judge) are passed over, and so is what another such task rests on: the autoencoder behind a denoiser of latents.
pub fn trained<'a>(index: &Index<'a>, task: &'a TaskFacts) -> Option<&'a TaskFacts> {
    let shares = |other: &TaskFacts| {
        !other.cell.is_empty() && other.cell.iter().all(|(axis, value)| task.cell.get(axis) == Some(value))
    };
    let lineage = index.lineage([task.name.as_str()]);
    if task.cell.is_empty() {
        return if task.cost.params.is_some() { Some(task) } else { None };
    }
    let own: Vec<&TaskFacts> =
        lineage.into_iter().filter(|other| other.cost.params.is_some() && shares(other)).collect();
    let behind: BTreeSet<&str> = own
        .iter()
        .flat_map(|other| index.lineage(other.needs.iter().map(String::as_str)))
        .map(|behind| behind.name.as_str())
        .collect();
    own.into_iter()
        .filter(|other| !behind.contains(other.name.as_str()))
        .max_by(|a, b| a.cost.flops.total_cmp(&b.cost.flops))
}

#[cfg(test)]
mod tests {
    use isoflop_contract::{Cost, Key};

    use super::*;
    use crate::facts::Facts;

    #[test]
    fn what_was_trained_for_a_score_is_the_denoiser_and_not_the_autoencoder_behind_it() {
        let task = |name: &str, needs: &[&str], params: Option<u64>, flops| TaskFacts {
            cell: Cell::new([("vae".to_owned(), Value::from("sdxl"))]),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            cost: Cost { params, flops, ..Cost::default() },
            ..TaskFacts::new(name, name, "kind", Key::of_text(name))
        };
        let tasks = vec![
            task("vae", &[], Some(168), 9e12),
            task("train", &["vae"], Some(2360), 1e12),
            task("samples", &["train", "vae"], None, 0.0),
            task("scores", &["samples"], None, 0.0),
        ];
        let facts = Facts { tasks, ..Facts::default() };
        let index = facts.index();
        for (name, expected) in [("scores", "train"), ("train", "train"), ("vae", "vae")] {
            let found = trained(&index, index.task(name).expect("the task is there"));
            assert_eq!(found.map(|task| task.name.as_str()), Some(expected), "of {name}");
        }
    }

    /// Designs of several lengths: the axis with the fewest values decides the mark, and each variant has a colour of its own.
    #[test]
    fn variants_of_two_axes_are_told_apart() {
        let cells = [("a", "12"), ("a", "17"), ("b", "12"), ("c", "12")];
        let tasks: Vec<TaskFacts> = cells
            .iter()
            .map(|&(design, length)| {
                let name = format!("runs[design={design},length={length}]");
                let axes = [("design".to_owned(), Value::from(design)), ("length".to_owned(), Value::from(length))];
                TaskFacts { cell: Cell::new(axes), ..TaskFacts::new(&name, "runs", "kind", Key::of_text(&name)) }
            })
            .collect();
        let facts = Facts { tasks, ..Facts::default() };
        let list = variants(&facts.index(), &facts.tasks.iter().collect::<Vec<_>>()).list;
        let inks: Vec<Ink> = list.iter().map(|variant| variant.ink).collect();
        assert_eq!(inks, [0, 1, 2, 3].map(Ink::family));
        assert!(list[0].mark == list[2].mark && list[0].mark != list[1].mark);
    }
}
