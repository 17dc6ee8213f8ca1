//! The instruction-set level that a task declares, held to.
//!
//! ATen and oneDNN are held by variables that the engine sets before the process starts. MKL is told its branch by `MKL_CBWR`, which it ignores on a
//! processor that is not Intel's: there it chose kernels of its own, so that one key had other bits on another maker's machine, and products took
//! twice as long as AVX-512 allows. `shim.cpp` answers MKL's question who made the processor; here its branch is asked for and compared.

use std::{fs, io};

use isoflop_contract::environment::Isa;

use crate::{error::TorchError, shim};

/// Where Linux tells what the processor has.
const CPUINFO: &str = "/proc/cpuinfo";

/// Holds libtorch to `declared`. A processor without it is refused: bits depend on the level, and libraries would take another without a word.
pub fn hold(declared: Isa) -> Result<(), TorchError> {
    let refuse = |why: &str| {
        TorchError::Processor(format!("`isa: {}` is declared, and {why}: bits depend on that", declared.word()))
    };
    let unread = |error: io::Error| refuse(&format!("what this processor has cannot be read ({CPUINFO}: {error})"));
    let lacking = declared.lacking(&fs::read_to_string(CPUINFO).map_err(unread)?);
    if !lacking.is_empty() {
        return Err(refuse(&format!(
            "this processor lacks {}, and no other level is used in its place",
            lacking.join(", ")
        )));
    }
    if declared == Isa::Avx512Amx && !shim::use_tiles() {
        return Err(refuse("this system does not let a process use the processor's tiles"));
    }
    let branch = match declared {
        Isa::Avx2 => 10,                                      // MKL_CBWR_AVX2
        Isa::Avx512 | Isa::Avx512Bf16 | Isa::Avx512Amx => 12, // MKL_CBWR_AVX512
    };
    match shim::mkl_branch(branch) {
        Some(kept) if kept != branch => {
            Err(refuse(&format!("MKL does not keep to it (branch {kept} where {branch}, strictly, was asked for)")))
        }
        _ => Ok(()),
    }
}
