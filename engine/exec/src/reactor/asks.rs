//! What the reactor asks of others, each ask a piece of work that ends in one event: leases, old results, claims, executions.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use isoflop_contract::Digest;
use isoflop_ledger::{Claim, Lease, LedgerError, Past, PastOutcome, Purpose};
use isoflop_plan::TaskNeed;
use tokio::{
    sync::{oneshot, watch},
    task::spawn_blocking,
};

use super::{Event, Reactor};
use crate::{
    attempt::Order,
    device::DeviceLease,
    dispatcher::Stands,
    execution::{Execution, Inputs, Producer},
    pool::each,
    shared::Shared,
};

impl Reactor {
    /// Leases devices as against other engines. That may mean waiting for one that is at it too, so it is done aside.
    pub(super) fn lease(&mut self, task: usize, devices: Vec<usize>) {
        let hundredths = each(self.shared.plan.tasks()[task].demand.gpus);
        let (shared, folder) = (Arc::clone(&self.shared), self.shared.options.runtime.clone());
        self.devices.given.insert(task, devices.clone());
        self.work.spawn(async move {
            let take = move || {
                DeviceLease::take(&folder, devices.iter().map(|device| &shared.options.devices[*device]), hundredths)
            };
            Event::Leased(task, spawn_blocking(take).await.expect("leasing does not panic"))
        });
    }

    pub(super) fn look_up(&mut self, task: usize) {
        let shared = Arc::clone(&self.shared);
        let trace = self.trace(task);
        self.work.spawn(async move { Event::Looked(task, look_up(&shared, task, trace).await) });
    }

    pub(super) fn claim(&mut self, task: usize, again: bool) {
        let shared = Arc::clone(&self.shared);
        let key = shared.plan.tasks()[task].key;
        let purpose = match again {
            false => Purpose::Make,
            true if shared.options.witness && self.asked.contains(&task) => Purpose::Witness,
            true => Purpose::Remake,
        };
        let released = self.released.remove(&key);
        self.work.spawn(async move {
            // A key that is being given back is not claimed before it is: the ledger could not tell which came first.
            if let Some(released) = released {
                let _ = released.await;
            }
            let claim = shared.ledger.claim(shared.run, key, purpose).await;
            Event::Claimed(
                task,
                claim.map(|claim| {
                    let stands = if let Claim::Done(past) = &claim { Some(stands(&shared, past)) } else { None };
                    (claim, stands)
                }),
            )
        });
    }

    /// Gives a key back.
    pub(super) fn release(&mut self, task: usize) {
        let Some(lease) = self.leases.remove(&task) else { return };
        let shared = Arc::clone(&self.shared);
        let (under_way, over) = oneshot::channel::<()>();
        self.released.insert(lease.key, over);
        self.work.spawn(async move {
            let released = shared.ledger.release(&lease).await;
            drop(under_way);
            Event::Written(released)
        });
    }

    pub(super) fn launch(&mut self, task: usize) {
        let lease = self.leases.get(&task).cloned().expect("a task is launched under its lease");
        let (orders, heard) = watch::channel(Order::Go);
        self.orders.insert(task, orders);
        self.launched.insert(task, Instant::now());
        let inputs = self.inputs(task);
        let devices = self.devices.of_task(task);
        let trace = self.trace(task);
        self.record.entries[task].trace = Some(trace);
        let execution = Execution { task, lease, inputs, trace, devices, orders: heard };
        let shared = Arc::clone(&self.shared);
        self.work.spawn(async move { Event::Done(task, execution.carry_out(&shared).await) });
    }

    /// What stands at each port. A gather leaves out the cells that made nothing.
    fn inputs(&self, task: usize) -> BTreeMap<String, Inputs> {
        let producer = |task: usize| {
            let (digest, manifest) = self.record.entries[task].made.clone()?;
            Some(Producer { task, digest, manifest })
        };
        let needs = &self.shared.plan.tasks()[task].needs;
        let inputs = needs.iter().map(|(port, need)| {
            let inputs = match need {
                TaskNeed::One(one) => Inputs::One(producer(*one).expect("a task runs after what it needs was made")),
                TaskNeed::Many(cells) => Inputs::Many(
                    cells.iter().filter_map(|(label, cell)| Some((label.clone(), producer(*cell)?))).collect(),
                ),
            };
            (port.clone(), inputs)
        });
        inputs.collect()
    }

    /// The digest of the task's recipe with needs by digest.
    fn trace(&self, task: usize) -> Digest {
        let recipe = &self.shared.plan.tasks()[task].recipe;
        let trace = recipe.trace(|key| self.record.digest(key)).expect("a task runs after what it needs was made");
        Digest::of(trace.text().expect("a recipe that has a key has a canonical text"))
    }

    pub(super) fn renew(&mut self) {
        self.renewing = true;
        let leases: Vec<Lease> = self.leases.values().chain([&self.presence]).cloned().collect();
        let shared = Arc::clone(&self.shared);
        self.work.spawn(async move { Event::Renewed(shared.ledger.renew(&leases).await) });
    }
}

/// Looks for an old result with the same trace whose bytes are there, and adopts it.
async fn look_up(shared: &Shared, task: usize, trace: Digest) -> Result<Option<(Past, Stands)>, LedgerError> {
    let Some(past) = shared.ledger.by_trace(trace).await? else { return Ok(None) };
    if stands(shared, &past) == Stands::Absent {
        return Ok(None);
    }
    let task = &shared.plan.tasks()[task];
    let past = shared.ledger.adopt(shared.run, &task.name, task.key, &past, trace).await?;
    let stands = stands(shared, &past);
    Ok((stands != Stands::Absent).then_some((past, stands)))
}

fn stands(shared: &Shared, past: &Past) -> Stands {
    match &past.outcome {
        PastOutcome::Diverged { .. } => Stands::Diverged,
        PastOutcome::Made { manifest, .. } if shared.store.holds(manifest) => Stands::Made,
        PastOutcome::Made { .. } => Stands::Absent,
    }
}
