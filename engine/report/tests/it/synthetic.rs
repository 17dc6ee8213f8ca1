//! A study that never was: six sizes, two seeds, one diverged run, with numbers that look like a real one's.

use std::collections::BTreeMap;

use isoflop_contract::{Cell, Cost, Digest, Key};
use isoflop_plan::{Claim, Origin};
use isoflop_report::{Facts, Picture, RunFacts, State, StudyFacts, TaskFacts, WorkerFacts};
use serde_json::{Value, json};

use crate::noise::noise;

pub const SIZES: [(&str, u64, u64); 6] = [
    ("xs", 68_000, 1_900_000),
    ("s", 148_000, 4_100_000),
    ("m", 310_000, 9_200_000),
    ("l", 702_000, 20_500_000),
    ("xl", 1_490_000, 44_000_000),
    ("xxl", 3_120_000, 93_000_000),
];

fn png(seed: u64, columns: u32, rows: u32) -> Vec<u8> {
    let (width, height) = (columns * 18, rows * 18);
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let tile = u64::from(y / 18 * columns + x / 18);
            let (dx, dy) = (f64::from(x % 18) - 9.0, f64::from(y % 18) - 9.0);
            let gap = x % 18 > 15 || y % 18 > 15;
            let inside = dx * dx + dy * dy < 30.0 + 10.0 * noise(seed * 31 + tile);
            for channel in 0..3u64 {
                let base = if inside { 0.5 + 0.5 * noise(tile * 7 + channel) } else { 0.1 };
                let grain = 0.08 * noise(seed << 20 | u64::from(y * width + x) << 2 | channel);
                pixels.push(if gap { 255 } else { ((base + grain).clamp(0.0, 1.0) * 255.0) as u8 });
            }
        }
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().and_then(|mut w| w.write_image_data(&pixels)).unwrap();
    out
}

fn made(name: &str, group: &str, kind: &str, line: u32, cell: Cell) -> TaskFacts {
    let name = format!("{name}{cell}");
    let worker = WorkerFacts {
        host: "atlas".into(),
        cpu: "AMD EPYC 7B13".into(),
        libtorch: if kind.starts_with("fit") || kind == "make-scenes" { String::new() } else { "2.11.0".into() },
        isa: if kind.starts_with("fit") || kind == "make-scenes" { String::new() } else { "avx2".into() },
        threads: Some(1),
        ..WorkerFacts::default()
    };
    TaskFacts {
        cell,
        state: State::Made,
        digest: Some(Digest::of(&name)),
        worker: Some(worker),
        origin: format!("studies/quickstart/study.yaml:{line}"),
        made_at: Some("2026-11-23T10:14:02Z".into()),
        ..TaskFacts::new(name.clone(), group, kind, Key::of_text(&name))
    }
}

fn cell(size: &str, seed: u64) -> Cell {
    Cell::new([("size".to_owned(), size.into()), ("seed".to_owned(), seed.into())])
}

