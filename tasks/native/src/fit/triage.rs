//! Triage: which points count, which are held out, and which cannot be used and why.
//!
//! First rows without a number or outside the space's domain are dropped, then rows by rule, then points that another beats, then points are
//! held out. A point can only be beaten from an equal or smaller x, so holding out the largest changes nothing about the rest.

use isoflop_kinds::fit::{Better, Drop, FitScaling, Form, Holdout, Keep, Space, WeightOf};

use super::{
    error::FitError,
    law::name,
    points::{Point, Points},
    space,
};

/// A point with every number that its fit needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which point it is.
    pub index: usize,
    /// Inputs of the law: x, or N and D.
    pub inputs: Vec<f64>,
    /// x, or compute where the law is a surface.
    pub x: f64,
    /// What was measured.
    pub y: f64,
    /// How much it counts.
    pub weight: f64,
}

/// What becomes of a point.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It is fitted.
    Fitted,
    /// It only judges.
    HeldOut,
    /// It cannot be used, for this reason.
    Unusable(String),
    /// A rule leaves it out.
    Ruled(String),
    /// Another one beats it.
    Beaten(String),
}

/// The points with their fates.
#[derive(Debug)]
pub struct Triage {
    /// One fate a row, in the order of the rows.
    pub fates: Vec<Fate>,
    /// The numbers of every row that has them.
    pub rows: Vec<Option<Row>>,
}

impl Triage {
    /// Sorts `points` by what can be used and by the rules of `spec`, without asking how many are left.
    pub fn sorted(points: &Points, spec: &FitScaling, space: Space) -> Self {
        let read: Vec<Result<Row, String>> =
            points.rows.iter().enumerate().map(|(index, point)| read(index, point, spec, space)).collect();
        let mut fates: Vec<Fate> = read
            .iter()
            .map(|row| row.as_ref().map_or_else(|reason| Fate::Unusable(reason.clone()), |_| Fate::Fitted))
            .collect();
        let rows: Vec<Option<Row>> = read.into_iter().map(Result::ok).collect();
        for (point, fate) in points.rows.iter().zip(&mut fates) {
            if let (Fate::Fitted, Some(reason)) = (&*fate, left_out(point, &spec.keep)) {
                *fate = Fate::Ruled(reason);
            }
        }
        for rule in &spec.drop {
            follow(rule, points, &mut fates);
        }
        if spec.frontier {
            drop_beaten(points, &rows, &mut fates, spec.better, x_name(spec));
        }
        Self { fates, rows }
    }

    /// Sorts `points` for a fit whose residuals are taken in `space`.
    pub fn of(points: &Points, spec: &FitScaling, space: Space) -> Result<Self, FitError> {
        let mut triage = Self::sorted(points, spec, space);
        let needed = needed(spec);
        let there = distinct(&triage.fitted());
        if there < needed {
            return Err(triage.too_few(points, spec, there));
        }
        if let Some(rule) = &spec.holdout {
            triage.hold_out(points, spec, rule, there)?;
        }
        triage.refuse_constants(spec)?;
        Ok(triage)
    }

    /// The rows that are fitted.
    pub fn fitted(&self) -> Vec<Row> {
        self.chosen(|fate| *fate == Fate::Fitted)
    }

    /// The rows that only judge.
    pub fn held_out(&self) -> Vec<Row> {
        self.chosen(|fate| *fate == Fate::HeldOut)
    }

    /// The rows of every fate that passes.
    pub fn chosen(&self, passes: impl Fn(&Fate) -> bool) -> Vec<Row> {
        self.rows.iter().zip(&self.fates).filter(|(_, fate)| passes(fate)).filter_map(|(row, _)| row.clone()).collect()
    }

