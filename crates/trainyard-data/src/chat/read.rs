//! Chats from the lines of a text file, or the rows of a Parquet file.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use trainyard_config::nearest;
use trainyard_pretrained::Message;

use super::encode::{ASSISTANT, ROLES};
use crate::error::DataError;
use crate::files::{self, Opener, StoredReader, extension};
use crate::parquet_file::ParquetFile;
use crate::plain_text::{PlainText, Remarks, TextForm};

/// What chats may be in, by key or column.
const COLUMNS: &[&str] = &[
    "messages",
    "conversations",
    "prompt",
    "completion",
    "instruction",
    "input",
    "output",
    "system",
];

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
        let mut hand_out = |unit: &'static str, number, messages: Result<_, String>, bytes| {
            let messages = messages.map_err(ChatError::Reason);
            let chat = messages.map(|messages| Chat { messages, path, unit, number, bytes });
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
                    hand_out("row", number, messages(&object?), bytes)?;
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
            let chat = object_of(&line).and_then(|object| messages(&object));
            hand_out("line", number, chat, line.len() as u64)?;
        }
        Ok(())
    }
}

/// What a chat must have.
const FORMS: &str = "give it messages, or prompt and completion, or instruction and output";

/// A chat and where it stands.
pub(super) struct Chat<'a> {
    pub(super) messages: Vec<Message>,
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

/// The messages of a line or row.
fn messages(object: &Map<String, Value>) -> Result<Vec<Message>, String> {
    let text = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("'{key}' must be a text")),
    };
    // A column that other rows have is there all the same.
    let value = |key: &str| object.get(key).filter(|value| !value.is_null());
    let mut all = Vec::new();
    if let Some(messages) = value("messages") {
        all.extend(listed("messages", messages)?);
    } else if let Some(conversations) = value("conversations") {
        all.extend(text("system")?.map(|text| Message::new("system", text)));
        all.extend(listed("conversations", conversations)?);
    } else if let (Some(prompt), Some(completion)) = (value("prompt"), value("completion")) {
        all.extend(text("system")?.map(|text| Message::new("system", text)));
        all.extend(said("prompt", "user", prompt)?);
        all.extend(said("completion", "assistant", completion)?);
    } else if let (Some(instruction), Some(output)) = (text("instruction")?, text("output")?) {
        let input = text("input")?.filter(|input| !input.is_empty());
        let question = match input {
            Some(input) => format!("{instruction}\n\n{input}"),
            None => instruction,
        };
        all.extend(text("system")?.map(|text| Message::new("system", text)));
        all.extend([Message::new("user", question), Message::new("assistant", output)]);
    } else {
        return Err(without_chat(object));
    }
    if all.is_empty() {
        return Err("the chat is empty; leave the line out".to_owned());
    }
    Ok(all)
}

/// What an object that is no chat lacks.
fn without_chat(object: &Map<String, Value>) -> String {
    let keys = object.iter().filter(|(_, value)| !value.is_null()).map(|(key, _)| key.as_str());
    let keys: Vec<&str> = keys.collect();
    for [one, other] in [["prompt", "completion"], ["instruction", "output"]] {
        match [one, other].map(|key| keys.contains(&key)) {
            [true, false] => return format!("it has {} but no {other}; add it", keys.join(", ")),
            [false, true] => return format!("it has {} but no {one}; add it", keys.join(", ")),
            _ => {}
        }
    }
    let meant = keys.iter().find_map(|key| Some((key, nearest(key, COLUMNS.iter().copied())?)));
    match meant {
        Some((key, meant)) => format!("there is no key '{key}'; did you mean '{meant}'?"),
        None if keys.is_empty() => format!("it has nothing; {FORMS}"),
        None => format!("it has {}; {FORMS}", keys.join(", ")),
    }
}

/// What one says: a text, or messages.
fn said(key: &str, role: &str, value: &Value) -> Result<Vec<Message>, String> {
    match value {
        Value::String(text) => Ok(vec![Message::new(role, text.as_str())]),
        list @ Value::Array(_) => listed(key, list),
        _ => Err(format!("'{key}' must be a text, or a list of messages")),
    }
}

fn listed(key: &str, value: &Value) -> Result<Vec<Message>, String> {
    let Value::Array(all) = value else {
        return Err(format!(
            "'{key}' is no list of messages; write [{{\"role\": …, \"content\": …}}]"
        ));
    };
    all.iter().zip(1..).map(|(message, number)| message_of(key, number, message)).collect()
}

