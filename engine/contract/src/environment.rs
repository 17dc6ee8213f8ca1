//! The hard environment: what decides the bits besides the recipe's spec and inputs. Declared in the plan, hashed, never discovered.
//!
//! Measured on CPU: bits are equal across processes at a fixed thread count and instruction set, and differ across either. So both are
//! pinned. What does not change bits (host, processor, driver, clocks) is recorded with the attempt and stays out.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kind::Runtime;

/// The libtorch release that the torch worker is built against.
pub const LIBTORCH: &str = "2.11.0";

/// Where a task runs, as far as it can change a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "runtime", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Environment {
    /// Native bodies use their own arithmetic and portable `exp` and `ln`: nothing of the machine reaches their results.
    Native,
    /// libtorch.
    Torch(Torch),
}

/// The hard environment of libtorch kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Torch {
    /// libtorch's version.
    pub libtorch: String,
    /// What it runs on.
    pub device: Device,
    /// The instruction-set level that ATen, oneDNN and MKL are held to.
    pub isa: Isa,
    /// The number format of activations.
    pub precision: Precision,
    /// Whether only deterministic algorithms may be used.
    pub deterministic: bool,
    /// Threads inside one operator.
    #[schemars(range(min = 1))]
    pub threads: u32,
}

impl Default for Torch {
    fn default() -> Self {
        Self {
            libtorch: LIBTORCH.to_owned(),
            device: Device::Cpu,
            isa: Isa::Avx2,
            precision: Precision::Fp32,
            deterministic: true,
            threads: 1,
        }
    }
}

/// A class of device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Device {
    /// The processor.
    Cpu,
}

/// An instruction-set level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isa {
    /// x86-64 with AVX2 and FMA: what any server of the last ten years has.
    Avx2,
    /// x86-64 with AVX-512.
    Avx512,
}

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats throughout.
    Fp32,
    /// Mixed: products and convolutions in bfloat16; attention on the processor, weights, their gradients and the optimizer in 32-bit floats.
    // What is hashed counts the meanings that the word has had. 2: attention on the processor in 32-bit floats.
    #[serde(rename(serialize = "bf16.2"), alias = "bf16.2")]
    Bf16,
}

impl Environment {
    /// The environment of `runtime` where a study says nothing.
    pub fn default_for(runtime: Runtime) -> Self {
        match runtime {
            Runtime::Native => Self::Native,
            Runtime::Torch => Self::Torch(Torch::default()),
        }
    }

    /// The variables that make a worker process keep to this environment.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let Self::Torch(torch) = self else { return Vec::new() };
        let (aten, onednn, mkl) = match torch.isa {
            Isa::Avx2 => ("avx2", "AVX2", "AVX2"),
            Isa::Avx512 => ("avx512", "AVX512_CORE", "AVX512"),
        };
        let threads = torch.threads.to_string();
        vec![
            ("CUBLAS_WORKSPACE_CONFIG", ":4096:8".to_owned()), // without, CUDA's products are not deterministic
            ("ATEN_CPU_CAPABILITY", aten.to_owned()),
            ("ONEDNN_MAX_CPU_ISA", onednn.to_owned()),
            ("MKL_ENABLE_INSTRUCTIONS", mkl.to_owned()),
            ("MKL_CBWR", mkl.to_owned()),
            ("OMP_NUM_THREADS", threads.clone()),
            ("MKL_NUM_THREADS", threads),
            ("OMP_WAIT_POLICY", "passive".to_owned()), // idle threads that spin starve the other tasks
            ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1".to_owned()), // large pages where the system has them: no bit depends on it
        ]
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What is written is `bf16`; what is hashed says which meaning of it, and reads as the same.
    #[test]
    fn a_meaning_of_lower_precision_is_hashed() {
        let read = |word: &str| serde_json::from_value::<Precision>(json!(word)).unwrap();
        assert_eq!((read("bf16"), read("bf16.2"), read("fp32")), (Precision::Bf16, Precision::Bf16, Precision::Fp32));
        assert_eq!(serde_json::to_value([Precision::Bf16, Precision::Fp32]).unwrap(), json!(["bf16.2", "fp32"]));
    }
}
