//! The devices of a run: all that it may use, which were given to which task, and the leases on them as against other engines.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{demand::Gpus, environment::Device as Declared};
use isoflop_plan::Plan;

use crate::{
    device::{Device, DeviceLease, private_folder},
    error::ExecError,
    job::Options,
    survey::Survey,
};

/// The devices of a run and who has them.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    all: Vec<Device>,
    /// The devices last given to each task.
    pub(crate) given: BTreeMap<usize, Vec<usize>>,
    pub(crate) leases: BTreeMap<usize, DeviceLease>,
    /// Tasks of which it was told that they wait for devices.
    pub(crate) awaited: BTreeSet<usize>,
}

impl Devices {
    /// Refuses a run that has a task which could never start.
    pub(crate) fn of(plan: &Plan, survey: &Survey, options: &Options) -> Result<Self, ExecError> {
        let found = options.devices.len();
        let wants = |index: &usize| plan.tasks()[*index].demand.gpus;
        if let Some(index) = survey.to_run().find(|index| wants(index).devices() > found) {
            let task = &plan.tasks()[index];
            let by = match task.recipe.environment.device() {
                // It asks for one where the study says nothing of them.
                Some(Declared::Cuda(device)) if wants(&index) == Gpus::whole(1) => format!("device: {device}"),
                _ => "on: gpus".to_owned(),
            };
            return Err(ExecError::Devices { task: task.name.clone(), wanted: wants(&index), by, found });
        }
        for index in survey.to_run() {
            let task = &plan.tasks()[index];
            let Some(Declared::Cuda(device)) = task.recipe.environment.device() else { continue };
            // Which of several devices a task gets is not its choice, so all of them are to be what it declares.
            if let Some(other) = options.devices.iter().find(|there| there.capability.is_some_and(|is| is != device)) {
                let found = other.capability.map_or_else(String::new, |is| format!("{} is {is}", other.name));
                return Err(ExecError::Class { task: task.name.clone(), device, found });
            }
        }
        if survey.to_run().any(|index| wants(&index) != Gpus::NONE) {
            let doing = "use the folder for leases of devices,";
            private_folder(&options.runtime).map_err(|source| ExecError::Folder {
                path: options.runtime.clone(),
                doing,
                source,
            })?;
        }
        Ok(Self { all: options.devices.clone(), ..Self::default() })
    }

    pub(crate) fn of_task(&self, task: usize) -> Vec<Device> {
        let leased = self.leases.contains_key(&task);
        let given = self.given.get(&task).filter(|_| leased);
        given.into_iter().flatten().map(|device| self.all[*device].clone()).collect()
    }
}
