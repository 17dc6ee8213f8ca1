//! Fits against `NumPy` and `SciPy`, against published exponents, and against laws that were planted.
//!
//! Reference numbers are of `NumPy` 2.4.6 and `SciPy` 1.17.1: `lstsq` on centred logarithms, and for the offset law `least_squares` with
//! `xtol = ftol = gtol = 1e-15` and bounds `e >= 0` from 40 starts of p, the best of them:
//!
//! ```python
//! u = np.log(x); m = u.mean(); A = np.stack([np.ones_like(u), u - m], 1)
//! k = np.linalg.lstsq(A, np.log(s))[0]; p = k[1]; c = np.exp(k[0] - p * m)
//! r = lambda q: y - (q[0] + q[1] * np.exp(-q[2] * (u - m)))
//! ```

use std::collections::BTreeMap;

use isoflop_contract::{Digest, Kind, Seed};
use isoflop_kinds::fit::{Better, FitScaling, Form, Holdout};
use isoflop_native::fit::{Fit, FitError, Means, Points, Table, Written};

const X: [f64; 12] = [
    1e15,
    2.31e15,
    5.337e15,
    1.2328e16,
    2.848e16,
    6.5793e16,
    1.519_91e17,
    3.511_19e17,
    8.111_31e17,
    1.873_817e18,
    4.328_761e18,
    1e19,
];
/// 1.8 + 2 (x / 1e15)^-0.28 with noise of 0.02.
const LOSS: [f64; 12] = [
    3.800_025, 3.388_019, 3.045_89, 2.772_062, 2.573_901, 2.399_522, 2.291_118, 2.214_332, 2.096_694, 2.030_065,
    2.001_597, 1.958_853,
];
/// A loss that ends below any offset: without the bound e would be negative.
const SINKING: [f64; 12] = [
    1.956_28, 1.526_141, 1.139_944, 0.929_267, 0.732_236, 0.570_76, 0.425_15, 0.333_843, 0.250_597, 0.188_584,
    0.145_913, 0.099_285,
];
/// A logit that rises by 0.22 an e-fold, with noise of 0.05.
const SCORE: [f64; 12] = [
    0.402_226, 0.434_43, 0.491_374, 0.546_344, 0.566_637, 0.621_68, 0.647_647, 0.694_979, 0.727_128, 0.776_37,
    0.798_545, 0.837_313,
];

fn points(y: &[f64]) -> Points {
    Points::of("compute", "y", X.into_iter().zip(y.iter().copied()))
}

fn asked(form: Form) -> FitScaling {
    FitScaling { bootstrap: 200, ..FitScaling::of(form, "compute", "y") }
}

fn fit_seeded(points: &Points, spec: &FitScaling, seed: u64) -> Result<Fit, FitError> {
    let means = Means { seed: Seed::from_number(seed), ..Means::default() };
    isoflop_native::fit::fit(points, spec, &means).map(|made| made.fit)
}

fn fit(points: &Points, spec: &FitScaling) -> Result<Fit, FitError> {
    fit_seeded(points, spec, 0)
}

fn fitted(form: Form, y: &[f64]) -> Fit {
    fit(&points(y), &asked(form)).unwrap()
}

fn close(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() < tolerance, "{found} against {expected}");
}

fn agrees(fit: &Fit, parameters: &[(&str, f64)], loss: f64, tolerance: f64) {
    for (name, expected) in parameters {
        close(fit.params[name].value, *expected, tolerance);
    }
    close(fit.loss, loss, tolerance);
    assert!(fit.certificate.gradient < 1e-8, "{:?}", fit.certificate);
}

#[test]
fn straight_forms_agree_with_numpy() {
    let power = fitted(Form::Power, &SCORE);
    agrees(
        &power,
        &[("c", 0.028_230_591_674_058_562), ("p", 0.078_625_878_288_176_9)],
        0.015_780_477_429_640_134,
        1e-9,
    );
    close(power.r2, 0.975_170_586_963_929_9, 1e-12);
    let linear = fitted(Form::LogLinear, &SCORE);
    agrees(
        &linear,
        &[("a", -1.230_302_470_394_266_7), ("b", 0.047_492_028_942_483_58)],
        0.001_063_455_692_542_807_6,
        1e-9,
    );
    let logit = fitted(Form::Logit, &SCORE);
    agrees(&logit, &[("a", -7.898_483_747_693_9), ("b", 0.216_531_126_557_739_82)], 0.019_156_964_648_416_08, 1e-9);
    let error = fitted(Form::ErrorPower, &SCORE);
    agrees(&error, &[("c", 76.030_507_165_121_69), ("p", 0.137_905_248_269_562_94)], 0.038_965_416_737_576_676, 1e-9);
}