fn message_of(key: &str, number: usize, message: &Value) -> Result<Message, String> {
    let place = format!("message {number} of '{key}'");
    if key == "conversations" {
        return share_gpt(&place, message);
    }
    let text_of = |key: &str| message.get(key).and_then(Value::as_str);
    let role =
        text_of("role").ok_or_else(|| format!("{place} has no role that is a text; add one"))?;
    if message.get("tool_calls").is_some_and(|calls| !calls.is_null()) {
        return Err(format!("{place} calls tools, which is not supported; leave the chat out"));
    }
    let content = match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let text = |part: &Value| {
                let is_text = part.get("type").and_then(Value::as_str) == Some("text");
                part.get("text").and_then(Value::as_str).filter(|_| is_text).map(str::to_owned)
            };
            let texts: Option<Vec<String>> = parts.iter().map(text).collect();
            texts.ok_or_else(|| format!("{place} has more than text; leave the chat out"))?.concat()
        }
        _ => return Err(format!("{place} has no content that is a text; add one")),
    };
    Ok(Message::new(role, content))
}

/// A message with `from` and `value`, as those of `conversations` are.
fn share_gpt(place: &str, message: &Value) -> Result<Message, String> {
    let text_of = |key: &str| message.get(key).and_then(Value::as_str);
    let (Some(from), Some(value)) = (text_of("from"), text_of("value")) else {
        return Err(format!("{place} has no from and value that are texts; add them"));
    };
    let role = match from {
        "human" => "user",
        "gpt" => ASSISTANT,
        known if ROLES.contains(&known) => known,
        other => {
            return Err(format!(
                "{place} is from '{other}', who is not known; write human, gpt or system"
            ));
        }
    };
    Ok(Message::new(role, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Vec<(String, String)>, String> {
        let object = serde_json::from_str(line).unwrap();
        let pair = |message: Message| (message.role, message.content);
        messages(&object).map(|all| all.into_iter().map(pair).collect())
    }

    fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
        all.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn every_form_becomes_messages() {
        let two = pairs(&[("user", "a"), ("assistant", "b")]);
        for line in [
            r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#,
            r#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]},
                {"role": "assistant", "content": "b", "tool_calls": null}], "id": 3}"#,
            r#"{"prompt": "a", "completion": "b"}"#,
            r#"{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}"#,
            r#"{"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]}"#,
            r#"{"instruction": "a", "input": "", "output": "b"}"#,
            r#"{"instruction": "a", "output": "b", "system": null}"#,
        ] {
            assert_eq!(of(line).unwrap(), two, "{line}");
        }
        let asked = of(r#"{"instruction": "a", "input": "c", "output": "b", "system": "s"}"#);
        assert_eq!(
            asked.unwrap(),
            pairs(&[("system", "s"), ("user", "a\n\nc"), ("assistant", "b")])
        );
    }

    #[test]
    fn what_is_no_chat_is_said() {
        for (line, words) in [
            (r#"{"text": "a", "x": 1}"#, "it has text, x; give it messages"),
            ("{}", "it has nothing"),
            (r#"{"messages": []}"#, "empty"),
            (r#"{"messages": "a"}"#, "'messages' is no list"),
            (r#"{"messages": [{"content": "a"}]}"#, "message 1 of 'messages' has no role"),
            (r#"{"messages": [{"role": "user", "content": 3}]}"#, "has no content"),
            (
                r#"{"messages": [{"role": "user", "content": [{"type": "image"}]}]}"#,
                "more than text",
            ),
            (r#"{"messages": [{"role": "a", "content": "", "tool_calls": []}]}"#, "calls tools"),
            (r#"{"instruction": 1, "output": "b"}"#, "'instruction' must be a text"),
            (r#"{"prompt": 1, "completion": "b"}"#, "'prompt' must be a text"),
            (r#"{"prompt": "x"}"#, "it has prompt but no completion"),
            (r#"{"output": "x"}"#, "it has output but no instruction"),
            (r#"{"mesages": []}"#, "no key 'mesages'; did you mean 'messages'?"),
            (r#"{"conversations": [{"from": "bing", "value": "a"}]}"#, "from 'bing'"),
            (r#"{"conversations": [{"role": "user", "content": "a"}]}"#, "no from and value"),
        ] {
            let error = of(line).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
    }

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
