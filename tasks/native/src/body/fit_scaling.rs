//! The body of `fit-scaling`.

use std::collections::BTreeMap;

use isoflop_contract::{Cell, Handle, shape::Any};
use isoflop_kinds::fit::{FitNeeds, FitScaling};
use isoflop_worker::{Context, Halt, Made};

use crate::fit::{Means, Point, Points, Table, columns, fit};

/// The port whose cells are points.
pub const POINTS: &str = "points";

/// The file that makes an artifact a table of points.
const TABLE: &str = "table.csv";

/// The file in which a training tells what it measured along the way.
const HISTORY: &str = "history.csv";

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: FitScaling, needs: FitNeeds, context: &mut Context) -> Result<Made, Halt> {
    let points = points_of(&spec, needs, context.absent(POINTS))?;
    let made = fit(&points, &spec, &Means { seed: context.seed()?, ..Means::default() })?;
    std::fs::write(context.out("fit.json"), serde_json::to_string_pretty(&made.fit)? + "\n")?;
    std::fs::write(context.out("draws.csv"), made.draws_csv())?;
    let mut all = Made::new();
    for (name, value) in made.fit.scalars() {
        all = all.scalar(name, value)?;
    }
    Ok(all)
}

/// A point for each artifact, a point for each row of one that is a table, and one that says so for each cell that is absent: a law must not be silent about those.
pub fn points_of(spec: &FitScaling, needs: FitNeeds, absent: BTreeMap<String, Cell>) -> Result<Points, Halt> {
    let (numbers, words) = columns(spec);
    let mut rows = Vec::new();
    let FitNeeds { points, beside } = needs;
    for (label, handle) in points {
        let table = handle.file(TABLE);
        if table.exists() {
            if !beside.is_empty() {
                return Err(format!(
                    "the point `{label}` is a table, whose rows have no axes for the port `beside` to go by"
                )
                .into());
            }
            let points = Table::read(std::fs::File::open(table)?)?.points_of(spec)?;
            let named = |point: Point| match label.as_str() {
                "" => point,
                label => Point { label: format!("{label}, {}", point.label), ..point },
            };
            rows.extend(points.rows.into_iter().map(named));
            continue;
        }
        let partner = partner(&label, &handle, &beside)?;
        if spec.histories {
            let other = |name: &String| number(&handle, name).or_else(|| partner?.scalars().get(name).copied());
            let words = words.iter().filter_map(|name| Some((name.clone(), word(handle.cell(), name)?)));
            let numbers = numbers.iter().map(|name| (name.as_str(), other(name)));
            rows.extend(history(&label, &handle, &numbers.collect(), &words.collect())?);
            continue;
        }
        let number = |name: &String| {
            let value = number(&handle, name).or_else(|| partner?.scalars().get(name).copied())?;
            Some((name.clone(), value))
        };
        rows.push(Point {
            numbers: numbers.iter().filter_map(number).collect(),
            words: words
                .iter()
                .filter_map(|name| Some((name.clone(), word(handle.cell(), name)?)))
                .collect::<BTreeMap<_, _>>(),
            label,
            absent: None,
        });
    }
    let lost = |(label, cell): (String, Cell)| Point {
        label,
        words: words.iter().filter_map(|name| Some((name.clone(), word(&cell, name)?))).collect(),
        absent: Some("it diverged, or what it needs did".to_owned()),
        ..Point::default()
    };
    rows.extend(absent.into_iter().map(lost));
    Ok(Points { rows })
}

/// A point for each row of a training's `history.csv`, with `numbers` and `words` of the training, the former as they were then where they are told of a step.
fn history(
    label: &str,
    handle: &Handle<Any>,
    numbers: &BTreeMap<&str, Option<f64>>,
    words: &BTreeMap<String, String>,
) -> Result<Vec<Point>, Halt> {
    let none = |why: &str| {
        format!("the point `{label}` has no history of a denoiser's training ({why}), and `histories` asks for one")
    };
    let file = std::fs::File::open(handle.file(HISTORY)).map_err(|error| none(&error.to_string()))?;
    let columns = ["step", "loss", "heldout_loss"].map(str::to_owned);
    let told = Table::read(file)?.points(&columns, &[]).map_err(|error| none(&error.to_string()))?;
    let steps = handle.scalars().get("steps").copied().ok_or_else(|| none("it does not say how many steps it took"))?;
    let point = |row: &Point| {
        let then = |column: &str| row.numbers.get(column).copied();
        let step = then("step")?;
        let number = |(name, end): (&&str, &Option<f64>)| {
            let value = match *name {
                "step" => Some(step),
                "loss" => then("heldout_loss"),
                "train_loss" => then("loss"),
                "compute" | "images_seen" => end.map(|end| end * step / steps),
                _ => *end,
            };
            Some(((*name).to_owned(), value?))
        };
        let label = if label.is_empty() { format!("step {step}") } else { format!("{label}, step {step}") };
        Some(Point { label, numbers: numbers.iter().filter_map(number).collect(), words: words.clone(), absent: None })
    };
    Ok(told.rows.iter().filter_map(point).collect())
}