    fn hold_out(&mut self, points: &Points, spec: &FitScaling, rule: &Holdout, values: usize) -> Result<(), FitError> {
        let fitted = self.fitted();
        let measured = |row: &Row| match &rule.column {
            Some(column) => points.rows[row.index].numbers.get(column).copied().filter(|value| value.is_finite()),
            None => Some(row.x),
        };
        let held = held_out_by(rule, &fitted, measured);
        let sentence = rule.sentence(x_name(spec));
        if held.is_empty() {
            return Err(FitError::NothingHeldOut { rule: sentence });
        }
        let left: Vec<Row> = fitted.iter().filter(|row| !held.contains(&row.index)).cloned().collect();
        let (left, needed) = (distinct(&left), needed(spec));
        if left < needed {
            let x = x_name(spec).to_owned();
            return Err(FitError::Holdout { rule: sentence, x, values, left, form: spec.form, needed });
        }
        for index in held {
            self.fates[index] = Fate::HeldOut;
        }
        Ok(())
    }

    fn refuse_constants(&self, spec: &FitScaling) -> Result<(), FitError> {
        let fitted = self.fitted();
        let constant =
            |of: &dyn Fn(&Row) -> f64| fitted.iter().all(|row| of(row).to_bits() == of(&fitted[0]).to_bits());
        if constant(&|row| row.y) {
            return Err(FitError::Constant { column: spec.y.clone(), value: fitted[0].y });
        }
        for (i, name) in input_names(spec).iter().enumerate() {
            if constant(&|row| row.inputs[i]) {
                let column = spec.inputs.get(*name).cloned().unwrap_or_else(|| x_name(spec).to_owned());
                return Err(FitError::Constant { column, value: fitted[0].inputs[i] });
            }
        }
        Ok(())
    }

    fn too_few(&self, points: &Points, spec: &FitScaling, usable: usize) -> FitError {
        let fitted = self.fitted();
        let needed = needed(spec);
        if usable == 1 && fitted.len() >= needed {
            return FitError::Constant { column: x_name(spec).to_owned(), value: fitted[0].inputs[0] };
        }
        let reason = |(row, fate): (&Point, &Fate)| match fate {
            Fate::Unusable(reason) | Fate::Ruled(reason) => Some((row.label.clone(), reason.clone())),
            Fate::Fitted | Fate::HeldOut | Fate::Beaten(_) => None,
        };
        let unusable = points.rows.iter().zip(&self.fates).filter_map(reason).collect();
        let beaten = self.fates.iter().filter(|fate| matches!(fate, Fate::Beaten(_))).count();
        let (x, y) = (x_name(spec).to_owned(), spec.y.clone());
        FitError::TooFew { form: spec.form, x, y, needed, usable, unusable, beaten }
    }
}

/// How many different points a form needs: one more than parameters, of which declared ends are none.
pub fn needed(spec: &FitScaling) -> usize {
    let declared = spec.ends.map_or(0, |ends| usize::from(ends.lo.is_some()) + usize::from(ends.hi.is_some()));
    spec.parameters().len() - spec.fixed.len() - declared + 1
}

/// What points are put in order by: x, or compute where the law is a surface.
pub fn x_name(spec: &FitScaling) -> &str {
    if let (None, Form::Formula) = (&spec.x, spec.form) {
        let first = spec.input_names().first().and_then(|first| spec.inputs.get(*first));
        return first.map_or("compute", String::as_str);
    }
    spec.x.as_deref().or_else(|| spec.inputs.get("C").map(String::as_str)).unwrap_or("compute")
}

/// The names of a law's inputs.
pub fn input_names(spec: &FitScaling) -> Vec<&'static str> {
    spec.input_names().into_iter().map(name).collect()
}

/// The points that a rule holds out of `rows`, by index.
pub fn held_out_by(rule: &Holdout, rows: &[Row], measured: impl Fn(&Row) -> Option<f64>) -> Vec<usize> {
    let mut values: Vec<f64> = rows.iter().filter_map(&measured).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let Some(most) = values.last() else { return Vec::new() };
    let above = match (rule.largest, rule.factor, rule.above) {
        (Some(n), ..) => match values.len().checked_sub(n as usize) {
            Some(at) => values[at.min(values.len() - 1)],
            None => values[0],
        },
        (_, Some(factor), _) => {
            let edge = most / factor;
            return rows.iter().filter(|row| measured(row).is_some_and(|v| v > edge)).map(|row| row.index).collect();
        }
        (.., Some(value)) => value,
        _ => return Vec::new(),
    };
    rows.iter().filter(|row| measured(row).is_some_and(|v| v >= above)).map(|row| row.index).collect()
}

