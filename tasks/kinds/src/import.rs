//! `import-images`: images with captions from the files that real sets come in.

use std::collections::BTreeMap;

use isoflop_contract::{Complaint, Fed, Kind, Runtime, port::NoNeeds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact;

/// What to read, what to keep, and how to bring it to one size. The files are the task's `files:`, all of them, in the order of their names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImportImages {
    /// What the files are.
    pub layout: Layout,
    /// Pixels on a side: the shorter side is brought to it, the longer one cut around the middle.
    #[schemars(range(min = 8, max = 1024))]
    pub resolution: u32,
    /// How pixels are averaged.
    #[serde(default)]
    pub filter: Filter,
    /// The column or JSON member with the caption. In folders and WebDataset shards a text beside the image counts where there is no such member.
    #[serde(default = "caption")]
    pub caption: String,
    /// Columns or JSON members with further captions, the best first.
    #[serde(default)]
    pub synthetic: Vec<String>,
    /// The column with the image's bytes, of Parquet files; a group with a member `bytes` will do.
    #[serde(default = "image")]
    pub image: String,
    /// A column or JSON member whose number is kept as the image's quality.
    #[serde(default)]
    pub quality: Option<String>,
    /// What lies under images that one can see through: red, green, blue.
    #[serde(default = "white")]
    pub background: [u8; 3],
    /// What is kept. Rules are asked in the order in which they stand here; the first that an image breaks is the one it is counted under.
    #[serde(default)]
    pub keep: Keep,
    /// The share of what is read that may be unreadable; beyond it the task fails. Whatever the share, each is counted and listed.
    #[serde(default = "unreadable")]
    #[schemars(range(min = 0, max = 1))]
    pub unreadable: f64,
    /// Images with more pixels than this count as unreadable, and are not decoded.
    #[serde(default = "max_pixels")]
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub max_pixels: u64,
    /// Images in a shard, but for the last.
    #[serde(default = "shard")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub shard: u32,
}

/// What files of images are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Image files, with captions in `.txt` files of the same name, or in JSON Lines (`.jsonl`) with a member `file_name`.
    Folder,
    /// Tar shards as img2dataset writes them: members `KEY.jpg`, `KEY.txt`, `KEY.json` one after the other.
    Webdataset,
    /// Parquet with the images' bytes in a column.
    Parquet,
}

/// How pixels are averaged: Pillow's filters, which grow with the reduction and so do not alias, to the bit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// All pixels that fall on one alike.
    Box,
    /// A triangle.
    Bilinear,
    /// Cubic, a = −½.
    #[default]
    Bicubic,
    /// A sinc in a window of three lobes.
    Lanczos,
}

/// Bounds, both ends included; either may be left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bounds {
    /// The least.
    pub min: Option<f64>,
    /// The most.
    pub max: Option<f64>,
}

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Keep {
    /// The shorter side, in pixels, as it was.
    pub side: Bounds,
    /// The longer side as a multiple of the shorter.
    pub aspect: Bounds,
    /// Words of the caption. Images without one are never kept.
    pub words: Bounds,
    /// Numbers by column or JSON member. An image without the number is not kept.
    pub scores: BTreeMap<String, Bounds>,
    /// Images whose 64-bit difference hash is within so many bits of one kept before are not kept.
    #[schemars(range(min = 0, max = 15))]
    pub duplicates: Option<u32>,
}

fn caption() -> String {
    "caption".into()
}

fn image() -> String {
    "image".into()
}

fn white() -> [u8; 3] {
    [255; 3]
}

fn unreadable() -> f64 {
    0.02
}

fn max_pixels() -> u64 {
    100_000_000
}

fn shard() -> u32 {
    1024
}

impl Bounds {
    /// Whether `value` lies within.
    pub fn hold(&self, value: f64) -> bool {
        self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }

    fn check(&self, field: &str) -> Result<(), Complaint> {
        let ends = [self.min, self.max];
        Complaint::unless(ends.iter().flatten().all(|end| end.is_finite()), field, "must be finite")?;
        let [min, max] = ends;
        let ordered = min.zip(max).is_none_or(|(min, max)| min <= max);
        Complaint::unless(ordered, field, "must not have `min` above `max`")
    }
}

impl Kind for ImportImages {
    const NAME: &'static str = "import-images";
    // 1: first version. 2: texts of more than 16 MiB, columns with several values a row and texts that Parquet stores as differences are not read.
    const REVISION: u32 = 2;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const FILES: bool = true;
    const ABOUT: &'static str = "Reads images and captions from folders, WebDataset shards or Parquet, filters them by rule and brings them to one size.";
    const EXAMPLE: &'static str = "\
layout: webdataset
resolution: 64
filter: bicubic
keep:
  side: { min: 64 }
  aspect: { max: 3 }
  words: { min: 3 }
  duplicates: 2
";
    type Needs = NoNeeds;
    type Makes = artifact::Pictures;

    fn check(&self) -> Result<(), Complaint> {
        let side = (8..=1024).contains(&self.resolution);
        Complaint::unless(side, "resolution", "must be between 8 and 1024 pixels")?;
        Complaint::unless((0.0..=1.0).contains(&self.unreadable), "unreadable", "must be a share between 0 and 1")?;
        let pixels = (1..=1_000_000_000).contains(&self.max_pixels);
        Complaint::unless(pixels, "max_pixels", "must be between 1 and 1,000,000,000")?;
        Complaint::unless((1..=1_000_000).contains(&self.shard), "shard", "must be between 1 and 1,000,000")?;
        self.keep.side.check("keep.side")?;
        self.keep.aspect.check("keep.aspect")?;
        self.keep.words.check("keep.words")?;
        for (name, bounds) in &self.keep.scores {
            bounds.check(&format!("keep.scores.{name}"))?;
        }
        let near = self.keep.duplicates.is_none_or(|bits| bits <= 15);
        Complaint::unless(near, "keep.duplicates", "must be at most 15 bits of 64: beyond that, unlike images meet")
    }

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        let some = Complaint::unless(!fed.files.is_empty(), "", "reads the task's `files:`, and there are none");
        some.err().into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bounds_hold_both_ends_and_what_makes_no_sense_is_refused() {
        let bounds = Bounds { min: Some(1.0), max: Some(2.0) };
        assert!(bounds.hold(1.0) && bounds.hold(2.0) && !bounds.hold(0.9) && !bounds.hold(f64::NAN));
        assert!(Bounds::default().hold(7.0));
        for (field, change) in [
            ("resolution", json!({"resolution": 4})),
            ("unreadable", json!({"unreadable": 1.5})),
            ("shard", json!({"shard": 0})),
            ("keep.side", json!({"keep": {"side": {"min": 3, "max": 2}}})),
            ("keep.duplicates", json!({"keep": {"duplicates": 20}})),
        ] {
            let mut with = json!({"layout": "folder", "resolution": 32});
            with.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            let kind: ImportImages = serde_json::from_value(with).unwrap();
            assert_eq!(kind.check().unwrap_err().field, field);
        }
    }
}
