//! The audit: a ledger as engines leave it has no finding, and whatever is changed in it afterwards is found.

use std::collections::BTreeMap;

use crate::{run_on_threads, support::*};
use isoflop_contract::{Digest, Failure, FailureClass, Key, Need, Recipe};
use isoflop_ledger::{
    AttemptOutcome, Ending, Ledger, Metric, Place, PlanTask, Purpose, RunId, RunState, Saved,
    audit::{Audit, FindingKind, Reach, Subject},
};
use serde_json::json;
use sqlx::PgPool;

/// A task with its recipe, so that its trace can be computed.
struct Planned {
    task: PlanTask,
    recipe: Recipe,
}

fn planned(name: &str, what: &str, needs: &[(&str, Need)]) -> Planned {
    let mut recipe = recipe(what, &[]);
    recipe.needs = needs.iter().map(|(port, need)| ((*port).to_owned(), need.clone())).collect();
    Planned { task: task(name, &recipe), recipe }
}

impl Planned {
    fn key(&self) -> Key {
        self.task.key
    }

    fn one(&self) -> Need {
        Need::One(self.key())
    }
}

/// An engine that knows what it has made so far.
struct Engine {
    ledger: Ledger,
    made: BTreeMap<Key, Digest>,
}

impl Engine {
    fn trace(&self, planned: &Planned) -> Digest {
        Digest::of(planned.recipe.trace(|key| self.made.get(key).copied()).unwrap().text().unwrap())
    }

    async fn carry_out(&mut self, run: RunId, planned: &Planned, purpose: Purpose, outcome: AttemptOutcome) {
        let lease = granted(self.ledger.claim(run, planned.key(), purpose).await.unwrap());
        let soft = json!({"host": "here", "purpose": format!("{purpose:?}")});
        let attempt = self.ledger.start_attempt(run, &lease, &planned.task.name, &soft).await.unwrap();
        let point = |step, value| Metric { series: "loss".into(), step, value };
        let metrics = vec![point(1, 2.5), point(2, 1.25), point(3, f64::NAN)];
        let saved = Saved { resumed: Some(1), trail: vec![(1, Digest::of("one")), (2, Digest::of("two"))] };
        let ending = Ending { outcome, metrics, seconds: 0.125, saved };
        self.ledger.finish_attempt(run, &lease, attempt, &ending).await.unwrap();
    }

    async fn make(&mut self, run: RunId, planned: &Planned, purpose: Purpose, what: &str) {
        let (digest, manifest) = artifact(what);
        let trace = self.trace(planned);
        self.carry_out(run, planned, purpose, AttemptOutcome::Made { digest, manifest, trace }).await;
        if purpose != Purpose::Witness {
            self.made.insert(planned.key(), digest);
        }
    }

    async fn begin(&self, planned: &[&Planned], kept: &[&str]) -> RunId {
        let mut tasks: Vec<PlanTask> = planned.iter().map(|planned| planned.task.clone()).collect();
        for task in &mut tasks {
            task.kept = kept.contains(&task.name.as_str());
        }
        self.ledger.begin_run(&head("audited", tasks)).await.unwrap().id
    }
}

