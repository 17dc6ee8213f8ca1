//! The ledger on a real server.

mod records;
mod shared;
mod support;
mod together;

use std::{collections::BTreeMap, time::Instant};

use isoflop_contract::{Digest, Failure, FailureClass, Key, Need};
use isoflop_ledger::{
    AttemptOutcome, Before, Bits, Claim, Ending, Event, Ledger, LedgerError, PastOutcome, Place, PlanTask, Purpose,
    RunHead, RunId, RunState, TaskOutcome,
};
use serde_json::json;
use support::*;

type Test = tokio::runtime::Runtime;

/// Engines run on several threads, so futures must be able to move between them.
fn run_on_threads(work: impl Future<Output = ()> + Send + 'static) {
    let runtime: Test = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(work).await.unwrap() });
}

#[test]
fn tables_are_made_once_by_whoever_comes_first() {
    run_on_threads(async {
        let opened = futures_of(4, || async { ledger().await }).await;
        assert_eq!(opened.len(), 4);
        let url = home().server().ensure().unwrap();
        let again = Ledger::open(Place::Url(url)).await.unwrap();
        assert!(again.runs_of(&[], 1).await.unwrap().len() <= 1);
        let tables = tables(&home().server()).await;
        let outside: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'")
            .fetch_one(&tables)
            .await
            .unwrap();
        assert_eq!(outside, 0, "the public schema stays clean");
        again.close().await;
    });
}

/// Several of one kind at once.
async fn futures_of<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    n: usize,
    make: impl Fn() -> F,
) -> Vec<T> {
    let all: Vec<_> = (0..n).map(|_| tokio::spawn(make())).collect();
    let mut done = vec![];
    for one in all {
        done.push(one.await.unwrap());
    }
    done
}

#[test]
fn files_of_a_study_are_found_by_the_digest_that_a_recipe_names() {
    run_on_threads(async {
        let ledger = ledger().await;
        let (digest, mut manifest) = artifact("files-of-a-study");
        let mut reads = recipe("reads-files", &[]);
        reads.files.insert("code".to_owned(), digest);
        let task = task("train", &reads);
        let run = ledger.begin_run(&head("reading", vec![task.clone()])).await.unwrap();
        assert_eq!(ledger.artifact(digest).await.unwrap(), None);
        for _ in 0..2 {
            ledger.record_files(run.id, digest, &manifest).await.unwrap();
        }
        let kept: isoflop_contract::Recipe =
            serde_json::from_str(&ledger.recipe(&task.key).await.unwrap().unwrap()).unwrap();
        assert_eq!(ledger.artifact(kept.files["code"]).await.unwrap(), Some(manifest.clone()));
        manifest.shape.push('s');
        let error = ledger.record_files(run.id, digest, &manifest).await.unwrap_err();
        assert!(matches!(error, LedgerError::Unfit { .. }), "{error}");
    });
}

