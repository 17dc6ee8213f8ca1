//! Figures of one fit's record, each only where the record holds what it shows.

use serde_json::Value;

use super::{
    Branch, Drawn, Foretold, Optimal, Profile, Residual, Surface, column, forest, holdout, interval, optimal, pairs,
    profiles, residuals, sensitivity, spoken, surface, symbol,
};
use crate::{
    axis::{Axis, Scale},
    figure::{Datum, Figure},
    fit::{Fit, Param, Target},
    html::put,
    number,
};

/// Rows from which a look at residuals or a hold-out says anything.
const FEW: usize = 4;

fn axis(name: &str) -> Axis {
    let (label, unit) = column(name);
    Axis::new(label, unit, Scale::Linear)
}

/// What a legend says of a fit: its form, its exponents with their intervals, n.
pub fn remarks(fit: &Fit) -> Vec<String> {
    let mut remarks: Vec<String> = fit
        .params
        .iter()
        .filter(|(name, _)| is_exponent(name))
        .map(|(name, param)| format!("exponent {} = {}", symbol(name), interval(param)))
        .collect();
    if !fit.form.is_empty() {
        remarks.insert(0, spoken(&fit.form).replace('-', " "));
    }
    let n = fit.points.iter().filter(|p| !p.held_out && p.dropped.is_none()).count();
    remarks.push(format!("n = {n}"));
    remarks
}

/// Whether a parameter of this name is what readers look for first.
pub fn is_exponent(name: &str) -> bool {
    matches!(name, "p" | "alpha" | "beta" | "gamma")
}

/// Predicted against measured, where something was held out.
pub fn holdout_of(fit: &Fit, id: &str) -> Option<Figure> {
    let rows: Vec<Foretold> = fit
        .points
        .iter()
        .filter(|p| p.dropped.is_none() && p.x.is_finite() && p.y.is_finite())
        .filter_map(|p| {
            let (label, along, measured, held_out) = (p.label.clone(), p.x, p.y, p.held_out);
            Some(Foretold { label, along, predicted: p.fitted?, interval: None, measured, held_out })
        })
        .collect();
    let held_out = rows.iter().filter(|row| row.held_out).count();
    (held_out > 0 && rows.len() >= FEW).then(|| holdout(id, &axis(&fit.y), &axis(&fit.x), &rows))
}

/// Residuals in the space of the fit, against x, against N and D of a surface, and against what was fitted.
pub fn residuals_of(fit: &Fit, id: &str) -> Option<Figure> {
    let used = || fit.points.iter().filter(|p| p.dropped.is_none() && p.x.is_finite() && p.y.is_finite());
    let in_space = used().any(|p| p.residual.is_some());
    let surface = used().all(|p| p.inputs.is_some());
    let rows: Vec<Residual> = used()
        .filter_map(|p| {
            let fitted = p.fitted?;
            let residual = if in_space { p.residual? } else { p.y - fitted };
            let mut along = vec![p.x, fitted];
            if let Some((n, d)) = p.inputs.filter(|_| surface) {
                along.splice(0..0, [n, d]);
            }
            Some(Residual { label: p.label.clone(), along, residual, held_out: p.held_out })
        })
        .collect();
    let y = axis(&fit.y);
    let mut axes = vec![axis(&fit.x), Axis { label: format!("fitted {}", y.label), ..y.clone() }];
    if surface {
        let (n, d) = inputs(fit);
        axes.splice(0..0, [n, d]);
    }
    let unit = if in_space { format!("{}, in the space of the fit", y.label) } else { y.label };
    (rows.len() >= FEW).then(|| residuals(id, &unit, &axes, &rows))
}

/// The axes of a surface's inputs, by the columns they were read from.
fn inputs(fit: &Fit) -> (Axis, Axis) {
    let named = |input: &str, usual: &str| {
        let column = fit.inputs.as_ref().and_then(|inputs| inputs.get(input)).and_then(Value::as_str);
        let axis = axis(column.unwrap_or(usual));
        Axis { scale: Scale::Log, ..axis }
    };
    (named("N", "params"), named("D", "tokens"))
}

/// The law of two inputs as its parameters have it.
fn law_of(fit: &Fit) -> Option<Surface> {
    let value = |name: &str| fit.params.iter().find(|(other, _)| other == name).map(|(_, param)| param.value);
    let (e, a, b) = (value("E")?, value("A")?, value("B")?);
    Some(Surface { e, a, b, alpha: value("alpha")?, beta: value("beta")?, flops: 6.0 })
}

