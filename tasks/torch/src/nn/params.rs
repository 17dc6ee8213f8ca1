//! Parameters by name.
//!
//! A parameter's initial value depends on the seed and its name alone, so that adding a layer changes no other layer's start. Building a
//! model over [`Params`] registers every parameter once; [`Params::pack`] then moves them into one flat tensor, each a view of its stretch,
//! so that an optimizer step is a handful of operations whatever the number of layers.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Display,
    ops::{Div, Range},
    rc::Rc,
};

use isoflop_contract::Seed;
use tch::{Device, Kind, Tensor, no_grad};

use super::{Halves, Setting};
use crate::{
    draw::drawn,
    error::TorchError,
    shim,
    weights::{Misfit, Shapes},
};

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zero: a residual branch that is silent at first.
    Zeros,
    /// All one: a normalization's scale.
    Ones,
    /// Uniform within ± this.
    Uniform(f64),
    /// Normal with this deviation.
    Normal(f64),
}

impl Init {
    /// PyTorch's default for convolution and linear layers with `fan_in` inputs to each output.
    pub fn fan_in(fan_in: i64) -> Self {
        Self::Uniform(1.0 / (fan_in as f64).sqrt())
    }

    /// Glorot & Bengio's uniform distribution (2010) between `from` inputs and `to` outputs.
    pub fn xavier(from: i64, to: i64) -> Self {
        Self::Uniform((6.0 / (from + to) as f64).sqrt())
    }
}

/// What parameters are made of.
const FLOATS: (Kind, Device) = (Kind::Float, Device::Cpu);

/// All parameters of a model.
#[derive(Debug)]
pub struct Params {
    seed: Option<Seed>,
    device: Device,
    tensors: RefCell<BTreeMap<String, Tensor>>,
    buffers: RefCell<BTreeMap<String, Tensor>>,
    hollow: RefCell<Tensor>,
}

/// A place in the tree of parameters' names.
#[derive(Debug, Clone)]
pub struct Path<'a> {
    params: &'a Params,
    name: String,
}

/// Parameters that share one flat tensor, end to end: first those that have two dimensions or more (the weights of linear layers and
/// convolutions, tables), then the others (biases, scales of normalizations), each by name.
#[derive(Debug)]
pub struct Packed {
    /// All of them.
    pub flat: Tensor,
    /// How many numbers at the beginning belong to parameters of two dimensions or more.
    pub matrices: i64,
    /// Each as a view of its stretch.
    pub views: Vec<Tensor>,
    /// The same in lower precision, where layers use such.
    pub halves: Option<Rc<Halves>>,
    names: Vec<String>,
}

impl Packed {
    /// The parameters' names, in the order of their stretches.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many numbers there are.
    pub fn len(&self) -> i64 {
        self.flat.size()[0]
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Moves the gradients that backward passes left at the parameters into `gradient`, in the same order.
    pub fn collect(&self, gradient: &Tensor) {
        match &self.halves {
            None => shim::collect(&self.views, gradient),
            Some(halves) => shim::collect_both(&self.views, halves.all(), gradient),
        }
    }

    /// Each parameter's name, its place in [`flat`](Self::flat) and its shape.
    pub fn stretches(&self) -> impl Iterator<Item = (&str, Range<i64>, Vec<i64>)> {
        let mut end = 0;
        self.names.iter().zip(&self.views).map(move |(name, view)| {
            let start = end;
            end += view.numel() as i64;
            (name.as_str(), start..end, view.size())
        })
    }

    /// The stretches of `flat`, which has a number for each of the parameters', by name.
    pub fn cut(&self, flat: &Tensor) -> BTreeMap<String, Tensor> {
        let cut = |at: Range<i64>, shape: &[i64]| flat.narrow(0, at.start, at.end - at.start).view(shape);
        self.stretches().map(|(name, at, shape)| (name.to_owned(), cut(at, &shape))).collect()
    }
}

impl Params {
    /// No parameters yet; those to come start from `seed`, on the processor.
    pub fn new(seed: Seed) -> Self {
        Self::on(Device::Cpu, seed)
    }