#[test]
fn the_offset_law_agrees_with_scipy() {
    let fit = fitted(Form::PowerOffset, &LOSS);
    agrees(
        &fit,
        &[("e", 1.819_061_990_109_874), ("p", 0.288_405_835_613_462_1), ("c", 42_063.223_236_637_16)],
        0.001_596_713_129_367_022_1,
        1e-6,
    );
    assert!(fit.certificate.at_optimum > 0.99 && fit.certificate.condition > 2.0, "{:?}", fit.certificate);
    assert!(fit.warnings.is_empty(), "{:?}", fit.warnings);
}

#[test]
fn an_offset_on_its_bound_is_said_to_be() {
    let fit = fitted(Form::PowerOffset, &SINKING);
    assert!(fit.params["e"].value.abs() < f64::MIN_POSITIVE);
    // SciPy without the offset: two free parameters.
    agrees(&fit, &[("p", 0.302_564_363_403_172_7), ("c", 67_570.300_325_701_84)], 0.003_366_402_938_308_184, 1e-6);
    assert_eq!(fit.certificate.on_bound, ["e"]);
    assert!(fit.warnings.iter().any(|warning| warning.contains("on its bound 0")), "{:?}", fit.warnings);
}

/// Optimal model sizes by budget of the configuration `rw|tuned|short|const|standard` (Porian et al. 2024; from the repository
/// formll/resolving-scaling-law-discrepancies, MIT licence, copyright its authors) and the exponent published with them.
#[test]
fn a_published_exponent() {
    const OPTIMAL: &str = include_str!("porian-4.csv");
    let spec = FitScaling::of(Form::Power, "flops", "n_opt");
    let points = Table::read(OPTIMAL.as_bytes()).unwrap().points_of(&spec).unwrap();
    let fit = fit(&points, &spec).unwrap();
    close(fit.params["p"].value, 0.497_028_795_491_618_55, 1e-9);
    close(fit.params["c"].value, 0.118_199_037_813_891_61, 1e-9);
    close(fit.r2, 0.997_462_600_982_793_7, 1e-12);
}

/// The laws of Li et al. 2024, figures 3 and 8 (with the exponent 0.011 that fits the figure, not the printed 0.11).
#[test]
fn planted_laws_come_back() {
    for (c, p) in [(0.47, 0.02), (0.77, 0.011), (0.64, 0.03)] {
        let law = Written::of(Form::Power, &[c, p]);
        let points = Points::of("compute", "y", (1..9).map(|k| f64::from(k) * 1e3).map(|x| (x, law.at(&[x]))));
        let fit = fit(&points, &asked(Form::Power)).unwrap();
        close(fit.params["c"].value, c, 1e-9);
        close(fit.params["p"].value, p, 1e-9);
    }
    for parameters in [vec![1.69, 406.4, 0.34], vec![0.2, -3.0, 0.5], vec![0.5, 1e6, 1.5]] {
        let law = Written::of(Form::PowerOffset, &parameters);
        let points = Points::of("compute", "y", (0..10).map(|k| 1e4 * 3_f64.powi(k)).map(|x| (x, law.at(&[x]))));
        let fit = fit(&points, &asked(Form::PowerOffset)).unwrap();
        for (name, expected) in Form::PowerOffset.parameters().iter().zip(&law.parameters) {
            close(fit.params[name].value, *expected, 1e-7);
        }
    }
}

/// Noise from sums of uniform numbers, so that the test needs no library.
fn noise(seed: &mut Seed) -> f64 {
    let uniform = |k: u64| seed.stream("noise", k).get() as f64 / (1_u64 << 53) as f64;
    let sum: f64 = (0..12).map(uniform).sum();
    *seed = seed.stream("next", 0);
    sum - 6.0
}