/// The surface as contours, where the law is one.
pub fn surface_of(fit: &Fit, id: &str) -> Option<Figure> {
    let law = law_of(fit)?;
    let runs: Vec<Datum> = fit
        .points
        .iter()
        .filter(|p| p.dropped.is_none())
        .filter_map(|p| p.inputs.map(|(n, d)| Datum::new(n, d, format!("{}: {}", p.label, number::sig(p.y, 4)))))
        .filter(|p| p.x > 0.0 && p.y > 0.0)
        .collect();
    let (n, d) = inputs(fit);
    (runs.len() >= FEW).then(|| surface(id, &law, (&n, &d), &axis(&fit.y).label, &runs, &remarks(fit)))
}

/// The profiles at equal compute, where the record has them.
pub fn profiles_of(fit: &Fit, id: &str) -> Option<Figure> {
    let rows = fit.rest.get("profiles")?.as_array()?;
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_f64);
    let places = |row: &Value, name: &str| -> Vec<Datum> {
        let all = row.get(name).and_then(Value::as_array).into_iter().flatten();
        let label = |place: &Value| place.get("label").and_then(Value::as_str).unwrap_or_default().to_owned();
        all.filter_map(|place| Some(Datum::new(number(place, "N")?, number(place, "y")?, label(place)))).collect()
    };
    let profile = |row: &Value| {
        let best = row.get("N").filter(|best| best.is_object());
        let vertex = best.zip(number(row, "y")).and_then(|(best, y)| {
            let across = number(best, "lower").zip(number(best, "upper"));
            Some(Datum { across, ..Datum::new(number(best, "value")?, y, "lowest point") })
        });
        Some(Profile {
            budget: number(row, "budget")?,
            points: places(row, "runs"),
            curve: places(row, "curve"),
            vertex,
            refused: row.get("refused").and_then(Value::as_str).map(str::to_owned),
        })
    };
    let all: Vec<Profile> = rows.iter().filter_map(profile).filter(|profile| !profile.points.is_empty()).collect();
    let loss = fit.rest.get("loss_column").and_then(Value::as_str).unwrap_or("loss");
    let (n, _) = inputs(fit);
    (!all.is_empty()).then(|| profiles(id, &n, &axis(loss).label, &all))
}

/// The best size and data against compute by the surface, or as a division of compute found them, with what is foretold where it was asked.
pub fn optimal_of(fit: &Fit, id: &str) -> Option<Figure> {
    let Some(law) = law_of(fit) else { return divided_of(fit, id) };
    let fitted = fit.fitted_range().filter(|(low, _)| *low > 0.0)?;
    let asked: Vec<(f64, &[(String, Param)])> = fit
        .targets
        .iter()
        .filter_map(|target| Some((target.at.iter().find(|(name, _)| name == "C")?.1, target.best.as_slice())))
        .collect();
    let high = asked.iter().map(|(compute, _)| *compute).fold(fitted.1 * 10.0, f64::max);
    let quantity = |axis: Axis, name: &str, exponent: &str, of: fn((f64, f64)) -> f64| {
        let at = |i: u32| fitted.0 * libm::pow(high / fitted.0, f64::from(i) / 80.0);
        let curve = (0..=80).map(at).map(|c| Datum::new(c, of(law.optimum(c)), "")).collect();
        let targets = asked
            .iter()
            .filter_map(|(compute, best)| Some((*compute, best.iter().find(|(other, _)| other == name)?.1)))
            .map(|(compute, best)| Datum {
                low: best.lower,
                high: best.upper,
                ..Datum::new(compute, best.value, format!("{} FLOP: {}", number::short(compute, 3), interval(&best)))
            })
            .collect();
        let law = Drawn { curve, percent: fit.percent(), fitted: Some(fitted), remarks: Vec::new(), targets };
        let exponent = fit.derived.iter().find(|(name, _)| name == exponent).map(|(_, param)| *param);
        Optimal { axis, law, exponent, ..Optimal::default() }
    };
    let (n, d) = inputs(fit);
    let quantities = [quantity(n, "N", "a", |(n, _)| n), quantity(d, "D", "b", |(_, d)| d)];
    Some(optimal(id, "Compute-optimal size and data", &quantities))
}

