//! Files of tensors larger than memory: written row by row, read a few rows at a time. Byte for byte what `safetensors` itself would write.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use crate::file_error::FileError;

/// The most that a header may take.
const MAX_HEADER: u64 = 16 << 20;

/// A tensor that grows by rows, beside the file it will be part of.
#[derive(Debug)]
struct Column {
    name: &'static str,
    dtype: Dtype,
    /// The dimensions of one row.
    row: Vec<usize>,
    part: PathBuf,
    writer: BufWriter<File>,
    bytes: usize,
}

/// A file of tensors under way.
#[derive(Debug)]
pub struct Growing {
    path: PathBuf,
    columns: Vec<Column>,
}

impl Growing {
    /// Begins the file `path` with tensors of no rows, each by name, number format and the dimensions of a row.
    pub fn create(path: &Path, columns: &[(&'static str, Dtype, &[usize])]) -> Result<Self, FileError> {
        let columns = columns.iter().map(|&(name, dtype, row)| {
            let part = path.with_added_extension(name);
            let file = File::create(&part).map_err(FileError::file("write", &part))?;
            Ok(Column {
                name,
                dtype,
                row: row.to_vec(),
                part,
                writer: BufWriter::with_capacity(1 << 18, file),
                bytes: 0,
            })
        });
        Ok(Self { path: path.to_owned(), columns: columns.collect::<Result<_, _>>()? })
    }

    /// Adds whole rows to the tensor `name`.
    pub fn push(&mut self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let column = self.columns.iter_mut().find(|column| column.name == name).expect("it was declared");
        column.bytes += bytes.len();
        column.writer.write_all(bytes).map_err(FileError::file("write", &column.part))
    }

    /// The same of whole numbers.
    pub fn push_i32(&mut self, name: &str, numbers: &[i32]) -> Result<(), FileError> {
        self.push(name, &numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<_>>())
    }

    /// Puts the file together.
    pub fn finish(mut self) -> Result<(), FileError> {
        self.columns.sort_by(|a, b| b.dtype.cmp(&a.dtype).then(a.name.cmp(b.name)));
        let mut end = 0;
        let infos = self.columns.iter().map(|column| {
            let size = column.row.iter().product::<usize>() * column.dtype.bitsize() / 8;
            assert_eq!(column.bytes % size, 0, "whole rows were pushed to {}", column.name);
            let shape = [&[column.bytes / size], column.row.as_slice()].concat();
            let start = end;
            end += column.bytes;
            (column.name.to_owned(), TensorInfo { dtype: column.dtype, shape, data_offsets: (start, end) })
        });
        let metadata = Metadata::new(None, infos.collect()).expect("offsets follow each other");
        let mut header = serde_json::to_vec(&metadata).expect("names and numbers are JSON");
        header.resize(header.len().next_multiple_of(8), b' ');
        let failed = || FileError::file("write", &self.path);
        let mut file = File::create(&self.path).map_err(failed())?;
        file.write_all(&(header.len() as u64).to_le_bytes()).map_err(failed())?;
        file.write_all(&header).map_err(failed())?;
        for column in self.columns {
            let part = column
                .writer
                .into_inner()
                .map_err(|error| FileError::file("write", &column.part)(error.into_error()))?;
            drop(part);
            let mut part = File::open(&column.part).map_err(FileError::file("read", &column.part))?;
            io::copy(&mut part, &mut file).map_err(FileError::file("write", &self.path))?;
            fs::remove_file(&column.part).map_err(FileError::file("remove", &column.part))?;
        }
        Ok(())
    }
}

/// A file of tensors of which a few rows are read at a time.
#[derive(Debug)]
pub struct Stored {
    path: PathBuf,
    file: BufReader<File>,
    begin: u64,
    tensors: BTreeMap<String, TensorInfo>,
}

impl Stored {
    /// Opens the file and reads its header alone.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let wrong = |problem: &str| FileError::format(path, problem);
        let file = File::open(path).map_err(FileError::file("read", path))?;
        let whole = file.metadata().map_err(FileError::file("read", path))?.len();
        let mut file = BufReader::with_capacity(1 << 18, file);
        let mut length = [0; 8];
        file.read_exact(&mut length).map_err(|_| wrong("is too short for a safetensors file"))?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER || length + 8 > whole {
            return Err(wrong("has no safetensors header"));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(FileError::file("read", path))?;
        let metadata: Metadata = serde_json::from_slice(&header)
            .map_err(|error| wrong(&format!("has a bad safetensors header: {error}")))?;
        if metadata.data_len() as u64 + length + 8 != whole {
            return Err(wrong("is cut off, or longer than its header says"));
        }
        let tensors = metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        Ok(Self { path: path.to_owned(), file, begin: length + 8, tensors })
    }

    /// The tensor `name`, which must be of this format and so many dimensions: its shape. `None` if there is none.
    pub fn shape(&self, name: &str, dtype: Dtype, dimensions: usize) -> Result<Option<&[usize]>, FileError> {
        let Some(info) = self.tensors.get(name) else { return Ok(None) };
        if info.dtype == dtype && info.shape.len() == dimensions {
            return Ok(Some(&info.shape));
        }
        let problem = format!("`{name}` is not {dtype:?} of {dimensions} dimensions");
        Err(FileError::format(&self.path, problem))
    }

    /// The bytes of `count` rows of `name` from row `first` on, which must all be there.
    pub fn rows(&mut self, name: &str, first: usize, count: usize) -> Result<Vec<u8>, FileError> {
        let info = &self.tensors[name];
        let size = (info.data_offsets.1 - info.data_offsets.0) / info.shape[0].max(1);
        let from = self.begin + (info.data_offsets.0 + first * size) as u64;
        let here = self.file.stream_position().map_err(FileError::file("read", &self.path))?;
        // Relative seeks keep what is buffered.
        let read = self.file.seek_relative(from.cast_signed() - here.cast_signed()).and_then(|()| {
            let mut bytes = vec![0; count * size];
            self.file.read_exact(&mut bytes)?;
            Ok(bytes)
        });
        read.map_err(FileError::file("read", &self.path))
    }
}

/// Bytes as whole numbers.
pub fn i32s(bytes: &[u8]) -> Vec<i32> {
    bytes.as_chunks::<4>().0.iter().map(|number| i32::from_le_bytes(*number)).collect()
}

/// Bytes as numbers.
pub fn f32s(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|number| f32::from_le_bytes(*number)).collect()
}

#[cfg(test)]
mod tests {
    use safetensors::tensor::TensorView;