/// A number of a point, or why there is none.
fn find(point: &Point, column: &str) -> Result<f64, String> {
    match point.numbers.get(column) {
        Some(value) if value.is_finite() => Ok(*value),
        Some(value) => Err(format!("`{column}` is {value}")),
        None => Err(format!("it has no `{column}`")),
    }
}

/// Why a rule on names leaves a point out, if it does.
pub fn left_out(point: &Point, keep: &Keep) -> Option<String> {
    keep.iter().find_map(|(column, names)| match point.word(column) {
        None => Some(format!("it has no `{column}`")),
        Some(word) if !names.contains(&word) => Some(format!("`{column}` is {word}")),
        Some(_) => None,
    })
}

fn read(index: usize, point: &Point, spec: &FitScaling, space: Space) -> Result<Row, String> {
    if let Some(reason) = &point.absent {
        return Err(reason.clone());
    }
    let find = |column: &str| find(point, column);
    let positive = |column: &str| match find(column)? {
        value if value > 0.0 => Ok(value),
        value => Err(format!("`{column}` is {value}, and its logarithm needs a positive value")),
    };
    let x = spec.x.as_deref();
    if let (None, Form::Formula) = (x, spec.form) {
        let value = |name: &str| find(spec.inputs.get(name).map_or("", String::as_str));
        let inputs = spec.input_names().into_iter().map(value).collect::<Result<Vec<f64>, String>>()?;
        let x = inputs[0];
        return rest(index, inputs, x, point, spec, space);
    }
    if let Some(x) = x.filter(|x| !point.numbers.contains_key(*x) && !point.numbers.contains_key(&spec.y)) {
        return Err(format!("it has neither `{x}` nor `{}`", spec.y));
    }
    let (inputs, x) = if let Some(x) = x {
        let x = if spec.form.is_plain() { find(x)? } else { positive(x)? };
        (vec![x], x)
    } else {
        let known = |name: &str| spec.inputs.get(name).map(|column| positive(column)).transpose();
        let (mut inputs, x) = match (known("N")?, known("D")?, known("C")?) {
            (Some(n), Some(d), _) => (vec![n, d], 6.0 * n * d),
            (Some(n), None, Some(c)) => (vec![n, c / (6.0 * n)], c),
            (None, Some(d), Some(c)) => (vec![c / (6.0 * d), d], c),
            _ => return Err("it needs two of N, D and C".to_owned()),
        };
        inputs.extend(known("U")?);
        (inputs, x)
    };
    rest(index, inputs, x, point, spec, space)
}

/// A row of these inputs, with what else a fit reads.
fn rest(index: usize, inputs: Vec<f64>, x: f64, point: &Point, spec: &FitScaling, space: Space) -> Result<Row, String> {
    let find = |column: &str| find(point, column);
    let y = find(&spec.y)?;
    space::admits(space, y).map_err(|why| format!("`{}` is {y}, {why}", spec.y))?;
    let weight = match &spec.weights {
        None => 1.0,
        Some(weights) => {
            let value = match find(&weights.column)? {
                value if value > 0.0 => value,
                value => return Err(format!("`{}` is {value}, and a weight must be positive", weights.column)),
            };
            if weights.holds == WeightOf::Sigma { 1.0 / (value * value) } else { value }
        }
    };
    Ok(Row { index, inputs, x, y, weight })
}

