//! A run counted by groups, and a ledger that is only looked at.

use std::{collections::BTreeMap, time::Duration};

use isoflop_contract::{Digest, Failure, FailureClass};
use isoflop_ledger::{AttemptOutcome, Ending, Ledger, LedgerError, Place, Purpose, RunState, Saved};

use crate::{run_on_threads, support::*};

#[test]
fn a_run_is_counted_by_groups_and_read_a_stretch_at_a_time() {
    run_on_threads(async {
        let home = Home::new();
        let ledger = Ledger::open(Place::Private(home.server())).await.unwrap();
        let data = task("data", &recipe("groups data", &[]));
        let cell = |n: u32| task(&format!("train[size={n}]"), &recipe(&format!("groups {n}"), &[("data", data.key)]));
        let cells: Vec<_> = (0..4).map(cell).collect();
        // Of another group, though its name begins alike.
        let other = task("trained", &recipe("groups trained", &[]));
        let tasks: Vec<_> = [data.clone()].into_iter().chain(cells.clone()).chain([other]).collect();
        let run = ledger.begin_run(&head("groups", tasks)).await.unwrap().id;
        let before = ledger.extent().await.unwrap();
        carry_out(&ledger, run, data.key, "data", &made("groups data")).await;
        assert!(ledger.extent().await.unwrap() > before);
        carry_out(&ledger, run, cells[0].key, &cells[0].name, &made("groups 0")).await;
        let ending = |outcome| Ending { outcome, metrics: vec![], seconds: 0.5, saved: Saved::default() };
        let diverged = ending(AttemptOutcome::Diverged {
            reason: "loss is not finite".into(),
            trace: Digest::of("groups diverged"),
        });
        carry_out(&ledger, run, cells[1].key, &cells[1].name, &diverged).await;
        let failed =
            ending(AttemptOutcome::Failed(Failure { class: FailureClass::Crashed, message: "<b>no luck</b>".into() }));
        carry_out(&ledger, run, cells[2].key, &cells[2].name, &failed).await;

        let groups = ledger.run_groups(run).await.unwrap();
        let told: Vec<_> = groups.iter().map(|group| (group.group.as_str(), group.tasks)).collect();
        assert_eq!(told, [("data", 1), ("train", 4), ("trained", 1)]);
        let count = |outcome: &str| (outcome.to_owned(), 1);
        assert_eq!(groups[1].outcomes, BTreeMap::from([count("made"), count("diverged"), count("failed")]));
        assert!((groups[1].seconds - 1.25).abs() < 1e-9 && groups[1].kind == "train-denoiser", "{:?}", groups[1]);

        let names = |tasks: Vec<isoflop_ledger::view::TaskView>| tasks.into_iter().map(|t| t.name).collect::<Vec<_>>();
        assert_eq!(names(ledger.group_tasks(run, "train", 1, 2).await.unwrap()), ["train[size=1]", "train[size=2]"]);
        assert_eq!(names(ledger.group_tasks(run, "trai", 0, 9).await.unwrap()), [""; 0]);
        assert_eq!(names(ledger.run_troubles(run, 9).await.unwrap()), ["train[size=2]", "train[size=1]"]);
        assert_eq!(ledger.run_troubles(run, 1).await.unwrap()[0].reason.as_deref(), Some("<b>no luck</b>"));

        // A key is called as the latest attempt at it was, else as in the plan that had it first.
        let named = |named: Option<(String, String, _)>| named.map(|(task, study, _)| (task, study));
        let expected = |task: &str| Some((task.to_owned(), "groups".to_owned()));
        assert_eq!(named(ledger.task_of(&cells[0].key).await.unwrap()), expected("train[size=0]"));
        assert_eq!(named(ledger.task_of(&cells[3].key).await.unwrap()), expected("train[size=3]"));
        assert_eq!(ledger.task_of(&task("x", &recipe("nobody's", &[])).key).await.unwrap(), None);

        ledger.end_run(run, RunState::Failed).await.unwrap();
        let second = ledger.begin_run(&head("groups", vec![data.clone()])).await.unwrap().id;
        let third = ledger.begin_run(&head("another", vec![data.clone()])).await.unwrap().id;
        let latest: Vec<_> = ledger.studies().await.unwrap().into_iter().map(|run| (run.study, run.id)).collect();
        assert_eq!(latest, [("another".to_owned(), third), ("groups".to_owned(), second)]);
    });
}

#[test]
fn a_ledger_that_is_looked_at_is_not_written() {
    run_on_threads(async {
        let home = Home::new();
        home.server().ensure().unwrap();
        let place = || Place::Private(home.server());
        let patience = Duration::from_millis(300);
        assert!(Ledger::look_for(place(), patience).await.unwrap().is_none(), "nothing was recorded yet");
        let ledger = Ledger::open(place()).await.unwrap();
        let (run, key) = begun(&ledger, "looked at").await;

        let look = Ledger::look_for(place(), patience).await.unwrap().expect("something is recorded now");
        look.demand_current().await.unwrap();
        assert_eq!(look.run("latest").await.unwrap().id, run);
        let refused = look.claim(run, key, Purpose::Make).await.unwrap_err().to_string();
        assert!(refused.contains("read-only transaction"), "{refused}");
        let refused = look.end_run(run, RunState::Done).await.unwrap_err().to_string();
        assert!(refused.contains("read-only transaction"), "{refused}");

        // Tables of an older version are named as such: whoever looks cannot bring them up to date.
        let tables = tables(&home.server()).await;
        let say = async |statement: &'static str| sqlx::query(statement).execute(&tables).await.unwrap();
        say("update _sqlx_migrations set version = version + 1000 where version = (select max(version) from _sqlx_migrations)").await;
        assert!(matches!(look.demand_current().await, Err(LedgerError::Newer { .. })));
        say("delete from _sqlx_migrations where version > 1000").await;
        let older = look.demand_current().await.unwrap_err();
        assert!(matches!(older, LedgerError::Older { .. }) && older.to_string().contains("isoflop runs"), "{older}");
    });
}

#[test]
fn who_looks_at_a_shared_server_that_is_gone_is_told_soon_and_sees_it_come_back() {
    run_on_threads(async {
        let home = Home::new();
        let url = home.server().ensure().unwrap();
        Ledger::open(Place::Url(url.clone())).await.unwrap();
        let look = Ledger::look_for(Place::Url(url), Duration::from_millis(300)).await.unwrap().unwrap();
        home.server().stop().unwrap();
        let began = std::time::Instant::now();
        let gone = look.runs_of(&[], 1).await.unwrap_err();
        assert!(matches!(gone, LedgerError::Unreachable { .. }), "{gone}");
        assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
        home.server().ensure().unwrap();
        assert!(look.runs_of(&[], 1).await.unwrap().is_empty());
    });
}
