//! Triage: which points count, which are held out, and which cannot be used and why.
//!
//! First rows without a number or outside a form's domain are dropped, then points that another beats, then the largest x are held out. A
//! point can only be beaten from an equal or smaller x, so holding out the largest changes nothing about the rest.

use isoflop_kinds::fit::{Better, Form, Holdout};

use super::{
    error::FitError,
    points::{Point, Points},
};

/// What becomes of a point.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It is fitted.
    Fitted,
    /// It only judges.
    HeldOut,
    /// It cannot be used, for this reason.
    Unusable(String),
    /// Another one beats it.
    Beaten(String),
}

/// The points with their fates.
#[derive(Debug)]
pub struct Triage {
    /// One fate a row, in the order of the rows.
    pub fates: Vec<Fate>,
    /// x and y of the points that are fitted.
    pub fitted: Vec<(f64, f64)>,
    /// x and y of those held out.
    pub held_out: Vec<(f64, f64)>,
}

impl Triage {
    /// Sorts `points` for `form`.
    pub fn of(
        points: &Points,
        form: Form,
        frontier: Option<Better>,
        holdout: Option<Holdout>,
    ) -> Result<Self, FitError> {
        let mut fates: Vec<Fate> =
            points.rows.iter().map(|row| unusable(points, row, form).map_or(Fate::Fitted, Fate::Unusable)).collect();
        if let Some(better) = frontier {
            drop_beaten(points, &mut fates, better);
        }
        let needed = form.parameters().len() + 1;
        let values = distinct(&chosen(points, &fates, &Fate::Fitted));
        if values.len() < needed {
            return Err(too_few(points, form, &fates, values.len(), needed));
        }
        if let Some(Holdout { largest }) = holdout {
            let kept = values.len().saturating_sub(largest as usize);
            if kept < needed {
                return Err(FitError::Holdout { largest, x: points.x.clone(), values: values.len(), form, needed });
            }
            for (row, fate) in points.rows.iter().zip(&mut fates) {
                if *fate == Fate::Fitted && row.x.is_some_and(|x| x > values[kept - 1]) {
                    *fate = Fate::HeldOut;
                }
            }
        }
        let fitted = chosen(points, &fates, &Fate::Fitted);
        if fitted.iter().all(|(_, y)| y.to_bits() == fitted[0].1.to_bits()) {
            return Err(FitError::Constant { column: points.y.clone(), value: fitted[0].1 });
        }
        Ok(Self { held_out: chosen(points, &fates, &Fate::HeldOut), fitted, fates })
    }
}

/// Whether a form can look at this value of y.
pub fn admits(form: Form, y: f64) -> Result<(), &'static str> {
    match form {
        Form::Power if y <= 0.0 => Err("and its logarithm needs a positive value"),
        Form::Logit if y <= 0.0 || y >= 1.0 => Err("and a logit needs a value between 0 and 1"),
        Form::ErrorPower if y >= 1.0 => Err("and ln(1 - y) needs a value below 1"),
        _ => Ok(()),
    }
}

fn unusable(points: &Points, row: &Point, form: Form) -> Option<String> {
    let (x, y) = (&points.x, &points.y);
    match (row.x, row.y) {
        (None, None) => Some(format!("it has neither `{x}` nor `{y}`")),
        (None, _) => Some(format!("it has no `{x}`")),
        (_, None) => Some(format!("it has no `{y}`")),
        (Some(value), _) if !value.is_finite() => Some(format!("`{x}` is {value}")),
        (_, Some(value)) if !value.is_finite() => Some(format!("`{y}` is {value}")),
        (Some(value), _) if value <= 0.0 => Some(format!("`{x}` is {value}, and its logarithm needs a positive value")),
        (_, Some(value)) => admits(form, value).err().map(|why| format!("`{y}` is {value}, {why}")),
    }
}

/// Drops every point that another one beats: an equal or smaller x and an equal or better y, one of the two strictly.
fn drop_beaten(points: &Points, fates: &mut [Fate], better: Better) {
    let sign = if better == Better::Higher { 1.0 } else { -1.0 };
    let known: Vec<Option<(f64, f64)>> = points
        .rows
        .iter()
        .zip(&*fates)
        .map(|(row, fate)| if *fate == Fate::Fitted { row.x.zip(row.y) } else { None })
        .collect();
    for (fate, point) in fates.iter_mut().zip(&known) {
        let Some((x, y)) = *point else { continue };
        let beats =
            |(at, value): (f64, f64)| at <= x && sign * (value - y) >= 0.0 && (at < x || sign * (value - y) > 0.0);
        if let Some(winner) = known.iter().position(|other| other.is_some_and(beats)) {
            *fate = Fate::Beaten(format!("`{}` beats it at no larger `{}`", points.rows[winner].label, points.x));
        }
    }
}