#[test]
fn intervals_cover_as_often_as_they_say() {
    let mut seed = Seed::from_number(3);
    let mut covered = [0, 0];
    for study in 0..400 {
        let mut rows = |form, parameters: &[f64], noise_of: f64| {
            let law = Written::of(form, parameters);
            let x = (0..24).map(|k| 1e3 * libm::exp(0.3 * f64::from(k)));
            Points::of(
                "compute",
                "y",
                x.map(|x| (x, law.at(&[x]) * (1.0 + noise_of * noise(&mut seed)))).collect::<Vec<_>>(),
            )
        };
        let power = rows(Form::Power, &[0.47, 0.08], 0.02);
        let offset = rows(Form::PowerOffset, &[1.0, 40.0, 0.4], 0.005);
        for ((points, form, truth), covered) in
            [(power, Form::Power, 0.08), (offset, Form::PowerOffset, 0.4)].into_iter().zip(&mut covered)
        {
            let spec = FitScaling { bootstrap: 400, ..asked(form) };
            let p = fit_seeded(&points, &spec, study).unwrap().params["p"];
            assert!(p.lower < p.upper && p.stderr > 0.0);
            *covered += i32::from(p.lower <= truth && truth <= p.upper);
        }
    }
    println!("covered {covered:?} of 400");
    assert!(covered.iter().all(|count| (340..=380).contains(count)), "85 to 95 in 100: {covered:?} of 400");
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_one_does_not() {
    let bytes =
        |seed| serde_json::to_string(&fit_seeded(&points(&LOSS), &asked(Form::PowerOffset), seed).unwrap()).unwrap();
    assert_eq!(bytes(1), bytes(1));
    assert_ne!(bytes(1), bytes(2));
}

/// The recorded parameters give the recorded objective, to the last bit.
#[test]
fn the_record_can_be_checked() {
    for (form, y) in [(Form::PowerOffset, &LOSS), (Form::Logit, &SCORE), (Form::Power, &SCORE)] {
        let fit = fitted(form, y);
        let parameters: Vec<f64> = form.parameters().iter().map(|name| fit.params[name].value).collect();
        let law = Written::of(form, &parameters);
        let rows: Vec<(Vec<f64>, f64)> = X.into_iter().map(|x| vec![x]).zip(y.iter().copied()).collect();
        assert_eq!(law.loss(fit.objective_exactly, &rows).to_bits(), fit.loss.to_bits());
        assert!(fit.points.iter().all(|point| point.fitted == Some(law.at(&[point.x.unwrap()]))));
        let last = fit.curve.last().unwrap();
        assert_eq!((last.x, last.y), (1e20, law.at(&[1e20])));
        assert!(fit.curve.iter().all(|band| band.lower <= band.upper));
        assert!(fit.curve.iter().filter(|band| band.lower <= band.y && band.y <= band.upper).count() > 60);
    }
}

#[test]
fn a_holdout_judges_and_forms_that_saturate_stand_beside_a_power_law() {
    let spec = FitScaling { holdout: Some(Holdout::largest(3)), ..asked(Form::Power) };
    let fit = fit(&points(&SCORE), &spec).unwrap();
    assert_eq!((fit.n, fit.holdout.as_ref().unwrap().n), (9, 3));
    assert_eq!(fit.points.iter().filter(|point| point.held_out).count(), 3);
    let error = fit.holdout.as_ref().unwrap().mean_abs_error;
    let mut forms: Vec<Form> = fit.alternatives.iter().map(|other| other.form).collect();
    forms.sort();
    assert_eq!(forms, [Form::LogLinear, Form::Logit, Form::ErrorPower, Form::FreeCeiling]);
    let logit = fit.alternatives.iter().find(|other| other.form == Form::Logit).unwrap();
    assert!(logit.holdout.as_ref().unwrap().mean_abs_error < error, "the points were drawn from a logit");
    assert!(logit.at_ten_times < 1.0);
    assert!(fit.warnings.iter().any(|warning| warning.starts_with("the law leaves [0, 1]")), "{:?}", fit.warnings);
    assert!(fit.scalars().contains_key("holdout_error") && fit.scalars().contains_key("p_upper"));
}

#[test]
fn the_frontier_and_what_cannot_be_used_are_on_record() {
    let mut points = points(&SCORE);
    points.rows[2].numbers.remove("y");
    points.rows[5].numbers.insert("y".into(), 0.1);
    points.rows[7].numbers.insert("compute".into(), -1.0);
    let spec = FitScaling { frontier: true, better: Better::Higher, ..asked(Form::Power) };
    let fit = fit(&points, &spec).unwrap();
    assert_eq!(fit.n, 9);
    let reason = |index: usize| fit.points[index].dropped.as_deref().unwrap();
    assert_eq!(reason(2), "it has no `y`");
    assert_eq!(reason(5), "`row 1` beats it at no larger `compute`");
    assert_eq!(reason(7), "`compute` is -1, and its logarithm needs a positive value");
    assert!(fit.warnings.contains(&"row 3 was left out: it has no `y`".to_owned()), "{:?}", fit.warnings);
}

/// The bits of fits, on every machine. Where they change, raise `REVISION`, add its file, and say why beside the constant.
#[test]
fn golden_bits() {
    let path = format!("{}/golden/fit-scaling.r{}.json", env!("CARGO_MANIFEST_DIR"), FitScaling::REVISION);
    let digest = |form: Form| {
        let y = if form == Form::PowerOffset { &LOSS } else { &SCORE };
        let record = serde_json::to_string(&fitted(form, y)).unwrap();
        (form.name().to_owned(), Digest::of(record).to_string())
    };
    let single = |form: &Form| !form.is_surface() && !matches!(form, Form::Exponential | Form::Formula);
    let made: BTreeMap<String, String> = Form::all().filter(single).map(digest).collect();
    if std::env::var_os("ISOFLOP_UPDATE").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
    }
    let golden: BTreeMap<String, String> =
        serde_json::from_str(&std::fs::read_to_string(&path).expect("each revision has its golden file")).unwrap();
    assert_eq!(made, golden);
}

