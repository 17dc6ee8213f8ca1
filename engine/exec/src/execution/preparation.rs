//! Before the worker: its inputs are put in place, each byte of them checked.

use std::{collections::BTreeMap, io, path::PathBuf};

use isoflop_contract::{Failure, Value, handle::Input, port::Given, protocol::Saving};
use isoflop_ledger::Purpose;
use isoflop_store::StoreError;
use serde_json::json;
use uuid::Uuid;

use super::{Execution, Inputs, Producer, resource};
use crate::{
    cgroup::Cgroup,
    checkpoints::{self, Carried, Found},
    device::Device,
    honesty,
    job::Options,
    moment::Moment,
    provide::{Unprovided, provide},
    room::Room,
    shared::Shared,
};

/// Why an execution did not get as far as its worker.
pub(super) enum Unready {
    Lost(Vec<(usize, String)>),
    Unfit(Failure),
}

/// A task whose inputs are in place.
pub(super) struct Prepared {
    pub(super) room: Room,
    pub(super) needs: BTreeMap<String, Given>,
    /// The files of the study, or why it cannot have them.
    pub(super) files: Result<BTreeMap<String, PathBuf>, Failure>,
    /// The soft environment of this attempt.
    pub(super) soft: Value,
    pub(super) given: honesty::Given,
    pub(super) saving: Saving,
    pub(super) carried: Option<Carried>,
    pub(super) cgroup: Option<Cgroup>,
}

impl Execution {
    /// Makes the folder and puts the inputs there, each byte of them checked.
    pub(super) fn prepare(&self, shared: &Shared) -> Result<Prepared, Unready> {
        let name = Uuid::now_v7().to_string();
        let room = Room::create(&shared.scratch, &name).map_err(|error| {
            let folder = shared.scratch.path().join(&name);
            Unready::Unfit(resource(format!("cannot make the folder {}: {error}", folder.display())))
        })?;
        // A program of the study's own may do anything; bodies of ours only read what they read.
        let foreign = shared.plan.tasks()[self.task].outside.program.is_some();
        let mut lost = Vec::new();
        let mut take = |producer: &Producer, port: &str, n: usize| -> Result<Input, Unready> {
            let path = room.input(port, n);
            match shared.store.materialize_for(foreign, producer.digest, &producer.manifest, &path) {
                Ok(()) => {}
                Err(
                    error @ (StoreError::Corrupt(_) | StoreError::CorruptManifest { .. } | StoreError::Missing { .. }),
                ) => lost.push((producer.task, error.to_string())),
                Err(error) => return Err(Unready::Unfit(resource(error.to_string()))),
            }
            Ok(Input {
                shape: producer.manifest.shape.clone(),
                cell: shared.plan.tasks()[producer.task].cell.clone(),
                digest: producer.digest,
                path,
                scalars: producer.manifest.scalars.clone(),
            })
        };
        let mut needs = BTreeMap::new();
        for (port, inputs) in &self.inputs {
            let given = match inputs {
                Inputs::One(producer) => take(producer, port, 0).map(Given::One),
                Inputs::Many(cells) => cells
                    .iter()
                    .enumerate()
                    .map(|(n, (label, producer))| Ok((label.clone(), take(producer, port, n)?)))
                    .collect::<Result<_, _>>()
                    .map(Given::Many),
            };
            needs.insert(port.clone(), given?);
        }
        if !lost.is_empty() {
            return Err(Unready::Lost(lost));
        }
        let task = &shared.plan.tasks()[self.task];
        let files = match provide(&shared.store, task, &room) {
            Ok(files) => Ok(files),
            Err(Unprovided::Failed(failure)) => Err(failure),
            Err(Unprovided::Store(error)) => return Err(Unready::Unfit(resource(error.to_string()))),
        };
        let Options { soft, variables, .. } = &shared.options;
        let mut soft = shared.tools.soft(soft, task.outside.program.as_deref(), variables);
        if !self.devices.is_empty() {
            let told = |device: &Device| {
                let capability = device.capability.map(|is| is.to_string());
                json!({"id": device.id, "name": device.name, "capability": capability, "memory": device.memory, "mhz": device.clock})
            };
            soft["gpus"] = self.devices.iter().map(told).collect();
        }
        let cgroup = match (&shared.cgroups, task.demand.memory) {
            (Some(groups), Some(memory)) => Some(groups.make(&name, memory.0).map_err(|error| {
                let place = groups.path().display();
                Unready::Unfit(resource(format!(
                    "cannot make a control group in {place}: {error}; ISOFLOP_CGROUP=none does without"
                )))
            })?),
            _ => None,
        };
        if let Some(memory) = task.demand.memory {
            let how = if cgroup.is_some() { "control group" } else { "looking" };
            soft["memory"] = json!({"limit": memory.0, "by": how});
        }
        let given = self
            .note(shared, &room, files.is_ok())
            .map_err(|error| Unready::Unfit(resource(format!("cannot look at what a task reads: {error}"))))?;
        let (saving, carried) = self.saving(shared, &room);
        Ok(Prepared { room, needs, files, soft, given, saving, carried, cgroup })
    }

    /// Notes what the worker may read.
    fn note(&self, shared: &Shared, room: &Room, has_files: bool) -> io::Result<honesty::Given> {
        let task = &shared.plan.tasks()[self.task];
        let mut given = honesty::Given::to(task.outside.program.is_some());
        for (port, inputs) in &self.inputs {
            let producers = match inputs {
                Inputs::One(producer) => vec![producer],
                Inputs::Many(cells) => cells.values().collect(),
            };
            for (n, producer) in producers.into_iter().enumerate() {
                given.note(&room.input(port, n), &producer.manifest)?;
            }
        }
        for (name, set) in task.files.iter().filter(|_| has_files) {
            given.note(&room.files(name), &set.manifest)?;
        }
        given.begin(&task.name, &shared.readers);
        Ok(given)
    }

    /// How it checkpoints, and what it goes on from. A witness does neither where others do: it is to find out by itself what comes out.
    fn saving(&self, shared: &Shared, room: &Room) -> (Saving, Option<Carried>) {
        let task = &shared.plan.tasks()[self.task];
        let (folder, found) = if self.lease.purpose == Purpose::Witness {
            (room.path().join("checkpoints"), Found::default())
        } else {
            let folder = checkpoints::place(&shared.options.folder, &task.key);
            let found = checkpoints::latest(&folder, &task.key, &task.recipe.kind, task.recipe.revision);
            (folder, found)
        };
        for why in found.passed {
            let _ = shared.moments.send(Moment::PassedOver { task: task.name.clone(), why });
        }
        let saving = Saving {
            key: task.key,
            folder,
            how: task.demand.checkpoint,
            at: shared.options.marks.get(&task.key).cloned().unwrap_or_default(),
            resume: found.carried.as_ref().map(|carried| carried.step),
            death: shared.options.deaths.next(&task.key),
        };
        (saving, found.carried)
    }
}
