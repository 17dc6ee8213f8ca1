//! The drawn world of `make-scenes`: scenes, their pictures, captions and questions, and the files that hold them.
//!
//! Everything is whole-number arithmetic, so the bits are the same on every machine. A [`Scene`] is drawn from (seed, index) alone; its
//! picture, caption and questions follow from it.

mod caption;
mod compress;
mod degrade;
mod place;
pub(crate) mod preview;
mod question;
mod raster;
mod scene;
mod set;
mod synthetic;
mod words;

pub use caption::{caption, nouns};
pub use degrade::{degrade, fate, quality};
pub use question::{Answer, Question, questions};
pub use raster::Painter;
pub use scene::{Group, Object, Relation, Scene};
pub use set::{SetError, write};
pub use synthetic::{Synthetic, synthetic};
pub use words::{ANSWERS, WORDS, answer_number, noun_of, word_number};
