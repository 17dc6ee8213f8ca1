//! Tensors by name, from one file or from the several that an index names.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use safetensors::{
    Dtype,
    tensor::{Metadata, SafeTensors, TensorInfo},
};
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::map::Mapped;
use crate::{data::read_json, error::TorchError};

/// What a folder's weights are called, the first that is there: transformers' names and diffusers'.
const IN_FOLDERS: &[&str] = &[
    "model.safetensors",
    "diffusion_pytorch_model.safetensors",
    "model.safetensors.index.json",
    "diffusion_pytorch_model.safetensors.index.json",
    "model.fp16.safetensors",
    "diffusion_pytorch_model.fp16.safetensors",
];

/// One or more safetensors files.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    files: Vec<Mapped>,
    places: BTreeMap<String, Place>,
    texts: HashMap<String, String>,
}

/// Where a tensor is.
#[derive(Debug)]
struct Place {
    file: usize,
    /// Within its file.
    start: usize,
    end: usize,
    info: TensorInfo,
}

/// `model.safetensors.index.json`.
#[derive(Debug, Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens a safetensors file, the index of several, or a folder with either.
    pub fn open(path: &Path) -> Result<Self, TorchError> {
        if path.is_dir() {
            let found = IN_FOLDERS.iter().map(|name| path.join(name)).find(|path| path.exists());
            let problem = || format!("a folder without weights: none of {} is there", IN_FOLDERS.join(", "));
            return Self::open(
                &found.ok_or_else(|| TorchError::Inconsistent { path: path.into(), problem: problem() })?,
            );
        }
        if path.extension().is_some_and(|extension| extension == "json") {
            return Self::sharded(path);
        }
        let mut weights = Self::none(path);
        weights.add(path)?;
        Ok(weights)
    }

    fn none(path: &Path) -> Self {
        Self { path: path.into(), files: Vec::new(), places: BTreeMap::new(), texts: HashMap::new() }
    }

    /// Opens the files that an index names, which must hold what it says.
    fn sharded(path: &Path) -> Result<Self, TorchError> {
        let index: Index = read_json(path)?;
        let wrong = |problem: String| TorchError::Inconsistent { path: path.into(), problem };
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut weights = Self::none(path);
        let names: Vec<&String> = index.weight_map.values().collect::<BTreeSet<_>>().into_iter().collect();
        for name in &names {
            // A name, not a path: an index from elsewhere reads no file but its neighbours.
            if Path::new(name).file_name().is_none_or(|file| file != name.as_str()) {
                return Err(wrong(format!("it names the file `{name}`, which is no neighbour's name")));
            }
            weights.add(&folder.join(name))?;
        }
        let misplaced: Vec<&str> = index
            .weight_map
            .iter()
            .filter(|(tensor, file)| weights.places.get(*tensor).is_none_or(|place| names[place.file] != *file))
            .map(|(tensor, _)| tensor.as_str())
            .collect();
        if !misplaced.is_empty() {
            return Err(wrong(format!("tensors are not in the files it names: {}", misplaced.join(", "))));
        }
        Ok(weights)
    }

    fn add(&mut self, path: &Path) -> Result<(), TorchError> {
        let file = Mapped::open(path)?;
        let wrong = |source| TorchError::Tensors { path: path.into(), source };
        let (header, metadata): (usize, Metadata) = SafeTensors::read_metadata(&file).map_err(wrong)?;
        let data = header + size_of::<u64>(); // the header's length stands before it
        for (name, info) in metadata.tensors() {
            let (start, end) = info.data_offsets;
            let place = Place { file: self.files.len(), start: data + start, end: data + end, info: info.clone() };
            if place.end > file.len() {
                let problem = format!("it ends at byte {} and `{name}` at {}: cut short", file.len(), place.end);
                return Err(TorchError::Inconsistent { path: path.into(), problem });
            }
            if self.places.insert(name.clone(), place).is_some() {
                let problem = format!("it holds `{name}`, and a file before it does too");
                return Err(TorchError::Inconsistent { path: path.into(), problem });
            }
        }
        self.texts.extend(metadata.metadata().clone().unwrap_or_default());
        self.files.push(file);
        Ok(())
    }

    /// The file, or the index.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a file says under `member` beside its tensors.
    pub fn text(&self, member: &str) -> Option<&str> {
        self.texts.get(member).map(String::as_str)
    }

    /// Tensors' names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.places.keys().map(String::as_str)
    }

    /// The dimensions of `name`, if it is there.
    pub fn shape(&self, name: &str) -> Option<Vec<i64>> {
        self.places.get(name).map(|place| place.info.shape.iter().map(|&n| n as i64).collect())
    }

    /// The bytes of `name`, if it is there.
    pub(super) fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.places.get(name).map(|place| &self.files[place.file][place.start..place.end])
    }

    /// The tensor `name`, in the file's own precision. It is a copy, and the file can go.
    pub fn tensor(&self, name: &str) -> Result<Tensor, TorchError> {
        let (Some(place), Some(bytes)) = (self.places.get(name), self.bytes(name)) else {
            let problem = format!("it has no tensor `{name}`");
            return Err(TorchError::Inconsistent { path: self.path.clone(), problem });
        };
        let kind = match place.info.dtype {
            Dtype::F64 => Kind::Double,
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            Dtype::I64 => Kind::Int64,
            Dtype::I32 => Kind::Int,
            Dtype::U8 => Kind::Uint8,
            Dtype::BOOL => Kind::Bool,
            _ => return Err(TorchError::Format(name.to_owned())),
        };
        let shape: Vec<i64> = place.info.shape.iter().map(|&n| n as i64).collect();
        Ok(Tensor::from_data_size(bytes, &shape, kind))
    }

    /// Everything, in single precision where it is not whole numbers.
    pub fn all(&self) -> Result<BTreeMap<String, Tensor>, TorchError> {
        let single = |tensor: Tensor| if tensor.is_floating_point() { tensor.to_kind(Kind::Float) } else { tensor };
        self.names().map(|name| Ok((name.to_owned(), single(self.tensor(name)?)))).collect()
    }
}
