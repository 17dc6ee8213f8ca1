//! Data: artifacts as tensors, and the order in which training sees them.

mod files;
mod order;
mod picture;
mod scenes;

pub use files::{read_json, read_tensors, write_bytes, write_json, write_tensors};
pub use order::{Order, permute};
pub use picture::write_preview;
pub use scenes::{Questions, Scenes, pixels, unit};
