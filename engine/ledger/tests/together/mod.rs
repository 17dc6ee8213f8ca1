//! Many at once, on several machines, by a clock that cannot be trusted.

mod silence;

use std::time::Duration;

use isoflop_contract::{Failure, FailureClass};
use isoflop_ledger::{
    AttemptOutcome, Claim, Ending, Engine, Ledger, LedgerError, Place, PlanTask, Purpose, RunId, RunState, Saved,
    audit::{FindingKind, Reach},
};
use serde_json::json;

use crate::{run_on_threads, support::*};

/// A run of `count` tasks that nobody else has.
async fn many(ledger: &Ledger, what: &str, count: usize) -> (RunId, Vec<PlanTask>) {
    let tasks: Vec<PlanTask> =
        (0..count).map(|n| task(&format!("t{n}"), &recipe(&format!("{what} {n}"), &[]))).collect();
    (ledger.begin_run(&head(what, tasks.clone())).await.unwrap().id, tasks)
}

#[test]
fn many_tasks_share_transactions_and_each_is_recorded_once() {
    run_on_threads(async {
        let ledger = ledger().await;
        let (run, tasks) = many(&ledger, "together", 40).await;
        let each: Vec<_> = tasks
            .iter()
            .cloned()
            .map(|task| {
                let ledger = ledger.clone();
                tokio::spawn(async move {
                    carry_out(&ledger, run, task.key, &task.name, &made(&format!("together {}", task.name))).await;
                    // Whoever was answered finds it there, in whatever transaction it was.
                    assert!(ledger.result(&task.key).await.unwrap().is_some());
                })
            })
            .collect();
        for one in each {
            one.await.unwrap();
        }
        let report = ledger.verify_chain(run).await.unwrap();
        assert_eq!((report.events, report.broken), (81, None), "a beginning and an end each, and that of the run");
        let (transactions, ended): (i64, i64) = sqlx::query_as(
            "select (select count(distinct xmin::text) from events where run = $1),
                    (select count(*) from attempts where run = $1 and outcome = 'made')",
        )
        .bind(run.uuid())
        .fetch_one(&tables(&home().server()).await)
        .await
        .unwrap();
        assert_eq!(ended, 40);
        assert!(transactions < 81, "no two events share a transaction");
        println!("81 events in {transactions} transactions");
    });
}

#[test]
fn what_nobody_waits_for_gathers_until_somebody_does() {
    run_on_threads(async {
        let engine = Engine { group: 12, ..Engine::default() };
        let ledger = Ledger::open_as(Place::Private(home().server()), engine).await.unwrap();
        let (run, tasks) = many(&ledger, "gathered", 13).await;
        let tables = tables(&home().server()).await;
        let claim = |task: &PlanTask| {
            let (ledger, key) = (ledger.clone(), task.key);
            tokio::spawn(async move { granted(ledger.claim(run, key, Purpose::Make).await.unwrap()) })
        };
        ledger.gather(Duration::from_hours(1));
        let mut claims = vec![];
        for task in &tasks[..12] {
            claims.push(claim(task));
            // Who would not wait is in a transaction of its own by now.
            ledger.run_tasks(run).await.unwrap();
        }
        for claim in claims {
            claim.await.unwrap(); // the twelfth fills the line
        }
        let keys: Vec<Vec<u8>> = tasks.iter().map(|task| task.key.as_bytes().to_vec()).collect();
        let (transactions, rows): (i64, i64) =
            sqlx::query_as("select count(distinct xmin::text), count(*) from leases where key = any($1)")
                .bind(keys)
                .fetch_one(&tables)
                .await
                .unwrap();
        assert_eq!((transactions, rows), (1, 12));
        let last = claim(&tasks[12]);
        ledger.gather(Duration::ZERO);
        last.await.unwrap();
        ledger.close().await;
    });
}

#[test]
fn one_that_is_refused_spoils_nothing_for_the_others() {
    run_on_threads(async {
        let (ledger, other) = (ledger().await, ledger().await);
        let (run, tasks) = many(&ledger, "spoiled", 12).await;
        let (mut good, mut lost) = (vec![], vec![]);
        for (n, task) in tasks.iter().enumerate() {
            let lease = granted(ledger.claim(run, task.key, Purpose::Make).await.unwrap());
            let attempt = ledger.start_attempt(run, &lease, &task.name, &json!({})).await.unwrap();
            if n % 3 == 0 {
                ledger.release(&lease).await.unwrap();
                granted(other.claim(run, task.key, Purpose::Make).await.unwrap());
                lost.push((lease, attempt));
            } else {
                good.push((lease, attempt));
            }
        }
        let finish = |(lease, attempt): (isoflop_ledger::Lease, _), what: String, run| {
            let ledger = ledger.clone();
            tokio::spawn(async move { ledger.finish_attempt(run, &lease, attempt, &made(&what)).await })
        };
        let nowhere: RunId = uuid::Uuid::now_v7().into();
        let mut all = vec![];
        for (n, one) in good.into_iter().enumerate() {
            // The first names a run that is not there: the database has no place for it, whatever else is in the transaction.
            let run = if n == 0 { nowhere } else { run };
            all.push((n == 0, finish(one, format!("spoiled {n}"), run)));
        }
        let lost: Vec<_> = lost.into_iter().map(|one| finish(one, "spoiled, late".to_owned(), run)).collect();
        for (bad, one) in all {
            let done = one.await.unwrap();
            if bad {
                assert!(matches!(done, Err(LedgerError::NoRun(_))), "{done:?}");
            } else {
                assert!(done.unwrap().is_some());
            }
        }
        for one in lost {
            let error = one.await.unwrap().unwrap_err();
            assert!(matches!(error, LedgerError::LeaseLost { .. }), "{error}");
        }
        assert_eq!(ledger.verify_chain(run).await.unwrap().broken, None);
    });
}

