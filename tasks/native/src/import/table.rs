//! Parquet files with images' bytes in a column.

use std::{
    collections::BTreeSet,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

use parquet::{
    basic::{Repetition, Type as Physical},
    errors::ParquetError,
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
    schema::types::{SchemaDescriptor, Type, TypePtr},
};

use super::{
    ImportError, bounds,
    item::{Fault, Item, Names, shortened},
    record::Record,
};
use crate::file_error::FileError;

/// Columns that a message names at most.
const NAMED: usize = 20;

/// Yields every row of the file at `path`, in its order. One that is broken yields what comes before the break, and the break.
pub fn read(
    path: &Path,
    label: &str,
    image: &str,
    names: &Names,
    take: &mut dyn FnMut(Item) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let broken = |detail: &str| Item {
        source: label.to_owned(),
        bytes: Err(Fault { reason: "broken-archive", detail: shortened(detail) }),
        ..Item::default()
    };
    let file = File::open(path).map_err(FileError::file("read", path))?;
    // The reader is other people's code on anybody's bytes; what it panicked over is dropped here.
    let opened = catch_unwind(AssertUnwindSafe(|| open(&file, image, names)));
    let (reader, columns) = match opened.unwrap_or_else(|_| Err(Trouble::Broken("the reader failed".into()))) {
        Ok(opened) => opened,
        Err(Trouble::Broken(detail)) => return take(broken(&detail)),
        Err(Trouble::Columns(problem)) => return Err(FileError::format(path, problem).into()),
    };
    let rows = catch_unwind(AssertUnwindSafe(|| reader.get_row_iter(Some(columns))));
    let mut rows = match rows {
        Ok(Ok(rows)) => rows,
        Ok(Err(error)) => return take(broken(&error.to_string())),
        Err(_) => return take(broken("the reader failed")),
    };
    for number in 0.. {
        match catch_unwind(AssertUnwindSafe(|| rows.next())) {
            Ok(None) => break,
            Ok(Some(Ok(row))) => take(item(&row, format!("{label}:{number}"), image, names))?,
            Ok(Some(Err(error))) => return take(broken(&format!("at row {number}: {error}"))),
            Err(_) => return take(broken(&format!("the reader failed at row {number}"))),
        }
    }
    Ok(())
}

/// Why nothing of a file is read.
enum Trouble {
    /// It is no good file.
    Broken(String),
    /// It does not hold what was asked for.
    Columns(String),
}

impl From<ParquetError> for Trouble {
    fn from(error: ParquetError) -> Self {
        Self::Broken(error.to_string())
    }
}

/// The file, and the columns that are read of it.
fn open(file: &File, image: &str, names: &Names) -> Result<(SerializedFileReader<File>, Type), Trouble> {
    bounds::footer(file).map_err(Trouble::Broken)?;
    let reader = SerializedFileReader::new(file.try_clone().map_err(ParquetError::from)?)?;
    let schema = reader.metadata().file_metadata().schema();
    let there = schema.get_fields();
    if !there.iter().any(|column| column.name() == image) {
        let mut names: Vec<String> = there.iter().take(NAMED).map(|column| shortened(column.name())).collect();
        if there.len() > NAMED {
            names.push("…".into());
        }
        return Err(Trouble::Columns(format!("has no column `{image}`; there are {}", names.join(", "))));
    }
    let mut wanted = Vec::new();
    for column in there {
        if column.name() == image {
            let Some(column) = image_column(column)? else {
                let problem = format!("its column `{image}` is neither bytes nor a group with a member `bytes`");
                return Err(Trouble::Columns(problem));
            };
            wanted.push(column);
        } else if is_single(column) && column.is_primitive() {
            let text = column.get_physical_type() == Physical::BYTE_ARRAY;
            let named = column.name() == names.caption || names.synthetic.iter().any(|name| name == column.name());
            if named || !text {
                wanted.push(Arc::clone(column));
            }
        }
    }
    let columns = Type::group_type_builder(schema.name()).with_fields(wanted).build()?;
    let leaves = SchemaDescriptor::new(Arc::new(columns.clone()));
    let paths: BTreeSet<Vec<String>> = leaves.columns().iter().map(|leaf| leaf.path().parts().to_vec()).collect();
    bounds::pages(file, reader.metadata(), &paths).map_err(Trouble::Broken)?;
    Ok((reader, columns))
}

/// Whether a column has one value a row at most. One with lists could have any number.
fn is_single(column: &Type) -> bool {
    column.get_basic_info().has_repetition() && column.get_basic_info().repetition() != Repetition::REPEATED
}

/// The column of images, or of a group its member `bytes` alone; none if there is no such.
fn image_column(column: &TypePtr) -> Result<Option<TypePtr>, ParquetError> {
    if !is_single(column) {
        return Ok(None);
    }
    if column.is_primitive() {
        return Ok(Some(Arc::clone(column)));
    }
    let bytes = |inner: &&TypePtr| inner.name() == "bytes" && inner.is_primitive() && is_single(inner);
    let Some(bytes) = column.get_fields().iter().find(bytes) else { return Ok(None) };
    let group = Type::group_type_builder(column.name())
        .with_repetition(column.get_basic_info().repetition())
        .with_fields(vec![Arc::clone(bytes)])
        .build()?;
    Ok(Some(Arc::new(group)))
}

fn item(row: &Row, source: String, image: &str, names: &Names) -> Item {
    let mut item = Item { source, bytes: Err(Fault::unreadable("its image is empty")), ..Item::default() };
    let mut record = Record::default();
    for (name, field) in row.get_column_iter() {
        match field {
            _ if name == image => item.bytes = bytes(field),
            Field::Str(text) => drop(record.texts.insert(name.clone(), text.clone())),
            other => {
                if let Some(number) = number(other).filter(|number| number.is_finite()) {
                    record.numbers.insert(name.clone(), number);
                }
            }
        }
    }
    item.annotate(&record, names);
    item
}

/// A field's number, if it is one.
fn number(field: &Field) -> Option<f64> {
    Some(match field {
        Field::Byte(number) => f64::from(*number),
        Field::Short(number) => f64::from(*number),
        Field::Int(number) => f64::from(*number),
        Field::Long(number) => *number as f64,
        Field::UByte(number) => f64::from(*number),
        Field::UShort(number) => f64::from(*number),
        Field::UInt(number) => f64::from(*number),
        Field::ULong(number) => *number as f64,
        Field::Float16(number) => number.to_f64(),
        Field::Float(number) => f64::from(*number),
        Field::Double(number) => *number,
        _ => return None,
    })
}

/// The bytes of a field, or of the member `bytes` of a group.
fn bytes(field: &Field) -> Result<Vec<u8>, Fault> {
    match field {
        Field::Bytes(bytes) => Ok(bytes.data().to_vec()),
        Field::Group(group) => {
            let inner = group.get_column_iter().find(|(name, _)| name.as_str() == "bytes");
            inner.map_or_else(|| Err(Fault::unreadable("its image has no `bytes`")), |(_, field)| bytes(field))
        }
        Field::Null => Err(Fault::unreadable("its image is empty")),
        _ => Err(Fault::unreadable("its image is not bytes")),
    }
}
