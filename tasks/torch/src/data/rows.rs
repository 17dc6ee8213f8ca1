//! Rows: examples in mapped safetensors files, each of whose tensors has one row for each example. Where a row lies is arithmetic, so any
//! example of any number of them is read without the others, from any thread; what is held in memory is the system's to decide.

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors};
use tch::{Kind, Tensor};

use super::loader::Source;
use crate::{error::TorchError, weights::Mapped};

/// One tensor of every file, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The tensor's name.
    pub name: String,
    /// The shape of a row.
    pub shape: Vec<i64>,
    kind: Kind,
    /// Bytes of a row.
    width: usize,
}

impl Column {
    /// Rows of such a column, wherever they lie, as one tensor `[rows, …]`.
    pub fn tensor<'a>(&self, rows: impl ExactSizeIterator<Item = &'a [u8]>) -> Tensor {
        let count = rows.len();
        let mut bytes = Vec::with_capacity(self.width * count);
        for row in rows {
            bytes.extend_from_slice(row);
        }
        let shape: Vec<i64> = std::iter::once(count as i64).chain(self.shape.iter().copied()).collect();
        Tensor::from_data_size(&bytes, &shape, self.kind)
    }
}

/// Examples in one file, or in several one after the other.
#[derive(Debug)]
pub struct Rows {
    columns: Vec<Column>,
    files: Vec<Shard>,
    count: u64,
}

/// One file.
#[derive(Debug)]
struct Shard {
    map: Mapped,
    /// The number of its first row.
    first: u64,
    /// Where each column begins.
    starts: Vec<usize>,
}

impl Column {
    /// The numbers' type.
    pub fn kind(&self) -> Kind {
        self.kind
    }
}

