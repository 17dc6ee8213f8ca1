//! How the machine fares: steps a second, the share of its peak that is used, the share of a step that waits for data, memory. Series of their own that no result depends on.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use isoflop_contract::{environment::Precision, protocol::MACHINE};
use isoflop_worker::{Context, Halt, NotFinite};
use tch::{Cuda, Device, Kind, Tensor, no_grad};

use super::Recipe;
use crate::{
    nn::{Setting, precise},
    parallel::{error::RankError, group::Group, team::Team},
    shim,
};

/// Sides of the matrices that the peak is measured with, on a processor and on a device.
const SIDES: (i64, i64) = (512, 8192);

/// Times the peak is measured: the best counts.
const TRIES: u32 = 4;

/// A clock over steps.
#[derive(Debug)]
pub(super) struct Gauge {
    /// Floating-point operations of one step, and those that the team's devices do in a second at best, where steps have been counted.
    mfu: Option<(f64, f64)>,
    began: Instant,
    /// Time since then that no step took.
    rested: Duration,
    steps: u64,
    device: Device,
    /// The time that losses had waited for data by then.
    waited: Duration,
}

impl Gauge {
    /// A gauge after `done` steps of all the team.
    pub(super) fn new(recipe: &Recipe, done: u64, team: &Team) -> Result<Self, Halt> {
        let devices = team.together(|group| devices(group, recipe.setting.device))?;
        let mfu = (recipe.flops > 0.0).then(|| (recipe.flops, devices as f64 * peak(recipe.setting)));
        Ok(Self {
            mfu,
            began: Instant::now(),
            rested: Duration::ZERO,
            steps: done,
            device: recipe.setting.device,
            waited: Duration::ZERO,
        })
    }

    /// Tells how the steps since the last time went, the latest of which is `done`.
    pub(super) fn tell(&mut self, done: u64, waited: Option<Duration>, context: &mut Context) -> Result<(), NotFinite> {
        let seconds = self.began.elapsed().saturating_sub(self.rested).as_secs_f64();
        if done > self.steps && seconds > 0.0 {
            let rate = (done - self.steps) as f64 / seconds;
            context.metric(&format!("{MACHINE}steps_per_second"), done, rate)?;
            if let Some((flops, peak)) = self.mfu {
                context.metric(&format!("{MACHINE}mfu"), done, rate * flops / peak)?;
            }
        }
        if let Some(waited) = waited {
            let share = waited.saturating_sub(self.waited).as_secs_f64() / seconds.max(1e-9);
            context.metric(&format!("{MACHINE}loader_share"), done, share.min(1.0))?;
            self.waited = waited;
        }
        if let Some(bytes) = memory(self.device) {
            context.metric(&format!("{MACHINE}peak_memory"), done, bytes as f64)?;
        }
        (self.began, self.rested, self.steps) = (Instant::now(), Duration::ZERO, done);
        Ok(())
    }

    /// So much time went to something else than steps: a held-out measure.
    pub(super) fn rest(&mut self, time: Duration) {
        self.rested += time;
    }
}

/// How many devices a team's ranks have between them, of which `device` is this one's: some may share one. On a processor each has threads of its own.
fn devices(group: &dyn Group, device: Device) -> Result<usize, RankError> {
    let Device::Cuda(number) = device else { return Ok(group.world()) };
    let numbers = group.gather(&[number as f64])?;
    Ok(numbers.into_iter().map(f64::to_bits).collect::<BTreeSet<_>>().len())
}

/// Floating-point operations a second of a product of two square matrices, at best of a few tries.
fn peak(setting: Setting) -> f64 {
    let device = matches!(setting.device, Device::Cuda(_));
    let side = if device { SIDES.1 } else { SIDES.0 };
    let matrix = Tensor::ones([side, side], (Kind::Float, setting.device));
    // In lower precision a product is measured, not the cast before it.
    let matrix = if device && setting.precision == Precision::Bf16 { matrix.to_kind(Kind::BFloat16) } else { matrix };
    let wait = || {
        if let Device::Cuda(number) = setting.device {
            Cuda::synchronize(number as i64);
        }
    };
    let best = (0..TRIES).map(|_| {
        wait();
        let began = Instant::now();
        let _ = no_grad(|| precise(setting, || matrix.matmul(&matrix)));
        wait();
        began.elapsed()
    });
    2.0 * (side as f64).powi(3) / best.min().unwrap_or_default().as_secs_f64().max(1e-9)
}

/// The most memory that this process has held, in bytes, where the system says so: of the device, where it computes on one.
fn memory(device: Device) -> Option<u64> {
    if let Device::Cuda(number) = device {
        return shim::peak_memory(number);
    }
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parallel::group::Heard;

    #[test]
    fn a_device_that_ranks_share_counts_once() {
        let heard = |numbers: &[f64]| Heard(numbers.iter().map(|number| number.to_le_bytes().to_vec()).collect());
        assert_eq!(devices(&heard(&[0.0, 1.0, 2.0, 3.0]), Device::Cuda(0)).unwrap(), 4);
        assert_eq!(devices(&heard(&[0.0, 1.0, 0.0, 1.0]), Device::Cuda(0)).unwrap(), 2);
        assert_eq!(devices(&heard(&[0.0, 0.0, 0.0]), Device::Cpu).unwrap(), 3);
    }

    #[test]
    fn the_machine_can_be_measured() {
        assert!(peak(Precision::Fp32.into()) > 1e6 && peak(Precision::Bf16.into()) > 1e6);
        assert!(memory(Device::Cpu).is_none_or(|bytes| bytes > 1 << 20));
    }
}
