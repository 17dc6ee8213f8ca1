//! Inception-v3 up to its last pooling, as the Fréchet inception distance reads it.
//!
//! Szegedy et al. 2016, arXiv 1512.00567; Heusel et al. 2017, arXiv 1706.08500. The distance is defined by one file of weights, from December 2015,
//! whose network is not quite the one later libraries call Inception-v3: average pools leave the padding out of their mean, and the last block takes a
//! maximum where others take a mean. Layout and parameter names are those of pytorch-fid and torch-fidelity, which are torchvision's.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::count::{Block, Count};

/// What decides the features: the network is always the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inception {
    /// How images come to 299×299.
    #[serde(default)]
    pub resize: Resize,
}

/// How images come to 299×299 pixels. The first two are bilinear, smooth nothing when they shrink, and differ by where a pixel's centre is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Resize {
    /// Pixels are points at their upper left corner: the published definition's own, and torch-fidelity's.
    #[default]
    Tensorflow,
    /// Pixels are squares: pytorch-fid's.
    PytorchFid,
    /// Pillow's bicubic, which smooths when it shrinks, on numbers that are not rounded: clean-fid's (Parmar et al. 2022, arXiv 2104.11222).
    CleanFid,
}

impl Resize {
    /// In words.
    pub fn about(self) -> &'static str {
        match self {
            Self::Tensorflow => "bilinear, pixels as points (TensorFlow's)",
            Self::PytorchFid => "bilinear, pixels as squares (pytorch-fid's)",
            Self::CleanFid => "Pillow's bicubic, antialiased and unrounded (clean-fid's)",
        }
    }
}

/// One convolution, normalized and rectified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conv {
    /// Its name within its block.
    pub name: &'static str,
    /// Channels it reads.
    pub from: u64,
    /// Channels it makes.
    pub to: u64,
    /// Height and width of its kernel.
    pub kernel: (u64, u64),
    /// 1, or 2 to halve the size.
    pub stride: u64,
    /// Whether the size is kept by padding.
    pub padded: bool,
}

impl Conv {
    /// Whether it stands beside its neighbour rather than behind it, as `_2a` and `_2b` do.
    pub fn forks(&self) -> bool {
        self.name.ends_with(['a', 'b'])
    }

    /// Height and width of what it makes of `size × size`.
    pub fn size(&self, size: u64) -> u64 {
        if self.padded { size } else { (size - self.kernel.0) / self.stride + 1 }
    }
}

/// What a block makes of its input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One convolution, and then perhaps a maximum over 3×3 in steps of 2.
    Stem {
        /// Whether there is that maximum.
        pool: bool,
    },
    /// Branches side by side that keep the size.
    Mixed {
        /// What the pooling branch takes over 3×3.
        pool: Pool,
    },
    /// Branches side by side that halve the size, a bare maximum among them.
    Halving,
}

/// What a pooling branch takes over its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The mean of the pixels that are there.
    Mean,
    /// The maximum.
    Max,
}

/// One block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name, as its parameters' names begin.
    pub name: &'static str,
    /// What it makes of its input.
    pub form: Form,
    /// Its branches, each a chain of convolutions that may end in two side by side. The one behind the pool is last.
    pub branches: Vec<Vec<Conv>>,
}

const fn conv(name: &'static str, from: u64, to: u64, kernel: (u64, u64)) -> Conv {
    Conv { name, from, to, kernel, stride: 1, padded: true }
}

const fn halving(name: &'static str, from: u64, to: u64) -> Conv {
    Conv { name, from, to, kernel: (3, 3), stride: 2, padded: false }
}

impl Inception {
    /// Height and width that images are brought to.
    pub const SIZE: u64 = 299;

    /// Every block in the order of the forward pass.
    pub fn parts() -> Vec<Part> {
        let stem = |name, conv: Conv, pool| Part { name, form: Form::Stem { pool }, branches: vec![vec![conv]] };
        let valid = |from, to| Conv { padded: false, ..conv("", from, to, (3, 3)) };
        vec![
            stem("Conv2d_1a_3x3", halving("", 3, 32), false),
            stem("Conv2d_2a_3x3", valid(32, 32), false),
            stem("Conv2d_2b_3x3", conv("", 32, 64, (3, 3)), true),
            stem("Conv2d_3b_1x1", conv("", 64, 80, (1, 1)), false),
            stem("Conv2d_4a_3x3", valid(80, 192), true),
            five("Mixed_5b", 192, 32),
            five("Mixed_5c", 256, 64),
            five("Mixed_5d", 288, 64),
            six_halving(),
            six("Mixed_6b", 128),
            six("Mixed_6c", 160),
            six("Mixed_6d", 160),
            six("Mixed_6e", 192),
            seven_halving(),
            seven("Mixed_7b", 1280, Pool::Mean),
            seven("Mixed_7c", 2048, Pool::Max),
        ]
    }

