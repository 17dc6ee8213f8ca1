//! The instruction-set level that a task declares, held to.
//!
//! ATen and oneDNN are held by variables that the engine sets before the process starts. MKL is told its branch by `MKL_CBWR`, which it ignores on a
//! processor that is not Intel's: there it chose kernels of its own, so that one key had other bits on another maker's machine, and products took
//! twice as long as AVX-512 allows. `shim.cpp` answers MKL's question who made the processor; here its branch is asked for and compared.

use isoflop_contract::environment::Isa;

use crate::{error::TorchError, shim};

/// Holds libtorch to `declared`. A processor without it is refused: bits depend on the level.
pub fn hold(declared: Isa) -> Result<(), TorchError> {
    let (name, there, branch) = match declared {
        Isa::Avx2 => ("avx2", has_avx2(), 10),       // MKL_CBWR_AVX2
        Isa::Avx512 => ("avx512", has_avx512(), 12), // MKL_CBWR_AVX512
        Isa::Avx512Bf16 => ("avx512-bf16", has_avx512() && has_bf16(), 12),
    };
    if !there {
        return Err(TorchError::Processor(format!(
            "`isa: {name}` is declared, and this processor does not have it: bits depend on that, so another level is not used in its place"
        )));
    }
    match shim::mkl_branch(branch) {
        Some(kept) if kept != branch => Err(TorchError::Processor(format!(
            "`isa: {name}` is declared, and MKL does not keep to it (branch {kept} where {branch}, strictly, was asked for): bits depend on that"
        ))),
        _ => Ok(()),
    }
}

#[cfg(target_arch = "x86_64")]
fn has_avx2() -> bool {
    std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
}

#[cfg(target_arch = "x86_64")]
fn has_avx512() -> bool {
    use std::arch::is_x86_feature_detected as has;
    has!("avx512f") && has!("avx512bw") && has!("avx512cd") && has!("avx512dq") && has!("avx512vl")
}

#[cfg(target_arch = "x86_64")]
fn has_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx2() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_avx512() -> bool {
    false
}

#[cfg(not(target_arch = "x86_64"))]
fn has_bf16() -> bool {
    false
}
