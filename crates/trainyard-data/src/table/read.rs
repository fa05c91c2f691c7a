//! Tables from files, row by row: CSV, TSV and JSON lines alike.

use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::error::DataError;
use crate::files::{Opener, Stored, StoredReader, extension};
use crate::kind::named_twice;
use crate::plain_text::{PlainText, Remarks, TextForm};
use crate::table::options::TableOptions;

/// A row of a table.
#[derive(Debug)]
pub(crate) struct Record {
    /// Line, from 1, and byte that the row starts with, or the blank lines before it.
    start: (u64, u64),
    /// One text a column; empty where there is none.
    pub(crate) cells: Vec<String>,
}

/// A file that is being read.
pub(crate) struct TableFile {
    pub(crate) path: PathBuf,
    pub(crate) columns: Vec<String>,
    /// The file as text, and the byte that this begins with.
    text: (Arc<Stored>, u64),
    first: Option<Record>,
    rows: Rows,
}

enum Rows {
    Separated(Box<csv::Reader<StoredReader>>),
    Json(BufReader<StoredReader>, u64),
}

impl TableFile {
    /// Opens a file and finds its columns: in the header, in the first object (sorted by name), or
    /// by number.
    pub(crate) fn open(
        path: &Path,
        options: &TableOptions,
        remarks: &mut Remarks,
    ) -> Result<Self, DataError> {
        let form = TextForm::unchanged(options.encoding.as_deref());
        let text = PlainText::open(&mut Opener::new(), path, form, remarks, |_| {})?;
        let text = (Arc::new(text.stored), text.start);
        let source = StoredReader::new(&text.0, text.1);
        let extension = extension(path);
        let rows = if matches!(&*extension, "jsonl" | "ndjson") {
            Rows::Json(BufReader::new(source), 0)
        } else {
            let by_name = if matches!(&*extension, "tsv" | "tab") { b'\t' } else { b',' };
            let given = options.delimiter.as_ref().and_then(|text| text.bytes().next());
            Rows::Separated(Box::new(
                csv::ReaderBuilder::new()
                    .has_headers(false)
                    .flexible(true)
                    .delimiter(given.unwrap_or(by_name))
                    .quoting(options.quotes)
                    .from_reader(source),
            ))
        };
        let mut file = Self { path: path.to_owned(), columns: Vec::new(), text, first: None, rows };
        file.find_columns(options.header)?;
        Ok(file)
    }

    fn find_columns(&mut self, header: Option<bool>) -> Result<(), DataError> {
        if let Rows::Json(source, line) = &mut self.rows {
            if let Some(object) = next_object(source, line, &self.path)? {
                self.columns = object.keys().cloned().collect();
                // The order of an object's keys depends on how serde_json was built.
                self.columns.sort();
                self.first = Some(record_of(&object, *line, &self.columns, &self.path)?);
            }
            return Ok(());
        }
        let Some(first) = self.next_separated()? else { return Ok(()) };
        let has_number = first.cells.iter().any(|cell| number(cell).is_some());
        if header.unwrap_or(!has_number) {
            self.columns = first.cells;
            for (index, name) in self.columns.iter_mut().enumerate() {
                *name = name.trim().to_owned();
                if name.is_empty() {
                    *name = (index + 1).to_string();
                }
            }
        } else {
            self.columns = (1..=first.cells.len()).map(|number| number.to_string()).collect();
            self.first = Some(first);
        }
        match named_twice(&self.columns) {
            Some(name) => {
                let reason = format!("two columns have the name '{name}'; rename one");
                Err(DataError::bad_file(&self.path, reason))
            }
            None => Ok(()),
        }
    }

