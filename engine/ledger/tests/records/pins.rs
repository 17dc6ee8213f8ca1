//! Pins and roots.

use isoflop_ledger::{Ledger, Place, PlanTask, Purpose, RunHead, RunState, pin::Pinned, roots::Root};
use serde_json::json;

use crate::{run_on_threads, support::*};

/// A run of these tasks, each of which makes an artifact of its name and study.
async fn made_run(
    ledger: &Ledger,
    study: &str,
    version: u32,
    needs_data: bool,
) -> (isoflop_ledger::RunId, Vec<PlanTask>) {
    made_run_with(ledger, study, None, version, needs_data).await
}

/// The same with this profile.
async fn made_run_with(
    ledger: &Ledger,
    study: &str,
    profile: Option<&str>,
    version: u32,
    needs_data: bool,
) -> (isoflop_ledger::RunId, Vec<PlanTask>) {
    let data = task("data", &recipe(&format!("{study} data {version}"), &[]));
    let needs = if needs_data { vec![("data", data.key)] } else { vec![] };
    let law = task("law", &recipe(&format!("{study} law {version}"), &needs));
    let head = head(study, vec![data.clone(), law.clone()]);
    let head = RunHead { soft: json!({"set": {"params": [], "profile": profile}}), ..head };
    let run = ledger.begin_run(&head).await.unwrap().id;
    for task in [&data, &law] {
        carry_out(ledger, run, task.key, &task.name, &made(&format!("{study} {} {version}", task.name))).await;
    }
    ledger.end_run(run, RunState::Done).await.unwrap();
    (run, vec![data, law])
}

#[test]
fn roots_are_latest_runs_pins_and_what_runs() {
    run_on_threads(async {
        let home = Home::new();
        let ledger = Ledger::open(Place::Private(home.server())).await.unwrap();
        let (old, old_tasks) = made_run(&ledger, "one", 1, true).await;
        let (_, _) = made_run(&ledger, "one", 2, true).await;
        let (new, _) = made_run(&ledger, "one", 3, true).await;
        let (other, _) = made_run(&ledger, "two", 1, true).await;
        let digest = |what: &str| artifact(what).0;

        let roots = ledger.roots(1).await.unwrap();
        assert_eq!(roots.artifacts.len(), 4, "{:?}", roots.artifacts);
        assert_eq!(
            roots.artifacts[&digest("one law 3")],
            Root::Latest { run: new, study: "one".into(), profile: None }
        );
        assert_eq!(
            roots.artifacts[&digest("two data 1")],
            Root::Latest { run: other, study: "two".into(), profile: None }
        );
        assert!(!roots.running && roots.files.is_empty());
        assert_eq!(ledger.roots(2).await.unwrap().artifacts.len(), 6);
        assert_eq!(ledger.roots(0).await.unwrap().artifacts.len(), 0);
        // A trial with a profile takes nobody's place but that of the trial before.
        made_run_with(&ledger, "one", Some("smoke"), 4, true).await;
        let (smoke, _) = made_run_with(&ledger, "one", Some("smoke"), 5, true).await;
        let roots = ledger.roots(1).await.unwrap();
        assert_eq!(roots.artifacts.len(), 6, "{:?}", roots.artifacts);
        assert_eq!(
            roots.artifacts[&digest("one law 5")],
            Root::Latest { run: smoke, study: "one".into(), profile: Some("smoke".into()) }
        );
        assert!(roots.artifacts.contains_key(&digest("one law 3")));

        // A task alone, a task with what it rests on, a run.
        let before = ledger.pulse().await.unwrap();
        let law = old_tasks[1].key;
        ledger.pin(Pinned::Key { key: law, lineage: false }, "law", "one", "for the paper", "me").await.unwrap();
        assert_ne!(ledger.pulse().await.unwrap(), before);
        let held = ledger.roots(0).await.unwrap();
        assert_eq!(held.artifacts.keys().collect::<Vec<_>>(), [&digest("one law 1")]);
        ledger.pin(Pinned::Key { key: law, lineage: true }, "law", "one", "", "me").await.unwrap();
        assert_eq!(ledger.pins().await.unwrap().len(), 1, "pinned once more is pinned once");
        let held = ledger.roots(0).await.unwrap();
        assert_eq!(held.artifacts.len(), 2);
        assert_eq!(held.artifacts[&digest("one data 1")], Root::PinnedTask { task: "law".into(), study: "one".into() });
        assert!(ledger.unpin(Pinned::Key { key: law, lineage: false }).await.unwrap());
        assert!(!ledger.unpin(Pinned::Key { key: law, lineage: false }).await.unwrap());
        ledger.pin(Pinned::Run(old), "run", "one", "", "me").await.unwrap();
        assert_eq!(ledger.roots(0).await.unwrap().artifacts.len(), 2);
        ledger.unpin(Pinned::Run(old)).await.unwrap();

        // A run under way holds what it keeps, however old.
        let mut tasks = old_tasks.clone();
        for task in &mut tasks {
            task.kept = true;
        }
        let open = ledger.begin_run(&head("three", tasks)).await.unwrap().id;
        let held = ledger.roots(0).await.unwrap();
        assert!(
            held.running && matches!(held.artifacts[&digest("one law 1")], Root::Running { run, .. } if run == open)
        );
        let lease = granted(ledger.claim(open, law, Purpose::Witness).await.unwrap());
        ledger.start_attempt(open, &lease, "law", &json!({})).await.unwrap();
        ledger.end_run(open, RunState::Interrupted).await.unwrap();
        assert!(ledger.roots(0).await.unwrap().artifacts.is_empty());
    });
}

#[test]
fn runs_are_picked_as_people_name_them() {
    run_on_threads(async {
        let home = Home::new();
        let ledger = Ledger::open(Place::Private(home.server())).await.unwrap();
        assert!(ledger.runs_of(&[], 5).await.unwrap().is_empty());
        assert!(ledger.pick_run("latest", None).await.is_err());
        let (one, tasks) = made_run(&ledger, "one", 1, false).await;
        let (two, _) = made_run(&ledger, "two", 1, false).await;
        let (three, _) = made_run(&ledger, "one", 2, false).await;
        let ids = |runs: Vec<isoflop_ledger::view::RunView>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
        assert_eq!(ids(ledger.runs_of(&[], 2).await.unwrap()), [three, two]);
        assert_eq!(ids(ledger.runs_of(&["one"], 9).await.unwrap()), [three, one]);
        assert_eq!(
            ids(ledger.runs_of(&["two", "one"], 2).await.unwrap()),
            [three, two],
            "the limit counts what was asked for"
        );
        assert_eq!(ledger.pick_run("latest~1", None).await.unwrap().id, two);
        assert_eq!(ledger.pick_run("latest~1", Some("one")).await.unwrap().id, one);
        assert_eq!(ledger.pick_run(&two.to_string(), None).await.unwrap().id, two);
        assert!(ledger.pick_run("latest~7", None).await.is_err());
        let heads = ledger.heads(&[one]).await.unwrap();
        assert_eq!(heads[&one].0, ledger.events(one).await.unwrap().len() as u64);
        let (digest, _) = artifact("one law 1");
        let found = ledger.artifacts_like(&digest.to_string()[..12]).await.unwrap();
        assert_eq!(found[&digest], [tasks[1].key]);
        assert_eq!(ledger.recipes(&[tasks[0].key]).await.unwrap()[&tasks[0].key], tasks[0].recipe_text);
        assert_eq!(ledger.manifests(&[digest].into()).await.unwrap()[&digest], artifact("one law 1").1);
    });
}
