//! The hard environment: what decides the bits besides the recipe's spec and inputs. Declared in the plan, hashed, never discovered.
//!
//! Measured on CPU: bits are equal across processes at a fixed thread count and instruction set, and differ across either. So both are
//! pinned. What does not change bits (host, processor, driver, clocks) is recorded with the attempt and stays out.
//!
//! On CUDA bits follow the device's generation: libraries choose other kernels for another one. So the author says which (`device: sm_90`); a machine
//! without any plans and checks the same study, and one with another refuses to run it.

use std::{borrow::Cow, collections::BTreeSet, fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
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
    /// What it runs on: `cpu`, or a CUDA device by its compute capability, as in `sm_90`. Each task on CUDA takes one device unless `on: gpus` says
    /// otherwise.
    pub device: Device,
    /// The instruction-set level that ATen, oneDNN and MKL are held to.
    #[schemars(extend("default" = "avx2"))] // as it is written, not as it is hashed
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

/// A class of device, within which bits are equal: `cpu`, or NVIDIA's name of a compute capability, as in `sm_90`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub enum Device {
    /// The processor.
    Cpu,
    /// A CUDA device of this compute capability.
    Cuda(Capability),
}

/// A compute capability: which generation of NVIDIA's devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Capability {
    /// The architecture.
    pub major: u32,
    /// Its variant.
    pub minor: u32,
}

/// What is no class of device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoDevice {
    /// CUDA without its generation.
    #[error(
        "`{0}` does not say which: bits depend on a device's compute capability, so it is named, as in `sm_90` (H100, H200) or `sm_80` (A100); `isoflop doctor` tells that of the devices here"
    )]
    Which(String),
    /// Something else.
    #[error("`{0}` is not one of its values, which are `cpu` and compute capabilities as in `sm_90`")]
    Unknown(String),
}

impl Device {
    /// Whether it is a CUDA device.
    pub const fn is_cuda(self) -> bool {
        matches!(self, Self::Cuda(_))
    }
}

impl FromStr for Device {
    type Err = NoDevice;

    fn from_str(text: &str) -> Result<Self, NoDevice> {
        let unknown = || NoDevice::Unknown(text.to_owned());
        match text.split_once([':', '_', '-']) {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" || text == "gpu" => Err(NoDevice::Which(text.to_owned())),
            Some(("cuda" | "gpu", _)) => Err(NoDevice::Which(text.to_owned())),
            Some(("sm", number)) if text.as_bytes()[2] == b'_' => {
                let plain = (2..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
                let number: u32 = number.parse().ok().filter(|_| plain).ok_or_else(unknown)?;
                let capability = Capability { major: number / 10, minor: number % 10 };
                // `sm_090` would be the same by another name, and what is older runs no libtorch of ours.
                if capability.to_string() == text && capability.major >= 5 {
                    Ok(Self::Cuda(capability))
                } else {
                    Err(unknown())
                }
            }
            _ => Err(unknown()),
        }
    }
}

/// As in `sm_90`.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sm_{}{}", self.major, self.minor)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(capability) => capability.fmt(f),
        }
    }
}

impl From<Device> for String {
    fn from(device: Device) -> Self {
        device.to_string()
    }
}

impl TryFrom<Cow<'_, str>> for Device {
    type Error = NoDevice;

    fn try_from(text: Cow<'_, str>) -> Result<Self, NoDevice> {
        text.parse()
    }
}

impl JsonSchema for Device {
    fn schema_name() -> Cow<'static, str> {
        "Device".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"const": "cpu", "description": "The processor.", "type": "string"},
                {
                    "description": "A CUDA device of this compute capability: `sm_90` is an H100 or H200, `sm_80` an A100, `sm_100` a B200.",
                    "pattern": "^sm_([5-9]|1[0-9])[0-9]$",
                    "type": "string"
                }
            ]
        })
    }
}

/// An instruction-set level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Isa {
    /// x86-64 with AVX2 and FMA: what any server of the last ten years has.
    // What is hashed counts the meanings that the word has had. 2: MKL's kernels of this level on processors of every maker, not on Intel's alone.
    #[serde(rename(serialize = "avx2.2"), alias = "avx2.2")]
    Avx2,
    /// x86-64 with AVX-512.
    #[serde(rename(serialize = "avx512.2"), alias = "avx512.2")]
    Avx512,
    /// The same with instructions for bfloat16, without which lower precision takes longer than single.
    #[serde(rename = "avx512-bf16")]
    Avx512Bf16,
    /// The same with tiles for bfloat16 (AMX), as Intel's servers have since Sapphire Rapids: lower precision takes half the time that it takes there without.
    #[serde(rename = "avx512-amx")]
    Avx512Amx,
}

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32-bit floats throughout.
    Fp32,
    /// Mixed: products and convolutions in bfloat16; attention on the processor, weights, their gradients and the optimizer in 32-bit floats. On a
    /// processor it saves time with `isa: avx512-amx`, and with `avx512-bf16` on some (measured: on an AMD EPYC of family 26, not on an Intel Xeon).
    // What is hashed counts the meanings that the word has had. 2: attention on the processor in 32-bit floats.
    #[serde(rename(serialize = "bf16.2"), alias = "bf16.2")]
    Bf16,
}