    /// The next row; `None` after the last one.
    pub(crate) fn next_record(&mut self) -> Result<Option<Record>, DataError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if let Rows::Json(source, line) = &mut self.rows {
            return match next_object(source, line, &self.path)? {
                Some(object) => record_of(&object, *line, &self.columns, &self.path).map(Some),
                None => Ok(None),
            };
        }
        let Some(record) = self.next_separated()? else { return Ok(None) };
        let (cells, columns) = (record.cells.len(), self.columns.len());
        if cells == columns {
            return Ok(Some(record));
        }
        let line = self.line_of(&record);
        let reason = format!(
            "line {line} has {cells} cells, but the first row has {columns}; mend it, or set \
             data.delimiter or data.quotes"
        );
        Err(DataError::bad_file(&self.path, reason))
    }

    /// First row that is not a header, if there is one.
    pub(crate) fn peek(&mut self) -> Result<Option<&Record>, DataError> {
        if self.first.is_none() {
            self.first = self.next_record()?;
        }
        Ok(self.first.as_ref())
    }

    fn next_separated(&mut self) -> Result<Option<Record>, DataError> {
        let Rows::Separated(reader) = &mut self.rows else { return Ok(None) };
        let mut record = csv::StringRecord::new();
        if !reader.read_record(&mut record).map_err(|error| csv_error(error, &self.path))? {
            return Ok(None);
        }
        let start = record.position().map_or((0, 0), |start| (start.line(), start.byte()));
        Ok(Some(Record { start, cells: record.iter().map(str::to_owned).collect() }))
    }

    /// Line that a row starts on, for a message: reads the file again to see blank lines before it.
    pub(crate) fn line_of(&self, record: &Record) -> u64 {
        let (line, byte) = record.start;
        if matches!(self.rows, Rows::Json(..)) {
            return line;
        }
        let mut source = BufReader::new(StoredReader::new(&self.text.0, self.text.1));
        let skipped = std::io::copy(&mut source.by_ref().take(byte), &mut std::io::sink());
        let bytes = source.bytes().map_while(Result::ok);
        let blank = bytes.take_while(|byte| matches!(byte, b'\r' | b'\n'));
        let blank_lines = blank.filter(|&byte| byte == b'\n').count() as u64;
        line + skipped.map_or(0, |_| blank_lines)
    }
}

fn csv_error(error: csv::Error, path: &Path) -> DataError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => read_error(error, path),
        // It was UTF-8 when it was opened.
        csv::ErrorKind::Utf8 { .. } => DataError::Changed { name: path.display().to_string() },
        other => DataError::bad_file(path, format!("it is no table: {other:?}; mend it")),
    }
}

fn read_error(error: std::io::Error, path: &Path) -> DataError {
    error.downcast().unwrap_or_else(DataError::io("read", path))
}

type Object = serde_json::Map<String, Value>;

/// The next line that is not blank, as an object; `line` counts lines.
fn next_object(
    source: &mut impl BufRead,
    line: &mut u64,
    path: &Path,
) -> Result<Option<Object>, DataError> {
    let mut text = Vec::new();
    loop {
        text.clear();
        match source.read_until(b'\n', &mut text) {
            Ok(0) => return Ok(None),
            Ok(_) => *line += 1,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(error, path)),
        }
        if text.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        return match serde_json::from_slice(&text) {
            Ok(Value::Object(object)) => Ok(Some(object)),
            Ok(_) => {
                let reason = format!("line {line} is no JSON object; write one object a line");
                Err(DataError::bad_file(path, reason))
            }
            Err(error) => {
                let place = format!("line {line}, character {}", error.column());
                let reason = format!("{place} is not JSON; write one object a line");
                Err(DataError::bad_file(path, reason))
            }
        };
    }
}

fn record_of(
    object: &Object,
    line: u64,
    columns: &[String],
    path: &Path,
) -> Result<Record, DataError> {
    if let Some(column) = object.keys().find(|key| columns.binary_search(key).is_err()) {
        return Err(DataError::Cell {
            file: path.to_owned(),
            line,
            column: column.clone(),
            reason: "the first object does not have this key; give all objects the same".to_owned(),
        });
    }
    let cell = |column: &String| match object.get(column) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    Ok(Record { start: (line, 0), cells: columns.iter().map(cell).collect() })
}

/// The number in a cell; `true` is 1 and `false` is 0.
pub(super) fn number(cell: &str) -> Option<f32> {
    match cell.trim() {
        "true" => Some(1.0),
        "false" => Some(0.0),
        text => text.parse().ok(),
    }
}
