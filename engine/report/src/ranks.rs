//! How metrics agree across designs: Spearman's rank correlation of every two of them (Li et al. 2024, Figures 10 and 11).
//!
//! A metric is a final number that comes with an interval, as all scores do: `x` beside `x_lower` and `x_upper`. What was spent on a cell and its held-out loss
//! stand beside them. Metrics of different groups are joined where their cells are the same. Repetitions are averaged before they are ranked: the noise of a
//! training says nothing of how metrics agree on what is better, and six seeds are not six designs.

use std::collections::BTreeMap;

use crate::{
    axis::{Axis, Scale},
    color::Ink,
    facts::{Facts, Index, TaskFacts},
    figure::{Datum, Figure, Mark, Panel, Shape},
    figures::spoken,
    interval::Interval,
    number,
    sheet::{Sheet, Slot},
    stats,
    variant::{is_repeat, trained},
};

/// Metrics that are shown at most.
const MOST: usize = 20;
/// Cells below which ranks say nothing.
const FEWEST: usize = 3;
/// The share of the interval.
const LEVEL: f64 = 0.9;
/// What is no score and may explain one.
const BESIDE: [&str; 3] = ["loss", "params", "compute"];

/// One number a cell.
#[derive(Debug, Clone, PartialEq)]
struct Metric {
    name: String,
    by_cell: BTreeMap<Place, f64>,
}

/// Labels of a cell: of what it is a repetition of, and its own.
type Place = (String, String);

fn place(task: &TaskFacts) -> Place {
    let own = task.cell.iter().filter(|(axis, _)| !is_repeat(axis));
    let of = isoflop_contract::Cell::new(own.map(|(axis, value)| (axis.to_owned(), value.clone())));
    (of.label(), task.cell.label())
}

/// Two metrics of the same cells: means over repetitions; where there are too few designs to rank, all cells.
fn joined(x: &Metric, y: &Metric) -> Vec<(f64, f64)> {
    let mut designs: BTreeMap<&str, Vec<(f64, f64)>> = BTreeMap::new();
    for (cell, x) in &x.by_cell {
        if let Some(y) = y.by_cell.get(cell) {
            designs.entry(&cell.0).or_default().push((*x, *y));
        }
    }
    if designs.len() < FEWEST {
        return designs.into_values().flatten().collect();
    }
    designs.values().map(|pairs| stats::centre(pairs)).collect()
}

/// Metrics by name, and every two of them with the interval of their correlation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranks {
    metrics: Vec<String>,
    pairs: Vec<((usize, usize), Interval)>,
}

/// What of `task`'s numbers is a score.
fn scores(task: &TaskFacts) -> impl Iterator<Item = (&str, f64)> {
    let sure = |name: &str| ["lower", "upper"].iter().all(|end| task.scalars.contains_key(&format!("{name}_{end}")));
    task.scalars.iter().filter(move |(name, _)| sure(name)).map(|(name, value)| (name.as_str(), *value))
}

/// All metrics there are, scores first, each under its own name, or with its group's where two groups have one of that name.
fn metrics(facts: &Facts, index: &Index<'_>) -> Vec<Metric> {
    let mut found: Vec<(&str, &str, BTreeMap<Place, f64>)> = Vec::new();
    let mut beside: Vec<Metric> =
        BESIDE.iter().map(|name| Metric { name: (*name).to_owned(), by_cell: BTreeMap::new() }).collect();
    // Parameters of fits have intervals, too, and are no scores.
    let counts =
        |task: &&TaskFacts| task.state.has_artifact() && !task.cell.is_empty() && !task.kind.starts_with("fit-");
    for task in facts.tasks.iter().filter(counts) {
        let cell = place(task);
        let mut scored = false;
        for (name, value) in scores(task) {
            scored = true;
            match found.iter_mut().find(|(group, known, _)| (*group, *known) == (task.group.as_str(), name)) {
                Some((_, _, by_cell)) => drop(by_cell.insert(cell.clone(), value)),
                None => found.push((&task.group, name, BTreeMap::from([(cell.clone(), value)]))),
            }
        }
        if !scored {
            continue;
        }
        let cost = trained(index, task).map(|task| task.cost);
        for metric in &mut beside {
            let known = match (metric.name.as_str(), cost) {
                ("params", Some(cost)) => cost.params.map(|n| n as f64),
                ("compute", Some(cost)) => Some(cost.flops).filter(|flops| *flops > 0.0),
                _ => None,
            };
            if let Some(value) = task.scalars.get(&metric.name).copied().or(known) {
                metric.by_cell.entry(cell.clone()).or_insert(value);
            }
        }
    }
    let several = |name: &str| found.iter().filter(|(_, other, _)| *other == name).count() > 1;
    let named =
        |(group, name, _): &(&str, &str, _)| if several(name) { format!("{group}.{name}") } else { (*name).to_owned() };
    let scores: Vec<Metric> = found.iter().map(|one| Metric { name: named(one), by_cell: one.2.clone() }).collect();
    [scores, beside].concat()
}