impl Rows {
    /// Opens files that each have the tensors `columns`, all of the same shape but for the number of rows. Every row's place is checked here.
    pub fn open(paths: &[PathBuf], columns: &[&'static str]) -> Result<Self, TorchError> {
        let mut rows = Self { columns: Vec::new(), files: Vec::new(), count: 0 };
        for path in paths {
            rows.add(path, columns)?;
        }
        Ok(rows)
    }

    fn add(&mut self, path: &Path, names: &[&'static str]) -> Result<(), TorchError> {
        let map = Mapped::scattered(path)?;
        let tensors = |source| TorchError::Tensors { path: path.into(), source };
        let wrong = |problem: String| TorchError::Inconsistent { path: path.into(), problem };
        let (mut columns, mut starts, mut count) = (Vec::new(), Vec::new(), None);
        let file = SafeTensors::deserialize(&map).map_err(tensors)?;
        for &name in names {
            let wanted = "one row for each example";
            let view = file.tensor(name).map_err(|_| TorchError::NoTensor { path: path.into(), name, wanted })?;
            let kind = kind(view.dtype()).ok_or_else(|| TorchError::Format(name.to_owned()))?;
            let Some((&rows, shape)) = view.shape().split_first() else {
                return Err(TorchError::NoTensor { path: path.into(), name, wanted });
            };
            if *count.get_or_insert(rows) != rows {
                return Err(wrong(format!("`{name}` has {rows} rows and `{}` has another number", names[0])));
            }
            let width = view.data().len().checked_div(rows).unwrap_or(0);
            starts.push(view.data().as_ptr() as usize - map.as_ptr() as usize);
            columns.push(Column {
                name: name.to_owned(),
                shape: shape.iter().map(|&n| n as i64).collect(),
                kind,
                width,
            });
        }
        drop(file);
        let count = count.unwrap_or(0) as u64;
        if count == 0 {
            return Ok(()); // a file without rows says nothing of their width
        }
        if self.columns.is_empty() {
            self.columns = columns;
        } else if self.columns != columns {
            return Err(wrong("its rows are not of the kind and shape of those in the files before it".into()));
        }
        self.files.push(Shard { map, first: self.count, starts });
        self.count += count;
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The columns, in the order asked for; none if there are no rows.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The bytes of one row of the column numbered `column`.
    pub fn row(&self, column: usize, row: u64) -> &[u8] {
        let shard = &self.files[self.files.partition_point(|shard| shard.first <= row) - 1];
        let width = self.columns[column].width;
        let start = shard.starts[column] + (row - shard.first) as usize * width;
        &shard.map[start..start + width]
    }

    /// Rows of one column as one tensor `[rows, …]`.
    pub fn stack(&self, column: usize, rows: &[i64]) -> Tensor {
        self.columns[column].tensor(rows.iter().map(|&row| self.row(column, row as u64)))
    }
}

/// One tensor a column.
impl Source for Rows {
    type Portion = Vec<Tensor>;

    fn read(&self, rows: &[i64]) -> Result<Vec<Tensor>, TorchError> {
        Ok((0..self.columns.len()).map(|column| self.stack(column, rows)).collect())
    }
}

fn kind(dtype: Dtype) -> Option<Kind> {
    Some(match dtype {
        Dtype::U8 => Kind::Uint8,
        Dtype::I32 => Kind::Int,
        Dtype::I64 => Kind::Int64,
        Dtype::F16 => Kind::Half,
        Dtype::BF16 => Kind::BFloat16,
        Dtype::F32 => Kind::Float,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::data::write_tensors;

    /// Files of latents that number themselves, with the shapes and rows given.
    fn files(folder: &Path, rows: &[i64], channels: i64) -> Vec<PathBuf> {
        let mut first = 0;
        let file = |(i, &rows): (usize, &i64)| {
            let path = folder.join(format!("{i}.safetensors"));
            let numbers = Tensor::arange_start(first, first + rows, (Kind::Int64, tch::Device::Cpu));
            let latents = numbers.to_kind(Kind::Float).view([-1, 1, 1])
                + Tensor::zeros([rows, channels, 2], (Kind::Float, tch::Device::Cpu));
            first += rows;
            write_tensors(&path, &BTreeMap::from([("latents".to_owned(), latents), ("captions".to_owned(), numbers)]))
                .unwrap();
            path
        };
        rows.iter().enumerate().map(file).collect()
    }

    #[test]
    fn rows_of_several_files_are_numbered_through() {
        let folder = tempfile::tempdir().unwrap();
        let rows = Rows::open(&files(folder.path(), &[3, 0, 4, 1], 2), &["latents", "captions"]).unwrap();
        assert_eq!((rows.len(), rows.columns()[0].shape.as_slice()), (8, &[2, 2][..]));
        let read = rows.read(&[7, 0, 2, 3, 6]).unwrap();
        assert_eq!(Vec::<i64>::try_from(&read[1]).unwrap(), [7, 0, 2, 3, 6]);
        assert_eq!(read[0].size(), [5, 2, 2]);
        assert_eq!(Vec::<f32>::try_from(read[0].select(1, 1).select(1, 0)).unwrap(), [7.0, 0.0, 2.0, 3.0, 6.0]);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let paths = files(folder.path(), &[3], 2);
        let said = |paths: &[PathBuf], names: &[&'static str]| Rows::open(paths, names).unwrap_err().to_string();
        assert!(said(&paths, &["images"]).ends_with("has no tensor `images` of one row for each example"));
        let other = folder.path().join("other");
        std::fs::create_dir(&other).unwrap();
        let both = [paths, files(&other, &[3], 3)].concat();
        assert!(said(&both, &["latents"]).ends_with("not of the kind and shape of those in the files before it"));
        let uneven = folder.path().join("uneven.safetensors");
        let (a, b) = (Tensor::from_slice(&[1_u8, 2]), Tensor::from_slice(&[1_u8]));
        write_tensors(&uneven, &BTreeMap::from([("a".to_owned(), a), ("b".to_owned(), b)])).unwrap();
        assert!(
            said(std::slice::from_ref(&uneven), &["a", "b"]).ends_with("`b` has 1 rows and `a` has another number")
        );
        let bytes = std::fs::read(&uneven).unwrap();
        std::fs::write(&uneven, &bytes[..bytes.len() - 1]).unwrap();
        assert!(said(&[uneven], &["a"]).ends_with("is no safetensors file"));
    }
}
