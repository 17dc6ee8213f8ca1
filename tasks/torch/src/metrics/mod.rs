//! Measures of what models make.

mod alignment;

pub use alignment::{Alignment, Answered, alignment};