    /// Every part's count, for one image of 299×299.
    pub fn blocks() -> Vec<Block> {
        let mut size = Self::SIZE;
        let mut blocks = Vec::new();
        for part in Self::parts() {
            let count: Count = part.branches.iter().map(|branch| chain(branch, size)).sum();
            blocks.push(count.at(part.name));
            size = part.size(size);
        }
        blocks
    }
}

impl Part {
    /// Height and width of what it makes of `size × size`.
    pub fn size(&self, size: u64) -> u64 {
        let halved = (size - 3) / 2 + 1;
        match self.form {
            Form::Stem { pool } => {
                let size = self.branches[0][0].size(size);
                if pool { (size - 3) / 2 + 1 } else { size }
            }
            Form::Mixed { .. } => size,
            Form::Halving => halved,
        }
    }
}

fn chain(branch: &[Conv], mut size: u64) -> Count {
    let mut count = Count::default();
    for conv in branch {
        size = conv.size(size);
        let weights = conv.kernel.0 * conv.kernel.1 * conv.from;
        count = count + Count::unbiased(weights, conv.to, size * size) + Count::norm(conv.to);
    }
    count
}

fn five(name: &'static str, from: u64, pooled: u64) -> Part {
    let branches = vec![
        vec![conv("branch1x1", from, 64, (1, 1))],
        vec![conv("branch5x5_1", from, 48, (1, 1)), conv("branch5x5_2", 48, 64, (5, 5))],
        vec![
            conv("branch3x3dbl_1", from, 64, (1, 1)),
            conv("branch3x3dbl_2", 64, 96, (3, 3)),
            conv("branch3x3dbl_3", 96, 96, (3, 3)),
        ],
        vec![conv("branch_pool", from, pooled, (1, 1))],
    ];
    Part { name, form: Form::Mixed { pool: Pool::Mean }, branches }
}

fn six_halving() -> Part {
    let branches = vec![
        vec![halving("branch3x3", 288, 384)],
        vec![
            conv("branch3x3dbl_1", 288, 64, (1, 1)),
            conv("branch3x3dbl_2", 64, 96, (3, 3)),
            halving("branch3x3dbl_3", 96, 96),
        ],
    ];
    Part { name: "Mixed_6a", form: Form::Halving, branches }
}

fn six(name: &'static str, inner: u64) -> Part {
    let branches = vec![
        vec![conv("branch1x1", 768, 192, (1, 1))],
        vec![
            conv("branch7x7_1", 768, inner, (1, 1)),
            conv("branch7x7_2", inner, inner, (1, 7)),
            conv("branch7x7_3", inner, 192, (7, 1)),
        ],
        vec![
            conv("branch7x7dbl_1", 768, inner, (1, 1)),
            conv("branch7x7dbl_2", inner, inner, (7, 1)),
            conv("branch7x7dbl_3", inner, inner, (1, 7)),
            conv("branch7x7dbl_4", inner, inner, (7, 1)),
            conv("branch7x7dbl_5", inner, 192, (1, 7)),
        ],
        vec![conv("branch_pool", 768, 192, (1, 1))],
    ];
    Part { name, form: Form::Mixed { pool: Pool::Mean }, branches }
}

fn seven_halving() -> Part {
    let branches = vec![
        vec![conv("branch3x3_1", 768, 192, (1, 1)), halving("branch3x3_2", 192, 320)],
        vec![
            conv("branch7x7x3_1", 768, 192, (1, 1)),
            conv("branch7x7x3_2", 192, 192, (1, 7)),
            conv("branch7x7x3_3", 192, 192, (7, 1)),
            halving("branch7x7x3_4", 192, 192),
        ],
    ];
    Part { name: "Mixed_7a", form: Form::Halving, branches }
}

fn seven(name: &'static str, from: u64, pool: Pool) -> Part {
    let branches = vec![
        vec![conv("branch1x1", from, 320, (1, 1))],
        vec![
            conv("branch3x3_1", from, 384, (1, 1)),
            conv("branch3x3_2a", 384, 384, (1, 3)),
            conv("branch3x3_2b", 384, 384, (3, 1)),
        ],
        vec![
            conv("branch3x3dbl_1", from, 448, (1, 1)),
            conv("branch3x3dbl_2", 448, 384, (3, 3)),
            conv("branch3x3dbl_3a", 384, 384, (1, 3)),
            conv("branch3x3dbl_3b", 384, 384, (3, 1)),
        ],
        vec![conv("branch_pool", from, 192, (1, 1))],
    ];
    Part { name, form: Form::Mixed { pool }, branches }
}
