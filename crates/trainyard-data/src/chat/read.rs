//! Chats from the lines of a text file, or the rows of a Parquet file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::messages::{COLUMNS, Conversation, FORMS};
use crate::error::DataError;
use crate::files::{self, Opener, StoredReader, extension};
use crate::parquet_file::ParquetFile;
use crate::plain_text::{PlainText, Remarks, TextForm};

/// A file of chats.
pub(super) struct ChatFile<'a> {
    path: &'a Path,
    content: Content,
}

enum Content {
    Lines(PlainText),
    Rows(Box<ParquetFile>),
}

impl<'a> ChatFile<'a> {
    /// Opens a file; `each` is handed all of its text in order, or the hash of its bytes.
    ///
    /// # Errors
    /// As [`PlainText::open`] and [`ParquetFile::open`].
    pub(super) fn open(
        path: &'a Path,
        encoding: Option<&str>,
        remarks: &mut Remarks,
        mut each: impl FnMut(&str),
    ) -> Result<Self, DataError> {
        if extension(path) == "parquet" {
            let file = ParquetFile::open(path)?;
            if !file.columns().iter().any(|column| COLUMNS.contains(column)) {
                let has = file.columns().join(", ");
                return Err(DataError::bad_file(
                    path,
                    format!("it has the columns {has}; {FORMS}"),
                ));
            }
            each(&files::hash_of(&[file.stored()])?);
            return Ok(Self { path, content: Content::Rows(Box::new(file)) });
        }
        let form = TextForm::unchanged(encoding);
        let text = PlainText::open(&mut Opener::new(), path, form, remarks, each)?;
        Ok(Self { path, content: Content::Lines(text) })
    }

    /// Its length, bytes.
    pub(super) fn bytes(&self) -> u64 {
        match &self.content {
            Content::Lines(text) => text.stored.bytes(),
            Content::Rows(file) => file.stored().bytes(),
        }
    }

    /// Hands out its chats in order, each with about the bytes that it has.
    ///
    /// # Errors
    /// [`DataError::BadFile`] with the line or row of what is no chat; that of `each`, with its place.
    pub(super) fn chats(
        self,
        mut each: impl FnMut(Chat<'_>) -> Result<(), ChatError>,
    ) -> Result<(), DataError> {
        let Self { path, content } = self;
        let mut hand_out = |unit: &'static str, number, said: Result<_, String>, bytes| {
            let said = said.map_err(ChatError::Reason);
            let chat = said.map(|said| Chat { said, path, unit, number, bytes });
            chat.and_then(&mut each).map_err(|error| match error {
                ChatError::Reason(reason) => {
                    DataError::bad_file(path, format!("{unit} {number}: {reason}"))
                }
                ChatError::Data(error) => error,
            })
        };
        let text = match content {
            Content::Lines(text) => text,
            Content::Rows(file) => {
                let bytes = file.stored().bytes() / file.rows().max(1);
                for (number, object) in (1..).zip(file.objects(COLUMNS)?) {
                    hand_out("row", number, Conversation::of(&object?), bytes)?;
                }
                return Ok(());
            }
        };
        let mut lines = BufReader::new(StoredReader::new(&Arc::new(text.stored), text.start));
        let mut line = String::new();
        for number in 1_u64.. {
            line.clear();
            if lines.read_line(&mut line).map_err(DataError::io("read", path))? == 0 {
                break;
            }
            if line.trim().is_empty() {
                continue;
            }
            let chat = object_of(&line).and_then(|object| Conversation::of(&object));
            hand_out("line", number, chat, line.len() as u64)?;
        }
        Ok(())
    }
}

/// A chat and where it stands.
pub(super) struct Chat<'a> {
    pub(super) said: Conversation,
    pub(super) path: &'a Path,
    /// "line" or "row".
    pub(super) unit: &'static str,
    /// From 1.
    pub(super) number: u64,
    /// About the bytes that it has in its file.
    pub(super) bytes: u64,
}

/// The object of JSON that a line is.
fn object_of(line: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(line) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(Value::Array(_)) => Err(ONE_LIST.to_owned()),
        Ok(_) => Err("it is no object of JSON; write one a line".to_owned()),
        // A list or an object that goes on in the next lines.
        Err(error) if error.is_eof() && line.trim() == "[" => Err(ONE_LIST.to_owned()),
        Err(error) if error.is_eof() => {
            Err("the object of JSON does not end in its line; write one whole object a line"
                .to_owned())
        }
        Err(error) => {
            let (all, column) = (error.to_string(), error.column());
            let place = format!(" at line {} column {column}", error.line());
            let what = all.strip_suffix(&place).unwrap_or(&all);
            Err(format!("it is no object of JSON: {what} at column {column}; write one a line"))
        }
    }
}

/// A file that is one list of JSON.
const ONE_LIST: &str =
    "the file is one list; `jq -c '.[]' old.json > new.jsonl` makes a line of each of its chats";

/// What is wrong with a chat.
pub(super) enum ChatError {
    /// In words, to be said with its line.
    Reason(String),
    /// Something else.
    Data(DataError),
}

impl From<DataError> for ChatError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_no_object_is_said_without_a_line_of_its_own() {
        for (line, words) in [
            ("{\"prompt\": \"a\",\n", "does not end in its line"),
            ("{\"prompt\" \"a\"}\n", "expected `:` at column 11; write one a line"),
            ("[\n", "jq -c"),
            ("[{\"prompt\": \"a\", \"completion\": \"b\"}]\n", "jq -c"),
            ("3\n", "no object of JSON; write one"),
        ] {
            let error = object_of(line).unwrap_err();
            assert!(error.contains(words) && !error.contains("at line"), "{line}: {error}");
        }
    }
}
