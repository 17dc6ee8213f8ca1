//! A shared server: encrypted, with roles of few rights, restarted under running engines.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::{MetadataExt, OpenOptionsExt, chown},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use isoflop_ledger::{Claim, Ledger, LedgerError, Place, PlanTask, Purpose, RunState, pin::Pinned};

use crate::{run_on_threads, support::*};

/// The README that tells people how to make the roles: its statements are what is tested.
const README: &str = include_str!("../../../../migrations/README.md");

/// Tells apart the servers of one program.
static NUMBER: AtomicUsize = AtomicUsize::new(1);

/// A server that listens on a loopback address of its own, encrypted, and asks for passwords there.
struct SharedServer {
    home: Home,
    /// The address.
    host: String,
    admin: sqlx::PgPool,
}

impl SharedServer {
    async fn start() -> Self {
        let home = Home::new();
        let server = home.server();
        server.ensure().unwrap();
        server.stop().unwrap();
        // All of 127.0.0.0/8 is this machine's: with an address of its own, the port needs no luck.
        let id = std::process::id().to_be_bytes();
        let host = format!("127.{}.{}.{}", 100 + NUMBER.fetch_add(1, Ordering::Relaxed), id[2], 1 + id[3] % 250);
        let data = server.folder().join("data");
        let owner = fs::metadata(&data).unwrap();
        let write = |name: &str, text: &str| {
            let path = data.join(name);
            let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
        };
        let certificate = rcgen::generate_simple_self_signed([host.clone()]).unwrap();
        write("server.crt", &certificate.cert.pem());
        write("server.key", &certificate.signing_key.serialize_pem());
        write(
            "postgresql.conf",
            &format!(
                "listen_addresses = '{host}'\nssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n"
            ),
        );
        // Instead of what `initdb` wrote, which trusts this machine.
        fs::remove_file(data.join("pg_hba.conf")).unwrap();
        write("pg_hba.conf", "local all all trust\nhostssl all all all scram-sha-256\n");
        let admin = Self::admin(&home).await;
        Self { home, host, admin }
    }

    async fn admin(home: &Home) -> sqlx::PgPool {
        let url = home.server().ensure().unwrap();
        sqlx::postgres::PgPoolOptions::new().max_connections(2).connect(&url).await.unwrap()
    }

    async fn say(&self, statements: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned())).execute(&self.admin).await.unwrap();
    }

    /// Roles as the README has them, each with one person, whose password is `secret`.
    async fn roles(&self) {
        let [make, ..] = statements()[..] else { panic!("the README has no statements") };
        self.say(&make.replace("database lab", "database postgres")).await;
        for (person, role) in [("ana", "owner"), ("gpu7", "writer"), ("rita", "reader")] {
            self.say(&format!("create role {person} login password 'secret' in role isoflop_{role}")).await;
        }
        self.say("alter role ana set role isoflop_owner").await;
    }

    /// The rights as the README has them, given by the owner.
    async fn grants(&self) {
        let [_, grants, ..] = statements()[..] else { panic!("the README has no grants") };
        self.say(&format!("set role isoflop_owner; {grants}; reset role")).await;
    }

    fn url(&self, who: &str, how: &str) -> String {
        format!("postgres://{who}:secret@{}:5432/postgres?{how}", self.host)
    }

    async fn open(&self, who: &str) -> Result<Ledger, LedgerError> {
        Ledger::open(Place::Url(self.url(who, "sslmode=require"))).await
    }
}

/// The blocks of SQL under *Roles*.
fn statements() -> Vec<&'static str> {
    let (_, section) = README.split_once("\n## Roles on a shared server\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    section.split("```sql\n").skip(1).map(|block| block.split_once("```").unwrap().0).collect()
}

