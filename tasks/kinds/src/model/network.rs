//! Any network that has a config: a backbone, or what stands beside one.

use isoflop_contract::Complaint;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    companion::{COMPANIONS, Companion, companion},
    count::Block,
    denoiser::Backbone,
    presets::{PRESETS, preset},
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
            Self::Backbone(backbone) => backbone.check(backbone.quoted().0, ""),
            Self::Companion(companion) => companion.check(""),
        };
        checked.map_err(bare)
    }

    /// Height and width of the input that its counts are quoted at, where it has any.
    pub fn size(&self) -> Option<u64> {
        match self {
            Self::Backbone(backbone) => Some(backbone.quoted().0),
            Self::Companion(companion) => companion.size(),
        }
    }

    /// Text tokens that its counts are quoted at, where it reads any.
    pub fn tokens(&self) -> Option<u64> {
        match self {
            Self::Backbone(backbone) => Some(backbone.quoted().1),
            Self::Companion(companion) => companion.tokens(),
        }
    }

    /// Every part in the order of the forward pass.
    pub fn blocks(&self) -> Vec<Block> {
        match self {
            Self::Backbone(backbone) => {
                let (size, tokens) = backbone.quoted();
                backbone.blocks(size, tokens)
            }
            Self::Companion(companion) => companion.blocks(),
        }
    }

    /// The same at another input size and number of text tokens, where given. Refuses those that the network cannot take.
    pub fn blocks_at(&self, size: Option<u64>, tokens: Option<u64>) -> Result<Vec<Block>, Complaint> {
        let own = |field: &str, given: Option<u64>, own: Option<u64>| {
            let problem = match own {
                Some(own) => format!("is a part of this model, and {own}"),
                None => "means nothing to this model".to_owned(),
            };
            Complaint::unless(given.is_none_or(|given| Some(given) == own), field, &problem)
        };
        let limit = |field: &str, given: Option<u64>| {
            let sane = given.is_none_or(|given| (1..=LARGEST).contains(&given));
            Complaint::unless(sane, field, &format!("must be between 1 and {LARGEST}"))
        };
        limit("size", size)?;
        limit("tokens", tokens)?;
        match self {
            Self::Backbone(backbone) => {
                own("tokens", tokens, backbone.text_tokens().or(tokens))?;
                let (quoted_size, quoted_tokens) = backbone.quoted();
                let size = size.unwrap_or(quoted_size);
                backbone.check(size, "").map_err(bare)?;
                Ok(backbone.blocks(size, tokens.unwrap_or(quoted_tokens)))
            }
            Self::Companion(Companion::AutoencoderKl(config)) => {
                own("tokens", tokens, None)?;
                let size = size.or(self.size()).unwrap_or_default();
                config.check(size, "").map_err(bare)?;
                Ok(config.blocks(size))
            }
            Self::Companion(companion) => {
                companion.check("").map_err(bare)?;
                own("size", size, companion.size())?;
                own("tokens", tokens, companion.tokens())?;
                Ok(companion.blocks())
            }
        }
    }
}

/// The largest input size and number of tokens that is counted.
const LARGEST: u64 = 1 << 16;

/// A complaint about a config that stands in no other.
fn bare(complaint: Complaint) -> Complaint {
    Complaint::new(complaint.field.trim_matches('.'), complaint.problem)
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
    fn counts_at_another_setting() {
        let macs = |name: &str, size, tokens| {
            let blocks = network(name).unwrap().blocks_at(size, tokens)?;
            Ok::<u64, Complaint>(blocks.iter().map(|block| block.macs).sum())
        };
        let said = |name: &str, size, tokens| macs(name, size, tokens).unwrap_err().problem;
        assert_eq!(macs("sd2.1", None, None), macs("sd2.1", Some(32), Some(77)));
        assert!(macs("sd2.1", Some(64), None).unwrap() > 3 * macs("sd2.1", None, None).unwrap());
        let [few, many] = [None, Some(120)].map(|tokens| macs("pixart-alpha-xl2", None, tokens).unwrap());
        assert!(many > few);
        assert!(macs("vae-sd", Some(512), None).unwrap() == 4 * macs("vae-sd", None, None).unwrap());
        assert!(said("sd2.1", Some(33), None).contains("33×33"));
        assert!(said("sd2.1", Some(0), None).contains("between 1 and 65536"));
        assert!(said("uvit-s2", Some(64), None).contains("belongs to one size"));
        assert!(said("uvit-s2", None, Some(7)).contains("is a part of this model, and 77"));
        assert!(said("clip-l", Some(7), None).contains("means nothing"));
    }

    /// Whatever a file says, it is refused or counted.
    #[test]
    fn nothing_is_counted_that_cannot_be_built() {
        let refused = |name: &str, field: &str, value: u64| {
            let mut config = json!(network(name).unwrap());
            config[field] = value.into();
            Network::read(&config).unwrap().blocks_at(None, None).unwrap_err().field
        };
        assert_eq!(refused("clip-image-l", "patch", 0), "patch");
        assert_eq!(refused("clip-l", "vocabulary", 0), "vocabulary");
        assert_eq!(refused("t5-small", "layers", 1 << 40), "layers");
    }

    /// An author writes `pixart`; a key has the meaning of the word too, and what an artifact keeps reads as the same.
    #[test]
    fn a_familys_meaning_is_hashed() {
        for (word, hashed) in
            [("pixart-alpha-xl2", "pixart.2"), ("dit-s2", "dit.2"), ("sd2.1", "unet"), ("uvit-s2", "uvit")]
        {
            let network = network(word).unwrap();
            let kept = json!(network);
            assert_eq!(kept["family"], hashed);
            assert_eq!(Network::read(&kept).as_ref(), Ok(&network));
            let mut written = kept;
            written["family"] = network.family().into();
            assert_eq!(Network::read(&written), Ok(network));
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
