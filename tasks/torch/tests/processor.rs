//! Whoever made this processor, MKL keeps to the level that is declared. MKL settles on one when it is first used, so this file is one test in a process
//! of its own.

use isoflop_contract::environment::Isa;
use isoflop_torch::{processor, shim};
use tch::{Device, Kind, Tensor};

/// The branches of MKL's header.
const AVX2: i32 = 10;
const AVX512: i32 = 12;

#[test]
fn mkl_keeps_to_the_declared_level_and_another_is_refused() {
    processor::hold(Isa::Avx2).unwrap();
    let square = Tensor::ones([64, 64], (Kind::Float, Device::Cpu));
    assert_eq!(square.matmul(&square).int64_value(&[63, 63]), 64);
    processor::hold(Isa::Avx2).unwrap();
    let Some(kept) = shim::mkl_branch(AVX2) else { return }; // a libtorch without MKL
    assert_eq!(kept, AVX2);
    // In use it stays with what it has, and a task that declares another level does not run on it.
    assert_eq!(shim::mkl_branch(AVX512), Some(AVX2));
    let refused = processor::hold(Isa::Avx512).unwrap_err().to_string();
    assert!(refused.starts_with("`isa: avx512` is declared, and "), "{refused}");
}