/// All facts of the study.
pub fn facts() -> Facts {
    let mut tasks = Vec::new();
    let mut images = BTreeMap::new();
    let captions: Vec<String> = (0..16)
        .map(|i| {
            format!(
                "{} {} left of {} squares",
                ["a large", "two small", "three"][i % 3],
                ["red circle", "blue triangles", "green stars"][i / 3 % 3],
                ["two", "three"][i % 2]
            )
        })
        .collect();
    let mut scenes = made("scenes", "scenes", "make-scenes", 14, Cell::default());
    scenes.seconds = Some(1.92);
    scenes.state = State::Kept;
    images.insert("scenes".to_owned(), Picture { png: png(3, 16, 3), captions: captions.clone() });
    tasks.push(scenes);
    let mut vqa = made("vqa", "vqa", "train-vqa", 21, Cell::default());
    vqa.needs = vec!["scenes".into()];
    vqa.seconds = Some(74.0);
    vqa.seed = Some(771);
    vqa.scalars = [
        ("accuracy", 0.941),
        ("accuracy_color", 0.988),
        ("accuracy_counting", 0.913),
        ("accuracy_existence", 0.967),
        ("accuracy_shape", 0.935),
        ("accuracy_spatial", 0.894),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    vqa.series = BTreeMap::from([(
        "heldout_accuracy".to_owned(),
        (0..=16).map(|i| (i * 50, 0.94 - 0.6 * (-(i as f64) / 4.0).exp())).collect(),
    )]);
    tasks.push(vqa);
    let (mut alignment, mut losses) = (Vec::new(), Vec::new());
    for seed in 0..2u64 {
        for (i, (size, params, macs)) in SIZES.into_iter().enumerate() {
            let cost = Cost::training(params, macs, 64, 1500);
            let jitter = noise(seed * 100 + i as u64);
            let final_loss = 0.055 + 2.1 * cost.flops.powf(-0.117) + 0.0015 * jitter;
            let diverged = size == "l" && seed == 1;
            let mut train = made("train", "train", "train-denoiser", 30, cell(size, seed));
            train.needs = vec!["scenes".into()];
            train.cost = cost;
            train.seed = Some(1_000_003 * (seed + 1) + i as u64);
            train.seconds = Some(12.0 + 22.0 * (i as f64).powf(1.8));
            train.scalars = BTreeMap::from([
                ("heldout_loss".to_owned(), final_loss),
                ("params".to_owned(), params as f64),
                ("compute".to_owned(), cost.flops),
            ]);
            let course = |s: u64, n: u64| {
                final_loss
                    + (1.0 - final_loss) * (-(s as f64 / (60.0 + 12.0 * i as f64)).powf(0.62)).exp()
                    + 0.002 * noise(n * 977 + s + seed * 13)
            };
            train
                .series
                .insert("heldout_loss".to_owned(), (0..=30).map(|k| (k * 50, course(k * 50, i as u64))).collect());
            train.series.insert(
                "loss".to_owned(),
                (1..=1500).map(|s| (s, course(s, i as u64) * (1.0 + 0.12 * noise(s * 31 + i as u64)))).collect(),
            );
            if diverged {
                train.state = State::Diverged;
                train.digest = None;
                train.scalars.clear();
                train.message = Some("loss is not finite at step 420".into());
                train.series.values_mut().for_each(|s| s.retain(|(step, _)| *step <= 400));
            }
            let name = train.name.clone();
            tasks.push(train);
            let mut samples = made("eval.samples", "eval.samples", "sample-images", 48, cell(size, seed));
            samples.needs = vec![name, "scenes".into()];
            samples.seconds = Some(6.0 + 3.0 * i as f64);
            let mut scores = made("eval.scores", "eval.scores", "score-alignment", 49, cell(size, seed));
            scores.needs = vec![samples.name.clone(), "scenes".into(), "vqa".into()];
            scores.seconds = Some(1.31);
            let score = 0.90 - 9.2 * cost.flops.powf(-0.102) + 0.012 * jitter;
            scores.scalars = BTreeMap::from([("alignment".to_owned(), score), ("compute".to_owned(), cost.flops)]);
            for (n, (category, shift)) in
                [("color", 0.11), ("counting", -0.13), ("existence", 0.08), ("shape", 0.02), ("spatial", -0.09)]
                    .into_iter()
                    .enumerate()
            {
                scores.scalars.insert(
                    format!("alignment_{category}"),
                    (score + shift + 0.015 * noise(n as u64 * 71 + i as u64 + seed)).min(0.99),
                );
            }
            if diverged {
                for task in [&mut samples, &mut scores] {
                    task.state = State::Blocked;
                    task.digest = None;
                    task.worker = None;
                    task.seconds = None;
                    task.scalars.clear();
                    task.message = Some("train[size=l,seed=1] diverged".into());
                }
            } else {
                images.insert(
                    samples.name.clone(),
                    Picture { png: png(i as u64 + seed, 16, 2), captions: captions.clone() },
                );
            }
            let held_out = size == "xxl";
            let label = scores.cell.label();
            if diverged {
                alignment.push(json!({"label": label, "x": cost.flops, "y": null, "dropped": "diverged"}));
            } else {
                alignment.push(json!({"label": label, "x": cost.flops, "y": score, "fitted": 0.9 - 9.2 * cost.flops.powf(-0.102), "held_out": held_out}));
                losses.push(json!({"label": label, "x": cost.flops, "y": final_loss, "fitted": 0.055 + 2.1 * cost.flops.powf(-0.117), "held_out": held_out}));
            }
            tasks.push(samples);
            tasks.push(scores);
        }
    }
    let names = |group: &str| tasks.iter().filter(|t| t.group == group).map(|t| t.name.clone()).collect::<Vec<_>>();
    let (scores, trains) = (names("eval.scores"), names("train"));
    let mut fits = BTreeMap::new();
    for (name, needs, line, document) in [
        ("law", scores, 61, fit("alignment", &alignment, |x| 0.9 - 9.2 * x.powf(-0.102), 0.02)),
        ("loss_law", trains, 68, fit("heldout_loss", &losses, |x| 0.055 + 2.1 * x.powf(-0.117), 0.003)),
    ] {
        let mut task = made(name, name, "fit-scaling", line, Cell::default());
        task.needs = needs;
        task.seconds = Some(0.41);
        task.seed = Some(99);
        task.scalars = [("alpha", 0.102), ("alpha_lower", 0.089), ("alpha_upper", 0.121), ("r2", 0.981)]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
        tasks.push(task);
        fits.insert(name.to_owned(), document);
    }
    Facts {
        study: StudyFacts {
            name: "quickstart".into(),
            about: "Text-image alignment of small diffusion models rises with training compute along a power law, up to what the judge itself can see.".into(),
            file: "studies/quickstart/study.yaml".into(),
            profile: Some("smoke".into()),
            params: BTreeMap::from([("steps".to_owned(), 1500.into()), ("images".to_owned(), 20000.into()), ("device".to_owned(), "cpu".into())]),
            seed: 17,
        },
        run: Some(RunFacts {
            id: "01936b2e-7c41-7f0a-9d3e-52ab0c71e6f4".into(),
            started: "2026-11-23T10:11:58Z".into(),
            ended: Some("2026-11-23T10:27:31Z".into()),
            seconds: Some(933.0),
            engine: "0.1.0".into(),
            commit: Some("4f1c9e02ab8d77c3e6f0".into()),
            dirty: true,
            host: "atlas".into(),
            cpu: "AMD EPYC 7B13, 8 cores".into(),
            os: "Linux 6.12".into(),
        }),
        tasks,
        images,
        fits,
    }
}

fn fit(y: &str, points: &[Value], law: fn(f64) -> f64, spread: f64) -> Value {
    let curve: Vec<Value> = (0..=80)
        .map(|i| {
            let x = 7e11 * 10f64.powf(f64::from(i) / 80.0 * 2.3);
            let reach = spread * (0.35 + (f64::from(i) / 80.0 - 0.35).abs() * 1.6);
            json!({"x": x, "y": law(x), "lower": law(x) - reach, "upper": law(x) + reach})
        })
        .collect();
    json!({
        "form": "saturating-power",
        "formula": "y = E − A · C^(−α)",
        "x": "compute",
        "y": y,
        "level": 0.9,
        "params": {
            "A": {"value": 9.2, "lower": 6.1, "upper": 14.8, "stderr": 2.4},
            "E": {"value": 0.9, "lower": 0.861, "upper": 0.932, "stderr": 0.021},
            "alpha": {"value": 0.102, "lower": 0.089, "upper": 0.121, "stderr": 0.0093},
        },
        "points": points,
        "curve": curve,
        "n": 9, "loss": 0.000_131_7, "r2": 0.981_24,
        "objective": "squared residuals of y, equal weights",
        "certificate": {"converged": true, "starts": 192, "starts_within_1e-6": 0.984, "gradient": 3.1e-12, "condition": 812.4},
        "holdout": {"points": 2, "mean_abs_error": 0.0081, "max_abs_error": 0.0123, "inside_band": "2 of 2"},
        "alternatives": [
            {"form": "saturating-power", "aic": -81.2, "holdout_error": 0.0081},
            {"form": "power", "aic": -74.9, "holdout_error": 0.0194},
            {"form": "log-linear", "aic": -73.3, "holdout_error": 0.0231},
        ],
        "warnings": ["the largest compute is only 24 times the smallest fitted: the exponent rests on little more than a decade"],
    })
}

/// Claims of the study: one that holds, one that does not, one that meets a diverged run.
pub fn claims() -> Vec<Claim> {
    [
        ("alignment-rises-with-compute", "Alignment rises monotonically with training compute.", "spearman('eval.scores', 'compute', 'alignment', seed=0) > 0.9"),
        ("large-beats-small", "The largest model aligns at least 0.2 better than the smallest.", "mean('eval.scores', 'alignment', size='xxl') - mean('eval.scores', 'alignment', size='xs') >= 0.2"),
        ("counting-is-as-easy-as-colour", "Counting is learned as well as colour.", "mean('eval.scores', 'alignment_counting', size='xxl') >= mean('eval.scores', 'alignment_color', size='xxl')"),
        ("l-beats-m", "Size l aligns better than size m.", "mean('eval.scores', 'alignment', size='l') > mean('eval.scores', 'alignment', size='m')"),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, (name, says, check))| Claim {
        name: name.into(),
        says: says.into(),
        source: Some("Li et al. 2024, section 5".into()),
        check: check.into(),
        origin: Origin { file: "studies/quickstart/study.yaml".into(), line: 80 + 4 * i, column: 12 },
    })
    .collect()
}
