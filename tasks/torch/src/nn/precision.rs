//! The precision that networks run in.

use isoflop_contract::environment::Precision;

use crate::shim;

/// Runs `run` in this precision. Nothing may change a weight inside.
pub fn precise<T>(precision: Precision, run: impl FnOnce() -> T) -> T {
    match precision {
        Precision::Fp32 => run(),
        Precision::Bf16 => shim::in_bfloat16(false, run),
    }
}