#[test]
fn a_server_proves_who_it_is() {
    run_on_threads(async {
        let server = SharedServer::start().await;
        server.say("create role gpu7 login superuser password 'secret'").await;
        let certificate = server.home.server().folder().join("data/server.crt");
        let full = format!("sslmode=verify-full&sslrootcert={}", certificate.display());
        for how in ["sslmode=require", &full] {
            let ledger = Ledger::open(Place::Url(server.url("gpu7", how))).await.unwrap();
            let encrypted: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_ssl s join pg_stat_activity a using (pid) where s.ssl and a.usename = 'gpu7'",
            )
            .fetch_one(&server.admin)
            .await
            .unwrap();
            assert!(encrypted >= 1);
            ledger.close().await;
        }
        let other = server.home.folder.join("other.pem");
        let stranger = rcgen::generate_simple_self_signed([server.host.clone()]).unwrap();
        fs::write(&other, stranger.cert.pem()).unwrap();
        let wrong = format!("sslmode=verify-full&sslrootcert={}", other.display());
        for how in ["sslmode=verify-full", &wrong] {
            let error = Ledger::open(Place::Url(server.url("gpu7", how))).await.unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, LedgerError::Untrusted { .. }) && said.contains("sslrootcert=FILE"), "{said}");
            assert!(!said.contains("secret"), "{said}");
        }
        let error = Ledger::open(Place::Url(server.url("gpu7", "sslmode=require").replace("secret", "guess"))).await;
        assert!(matches!(error, Err(LedgerError::Refused { .. })), "{error:?}");
    });
}

#[test]
fn each_role_can_do_its_part_and_no_more() {
    run_on_threads(async {
        let server = SharedServer::start().await;
        server.roles().await;
        let error = server.open("gpu7").await.unwrap_err();
        assert!(matches!(error, LedgerError::NotAllowed { .. }), "a writer makes no tables: {error}");
        let owner = server.open("ana").await.unwrap();
        assert!(owner.rights().await.unwrap().owner);
        server.grants().await;

        let writer = server.open("gpu7").await.unwrap();
        let rights = writer.rights().await.unwrap();
        assert!(rights.writes() && !rights.owner && rights.role == "gpu7", "{rights:?}");
        assert_eq!(rights.excess, [""; 0], "what the README gives away beyond what an engine needs");
        // All that an engine does.
        let tasks: Vec<PlanTask> =
            ["a", "b", "c"].map(|name| task(name, &recipe(&format!("rights {name}"), &[]))).into();
        let run = writer.begin_run(&head("rights", tasks.clone())).await.unwrap().id;
        carry_out(&writer, run, tasks[0].key, "a", &made("rights")).await;
        let past = writer.by_trace(isoflop_contract::Digest::of("trace of rights")).await.unwrap().unwrap();
        writer.adopt(run, "b", tasks[1].key, &past, isoflop_contract::Digest::of("trace of rights")).await.unwrap();
        writer.block(run, &["c".to_owned()], "it rests on nothing").await.unwrap();
        let lease = granted(writer.claim(run, tasks[0].key, Purpose::Remake).await.unwrap());
        assert_eq!(writer.renew(std::slice::from_ref(&lease)).await.unwrap(), []);
        writer.release(&lease).await.unwrap();
        let (digest, manifest) = artifact("files of a study");
        writer.record_files(run, digest, &manifest).await.unwrap();
        writer.pin(Pinned::Run(run), "it", "rights", "", "gpu7").await.unwrap();
        assert!(writer.unpin(Pinned::Run(run)).await.unwrap());
        writer.keep(run, &[("a".to_owned(), tasks[0].key)]).await.unwrap();
        writer.end_run(run, RunState::Done).await.unwrap();

        let reader = server.open("rita").await.unwrap();
        let rights = reader.rights().await.unwrap();
        assert!(rights.unread.is_empty() && !rights.writes() && rights.excess.is_empty(), "{rights:?}");
        assert_eq!(reader.run("latest").await.unwrap().id, run);
        assert_eq!(reader.verify_chain(run).await.unwrap().broken, None);
        assert_eq!(reader.past(&[tasks[0].key, tasks[1].key]).await.unwrap().len(), 2);
        let error = reader.claim(run, tasks[0].key, Purpose::Make).await.unwrap_err();
        assert!(matches!(error, LedgerError::NotAllowed { .. }) && error.to_string().contains("doctor"), "{error}");
        let url = server.url("gpu7", "sslmode=require&options=-csearch_path%3Disoflop");
        let hand = sqlx::PgPool::connect(&url).await.unwrap();
        for statement in [
            "update events set body = ''",
            "delete from results",
            "truncate leases",
            "create table mine ()",
            "drop view v_run",
        ] {
            let error = sqlx::query(statement).execute(&hand).await.unwrap_err();
            assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{statement}: {error}");
        }
    });
}

