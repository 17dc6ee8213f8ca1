//! Scaling laws fitted to points, for the kind `fit-scaling` and for `isoflop fit`.
//!
//! [`Table`] reads CSV into [`Points`]; [`fit()`] makes a [`Fit`] of them. On the way points are sorted into those that count, those held out and
//! those that cannot be used (`triage`), a [`Law`] is solved for (`solve`: straight lines by centred least squares, the offset law by
//! variable projection), and resamples are solved again (`bootstrap`). Sums run in a fixed order and `exp` and `ln` are `libm`'s, so the
//! bits are the same on every machine.
//!
//! To add a form: a line in `isoflop_kinds::fit::Form`, its value and residual in `law`, its solver in `solve`.

mod bootstrap;
mod certificate;
mod curve;
mod error;
mod law;
mod line;
mod offset;
mod points;
mod record;
mod run;
mod solve;
mod table;
mod triage;

pub use certificate::Certificate;
pub use curve::Band;
pub use error::FitError;
pub use law::Law;
pub use points::{Point, Points};
pub use record::{Alternative, Estimate, Fit, FittedPoint, HeldOut, VERSION};
pub use run::{Options, fit};
pub use table::{Table, TableError};