#[test]
fn a_result_is_recorded_once_and_found_again() {
    run_on_threads(async {
        let ledger = ledger().await;
        let data = task("data", &recipe("life-data", &[]));
        let train = task("train[seed=0]", &recipe("life-train", &[("data", data.key)]));
        let (data, train) = (data.clone(), train.clone());
        let keys = [data.key, train.key];
        let run = ledger.begin_run(&head("life", vec![data.clone(), train.clone()])).await.unwrap();
        assert!(ledger.past(&keys).await.unwrap().is_empty());

        let lease = granted(ledger.claim(run.id, train.key, Purpose::Make).await.unwrap());
        let attempt = ledger.start_attempt(run.id, &lease, &train.name, &json!({"gpu": "none"})).await.unwrap();
        assert_eq!(ledger.running(run.id).await.unwrap().len(), 1);
        let ending = made("life");
        let stands = ledger.finish_attempt(run.id, &lease, attempt, &ending).await.unwrap().unwrap();
        let (digest, manifest) = artifact("life");
        assert_eq!(stands.outcome, PastOutcome::Made { digest, manifest: manifest.clone() });
        assert_eq!((stands.run, stands.attempt), (run.id, Some(attempt)));

        // A connection that broke after the commit: the same once more, even when the lease is long somebody else's.
        let other = support::ledger().await;
        granted(other.claim(run.id, train.key, Purpose::Witness).await.unwrap());
        let events = ledger.events(run.id).await.unwrap();
        assert_eq!(ledger.finish_attempt(run.id, &lease, attempt, &ending).await.unwrap(), Some(stands.clone()));
        assert_eq!(ledger.events(run.id).await.unwrap(), events, "nothing is doubled");

        assert_eq!(ledger.past(&keys).await.unwrap(), BTreeMap::from([(train.key, stands.clone())]));
        assert_eq!(
            ledger.claim(run.id, train.key, Purpose::Make).await.unwrap(),
            Claim::Held {
                by: other.holder().short(),
                since: match ledger.claim(run.id, train.key, Purpose::Make).await.unwrap() {
                    Claim::Held { since, .. } => since,
                    other => panic!("{other:?}"),
                },
            }
        );
        assert_eq!(ledger.by_trace(Digest::of("trace of life")).await.unwrap(), Some(stands));
        assert_eq!(ledger.artifact(digest).await.unwrap(), Some(manifest));
        assert_eq!(ledger.recipe(&train.key).await.unwrap(), Some(train.recipe_text.clone()));
        assert_eq!(ledger.keys_like(&train.key.to_string()[..13]).await.unwrap(), [train.key]);
        assert!(ledger.keys_like("no key").await.unwrap().is_empty());
        let metrics = ledger.metrics(attempt).await.unwrap();
        assert_eq!(metrics, BTreeMap::from([("loss".to_owned(), vec![(0, 2.0), (1, 1.5)])]));
        let lineage = ledger.lineage(&train.key).await.unwrap();
        assert_eq!((lineage.len(), lineage[0].need, lineage[0].port.as_str()), (1, data.key, "data"));

        let tasks = ledger.run_tasks(run.id).await.unwrap();
        assert_eq!(tasks[0].outcome, None);
        assert_eq!(
            (tasks[1].outcome, tasks[1].artifact, tasks[1].seconds),
            (Some(TaskOutcome::Made), Some(digest), Some(0.25))
        );
        assert_eq!(ledger.task_latest("train[seed=0]", Some("life")).await.unwrap().as_ref(), Some(&tasks[1]));
        assert_eq!(ledger.task_latest("train[seed=0]", Some("death")).await.unwrap(), None);

        ledger.end_run(run.id, RunState::Done).await.unwrap();
        ledger.end_run(run.id, RunState::Done).await.unwrap();
        assert!(matches!(ledger.end_run(run.id, RunState::Failed).await, Err(LedgerError::Ended { .. })));
        let view = ledger.run(&run.id.to_string()[28..]).await.unwrap();
        assert_eq!((view.id, view.state, view.tasks), (run.id, RunState::Done, 2));
        assert_eq!(view.outcomes, BTreeMap::from([("made".to_owned(), 1)]));
        assert!(!view.holder_dead && view.ended.is_some());
        assert!(matches!(ledger.run("zz").await, Err(LedgerError::NoRun(_))));
        assert!(matches!(ledger.run("0").await, Err(LedgerError::Ambiguous { .. }) | Ok(_)));
        let report = ledger.verify_chain(run.id).await.unwrap();
        assert_eq!((report.events, report.broken), (4, None));
    });
}

#[test]
fn one_key_is_run_by_one_engine() {
    run_on_threads(async {
        let (one, two) = (ledger().await, ledger().await);
        let (run, key) = begun(&one, "exclusive").await;
        let lease = granted(one.claim(run, key, Purpose::Make).await.unwrap());
        assert_eq!(granted(one.claim(run, key, Purpose::Make).await.unwrap()), lease, "the same engine may ask again");
        assert!(matches!(two.claim(run, key, Purpose::Make).await.unwrap(), Claim::Held { .. }));
        assert_eq!(one.renew(std::slice::from_ref(&lease)).await.unwrap(), []);
        one.release(&lease).await.unwrap();
        assert_eq!(
            one.renew(std::slice::from_ref(&lease)).await.unwrap().as_slice(),
            std::slice::from_ref(&lease),
            "given back is gone"
        );

        let next = granted(two.claim(run, key, Purpose::Make).await.unwrap());
        assert!(next.fence > lease.fence);
        one.release(&lease).await.unwrap();
        assert_eq!(
            two.renew(std::slice::from_ref(&next)).await.unwrap(),
            [],
            "an old lease cannot give back the new one"
        );
        let error = one.start_attempt(run, &lease, "train", &json!({})).await.unwrap_err();
        assert!(matches!(error, LedgerError::LeaseLost { .. }), "{error}");
        carry_on(&two, run, &next).await;
        assert!(matches!(one.claim(run, key, Purpose::Make).await.unwrap(), Claim::Done(_)));
    });
}

