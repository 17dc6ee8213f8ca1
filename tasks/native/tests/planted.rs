//! Laws planted in points, with noise of known size: what comes back, and how often intervals cover it.

use std::collections::BTreeMap;

use isoflop_contract::Seed;
use isoflop_kinds::fit::{Counting, Ends, FitScaling, Form, Holdout, Noise as Known, Parameter, Resample, Then};
use isoflop_native::fit::{Fit, FitError, Means, Points, Quantity, Wish, Written, fit, suggest};

/// Nearly normal noise from sums of uniform numbers, so that no library decides what is planted.
struct Noise(Seed);

impl Noise {
    fn of(seed: u64) -> Self {
        Self(Seed::from_number(seed))
    }

    fn next(&mut self) -> f64 {
        let uniform = |k: u64| self.0.stream("noise", k).get() as f64 / (1_u64 << 53) as f64;
        let sum: f64 = (0..12).map(uniform).sum();
        self.0 = self.0.stream("next", 0);
        sum - 6.0
    }
}

fn made(points: &Points, spec: &FitScaling) -> Result<Fit, FitError> {
    fit(points, spec, &Means::default()).map(|made| made.fit)
}

fn asked(form: Form) -> FitScaling {
    FitScaling { bootstrap: 100, ..FitScaling::of(form, "x", "y") }
}

fn surface() -> FitScaling {
    let spec = FitScaling::surface(Form::Chinchilla, &[("N", "n"), ("D", "d")], "y");
    FitScaling { bootstrap: 100, counting: Some(Counting::Total), ..spec }
}

fn on_a_grid(law: &Written, mut noise: impl FnMut() -> f64) -> Points {
    let place = |k: u32| (1e7 * 4_f64.powi((k / 6).cast_signed()), 1e9 * 4_f64.powi((k % 6).cast_signed()));
    Points::table(
        &["n", "d", "y"],
        (0..36)
            .map(|k| {
                let (n, d) = place(k);
                [n, d, law.at(&[n, d]) * (1.0 + noise())]
            })
            .collect::<Vec<_>>(),
    )
}

/// F7: noise-free surfaces come back, and on noisy ones no general search from 200 starts ends lower than variable projection.
#[test]
fn planted_surfaces_come_back() {
    let squares = FitScaling { objective: Some("linear:squared".parse().unwrap()), ..surface() };
    for parameters in
        [[1.69, 400.0, 400.0, 0.31, 0.31], [1.69, 406.4, 410.7, 0.34, 0.28], [1.69, 406.4, 410.7, 0.465, 0.155]]
    {
        let law = Written::of(Form::Chinchilla, &parameters);
        let fit = made(&on_a_grid(&law, || 0.0), &squares).unwrap();
        for (name, expected) in Form::Chinchilla.parameters().iter().zip(parameters) {
            let found = fit.params[name].value;
            assert!((found / expected - 1.0).abs() < 1e-8, "{name}: {found} against {expected}");
        }
        assert!(fit.certificate.converged, "{:?}", fit.certificate);
    }
    for seed in 0..3 {
        let mut noise = Noise::of(seed);
        let law = Written::of(Form::Chinchilla, &[1.69, 406.4, 410.7, 0.34, 0.28]);
        let points = on_a_grid(&law, || 0.01 * noise.next());
        let own = made(&points, &squares).unwrap();
        // A search by BFGS in all five parameters, from a grid of 200 starts.
        let grid = BTreeMap::from([
            ("E".to_owned(), vec![0.5, 1.5]),
            ("A".to_owned(), vec![10.0, 1e3]),
            ("B".to_owned(), vec![10.0, 1e3]),
            ("alpha".to_owned(), vec![0.1, 0.2, 0.3, 0.4, 0.6]),
            ("beta".to_owned(), vec![0.1, 0.2, 0.3, 0.4, 0.6]),
        ]);
        let general = made(&points, &FitScaling { grid, ..squares.clone() }).unwrap();
        assert_eq!(general.certificate.starts, 200);
        assert!(own.loss <= general.loss * (1.0 + 1e-10), "{} above {}", own.loss, general.loss);
    }
}

