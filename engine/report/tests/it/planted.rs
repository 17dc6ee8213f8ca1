//! Every figure of the catalogue on planted records: laws that are known, with noise that is the same everywhere.

use isoflop_report::{
    Figure,
    axis::{Axis, Scale},
    color::Ink,
    figure::{Datum, Mark},
    figures::{
        self, Better, Branch, Course, Drawn, Foretold, Moment, Optimal, Profile, Residual, Surface, normal_quantile,
    },
    fit::Param,
};
use libm::{exp, log, pow};

use super::noise::noise;

/// Hoffmann et al.'s law as refitted by Besiroglu et al. 2024.
const LAW: Surface = Surface { e: 1.8172, a: 482.01, b: 2085.43, alpha: 0.3478, beta: 0.3658, flops: 6.0 };

fn param(value: f64, lower: f64, upper: f64) -> Param {
    Param { value, lower: Some(lower), upper: Some(upper), ..Param::default() }
}

fn size() -> Axis {
    Axis::new("parameters", "", Scale::Log)
}

fn tokens() -> Axis {
    Axis::new("training tokens", "", Scale::Log)
}

/// The curve of `law` with a band that widens beyond 10²¹.
fn drawn(law: impl Fn(f64) -> f64, (low, high): (f64, f64), fitted: (f64, f64), spread: f64) -> Drawn {
    let curve = (0..=90)
        .map(|i| low * pow(high / low, f64::from(i) / 90.0))
        .map(|x| {
            let beyond = log((x / fitted.1).max(1.0)) + log((fitted.0 / x).max(1.0));
            let half = law(x) * spread * (1.0 + beyond);
            Datum::between(x, law(x), law(x) - half, law(x) + half)
        })
        .collect();
    Drawn { curve, percent: "90\u{202f}%".into(), fitted: Some(fitted), ..Drawn::default() }
}

fn courses() -> Vec<Course> {
    let sizes = [70e6, 160e6, 410e6, 1.0e9, 2.8e9, 6.9e9];
    let course = |(i, n): (usize, f64)| {
        let points = (1..=40).map(|k| {
            let d = 6e7 * n.sqrt() / 1e4 * pow(10.0, f64::from(k) / 40.0 * 2.4);
            let value = LAW.loss(n, d) * (1.0 + 0.004 * noise((i * 100) as u64 + k as u64));
            Moment { step: d / 5e5, samples: d, compute: 6.0 * n * d, value }
        });
        Course {
            name: format!("train[size={i}]"),
            variant: ["70 M", "160 M", "410 M", "1.0 B", "2.8 B", "6.9 B"][i].into(),
            ink: Ink::step(i, sizes.len()),
            points: points.collect(),
        }
    };
    sizes.into_iter().enumerate().map(course).collect()
}

fn best(compute: f64) -> f64 {
    let (n, d) = LAW.optimum(compute);
    LAW.loss(n, d)
}

/// One of them.
pub fn training() -> Figure {
    let law = Drawn {
        remarks: vec!["power law with offset".into(), "exponent 0.155 [0.149, 0.161]".into(), "n = 24".into()],
        targets: vec![Datum::new(2e23, best(2e23), "a run of 2×10²³ FLOP")],
        ..drawn(best, (2e18, 3e23), (4e18, 5e21), 0.004)
    };
    figures::loss_against_compute("training", "held-out loss", "size", &courses(), &law)
}

fn progress() -> Figure {
    let courses: Vec<Course> = (0..4)
        .map(|i| {
            let macs = [35.0, 98.0, 143.0, 198.0][i] * 1e9;
            let points = (1..=24).map(|k| {
                let step = f64::from(k) * 25e3;
                let value = 0.845 - 0.1 * (4.0 - i as f64).sqrt() * pow(step / 25e3, -0.62)
                    + 0.002 * noise(i as u64 * 57 + k as u64);
                Moment { step, samples: step * 2048.0, compute: 6.0 * macs * 2048.0 * step, value }
            });
            Course {
                name: ["C128", "TD2", "TD4_4", "SDXL"][i].into(),
                variant: ["C128 · 0.42 B", "TD2 · 0.85 B", "TD4_4 · 1.32 B", "SDXL · 2.39 B"][i].into(),
                ink: Ink::step(i, 4),
                points: points.collect(),
            }
        })
        .collect();
    figures::score_against_progress("progress", "alignment", "variant · parameters", &courses, &[1e20, 2.5e20])
}

