//! `run --frozen`: whether anything would have to be made, for CI. Answers with 0 or 5 and the list, and does nothing else: starts no server
//! and no worker, makes no folder, reads no artifact's bytes. The home may be read-only, the store may be gone, libtorch need not be there.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Key, Manifest};
use isoflop_exec::{Force, Scope, Survey};
use isoflop_ledger::{Ledger, Past};
use isoflop_plan::{Plan, Selection};
use isoflop_store::Store;

use crate::{
    home,
    kept::{self, Kept},
    selection,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// The past as far as it can be known without a write.
pub struct Look {
    /// The ledger, if it was needed and is there.
    pub ledger: Option<Ledger>,
    past: BTreeMap<Key, Past>,
    store: Option<Store>,
}

impl Look {
    /// Looks at the past of `plan`: at what the last runs noted, or at a ledger that is there anyway where that does not tell all.
    pub async fn at(plan: &Plan, settings: &Settings) -> Result<Self, Stop> {
        let store = Store::look(&settings.store());
        let noted = if settings.database.is_none() { Kept::read(settings) } else { None };
        if let Some(kept) = noted.as_ref().filter(|kept| kept.covers(plan)) {
            return Ok(Self { ledger: None, past: kept.past(plan, store.as_ref()), store });
        }
        let ledger = home::ledger_to_look(settings).await?;
        let past = match (&ledger, &noted) {
            (Some(ledger), _) => home::past(plan, Some(ledger)).await?,
            (None, Some(kept)) => kept.past(plan, store.as_ref()),
            (None, None) if settings.database.is_none() && settings.home.join("postgres").is_dir() => {
                return Err(infrastructure(anyhow::anyhow!(
                    "the ledger in {} is not running, and no run of this version has noted yet what it holds; `isoflop run` \
                     once, or `isoflop plan`",
                    settings.home.display()
                )));
            }
            (None, None) => BTreeMap::new(),
        };
        Ok(Self { ledger, past, store })
    }

    /// Surveys a selection of the plan.
    pub async fn survey(&self, plan: &Plan, selection: &Selection, force: Force) -> Result<Survey, Stop> {
        let failed = match (&self.ledger, selection.failed) {
            (_, false) => BTreeSet::new(),
            (Some(ledger), true) => selection::failed(plan, &selection::named(plan, selection)?, Some(ledger)).await?,
            (None, true) => {
                return Err(Stop::Usage(
                    "--frozen with --failed asks a running ledger, and none is running".to_owned(),
                ));
            }
        };
        selection::survey_in(plan, selection, force, (&self.past, &failed), &|manifest| self.holds(manifest))
    }

    /// Surveys these tasks of the plan.
    pub fn survey_of(&self, plan: &Plan, targets: BTreeSet<usize>, selection: &Selection) -> Survey {
        let scope =
            Scope { force: Force::Nothing, targets: Some(targets), bytes: selection.missing, ..Scope::default() };
        isoflop_exec::survey(plan, &self.past, &|manifest| self.holds(manifest), &scope)
    }

    fn holds(&self, manifest: &Manifest) -> bool {
        kept::is_known(manifest) && self.store.as_ref().is_some_and(|store| store.holds(manifest))
    }
}
