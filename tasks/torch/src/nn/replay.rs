//! What a device does over and over, recorded once and then started as one.
//!
//! To start one operator on a CUDA device takes the processor ten microseconds and more, and a step of a UNet has ten thousand: small batches wait for the processor, not
//! for the device. CUDA can record what is started on a stream as a graph, and start all of it by one call. The kernels are the same, on the same numbers, in the
//! same order, so results are the same to the bit; whether something was recorded is therefore no part of a recipe.

use tch::{Device, Tensor, no_grad};

use crate::shim::Graph;

/// Calls of one kind that go operator by operator before the next is recorded. Libraries set themselves up in them, and constants come to the device.
const WARM: u32 = 3;

/// A computation that is asked for again and again on tensors of the same shapes.
#[derive(Debug)]
pub struct Replay {
    /// Whether it is tried at all.
    on: bool,
    /// The shapes of the last call, and how many calls in a row had them.
    last: (Vec<Vec<i64>>, u32),
    recorded: Option<Recorded>,
    broken: bool,
}

#[derive(Debug)]
struct Recorded {
    graph: Graph,
    given: Vec<Tensor>,
    made: Vec<Tensor>,
}

impl Replay {
    /// Of what is computed on `device`. On the processor nothing is ever recorded.
    pub fn on(device: Device) -> Self {
        let none_asked = std::env::var_os("ISOFLOP_NO_GRAPHS").is_some();
        Self {
            on: matches!(device, Device::Cuda(_)) && !none_asked,
            last: Default::default(),
            recorded: None,
            broken: false,
        }
    }

    /// Whether recording has failed since this was last asked. `run` may have come to any point by then, and what it left elsewhere is the caller's to take away.
    pub fn broke(&mut self) -> bool {
        std::mem::take(&mut self.broken)
    }

    /// What `run` makes of `given`, by what was recorded of it. It lies where it lay after the call before, and the next call overwrites it. None where nothing is recorded: the caller
    /// then does it himself. `run` must do the same operations on the same other tensors every time, whatever numbers it is given, and neither wait for the device nor
    /// bring anything to it. What cannot be recorded is said on standard error, and goes operator by operator from then on: see [`broke`](Self::broke).
    pub fn again(&mut self, given: &[Tensor], run: impl FnOnce(&[Tensor]) -> Vec<Tensor>) -> Option<&[Tensor]> {
        if !self.on {
            return None;
        }
        let shapes: Vec<Vec<i64>> = given.iter().map(Tensor::size).collect();
        if self.recorded.is_none() {
            self.last.1 = if self.last.0 == shapes { self.last.1 + 1 } else { 1 };
            self.last.0.clone_from(&shapes);
            if self.last.1 <= WARM {
                return None;
            }
            let given: Vec<Tensor> = no_grad(|| given.iter().map(Tensor::copy).collect());
            match Graph::record(|| run(&given)) {
                Ok(Some((graph, made))) => self.recorded = Some(Recorded { graph, given, made }),
                Ok(None) => self.on = false,
                Err(problem) => {
                    (self.on, self.broken) = (false, true);
                    eprintln!("cannot be recorded, and goes operator by operator: {problem}");
                }
            }
        }
        let recorded = self.recorded.as_mut().filter(|_| self.last.0 == shapes)?;
        no_grad(|| {
            for (place, given) in recorded.given.iter_mut().zip(given) {
                place.copy_(given);
            }
        });
        recorded.graph.replay();
        Some(&recorded.made)
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;

    /// On the processor the caller always does it himself. That a device's numbers are the same to the bit is tested where there is one (`tests/cuda.rs`).
    #[test]
    fn nothing_is_recorded_on_the_processor() {
        let mut replay = Replay::on(Device::Cpu);
        let given = [Tensor::ones([2], (Kind::Float, Device::Cpu))];
        for _ in 0..2 * WARM {
            assert!(replay.again(&given, |_| panic!("it is the caller's to do")).is_none());
        }
    }
}