impl Isa {
    /// Every level, the lowest first: a processor that has one has those before it.
    pub const ALL: [Self; 4] = [Self::Avx2, Self::Avx512, Self::Avx512Bf16, Self::Avx512Amx];

    /// The word that a study declares it by.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512-bf16",
            Self::Avx512Amx => "avx512-amx",
        }
    }

    /// What it adds to the level before it, by the names of Linux's `/proc/cpuinfo`: all that libraries ask for before they keep to it.
    const fn adds(self) -> &'static [&'static str] {
        match self {
            Self::Avx2 => &["avx2", "fma"],
            Self::Avx512 => &["avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"],
            Self::Avx512Bf16 => &["avx512_vnni", "avx512_bf16"],
            Self::Avx512Amx => &["avx_vnni", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"],
        }
    }

    /// What of this level a processor lacks, given what Linux's `/proc/cpuinfo` says of it.
    pub fn lacking(self, cpuinfo: &str) -> Vec<&'static str> {
        let flags = cpuinfo.lines().find_map(|line| line.strip_prefix("flags")?.split_once(':'));
        let flags: BTreeSet<&str> = flags.map(|(_, flags)| flags.split_whitespace().collect()).unwrap_or_default();
        let needed = Self::ALL.into_iter().filter(|level| *level <= self).flat_map(Self::adds);
        needed.copied().filter(|flag| !flags.contains(flag)).collect()
    }

    /// The highest level that such a processor has.
    pub fn highest(cpuinfo: &str) -> Option<Self> {
        Self::ALL.into_iter().rev().find(|level| level.lacking(cpuinfo).is_empty())
    }
}

impl Environment {
    /// The environment of `runtime` where a study says nothing.
    pub fn default_for(runtime: Runtime) -> Self {
        match runtime {
            Runtime::Native => Self::Native,
            Runtime::Torch => Self::Torch(Torch::default()),
        }
    }

    /// The class of device it asks for, where it has a say in that.
    pub const fn device(&self) -> Option<Device> {
        match self {
            Self::Native => None,
            Self::Torch(torch) => Some(torch.device),
        }
    }

