//! Artifacts' files: tensors by name, and JSON. Written under another name and then renamed, in an order that does not vary.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    path::Path,
};

use safetensors::{Dtype, SafeTensorError, SafeTensors, View};
use serde::{Serialize, de::DeserializeOwned};
use tch::{Device, Kind, Tensor};

use crate::error::TorchError;

/// All tensors of a file.
pub fn read_tensors(path: &Path) -> Result<BTreeMap<String, Tensor>, TorchError> {
    let bytes = fs::read(path).map_err(TorchError::file("read", path))?;
    let wrong = |source| TorchError::Tensors { path: path.into(), source };
    let file = SafeTensors::deserialize(&bytes).map_err(wrong)?;
    let tensors = file.iter().map(|(name, view)| {
        let kind = match view.dtype() {
            Dtype::F32 => Kind::Float,
            Dtype::I32 => Kind::Int,
            Dtype::I64 => Kind::Int64,
            Dtype::U8 => Kind::Uint8,
            _ => return Err(TorchError::Format(name.to_owned())),
        };
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        Ok((name.to_owned(), Tensor::from_data_size(view.data(), &shape, kind)))
    });
    tensors.collect()
}

/// Writes tensors in the order of their names.
pub fn write_tensors(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<(), TorchError> {
    // What PyTorch's own tools look for.
    write_tensors_with(path, tensors, &[("format", "pt")])
}

/// Writes tensors in the order of their names, and one text beside them at most: of several, a map's order would reach the file.
pub fn write_tensors_with(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &[(&str, &str)],
) -> Result<(), TorchError> {
    debug_assert!(metadata.len() <= 1);
    let views = tensors.iter().map(|(name, tensor)| Ok((name, Written::of(name, tensor)?)));
    let views = views.collect::<Result<Vec<_>, TorchError>>()?;
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let part = path.with_added_extension("part");
    let file = |source| TorchError::File { doing: "write", path: part.clone(), source };
    // The file that is written in the place of this one would be its owner's alone.
    let mode = File::create(&part).and_then(|file| file.metadata()).map_err(file)?.permissions();
    safetensors::serialize_to_file(views, Some(metadata), &part).map_err(|error| match error {
        SafeTensorError::IoError(source) => file(source),
        source => TorchError::Tensors { path: path.into(), source },
    })?;
    fs::set_permissions(&part, mode).and_then(|()| fs::rename(&part, path)).map_err(file)
}

/// A tensor on its way into a file: its bytes are there while they are written, and no longer.
struct Written<'a> {
    tensor: &'a Tensor,
    dtype: Dtype,
    shape: Vec<usize>,
}

impl<'a> Written<'a> {
    fn of(name: &str, tensor: &'a Tensor) -> Result<Self, TorchError> {
        let dtype = match tensor.kind() {
            Kind::Float => Dtype::F32,
            Kind::Uint8 => Dtype::U8,
            Kind::Int64 => Dtype::I64,
            _ => return Err(TorchError::Format(name.to_owned())),
        };
        Ok(Self { tensor, dtype, shape: tensor.size().iter().map(|&n| n as usize).collect() })
    }
}

impl View for Written<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.data_len()];
        self.tensor.to_device(Device::Cpu).contiguous().copy_data_u8(&mut bytes, self.tensor.numel());
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.tensor.kind().elt_size_in_bytes()
    }
}

/// Reads JSON.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, TorchError> {
    let text = fs::read(path).map_err(TorchError::file("read", path))?;
    serde_json::from_slice(&text).map_err(|source| TorchError::Json { path: path.into(), source })
}

/// Writes JSON for people too.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), TorchError> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|source| TorchError::Json { path: path.into(), source })?;
    text.push(b'\n');
    write_bytes(path, &text)
}

/// Writes under another name, then renames: a file that is there is whole.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), TorchError> {
    let part = path.with_added_extension("part");
    fs::write(&part, bytes).map_err(TorchError::file("write", &part))?;
    fs::rename(&part, path).map_err(TorchError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_come_back_and_the_bytes_do_not_vary() {
        let folder = tempfile::tempdir().unwrap();
        let tensors = BTreeMap::from([
            ("b".to_owned(), Tensor::from_slice(&[1.5_f32, -2.0]).view([2, 1])),
            ("a".to_owned(), Tensor::from_slice(&[1_u8, 2, 3])),
        ]);
        let (one, two) = (folder.path().join("one.safetensors"), folder.path().join("two.safetensors"));
        write_tensors(&one, &tensors).unwrap();
        write_tensors(&two, &tensors).unwrap();
        assert_eq!(fs::read(&one).unwrap(), fs::read(&two).unwrap());
        assert_eq!(read_tensors(&one).unwrap(), tensors);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_no_tensor_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        assert!(matches!(read_tensors(&path), Err(TorchError::File { doing: "read", .. })));
        fs::write(&path, b"nonsense").unwrap();
        let error = read_tensors(&path).unwrap_err();
        assert_eq!(error.to_string(), format!("{} is no safetensors file", path.display()));
    }
}