async fn carry_on(ledger: &Ledger, run: RunId, lease: &isoflop_ledger::Lease) {
    let attempt = ledger.start_attempt(run, lease, "train", &json!({})).await.unwrap();
    ledger.finish_attempt(run, lease, attempt, &made("carried on")).await.unwrap();
}

#[test]
fn of_many_that_claim_at_once_one_is_granted() {
    run_on_threads(async {
        let ledgers = futures_of(8, || async { ledger().await }).await;
        let (run, key) = begun(&ledgers[0], "race").await;
        let claims: Vec<_> = ledgers
            .into_iter()
            .map(|ledger| tokio::spawn(async move { ledger.claim(run, key, Purpose::Make).await.unwrap() }))
            .collect();
        let mut granted = 0;
        for claim in claims {
            granted += u32::from(matches!(claim.await.unwrap(), Claim::Granted(_)));
        }
        assert_eq!(granted, 1);
    });
}

#[test]
fn a_lease_that_was_taken_over_commits_nothing() {
    run_on_threads(async {
        let (slow, quick) = (ledger().await, ledger().await);
        let (run, key) = begun(&slow, "takeover").await;
        let lease = granted(slow.claim(run, key, Purpose::Make).await.unwrap());
        let attempt = slow.start_attempt(run, &lease, "train", &json!({})).await.unwrap();
        // The lease runs out: the engine was stopped, or its machine was cut off.
        let tables = tables(&home().server()).await;
        sqlx::query("update leases set expires = now() - interval '1 second' where key = $1")
            .bind(key.as_bytes())
            .execute(&tables)
            .await
            .unwrap();
        assert_eq!(
            slow.renew(std::slice::from_ref(&lease)).await.unwrap(),
            [],
            "run out, and nobody wanted it: renewed"
        );
        sqlx::query("update leases set expires = now() - interval '1 second' where key = $1")
            .bind(key.as_bytes())
            .execute(&tables)
            .await
            .unwrap();
        let taken = granted(quick.claim(run, key, Purpose::Make).await.unwrap());
        assert_eq!(slow.renew(std::slice::from_ref(&lease)).await.unwrap().as_slice(), std::slice::from_ref(&lease));
        let error = slow.finish_attempt(run, &lease, attempt, &made("late")).await.unwrap_err();
        assert!(matches!(error, LedgerError::LeaseLost { fence: 1, .. }), "{error}");
        assert!(slow.result(&key).await.unwrap().is_none());
        assert_eq!(slow.attempts(&key).await.unwrap()[0].outcome.as_deref(), Some("lost"));
        carry_on(&quick, run, &taken).await;
        let names: Vec<String> = quick.events(run).await.unwrap().iter().map(|e| name_of(&e.event)).collect();
        assert_eq!(names, ["run-began", "attempt-began", "taken-over", "attempt-began", "made"]);
    });
}

fn name_of(event: &Event) -> String {
    serde_json::to_value(event).unwrap()["event"].as_str().unwrap().to_owned()
}

#[test]
fn a_dead_engines_lease_is_taken_over_at_once() {
    run_on_threads(async {
        let ledger = ledger().await;
        let (run, key) = begun(&ledger, "dead").await;
        let lease = granted(ledger.claim(run, key, Purpose::Make).await.unwrap());
        // An engine of this machine whose process is gone.
        let mut child = std::process::Command::new("true").spawn().unwrap();
        child.wait().unwrap();
        let mut words: Vec<String> = lease.holder.to_string().split(' ').map(str::to_owned).collect();
        words[3] = child.id().to_string();
        sqlx::query("update leases set holder = $2 where key = $1")
            .bind(key.as_bytes())
            .bind(words.join(" "))
            .execute(&tables(&home().server()).await)
            .await
            .unwrap();
        let taken = granted(ledger.claim(run, key, Purpose::Make).await.unwrap());
        assert_eq!(taken.fence, lease.fence + 1);
    });
}

