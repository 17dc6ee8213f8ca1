//! A model's numbers into files that diffusers and transformers read.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use safetensors::{Dtype, View};
use serde_json::json;
use tch::{Kind, Tensor};

use crate::{
    data::{write_bytes, write_json},
    error::TorchError,
};

/// The precision of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// 32 bits.
    Single,
    /// 16 bits, more of them for the fraction.
    Half,
    /// 16 bits, more of them for the exponent.
    Brain,
}

impl Format {
    fn kind(self) -> Kind {
        match self {
            Self::Single => Kind::Float,
            Self::Half => Kind::Half,
            Self::Brain => Kind::BFloat16,
        }
    }

    fn dtype(self) -> Dtype {
        match self {
            Self::Single => Dtype::F32,
            Self::Half => Dtype::F16,
            Self::Brain => Dtype::BF16,
        }
    }

    fn width(self) -> usize {
        if self == Self::Single { 4 } else { 2 }
    }
}

/// A tensor on its way into a file: converted when its turn comes.
struct Outgoing<'a>(&'a Tensor, Format, Vec<usize>);

impl View for Outgoing<'_> {
    fn dtype(&self) -> Dtype {
        self.1.dtype()
    }

    fn shape(&self) -> &[usize] {
        &self.2
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.data_len()];
        self.0.to_kind(self.1.kind()).contiguous().copy_data_u8(&mut bytes, self.0.numel());
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.0.numel() * self.1.width()
    }
}

/// Writes `tensors` into `folder` as `name.safetensors` or, where that would take more than `most` bytes, as several files and
/// `name.safetensors.index.json`, under the names that released checkpoints have. Says which file to open. A tensor is never split.
pub fn save(
    folder: &Path,
    name: &str,
    tensors: &BTreeMap<String, Tensor>,
    format: Format,
    most: u64,
) -> Result<PathBuf, TorchError> {
    let size = |tensor: &Tensor| (tensor.numel() * format.width()) as u64;
    let mut shards: Vec<Vec<&String>> = vec![Vec::new()];
    let mut filled = 0;
    for (name, tensor) in tensors {
        if filled > 0 && filled + size(tensor) > most {
            shards.push(Vec::new());
            filled = 0;
        }
        shards.last_mut().expect("one to begin with").push(name);
        filled += size(tensor);
    }

    let count = shards.len();
    let file = |shard: usize| match count {
        1 => format!("{name}.safetensors"),
        _ => format!("{name}-{:05}-of-{count:05}.safetensors", shard + 1),
    };
    for (shard, names) in shards.iter().enumerate() {
        let path = folder.join(file(shard));
        let outgoing = |name: &&String| {
            let tensor = &tensors[name.as_str()];
            let shape = tensor.size().iter().map(|&n| n as usize).collect();
            ((*name).clone(), Outgoing(tensor, format, shape))
        };
        // One entry, so that no map's order can reach the file.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let bytes = safetensors::serialize(names.iter().map(outgoing), Some(metadata))
            .map_err(|source| TorchError::Tensors { path: path.clone(), source })?;
        write_bytes(&path, &bytes)?;
    }
    if count == 1 {
        return Ok(folder.join(file(0)));
    }

    let map: BTreeMap<&String, String> = shards
        .iter()
        .enumerate()
        .flat_map(|(shard, names)| names.iter().map(move |name| (*name, file(shard))))
        .collect();
    let total: u64 = tensors.values().map(size).sum();
    let path = folder.join(format!("{name}.safetensors.index.json"));
    write_json(&path, &json!({"metadata": {"total_size": total}, "weight_map": map}))?;
    Ok(path)
}