/// F8: where a law is nearly linear, bootstrap, Wald and profile agree.
#[test]
fn intervals_agree_where_a_law_is_nearly_linear() {
    let mut noise = Noise::of(11);
    let rows: Vec<(f64, f64)> = (0..120)
        .map(|k| 1e3 * libm::exp(0.08 * f64::from(k)))
        .map(|x| (x, 3.0 * libm::pow(x, -0.1) * libm::exp(0.02 * noise.next())))
        .collect();
    let fit = made(&Points::of("x", "y", rows), &FitScaling { bootstrap: 2000, ..asked(Form::Power) }).unwrap();
    let p = fit.params["p"];
    let (low, high) = p.profile.unwrap();
    let (wald, sandwich) = (p.wald.unwrap(), p.sandwich.unwrap());
    let by_profile = (high.unwrap() - low.unwrap()) / (2.0 * 1.658);
    for (other, what) in [(sandwich, "sandwich"), (p.stderr, "bootstrap"), (by_profile, "profile")] {
        assert!((other / wald - 1.0).abs() < 0.12, "{what}: {other} against {wald}");
    }
}

/// F17: a sigmoid on top of a law: the chain's interval covers, the first one's errors included.
#[test]
fn errors_of_the_first_law_are_carried_into_the_second() {
    let (loss, score) =
        (Written::of(Form::Power, &[6.0, -0.05]), |loss: f64| 0.25 + 0.5 / (1.0 + libm::exp(-(12.0 - 5.0 * loss))));
    let target = BTreeMap::from([("x".to_owned(), 3e10)]);
    let truth = score(loss.at(&[3e10]));
    let (mut covered, mut alone, mut wider, studies) = (0, 0, 0, 400);
    for study in 0..studies {
        let mut noise = Noise::of(500 + study);
        let rows: Vec<[f64; 3]> = (0..24)
            .map(|k| {
                let x = 1e4 * libm::exp(0.5 * f64::from(k));
                let clean = loss.at(&[x]);
                let seen = clean * libm::exp(0.01 * noise.next());
                [x, seen, score(seen) + 0.0005 * noise.next()]
            })
            .collect();
        let spec = FitScaling {
            then: Some(Then::sigmoid("score", Ends { lo: Some(0.25), hi: None })),
            targets: vec![target.clone()],
            bootstrap: 200,
            ..asked(Form::Power)
        };
        let fit = made(&Points::table(&["x", "y", "score"], rows), &spec).unwrap();
        let chained = fit.targets[0].then.unwrap();
        covered += i32::from(chained.lower <= truth && truth <= chained.upper);
        // What the first law's errors add is in the interval, and without them it would be too short.
        let width = chained.upper - chained.lower;
        wider += i32::from(width > 1.1 * (chained.second_alone_upper - chained.second_alone_lower));
        alone += i32::from(chained.second_alone_lower <= truth && truth <= chained.second_alone_upper);
        assert_eq!(fit.then.as_ref().unwrap().params["lo"].value.to_bits(), 0.25_f64.to_bits());
    }
    println!("chains cover {covered} of {studies}, {wider} {alone}");
    assert!((340..=380).contains(&covered), "85 to 95 in 100: chains cover {covered} of {studies}");
    assert!(wider > 280 && alone <= covered, "{wider} are wider; the second law alone covers {alone}, both {covered}");
}

/// F17: a parameter on its bound is said to be.
#[test]
fn an_end_on_its_bound_is_reported() {
    let rows = (0..20).map(|k| {
        let x = 10.0 * libm::exp(0.4 * f64::from(k));
        (x, 1.0 / (1.0 + libm::exp(-(-4.0 + 1.1 * libm::log(x)))))
    });
    let fit = made(&Points::of("x", "y", rows), &asked(Form::Sigmoid)).unwrap();
    assert_eq!(fit.certificate.on_bound, ["lo", "hi"], "{}", fit.formula);
    assert!((fit.params["b"].value - 1.1).abs() < 1e-4, "{}", fit.formula);
    assert!(fit.warnings.iter().any(|warning| warning.starts_with("`hi` is on its bound")), "{:?}", fit.warnings);
}

