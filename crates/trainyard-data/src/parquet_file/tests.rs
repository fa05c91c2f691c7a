//! Parquet files, written here as Hugging Face's tools write them.

use std::fs;

use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::*;

const SCHEMA: &str = "message schema {
    OPTIONAL GROUP messages (LIST) { REPEATED GROUP list { OPTIONAL GROUP element {
        OPTIONAL BYTE_ARRAY role (UTF8); OPTIONAL BYTE_ARRAY content (UTF8); } } }
    OPTIONAL BYTE_ARRAY prompt (UTF8);
    OPTIONAL BYTE_ARRAY completion (UTF8);
    OPTIONAL INT64 id;
}";

/// Values of a column, and for each place the levels of definition and repetition.
#[derive(Default)]
struct Column {
    texts: Vec<ByteArray>,
    numbers: Vec<i64>,
    defined: Vec<i16>,
    repeated: Vec<i16>,
}

impl Column {
    fn place(&mut self, [defined, repeated]: [i16; 2]) {
        self.defined.push(defined);
        self.repeated.push(repeated);
    }

    fn text(&mut self, value: &Value, [defined, repeated]: [i16; 2]) {
        let is_there = value.as_str().map(|text| self.texts.push(text.into())).is_some();
        self.place([defined - i16::from(!is_there), repeated]);
    }

    /// What some rows have of it.
    fn of(at: usize, rows: &[Value]) -> Self {
        let mut column = Self::default();
        for row in rows {
            match (at, &row["messages"]) {
                (0 | 1, Value::Array(messages)) if messages.is_empty() => column.place([1, 0]),
                (0 | 1, Value::Array(messages)) => {
                    for (number, message) in messages.iter().enumerate() {
                        let key = if at == 0 { "role" } else { "content" };
                        column.text(&message[key], [4, i16::from(number > 0)]);
                    }
                }
                (0 | 1, _) => column.place([0, 0]),
                (2, _) => column.text(&row["prompt"], [1, 0]),
                (3, _) => column.text(&row["completion"], [1, 0]),
                _ => {
                    let number = row["id"].as_i64().map(|number| column.numbers.push(number));
                    column.place([i16::from(number.is_some()), 0]);
                }
            }
        }
        column
    }
}

/// Writes objects with `messages`, `prompt`, `completion` and `id`, three a group of rows.
pub(crate) fn write(path: &Path, rows: &[Value], compression: Compression) {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, schema, properties).unwrap();
    for rows in rows.chunks(3) {
        let mut group = writer.next_row_group().unwrap();
        let mut at = 0;
        while let Some(mut open) = group.next_column().unwrap() {
            let Column { texts, numbers, defined, repeated } = Column::of(at, rows);
            let (defined, repeated) = (Some(&defined[..]), Some(&repeated[..]));
            match open.untyped() {
                ColumnWriter::ByteArrayColumnWriter(column) => {
                    column.write_batch(&texts, defined, repeated).unwrap();
                }
                ColumnWriter::Int64ColumnWriter(column) => {
                    column.write_batch(&numbers, defined, repeated).unwrap();
                }
                _ => panic!("another column"),
            }
            open.close().unwrap();
            at += 1;
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
}

fn rows() -> Vec<Value> {
    vec![
        json!({ "messages": [{ "role": "user", "content": "a" }, { "role": "assistant", "content": "ä" }],
                "prompt": null, "completion": null, "id": 7 }),
        json!({ "messages": null, "prompt": "p", "completion": "c", "id": null }),
        json!({ "messages": [], "prompt": "", "completion": "c".repeat(2000), "id": -1 }),
        json!({ "messages": [{ "role": "user", "content": null }], "prompt": null, "completion": null, "id": 2 }),
    ]
}

fn read(path: &Path, columns: &[&str]) -> Result<Vec<Value>, DataError> {
    let file = ParquetFile::open(path)?;
    file.objects(columns)?.map(|row| row.map(Value::Object)).collect()
}

#[test]
fn rows_are_objects() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    for compression in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(parquet::basic::GzipLevel::default()),
    ] {
        write(&path, &rows(), compression);
        let file = ParquetFile::open(&path).unwrap();
        assert_eq!((file.rows(), file.columns().len()), (4, 4));
        assert_eq!(read(&path, &["messages", "prompt", "completion", "id"]).unwrap(), rows());
        assert_eq!(read(&path, &["id", "x"]).unwrap()[2], json!({ "id": -1 }));
    }
}

#[test]
fn damaged_files_are_refused_and_none_panics() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    write(&path, &rows(), Compression::SNAPPY);
    let bytes = fs::read(&path).unwrap();
    for length in (0..bytes.len()).step_by(7) {
        fs::write(&path, &bytes[..length]).unwrap();
        let error = read(&path, &["messages"]).unwrap_err().to_string();
        assert!(error.contains("a.parquet: it is no whole Parquet file"), "{length}: {error}");
    }
    for at in (0..bytes.len()).step_by(3) {
        for bit in [1, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= bit;
            fs::write(&path, &damaged).unwrap();
            // Other texts, or an error.
            let _either = read(&path, &["messages", "prompt", "completion", "id"]);
        }
    }
}