#[test]
fn a_failure_leaves_no_result_and_a_divergence_does() {
    run_on_threads(async {
        let ledger = ledger().await;
        let (run, key) = begun(&ledger, "failing").await;
        let failure = Failure { class: FailureClass::TimedOut, message: "took \0 too long".into() };
        let failed = Ending {
            outcome: AttemptOutcome::Failed(failure),
            metrics: vec![],
            seconds: 1.0,
            saved: isoflop_ledger::Saved::default(),
        };
        carry_out(&ledger, run, key, "train", &failed).await;
        assert!(ledger.result(&key).await.unwrap().is_none());
        let attempt = ledger.attempts(&key).await.unwrap().remove(0);
        assert_eq!((attempt.outcome.as_deref(), attempt.class.as_deref()), (Some("failed"), Some("timed-out")));
        let blocked = ledger.block(run, &["train".to_owned()], "`data` failed").await;
        assert!(blocked.is_ok(), "a task that has an outcome keeps it");
        assert_eq!(ledger.run_tasks(run).await.unwrap()[0].outcome, Some(TaskOutcome::Failed));

        let trace = Digest::of("trace of divergence");
        let outcome = AttemptOutcome::Diverged { reason: "loss is NaN at 7".into(), trace };
        carry_out(
            &ledger,
            run,
            key,
            "train",
            &Ending { outcome, metrics: vec![], seconds: 1.0, saved: isoflop_ledger::Saved::default() },
        )
        .await;
        let past = ledger.result(&key).await.unwrap().unwrap();
        assert_eq!(past.outcome, PastOutcome::Diverged { reason: "loss is NaN at 7".into() });
        assert!(ledger.by_trace(trace).await.unwrap().is_some());
        assert_eq!(ledger.verify_chain(run).await.unwrap().broken, None);
    });
}

#[test]
fn the_first_result_stands_until_it_must_be_made_again() {
    run_on_threads(async {
        let ledger = ledger().await;
        let (run, key) = begun(&ledger, "remake").await;
        carry_out(&ledger, run, key, "train", &made("first")).await;
        let first = ledger.result(&key).await.unwrap().unwrap();

        let lease = granted(ledger.claim(run, key, Purpose::Witness).await.unwrap());
        let attempt = ledger.start_attempt(run, &lease, "train", &json!({})).await.unwrap();
        let stands = ledger.finish_attempt(run, &lease, attempt, &made("other bits")).await.unwrap();
        assert_eq!(stands, Some(first.clone()), "a witness changes nothing");
        let bits = async || ledger.bits(&[key]).await.unwrap().remove(&key).unwrap_or_default().to_string();
        assert_eq!(bits().await, "differs");
        assert!(ledger.saved(&key).await.unwrap().is_empty());

        let lease = granted(ledger.claim(run, key, Purpose::Remake).await.unwrap());
        let attempt = ledger.start_attempt(run, &lease, "train", &json!({})).await.unwrap();
        let stands = ledger.finish_attempt(run, &lease, attempt, &made("second")).await.unwrap().unwrap();
        assert_eq!(stands.digest(), Some(artifact("second").0));
        let events = ledger.events(run).await.unwrap();
        let Event::Made { replaces, stands, .. } = &events.last().unwrap().event else { panic!("{events:?}") };
        assert_eq!((*replaces, *stands), (first.digest(), true));

        let (run, key) = begun(&ledger, "witnessed").await;
        carry_out(&ledger, run, key, "train", &made("once")).await;
        assert!(ledger.bits(&[key]).await.unwrap().is_empty());
        assert_eq!(Bits::default().to_string(), "unverified");
        for _ in 0..2 {
            let lease = granted(ledger.claim(run, key, Purpose::Witness).await.unwrap());
            let attempt = ledger.start_attempt(run, &lease, "train", &json!({})).await.unwrap();
            let saved = isoflop_ledger::Saved { resumed: None, trail: vec![(5, Digest::of("five"))] };
            let ending = Ending { saved: saved.clone(), ..made("once") };
            ledger.finish_attempt(run, &lease, attempt, &ending).await.unwrap();
            assert_eq!(ledger.saved(&key).await.unwrap()[&attempt], saved);
        }
        assert_eq!(ledger.bits(&[key]).await.unwrap()[&key].to_string(), "verified 2x");
    });
}

