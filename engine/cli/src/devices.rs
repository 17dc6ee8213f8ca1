//! The devices that tasks may be given: what NVIDIA's management library finds, as far as `CUDA_VISIBLE_DEVICES` lets it be seen. The library
//! comes with the driver and is looked for at run time: without it there are no devices, and nothing is amiss.

use isoflop_contract::environment::{Capability, Device as Class};
use isoflop_exec::Device;
use nvml_wrapper::{Nvml, enum_wrappers::device::Clock, error::NvmlError};

use crate::settings::Settings;

/// The library's name without a development package.
const LIBRARY: &str = "libnvidia-ml.so.1";

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The devices.
    pub devices: Vec<Device>,
    /// Where they come from, or why there are none.
    pub note: String,
    /// The version of their driver, where it is known.
    pub driver: Option<String>,
}

/// Looks for devices.
pub fn found(settings: &Settings) -> Found {
    let none = |note: String| Found { devices: Vec::new(), note, driver: None };
    let (all, driver, from) = match settings.devices.as_deref() {
        Some("none") => return none("ISOFLOP_DEVICES says so".to_owned()),
        Some(text) => match text.strip_prefix("fake:").and_then(fakes) {
            Some(all) => (all, None, "which ISOFLOP_DEVICES pretends there are"),
            _ => return none(format!("ISOFLOP_DEVICES is `{text}`; it may be `fake:N`, `fake:N:sm_90` or `none`")),
        },
        None => match library() {
            Ok((all, driver)) => (all, driver, "found by the driver's library"),
            Err(NvmlError::LibloadingError(_)) => return none(format!("the driver's {LIBRARY} is not there")),
            Err(error) => return none(format!("the driver's {LIBRARY} says: {error}")),
        },
    };
    let count = all.len();
    let devices = visible(all, settings.visible.as_deref());
    let hidden = count.saturating_sub(devices.len());
    let note = if hidden == 0 { from.to_owned() } else { format!("{from}; CUDA_VISIBLE_DEVICES hides {hidden}") };
    Found { devices, note, driver }
}

/// All devices, and their driver's version.
fn library() -> Result<(Vec<Device>, Option<String>), NvmlError> {
    let nvml = Nvml::builder().lib_path(LIBRARY.as_ref()).init()?;
    let device = |index| {
        let device = nvml.device_by_index(index)?;
        let memory = device.memory_info().ok().map(|memory| memory.total);
        let capability = device.cuda_compute_capability().ok().and_then(|is| {
            Some(Capability { major: u32::try_from(is.major).ok()?, minor: u32::try_from(is.minor).ok()? })
        });
        let clock = device.max_clock_info(Clock::SM).ok();
        Ok(Device { id: device.uuid()?, name: device.name()?, memory, capability, clock })
    };
    let devices: Result<_, NvmlError> = (0..nvml.device_count()?).map(device).collect();
    Ok((devices?, nvml.sys_driver_version().ok()))
}

/// Devices that are none, to try out how tasks are spread: so many, and of which capability if that is said.
fn fakes(text: &str) -> Option<Vec<Device>> {
    let (count, capability) = match text.split_once(':') {
        None => (text, None),
        Some((count, class)) => match class.parse() {
            Ok(Class::Cuda(capability)) => (count, Some(capability)),
            _ => return None,
        },
    };
    Some(fake(count.parse().ok()?, capability))
}

fn fake(count: u16, capability: Option<Capability>) -> Vec<Device> {
    let device = |n| Device {
        id: format!("fake-{n}"),
        name: "pretended device".to_owned(),
        memory: None,
        capability,
        clock: None,
    };
    (0..count).map(device).collect()
}

/// Those of `all` that `text` names, in its order: by number in the order of the bus, or by the beginning of a UUID. As CUDA does it, what
/// is named twice or does not exist ends the list. A part of a device that has a UUID of its own (`MIG-…`) is taken as it is named.
fn visible(all: Vec<Device>, text: Option<&str>) -> Vec<Device> {
    let Some(text) = text else { return all };
    let mut devices: Vec<Device> = Vec::new();
    for name in text.split(',').map(str::trim) {
        let device = if name.starts_with("MIG-") {
            let part = "part of a device".to_owned();
            Some(Device { id: name.to_owned(), name: part, memory: None, capability: None, clock: None })
        } else if let Ok(number) = name.parse::<usize>() {
            all.get(number).cloned()
        } else {
            let mut named = all.iter().filter(|device| !name.is_empty() && device.id.starts_with(name));
            named.next().filter(|_| named.next().is_none()).cloned()
        };
        match device.filter(|device| devices.iter().all(|seen| seen.id != device.id)) {
            Some(device) => devices.push(device),
            None => break,
        }
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cuda_would_see_is_used() {
        let names = |text: Option<&str>| -> Vec<String> {
            visible(fake(4, None), text).into_iter().map(|device| device.id).collect()
        };
        assert_eq!(names(None).len(), 4);
        assert_eq!(names(Some("2,0")), ["fake-2", "fake-0"]);
        assert_eq!(names(Some("fake-3, 1")), ["fake-3", "fake-1"]);
        assert_eq!(names(Some("1,9,0")), ["fake-1"], "what is not there ends the list");
        assert_eq!(names(Some("1,1")), ["fake-1"]);
        assert_eq!(names(Some("fake")), [""; 0], "more than one begins so");
        assert_eq!(names(Some("MIG-1,MIG-2")), ["MIG-1", "MIG-2"]);
        for none in ["", "-1", "NoDevFiles"] {
            assert_eq!(names(Some(none)), [""; 0]);
        }
    }

    #[test]
    fn pretended_devices_may_be_of_a_class() {
        let classes =
            |text: &str| fakes(text).map(|all| all.iter().map(|device| device.capability).collect::<Vec<_>>());
        let sm_90 = Some(Capability { major: 9, minor: 0 });
        assert_eq!((classes("2:sm_90"), classes("1")), (Some(vec![sm_90, sm_90]), Some(vec![None])));
        for wrong in ["", "x", "1:cuda", "1:cpu", ":sm_90"] {
            assert_eq!(classes(wrong), None, "{wrong}");
        }
    }
}