/// Three runs with one of everything that can happen to a task. The second keeps, remakes what it had kept, is witnessed and adopts.
async fn lived_in(ledger: Ledger) -> [RunId; 3] {
    let mut engine = Engine { ledger, made: BTreeMap::new() };
    let data = planned("data", "audit data", &[]);
    let a = planned("train[seed=0]", "audit a", &[("data", data.one())]);
    let b = planned("train[seed=1]", "audit b", &[("data", data.one())]);
    let bad = planned("bad", "audit bad", &[]);
    let after = planned("after", "audit after", &[("bad", bad.one())]);
    let cells = [("seed=0", &a), ("seed=1", &b)].map(|(label, task)| (label.to_owned(), Some(task.key())));
    let law = planned("law", "audit law", &[("points", Need::Many(cells.into_iter().collect()))]);

    let first = engine.begin(&[&data, &a, &b, &bad, &after, &law], &[]).await;
    engine.make(first, &data, Purpose::Make, "audit data").await;
    engine.make(first, &a, Purpose::Make, "audit a").await;
    let reason = "loss is not finite".to_owned();
    let trace = engine.trace(&b);
    engine.carry_out(first, &b, Purpose::Make, AttemptOutcome::Diverged { reason, trace }).await;
    let failure = Failure { class: FailureClass::Crashed, message: "killed by SIGSEGV".into() };
    engine.carry_out(first, &bad, Purpose::Make, AttemptOutcome::Failed(failure)).await;
    engine.ledger.block(first, &["after".to_owned()], "`bad` failed").await.unwrap();
    engine.make(first, &law, Purpose::Make, "audit law").await;
    // One more attempt that nobody ends: the run's end says that it was lost.
    let lease = granted(engine.ledger.claim(first, data.key(), Purpose::Witness).await.unwrap());
    engine.ledger.start_attempt(first, &lease, "data", &json!({})).await.unwrap();
    engine.ledger.end_run(first, RunState::Failed).await.unwrap();

    // Found bad after it had been kept, and made again with the same bits.
    let second = engine.begin(&[&data, &a, &b, &law], &["data", "train[seed=0]", "train[seed=1]", "law"]).await;
    engine.make(second, &a, Purpose::Remake, "audit a").await;
    engine.make(second, &law, Purpose::Witness, "other bits").await;
    engine.ledger.end_run(second, RunState::Done).await.unwrap();

    // Another spec with the same trace, a task kept after the run began, and one that is still open.
    let like = planned("like[seed=0]", "audit like", &[("data", data.one())]);
    let third =
        engine.begin(&[&data, &a, &b, &like, &law, &after, &bad], &["data", "train[seed=0]", "train[seed=1]"]).await;
    engine.make(third, &like, Purpose::Make, "audit like").await;
    engine.ledger.keep(third, &[("law".to_owned(), law.key())]).await.unwrap();
    let past = engine.ledger.result(&data.key()).await.unwrap().unwrap();
    let trace = engine.trace(&bad);
    engine.ledger.adopt(third, "bad", bad.key(), &past, trace).await.unwrap();
    engine.ledger.end_run(third, RunState::Interrupted).await.unwrap();
    [first, second, third]
}

async fn fresh() -> (Home, Ledger, PgPool) {
    let home = Home::new();
    let ledger = Ledger::open(Place::Private(home.server())).await.unwrap();
    let tables = tables(&home.server()).await;
    (home, ledger, tables)
}