#[test]
fn an_old_result_is_adopted_and_kept_in_bulk() {
    run_on_threads(async {
        let ledger = ledger().await;
        let (run, key) = begun(&ledger, "adopted-from").await;
        carry_out(&ledger, run, key, "train", &made("adopted")).await;
        let past = ledger.by_trace(Digest::of("trace of adopted")).await.unwrap().unwrap();

        let (next, new) = begun(&ledger, "adopting").await;
        let trace = Digest::of("trace of adopted");
        let stands = ledger.adopt(next, "train", new, &past, trace).await.unwrap();
        assert_eq!((stands.digest(), stands.attempt, stands.run), (past.digest(), past.attempt, next));
        ledger.adopt(next, "train", new, &past, trace).await.unwrap();
        assert_eq!(ledger.run_tasks(next).await.unwrap()[0].outcome, Some(TaskOutcome::Adopted));
        assert_eq!(ledger.events(next).await.unwrap().len(), 2, "once");

        // Another engine made it meanwhile.
        let (third, _) = begun(&ledger, "adopting").await;
        ledger.keep(third, &[("train".to_owned(), new)]).await.unwrap();
        assert_eq!(ledger.run_tasks(third).await.unwrap()[0].outcome, Some(TaskOutcome::Kept));
        assert!(matches!(ledger.events(third).await.unwrap()[1].event, Event::Kept { tasks: 1, .. }));

        // Known when the run began.
        let mut kept = task("train", &recipe("adopting", &[]));
        kept.kept = true;
        let fourth = ledger.begin_run(&head("adopting", vec![kept])).await.unwrap();
        let tasks = ledger.run_tasks(fourth.id).await.unwrap();
        assert_eq!((tasks[0].outcome, tasks[0].artifact), (Some(TaskOutcome::Kept), past.digest()));
        assert_eq!(ledger.verify_chain(fourth.id).await.unwrap().events, 2);
    });
}

/// A head whose plan is told apart by its tasks, as that of a real plan is.
fn planned(study: &str, tasks: Vec<PlanTask>) -> RunHead {
    let keys: Vec<String> = tasks.iter().map(|task| format!("{} {}", task.name, task.key)).collect();
    RunHead { plan: Digest::of(keys.join(",")), ..head(study, tasks) }
}

#[test]
fn why_finds_the_recipes_that_tasks_had_before() {
    run_on_threads(async {
        let ledger = ledger().await;
        let old = task("train", &recipe("earlier-old", &[]));
        let new = task("train", &recipe("earlier-new", &[]));
        let other = task("score", &recipe("earlier-score", &[("model", old.key)]));
        let mut runs = vec![];
        for tasks in [vec![old.clone(), other.clone()], vec![new.clone()], vec![new.clone()]] {
            runs.push(ledger.begin_run(&planned("earlier", tasks)).await.unwrap().id);
        }
        let found = ledger.earlier("earlier", &["train", "score", "never"], Before::Now).await.unwrap();
        let told: Vec<(&str, Key, RunId)> = found.iter().map(|e| (e.name.as_str(), e.key, e.run)).collect();
        assert_eq!(
            told,
            [("score", other.key, runs[0]), ("train", new.key, runs[2]), ("train", old.key, runs[0])],
            "the latest recipe comes first, with the latest run that had it"
        );
        assert!(found.iter().all(|earlier| !earlier.settled && earlier.outcome.is_none()));
        assert_eq!(found[0].text, other.recipe_text);
        let before = ledger.earlier("earlier", &["train"], Before::Run(runs[1])).await.unwrap();
        assert_eq!(before.iter().map(|e| e.key).collect::<Vec<_>>(), [old.key]);
        assert_eq!(ledger.earlier("elsewhere", &["train"], Before::Now).await.unwrap(), []);

        // What became of a recipe, and why, is told with it.
        let (run, lease) = (runs[2], granted(ledger.claim(runs[2], new.key, Purpose::Make).await.unwrap()));
        let attempt = ledger.start_attempt(run, &lease, "train", &json!({})).await.unwrap();
        let failure = Failure { class: FailureClass::Rejected, message: "no".into() };
        let ending = Ending {
            outcome: AttemptOutcome::Failed(failure),
            metrics: vec![],
            seconds: 0.5,
            saved: isoflop_ledger::Saved::default(),
        };
        ledger.finish_attempt(run, &lease, attempt, &ending).await.unwrap();
        let failed = &ledger.earlier("earlier", &["train"], Before::Now).await.unwrap()[0];
        assert_eq!((failed.outcome, failed.reason.as_deref()), (Some(TaskOutcome::Failed), Some("no")));
        let last = ledger.last_attempts(&[new.key, old.key], Before::Now).await.unwrap();
        assert_eq!(last.len(), 1, "nobody tried the old one");
        assert!(
            last[&new.key].failed() && last[&new.key].run == run && last[&new.key].class.as_deref() == Some("rejected")
        );

        assert!(ledger.last_attempts(&[new.key], Before::Run(run)).await.unwrap().is_empty());
        assert!(ledger.remakes(run).await.unwrap().is_empty());

        let mut names = ledger.names(&[runs[0], runs[1]]).await.unwrap();
        names.sort();
        let mut expected =
            vec![("score".to_owned(), other.key), ("train".to_owned(), old.key), ("train".to_owned(), new.key)];
        expected.sort();
        assert_eq!(names, expected);
        let texts = ledger.recipes(&[old.key, Key::of_text("nobody")]).await.unwrap();
        assert_eq!(texts.into_iter().collect::<Vec<_>>(), [(old.key, old.recipe_text.clone())]);
    });
}