fn follow(rule: &Drop, points: &Points, fates: &mut [Fate]) {
    let known = |index: usize| points.rows[index].numbers.get(&rule.column).copied().filter(|value| value.is_finite());
    let candidates: Vec<usize> =
        (0..fates.len()).filter(|index| fates[*index] == Fate::Fitted && known(*index).is_some()).collect();
    let value = |index: &usize| known(*index).unwrap_or(f64::NAN);
    let mut order = candidates.clone();
    order.sort_by(|a, b| value(a).total_cmp(&value(b)).then(a.cmp(b)));
    let out: Vec<usize> = match (rule.largest, rule.smallest, rule.above, rule.below) {
        (Some(n), ..) => order.iter().rev().take(n as usize).copied().collect(),
        (_, Some(n), ..) => order.iter().take(n as usize).copied().collect(),
        (_, _, Some(edge), _) => candidates.into_iter().filter(|index| value(index) > edge).collect(),
        (.., Some(edge)) => candidates.into_iter().filter(|index| value(index) < edge).collect(),
        _ => Vec::new(),
    };
    for index in out {
        fates[index] = Fate::Ruled(rule.to_string());
    }
}

/// Drops every point that another one beats: an equal or smaller x and an equal or better y, one of the two strictly.
fn drop_beaten(points: &Points, rows: &[Option<Row>], fates: &mut [Fate], better: Better, x: &str) {
    let sign = if better == Better::Higher { 1.0 } else { -1.0 };
    let known: Vec<Option<(f64, f64)>> = rows
        .iter()
        .zip(&*fates)
        .map(|(row, fate)| if *fate == Fate::Fitted { row.as_ref().map(|row| (row.x, row.y)) } else { None })
        .collect();
    for (fate, point) in fates.iter_mut().zip(&known) {
        let Some((at_x, y)) = *point else { continue };
        let beats = |(at, value): (f64, f64)| {
            at <= at_x && sign * (value - y) >= 0.0 && (at < at_x || sign * (value - y) > 0.0)
        };
        if let Some(winner) = known.iter().position(|other| other.is_some_and(beats)) {
            *fate = Fate::Beaten(format!("`{}` beats it at no larger `{x}`", points.rows[winner].label));
        }
    }
}