/// The same of a division of compute: best sizes with the intervals of their budgets, the line through them, and the data that compute leaves, C / (6 N).
fn divided_of(fit: &Fit, id: &str) -> Option<Figure> {
    let param = |name: &str| fit.params.iter().find(|(other, _)| other == name).map(|(_, param)| *param);
    param("kN")?;
    let budgets = fit.rest.get("profiles").and_then(Value::as_array).into_iter().flatten();
    let intervals: Vec<(f64, f64, f64)> = budgets
        .filter_map(|row| {
            let (budget, best) = (row.get("budget")?.as_f64()?, row.get("N")?);
            Some((budget, best.get("lower")?.as_f64()?, best.get("upper")?.as_f64()?))
        })
        .collect();
    let of_budget = |c: f64| intervals.iter().find(|(budget, ..)| (budget / c - 1.0).abs() < 0.02);
    let found = fit.points.iter().filter(|p| p.dropped.is_none() && p.x > 0.0 && p.y > 0.0);
    let sizes: Vec<Datum> = found
        .map(|p| Datum {
            low: of_budget(p.x).map(|(_, low, _)| *low),
            high: of_budget(p.x).map(|(.., high)| *high),
            ..Datum::new(p.x, p.y, p.label.clone())
        })
        .collect();
    let curve: Vec<Datum> =
        fit.curve.iter().map(|p| Datum { x: p.x, y: p.y, low: p.lower, high: p.upper, ..Datum::default() }).collect();
    // More parameters are fewer data, so the ends of an interval change places.
    let data = |p: &Datum| {
        let left = |n: f64| p.x / (6.0 * n);
        Datum { y: left(p.y), low: p.high.map(left), high: p.low.map(left), ..p.clone() }
    };
    let quantity = |axis: Axis, name: &str, exponent: &str, change: &dyn Fn(&Datum) -> Datum| {
        let asked = fit.targets.iter().filter_map(|target| {
            let compute = target.at.iter().find(|(name, _)| name == "C")?.1;
            let best = target.best.iter().find(|(other, _)| other == name)?.1;
            let label = format!("{} FLOP: {}", number::short(compute, 3), interval(&best));
            Some(Datum { low: best.lower, high: best.upper, ..Datum::new(compute, best.value, label) })
        });
        let law = Drawn {
            curve: curve.iter().map(change).collect(),
            percent: fit.percent(),
            fitted: fit.fitted_range(),
            remarks: Vec::new(),
            targets: asked.collect(),
        };
        let vertices = sizes.iter().map(change).collect();
        Optimal { axis, vertices, law, exponent: param(exponent), ..Optimal::default() }
    };
    let (n, d) = inputs(fit);
    let quantities = [quantity(n, "N", "a", &Datum::clone), quantity(d, "D", "b", &data)];
    (sizes.len() > 1).then(|| optimal(id, "Best size and data by compute", &quantities))
}

/// Where the law was asked, along its horizontal axis.
pub fn targets(fit: &Fit) -> Vec<Datum> {
    let place = |at: &[(String, f64)]| at.iter().find(|(name, _)| name == "x" || name == "C").map(|(_, value)| *value);
    let datum = |target: &Target| {
        let (low, high) = (target.interval.map(|i| i.0), target.interval.map(|i| i.1));
        Some(Datum { low, high, ..Datum::new(place(&target.at)?, target.y, "what the law foretells") })
    };
    fit.targets.iter().filter_map(datum).collect()
}

/// The parameters with their intervals, where there are intervals.
pub fn forest_of(fit: &Fit, id: &str) -> Option<Figure> {
    let params: Vec<(String, Param)> = fit.params.iter().filter(|(_, param)| param.lower.is_some()).cloned().collect();
    (params.len() > 1).then(|| forest(id, &fit.percent(), &params))
}