    /// What of `other` is not as it is here, by its name in a study.
    pub fn differs(&self, other: &Self) -> Option<&'static str> {
        let (Self::Torch(here), Self::Torch(there)) = (self, other) else {
            return (self != other).then_some("runtime");
        };
        let same = [
            ("libtorch", here.libtorch == there.libtorch),
            ("device", here.device == there.device),
            ("isa", here.isa == there.isa),
            ("precision", here.precision == there.precision),
            ("deterministic", here.deterministic == there.deterministic),
            ("threads", here.threads == there.threads),
        ];
        same.into_iter().find(|(_, same)| !same).map(|(name, _)| name)
    }

    /// The instruction-set level that it asks for, where it has a say in that.
    pub const fn isa(&self) -> Option<Isa> {
        match self {
            Self::Native => None,
            Self::Torch(torch) => Some(torch.isa),
        }
    }

    /// The variables that make a worker process keep to this environment.
    pub fn variables(&self) -> Vec<(&'static str, String)> {
        let Self::Torch(torch) = self else { return Vec::new() };
        let (aten, onednn, mkl) = match torch.isa {
            Isa::Avx2 => ("avx2", "AVX2", "AVX2"),
            Isa::Avx512 => ("avx512", "AVX512_CORE", "AVX512"),
            Isa::Avx512Bf16 => ("avx512", "AVX512_CORE_BF16", "AVX512"),
            Isa::Avx512Amx => ("avx512", "AVX512_CORE_AMX", "AVX512"),
        };
        let threads = torch.threads.to_string();
        vec![
            ("CUBLAS_WORKSPACE_CONFIG", ":4096:8".to_owned()), // without, CUDA's products are not deterministic
            ("ATEN_CPU_CAPABILITY", aten.to_owned()),
            ("ONEDNN_MAX_CPU_ISA", onednn.to_owned()),
            ("MKL_ENABLE_INSTRUCTIONS", mkl.to_owned()),
            ("MKL_CBWR", format!("{mkl},STRICT")), // a row's bits do not depend on what other rows there are, nor on where they lie
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

    /// What is written is `bf16` or `avx2`; what is hashed says which meaning of it, and reads as the same.
    #[test]
    fn a_meaning_of_a_word_is_hashed() {
        let read = |word: &str| serde_json::from_value::<Precision>(json!(word)).unwrap();
        assert_eq!((read("bf16"), read("bf16.2"), read("fp32")), (Precision::Bf16, Precision::Bf16, Precision::Fp32));
        assert_eq!(serde_json::to_value([Precision::Bf16, Precision::Fp32]).unwrap(), json!(["bf16.2", "fp32"]));
        let read = |word: &str| serde_json::from_value::<Isa>(json!(word)).unwrap();
        assert_eq!((read("avx512-bf16"), json!(Isa::Avx512Bf16)), (Isa::Avx512Bf16, json!("avx512-bf16")));
        assert_eq!((read("avx2"), read("avx2.2"), read("avx512")), (Isa::Avx2, Isa::Avx2, Isa::Avx512));
        assert_eq!(serde_json::to_value([Isa::Avx2, Isa::Avx512]).unwrap(), json!(["avx2.2", "avx512.2"]));
        assert_eq!(Isa::ALL.map(|isa| read(isa.word())), Isa::ALL);
    }

    #[test]
    fn what_differs_has_a_name() {
        let here = Torch::default();
        let differs = |there: Torch| Environment::Torch(here.clone()).differs(&Environment::Torch(there));
        assert_eq!(differs(here.clone()), None);
        // Every field, so that one that is added is not forgotten.
        let Torch { libtorch: _, device: _, isa: _, precision: _, deterministic: _, threads: _ } = here;
        for (name, there) in [
            ("libtorch", Torch { libtorch: "1".into(), ..here.clone() }),
            ("device", Torch { device: Device::Cuda(Capability { major: 9, minor: 0 }), ..here.clone() }),
            ("isa", Torch { isa: Isa::Avx512, ..here.clone() }),
            ("precision", Torch { precision: Precision::Bf16, ..here.clone() }),
            ("deterministic", Torch { deterministic: false, ..here.clone() }),
            ("threads", Torch { threads: 2, ..here.clone() }),
        ] {
            assert_eq!(differs(there), Some(name));
        }
        assert_eq!(Environment::Native.differs(&Environment::Torch(here.clone())), Some("runtime"));
    }

    /// Flags as Linux prints them, shortened to what matters, of a Haswell, a Skylake server, an EPYC of the fourth generation and a Sapphire Rapids.
    #[test]
    fn a_processor_has_a_level_if_it_has_all_of_it() {
        let cpuinfo = |flags: &str| {
            format!("processor\t: 0\nmodel name\t: x\nflags\t\t: fpu sse4_2 {flags} hypervisor\nbugs\t\t: none\n")
        };
        let haswell = "fma avx2";
        let skylake = format!("{haswell} avx512f avx512dq avx512cd avx512bw avx512vl");
        let epyc = format!("{skylake} avx512_bf16 avx512_vnni");
        let sapphire = format!("{epyc} avx_vnni amx_bf16 avx512_fp16 amx_tile amx_int8");
        let highest = |flags: &str| Isa::highest(&cpuinfo(flags));
        assert_eq!([haswell, &skylake, &epyc, &sapphire].map(highest), Isa::ALL.map(Some));
        assert_eq!((highest("avx2"), Isa::highest("")), (None, None));
        assert_eq!(
            Isa::Avx512Amx.lacking(&cpuinfo(&epyc)),
            ["avx_vnni", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16"]
        );
        // Tiles without the rest are not the level.
        assert_eq!(Isa::Avx512Amx.lacking(&cpuinfo(&sapphire.replace("avx512_vnni", ""))), ["avx512_vnni"]);
        // A word that begins with another is not the other.
        assert_eq!(Isa::Avx2.lacking(&cpuinfo("avx2x fma4")), ["avx2", "fma"]);
    }

    #[test]
    fn devices_are_named_by_what_their_bits_depend_on() {
        let read = |word: &str| serde_json::from_value::<Device>(json!(word)).map_err(|error| error.to_string());
        let sm = |major, minor| Ok(Device::Cuda(Capability { major, minor }));
        assert_eq!((read("cpu"), read("sm_90"), read("sm_120")), (Ok(Device::Cpu), sm(9, 0), sm(12, 0)));
        assert_eq!(serde_json::to_value([Device::Cpu, sm(8, 6).unwrap()]).unwrap(), json!(["cpu", "sm_86"]));
        for word in ["cuda", "gpu", "cuda:0", "cuda:9.0"] {
            assert!(read(word).unwrap_err().starts_with(&format!("`{word}` does not say which")), "{word}");
        }
        for word in ["", "CPU", "sm90", "sm-90", "sm_9", "sm_090", "sm_37", "sm_+9", "sm_90a", "tpu"] {
            assert!(read(word).unwrap_err().starts_with(&format!("`{word}` is not one of its values")), "{word}");
        }
        let pattern = crate::schema::of::<Torch>()["properties"]["device"]["anyOf"][1]["pattern"].clone();
        assert_eq!(pattern, "^sm_([5-9]|1[0-9])[0-9]$");
    }
}