/// F18: held-out error ranks the forms, the planted one first, and a law that leaves [0, 1] is flagged.
#[test]
fn bounded_scores_are_compared_by_what_they_foretell() {
    let mut planted = BTreeMap::new();
    for (form, parameters) in [
        (Form::ErrorPower, vec![3.0, 0.11]),
        (Form::Logit, vec![-6.0, 0.3]),
        (Form::LogLinear, vec![-0.2, 0.035]),
        (Form::FreeCeiling, vec![0.8, 30.0, 0.4]),
    ] {
        let mut noise = Noise::of(7);
        let law = Written::of(form, &parameters);
        let rows: Vec<(f64, f64)> = (0..30)
            .map(|k| 1e5 * libm::exp(0.45 * f64::from(k)))
            .map(|x| (x, law.at(&[x]) + 2e-4 * noise.next()))
            .collect();
        let spec = FitScaling { holdout: Some(Holdout::factor(8.0)), ..asked(Form::Power) };
        let fit = made(&Points::of("x", "y", rows), &spec).unwrap();
        let best = &fit.alternatives[0];
        // A ceiling far away is a straight line in ln x.
        let nested = form == Form::LogLinear && best.form == Form::FreeCeiling;
        assert!(best.form == form || nested, "{:?}", fit.alternatives);
        let errors: Vec<f64> =
            fit.alternatives.iter().map(|other| other.holdout.as_ref().unwrap().mean_abs_error).collect();
        assert!(errors.is_sorted(), "{errors:?}");
        assert!(errors[0] < 0.3 * fit.holdout.as_ref().unwrap().mean_abs_error, "a power law foretells worse");
        planted.insert(form, fit);
    }
    let leaves = |fit: &Fit| fit.warnings.iter().any(|warning| warning.starts_with("the law leaves [0, 1]"));
    assert!(leaves(&planted[&Form::ErrorPower]) && leaves(&planted[&Form::Logit]), "power laws have no ceiling");
    assert!(!leaves(&planted[&Form::LogLinear]), "0.96 at a hundred times the largest x");
    let line = planted[&Form::ErrorPower].alternatives.iter().find(|other| other.form == Form::LogLinear).unwrap();
    assert_eq!(line.leaves_range, Some(true));
    let logit = planted[&Form::ErrorPower].alternatives.iter().find(|other| other.form == Form::Logit).unwrap();
    assert_eq!(logit.leaves_range, Some(false));
}

/// F19: the laws of Li et al. 2024 (arXiv 2404.02883, figure 11) come back from points of them; the exponent 0.11 as printed cannot be right,
/// for a score, and is flagged.
#[test]
fn the_laws_of_the_paper_in_its_units() {
    let sizes = [424.0, 849.0, 1320.0, 2090.0, 2392.0, 3400.0, 4070.0];
    let computes = [1e11, 2e11, 4e11, 6e11, 8e11, 1e12, 1.46e12];
    let pairs = [1.8e3, 2.2e3, 3.2e3, 7.3e3];
    for (c, p, at) in [(0.47, 0.02, &computes[..]), (0.77, 0.011, &sizes[..]), (0.64, 0.03, &pairs[..])] {
        let law = Written::of(Form::Power, &[c, p]);
        let points = Points::of("x", "y", at.iter().map(|x| (*x, law.at(&[*x]))));
        let fit = made(&points, &FitScaling { range: Some([0.0, 1.0]), ..asked(Form::Power) }).unwrap();
        for (name, expected) in [("c", c), ("p", p)] {
            assert!((fit.params[name].value / expected - 1.0).abs() < 1e-9, "{}", fit.formula);
        }
        // Never without forms that cannot leave [0, 1].
        for form in [Form::ErrorPower, Form::Logit] {
            assert!(fit.alternatives.iter().any(|other| other.form == form));
        }
        assert!(!fit.warnings.iter().any(|warning| warning.contains("on the points themselves")), "{:?}", fit.warnings);
    }
    let printed = Written::of(Form::Power, &[0.77, 0.11]);
    let points = Points::of("x", "y", sizes.iter().map(|x| (*x, printed.at(&[*x]))));
    let fit = made(&points, &FitScaling { range: Some([0.0, 1.0]), ..asked(Form::Power) }).unwrap();
    let told = "the law leaves [0, 1] on the points themselves: `y` = 1.498 at `x` = 424";
    assert!(fit.warnings.iter().any(|warning| warning == told), "{:?}", fit.warnings);
}