/// How parameters go together over the resamples that the record keeps: `draws`, a map from a parameter to its values.
pub fn pairs_of(fit: &Fit, id: &str) -> Option<Figure> {
    let kept = fit.draws.as_ref()?.as_object()?;
    let shown: Vec<(&String, Vec<f64>)> = kept
        .iter()
        .filter_map(|(name, values)| {
            Some((name, values.as_array()?.iter().map(|v| v.as_f64().unwrap_or(f64::NAN)).collect()))
        })
        .filter(|(_, values): &(&String, Vec<f64>)| values.len() >= 20)
        .take(5)
        .collect();
    let n = shown.iter().map(|(_, values)| values.len()).min().unwrap_or(0);
    let draws: Vec<Vec<f64>> = (0..n).map(|i| shown.iter().map(|(_, values)| values[i]).collect()).collect();
    let names: Vec<String> = shown.iter().map(|(name, _)| (*name).clone()).collect();
    let value =
        |name: &String| fit.params.iter().find(|(other, _)| other == name).map_or(f64::NAN, |(_, param)| param.value);
    let estimate: Vec<f64> = names.iter().map(value).collect();
    (names.len() > 1).then(|| pairs(id, &names, &draws, &estimate))
}

/// The quantity that readers look for first, under each choice that the record's `sensitivity` lists: how compute is divided, of a surface; else the
/// exponent, else the first parameter.
pub fn sensitivity_of(fit: &Fit, id: &str) -> Option<Figure> {
    let rows = fit.rest.get("sensitivity")?.as_array()?;
    let known = || fit.derived.iter().filter(|(name, _)| name == "a").chain(&fit.params);
    let (quantity, estimate) = known().find(|(name, _)| name == "a" || is_exponent(name)).or_else(|| known().next())?;
    let mut branches: Vec<Branch> = rows.iter().filter_map(|row| branch(row, quantity)).collect();
    if !branches.iter().any(|branch| branch.main) {
        let n = fit.points.iter().filter(|p| !p.held_out && p.dropped.is_none()).count();
        branches.insert(0, Branch { label: format!("as fitted, {n} rows"), estimate: *estimate, main: true });
    }
    (branches.len() > 1).then(|| sensitivity(id, quantity, &branches))
}