/// One of them.
pub fn profiles() -> Figure {
    let budgets = [6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21, 3e21];
    let of = |(i, budget): (usize, f64)| {
        let (n, d) = LAW.optimum(budget);
        let at = |factor: f64| LAW.loss(n * factor, d / factor);
        let points = (0..7)
            .map(|k| pow(4.0, (f64::from(k) - 3.0) / 3.0 * 1.1))
            .map(|factor| {
                Datum::new(n * factor, at(factor) * (1.0 + 0.0012 * noise((i * 10) as u64 + factor.to_bits())), "run")
            })
            .collect();
        let curve = (0..=40)
            .map(|k| pow(5.0, f64::from(k) / 20.0 - 1.0))
            .map(|factor| Datum::new(n * factor, at(factor), ""))
            .collect();
        let refused = (i == 8).then(|| "its lowest point lies outside the sizes that were tried".to_owned());
        let vertex = refused
            .is_none()
            .then(|| Datum { across: Some((n * 0.86, n * 1.17)), ..Datum::new(n, at(1.0), "optimum") });
        Profile { budget, points, curve, vertex, refused }
    };
    let all: Vec<Profile> = budgets.into_iter().enumerate().map(of).collect();
    figures::profiles("profiles", &size(), "training loss", &all)
}

/// One of them.
pub fn optimal() -> Figure {
    let budgets: [f64; 8] = [6e18, 1e19, 3e19, 6e19, 1e20, 3e20, 6e20, 1e21];
    let quantity = |axis: Axis, of: fn((f64, f64)) -> f64, exponent: Param, kaplan: f64| {
        let at = move |compute: f64| of(LAW.optimum(compute));
        let vertices = budgets
            .iter()
            .enumerate()
            .map(|(i, c)| {
                let value = at(*c) * (1.0 + 0.06 * noise(i as u64 + exponent.value.to_bits()));
                Datum { label: format!("{c:e} FLOP"), ..Datum::between(*c, value, value * 0.88, value * 1.14) }
            })
            .collect();
        Optimal {
            axis,
            vertices,
            law: Drawn {
                targets: vec![Datum::new(5.76e23, at(5.76e23), "5.76×10²³ FLOP")],
                ..drawn(at, (3e18, 1e24), (6e18, 1e21), 0.03)
            },
            exponent: Some(exponent),
            others: vec![(
                "Kaplan et al. 2020".into(),
                vec![Datum::new(3e18, at(3e18), ""), Datum::new(1e24, at(3e18) * pow(1e24 / 3e18, kaplan), "")],
            )],
        }
    };
    figures::optimal(
        "optimal",
        "Compute-optimal size and data",
        &[
            quantity(size(), |(n, _)| n, param(0.513, 0.489, 0.537), 0.73),
            quantity(tokens(), |(_, d)| d, param(0.487, 0.463, 0.511), 0.27),
        ],
    )
}

fn surface() -> Figure {
    let mut runs = Vec::new();
    for i in 0..9 {
        for k in 0..5 {
            let (n, d) = LAW.optimum(6e18 * pow(10.0, f64::from(i) / 3.0));
            let factor = pow(3.0, f64::from(k) / 2.0 - 1.0);
            runs.push(Datum::new(n * factor, d / factor, format!("run {i}.{k}")));
        }
    }
    let remarks = ["α = 0.348 [0.332, 0.364]", "β = 0.366 [0.341, 0.391]", "n = 240"].map(String::from);
    figures::surface("surface", &LAW, (&size(), &tokens()), "loss", &runs, &remarks)
}

fn pareto() -> Figure {
    let score = |c: f64| 0.47 * pow(c, 0.02);
    let checkpoints: Vec<(String, Ink, Vec<Datum>)> = (0..8)
        .map(|i| {
            let points = (1..=24)
                .map(|k| {
                    let c = pow(10.0, 10.4 + f64::from(i) * 0.14) * f64::from(k);
                    let behind = 0.05 * exp(-f64::from(k) / 5.0) + 0.006 * (f64::from(i) - 3.5).abs() / 3.5;
                    Datum::new(
                        c,
                        score(c) - behind + 0.0015 * noise((i * 50 + k) as u64),
                        format!("run {i}, checkpoint {k}"),
                    )
                })
                .collect();
            (format!("run {i}"), Ink::step(i as usize, 8), points)
        })
        .collect();
    let law = Drawn {
        remarks: vec!["power law".into(), "exponent 0.0200 [0.0188, 0.0213]".into(), "n = 41".into()],
        ..drawn(score, (2.5e10, 1e13), (4e10, 1.6e12), 0.002)
    };
    figures::pareto(
        "pareto",
        &Axis::new("training compute", "GFLOP", Scale::Log),
        &Axis::new("alignment", "", Scale::Linear),
        &checkpoints,
        Better::Higher,
        &law,
    )
}

/// One of them.
pub fn against() -> Figure {
    let score = |n: f64| 0.77 * pow(n, 0.011);
    let models = [
        ("C128", 424.0),
        ("TD2", 849.0),
        ("TD4_4", 1320.0),
        ("TD4_8", 2090.0),
        ("SDXL", 2390.0),
        ("TD4_12", 2860.0),
        ("C384", 3400.0),
        ("C384-TD4_12", 4070.0),
    ];
    let points = models
        .iter()
        .enumerate()
        .map(|(i, (name, n))| Datum {
            name: (*name).into(),
            ..Datum::new(*n, score(*n) + 0.0012 * noise(i as u64 + 3), *name)
        })
        .collect();
    let law = Drawn {
        remarks: vec!["power law".into(), "exponent 0.0110 [0.0082, 0.0137]".into(), "n = 8".into()],
        ..drawn(score, (300.0, 12e3), (424.0, 4070.0), 0.0012)
    };
    figures::against(
        "against",
        &Axis::new("parameters", "millions", Scale::Log),
        &Axis::new("alignment", "", Scale::Linear),
        &[("SDXL variants".into(), Ink::family(0), Mark::Disc, points)],
        &law,
    )
}