/// F27: what cannot be fitted is refused in a sentence that names row and column.
#[test]
fn refusals_name_rows_and_columns() {
    let said = |points: &Points, spec: &FitScaling| made(points, spec).unwrap_err().to_string();
    let few = Points::table(&["n", "d", "y"], (1..6).map(|k| [1e6 * f64::from(k), 1e9 * f64::from(k * k), 3.0]));
    assert_eq!(
        said(&few, &surface()),
        "form chinchilla needs points at 6 different values of `compute` at least, and 5 can be used"
    );
    let flat = Points::table(&["n", "d", "y"], (1..12).map(|k| [1e6, 1e9 * f64::from(k), 3.0 - 0.1 * f64::from(k)]));
    assert_eq!(
        said(&flat, &surface()),
        "column `n` is constant: 1000000 in every usable row, so there is nothing to fit"
    );
    let mut broken = Points::of("x", "y", (1..5).map(|k| (f64::from(k), 1.0 / f64::from(k))));
    broken.rows[1].numbers.insert("y".into(), f64::NAN);
    broken.rows[2].numbers.insert("y".into(), 0.0);
    assert_eq!(
        said(&broken, &asked(Form::Power)),
        "form power needs points at 3 different values of `x` at least, and 2 can be used; row 2: `y` is NaN; \
         row 3: `y` is 0, and its logarithm needs a positive value"
    );
    let spec = FitScaling { then: Some(Then::sigmoid("y", Ends::default())), ..asked(Form::Power) };
    assert_eq!(said(&broken, &spec), "`then.y` must not be y: the second law foretells something else");
}

/// F8: where a law bends hard in its parameters and points are noisy, profiles cover as they say and Wald's intervals do not.
#[test]
fn profiles_cover_where_wald_does_not() {
    let (studies, truth) = (100, 0.35);
    let law = Written::of(Form::PowerOffset, &[1.0, 3.0, truth]);
    let (mut by_profile, mut by_wald) = (0, 0);
    for study in 0..studies {
        let mut noise = Noise::of(9000 + study);
        let rows: Vec<(f64, f64)> =
            (0..20).map(|k| libm::exp(0.2 * f64::from(k))).map(|x| (x, law.at(&[x]) + 0.25 * noise.next())).collect();
        let fit = made(&Points::of("x", "y", rows), &asked(Form::PowerOffset)).unwrap();
        let p = fit.params["p"];
        let inside = |low: f64, high: f64| i32::from(low <= truth && truth <= high);
        if let Some((low, high)) = p.profile {
            by_profile += inside(low.unwrap_or(f64::NEG_INFINITY), high.unwrap_or(f64::INFINITY));
        } else {
            by_profile += 1;
        }
        by_wald += p.wald_interval.map_or(0, |(low, high)| inside(low, high));
    }
    println!("profile covers {by_profile}, wald {by_wald} of {studies}");
    assert!((85..=95).contains(&by_profile), "profiles cover {by_profile} of {studies}");
    assert!(by_wald < 85, "Wald's intervals cover {by_wald} of {studies}");
}

/// F20: a planted break lies within its interval, and the law foretells what comes after it.
#[test]
fn a_planted_break_is_found() {
    let law = Written::of(Form::Broken, &[0.2, 3.0, 0.05, 0.35, 2e4, 0.4]);
    let mut noise = Noise::of(21);
    let rows: Vec<(f64, f64)> = (0..60)
        .map(|k| 10.0 * libm::exp(0.25 * f64::from(k)))
        .map(|x| (x, law.at(&[x]) * (1.0 + 0.003 * noise.next())))
        .collect();
    let points = Points::of("x", "y", rows);
    let spec = FitScaling { holdout: Some(Holdout::factor(8.0)), ..asked(Form::Broken) };
    let fit = made(&points, &spec).unwrap();
    let d = fit.params["d"];
    assert!(d.lower < 2e4 && 2e4 < d.upper && d.upper / d.lower < 30.0, "{d:?}");
    let power = made(&points, &FitScaling { holdout: Some(Holdout::factor(8.0)), ..asked(Form::Power) }).unwrap();
    let error = |fit: &Fit| fit.holdout.as_ref().unwrap().mean_abs_error;
    assert!(error(&fit) < 0.02 && error(&fit) < 0.1 * error(&power), "{} {}", error(&fit), error(&power));
}

