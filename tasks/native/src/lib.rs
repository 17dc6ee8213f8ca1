//! Bodies of the kinds that need no libtorch, run by executing `isoflop` again.
//!
//! - [`scenes`]: the drawn world of `make-scenes`.
//! - [`describe`]: what a set of images is, in the columns of a table.
//! - [`fit`]: laws fitted to points, for `fit-scaling` and for `isoflop fit`.
//! - [`import`]: images from folders, tars and tables, filtered and brought to one size.
//! - [`questions`]: questions about texts, from a file.
//! - [`split`]: a part of imported images, its words numbered.
//! - [`command`]: programs of a study's own.
//!
//! All but the last is portable: whole numbers, or doubles with `exp` and `ln` from `libm` and sums in a fixed order, so that the same task
//! gives the same bits on every machine.

mod body;
pub mod command;
pub mod describe;
mod file_error;
pub mod fit;
pub mod import;
pub mod questions;
mod random;
pub mod scenes;
pub mod split;
pub mod tensors;

pub use body::bodies;
