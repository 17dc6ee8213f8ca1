//! Parquet files with images' bytes in a column.

use std::{
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use parquet::{
    file::reader::{FileReader, SerializedFileReader},
    record::{Field, Row},
    schema::types::Type,
};
use serde_json::{Map, Value};

use super::{
    ImportError,
    item::{Fault, Item, Names},
};
use crate::file_error::FileError;

/// Yields every row of the file at `path`, in its order. One that is broken yields what comes before the break, and the break.
pub fn read(
    path: &Path,
    label: &str,
    image: &str,
    names: &Names,
    take: &mut dyn FnMut(Item) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let broken = |detail: String| Item {
        source: label.to_owned(),
        bytes: Err(Fault { reason: "broken-archive", detail }),
        ..Item::default()
    };
    let file = File::open(path).map_err(FileError::file("read", path))?;
    // The reader is other people's code on anybody's bytes; what it panicked over is dropped here.
    let opened = catch_unwind(|| SerializedFileReader::new(file));
    let reader = match opened {
        Ok(Ok(reader)) => reader,
        Ok(Err(error)) => return take(broken(error.to_string())),
        Err(_) => return take(broken("the reader failed".into())),
    };
    let columns = reader.metadata().file_metadata().schema().get_fields();
    if !columns.iter().any(|column| column.name() == image) {
        let there: Vec<&str> = columns.iter().map(|column| column.name()).collect();
        let problem = format!("has no column `{image}`; there are {}", there.join(", "));
        return Err(FileError::format(path, problem).into());
    }
    let wanted = |column: &Type| {
        let known = [image, names.caption].contains(&column.name());
        let primitive =
            column.is_primitive() && !matches!(column.get_physical_type(), parquet::basic::Type::BYTE_ARRAY);
        known || primitive || names.synthetic.iter().any(|name| name == column.name())
    };
    let schema = reader.metadata().file_metadata().schema();
    let projected = Type::group_type_builder(schema.name())
        .with_fields(columns.iter().filter(|column| wanted(column)).cloned().collect())
        .build();
    let rows = projected.and_then(|schema| reader.get_row_iter(Some(schema)));
    let mut rows = match rows {
        Ok(rows) => rows,
        Err(error) => return take(broken(error.to_string())),
    };
    for number in 0.. {
        match catch_unwind(AssertUnwindSafe(|| rows.next())) {
            Ok(None) => break,
            Ok(Some(Ok(row))) => take(item(&row, format!("{label}:{number}"), image, names))?,
            Ok(Some(Err(error))) => return take(broken(error.to_string())),
            Err(_) => return take(broken("the reader failed".into())),
        }
    }
    Ok(())
}

fn item(row: &Row, source: String, image: &str, names: &Names) -> Item {
    let mut item = Item { source, bytes: Err(Fault::unreadable("its image is empty")), ..Item::default() };
    let mut record = Map::new();
    for (name, field) in row.get_column_iter() {
        match field {
            _ if name == image => item.bytes = bytes(field),
            Field::Str(text) => drop(record.insert(name.clone(), Value::String(text.clone()))),
            other => {
                if let Some(number) = number(other).and_then(serde_json::Number::from_f64) {
                    record.insert(name.clone(), Value::Number(number));
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