/// F13: a law that bends once, on points that bend twice: it is at an optimum at either bend, and both are on record with what they foretell.
#[test]
fn both_valleys_are_on_record() {
    let bend = |x: f64, at: f64| libm::pow(1.0 + libm::pow(x / at, 8.0), -0.05);
    let rows: Vec<(f64, f64)> = (0..80)
        .map(|k| libm::exp(0.2 * f64::from(k)))
        .map(|x| (x, 5.0 * bend(x, 30.0) / bend(x, 3e3) * bend(x, 3e5)))
        .collect();
    let fit = made(&Points::of("x", "y", rows), &asked(Form::Broken)).unwrap();
    let places: Vec<f64> =
        std::iter::once(fit.params["d"].value).chain(fit.optima.iter().map(|o| o.params["d"])).collect();
    let other = fit.optima.first().unwrap_or_else(|| panic!("one valley only, {}", fit.formula));
    assert!(other.loss > fit.loss && other.above > 0.0, "{other:?}");
    assert!(places.iter().any(|d| (d / places[0]).ln().abs() > 1.0), "{places:?}");
    let told = fit.curve.last().unwrap().y;
    assert!(other.foretells.len() == 1 && (other.foretells[0] / told - 1.0).abs() > 1e-3, "{told} {other:?}");
}

/// F21: an interaction comes back, and so do formulas of one's own; one that is a built-in law but for its names gives the same bits.
#[test]
fn formulas_are_laws() {
    let law = Written::of(Form::Interaction, &[2.0, -0.1, -0.08, 0.002]);
    let spec = FitScaling { form: Form::Interaction, ..surface() };
    let fit = made(&on_a_grid(&law, || 0.0), &spec).unwrap();
    for (name, expected) in Form::Interaction.parameters().iter().zip(&law.parameters) {
        assert!((fit.params[name].value / expected - 1.0).abs() < 1e-7, "{}", fit.formula);
    }

    let surface_law = Written::of(Form::Chinchilla, &[1.69, 406.4, 410.7, 0.34, 0.28]);
    let mut noise = Noise::of(4);
    let points = on_a_grid(&surface_law, || 0.005 * noise.next());
    let positive = Parameter { min: Some(0.0), ..Parameter::default() };
    let free = Parameter::default();
    let huber = Some("log:huber:1e-3".parse().unwrap());
    let inputs = [("params", "n"), ("tokens", "d")];
    let built_in = made(&points, &FitScaling { objective: huber, ..surface() }).unwrap();
    let same = FitScaling::own(
        "floor + size / params^s + data / tokens^t",
        &[
            ("floor", positive.clone()),
            ("size", positive.clone()),
            ("data", positive.clone()),
            ("s", free.clone()),
            ("t", free.clone()),
        ],
        &inputs,
        "y",
    );
    let own = made(&points, &FitScaling { objective: huber, bootstrap: 100, ..same.clone() }).unwrap();
    let pairs = [("E", "floor"), ("A", "size"), ("B", "data"), ("alpha", "s"), ("beta", "t")];
    for (theirs, ours) in pairs {
        let (theirs, ours) = (built_in.params[theirs], own.params[ours]);
        assert_eq!((theirs.value.to_bits(), theirs.lower.to_bits()), (ours.value.to_bits(), ours.lower.to_bits()));
    }
    assert_eq!(own.loss.to_bits(), built_in.loss.to_bits());

    // Written another way it is solved as it stands, by duals, and comes to the same optimum.
    let range = |min: f64, max: f64| Parameter { min: Some(min), max: Some(max), ..Parameter::default() };
    let other = FitScaling::own(
        "size * exp(-s * ln(params)) + data * tokens^(0 - t) + floor",
        &[
            ("floor", range(0.1, 3.0)),
            ("size", range(1.0, 1e5)),
            ("data", range(1.0, 1e5)),
            ("s", range(0.05, 0.9)),
            ("t", range(0.05, 0.9)),
        ],
        &inputs,
        "y",
    );
    let plain = made(&points, &FitScaling { objective: huber, bootstrap: 100, ..other }).unwrap();
    for (theirs, ours) in pairs {
        let (theirs, ours) = (built_in.params[theirs].value, plain.params[ours].value);
        assert!((theirs / ours - 1.0).abs() < 1e-5, "{theirs} against {ours}");
    }
    let said = made(&points, &FitScaling { formula: None, ..same }).unwrap_err().to_string();
    assert_eq!(said, "`formula` must be given with `form: formula`");
}