#[test]
fn two_machines_make_a_key_once_and_the_one_that_was_paused_is_refused() {
    run_on_threads(async {
        // What a second machine knows of the first is its lease.
        let (paused, other) = (engine("first", 0.4).await, engine("second", 0.4).await);
        let (run, key) = begun(&paused, "two machines").await;
        let lease = granted(paused.claim(run, key, Purpose::Make).await.unwrap());
        let attempt = paused.start_attempt(run, &lease, "train", &json!({})).await.unwrap();
        let (second, _) = begun(&other, "two machines").await;
        let taken = claimed_in_time(&other, second, key).await;
        assert_eq!(taken.fence, lease.fence + 1);
        assert_eq!(paused.renew(std::slice::from_ref(&lease)).await.unwrap().as_slice(), std::slice::from_ref(&lease));
        let error = paused.finish_attempt(run, &lease, attempt, &made("late")).await.unwrap_err();
        let said = error.to_string();
        assert!(matches!(error, LedgerError::LeaseLost { fence: 1, .. }) && said.contains("another engine"), "{said}");
        let attempt = other.start_attempt(second, &taken, "train", &json!({})).await.unwrap();
        let stands = other.finish_attempt(second, &taken, attempt, &made("in time")).await.unwrap();
        assert_eq!(paused.claim(run, key, Purpose::Make).await.unwrap(), Claim::Done(stands.unwrap()), "and adopted");
        assert_eq!(paused.artifact(artifact("late").0).await.unwrap(), None, "nothing of the late one is there");
        assert_eq!(paused.verify_chain(second).await.unwrap().broken, None);
    });
}

/// Sets the ledger's clock back by so many hours, or right again.
async fn set_back(tables: &sqlx::PgPool, hours: u32) {
    let body = format!("select clock_timestamp() - interval '{hours} hours'");
    let statement =
        format!("create or replace function ledger_time() returns timestamptz language sql volatile as $$ {body} $$");
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(tables).await.unwrap();
}

#[test]
fn a_clock_that_is_set_back_puts_nothing_out_of_order_and_locks_nobody_out() {
    run_on_threads(async {
        let home = Home::new();
        let ledger = Ledger::open(Place::Private(home.server())).await.unwrap();
        let tables = tables(&home.server()).await;
        let (run, key) = begun(&ledger, "back").await;
        let lease = granted(ledger.claim(run, key, Purpose::Make).await.unwrap());
        let attempt = ledger.start_attempt(run, &lease, "train", &json!({})).await.unwrap();
        // The engine of another machine has a task, too, and will never be heard of again.
        let gone = Engine { host: Some("gone".to_owned()), ..Engine::default() };
        let gone = Ledger::open_as(Place::Private(home.server()), gone).await.unwrap();
        let (elsewhere, left) = begun(&gone, "left behind").await;
        let lease_left = granted(gone.claim(elsewhere, left, Purpose::Make).await.unwrap());
        gone.start_attempt(elsewhere, &lease_left, "train", &json!({})).await.unwrap();
        set_back(&tables, 3).await;
        assert_eq!(ledger.renew(std::slice::from_ref(&lease)).await.unwrap(), []);
        ledger.finish_attempt(run, &lease, attempt, &made("back")).await.unwrap();
        ledger.end_run(run, RunState::Done).await.unwrap();
        let (next, _) = begun(&ledger, "back").await;
        assert!(matches!(ledger.claim(next, left, Purpose::Make).await.unwrap(), Claim::Held { .. }));
        let (length, left_for): (f64, f64) = sqlx::query_as(
            "select seconds, extract(epoch from expires - ledger_time())::float8 from leases where key = $1",
        )
        .bind(left.as_bytes())
        .fetch_one(&tables)
        .await
        .unwrap();
        assert!(left_for <= length, "the lease would last {left_for} s more, although it is one of {length} s");
        // It runs out, as it would have by a clock that goes right.
        sqlx::query("update leases set expires = ledger_time() - interval '1 second' where key = $1")
            .bind(left.as_bytes())
            .execute(&tables)
            .await
            .unwrap();
        let taken = granted(ledger.claim(next, left, Purpose::Make).await.unwrap());
        let attempt = ledger.start_attempt(next, &taken, "train", &json!({})).await.unwrap();
        let failure = Failure { class: FailureClass::Crashed, message: "so it goes".into() };
        let ending =
            Ending { outcome: AttemptOutcome::Failed(failure), metrics: vec![], seconds: 0.1, saved: Saved::default() };
        ledger.finish_attempt(next, &taken, attempt, &ending).await.unwrap();
        ledger.end_run(next, RunState::Failed).await.unwrap();

        assert_eq!(ledger.run("latest").await.unwrap().id, next, "the run that began last is the latest");
        for run in [run, elsewhere, next] {
            assert_eq!(ledger.verify_chain(run).await.unwrap().broken, None);
            let times: Vec<_> = ledger.events(run).await.unwrap().into_iter().map(|event| event.at).collect();
            assert!(times.is_sorted(), "{times:?}");
        }
        // The traces of this test's artifacts are made up, and what was left is another study's key; nothing else is wrong.
        let findings = ledger.audit(Reach::Everything).await.unwrap().findings;
        let findings: Vec<_> = findings.iter().filter(|finding| finding.kind != FindingKind::Provenance).collect();
        assert!(findings.is_empty(), "{findings:?}");
    });
}