#[test]
fn a_result_tells_whose_attempt_made_it_and_how_long_that_took() {
    run_on_threads(async {
        let ledger = ledger().await;
        let (first, second) = (task("a", &recipe("standing-a", &[])), task("b", &recipe("standing-b", &[])));
        let run = ledger.begin_run(&planned("standing", vec![first.clone(), second.clone()])).await.unwrap().id;
        carry_out(&ledger, run, first.key, "a", &made("standing")).await;
        let past = ledger.result(&first.key).await.unwrap().unwrap();
        let later = ledger.begin_run(&planned("standing", vec![second.clone()])).await.unwrap().id;
        ledger.adopt(later, "b", second.key, &past, Digest::of("its trace")).await.unwrap();
        let standing = ledger.standing(&[first.key, second.key]).await.unwrap();
        assert_eq!((standing[&first.key].run, standing[&first.key].made_under), (run, Some(first.key)));
        let adopted = &standing[&second.key];
        assert_eq!((adopted.run, adopted.made_under, adopted.made_in), (later, Some(first.key), Some(run)));
        let timings = ledger.timings(&["train-denoiser"], 1000).await.unwrap();
        let of_first = timings.iter().find(|timing| timing.recipe_text == first.recipe_text).unwrap();
        assert!((of_first.seconds - 0.25).abs() < 1e-9);
        assert!(ledger.timings(&["no-such-kind"], 9).await.unwrap().is_empty());
    });
}

#[test]
fn a_recipe_that_is_not_its_key_is_refused() {
    run_on_threads(async {
        let ledger = ledger().await;
        let mut bad = task("train", &recipe("bad recipe", &[]));
        bad.key = Key::of_text("something else");
        let error = ledger.begin_run(&head("bad", vec![bad])).await.unwrap_err();
        assert!(error.to_string().contains("the recipe of `train`"), "{error}");
    });
}

#[test]
fn facts_cannot_be_changed_and_tampering_is_found() {
    run_on_threads(async {
        let ledger = ledger().await;
        let tables = tables(&home().server()).await;
        let (run, key) = begun(&ledger, "tampered").await;
        carry_out(&ledger, run, key, "train", &made("tampered")).await;
        for statement in [
            "update events set body = ''",
            "delete from events",
            "truncate events",
            "update recipes set kind = ''",
            "delete from artifacts",
        ] {
            let error = sqlx::query(statement).execute(&tables).await.unwrap_err().to_string();
            assert!(error.contains("append-only"), "{statement}: {error}");
        }
        // Somebody who means it: each in a transaction of its own, which holds off the other tests and is undone.
        let untouched = ledger.verify_chain(run).await.unwrap();
        assert_eq!((untouched.events, untouched.broken), (3, None));
        let body: String = sqlx::query_scalar("select body from events where run = $1 and seq = 2")
            .bind(run.uuid())
            .fetch_one(&tables)
            .await
            .unwrap();
        for (statement, seq, what) in [
            (
                "update events set body = replace(body, 'train', 'traim') where run = $1 and seq = 2",
                2,
                "its text is not",
            ),
            ("update events set at = at + interval '1 day' where run = $1 and seq = 2", 2, "names another"),
            ("update events set prev = hash where run = $1 and seq = 3", 3, "does not follow"),
            ("delete from events where run = $1 and seq = 2", 2, "missing"),
            ("delete from events where run = $1 and seq = 3", 3, "missing at the end"),
        ] {
            assert!(body.contains("train"));
            let saved: Vec<Saved> = sqlx::query_as("select run, seq, body, prev, hash from events where run = $1")
                .bind(run.uuid())
                .fetch_all(&tables)
                .await
                .unwrap();
            tamper(&tables, statement, run).await;
            let broken = ledger.verify_chain(run).await.unwrap().broken.unwrap();
            assert_eq!(broken.seq, seq, "{statement}: {broken:?}");
            assert!(broken.what.contains(what), "{statement}: {broken:?}");
            tamper(&tables, "delete from events where run = $1", run).await;
            for (run, seq, body, prev, hash) in saved {
                sqlx::query(
                    "insert into events (run, seq, at, body, prev, hash)
                     values ($1, $2, ($3::json ->> 'at')::timestamptz, $3, $4, $5)",
                )
                .bind(run)
                .bind(seq)
                .bind(body)
                .bind(prev)
                .bind(hash)
                .execute(&tables)
                .await
                .unwrap();
            }
            assert_eq!(ledger.verify_chain(run).await.unwrap().broken, None);
        }
    });
}

