//! Rights: what the role of an engine or of a reviewer may do on a shared server, held against what it needs.
//!
//! `migrations/README.md` has the statements that make the three roles. A table that a migration adds is added here and there.

use serde::Serialize;

use crate::{error::LedgerError, ledger::Ledger};

/// What an engine needs beyond reading, by table. Facts can be added and nothing else.
const WRITER: &[(&str, &[&str])] = &[
    ("runs", &["insert", "update"]),
    ("recipes", &["insert"]),
    ("needs", &["insert"]),
    ("plan_tasks", &["insert", "update"]),
    ("attempts", &["insert", "update"]),
    ("artifacts", &["insert"]),
    ("results", &["insert", "update"]),
    ("traces", &["insert"]),
    ("metrics", &["insert"]),
    ("leases", &["insert", "update"]),
    ("events", &["insert"]),
    ("pins", &["insert", "delete"]),
    ("_sqlx_migrations", &[]),
];

/// What a role may do with the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rights {
    /// Its name.
    pub role: String,
    /// Whether it owns the tables, or nothing is refused to it.
    pub owner: bool,
    /// What a reviewer needs and it may not do, as `select on runs`.
    pub unread: Vec<String>,
    /// What an engine needs beyond that, and it may not do.
    pub unwritten: Vec<String>,
    /// What it may do and no engine needs, with which facts could be changed.
    pub excess: Vec<String>,
}

impl Rights {
    /// Whether it can run studies.
    pub fn writes(&self) -> bool {
        self.unread.is_empty() && self.unwritten.is_empty()
    }
}

impl Ledger {
    /// What the role that this ledger is connected as may do.
    pub async fn rights(&self) -> Result<Rights, LedgerError> {
        self.with("look up the role's rights", |pool| async move {
            let (role, owner): (String, bool) = sqlx::query_as(
                "select current_user::text,
                        pg_has_role(c.relowner, 'usage') or (select rolsuper from pg_roles where rolname = current_user)
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 where n.nspname = 'isoflop' and c.relname = 'events'",
            )
            .fetch_one(&pool)
            .await?;
            let rows: Vec<(String, String, bool)> = sqlx::query_as(
                "select c.relname::text, p.privilege, has_table_privilege(c.oid, p.privilege)
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                 cross join unnest(array['select', 'insert', 'update', 'delete', 'truncate']) as p (privilege)
                 where n.nspname = 'isoflop' and c.relkind in ('r', 'v') order by c.relkind, c.relname",
            )
            .fetch_all(&pool)
            .await?;
            let mut rights = Rights { role, owner, unread: vec![], unwritten: vec![], excess: vec![] };
            for (table, privilege, granted) in rows {
                let needed = WRITER.iter().find(|(name, _)| *name == table).map_or(&[][..], |(_, needed)| needed);
                let needed = needed.contains(&privilege.as_str());
                let named = format!("{privilege} on {table}");
                match (privilege.as_str(), needed, granted) {
                    ("select", _, false) => rights.unread.push(named),
                    (_, true, false) => rights.unwritten.push(named),
                    ("select", _, true) | (_, true, true) | (_, false, false) => {}
                    (_, false, true) => rights.excess.push(named),
                }
            }
            Ok(rights)
        })
        .await
    }
}
