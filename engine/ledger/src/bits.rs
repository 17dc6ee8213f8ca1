//! Bits: how often what stands under a key was made again, independently, and whether the same came out.

use std::{collections::BTreeMap, fmt};

use isoflop_contract::Key;

use crate::{bytes::keys as bind, chain::count, error::LedgerError, ledger::Ledger};

/// What witnesses say of one result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bits {
    /// Witnesses that made the same bits.
    pub equal: u64,
    /// Those that made others, or diverged where the result did not, or the other way round.
    pub differ: u64,
}

/// `verified 2x`, `unverified` or `differs`.
impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { differ: 1.., .. } => f.write_str("differs"),
            Self { equal: 0, .. } => f.write_str("unverified"),
            Self { equal, .. } => write!(f, "verified {equal}x"),
        }
    }
}

impl Ledger {
    /// What witnesses say of the results under `keys`. Results without a witness are left out.
    pub async fn bits(&self, keys: &[Key]) -> Result<BTreeMap<Key, Bits>, LedgerError> {
        self.with("look for witnesses", |pool| async move {
            let rows: Vec<([u8; 32], i64, i64)> = sqlx::query_as(
                "select t.key, count(*) filter (where t.same), count(*) filter (where not t.same)
                 from (select a.key, (a.outcome, a.artifact) is not distinct from (r.outcome, r.artifact) as same
                       from attempts a join results r on r.key = a.key
                       where a.key = any($1) and a.purpose = 'witness' and a.outcome in ('made', 'diverged')) t
                 group by t.key",
            )
            .bind(bind(keys.iter()))
            .fetch_all(&pool)
            .await?;
            rows.into_iter()
                .map(|(key, equal, differ)| {
                    let bits = Bits { equal: count(equal, "a count")?, differ: count(differ, "a count")? };
                    Ok((Key::from_bytes(key), bits))
                })
                .collect()
        })
        .await
    }
}
