//! How fast fits are, in CPU seconds on one core, for `make bench`: `beside.sh` beside this file runs it and `reference.py`, which does the same with
//! `SciPy`. Figures to read, not a test.

use std::fs::File;

use isoflop_kinds::fit::{FitScaling, Form, Objective, Space};
use isoflop_native::fit::{Fitting, Means, Request, Row, Settings, Table, fit};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// CPU seconds of this process so far.
fn spent() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(text.split(' ').next().ok_or("an empty schedstat")?.parse::<f64>()? * 1e-9)
}

/// The least of several times, and what was made.
fn timed<T>(times: u32, mut of: impl FnMut() -> Outcome<T>) -> Outcome<(f64, T)> {
    let mut best = (f64::INFINITY, of()?);
    for _ in 0..times {
        let before = spent()?;
        let made = of()?;
        best = (best.0.min(spent()? - before), made);
    }
    Ok(best)
}

fn main() -> Outcome<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../studies/published-laws/data/chinchilla-epoch.csv");
    let inputs = [("N", "Model Size"), ("C", "Training FLOP")];
    let spec =
        FitScaling { drop: vec!["loss:largest:5".parse()?], ..FitScaling::surface(Form::Chinchilla, &inputs, "loss") };
    let points = Table::read(File::open(path)?)?.points_of(&spec)?;
    let mut rows: Vec<Row> = points
        .rows
        .iter()
        .enumerate()
        .map(|(index, point)| {
            let (n, c, y) = (point.numbers["Model Size"], point.numbers["Training FLOP"], point.numbers["loss"]);
            Row { index, inputs: vec![n, c / (6.0 * n)], x: c, y, weight: 1.0 }
        })
        .collect();
    rows.sort_by(|a, b| a.y.total_cmp(&b.y));
    rows.truncate(240);
    let request = Request { objective: Objective::huber(Space::Log, 1e-3), ..Request::form(Form::Chinchilla) };
    let settings = Settings::default();

    let (seconds, fitting) = timed(5, || Ok(Fitting::of(&rows, request.clone(), None, &settings)?))?;
    let certificate = &fitting.solution.certificate;
    let (starts, each) = (certificate.starts, seconds / certificate.evaluations as f64);
    println!(
        "surface of 240 rows, {starts} starts         {seconds:8.3} s  objective {:.12e}, {:.0} % at the optimum, {} evaluations of {:.2} us",
        fitting.solution.loss,
        100.0 * certificate.at_optimum,
        certificate.evaluations,
        1e6 * each
    );

    let draws = |count| FitScaling { bootstrap: count, ..spec.clone() };
    let (few, _) = timed(1, || Ok(fit(&points, &draws(100), &Means::default())?))?;
    let (many, made) = timed(1, || Ok(fit(&points, &draws(4100), &Means::default())?))?;
    println!(
        "4,000 resamples, two starts each          {:8.3} s  standard error of B {:.1}",
        many - few,
        made.fit.params["B"].stderr
    );
    println!(
        "everything else of a default fit          {few:8.3} s  hold-out, sensitivity, certificate, 100 resamples"
    );

    let mut grid = Vec::new();
    for (a, b) in (0..6).flat_map(|a| (0..6).map(move |b| (a, b))) {
        for (e, (alpha, beta)) in (0..5).flat_map(|e| (0..5).flat_map(move |i| (0..5).map(move |j| (e, (i, j))))) {
            let exp = |x: f64| libm::exp(x);
            let (a, b, e) = (exp(5.0 * f64::from(a)), exp(5.0 * f64::from(b)), exp(0.5 * f64::from(e) - 1.0));
            grid.push(vec![e, a, b, 0.5 * f64::from(alpha), 0.5 * f64::from(beta)]);
        }
    }
    let (seconds, fitting) = timed(1, || Ok(Fitting::of(&rows, request.clone(), Some(&grid), &settings)?))?;
    let certificate = &fitting.solution.certificate;
    println!(
        "the literal grid of {} starts          {seconds:8.3} s  objective {:.12e}, {:.0} % at the optimum",
        certificate.starts,
        fitting.solution.loss,
        100.0 * certificate.at_optimum
    );
    Ok(())
}
