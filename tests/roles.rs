//! A server that several share: what a role may do is told, and what it may not do is refused by name.

use serde_json::Value;

use crate::{
    project::{Project, STUDY},
    state,
};

const README: &str = include_str!("../migrations/README.md");

/// The statements under *Roles* that give the rights.
fn grants() -> &'static str {
    let (_, section) = README.split_once("\n## Roles on a shared server\n").expect("the README tells of roles");
    section.split("```sql\n").nth(2).and_then(|block| block.split("```").next()).expect("a second block of statements")
}

#[test]
fn doctor_tells_writers_from_readers_and_each_is_held_to_its_part() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    let url = state::with(&project, async |mut conn| {
        let make = "create role isoflop_writer; create role isoflop_reader; create role gpu7 login in role isoflop_writer; \
                    create role rita login in role isoflop_reader; create role bob login;";
        for statements in [make, grants()] {
            sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut conn).await.expect("a superuser may do this");
        }
        isoflop_ledger::server::PrivateServer::new(project.path(".isoflop/postgres")).ensure().expect("it runs")
    });
    let of = |who: &str| url.replace("//isoflop@", &format!("//{who}@"));
    let rights = |who: &str, code: i32| {
        let told = project.run(&["--database", &of(who), "doctor", "--json"]).expect(code).json();
        let checks = told["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["check"] == "rights").unwrap();
        (check["state"].clone(), check["says"].as_str().unwrap().to_owned())
    };
    let (state, says) = rights("gpu7", 0);
    assert!(state == "ok" && says.contains("role gpu7 can run studies"), "{says}");
    let (_, says) = rights("rita", 0);
    assert!(says.contains("can read and not run") && says.contains("insert on events"), "{says}");
    let (_, says) = rights("isoflop", 0);
    assert!(says.contains("owns the tables") && says.contains("migrations/README.md"), "{says}");
    project.run(&["--database", &of("bob"), "doctor"]).expect(8);

    let kept = project.run(&["--database", &of("rita"), "run", "--frozen"]).expect(0);
    assert!(kept.out.contains("everything is kept"), "{}", kept.out);
    project.write("study.yaml", &STUDY.replace("steps: 100, batch: 16", "steps: 101, batch: 16"));
    let refused = project.run(&["--database", &of("rita"), "run"]).expect(8);
    assert!(refused.err.contains("did not let this role begin a run"), "{}", refused.err);
    let run: Value = project.run(&["--database", &of("gpu7"), "run", "--json"]).expect(0).json();
    assert_eq!(run["totals"]["failed"], 0);
    project.run(&["--database", &of("rita"), "audit", "--all"]).expect(0);
}
