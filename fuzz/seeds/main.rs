//! Writes what the targets `parquet` and `lines` begin from, in the folder that is named: small files of every form that the importer may meet.

use std::{env, fs, path::Path, sync::Arc};

use parquet::{
    basic::{Compression, Encoding, GzipLevel},
    data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, FloatType, Int64Type},
    file::{
        properties::{WriterProperties, WriterVersion},
        writer::{SerializedFileWriter, SerializedRowGroupWriter},
    },
    schema::parser::parse_message_type,
};

const SCHEMAS: [&str; 4] = [
    "message m { required binary image; optional binary caption (UTF8); optional binary better (UTF8); optional int64 width; optional float score; }",
    "message m { optional group image { optional binary bytes; optional binary path (UTF8); } optional binary caption (UTF8); }",
    "message m { required binary image; optional group tags (LIST) { repeated group list { optional binary element (UTF8); } } repeated int64 many; }",
    "message m { optional binary image; optional fixed_len_byte_array(2) half (FLOAT16); optional group pairs (MAP) { repeated group key_value
       { required binary key (UTF8); optional int64 value; } } }",
];

const LINES: [&str; 6] = [
    "{\"file_name\": \"a.jpg\", \"caption\": \"a picture\", \"width\": 3, \"score\": -0.5e3}\n",
    "{\"file_name\": \"./a.jpg\", \"caption\": \" \\u00fc\\ud83d\\ude00 \", \"better\": \"b\"}\r\n\r\n[1]\n",
    "{\"file_name\": \"../a.jpg\", \"caption\": 1, \"caption\": \"twice\", \"n\": 1, \"n\": null}\n{}",
    "{\"x\": [[[{\"y\": [true, false, null]}]]], \"caption\": {\"caption\": 3}}\nnot json\n\"text\"\n",
    "\u{feff}{\"n\": 18446744073709551616, \"m\": 1e999, \"o\": -9223372036854775808}\n",
    "{\"a\": 1}{\"a\": 2}\n{\"a\": 1,}\n{\"a\" 1}\n{\"\": \"\"}\n",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = env::args().nth(1).ok_or("say where the corpus is")?;
    let (tables, lines) = (Path::new(&root).join("parquet"), Path::new(&root).join("lines"));
    fs::create_dir_all(&tables)?;
    fs::create_dir_all(&lines)?;
    for (number, text) in LINES.iter().enumerate() {
        fs::write(lines.join(format!("seed-{number}")), text)?;
    }
    let codecs = [Compression::UNCOMPRESSED, Compression::SNAPPY, Compression::GZIP(GzipLevel::default())];
    let encodings = [Encoding::PLAIN, Encoding::DELTA_LENGTH_BYTE_ARRAY, Encoding::DELTA_BYTE_ARRAY];
    for (s, schema) in SCHEMAS.iter().enumerate() {
        for (c, codec) in codecs.into_iter().enumerate() {
            for (v, version) in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0].into_iter().enumerate() {
                for e in 0..=encodings.len() {
                    let mut properties = WriterProperties::builder()
                        .set_compression(codec)
                        .set_writer_version(version)
                        .set_data_page_row_count_limit(3)
                        .set_write_batch_size(2)
                        .set_dictionary_enabled(e == encodings.len());
                    if let Some(encoding) = encodings.get(e) {
                        properties = properties
                            .set_column_encoding("image".into(), *encoding)
                            .set_column_encoding("caption".into(), *encoding);
                    }
                    let file = fs::File::create(tables.join(format!("seed-{s}{c}{v}{e}")))?;
                    let schema = Arc::new(parse_message_type(schema)?);
                    let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties.build()))?;
                    for _ in 0..=c % 2 {
                        let mut group = writer.next_row_group()?;
                        rows(&mut group)?;
                        group.close()?;
                    }
                    writer.close()?;
                }
            }
        }
    }
    Ok(())
}

/// Five rows, of which one is without what may be left out.
fn rows<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
) -> Result<(), parquet::errors::ParquetError> {
    while let Some(mut column) = group.next_column()? {
        let described = match column.untyped() {
            parquet::column::writer::ColumnWriter::ByteArrayColumnWriter(writer) => {
                (writer.get_descriptor().max_def_level(), writer.get_descriptor().max_rep_level())
            }
            parquet::column::writer::ColumnWriter::Int64ColumnWriter(writer) => {
                (writer.get_descriptor().max_def_level(), writer.get_descriptor().max_rep_level())
            }
            parquet::column::writer::ColumnWriter::FloatColumnWriter(writer) => {
                (writer.get_descriptor().max_def_level(), writer.get_descriptor().max_rep_level())
            }
            _ => (1, 0),
        };
        let (most, repeats) = described;
        let levels: Vec<i16> = [most, most, 0, most, most].to_vec();
        let (definitions, count) = if most > 0 { (Some(&levels[..]), 4) } else { (None, 5) };
        let flat = [0_i16; 5];
        let repetitions = (repeats > 0).then_some(&flat[..]);
        match column.untyped() {
            parquet::column::writer::ColumnWriter::ByteArrayColumnWriter(_) => {
                let values: Vec<ByteArray> =
                    ["one", "two", "two", "three, which is longer", ""].map(ByteArray::from).to_vec();
                column.typed::<ByteArrayType>().write_batch(&values[..count], definitions, repetitions)?;
            }
            parquet::column::writer::ColumnWriter::Int64ColumnWriter(_) => {
                column.typed::<Int64Type>().write_batch(&[1, -1, i64::MAX, 3, 3][..count], definitions, repetitions)?;
            }
            parquet::column::writer::ColumnWriter::FloatColumnWriter(_) => {
                column.typed::<FloatType>().write_batch(
                    &[0.5, f32::NAN, 1e30, -3.0, 0.0][..count],
                    definitions,
                    repetitions,
                )?;
            }
            _ => {
                let values: Vec<FixedLenByteArray> =
                    (0..count as u8).map(|n| FixedLenByteArray::from(vec![n, 60])).collect();
                column.typed::<FixedLenByteArrayType>().write_batch(&values, definitions, repetitions)?;
            }
        }
        column.close()?;
    }
    Ok(())
}
