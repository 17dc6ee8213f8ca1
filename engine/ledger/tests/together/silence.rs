//! Engines of other machines that are heard of no more.

use isoflop_ledger::{Engine, Event, Ledger, LedgerError, Place, Purpose, RunId, RunState, audit::Reach};
use serde_json::json;
use sqlx::PgPool;

use crate::{run_on_threads, support::*};

/// Lets leases of `run` have run out two hours ago, those of `keys` alone if they are named.
async fn lapse(tables: &PgPool, run: RunId, key: Option<&[u8]>) {
    sqlx::query(
        "update leases set expires = ledger_time() - interval '2 hours' where run = $1 and ($2::bytea is null or key = $2)",
    )
    .bind(run.uuid())
    .bind(key)
    .execute(tables)
    .await
    .unwrap();
}

#[test]
fn a_run_of_which_nothing_is_heard_any_more_is_closed_and_holds_no_garbage() {
    run_on_threads(async {
        let home = Home::new();
        let ledger = Ledger::open(Place::Private(home.server())).await.unwrap();
        let tables = tables(&home.server()).await;
        let gone = Engine { host: Some("gone".to_owned()), ..Engine::default() };
        let gone = Ledger::open_as(Place::Private(home.server()), gone).await.unwrap();
        let (run, key) = begun(&gone, "left behind").await;
        let lease = granted(gone.claim(run, key, Purpose::Make).await.unwrap());
        let attempt = gone.start_attempt(run, &lease, "train", &json!({})).await.unwrap();
        // Its task's lease is past, and it is heard of: it may have lost the task.
        lapse(&tables, run, Some(key.as_bytes())).await;
        assert_eq!(ledger.close_silent().await.unwrap(), []);
        assert!(ledger.roots(0).await.unwrap().running);
        assert_eq!(gone.renew(&[gone.presence(run)]).await.unwrap(), []);
        lapse(&tables, run, None).await;
        // Only looked at, it stays as it is.
        let silent = ledger.silent_runs().await.unwrap();
        assert_eq!(silent.iter().map(|silent| silent.run).collect::<Vec<_>>(), [run]);
        assert!(silent[0].seconds > 3600.0 && silent[0].by.contains(" on gone"), "{silent:?}");
        assert_eq!(ledger.run(&run.to_string()).await.unwrap().state, RunState::Running);
        assert!(!ledger.roots(0).await.unwrap().running);
        assert_eq!(ledger.close_silent().await.unwrap().len(), 1);
        assert_eq!(ledger.close_silent().await.unwrap(), []);
        assert_eq!(ledger.run(&run.to_string()).await.unwrap().state, RunState::Interrupted);
        let events = ledger.events(run).await.unwrap();
        assert!(
            matches!(
                events.iter().map(|event| &event.event).rev().take(2).collect::<Vec<_>>()[..],
                [Event::RunEnded { state: RunState::Interrupted }, Event::FellSilent { .. }]
            ),
            "{events:?}"
        );
        // It wakes up: what it has counts for nothing, and its run is over.
        assert_eq!(gone.renew(&[gone.presence(run)]).await.unwrap(), [gone.presence(run)]);
        let late = gone.finish_attempt(run, &lease, attempt, &made("late")).await;
        assert!(matches!(late, Err(LedgerError::LeaseLost { .. })), "{late:?}");
        let again = granted(gone.claim(run, key, Purpose::Make).await.unwrap());
        let begins = gone.start_attempt(run, &again, "train", &json!({})).await;
        assert!(matches!(begins, Err(LedgerError::Closed(closed)) if closed == run), "{begins:?}");
        assert_eq!(ledger.verify_chain(run).await.unwrap().broken, None);
        let findings = ledger.audit(Reach::Everything).await.unwrap().findings;
        assert!(findings.is_empty(), "{findings:?}");
    });
}