#[test]
fn a_law_too_steep_to_write_down_is_refused() {
    let rows = (0..5).map(|k| 1e30 * (1.0 + 0.01 * f64::from(k))).map(|x| (x, libm::pow(x / 1e30, 20.0)));
    let error = fit(&Points::of("compute", "y", rows), &asked(Form::Power)).unwrap_err().to_string();
    assert_eq!(error, "form power has no optimum that can be written down: c is 0; give x in larger units");
}

/// Scaling y scales c and e and nothing else.
#[test]
fn units_do_not_matter() {
    for factor in [1e-6, 1e6] {
        let scaled = LOSS.map(|y| y * factor);
        let (one, other) = (fitted(Form::PowerOffset, &LOSS), fitted(Form::PowerOffset, &scaled));
        close(other.params["p"].value, one.params["p"].value, 1e-8);
        close(other.params["e"].value, one.params["e"].value * factor, 1e-8);
    }
}

/// A line of least absolute deviations passes through two of its points, where the objective has a kink: it is certified all the same. On these rows
/// the best of all 66 lines through two points, by trying each, is the one that is found.
#[test]
fn least_absolute_deviations_stand_on_a_kink() {
    let rows: Vec<(f64, f64)> = (0..12)
        .map(|k| 1e3 * libm::pow(2.5, f64::from(k)))
        .enumerate()
        .map(|(k, x)| (x, (2.0 + 8.0 * libm::pow(x, -0.15)) * (1.0 + 0.003 * libm::sin(7.3 * k as f64))))
        .collect();
    let logs: Vec<(f64, f64)> = rows.iter().map(|(x, y)| (libm::log(*x), libm::log(*y))).collect();
    let mut best = f64::INFINITY;
    for (i, a) in logs.iter().enumerate() {
        for b in &logs[..i] {
            let slope = (a.1 - b.1) / (a.0 - b.0);
            best = best.min(logs.iter().map(|(x, y)| (y - a.1 - slope * (x - a.0)).abs()).sum());
        }
    }
    // Evenly spaced and rounded, as read off a figure: signs nearly cancel, and the objective is almost flat beside its kink.
    let round = |x: f64| format!("{x:.3e}").parse::<f64>().unwrap();
    let even = (0..12).map(|k| libm::pow(10.0, 3.0 + 0.4 * f64::from(k)));
    let read = even.map(|x| (round(x), round(2.0 + 8.0 * libm::pow(x, -0.15)))).collect::<Vec<_>>();
    let spec = FitScaling {
        objective: Some("log:lad".parse().unwrap()),
        bootstrap: 100,
        ..FitScaling::of(Form::Power, "x", "y")
    };
    assert!(fit(&Points::of("x", "y", read), &spec).unwrap().certificate.converged);
    for (form, objective) in [(Form::Power, "log:lad"), (Form::LogLinear, "linear:lad"), (Form::PowerOffset, "log:lad")]
    {
        let spec = FitScaling {
            objective: Some(objective.parse().unwrap()),
            bootstrap: 100,
            ..FitScaling::of(form, "x", "y")
        };
        for scale in [1.0, 1e-30, 1e30] {
            let points = Points::of("x", "y", rows.iter().map(|(x, y)| (*x, scale * y)));
            let fit = fit(&points, &spec).unwrap_or_else(|error| panic!("{form} times {scale}: {error}"));
            if form == Form::Power {
                assert!((fit.loss / best - 1.0).abs() < 1e-6, "{} against {best}", fit.loss);
            }
        }
    }
}