/// An event's row: run, seq, body, prev, hash.
type Saved = (uuid::Uuid, i64, String, Vec<u8>, Vec<u8>);

/// Changes a row past the triggers, in a session that leaves them out.
async fn tamper(tables: &sqlx::PgPool, statement: &'static str, run: RunId) {
    let mut tx = tables.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
    sqlx::query(statement).bind(run.uuid()).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}

#[test]
fn a_killed_server_is_brought_back_in_the_middle_of_a_run() {
    run_on_threads(async {
        let home = Home::new();
        let server = home.server();
        let ledger = Ledger::open(Place::Private(server.clone())).await.unwrap();
        let (run, key) = begun(&ledger, "killed").await;
        let lease = granted(ledger.claim(run, key, Purpose::Make).await.unwrap());
        kill(&server);
        let attempt = ledger.start_attempt(run, &lease, "train", &json!({})).await.unwrap();
        kill(&server);
        let begin = Instant::now();
        assert_eq!(ledger.renew(std::slice::from_ref(&lease)).await.unwrap(), []);
        println!("renewed after kill -9 in {:.3} s", begin.elapsed().as_secs_f64());
        kill(&server);
        ledger.finish_attempt(run, &lease, attempt, &made("killed")).await.unwrap();
        server.stop().unwrap();
        assert!(ledger.result(&key).await.unwrap().is_some());
        // Many calls at once meet the loss together: one brings the server back.
        kill(&server);
        let waiting: Vec<_> = (0..20)
            .map(|_| {
                let ledger = ledger.clone();
                tokio::spawn(async move { ledger.result(&key).await.unwrap().is_some() })
            })
            .collect();
        for one in waiting {
            assert!(one.await.unwrap());
        }
        let report = ledger.verify_chain(run).await.unwrap();
        assert_eq!((report.events, report.broken), (3, None));
        // Two ledgers that share nothing: a view from outside.
        let tables = tables(&server).await;
        let results: i64 = sqlx::query_scalar("select count(*) from results").fetch_one(&tables).await.unwrap();
        assert_eq!(results, 1);
    });
}

#[test]
fn a_wrong_address_is_told_soon_and_without_the_password() {
    run_on_threads(async {
        for (url, wanted) in [
            ("postgres://me:secret@127.0.0.1:1/lab", "cannot reach the ledger at postgres://me:***@127.0.0.1:1/lab"),
            ("postgres://me:secret@%2Fnowhere/lab", "cannot reach the ledger"),
            ("mysql//x", "cannot be read"),
        ] {
            let begin = Instant::now();
            let error = Ledger::open(Place::Url(url.to_owned())).await.unwrap_err().to_string();
            assert!(error.contains(wanted) && !error.contains("secret"), "{error}");
            assert!(begin.elapsed().as_secs() < 120, "{:?}", begin.elapsed());
            println!("{error}");
        }
        let url = home().server().ensure().unwrap().replace("/postgres?", "/nowhere?");
        let error = Ledger::open(Place::Url(url)).await.unwrap_err();
        assert!(matches!(error, LedgerError::Refused { .. }), "{error}");
    });
}

#[test]
fn a_newer_ledger_is_left_alone() {
    run_on_threads(async {
        let home = Home::new();
        let ledger = Ledger::open(Place::Private(home.server())).await.unwrap();
        ledger.close().await;
        let tables = tables(&home.server()).await;
        sqlx::query("insert into _sqlx_migrations values (9999, 'from the future', now(), true, '', 0)")
            .execute(&tables)
            .await
            .unwrap();
        let error = Ledger::open(Place::Private(home.server())).await.unwrap_err();
        assert!(matches!(error, LedgerError::Newer { version: 9999, .. }), "{error}");
        sqlx::query("update _sqlx_migrations set checksum = 'x' where version = 1").execute(&tables).await.unwrap();
        sqlx::query("delete from _sqlx_migrations where version = 9999").execute(&tables).await.unwrap();
        let error = Ledger::open(Place::Private(home.server())).await.unwrap_err();
        assert!(matches!(error, LedgerError::Migration { .. }), "{error}");
    });
}