    /// The same on a device. Starts are drawn on the processor, and so are the same everywhere.
    pub fn on(device: Device, seed: Seed) -> Self {
        Self { seed: Some(seed), device, ..Self::hollow() }
    }

    /// No parameters yet; those to come have names and shapes and share memory that nobody writes or reads. A model of any size can be built
    /// over them and counted, run on a batch of nothing, and given its numbers later, but not trained.
    pub fn hollow() -> Self {
        Self {
            seed: None,
            device: Device::Cpu,
            tensors: RefCell::default(),
            buffers: RefCell::default(),
            hollow: RefCell::new(Tensor::empty([0], FLOATS)),
        }
    }

    /// A hollow tensor of this shape.
    fn hollow_tensor(&self, shape: &[i64]) -> Tensor {
        let count: i64 = shape.iter().product();
        let mut room = self.hollow.borrow_mut();
        if room.numel() < count as usize {
            *room = Tensor::empty([count], FLOATS); // pages that are never touched take no memory
        }
        room.narrow(0, 0, count).view(shape)
    }

    /// The tree's root.
    pub fn root(&self) -> Path<'_> {
        Path { params: self, name: String::new() }
    }

    /// Handles to all parameters by name.
    pub fn named(&self) -> BTreeMap<String, Tensor> {
        self.tensors.borrow().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }

    /// Handles to all that weights hold by name: parameters, and the buffers that are not trained.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = self.named();
        state.extend(self.buffers.borrow().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())));
        state
    }

    /// Where they are.
    pub fn device(&self) -> Device {
        self.device
    }

    /// How many numbers there are to train.
    pub fn count(&self) -> u64 {
        self.tensors.borrow().values().map(|tensor| tensor.numel() as u64).sum()
    }

    /// Lets the parameters with these names be as they are: weights hold them, and nothing trains them.
    pub fn freeze(&self, which: impl Fn(&str) -> bool) {
        let (frozen, trained) = self.tensors.take().into_iter().partition(|(name, _)| which(name));
        self.tensors.replace(trained);
        self.buffers.borrow_mut().extend::<BTreeMap<_, _>>(frozen);
    }

    /// Takes every value from `values`, which must hold these names at these shapes and no others; all that does not fit is said at once, and then
    /// nothing is taken.
    pub fn load(&self, values: &BTreeMap<String, Tensor>) -> Result<(), TorchError> {
        let tensors = self.tensors.borrow();
        let shapes = |tensors: &BTreeMap<String, Tensor>| -> Shapes {
            tensors.iter().map(|(name, tensor)| (name.clone(), tensor.size())).collect()
        };
        Misfit::between(&shapes(&tensors), &shapes(values)).map_err(|misfit| TorchError::Misfit(Box::new(misfit)))?;
        for (name, tensor) in tensors.iter() {
            let value = &values[name];
            let mut tensor = tensor.shallow_clone();
            no_grad(|| match self.seed {
                Some(_) => tensor.copy_(value),
                None => tensor.set_data(&value.copy()), // a hollow parameter has no memory of its own
            });
        }
        Ok(())
    }

    /// The same for passes in this setting: in lower precision on a device, [halves](Halves) stand beside.
    pub fn pack_for(&self, setting: Setting) -> Packed {
        let packed = self.pack();
        Packed { halves: Halves::of(&packed.views, setting), ..packed }
    }

    /// Moves all parameters into one flat tensor and asks for their gradients.
    pub fn pack(&self) -> Packed {
        let tensors = self.tensors.borrow();
        let mut order: Vec<(&String, &Tensor)> = tensors.iter().collect();
        order.sort_by_key(|(_, tensor)| tensor.dim() < 2); // stable, so by name
        no_grad(|| {
            let parts: Vec<Tensor> = order.iter().map(|(_, tensor)| tensor.reshape([-1])).collect();
            let flat = Tensor::cat(&parts, 0);
            let mut views = Vec::with_capacity(order.len());
            let (mut offset, mut matrices) = (0, 0);
            for (_, tensor) in &order {
                let length = tensor.numel() as i64;
                let view = flat.narrow(0, offset, length).view(tensor.size().as_slice());
                let mut handle = tensor.shallow_clone();
                handle.set_data(&view); // every clone a layer holds is the same variable, and follows
                views.push(handle.set_requires_grad(true));
                offset += length;
                if tensor.dim() >= 2 {
                    matrices = offset;
                }
            }
            let names = order.into_iter().map(|(name, _)| name.clone()).collect();
            Packed { flat, matrices, views, halves: None, names }
        })
    }
}

