//! Inception-v3's features as the Fréchet inception distance reads them, over the blocks of `isoflop_kinds::model::inception`.

use isoflop_kinds::model::inception::{Conv, Form, Inception as Config, Part, Pool, Resize};
use tch::{Kind, Tensor};

use crate::{
    data::bicubic,
    nn::{Filter, FilterShape, Init, Path},
};

/// The network up to its last pooling.
#[derive(Debug)]
pub struct Inception {
    parts: Vec<(Form, Vec<Vec<Rectified>>)>,
    resize: Resize,
}

impl Inception {
    /// The network, with images brought to it as `config` says.
    pub fn new(path: &Path, config: &Config) -> Self {
        let block = |part: &Part| {
            let path = path / part.name;
            let conv = |conv: &Conv| Rectified::new(&path, conv);
            let branches = part.branches.iter().map(|branch| branch.iter().map(conv).collect()).collect();
            (part.form, branches)
        };
        Self { parts: Config::parts().iter().map(block).collect(), resize: config.resize }
    }

    /// Pictures u8 `[B, 3, H, W]` to features `[B, 2048]` on the device that has the network. They are resized where they are.
    pub fn features(&self, pictures: &Tensor) -> Tensor {
        let size = Config::SIZE as i64;
        let pictures = pictures.to_kind(Kind::Float);
        let images = match self.resize {
            Resize::Tensorflow => (resize(&pictures, size) - 128.0) / 128.0,
            Resize::PytorchFid => {
                let unit = pictures / 255.0;
                unit.upsample_bilinear2d([size, size], false, None::<f64>, None::<f64>) * 2.0 - 1.0
            }
            Resize::CleanFid => (bicubic(&pictures, size) - 128.0) / 128.0,
        };
        let weight = self.weight();
        self.forward(&images.to_kind(weight.kind()).to_device(weight.device()))
    }

    /// One of its parameters: all are of one precision and on one device.
    fn weight(&self) -> &Tensor {
        &self.parts[0].1[0][0].weight
    }

    /// Images `[B, 3, S, S]` within ±1, S being 299 in earnest and at least 75, to features `[B, 2048]`.
    pub fn forward(&self, images: &Tensor) -> Tensor {
        let h = self.parts.iter().fold(images.shallow_clone(), |h, (form, branches)| block(*form, branches, &h));
        h.mean_dim([2_i64, 3].as_slice(), false, None::<Kind>)
    }
}

fn block(form: Form, branches: &[Vec<Rectified>], x: &Tensor) -> Tensor {
    let chain = |branch: &[Rectified], x: &Tensor| {
        branch.iter().fold(x.shallow_clone(), |h, conv| conv.forward(&h)) // a branch of convolutions, one behind the other
    };
    let halved = |x: &Tensor| x.max_pool2d([3, 3], [2, 2], [0, 0], [1, 1], false);
    match form {
        Form::Stem { pool } => {
            let h = chain(&branches[0], x);
            if pool { halved(&h) } else { h }
        }
        Form::Halving => {
            let mut out: Vec<Tensor> = branches.iter().map(|branch| chain(branch, x)).collect();
            out.push(halved(x));
            Tensor::cat(&out, 1)
        }
        Form::Mixed { pool } => {
            let (pooling, others) = branches.split_last().expect("a pooling branch is last");
            let pooled = match pool {
                Pool::Mean => x.avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None), // without the padding
                Pool::Max => x.max_pool2d([3, 3], [1, 1], [1, 1], [1, 1], false),
            };
            let mut out: Vec<Tensor> = others.iter().map(|branch| fork(branch, x)).collect();
            out.push(chain(pooling, &pooled));
            Tensor::cat(&out, 1)
        }
    }
}

/// A chain that may end in two convolutions side by side.
fn fork(branch: &[Rectified], x: &Tensor) -> Tensor {
    let sides = branch.iter().rev().take_while(|conv| conv.forks).count();
    let (chain, sides) = branch.split_at(branch.len() - sides);
    let h = chain.iter().fold(x.shallow_clone(), |h, conv| conv.forward(&h));
    if sides.is_empty() { h } else { Tensor::cat(&sides.iter().map(|conv| conv.forward(&h)).collect::<Vec<_>>(), 1) }
}

/// A convolution, normalized by statistics of the data it was trained on, and rectified.
#[derive(Debug)]
struct Rectified {
    conv: Filter,
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    forks: bool,
}

impl Rectified {
    fn new(path: &Path, conv: &Conv) -> Self {
        let path = if conv.name.is_empty() { path.clone() } else { path / conv.name };
        let (from, to, kernel) = (conv.from as i64, conv.to as i64, [conv.kernel.0 as i64, conv.kernel.1 as i64]);
        let padding = if conv.padded { kernel.map(|side| side / 2) } else { [0, 0] };
        let shape = FilterShape { from, to, kernel, stride: conv.stride as i64, padding };
        let bn = &path / "bn";
        Self {
            conv: Filter::new(&(&path / "conv"), shape, Init::fan_in(from * kernel[0] * kernel[1]), false),
            weight: bn.param("weight", &[to], Init::Ones),
            bias: bn.param("bias", &[to], Init::Zeros),
            running_mean: bn.buffer("running_mean", &[to], 0.0),
            running_var: bn.buffer("running_var", &[to], 1.0),
            forks: conv.forks(),
        }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        let (weight, bias, mean, variance) = (&self.weight, &self.bias, &self.running_mean, &self.running_var);
        let normed = self.conv.forward(x).batch_norm(
            Some(weight),
            Some(bias),
            Some(mean),
            Some(variance),
            false,
            0.1, // how fast statistics move in training, which there is none of
            1e-3,
            false,
        );
        normed.relu()
    }
}

/// `[B, C, H, W]` to `[B, C, size, size]` by straight lines between pixels that are points at their upper left corner: TensorFlow 1's
/// `resize_bilinear`, which the published statistics were made with.
fn resize(images: &Tensor, size: i64) -> Tensor {
    let (_, _, high, wide) = images.size4().expect("pictures have four dimensions");
    let lines = |from: i64| lines(size, from).to_device(images.device());
    lines(high).matmul(images).matmul(&lines(wide).tr())
}

/// The weights `[to, from]` of one direction.
fn lines(to: i64, from: i64) -> Tensor {
    let mut weights = vec![0_f32; (to * from) as usize];
    let step = from as f32 / to as f32;
    for row in 0..to {
        let place = row as f32 * step;
        let left = (place.floor() as i64).min(from - 1);
        let right = (left + 1).min(from - 1);
        let share = place - left as f32;
        weights[(row * from + left) as usize] += 1.0 - share;
        weights[(row * from + right) as usize] += share;
    }
    Tensor::from_slice(&weights).view([to, from])
}
