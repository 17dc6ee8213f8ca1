//! The pool: processor slots, memory and devices, and how much of each is free. Pure counting; which device a task gets is decided here, and
//! whether another engine has it is found out elsewhere.

use isoflop_contract::{Demand, demand::Gpus};

/// What there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Processor slots.
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Devices.
    pub devices: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self { cpus: 1, memory: u64::MAX, devices: 0 }
    }
}

/// What one task occupies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Want {
    /// Processor slots.
    pub cpus: u32,
    /// Memory in bytes; nothing where the task does not say.
    pub memory: u64,
    /// Devices.
    pub gpus: Gpus,
}

impl Want {
    /// What a demand asks for.
    pub fn of(demand: &Demand) -> Self {
        Self { cpus: demand.slots(), memory: demand.memory.map_or(0, |memory| memory.0), gpus: demand.gpus }
    }

    /// As much of it as there is at all: what asks for more slots or memory than that takes all of them, and so runs alone. Who asks for
    /// more devices is turned away before the run begins.
    #[must_use]
    pub fn within(self, capacity: &Capacity) -> Self {
        let devices = u32::try_from(capacity.devices).unwrap_or(u32::MAX / Gpus::ONE);
        Self {
            cpus: self.cpus.clamp(1, capacity.cpus.max(1)),
            memory: self.memory.min(capacity.memory),
            gpus: self.gpus.min(Gpus::whole(devices)),
        }
    }
}

/// What is free.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    cpus: u32,
    memory: u64,
    /// Of each device, in hundredths.
    devices: Vec<u32>,
    /// Devices that another engine was found to have.
    shunned: Vec<bool>,
}

impl Pool {
    pub(crate) fn new(capacity: &Capacity) -> Self {
        Self {
            cpus: capacity.cpus.max(1),
            memory: capacity.memory,
            devices: vec![Gpus::ONE; capacity.devices],
            shunned: vec![false; capacity.devices],
        }
    }

    /// Whether nobody can get anything: every task wants a slot.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.cpus == 0
    }

    /// Takes what `want` asks for, all of it or nothing. Answers with its devices.
    pub(crate) fn take(&mut self, want: &Want) -> Option<Vec<usize>> {
        if want.cpus > self.cpus || want.memory > self.memory {
            return None;
        }
        let devices = self.pick(want.gpus)?;
        self.occupy(want, &devices);
        Some(devices)
    }

    /// Takes what `want` asks for on these devices. It must be there.
    pub(crate) fn occupy(&mut self, want: &Want, devices: &[usize]) {
        self.cpus -= want.cpus;
        self.memory -= want.memory;
        for device in devices {
            self.devices[*device] -= each(want.gpus);
        }
    }

    /// Gives it back.
    pub(crate) fn give(&mut self, want: &Want, devices: &[usize]) {
        self.cpus += want.cpus;
        self.memory += want.memory;
        for device in devices {
            self.devices[*device] += each(want.gpus);
        }
    }

    /// What is left for those who come behind one that waits for `want`: nothing of what it is short of, and of the rest what it does not
    /// need. So they cannot keep it waiting, and what it cannot use anyway does not lie idle.
    pub(crate) fn behind(&self, want: &Want) -> Self {
        let mut left = self.clone();
        match left.pick(want.gpus) {
            Some(devices) => {
                for device in devices {
                    left.devices[device] -= each(want.gpus);
                }
            }
            None => left.devices.fill(0),
        }
        left.cpus = left.cpus.saturating_sub(want.cpus);
        left.memory = left.memory.saturating_sub(want.memory);
        left
    }

    /// Another engine has (one of) these devices.
    pub(crate) fn shun(&mut self, devices: &[usize]) {
        for device in devices {
            self.shunned[*device] = true;
        }
    }

    /// Whether another engine was found to have devices.
    pub(crate) fn shuns(&self) -> bool {
        self.shunned.contains(&true)
    }

    /// Forgets that.
    pub(crate) fn trust(&mut self) {
        self.shunned.fill(false);
    }

    /// Devices for `gpus`: whole ones by number; a part where least is left, so that whole ones stay whole.
    fn pick(&self, gpus: Gpus) -> Option<Vec<usize>> {
        let fit =
            (0..self.devices.len()).filter(|device| !self.shunned[*device] && self.devices[*device] >= each(gpus));
        let picked: Vec<usize> = if gpus.is_part() {
            fit.min_by_key(|device| self.devices[*device]).into_iter().collect()
        } else {
            fit.take(gpus.devices()).collect()
        };
        (picked.len() == gpus.devices()).then_some(picked)
    }
}

/// What is taken of each device, in hundredths.
pub(crate) fn each(gpus: Gpus) -> u32 {
    gpus.hundredths().min(Gpus::ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn want(cpus: u32, memory: u64, gpus: f64) -> Want {
        Want { cpus, memory, gpus: Gpus::of(gpus).unwrap() }
    }

    #[test]
    fn parts_share_a_device_and_leave_the_others_whole() {
        let capacity = Capacity { cpus: 8, memory: 100, devices: 2 };
        let mut pool = Pool::new(&capacity);
        assert_eq!(pool.take(&want(1, 0, 0.5)), Some(vec![0]));
        assert_eq!(pool.take(&want(1, 0, 1.0)), Some(vec![1]));
        assert_eq!(pool.take(&want(1, 0, 1.0)), None);
        assert_eq!(pool.take(&want(1, 0, 0.5)), Some(vec![0]));
        assert_eq!(pool.take(&want(1, 0, 0.01)), None);
        pool.give(&want(1, 0, 1.0), &[1]);
        assert_eq!(pool.take(&want(1, 0, 0.25)), Some(vec![1]));
        pool.shun(&[1]);
        assert_eq!((pool.take(&want(1, 0, 0.25)), pool.shuns()), (None, true));
        pool.trust();
        assert_eq!(pool.take(&want(1, 0, 0.25)), Some(vec![1]));
    }

    #[test]
    fn who_wants_more_than_there_is_gets_all() {
        let capacity = Capacity { cpus: 2, memory: 100, devices: 1 };
        assert_eq!(want(9, 1000, 4.0).within(&capacity), want(2, 100, 1.0));
        assert_eq!(Want::default().within(&capacity).cpus, 1);
    }

    #[test]
    fn those_behind_get_what_the_one_in_front_cannot_use() {
        let mut pool = Pool::new(&Capacity { cpus: 4, memory: 100, devices: 1 });
        pool.take(&want(1, 10, 1.0)).unwrap();
        let mut left = pool.behind(&want(1, 50, 1.0)); // it waits for the device
        assert_eq!(left.take(&want(1, 0, 0.5)), None);
        assert_eq!(left.take(&want(1, 60, 0.0)), None);
        assert_eq!(left.take(&want(2, 40, 0.0)), Some(vec![]));
        assert!(left.is_exhausted());
    }
}