impl Path<'_> {
    /// The parameter `name` here. Two of one name are a mistake in the program.
    pub fn param(&self, name: &str, shape: &[i64], init: Init) -> Tensor {
        let name = (self / name).name;
        let random = |seed: Seed, draw: &dyn Fn(Tensor) -> Tensor| {
            drawn(seed.stream(&name, 0).get(), || draw(Tensor::empty(shape, FLOATS)))
        };
        let tensor = match (init, self.params.seed) {
            (_, None) => self.params.hollow_tensor(shape),
            (Init::Zeros, _) => Tensor::zeros(shape, FLOATS),
            (Init::Ones, _) => Tensor::ones(shape, FLOATS),
            (Init::Uniform(bound), Some(seed)) => random(seed, &|mut empty| empty.uniform_(-bound, bound)),
            (Init::Normal(deviation), Some(seed)) => random(seed, &|mut empty| empty.normal_(0.0, deviation)),
        };
        let tensor = tensor.to_device(self.params.device);
        let before = self.params.tensors.borrow_mut().insert(name.clone(), tensor.shallow_clone());
        assert!(before.is_none(), "two parameters are named {name}");
        tensor
    }

    /// Numbers here that belong to the weights and are not trained: statistics of data seen before. All alike at first.
    pub fn buffer(&self, name: &str, shape: &[i64], value: f64) -> Tensor {
        let name = (self / name).name;
        let tensor = match self.params.seed {
            Some(_) => Tensor::full(shape, value, FLOATS),
            None => self.params.hollow_tensor(shape),
        };
        let tensor = tensor.to_device(self.params.device);
        let before = self.params.buffers.borrow_mut().insert(name.clone(), tensor.shallow_clone());
        assert!(before.is_none(), "two buffers are named {name}");
        tensor
    }

    /// The full name of this place.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// `&path / "conv1"`, `&path / 3`: a place below.
impl<'a, S: Display> Div<S> for &Path<'a> {
    type Output = Path<'a>;

    fn div(self, below: S) -> Path<'a> {
        let name = if self.name.is_empty() { below.to_string() } else { format!("{}.{below}", self.name) };
        Path { params: self.params, name }
    }
}

/// The same for a place that is not needed afterwards.
impl<'a, S: Display> Div<S> for Path<'a> {
    type Output = Path<'a>;