/// The law of repeated data, its base law held: both half-lives come back.
#[test]
fn what_repetition_is_worth_comes_back() {
    let base = [1.87, 521.0, 1488.0, 0.353, 0.353];
    let law = Written::of(Form::RepeatedData, &[base[0], base[1], base[2], base[3], base[4], 15.4, 5.3]);
    let rows: Vec<[f64; 4]> = (0..6_u32)
        .flat_map(|i| (0..6_u32).map(move |j| (i, j)))
        .map(|(i, j)| {
            let (n, unique) = (2e7 * libm::pow(3.0, f64::from(i)), 1e8 * libm::pow(4.0, f64::from(j % 3)));
            let d = unique * libm::pow(3.0, f64::from(j));
            [n, d, unique, law.at(&[n, d, unique])]
        })
        .collect();
    let names = ["E", "A", "B", "alpha", "beta"];
    let spec = FitScaling {
        fixed: names.iter().map(|name| (*name).to_owned()).zip(base).collect(),
        ..FitScaling {
            form: Form::RepeatedData,
            inputs: [("N", "n"), ("D", "d"), ("U", "u")].map(|(a, b)| (a.to_owned(), b.to_owned())).into(),
            ..surface()
        }
    };
    let fit = made(&Points::table(&["n", "d", "u", "y"], rows), &spec).unwrap();
    for (name, expected) in [("rd", 15.4), ("rn", 5.3), ("E", 1.87)] {
        assert!((fit.params[name].value / expected - 1.0).abs() < 1e-5, "{}", fit.formula);
    }
}

/// Noise of replicates stands in for drawing rows: the errors agree where the rows are as they should be.
#[test]
fn noise_from_seeds_makes_the_same_errors() {
    let mut noise = Noise::of(8);
    let law = Written::of(Form::Power, &[3.0, -0.1]);
    let rows: Vec<(f64, f64)> = (0..120)
        .map(|k| 1e3 * libm::exp(0.4 * f64::from(k / 4)))
        .map(|x| (x, law.at(&[x]) * libm::exp(0.02 * noise.next())))
        .collect();
    let points = Points::of("x", "y", rows);
    let by = |rule: Option<Known>| {
        let resample = rule.map(|rule| Resample { noise: Some(rule), ..Resample::default() });
        made(&points, &FitScaling { bootstrap: 2000, resample, ..asked(Form::Power) }).unwrap().params["p"].stderr
    };
    let drawn = by(None);
    assert!((by(Some(Known::Replicates)) / drawn - 1.0).abs() < 0.15, "{} {drawn}", by(Some(Known::Replicates)));
    let once = Points::of("x", "y", (1..9).map(|k| (f64::from(k), 1.0 / f64::from(k))));
    let resample = Some(Resample { noise: Some(Known::Replicates), ..Resample::default() });
    let said = made(&once, &FitScaling { resample, ..asked(Form::Power) }).unwrap_err().to_string();
    assert_eq!(said, "`resample.noise` asks for replicates, and no two rows have the same inputs");
}

/// Forms of surfaces are compared by what they foretell, with Akaike's criterion beside.
#[test]
fn surfaces_are_compared_by_what_they_foretell() {
    let mut noise = Noise::of(30);
    let points = on_a_grid(&Written::of(Form::Chinchilla, &[1.69, 406.4, 410.7, 0.34, 0.28]), || 0.002 * noise.next());
    let fit = made(&points, &surface()).unwrap();
    let forms: Vec<Form> = fit.alternatives.iter().map(|other| other.form).collect();
    assert_eq!(forms, [Form::OverTraining, Form::Interaction], "the nearer law foretells better");
    assert!(fit.alternatives.iter().all(|other| other.aicc.unwrap() > fit.aicc.unwrap()), "{:?}", fit.alternatives);
}

