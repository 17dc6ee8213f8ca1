//! Where a model runs, and in what precision.

use tch::{Cuda, Device, Kind};

use crate::{error::TorchError, shim};

/// A device and a precision: a model's numbers are there, and its inputs are brought there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The device.
    pub device: Device,
    /// The precision of whatever is not whole numbers.
    pub kind: Kind,
}

/// The processor, in single precision.
impl Default for Place {
    fn default() -> Self {
        Self { device: Device::Cpu, kind: Kind::Float }
    }
}

impl Place {
    /// Reads `cpu` or `cuda[:N]`, and `fp32` or `bf16`. What is wrong is a sentence; a device that is not there is refused.
    pub fn read(device: &str, dtype: &str) -> Result<Self, TorchError> {
        let wrong = |problem: String| Err(TorchError::Mismatch(problem));
        let kind = match dtype {
            "fp32" => Kind::Float,
            "bf16" => Kind::BFloat16,
            _ => return wrong(format!("`{dtype}` is no precision; there are fp32 and bf16")),
        };
        let number = match device.split_once(':') {
            None if device == "cpu" => return Ok(Self { device: Device::Cpu, kind }),
            None if device == "cuda" => Some(0),
            Some(("cuda", number)) => number.parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            return wrong(format!(
                "`{device}` is no device; there are cpu and cuda, or cuda:1 for the second of several"
            ));
        };
        match Cuda::device_count() {
            _ if !Cuda::is_available() => {
                let hint = "it needs a GPU, its driver and a libtorch built with CUDA; `--device cpu` runs anywhere";
                wrong(format!("`{device}` cannot be used: libtorch finds no CUDA device. {hint}"))
            }
            count if number as i64 >= count => {
                wrong(format!("there is no `{device}`: the last of {count} is cuda:{}", count - 1))
            }
            _ => {
                shim::use_device(number);
                shim::use_stream(number);
                Ok(Self { device: Device::Cuda(number), kind })
            }
        }
    }

    /// Waits until all that was asked of the device is done.
    pub fn wait(self) {
        if let Device::Cuda(number) = self.device {
            Cuda::synchronize(number as i64);
        }
    }

    /// The device's name for people, as the system tells it.
    pub fn name(self) -> String {
        let told = match self.device {
            Device::Cpu => field("/proc/cpuinfo", "model name"),
            _ => graphics(),
        };
        told.unwrap_or_else(|| format!("{:?}", self.device).to_lowercase())
    }
}

/// What stands behind `name:` in a file of the system.
fn field(path: impl AsRef<std::path::Path>, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned()).next()
}

/// NVIDIA's devices by model; where they are not all alike, every model that there is.
fn graphics() -> Option<String> {
    let folders = std::fs::read_dir("/proc/driver/nvidia/gpus").ok()?;
    let models = folders.filter_map(|folder| field(folder.ok()?.path().join("information"), "Model"));
    let models: std::collections::BTreeSet<String> = models.collect();
    (!models.is_empty()).then(|| models.into_iter().collect::<Vec<_>>().join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_what_is_not_there_is_refused() {
        assert_eq!(Place::read("cpu", "fp32").unwrap(), Place::default());
        assert_eq!(Place::read("cpu", "bf16").unwrap().kind, Kind::BFloat16);
        let said = |device: &str, dtype: &str| Place::read(device, dtype).unwrap_err().to_string();
        assert_eq!(said("cpu", "fp16"), "`fp16` is no precision; there are fp32 and bf16");
        assert!(said("tpu", "fp32").starts_with("`tpu` is no device; there are cpu and cuda"));
        assert!(said("cuda:x", "fp32").starts_with("`cuda:x` is no device"));
        let beyond = said("cuda:999", "bf16");
        assert!(beyond.contains("finds no CUDA device") || beyond.starts_with("there is no `cuda:999`"), "{beyond}");
        assert!(!Place::default().name().is_empty());
    }
}
