//! Studies on disk: the files of a study that was run, found again where its run has them, or where they were named; claims and report made of them.

use std::path::PathBuf;

use isoflop_contract::{Catalog, Digest};
use isoflop_ledger::{Ledger, view::RunView};
use isoflop_plan::{Plan, outline};
use isoflop_report::{Facts, Judged, judge, render};
use isoflop_store::Store;
use tokio::{sync::Mutex, task::block_in_place};

use crate::{
    args::SetArgs,
    disk::Disk,
    facts::{self, Depth, Shelf, Sources},
    project,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// Studies that were named, and the report that was made last.
pub struct Studies {
    catalog: Catalog,
    /// Name and place of each that was named.
    named: Vec<(String, PathBuf)>,
    made: Mutex<Option<Made>>,
}

/// A report, and what it was made of: the same plan and the same facts give the same bytes.
struct Made {
    plan: Digest,
    place: String,
    extent: (u64, u64),
    html: Vec<u8>,
}

/// A study whose files could be read.
pub struct Found {
    /// Its plan, as its latest run set it.
    pub plan: Plan,
    /// Whether that is not what was run last.
    pub changed: bool,
}

impl Studies {
    /// Those in `places`; one that cannot be read is an error.
    pub fn new(places: &[PathBuf], catalog: Catalog) -> Result<Self, Stop> {
        let mut named = Vec::new();
        for place in places {
            let file = project::find(place)?;
            let label = file.display().to_string();
            match outline(&Disk, &label).name {
                Some(name) => named.push((name, place.clone())),
                // What is wrong with it, in full.
                None => named.push((project::plan_at(place, &SetArgs::default(), &catalog)?.study.name, place.clone())),
            }
        }
        Ok(Self { catalog, named, made: Mutex::default() })
    }

    /// The names of those that were named; empty where all are meant.
    pub fn names(&self) -> Vec<String> {
        self.named.iter().map(|(name, _)| name.clone()).collect()
    }

    /// Whether runs of this study are meant.
    pub fn means(&self, study: &str) -> bool {
        self.named.is_empty() || self.named.iter().any(|(name, _)| name == study)
    }

    /// Reads the files of the study of this name, set as in its latest run. What keeps them from being read is said in one line.
    pub fn find(&self, name: &str, latest: Option<&RunView>) -> Result<Found, String> {
        let place = self.named.iter().find(|(named, _)| named == name).map(|(_, place)| place.clone());
        let Some(place) = place.or_else(|| Some(PathBuf::from(&latest?.file))) else {
            return Err(format!("no study named `{name}` was run, and none was named to `isoflop serve`"));
        };
        let set: SetArgs =
            latest.and_then(|run| serde_json::from_value(run.soft["set"].clone()).ok()).unwrap_or_default();
        let plan = block_in_place(|| project::plan_at(&place, &set, &self.catalog)).map_err(|stop| match stop {
            Stop::Usage(why) if place.is_relative() => {
                format!("{why}. Its run was begun in another folder than this server; start it there, or name the study: isoflop serve STUDY")
            }
            Stop::Usage(why) => why,
            Stop::Invalid(findings) => {
                let n = findings.len();
                let mistakes = if n == 1 { "a mistake".to_owned() } else { format!("{n} mistakes") };
                format!("{} has {mistakes} by now; `isoflop check {}` lists them", place.display(), place.display())
            }
            other => other.to_string(),
        })?;
        if plan.study.name != name {
            return Err(format!("{} is the study `{}` by now", place.display(), plan.study.name));
        }
        let changed = latest.is_some_and(|run| run.plan != plan.digest());
        Ok(Found { plan, changed })
    }

    /// The claims of a study, judged by what is recorded.
    pub async fn claims(&self, plan: &Plan, settings: &Settings, ledger: Option<&Ledger>) -> Result<Vec<Judged>, Stop> {
        let facts = gather(plan, settings, ledger, None, Depth::Scalars).await?;
        Ok(judge(plan, &facts))
    }

    /// The report of a study. One is made at a time, and the last one is kept for as long as nothing is recorded.
    pub async fn report(
        &self,
        plan: &Plan,
        settings: &Settings,
        ledger: Option<&Ledger>,
        store: Option<&Store>,
    ) -> Result<Vec<u8>, Stop> {
        let mut made = self.made.lock().await;
        let extent = match ledger {
            Some(ledger) => ledger.extent().await.map_err(infrastructure)?,
            None => (0, 0),
        };
        let (digest, place) = (plan.digest(), format!("{} {:?}", plan.study.file, plan.study.params));
        if let Some(made) = made.as_ref().filter(|it| it.plan == digest && it.place == place && it.extent == extent) {
            return Ok(made.html.clone());
        }
        let facts = gather(plan, settings, ledger, store, Depth::Everything).await?;
        let html = block_in_place(|| render(plan, &facts, &judge(plan, &facts))).into_bytes();
        *made = Some(Made { plan: digest, place, extent, html: html.clone() });
        Ok(html)
    }
}

async fn gather(
    plan: &Plan,
    settings: &Settings,
    ledger: Option<&Ledger>,
    store: Option<&Store>,
    depth: Depth,
) -> Result<Facts, Stop> {
    facts::gather(plan, settings, Sources { ledger, store: Shelf::Still(store), before: None }, depth).await
}