/// How all metrics agree. Empty if no two of them are there for enough cells.
pub fn ranks(facts: &Facts, index: &Index<'_>) -> Ranks {
    let mut metrics = metrics(facts, index);
    metrics.retain(|metric| metric.by_cell.len() >= FEWEST);
    let scores = metrics.iter().filter(|metric| !BESIDE.contains(&metric.name.as_str())).count();
    if scores < 2 {
        return Ranks::default(); // one score has nobody to agree with
    }
    metrics.truncate(MOST);
    let mut pairs = Vec::new();
    for (j, y) in metrics.iter().enumerate() {
        for (i, x) in metrics.iter().enumerate().take(j) {
            let agreed = Interval::correlation(&joined(x, y), LEVEL).filter(|interval| interval.n >= FEWEST);
            pairs.extend(agreed.map(|interval| ((i, j), interval)));
        }
    }
    if pairs.is_empty() {
        return Ranks::default();
    }
    Ranks { metrics: metrics.into_iter().map(|metric| metric.name).collect(), pairs }
}

impl Ranks {
    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    /// A row a pair.
    pub fn sheet(&self) -> Option<Sheet> {
        let title = "Spearman's rank correlation of metrics, repetitions averaged, with nine-in-ten intervals";
        let mut sheet = Sheet::new("metrics", title, &["metric", "and", "correlation", "lower", "upper", "ranked"]);
        sheet.rows = self
            .pairs
            .iter()
            .map(|((i, j), interval)| {
                let names = [i, j].map(|k| Slot::text(&self.metrics[*k]));
                let (lower, upper) = interval.ends.unzip();
                let numbers = [Some(interval.estimate), lower, upper, Some(interval.n as f64)].map(Slot::number);
                [names.to_vec(), numbers.to_vec()].concat()
            })
            .collect();
        (!self.is_empty()).then_some(sheet)
    }