/// The cell beside that a point has its other numbers from: the one that is at the point's values of all axes that both have.
fn partner<'b>(
    label: &str,
    point: &Handle<Any>,
    beside: &'b BTreeMap<String, Handle<Any>>,
) -> Result<Option<&'b Handle<Any>>, Halt> {
    let alike = |(_, other): &(&String, &Handle<Any>)| {
        other.cell().iter().all(|(axis, value)| point.cell().get(axis).is_none_or(|own| own == value))
    };
    let mut partners = beside.iter().filter(alike);
    match (partners.next(), partners.next()) {
        (None, _) if beside.is_empty() => Ok(None),
        (Some((_, one)), None) => Ok(Some(one)),
        (None, _) => Err(format!("no cell at the port `beside` goes with the point `{label}`").into()),
        (Some((first, _)), Some((second, _))) => {
            Err(format!("two cells at the port `beside` go with the point `{label}`: `{first}` and `{second}`").into())
        }
    }
}

/// The final number `name` of an artifact, or else the axis of that name.
fn number(handle: &Handle<Any>, name: &str) -> Option<f64> {
    handle.scalars().get(name).copied().or_else(|| handle.cell().get(name)?.as_f64())
}

/// The axis `name`, as a word.
fn word(cell: &Cell, name: &str) -> Option<String> {
    let value = cell.get(name)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use isoflop_contract::{
        Cell, Digest, Value,
        handle::Input,
        port::{Given, Ports},
    };
    use isoflop_kinds::fit::Form;

    use super::*;

    /// Axes and final numbers of a cell.
    type Told<'t> = (&'t [(&'t str, i64)], &'t [(&'t str, f64)]);

    fn cells(cells: &[Told<'_>]) -> Given {
        let input = |(axes, scalars): &Told<'_>| {
            let cell = Cell::new(axes.iter().map(|(axis, value)| ((*axis).to_owned(), Value::from(*value))));
            let scalars = scalars.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
            let path = std::path::PathBuf::from("nowhere");
            (cell.label(), Input { shape: "score".to_owned(), digest: Digest::of("x"), cell, path, scalars })
        };
        Given::Many(cells.iter().map(input).collect())
    }

    fn points(given: &[(&str, Given)]) -> Result<Points, Halt> {
        let given = given.iter().map(|(port, given)| ((*port).to_owned(), given.clone())).collect();
        let needs = FitNeeds::take(given).expect("the ports are there");
        points_of(&FitScaling::of(Form::Power, "pairs", "score"), needs, BTreeMap::new())
    }

    #[test]
    fn a_law_names_what_diverged() {
        let runs: Vec<[(&str, f64); 2]> =
            (1..9).map(|n| [("pairs", f64::from(n)), ("score", f64::from(n).sqrt())]).collect();
        let axes: Vec<[(&str, i64); 1]> = (1..9).map(|n| [("n", n)]).collect();
        let told: Vec<Told<'_>> = axes.iter().zip(&runs).map(|(axes, scalars)| (&axes[..], &scalars[..])).collect();
        let needs = FitNeeds::take(BTreeMap::from([("points".to_owned(), cells(&told))])).expect("the port is there");
        let spec = FitScaling::of(Form::Power, "pairs", "score");
        let lost = Cell::new([("n".to_owned(), Value::from(9))]);
        let points = points_of(&spec, needs, BTreeMap::from([(lost.label(), lost)])).expect("cells are points");
        let made = fit(&points, &spec, &Means::default()).expect("eight points are enough");
        assert_eq!((made.fit.n, made.fit.rows.unusable), (8, 1));
        let said = "n=9 was left out: it diverged, or what it needs did";
        assert!(made.fit.warnings.iter().any(|warning| warning == said), "{:?}", made.fit.warnings);
    }

    #[test]
    fn a_trainings_history_is_as_many_points() {
        let folder = tempfile::tempdir().expect("there is room");
        std::fs::write(folder.path().join(HISTORY), "step,loss,heldout_loss\n50,0.5,0.25\n100,0.4,0.2\n")
            .expect("it can be written");
        let trained: Told<'_> = (
            &[("size", 3)],
            &[("compute", 8e9), ("loss", 0.2), ("steps", 100.0), ("params", 7.0), ("images_seen", 1600.0)],
        );
        let Given::Many(mut trainings) = cells(&[trained]) else { panic!("it is a gather") };
        for input in trainings.values_mut() {
            folder.path().clone_into(&mut input.path);
        }
        let ask = |x: &str, y: &str, trainings: &BTreeMap<String, Input>| {
            let given = BTreeMap::from([("points".to_owned(), Given::Many(trainings.clone()))]);
            let spec = FitScaling { histories: true, ..FitScaling::of(Form::Power, x, y) };
            points_of(&spec, FitNeeds::take(given).expect("the port is there"), BTreeMap::new())
        };
        let found = |x: &str, y: &str| -> Vec<(String, f64, f64)> {
            let points = ask(x, y, &trainings).expect("there is a history");
            points.rows.into_iter().map(|row| (row.label, row.numbers[x], row.numbers[y])).collect()
        };
        let (first, last) = ("size=3, step 50".to_owned(), "size=3, step 100".to_owned());
        assert_eq!(found("compute", "loss"), [(first.clone(), 4e9, 0.25), (last.clone(), 8e9, 0.2)]);
        assert_eq!(found("images_seen", "train_loss"), [(first.clone(), 800.0, 0.5), (last.clone(), 1600.0, 0.4)]);
        assert_eq!(found("step", "params"), [(first, 50.0, 7.0), (last, 100.0, 7.0)]);
        std::fs::remove_file(folder.path().join(HISTORY)).expect("it is there");
        let error = format!("{:?}", ask("compute", "loss", &trainings).expect_err("there is none any more"));
        assert!(error.contains("the point `size=3` has no history of a denoiser's training"), "{error}");
    }

    #[test]
    fn points_have_the_numbers_of_the_cell_beside() {
        let scores = || {
            let runs: [Told<'_>; 3] = [
                (&[("data", 1), ("seed", 0)], &[("score", 0.5)]),
                (&[("data", 1), ("seed", 1)], &[("score", 0.6)]),
                (&[("data", 2), ("seed", 0)], &[("score", 0.7), ("pairs", 9.0)]),
            ];
            ("points", cells(&runs))
        };
        let described = |sets: &[Told<'_>]| ("beside", cells(sets));
        let first: Told<'_> = (&[("data", 1)], &[("pairs", 10.0), ("score", 0.0)]);
        let second: Told<'_> = (&[("data", 2)], &[("pairs", 20.0)]);
        let joined = points(&[scores(), described(&[first, second])]).expect("each point has its cell beside");
        let found: Vec<(f64, f64)> =
            joined.rows.iter().map(|row| (row.numbers["pairs"], row.numbers["score"])).collect();
        // A point's own numbers come first.
        assert_eq!(found, [(10.0, 0.5), (10.0, 0.6), (9.0, 0.7)]);

        let said =
            |given: &[(&str, Given)]| format!("{:?}", points(given).expect_err("a point has no one cell beside"));
        assert!(said(&[scores(), described(&[first])]).contains("goes with the point `data=2,seed=0`"));
        let twice: Told<'_> = (&[("data", 1), ("way", 3)], &[("pairs", 1.0)]);
        assert!(said(&[scores(), described(&[first, second, twice])]).contains("`data=1` and `data=1,way=3`"));
        assert_eq!(points(&[scores()]).expect("nothing need be beside").rows.len(), 3);

        let folder = tempfile::tempdir().expect("there is room");
        std::fs::write(folder.path().join(TABLE), "pairs,score\n1,2\n").expect("it can be written");
        let Given::Many(mut table) = cells(&[(&[], &[])]) else { panic!("it is a gather") };
        for input in table.values_mut() {
            folder.path().clone_into(&mut input.path);
        }
        assert!(said(&[("points", Given::Many(table)), described(&[first])]).contains("is a table"));
    }
}