fn chosen(points: &Points, fates: &[Fate], wanted: &Fate) -> Vec<(f64, f64)> {
    points.rows.iter().zip(fates).filter(|(_, fate)| *fate == wanted).filter_map(|(row, _)| row.x.zip(row.y)).collect()
}

/// The different values of x, ascending.
pub fn distinct(points: &[(f64, f64)]) -> Vec<f64> {
    let mut values: Vec<f64> = points.iter().map(|(x, _)| *x).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

fn too_few(points: &Points, form: Form, fates: &[Fate], usable: usize, needed: usize) -> FitError {
    let usable_rows = chosen(points, fates, &Fate::Fitted);
    if usable == 1 && usable_rows.len() >= needed {
        return FitError::Constant { column: points.x.clone(), value: usable_rows[0].0 };
    }
    let reason = |(row, fate): (&Point, &Fate)| match fate {
        Fate::Unusable(reason) => Some((row.label.clone(), reason.clone())),
        Fate::Fitted | Fate::HeldOut | Fate::Beaten(_) => None,
    };
    let unusable = points.rows.iter().zip(fates).filter_map(reason).collect();
    let beaten = fates.iter().filter(|fate| matches!(fate, Fate::Beaten(_))).count();
    FitError::TooFew { form, x: points.x.clone(), y: points.y.clone(), needed, usable, unusable, beaten }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(rows: &[(f64, f64)], better: Better) -> Vec<(f64, f64)> {
        let points = Points::of("x", "y", rows.iter().copied());
        let mut fates = vec![Fate::Fitted; rows.len()];
        drop_beaten(&points, &mut fates, better);
        chosen(&points, &fates, &Fate::Fitted)
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
        let triage = Triage::of(&points, Form::Power, None, Some(Holdout { largest: 2 })).unwrap();
        assert_eq!(triage.fitted, [(1.0, 1.0), (2.0, 2.0), (4.0, 3.0)]);
        assert_eq!(triage.held_out, [(8.0, 5.0), (8.0, 4.0), (16.0, 9.0)]);
        let error = Triage::of(&points, Form::Power, None, Some(Holdout { largest: 3 })).unwrap_err().to_string();
        assert_eq!(
            error,
            "cannot hold out the 3 largest values of `x`: there are 5 different ones, and form power needs 3 to fit"
        );
    }

    #[test]
    fn a_frontier_the_wrong_way_round_is_recognised() {
        let points = Points::of("compute", "loss", (1..9).map(|k| (f64::from(k), 9.0 - f64::from(k))));
        let error = Triage::of(&points, Form::Power, Some(Better::Higher), None).unwrap_err().to_string();
        assert_eq!(
            error,
            "form power needs points at 3 different values of `compute` at least, and 1 can be used; \
             7 points are beaten by others: does `better` say rightly whether higher or lower `loss` is better?"
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let mut points = Points::of("compute", "score", [(1.0, 0.5), (0.0, 0.6), (2.0, -1.0)]);
        points.rows[0].y = None;
        let error = Triage::of(&points, Form::Power, None, None).unwrap_err().to_string();
        assert_eq!(
            error,
            "form power needs points at 3 different values of `compute` at least, and 0 can be used; row 1: it has no `score`; \
             row 2: `compute` is 0, and its logarithm needs a positive value; \
             row 3: `score` is -1, and its logarithm needs a positive value"
        );
        let constant =
            |rows: [(f64, f64); 3]| Triage::of(&Points::of("c", "s", rows), Form::Power, None, None).unwrap_err();
        assert_eq!(
            constant([(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]),
            FitError::Constant { column: "c".into(), value: 1.0 }
        );
        assert_eq!(
            constant([(1.0, 2.0), (2.0, 2.0), (3.0, 2.0)]),
            FitError::Constant { column: "s".into(), value: 2.0 }
        );
    }
}