fn branch(row: &Value, quantity: &str) -> Option<Branch> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let mut label = text("label").or_else(|| text("choice")).or_else(|| text("objective")).or_else(|| text("name"))?;
    if let Some(rows) = row.get("rows").and_then(Value::as_u64) {
        put!(label, ", {rows} rows");
    }
    if row.get("ruled_out_too").and_then(Value::as_bool) == Some(true) {
        label.push_str(", those ruled out too");
    }
    if row.get("converged").and_then(Value::as_bool) == Some(false) {
        label.push_str(", not converged");
    }
    let value = row.get("params").and_then(|params| params.get(quantity)).or_else(|| row.get(quantity))?;
    let number = |name: &str| value.get(name).and_then(Value::as_f64);
    let value = value.as_f64().or_else(|| number("value"))?;
    let estimate = Param { value, lower: number("lower"), upper: number("upper"), ..Param::default() };
    Some(Branch { label, estimate, main: row.get("main").and_then(Value::as_bool).unwrap_or(false) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A record of a surface with all that its figures look for.
    fn record() -> Value {
        let points: Vec<Value> = (0..12)
            .map(|i| {
                let (n, d) = (1e8 * libm::pow(1.8, f64::from(i)), 4e9 * libm::pow(1.4, f64::from(i * 5 % 12)));
                let loss = 1.8 + 480.0 * libm::pow(n, -0.35) + 2100.0 * libm::pow(d, -0.37);
                json!({"label": format!("run {i}"), "x": 6.0 * n * d, "y": loss * 1.001, "fitted": loss, "residual": 0.001, "inputs": {"N": n, "D": d}, "held_out": i > 9})
            })
            .collect();
        json!({
            "form": "chinchilla", "x": "compute", "y": "loss", "inputs": {"N": "params", "D": "tokens"}, "points": points,
            "params": {"E": 1.8, "A": {"value": 480, "lower": 300, "upper": 700}, "B": {"value": 2100, "lower": 900, "upper": 5000}, "alpha": {"value": 0.35, "lower": 0.32, "upper": 0.38}, "beta": 0.37},
            "derived": {"a": {"value": 0.514, "lower": 0.48, "upper": 0.55}, "b": {"value": 0.486}},
            "sensitivity": [
                {"rows": 10, "ruled_out_too": false, "objective": "squared log", "params": {"a": 0.53, "alpha": 0.36}, "loss": 1.0, "converged": true},
                {"rows": 12, "ruled_out_too": true, "objective": "squared", "params": {"a": 0.61, "alpha": 0.37}, "loss": 1.0, "converged": false},
            ],
            "targets": [{"at": {"C": 1e24}, "y": 1.95, "lower": 1.94, "upper": 1.97, "best": {"N": {"value": 9e10, "lower": 7e10, "upper": 1.1e11}, "D": {"value": 1.8e12}}}],
            "draws": {"alpha": (0..40).map(|i| 0.35 + 0.001 * f64::from(i % 7)).collect::<Vec<_>>(), "beta": (0..40).map(|i| 0.37 + 0.001 * f64::from(i % 5)).collect::<Vec<_>>()},
        })
    }

    #[test]
    fn a_full_record_has_every_figure() {
        let fit = Fit::read(&record()).unwrap();
        let panels = |figure: Option<Figure>| figure.map_or(0, |figure| figure.panels.len());
        assert_eq!(panels(surface_of(&fit, "f")), 1);
        assert_eq!(panels(holdout_of(&fit, "f")), 2);
        assert_eq!(panels(residuals_of(&fit, "f")), 5, "N, D, compute, fitted, quantiles");
        assert_eq!(panels(forest_of(&fit, "f")), 1);
        assert_eq!(panels(pairs_of(&fit, "f")), 4);
        let optimal = optimal_of(&fit, "f").unwrap();
        assert!(
            optimal.legend.iter().any(|entry| entry.text == "parameters: 0.514 [0.480, 0.550]"),
            "{:?}",
            optimal.legend
        );
        assert_eq!(optimal.panels[1].y.label, "tokens");
        let choices = sensitivity_of(&fit, "f").unwrap();
        assert_eq!(
            choices.panels[0].y.rows,
            ["as fitted, 10 rows", "squared log, 10 rows", "squared, 12 rows, those ruled out too, not converged"]
        );
        assert!((targets(&fit)[0].x - 1e24).abs() < 1.0);
    }

    #[test]
    fn a_division_of_compute_shows_sizes_and_what_data_they_leave() {
        let budgets = [1e18, 1e19, 1e20, 1e21];
        let size = |c: f64| 0.1 * libm::pow(c, 0.5);
        let fit = json!({
            "form": "parabola", "x": "compute", "y": "best size", "inputs": {"N": "params", "C": "flops"},
            "params": {"a": {"value": 0.5, "lower": 0.45, "upper": 0.55}, "b": 0.5, "kN": 0.1, "kD": 1.667},
            "points": budgets.map(|c| json!({"label": format!("budget {c:e}"), "x": c, "y": size(c), "fitted": size(c)})),
            "profiles": budgets.map(|c| json!({"budget": c, "N": {"value": size(c), "lower": 0.8 * size(c), "upper": 1.5 * size(c)}})),
            "curve": budgets.map(|c| json!({"x": c, "y": size(c), "lower": 0.9 * size(c), "upper": 1.2 * size(c)})),
            "targets": [{"at": {"C": 1e23}, "y": size(1e23), "best": {"N": {"value": size(1e23)}, "D": {"value": 1e23 / 6.0 / size(1e23)}}}],
        });
        let figure = optimal_of(&Fit::read(&fit).unwrap(), "f").unwrap();
        let data = figure.panels[1].series.iter().find(|series| series.name == "optimum at a budget").unwrap();
        let first = &data.points[0];
        assert!((first.y / (1e18 / 6.0 / size(1e18)) - 1.0).abs() < 1e-12);
        assert!(first.low.unwrap() < first.y && first.y < first.high.unwrap(), "{first:?}");
        assert!(figure.legend.iter().any(|entry| entry.text == "parameters: 0.500 [0.450, 0.550], n = 4"));
        assert!(figure.panels.iter().all(|panel| panel.series.iter().any(|series| series.name == "target")));
    }

    #[test]
    fn what_a_record_does_not_hold_is_not_drawn() {
        let fit = Fit::read(&json!({"form": "power", "params": {"p": 0.1}, "points": [{"x": 1, "y": 2, "fitted": 2}]}))
            .unwrap();
        let figures = [surface_of, optimal_of, holdout_of, residuals_of, forest_of, pairs_of, sensitivity_of]
            .map(|of| of(&fit, "f"));
        assert_eq!(figures, [const { None }; 7]);
    }
}