    fn div(self, below: S) -> Path<'a> {
        &self / below
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these come out exactly")]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_starts_by_seed_and_name_alone() {
        let start = |seed: u64, others: bool| {
            let params = Params::new(Seed::from_number(seed));
            if others {
                let _ = (params.root() / "before").param("weight", &[5], Init::Normal(1.0));
            }
            (params.root() / "layer" / 0).param("weight", &[4, 3], Init::fan_in(3))
        };
        assert_eq!(start(1, false), start(1, true));
        assert_ne!(start(1, false), start(2, false));
        assert!(start(1, false).abs().max().double_value(&[]) <= 1.0 / 3_f64.sqrt());
    }

    #[test]
    fn hollow_parameters_share_their_memory() {
        let params = Params::hollow();
        let held = (params.root() / "layer").param("weight", &[1 << 14, 1 << 14], Init::fan_in(3));
        let other = (params.root() / "other").param("weight", &[1 << 10, 7], Init::Zeros);
        assert_eq!((held.size(), params.count()), (vec![1 << 14, 1 << 14], (1 << 28) + (7 << 10)));
        assert_eq!(held.data_ptr(), other.data_ptr());
    }

    #[test]
    fn packed_parameters_are_views_that_layers_see() {
        let params = Params::new(Seed::from_number(1));
        let held = params.root().param("b", &[2, 2], Init::Ones);
        let _ = params.root().param("a", &[3], Init::Zeros);
        let unused = params.root().param("c", &[1, 1], Init::Zeros);
        let mut packed = params.pack();
        assert_eq!((packed.names(), packed.matrices), (&["b", "c", "a"].map(String::from)[..], 5));
        let numbers = |tensor: &Tensor| Vec::<f32>::try_from(tensor).unwrap();
        assert_eq!(numbers(&packed.flat), [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        let _ = no_grad(|| packed.flat.g_add_scalar_(2.0));
        assert_eq!((held.double_value(&[1, 1]), unused.double_value(&[0, 0])), (3.0, 2.0));

        // Gradients of two backward passes add up; a parameter that nothing depends on has none.
        ((&held * &held).sum(None) + packed.views[2].sum(None)).backward();
        let gradient = packed.flat.zeros_like();
        packed.collect(&gradient);
        assert_eq!(numbers(&gradient), [6.0, 6.0, 6.0, 6.0, 0.0, 1.0, 1.0, 1.0]);
        held.sum(None).backward();
        held.sum(None).backward();
        packed.collect(&gradient);
        assert_eq!(numbers(&gradient), [2.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0]);

        let cut = packed.cut(&gradient);
        assert_eq!(cut["b"].size(), [2, 2]);
        let places: Vec<_> = packed.stretches().map(|(name, at, _)| (name, at)).collect();
        assert_eq!(places, [("b", 0..4), ("c", 4..5), ("a", 5..8)]);
    }

    #[test]
    fn what_is_frozen_is_held_and_not_trained() {
        let params = Params::new(Seed::from_number(1));
        let early = params.root().param("early", &[2], Init::Ones);
        let late = params.root().param("late", &[3], Init::Ones);
        params.freeze(|name| name == "early");
        let packed = params.pack();
        assert_eq!((packed.names(), params.count()), (&["late".to_owned()][..], 3));
        (early.sum(None) * late.sum(None)).backward();
        assert!(!early.requires_grad() && late.grad().double_value(&[0]) == 2.0);
        assert_eq!(params.state().into_keys().collect::<Vec<_>>(), ["early", "late"]);
    }

    #[test]
    fn loading_wants_these_names_and_shapes() {
        let params = Params::new(Seed::from_number(1));
        let _ = params.root().param("a", &[3], Init::Zeros);
        let _ = params.root().param("b", &[2], Init::Zeros);
        let values = |sizes: &[(&str, i64)]| {
            let value = |&(name, n): &(&str, i64)| (name.to_owned(), Tensor::ones([n], (Kind::Float, Device::Cpu)));
            sizes.iter().map(value).collect()
        };
        assert!(params.load(&values(&[("a", 3), ("b", 2)])).is_ok());
        assert_eq!(params.named()["a"].double_value(&[2]), 1.0);
        let said = params.load(&values(&[("a", 4), ("c", 1)])).unwrap_err().to_string();
        let wanted = "these are not the numbers of this model: 1 missing, 1 extra, 1 misshapen\n  missing: b [2]\n  extra: c\n  \
                      misshapen: a is [4] and the model wants [3]";
        assert_eq!(said, wanted);
    }
}
