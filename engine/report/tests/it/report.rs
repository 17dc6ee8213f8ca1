//! The page as a whole: bytes, safety, and that what was asked for is there.

use std::collections::BTreeMap;

use crate::synthetic;
use isoflop_contract::{Cell, Cost, Key};
use isoflop_plan::{Claim, Origin};
use isoflop_report::{
    Facts, Judged, Picture, State, StudyFacts, TaskFacts, Width, base64, claims::judge_all, figures, fit::Fit,
    page::page, to_csv, to_svg,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

fn page_of(facts: &Facts, claims: &[Judged]) -> String {
    page(facts, claims, BTreeMap::from([("train[size=xs,seed=0]", r#"{"kind":"train-denoiser"}"#)]))
}

#[test]
fn same_facts_same_bytes() {
    let render = || {
        let facts = synthetic::facts();
        page_of(&facts, &judge_all(&synthetic::claims(), &facts))
    };
    assert_eq!(render(), render());
}

#[test]
fn the_page_stands_alone() {
    let facts = synthetic::facts();
    let html = page_of(&facts, &judge_all(&synthetic::claims(), &facts));
    assert_eq!(html.matches("<script").count(), 1, "one script, ours");
    assert!(!html.contains("javascript:") && !html.contains("@import"));
    // The policy names the script by its digest, so a browser runs no other.
    let script = html.split_once("<script>").and_then(|(_, rest)| rest.split_once("</script>")).unwrap().0;
    let digest = base64::encode(&Sha256::digest(script.as_bytes()));
    assert!(html.contains(&format!("script-src 'sha256-{digest}'")), "the script's digest is {digest}");
    assert!(html.contains("default-src 'none'"));
    let addresses = html.split(['"', '\'', '(', ')']).filter(|part| part.contains("://"));
    assert_eq!(addresses.collect::<Vec<_>>(), Vec::<&str>::new(), "the page reaches out");
    for id in html.match_indices("href=\"#").map(|(at, _)| html[at + 7..].split('"').next().unwrap()) {
        assert!(html.contains(&format!("id=\"{id}\"")), "nothing has the id {id}");
    }
    let ids: Vec<&str> =
        html.match_indices(" id=\"").map(|(at, _)| html[at + 5..].split('"').next().unwrap()).collect();
    let distinct: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(ids.len(), distinct.len(), "two elements have one id");
    let text: String = html.split("base64,").map(|part| part.split_once('"').map_or(part, |(_, rest)| rest)).collect();
    assert!(!text.contains("NaN") && !text.contains("inf "), "a number that is none reached the page");
}

#[test]
fn every_section_is_there_and_told_by_facts_alone() {
    let html = page_of(&synthetic::facts(), &[]);
    for expected in [
        "Alignment against training compute",
        "Held-out loss against training compute",
        "train: held-out loss",
        "eval.scores: alignment by category",
        "data:image/png;base64,iVBORw0KGgo",
        "accuracy of vqa on real images: 0.941",
        "exponent α = 0.102 [0.0890, 0.121]",
        "How far to trust",
        "Held out: predicted against measured",
        "seed (repetitions): 0, 1",
        "studies/quickstart/study.yaml:49",
        "199 TFLOP",
        "train[size=l,seed=1] diverged",
        "{&quot;kind&quot;:&quot;train-denoiser&quot;}",
        "prefers-color-scheme:dark",
    ] {
        assert!(html.contains(expected), "the page lacks {expected:?}");
    }
    assert!(!html.contains("id=\"claims\""), "there is nothing to say about claims");
    assert!(!html.contains("alpha by category"), "an interval was taken for categories");
}

/// Every text that a study, a worker or a file could choose.
#[test]
fn hostile_texts_stay_texts() {
    let evil = "\"><script>alert('x')</script>&\u{1}\n]]>";
    let cell = Cell::new([(evil.to_owned(), evil.into()), ("seed".to_owned(), 1.into())]);
    let mut task = TaskFacts::new(format!("{evil}{cell}"), evil, evil, Key::of_text("a"));
    task.cell = cell;
    task.state = State::Made;
    task.message = Some(evil.into());
    task.made_in = Some(evil.into());
    task.made_at = Some(evil.into());
    task.origin = evil.into();
    task.cost = Cost::training(10, 10, 1, 1);
    task.needs = vec![evil.into(), task.name.clone()];
    task.scalars =
        [evil.to_owned(), format!("{evil}_a"), format!("{evil}_b"), "alignment".into()].map(|name| (name, 0.5)).into();
    task.series = BTreeMap::from([(evil.to_owned(), vec![(0, 1.0), (1, f64::NAN), (2, f64::INFINITY)])]);
    let mut failed = TaskFacts { state: State::Failed, ..task.clone() };
    failed.name.push('2');
    let name = task.name.clone();
    let fit = json!({
        "form": evil, "formula": format!("{evil}^({evil})"), "x": evil, "y": evil, "params": {evil: 1.0}, "warnings": [evil],
        "points": [{"label": evil, "x": 1, "y": 2}, {"label": task.cell.label(), "x": 1, "y": 2, "dropped": evil}],
        "curve": [{"x": 1, "y": 1}, {"x": 2, "y": 1e300}], evil: evil, "nested": {evil: [{evil: evil}]},
    });
    let facts = Facts {
        study: StudyFacts {
            name: evil.into(),
            about: evil.into(),
            file: evil.into(),
            profile: Some(evil.into()),
            params: BTreeMap::from([(evil.into(), evil.into())]),
            seed: 1,
        },
        run: Some(isoflop_report::RunFacts {
            id: evil.into(),
            started: evil.into(),
            ended: Some(evil.into()),
            engine: evil.into(),
            commit: Some(evil.into()),
            host: evil.into(),
            cpu: evil.into(),
            os: evil.into(),
            ..Default::default()
        }),
        images: BTreeMap::from([(name.clone(), Picture { png: evil.into(), captions: vec![evil.into()] })]),
        fits: BTreeMap::from([(name.clone(), fit), (failed.name.clone(), json!({"form": {"a": evil}, "x": []}))]),
        tasks: vec![task, failed],
    };
    let claim = Claim {
        name: evil.into(),
        says: evil.into(),
        source: Some(evil.into()),
        check: evil.into(),
        origin: Origin { file: evil.into(), line: 1, column: 1 },
    };
    let html = page(&facts, &judge_all(&[claim], &facts), BTreeMap::from([(name.as_str(), evil)]));
    assert_eq!(html.matches("<script").count(), 1, "a script came in");
    assert!(!html.contains("alert('x')"), "a quote went through");
    assert!(!html.contains('\u{1}'));
    assert!(html.contains("The preview is not a PNG image"));
    assert!(html.contains("in fit.json is a map, where a text belongs"));
}

#[test]
fn a_study_that_was_never_run_has_a_page() {
    let html = page_of(&Facts::default(), &[]);
    assert!(html.contains("This study has not been run."));
    let waiting = Facts {
        tasks: vec![TaskFacts::new("train", "train", "train-denoiser", Key::of_text("t"))],
        ..Facts::default()
    };
    assert!(page_of(&waiting, &[]).contains("1 not run"));
}

#[test]
fn a_law_is_drawn_with_what_it_did_and_did_not_see() {
    let facts = synthetic::facts();
    let index = facts.index();
    let fit = Fit::read(&facts.fits["law"]).unwrap();
    let figure = figures::law(&index, index.task("law").unwrap(), &fit, "law");
    let names: Vec<&str> = figure.panels[0].series.iter().map(|series| series.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "90\u{202f}% band",
            "law, extrapolated",
            "law",
            "law, extrapolated",
            "xs, each",
            "xs",
            "s, each",
            "s",
            "m, each",
            "m",
            "l, dropped",
            "l",
            "xl, each",
            "xl",
            "xxl, held out, each",
            "xxl, held out"
        ]
    );
    // The law is whole: each part begins where the one before ends.
    let part = |i: usize| &figure.panels[0].series[i].points;
    assert_eq!((part(1).last(), part(2).last()), (part(2).first(), part(3).first()));
    let mean = &figure.panels[0].series[5].points[0];
    assert!(mean.low.unwrap() < mean.y && mean.y < mean.high.unwrap());
    assert_eq!(figure.panels[0].rules[0].label, "accuracy of vqa on real images: 0.941");
    let csv = to_csv(&figure);
    assert!(
        csv.starts_with("series,label,training compute (FLOP),alignment,lower,upper,left,right\n"),
        "{}",
        &csv[..80]
    );
    assert_eq!(csv.lines().count(), 1 + 81 + 83 + 5 * 3 + 2 + 1);
    assert!(to_svg(&figure, Width::Double).contains("clip-law"));
}

#[test]
fn a_large_study_is_drawn_in_seconds() {
    let mut facts = Facts::default();
    let mut points = Vec::new();
    for i in 0..5000u32 {
        let cell = Cell::new([("width".to_owned(), i.into())]);
        let mut task =
            TaskFacts::new(format!("train{cell}"), "train", "train-denoiser", Key::of_text(&cell.to_string()));
        task.cost = Cost::training(u64::from(i) + 1, 100, 8, 10);
        task.state = State::Made;
        points.push(json!({"label": cell.label(), "x": f64::from(i) + 1.0, "y": 1.0}));
        task.cell = cell;
        facts.tasks.push(task);
    }
    let mut law = TaskFacts::new("law", "law", "fit-scaling", Key::of_text("law"));
    law.needs = facts.tasks.iter().map(|task| task.name.clone()).collect();
    facts.tasks.push(law);
    facts.fits.insert("law".into(), json!({"points": points}));
    let started = std::time::Instant::now();
    let html = page_of(&facts, &[]);
    assert!(started.elapsed().as_secs() < 10, "it took {:?}", started.elapsed());
    assert!(html.len() < 12 << 20, "the page has {} bytes", html.len());
}