fn say(audit: &Audit) -> String {
    audit.findings.iter().map(|finding| format!("{}: {}", finding.kind, finding.what)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_ledger_as_engines_leave_it_has_no_finding() {
    run_on_threads(async {
        let (_home, ledger, tables) = fresh().await;
        let runs = lived_in(ledger.clone()).await;
        // Every column of every view, of everything that can happen to a task.
        for (view, rows) in [
            ("v_run", 3),
            ("v_task", 17),
            ("v_attempt", 9),
            ("v_environment", 9),
            ("v_lineage", 6),
            ("v_metric", 24),
            ("v_scalar", 11),
            ("v_file", 5),
        ] {
            let statement = format!("select count(v::text) from {view} v");
            let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(&tables).await.unwrap();
            assert_eq!(found, rows, "{view}");
        }
        for run in runs {
            let audit = ledger.audit(Reach::Run(run)).await.unwrap();
            assert!(audit.findings.is_empty(), "{}", say(&audit));
            assert_eq!((audit.runs.as_slice(), audit.artifacts() > 0), ([run].as_slice(), true));
        }
        let audit = ledger.audit(Reach::Everything).await.unwrap();
        assert!(audit.findings.is_empty(), "{}", say(&audit));
        assert_eq!(audit.runs.len(), 3);
        assert_eq!(audit.artifacts(), 5);
        assert_eq!(audit.manifests().len(), 5);
        let (data, _) = artifact("audit data");
        let touched = audit.touched(&Subject::Artifact(data));
        assert_eq!(touched.tasks.iter().map(String::as_str).collect::<Vec<_>>(), ["bad", "data"]);
        let downstream: Vec<&str> = touched.downstream.iter().map(String::as_str).collect();
        assert_eq!(downstream, ["after", "law", "like[seed=0]", "train[seed=0]", "train[seed=1]"]);
        // A run that is under way has no end yet, which is no finding.
        let (open, key) = begun(&ledger, "under way").await;
        let lease = granted(ledger.claim(open, key, Purpose::Make).await.unwrap());
        ledger.start_attempt(open, &lease, "train", &json!({})).await.unwrap();
        let audit = ledger.audit(Reach::Run(open)).await.unwrap();
        assert!(audit.findings.is_empty(), "{}", say(&audit));
    });
}

#[test]
fn files_of_the_study_are_artifacts_that_no_task_made() {
    run_on_threads(async {
        let (_home, ledger, _) = fresh().await;
        let engine = Engine { ledger: ledger.clone(), made: BTreeMap::new() };
        let (code, manifest) = artifact("a script");
        let mut recipe = recipe("audit with code", &[]);
        recipe.files.insert("code".to_owned(), code);
        let reads = Planned { task: task("reads", &recipe), recipe };
        let run = engine.begin(&[&reads], &[]).await;
        ledger.record_files(run, code, &manifest).await.unwrap();
        ledger.end_run(run, RunState::Done).await.unwrap();
        let audit = ledger.audit(Reach::Everything).await.unwrap();
        assert!(audit.findings.is_empty(), "{}", say(&audit));
        let (other, manifest) = artifact("nobody's");
        ledger.record_files(run, other, &manifest).await.unwrap();
        let audit = ledger.audit(Reach::Everything).await.unwrap();
        assert_eq!(audit.findings.len(), 1, "{}", say(&audit));
        assert!(audit.findings[0].what.contains(&other.short()), "{}", say(&audit));
    });
}

#[test]
fn a_result_made_from_bits_that_were_replaced_is_found() {
    run_on_threads(async {
        let (_home, ledger, _) = fresh().await;
        let mut engine = Engine { ledger: ledger.clone(), made: BTreeMap::new() };
        let data = planned("data", "wavering data", &[]);
        let train = planned("train", "wavering train", &[("data", data.one())]);
        let run = engine.begin(&[&data, &train], &[]).await;
        engine.make(run, &data, Purpose::Make, "one").await;
        engine.make(run, &train, Purpose::Make, "trained").await;
        engine.make(run, &data, Purpose::Remake, "two").await;
        engine.ledger.end_run(run, RunState::Done).await.unwrap();
        let audit = ledger.audit(Reach::Run(run)).await.unwrap();
        assert_eq!(audit.findings.len(), 1, "{}", say(&audit));
        assert_eq!(audit.findings[0].kind, FindingKind::Provenance);
        let touched = audit.touched(&audit.findings[0].subject);
        assert_eq!(touched.tasks.into_iter().collect::<Vec<_>>(), ["train"]);
    });
}

/// Runs `statement` past triggers and foreign keys, as somebody who means it would. False where a check refused it.
async fn tamper(tables: &PgPool, statement: String) -> bool {
    let mut tx = tables.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *tx).await.unwrap();
    match sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *tx).await {
        Ok(done) => {
            tx.commit().await.unwrap();
            done.rows_affected() > 0
        }
        Err(_) => false,
    }
}