/// How many different inputs the rows have.
pub fn distinct(rows: &[Row]) -> usize {
    let mut inputs: Vec<Vec<u64>> =
        rows.iter().map(|row| row.inputs.iter().map(|value| value.to_bits()).collect()).collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs.len()
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::fit::Form;

    use super::*;

    fn spec(form: Form, x: &str, y: &str) -> FitScaling {
        FitScaling::of(form, x, y)
    }

    fn of(points: &Points, spec: &FitScaling) -> Result<Triage, FitError> {
        Triage::of(points, spec, spec.form.objective().space)
    }

    fn kept(rows: &[(f64, f64)], better: Better) -> Vec<(f64, f64)> {
        let points = Points::of("x", "y", rows.iter().copied());
        let spec = FitScaling { frontier: true, better, ..spec(Form::LogLinear, "x", "y") };
        of(&points, &spec).unwrap().fitted().iter().map(|row| (row.x, row.y)).collect()
    }

    #[test]
    fn the_frontier_keeps_what_nothing_beats() {
        let rows = [(1.0, 5.0), (2.0, 4.0), (2.0, 6.0), (3.0, 6.0), (4.0, 7.0), (4.0, 7.0), (5.0, 1.0)];
        assert_eq!(kept(&rows, Better::Higher), [(1.0, 5.0), (2.0, 6.0), (4.0, 7.0), (4.0, 7.0)]);
        assert_eq!(kept(&rows, Better::Lower), [(1.0, 5.0), (2.0, 4.0), (5.0, 1.0)]);
    }

    #[test]
    fn the_largest_values_are_held_out_with_all_their_points() {
        let points = Points::of("x", "y", [(8.0, 5.0), (1.0, 1.0), (2.0, 2.0), (8.0, 4.0), (4.0, 3.0), (16.0, 9.0)]);
        let held = |rule| of(&points, &FitScaling { holdout: Some(rule), ..spec(Form::Power, "x", "y") });
        let pairs = |rows: Vec<Row>| rows.iter().map(|row| (row.x, row.y)).collect::<Vec<_>>();
        for rule in [Holdout::largest(2), Holdout::factor(4.0), Holdout::above(5.0)] {
            let triage = held(rule).unwrap();
            assert_eq!(pairs(triage.fitted()), [(1.0, 1.0), (2.0, 2.0), (4.0, 3.0)]);
            assert_eq!(pairs(triage.held_out()), [(8.0, 5.0), (8.0, 4.0), (16.0, 9.0)]);
        }
        assert_eq!(
            held(Holdout::largest(3)).unwrap_err().to_string(),
            "cannot hold out the 3 largest values of x: that leaves 2 of 5 different values of `x`, and form power needs 3 to fit"
        );
        assert_eq!(
            held(Holdout::above(100.0)).unwrap_err().to_string(),
            "nothing is held out by the rule x of 1e2 or more: no point has x of 1e2 or more"
        );
    }

    #[test]
    fn rules_leave_rows_out_and_say_so() {
        let points = Points::of("x", "y", (1..9).map(|k| (f64::from(k), 1.0 / f64::from(k))));
        let rules = ["y:largest:2", "x>7"].iter().map(|rule| rule.parse().unwrap()).collect();
        let triage = of(&points, &FitScaling { drop: rules, ..spec(Form::Power, "x", "y") }).unwrap();
        assert_eq!(triage.fates[0], Fate::Ruled("among the 2 largest `y`".into()));
        assert_eq!(triage.fates[7], Fate::Ruled("`x` above 7".into()));
        assert_eq!(triage.fitted().len(), 5);
    }

    #[test]
    fn a_frontier_the_wrong_way_round_is_recognised() {
        let points = Points::of("compute", "loss", (1..9).map(|k| (f64::from(k), 9.0 - f64::from(k))));
        let wrong = FitScaling { frontier: true, ..spec(Form::Power, "compute", "loss") };
        assert_eq!(
            of(&points, &wrong).unwrap_err().to_string(),
            "form power needs points at 3 different values of `compute` at least, and 1 can be used; \
             7 points are beaten by others: does `better` say rightly whether higher or lower `loss` is better?"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut points = Points::of("compute", "score", [(1.0, 0.5), (0.0, 0.6), (2.0, -1.0), (4.0, f64::NAN)]);
        points.rows[0].numbers.remove("score");
        assert_eq!(
            of(&points, &spec(Form::Power, "compute", "score")).unwrap_err().to_string(),
            "form power needs points at 3 different values of `compute` at least, and 0 can be used; row 1: it has no `score`; \
             row 2: `compute` is 0, and its logarithm needs a positive value; \
             row 3: `score` is -1, and its logarithm needs a positive value; row 4: `score` is NaN"
        );
        let constant =
            |rows: [(f64, f64); 3]| of(&Points::of("c", "s", rows), &spec(Form::Power, "c", "s")).unwrap_err();
        assert_eq!(
            constant([(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]),
            FitError::Constant { column: "c".into(), value: 1.0 }
        );
        assert_eq!(
            constant([(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]),
            FitError::Constant { column: "s".into(), value: 2.0 }
        );
    }

    #[test]
    fn a_surface_takes_any_two_of_three() {
        let points = Points::table(
            &["n", "d", "c", "loss"],
            (1..9).map(|k| {
                let (n, d) = (f64::from(k), f64::from(k * k % 7) + 1.0);
                [n, d, 6.0 * n * d, 3.0 - 0.1 * f64::from(k)]
            }),
        );
        for pair in [["N", "D"], ["N", "C"], ["D", "C"]] {
            let inputs: Vec<(&str, String)> = pair.iter().map(|name| (*name, name.to_lowercase())).collect();
            let inputs: Vec<(&str, &str)> = inputs.iter().map(|(name, column)| (*name, column.as_str())).collect();
            let rows = of(&points, &FitScaling::surface(Form::Chinchilla, &inputs, "loss")).unwrap().fitted();
            assert!(rows.iter().enumerate().all(|(k, row)| (row.inputs[0] - k as f64 - 1.0).abs() < 1e-12));
            assert!(rows.iter().all(|row| (row.x - 6.0 * row.inputs[0] * row.inputs[1]).abs() < 1e-12 * row.x));
        }
    }
}