    /// The same as a matrix: darker is lower, and each square says its number.
    pub fn figure(&self) -> Option<Figure> {
        if self.is_empty() {
            return None;
        }
        let count = self.metrics.len();
        let rows = self.metrics.iter().enumerate().map(|(k, name)| format!("{} {}", k + 1, spoken(name))).collect();
        let x =
            Axis { range: Some((0.5, count as f64 + 0.5)), ..Axis::new("metric, by its number", "", Scale::Linear) };
        let mut panel = Panel::new(x, Axis::rows("metric", rows));
        let own = (0..count).map(|k| ((k, k), None));
        let both =
            self.pairs.iter().flat_map(|((i, j), interval)| [((*i, *j), Some(interval)), ((*j, *i), Some(interval))]);
        for ((row, column), interval) in own.chain(both) {
            let (left, top) = (column as f64 + 0.54, row as f64 - 0.46);
            let corners = [(left, top), (left + 0.92, top), (left + 0.92, top + 0.92), (left, top + 0.92)];
            let ink = match interval {
                Some(interval) => Ink::step(((interval.estimate + 1.0) * 50.0).round() as usize, 101),
                None => Ink::Grid,
            };
            let name = format!("{} and {}", self.metrics[row], self.metrics[column]);
            panel.draw(name, Shape::Area, ink, corners.map(|(x, y)| Datum::new(x, y, "")).to_vec());
        }
        let points = self.pairs.iter().flat_map(|((i, j), interval)| {
            let name = number::short(interval.estimate, 2).replace('-', "−");
            [(*i, *j), (*j, *i)].map(|(row, column)| Datum {
                name: name.clone(),
                ..Datum::new(
                    column as f64 + 0.8,
                    row as f64,
                    format!("{} and {}", self.metrics[row], self.metrics[column]),
                )
            })
        });
        panel.draw("correlation", Shape::Marks(Mark::Faint), Ink::Muted, points.collect());
        Some(Figure::of("metrics-matrix", "How metrics rank designs: Spearman's correlation", panel))
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::{Cell, Key};
    use serde_json::json;

    use super::*;
    use crate::facts::State;

    fn task(group: &str, seed: u64, scalars: &[(&str, f64)]) -> TaskFacts {
        let cell = Cell::new([("seed".to_owned(), json!(seed))]);
        let name = format!("{group}{cell}");
        let mut task = TaskFacts::new(name, group, "score", Key::of_text(group));
        task.cell = cell;
        task.state = State::Made;
        task.scalars = scalars.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        task
    }

    #[test]
    fn repetitions_are_averaged_before_they_are_ranked() {
        let mut facts = Facts::default();
        // Means rise together from design to design; within a design the two go against each other.
        for (design, base) in [("a", 0.1), ("b", 0.2), ("c", 0.3), ("d", 0.4)] {
            for (seed, off) in [(0, -0.2), (1, 0.0), (2, 0.2)] {
                let scalars = [("x", base + off), ("x_lower", 0.0), ("x_upper", 1.0)];
                let others = [("y", base - off), ("y_lower", 0.0), ("y_upper", 1.0)];
                for (group, scalars) in [("x", scalars), ("y", others)] {
                    let mut task = task(group, seed, &scalars);
                    task.cell = Cell::new([("design".to_owned(), json!(design)), ("seed".to_owned(), json!(seed))]);
                    facts.tasks.push(task);
                }
            }
        }
        let agreed = |facts: &Facts| ranks(facts, &facts.index()).pairs[0].1;
        assert!((agreed(&facts).estimate - 1.0).abs() < 1e-12 && agreed(&facts).n == 4);
        facts.tasks.retain(|task| task.cell.get("design") == Some(&json!("a")));
        assert!(
            (agreed(&facts).estimate + 1.0).abs() < 1e-12 && agreed(&facts).n == 3,
            "one design's cells are all there is"
        );
    }

    #[test]
    fn metrics_of_different_groups_are_joined_by_cell() {
        let mut facts = Facts::default();
        for (seed, a, b) in [(0, 0.1, 5.0), (1, 0.2, 4.0), (2, 0.3, 3.0), (3, 0.4, 2.0), (4, 0.5, 2.5)] {
            let a =
                [("alignment", a), ("alignment_lower", 0.0), ("alignment_upper", 1.0), ("ceiling", 0.9), ("loss", b)];
            facts.tasks.push(task("asked", seed, &a));
            facts.tasks.push(task("apart", seed, &[("frechet", b), ("frechet_lower", 0.0), ("frechet_upper", 9.0)]));
        }
        for seed in 0..5 {
            let law = [("b", seed as f64), ("b_lower", 0.0), ("b_upper", 9.0)];
            facts.tasks.push(TaskFacts { kind: "fit-scaling".to_owned(), ..task("law", seed, &law) });
        }
        facts.tasks.push(task("other", 9, &[("reward", 1.0), ("reward_lower", 0.0), ("reward_upper", 1.0)]));
        let found = ranks(&facts, &facts.index());
        assert_eq!(found.metrics, ["alignment", "frechet", "loss"]);
        let of = |i, j| found.pairs.iter().find(|(pair, _)| *pair == (i, j)).map(|(_, interval)| *interval).unwrap();
        assert!((of(0, 1).estimate + 0.9).abs() < 1e-12 && of(0, 1).n == 5, "{found:?}");
        assert!(
            (of(1, 2).estimate - 1.0).abs() < 1e-12
                && of(1, 2).ends.is_some_and(|(lower, upper)| lower > 0.05 && upper > 0.999)
        );
        assert_eq!(found.sheet().unwrap().rows.len(), 3);
        assert!(
            found
                .sheet()
                .unwrap()
                .to_csv()
                .starts_with("metric,and,correlation,lower,upper,ranked\nalignment,frechet,-0.9")
        );
        let figure = found.figure().unwrap();
        assert_eq!(figure.panels[0].series.len(), 10);
        assert!(figure.told().contains("1 alignment, 2 frechet, 3 loss"), "{}", figure.told());
        // One score alone has nobody to agree with.
        facts.tasks.retain(|task| task.group == "asked");
        assert_eq!(ranks(&facts, &facts.index()), Ranks::default());
        assert_eq!((Ranks::default().sheet(), Ranks::default().figure()), (None, None));
    }
}
