//! Any network that has a config: a backbone, or what stands beside one.

use isoflop_contract::Complaint;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    companion::{COMPANIONS, Companion, companion},
    count::Block,
    denoiser::Backbone,
    presets::{PRESETS, Preset, preset},
};

/// A network with the setting that its counts are quoted at.
#[derive(Debug, Clone, PartialEq)]
pub enum Network {
    /// A denoising network.
    Backbone(Backbone),
    /// An autoencoder, an encoder or a judge.
    Companion(Companion),
}

/// Names and what they stand for: backbones, then companions.
pub fn networks() -> impl Iterator<Item = (&'static str, &'static str)> {
    let backbones = PRESETS.iter().map(|preset| (preset.name, preset.about));
    backbones.chain(COMPANIONS.iter().map(|named| (named.name, named.about)))
}

/// The network `name`.
pub fn network(name: &str) -> Option<Network> {
    let backbone = preset(name).map(|preset| Network::Backbone(preset.backbone()));
    backbone.or_else(|| companion(name).map(|named| Network::Companion(named.config())))
}

impl Network {
    /// Reads a config by its `family:`. What is wrong is a sentence with the field's place.
    pub fn read(value: &Value) -> Result<Self, String> {
        fn typed<'a, T: Deserialize<'a>>(value: &'a Value) -> Result<T, String> {
            serde_path_to_error::deserialize(value).map_err(|error| match error.path().to_string() {
                path if path == "." => error.inner().to_string(),
                path => format!("{} (at `{path}`)", error.inner()),
            })
        }
        let family = value.get("family").and_then(Value::as_str).unwrap_or_default();
        if Companion::FAMILIES.contains(&family) {
            return typed(value).map(Self::Companion);
        }
        typed(value).map(Self::Backbone)
    }

    /// The family's name, as in `family:`.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Backbone(backbone) => backbone.family(),
            Self::Companion(companion) => companion.family(),
        }
    }

    /// Refuses what cannot be built.
    pub fn check(&self) -> Result<(), Complaint> {
        let checked = match self {
            Self::Backbone(backbone) => backbone.check(Preset::SIZE, ""),
            Self::Companion(companion) => companion.check(""),
        };
        checked.map_err(|complaint| Complaint::new(complaint.field.trim_matches('.'), complaint.problem))
    }

    /// Height and width of the input that its counts are quoted at, where it has any.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Backbone(_) => Some(Preset::SIZE),
            Self::Companion(companion) => companion.size(),
        }
    }

    /// Text tokens that its counts are quoted at, where it reads any.
    pub fn tokens(&self) -> Option<u64> {
        match self {
            Self::Backbone(_) => Some(Preset::TOKENS),
            Self::Companion(companion) => companion.tokens(),
        }
    }

    /// Every part in the order of the forward pass.
    pub fn blocks(&self) -> Vec<Block> {
        match self {
            Self::Backbone(backbone) => backbone.blocks(Preset::SIZE, Preset::TOKENS),
            Self::Companion(companion) => companion.blocks(),
        }
    }
}

/// As its config.
impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Backbone(backbone) => backbone.serialize(serializer),
            Self::Companion(companion) => companion.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn every_name_is_one_networks_and_its_config_reads_back() {
        let names: BTreeSet<&str> = networks().map(|(name, _)| name).collect();
        assert_eq!(names.len(), networks().count());
        for name in names {
            let network = network(name).unwrap();
            assert_eq!(network.check(), Ok(()), "{name}");
            assert_eq!(Network::read(&json!(network)).as_ref(), Ok(&network), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let said = |value: Value| Network::read(&value).unwrap_err();
        assert!(
            said(json!({"family": "clip-text", "tower": {"width": "wide"}})).contains("invalid type: string \"wide\"")
        );
        assert!(said(json!({"family": "resnet"})).contains("unknown variant `resnet`"));
        assert!(said(json!({})).contains("missing field `family`"));
    }
}