/// What is suggested beats a log-uniform grid of as many FLOP: fits with the further runs come closer to the planted exponent.
#[test]
fn suggested_runs_beat_a_grid_of_equal_compute() {
    let law = Written::of(Form::Chinchilla, &[1.69, 406.4, 410.7, 0.34, 0.28]);
    let truth = 0.28 / (0.34 + 0.28);
    let squares = FitScaling { objective: Some("log:squared".parse().unwrap()), ..surface() };
    let budget = 3e20;
    let (mut own, mut grid, mut before, mut foreseen) = (0.0, 0.0, 0.0, 0.0);
    let studies = 24;
    for study in 0..studies {
        let mut noise = Noise::of(7000 + study);
        let mut run = |n: f64, d: f64| [n, d, law.at(&[n, d]) * libm::exp(0.004 * noise.next())];
        let at = |from: f64, k: i32| from * libm::pow(3.0, f64::from(k));
        let first: Vec<[f64; 3]> = (0..16).map(|k| run(at(1e7, k / 4), at(2e8, k % 4))).collect();
        let known = Points::table(&["n", "d", "y"], first.clone());
        let wish = Wish { budget, quantity: Some(Quantity::Named("a".to_owned())), runs: 9 };
        let suggestion = suggest(&known, &squares, &Means::default(), &wish).unwrap();
        assert!(suggestion.compute <= budget && suggestion.runs.len() <= 9 && suggestion.foreseen < suggestion.stderr);
        // A place that is named again is numbered, so that nobody takes it for a slip.
        for (k, run) in suggestion.runs.iter().enumerate() {
            let before = suggestion.runs[..k].iter().filter(|other| other.at == run.at).count();
            assert_eq!(run.again as usize, before + 1);
        }
        assert!(suggestion.ranked.windows(2).all(|pair| pair[0].per_flop >= pair[1].per_flop));
        foreseen += suggestion.foreseen / suggestion.stderr / f64::from(u32::try_from(studies).unwrap());
        let chosen: Vec<[f64; 3]> = suggestion.runs.iter().map(|next| run(next.at["N"], next.at["D"])).collect();
        // Nine runs evenly over the logarithms of the same sizes and data, reaching as far as equal compute lets them.
        let spent = |reach: f64| -> f64 {
            (0..9)
                .map(|k| {
                    6.0 * 1e7
                        * libm::pow(reach, 0.5 * f64::from(k / 3))
                        * 2e8
                        * libm::pow(reach, 0.5 * f64::from(k % 3))
                })
                .sum()
        };
        let (mut low, mut high) = (1.0, 1e6);
        for _ in 0..60 {
            let middle = libm::sqrt(low * high);
            if spent(middle) < budget { low = middle } else { high = middle }
        }
        let even: Vec<[f64; 3]> = (0..9)
            .map(|k| run(1e7 * libm::pow(low, 0.5 * f64::from(k / 3)), 2e8 * libm::pow(low, 0.5 * f64::from(k % 3))))
            .collect();
        let error = |more: &[[f64; 3]]| {
            let rows = first.iter().chain(more).copied().collect::<Vec<_>>();
            let fit = made(&Points::table(&["n", "d", "y"], rows), &squares).unwrap();
            libm::pow(fit.derived["a"].value - truth, 2.0)
        };
        own += error(&chosen);
        grid += error(&even);
        before += error(&[]);
    }
    let root = |sum: f64| libm::sqrt(sum / f64::from(u32::try_from(studies).unwrap()));
    println!(
        "error of a: {} before, {} with a grid, {} as suggested; foreseen {foreseen} of it",
        root(before),
        root(grid),
        root(own)
    );
    assert!(root(own) < 0.85 * root(grid) && root(own) < 0.7 * root(before), "{} against {}", root(own), root(grid));
}
