//! Data: artifacts as tensors, the order in which training sees them, and reading them ahead.

mod files;
mod gallery;
mod loader;
mod order;
mod picture;
mod resize;
mod rows;
mod scenes;
mod texts;
mod yaml;

pub use files::{read_json, read_tensors, write_bytes, write_json, write_tensors, write_tensors_with};
pub use gallery::Gallery;
pub use loader::{Loader, Sequence, Source};
pub use order::{Order, Portions, permute};
pub use picture::write_preview;
pub use resize::bicubic;
pub use rows::{Column, Rows};
pub use scenes::{Questions, Scenes, pixels, unit};
pub use texts::Texts;
pub use yaml::read_yaml;