#[test]
fn views_for_reviewers_answer() {
    run_on_threads(async {
        let ledger = ledger().await;
        let (run, key) = begun(&ledger, "views").await;
        carry_out(&ledger, run, key, "train", &made("views")).await;
        let tables = tables(&home().server()).await;
        for (statement, rows) in [
            ("select count(*) from v_run where run = $1 and made = 1", 1),
            ("select count(*) from v_task where run = $1 and kind = 'train-denoiser' and shape = 'checkpoint'", 1),
            ("select count(*) from v_attempt where run = $1 and same_bits_as_result", 1),
            ("select count(*) from v_metric where run = $1", 2),
            ("select count(*) from v_lineage where key = encode($1::text::bytea, 'hex')", 0),
        ] {
            let found: i64 = if statement.contains("v_lineage") {
                sqlx::query_scalar(statement).bind("none").fetch_one(&tables).await.unwrap()
            } else {
                sqlx::query_scalar(statement).bind(run.uuid()).fetch_one(&tables).await.unwrap()
            };
            assert_eq!(found, rows, "{statement}");
        }
    });
}

/// Five thousand tasks, as the design's numbers have it. Times are printed; the bound here is loose, for slow machines.
#[test]
fn five_thousand_tasks_take_a_moment() {
    run_on_threads(async {
        let home = Home::new();
        let ledger = Ledger::open(Place::Private(home.server())).await.unwrap();
        let data = task("data", &recipe("bulk data", &[]));
        let mut tasks = vec![data.clone()];
        for n in 0..4998 {
            tasks.push(task(
                &format!("train[variant=td4,seed={n}]"),
                &recipe(&format!("bulk {n}"), &[("data", data.key)]),
            ));
        }
        let mut law = recipe("bulk law", &[]);
        let cells = tasks[1..].iter().map(|task| (task.name.clone(), Some(task.key))).collect();
        law.needs.insert("points".into(), Need::Many(cells));
        tasks.push(task("law", &law));
        let mut head = head("bulk", tasks);

        let timed = |what: &str, begin: Instant| println!("{what}: {:.1} ms", begin.elapsed().as_secs_f64() * 1e3);
        let begin = Instant::now();
        let run = ledger.begin_run(&head).await.unwrap();
        timed("begin, all new", begin);
        // Results for all, as adoptions would leave them.
        let (digest, manifest) = artifact("bulk");
        let tables = tables(&home.server()).await;
        sqlx::query("insert into artifacts select $1, 'checkpoint', $2, 1, $3")
            .bind(digest.as_bytes())
            .bind(manifest.text().unwrap())
            .bind(run.id.uuid())
            .execute(&tables)
            .await
            .unwrap();
        sqlx::query("insert into results select key, 'made', $1, null, null, $2, now() from recipes")
            .bind(digest.as_bytes())
            .bind(run.id.uuid())
            .execute(&tables)
            .await
            .unwrap();
        for task in &mut head.tasks {
            task.kept = true;
        }
        let keys: Vec<Key> = head.tasks.iter().map(|task| task.key).collect();
        for _ in 0..3 {
            let begin = Instant::now();
            let again = Ledger::open(Place::Private(home.server())).await.unwrap();
            timed("open", begin);
            let begin = Instant::now();
            assert_eq!(again.past(&keys).await.unwrap().len(), 5000);
            timed("past of 5000", begin);
            let begin = Instant::now();
            let run = again.begin_run(&head).await.unwrap();
            timed("begin, all kept", begin);
            assert!(begin.elapsed().as_secs() < 60);
            let begin = Instant::now();
            again.end_run(run.id, RunState::Done).await.unwrap();
            timed("end", begin);
            assert_eq!(again.run("latest").await.unwrap().outcomes["kept"], 5000);
        }
        let begin = Instant::now();
        for n in 0..50 {
            let key = task(&format!("x{n}"), &recipe(&format!("bulk {n}"), &[("data", data.key)])).key;
            let lease = granted(ledger.claim(run.id, key, Purpose::Remake).await.unwrap());
            let attempt = ledger.start_attempt(run.id, &lease, "train", &json!({})).await.unwrap();
            ledger.finish_attempt(run.id, &lease, attempt, &made("bulk")).await.unwrap();
        }
        println!("claim + start + finish: {:.2} ms a task", begin.elapsed().as_secs_f64() * 1e3 / 50.0);
    });
}