    use super::*;

    #[test]
    fn grown_files_are_what_the_library_writes_and_come_back_in_parts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let mut file =
            Growing::create(&path, &[("b", Dtype::U8, &[2]), ("c", Dtype::I32, &[]), ("a", Dtype::I32, &[1])]).unwrap();
        for row in 0..5_u8 {
            file.push("b", &[row, 10 + row]).unwrap();
            file.push_i32("c", &[i32::from(row)]).unwrap();
        }
        file.push_i32("a", &[7]).unwrap();
        file.finish().unwrap();
        let (b, c, a): (Vec<u8>, Vec<u8>, [u8; 4]) = (
            (0..5).flat_map(|row| [row, 10 + row]).collect(),
            (0..5_i32).flat_map(i32::to_le_bytes).collect(),
            7_i32.to_le_bytes(),
        );
        let views =
            [("b", Dtype::U8, vec![5, 2], &b[..]), ("c", Dtype::I32, vec![5], &c), ("a", Dtype::I32, vec![1, 1], &a)]
                .map(|(name, dtype, shape, data)| (name, TensorView::new(dtype, shape, data).unwrap()));
        assert_eq!(fs::read(&path).unwrap(), safetensors::serialize(views, None).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no part is left");

        let mut stored = Stored::open(&path).unwrap();
        assert_eq!(stored.shape("b", Dtype::U8, 2).unwrap(), Some(&[5, 2][..]));
        assert!(stored.shape("b", Dtype::I32, 2).is_err() && stored.shape("z", Dtype::U8, 1).unwrap().is_none());
        assert_eq!(stored.rows("b", 3, 2).unwrap(), [3, 13, 4, 14]);
        assert_eq!(i32s(&stored.rows("c", 1, 3).unwrap()), [1, 2, 3]);
    }

    #[test]
    fn what_is_no_such_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        for bytes in
            [&b"abc"[..], b"\xff\xff\xff\xff\xff\xff\xff\xff{}", b"\x02\0\0\0\0\0\0\0{]", b"\x02\0\0\0\0\0\0\0{}!"]
        {
            fs::write(&path, bytes).unwrap();
            let error = Stored::open(&path).unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
        }
    }
}