/// A change of a value of this type that is never the value itself.
fn change(kind: &str, column: &str, random: u64) -> String {
    let at = random >> 8;
    match kind {
        "bytea" => {
            format!("set_byte({column}, {b}, get_byte({column}, {b}) # {bit})", b = at % 32, bit = 1 << (random % 8))
        }
        "text" => format!(
            "overlay({column} placing case when substr({column}, ({at} % greatest(length({column}), 1))::int + 1, 1) = 'x' then 'y' else 'x' end \
             from ({at} % greatest(length({column}), 1))::int + 1 for 1)"
        ),
        "int8" => format!("{column} + 1"),
        "float8" => format!("case when {column} = 'NaN' then 0 else {column} * (1 + 1e-12) + ({column} = 0)::int end"),
        "timestamptz" => format!("{column} + interval '1 microsecond'"),
        "uuid" => "gen_random_uuid()".to_owned(),
        other => panic!("no change is known for {other}"),
    }
}

/// A value for a column that has none.
fn filled(kind: &str) -> String {
    match kind {
        "bytea" => "decode(repeat('ab', 32), 'hex')".to_owned(),
        "text" => "'x'".to_owned(),
        "int8" | "float8" => "1".to_owned(),
        "timestamptz" => "now()".to_owned(),
        "uuid" => "gen_random_uuid()".to_owned(),
        other => panic!("no value is known for {other}"),
    }
}

/// Every column of every row of every table of facts, changed one at a time, and every row taken out: each is found.
#[test]
fn any_single_change_is_found() {
    run_on_threads(async {
        let (_home, ledger, tables) = fresh().await;
        lived_in(ledger.clone()).await;
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let (mut tried, mut refused, mut missed) = (0, 0, Vec::new());
        for table in [
            "events",
            "recipes",
            "artifacts",
            "runs",
            "needs",
            "plan_tasks",
            "attempts",
            "results",
            "traces",
            "metrics",
        ] {
            let columns: Vec<(String, String)> = sqlx::query_as(
                "select column_name::text, udt_name::text from information_schema.columns
                 where table_schema = 'isoflop' and table_name = $1 order by ordinal_position",
            )
            .bind(table)
            .fetch_all(&tables)
            .await
            .unwrap();
            tamper(
                &tables,
                format!("create table saved_{table} as select row_number() over () as n, t.* from {table} t"),
            )
            .await;
            let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("select count(*) from saved_{table}")))
                .fetch_one(&tables)
                .await
                .unwrap();
            let list: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
            let list = list.join(", ");
            for row in 1..=rows {
                let mut cases = vec![(
                    "row".to_owned(),
                    format!("insert into {table} select {list} from saved_{table} where n <> {row}"),
                )];
                for (column, kind) in &columns {
                    let changed = change(kind, column, next());
                    let changed = format!("coalesce({changed}, {})", filled(kind));
                    let values: Vec<String> = columns
                        .iter()
                        .map(|(name, _)| {
                            if name == column {
                                format!("case when n = {row} then {changed} else {name} end")
                            } else {
                                name.clone()
                            }
                        })
                        .collect();
                    let values = values.join(", ");
                    cases.push((column.clone(), format!("insert into {table} select {values} from saved_{table}")));
                }
                for (column, statement) in cases {
                    // What a missing trace costs is one task made again.
                    if table == "traces" && column == "row" {
                        continue;
                    }
                    assert!(tamper(&tables, format!("delete from {table}")).await);
                    let done = tamper(&tables, statement).await;
                    if done {
                        tried += 1;
                        let audit = ledger.audit(Reach::Everything).await;
                        if audit.is_ok_and(|audit| audit.findings.is_empty()) {
                            missed.push(format!("{table}.{column} of row {row}"));
                        }
                    } else if rows > 1 {
                        refused += 1;
                    }
                    tamper(&tables, format!("delete from {table}")).await;
                    assert!(tamper(&tables, format!("insert into {table} select {list} from saved_{table}")).await);
                }
            }
            let audit = ledger.audit(Reach::Everything).await.unwrap();
            assert!(audit.findings.is_empty(), "{table} was not put back: {}", say(&audit));
        }
        println!("{tried} changes tried, {refused} refused by the tables themselves, {} missed", missed.len());
        assert!(missed.is_empty(), "{missed:#?}");
        assert!(tried > 400, "{tried}");
    });
}
