//! What a task asks of the machine (`on:`). Never hashed.

use std::{fmt, num::NonZero};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    checkpoint::Checkpointing,
    quantity::{Bytes, Seconds},
};

/// Resources and limits of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Demand {
    /// Processor slots it occupies.
    #[schemars(range(min = 1))]
    pub cpus: u32,
    /// Devices it leases; less than one leases part of a device that it shares with other such tasks.
    pub gpus: Gpus,
    /// Processes that share its work, where its kind can share it: one for each device unless this says otherwise. Each is a slot.
    #[schemars(range(min = 1))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranks: Option<NonZero<u32>>,
    /// Memory it may use, with all that it starts; it is ended when it uses more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// How long it may take before it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Seconds>,
    /// How often it saves what it needs to go on after an interruption.
    pub checkpoint: Checkpointing,
    /// How often it is tried again after it crashed or ran out of resources; otherwise the run's `--retries` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

impl Default for Demand {
    fn default() -> Self {
        Self {
            cpus: 1,
            gpus: Gpus::NONE,
            ranks: None,
            memory: None,
            time: None,
            checkpoint: Checkpointing::default(),
            retries: None,
        }
    }
}

impl Demand {
    /// How many processes may share the work.
    pub fn ranks(&self) -> NonZero<u32> {
        self.ranks.or_else(|| NonZero::new(self.gpus.devices() as u32)).unwrap_or(NonZero::<u32>::MIN)
    }

    /// Processor slots that it occupies: what it asks for, and one for each process at least.
    pub fn slots(&self) -> u32 {
        self.cpus.max(self.ranks().get())
    }
}

/// A number of devices: whole ones, or part of one. Counted in hundredths of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gpus(u32);

/// A number that is no number of devices.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{0}` is no number of devices: write whole devices, as in `2`, or part of one, as in `0.5`")]
pub struct NotGpus(String);

impl Gpus {
    /// No device.
    pub const NONE: Self = Self(0);

    /// One device, in the unit of [`Gpus::hundredths`].
    pub const ONE: u32 = 100;

    /// The most devices that a task may ask for.
    const MOST: u32 = 10_000;

    /// `n` whole devices.
    pub const fn whole(n: u32) -> Self {
        Self(n * Self::ONE)
    }

    /// Takes a number as a study has it.
    pub fn of(number: f64) -> Result<Self, NotGpus> {
        let whole = number.fract() == 0.0 && (0.0..=f64::from(Self::MOST)).contains(&number);
        let part = (0.01..1.0).contains(&number);
        if whole || part {
            return Ok(Self(((number * f64::from(Self::ONE)).round() as u32).max(u32::from(part))));
        }
        Err(NotGpus(number.to_string()))
    }

    /// Hundredths of a device.
    pub const fn hundredths(self) -> u32 {
        self.0
    }

    /// How many devices it takes, shared ones included.
    pub const fn devices(self) -> usize {
        self.0.div_ceil(Self::ONE) as usize
    }

    /// Whether it is part of one device.
    pub const fn is_part(self) -> bool {
        0 < self.0 && self.0 < Self::ONE
    }

    /// The number of devices.
    pub fn number(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ONE)
    }
}

impl fmt::Display for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number())
    }
}

impl Serialize for Gpus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.is_part() {
            serializer.serialize_f64(self.number())
        } else {
            serializer.serialize_u32(self.0 / Self::ONE)
        }
    }
}

impl<'de> Deserialize<'de> for Gpus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(f64::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Gpus {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Gpus".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": Self::MOST },
            { "type": "number", "minimum": 0.01, "exclusiveMaximum": 1 },
        ]})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn devices_are_whole_or_part_of_one() {
        for (number, hundredths, devices) in [(0.0, 0, 0), (0.25, 25, 1), (0.333, 33, 1), (1.0, 100, 1), (8.0, 800, 8)]
        {
            let gpus = Gpus::of(number).unwrap();
            assert_eq!((gpus.hundredths(), gpus.devices()), (hundredths, devices), "{number}");
        }
        for bad in [-1.0, 1.5, 0.001, f64::NAN, f64::INFINITY, 1e9] {
            assert!(Gpus::of(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn a_device_is_a_rank_unless_something_else_is_said() {
        let ranks = |demand| serde_json::from_value::<Demand>(demand).map(|demand| demand.ranks().get());
        assert_eq!(ranks(json!({})).unwrap(), 1);
        assert_eq!(ranks(json!({"gpus": 0.5})).unwrap(), 1);
        assert_eq!(ranks(json!({"gpus": 4})).unwrap(), 4);
        assert_eq!(ranks(json!({"gpus": 4, "ranks": 2})).unwrap(), 2);
        assert_eq!(ranks(json!({"ranks": 3})).unwrap(), 3);
        let slots = |demand| serde_json::from_value::<Demand>(demand).unwrap().slots();
        assert_eq!((slots(json!({"ranks": 3})), slots(json!({"cpus": 8, "gpus": 4}))), (3, 8));
        assert!(ranks(json!({"ranks": 0})).is_err());
    }

    #[test]
    fn a_demand_reads_as_it_was_written() {
        let demand: Demand = serde_json::from_value(json!({"gpus": 0.5, "memory": "1GiB", "retries": 2})).unwrap();
        assert_eq!((demand.gpus, demand.retries), (Gpus::of(0.5).unwrap(), Some(2)));
        assert_eq!(serde_json::to_value(&demand).unwrap()["gpus"], json!(0.5));
        let whole: Demand = serde_json::from_value(json!({"gpus": 2})).unwrap();
        assert_eq!(
            serde_json::to_value(&whole).unwrap(),
            json!({"cpus": 1, "gpus": 2, "checkpoint": {"every": "10m", "keep": 2}})
        );
        let wrong = serde_json::from_value::<Demand>(json!({"gpus": 1.5})).unwrap_err().to_string();
        assert!(wrong.contains("`1.5` is no number of devices"), "{wrong}");
    }
}