fn residuals() -> Figure {
    let rows: Vec<Residual> = (0..120)
        .map(|i| {
            let part = f64::from(i) / 119.0;
            let n = 5e7 * pow(10.0, 2.2 * (part * 7.0).fract());
            let compute = 1e18 * pow(10.0, part * 4.0);
            let residual =
                0.006 * normal_quantile(0.5 + 0.498 * noise(i as u64 * 3 + 1)) + if i % 41 == 7 { 0.03 } else { 0.0 };
            Residual {
                label: format!("run {i}"),
                along: vec![n, compute / 6.0 / n, compute, best(compute)],
                residual,
                held_out: part > 0.9,
            }
        })
        .collect();
    let axes = [
        size(),
        tokens(),
        Axis::new("training compute", "FLOP", Scale::Log),
        Axis::new("fitted loss", "", Scale::Linear),
    ];
    figures::residuals("residuals", "ln loss", &axes, &rows)
}

fn forest() -> Figure {
    let params = [
        ("E", param(1.8172, 1.77, 1.86)),
        ("A", param(477.8, 311.0, 702.0)),
        ("B", param(2143.4, 970.0, 4920.0)),
        ("alpha", param(0.3473, 0.322, 0.373)),
        ("beta", param(0.3672, 0.334, 0.402)),
    ];
    figures::forest("forest", "90\u{202f}%", &params.map(|(name, param)| (name.to_owned(), param)))
}

fn pairs() -> Figure {
    let draws: Vec<Vec<f64>> = (0..500)
        .map(|i| {
            let z = |k: u64| normal_quantile(0.5 + 0.4995 * noise(i * 7 + k * 1000));
            let (a, b) = (z(1), 0.85 * z(1) + 0.52 * z(2));
            vec![1.817 + 0.025 * z(3), 6.17 + 0.24 * a, 0.347 + 0.0154 * b, 0.367 + 0.0206 * z(4)]
        })
        .collect();
    let names = ["E", "ln A", "alpha", "beta"].map(String::from);
    figures::pairs("pairs", &names, &draws, &[1.8172, 6.169, 0.3473, 0.3672])
}

fn holdout() -> Figure {
    let rows: Vec<Foretold> = (0..60)
        .map(|i| {
            let compute = 1e18 * pow(10.0, f64::from(i) / 59.0 * 4.0);
            let measured = best(compute) * (1.0 + 0.004 * noise(i as u64 * 5));
            let held_out = compute > 1e21;
            let predicted = best(compute) * if held_out { 1.0 - 0.004 * log(compute / 1e21) } else { 1.0 };
            Foretold {
                label: format!("run {i}"),
                along: compute,
                predicted,
                interval: held_out.then_some((predicted * 0.985, predicted * 1.015)),
                measured,
                held_out,
            }
        })
        .collect();
    figures::holdout(
        "holdout",
        &Axis::new("loss", "", Scale::Linear),
        &Axis::new("training compute", "FLOP", Scale::Log),
        &rows,
    )
}

/// One of them.
pub fn sensitivity() -> Figure {
    // The published set of 245 rows under six choices: objective and rows dropped.
    let rows = [
        ("Huber of ln L, δ = 10⁻³, 240 rows", param(0.514, 0.481, 0.547), true),
        ("Huber of ln L, δ = 10⁻⁴, 240 rows", param(0.513, 0.479, 0.545), false),
        ("Huber of ln L, δ = 10⁻², 240 rows", param(0.518, 0.484, 0.55), false),
        ("squares of ln L, 240 rows", param(0.53, 0.494, 0.567), false),
        ("squares of L, 240 rows", param(0.545, 0.503, 0.588), false),
        ("Huber of ln L, δ = 10⁻³, 245 rows", param(0.565, 0.505, 0.621), false),
        ("squares of L, 245 rows", param(0.642, 0.548, 0.731), false),
    ];
    let branches: Vec<Branch> =
        rows.into_iter().map(|(label, estimate, main)| Branch { label: label.into(), estimate, main }).collect();
    figures::sensitivity("sensitivity", "a", &branches)
}

/// All of them.
pub fn all() -> Vec<Figure> {
    vec![
        training(),
        progress(),
        profiles(),
        optimal(),
        surface(),
        pareto(),
        against(),
        residuals(),
        forest(),
        pairs(),
        holdout(),
        sensitivity(),
    ]
}