#[test]
fn two_that_bring_the_tables_up_to_date_at_once_do_it_once() {
    run_on_threads(async {
        let server = SharedServer::start().await;
        server.say("create role gpu7 login superuser password 'secret'").await;
        let opened: Vec<_> = (0..4)
            .map(|_| {
                let url = server.url("gpu7", "sslmode=require");
                tokio::spawn(async move { Ledger::open(Place::Url(url)).await.map(|_| ()) })
            })
            .collect();
        for one in opened {
            one.await.unwrap().unwrap();
        }
        let (applied, numbers): (i64, i64) =
            sqlx::query_as("select count(*), count(distinct version) from isoflop._sqlx_migrations where success")
                .fetch_one(&server.admin)
                .await
                .unwrap();
        assert_eq!((applied, numbers), (numbers, applied), "each once");
        assert!(applied >= 3);
    });
}

/// Connections are cut, and the server restarted, while an engine works.
#[test]
fn what_is_recorded_while_the_server_comes_and_goes_is_recorded_once() {
    run_on_threads(async {
        let server = SharedServer::start().await;
        server.roles().await;
        server.open("ana").await.unwrap();
        server.grants().await;
        let writer = server.open("gpu7").await.unwrap();
        let tasks: Vec<PlanTask> = (0..60).map(|n| task(&format!("t{n}"), &recipe(&format!("cut {n}"), &[]))).collect();
        let run = writer.begin_run(&head("cut", tasks.clone())).await.unwrap().id;
        let (done, cuts) = (AtomicBool::new(false), AtomicUsize::new(0));
        let cutting = async {
            let mut admin = server.admin.clone();
            for round in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                if round % 12 == 5 {
                    let restarting = server.home.server();
                    tokio::task::spawn_blocking(move || restarting.stop().and_then(|()| restarting.ensure()))
                        .await
                        .unwrap()
                        .unwrap();
                    admin = SharedServer::admin(&server.home).await;
                    cuts.fetch_add(1, Ordering::Relaxed);
                }
                let cut: i64 = sqlx::query_scalar(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'gpu7'",
                )
                .fetch_one(&admin)
                .await
                .unwrap();
                cuts.fetch_add(usize::try_from(cut).unwrap(), Ordering::Relaxed);
                // Long enough for something to be recorded in between, however slow the machine.
                tokio::time::sleep(Duration::from_millis(40 + 10 * round.min(40))).await;
            }
        };
        let working = async {
            for (n, half) in tasks.chunks(6).enumerate() {
                let each: Vec<_> = half
                    .iter()
                    .cloned()
                    .map(|task| {
                        let writer = writer.clone();
                        let what = format!("cut {}", task.name);
                        tokio::spawn(async move { carry_out(&writer, run, task.key, &task.name, &made(&what)).await })
                    })
                    .collect();
                for one in each {
                    one.await.unwrap();
                }
                assert!(n < 100);
            }
            writer.end_run(run, RunState::Done).await.unwrap();
            done.store(true, Ordering::Relaxed);
        };
        tokio::join!(cutting, working);
        let report = writer.verify_chain(run).await.unwrap();
        assert_eq!((report.events, report.broken), (122, None), "nothing lost, nothing doubled");
        let attempts: Vec<(String, i64)> = sqlx::query_as(
            "select coalesce(outcome, 'open'), count(*) from isoflop.attempts where run = $1 group by 1",
        )
        .bind(run.uuid())
        .fetch_all(&SharedServer::admin(&server.home).await)
        .await
        .unwrap();
        assert_eq!(attempts, [("made".to_owned(), 60)]);
        for task in &tasks {
            assert!(matches!(writer.claim(run, task.key, Purpose::Make).await.unwrap(), Claim::Done(_)));
        }
        let cuts = cuts.into_inner();
        assert!(cuts > 0, "nothing was cut");
        println!("{cuts} connections were cut");
    });
}
