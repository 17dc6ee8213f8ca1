//! The device that a task declares, found among those that the process sees, and held to what was declared.

use std::sync::OnceLock;

use isoflop_contract::environment::{self, Capability};
use tch::{Cuda, Device};

use crate::{error::TorchError, shim};

static PRETENDED: OnceLock<Device> = OnceLock::new();

/// Lets `device` stand for every CUDA device from now on, whatever is declared. For programs that try out what training on a device does where there
/// is none; nothing that isoflop installs calls it.
pub fn pretend(device: Device) {
    let _ = PRETENDED.set(device);
}

/// The device of rank `rank`: ranks take the devices that the process sees in turn. One that is not there, or is not what was declared, is refused.
pub fn find(declared: environment::Device, rank: usize) -> Result<Device, TorchError> {
    let environment::Device::Cuda(declared) = declared else { return Ok(Device::Cpu) };
    if let Some(device) = PRETENDED.get() {
        return Ok(*device);
    }
    let count = if Cuda::is_available() { Cuda::device_count() } else { 0 };
    if count < 1 {
        return Err(TorchError::Device(format!(
            "`device: {declared}` is declared, and libtorch finds no CUDA device: it needs a GPU, its driver and a libtorch built with CUDA, whose `lib` folder is the one of LIBTORCH or on \
             LD_LIBRARY_PATH; `isoflop doctor` tells what is here"
        )));
    }
    let number = rank % count as usize;
    match capability(number) {
        Some(there) if there == declared => {
            shim::use_device(number);
            shim::use_stream(number);
            Ok(Device::Cuda(number))
        }
        Some(there) => Err(TorchError::Device(format!(
            "`device: {declared}` is declared, and device {number} here is {there}: bits depend on that, so it is not used in its place"
        ))),
        None => Err(TorchError::Device(format!(
            "device {number} does not tell its compute capability, and `{declared}` is declared"
        ))),
    }
}

/// The compute capability of device number `number` of those that this process sees.
pub fn capability(number: usize) -> Option<Capability> {
    let capability = |found: u32| Capability { major: found / 1000, minor: found % 1000 };
    shim::capability(number).map(capability)
}

/// What this process reaches, in words: `isoflop-torch --devices`.
pub fn told() -> String {
    let count = if Cuda::is_available() { Cuda::device_count() } else { 0 };
    let each = |number: i64| {
        let class = capability(number as usize)
            .map_or_else(|| "of unknown capability".to_owned(), |there| format!("`device: {there}`"));
        format!("cuda:{number} is {class}")
    };
    match (count, shim::has_cuda()) {
        (1.., _) => format!("libtorch with CUDA: {}", (0..count).map(each).collect::<Vec<_>>().join(", ")),
        (_, true) => "libtorch with CUDA, which finds no device or no driver".to_owned(),
        (_, false) => "libtorch without CUDA: `device: cpu` alone; a full libtorch's `lib` folder in LD_LIBRARY_PATH reaches devices".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_refused_in_words() {
        assert_eq!(find(environment::Device::Cpu, 3).unwrap(), Device::Cpu);
        let none = Capability { major: 19, minor: 9 };
        let said = find(environment::Device::Cuda(none), 0).unwrap_err().to_string();
        assert!(said.starts_with("`device: sm_199` is declared, and "), "{said}");
        assert!(said.contains("finds no CUDA device") || said.contains("is not used in its place"), "{said}");
        assert!(told().starts_with("libtorch with"));
    }
}
