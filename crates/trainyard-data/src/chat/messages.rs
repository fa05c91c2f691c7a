//! What a line or row of a file of chats says.

use serde_json::{Map, Value};
use trainyard_config::nearest;
use trainyard_pretrained::Message;

use super::encode::{ASSISTANT, ROLES};

/// What chats may be in, by key or column.
pub(super) const COLUMNS: &[&str] = &[
    "messages",
    "conversations",
    "prompt",
    "completion",
    "instruction",
    "input",
    "output",
    "system",
    "tools",
];

/// What a chat must have.
pub(super) const FORMS: &str =
    "give it messages, or prompt and completion, or instruction and output";

/// What templates write down and is more than a text, of a chat or a message.
const UNKNOWN: &[&str] = &["tools", "tool_calls", "function_call", "functions", "documents"];

/// What of a message is not handed on to the template.
const OWN: &[&str] = &["role", "content", "weight"];

/// A chat.
pub(super) struct Conversation {
    pub(super) messages: Vec<Message>,
    /// The messages that are not to be learned though they are answers, by number from 0.
    pub(super) not_learned: Vec<usize>,
}

/// A message, and whether it is to be learned if it is an answer.
type Turn = (Message, bool);

impl Conversation {
    /// That of an object of JSON.
    ///
    /// # Errors
    /// In words, what it lacks.
    pub(super) fn of(object: &Map<String, Value>) -> Result<Self, String> {
        refuse_unknown("it", object)?;
        let turns = turns(object)?;
        let not_learned = turns.iter().enumerate().filter(|(_, (_, learned))| !learned);
        let not_learned = not_learned.map(|(number, _)| number).collect();
        let messages = turns.into_iter().map(|(message, _)| message).collect();
        Ok(Self { messages, not_learned })
    }

    /// The answers that are to be learned.
    pub(super) fn answers(&self) -> impl Iterator<Item = &Message> {
        let all = self.messages.iter().enumerate();
        let learned = all.filter(|(number, _)| !self.not_learned.contains(number));
        learned.map(|(_, message)| message).filter(|message| message.role == ASSISTANT)
    }
}

/// The messages of an object.
fn turns(object: &Map<String, Value>) -> Result<Vec<Turn>, String> {
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
        all.extend(text("system")?.map(|text| turn("system", text)));
        all.extend(listed("conversations", conversations)?);
    } else if let (Some(prompt), Some(completion)) = (value("prompt"), value("completion")) {
        all.extend(text("system")?.map(|text| turn("system", text)));
        all.extend(said("prompt", "user", prompt)?);
        all.extend(said("completion", ASSISTANT, completion)?);
    } else if let (Some(instruction), Some(output)) = (text("instruction")?, text("output")?) {
        let input = text("input")?.filter(|input| !input.is_empty());
        let question = match input {
            Some(input) => format!("{instruction}\n\n{input}"),
            None => instruction,
        };
        all.extend(text("system")?.map(|text| turn("system", text)));
        all.extend([turn("user", question), turn(ASSISTANT, output)]);
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
fn said(key: &str, role: &str, value: &Value) -> Result<Vec<Turn>, String> {
    match value {
        Value::String(text) => Ok(vec![turn(role, text.as_str())]),
        list @ Value::Array(_) => listed(key, list),
        _ => Err(format!("'{key}' must be a text, or a list of messages")),
    }
}

fn listed(key: &str, value: &Value) -> Result<Vec<Turn>, String> {
    let Value::Array(all) = value else {
        return Err(format!(
            "'{key}' is no list of messages; write [{{\"role\": …, \"content\": …}}]"
        ));
    };
    all.iter().zip(1..).map(|(message, number)| turn_of(key, number, message)).collect()
}

fn turn_of(key: &str, number: usize, message: &Value) -> Result<Turn, String> {
    let place = format!("message {number} of '{key}'");
    if key == "conversations" {
        return share_gpt(&place, message);
    }
    let text_of = |key: &str| message.get(key).and_then(Value::as_str);
    let role =
        text_of("role").ok_or_else(|| format!("{place} has no role that is a text; add one"))?;
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
    let fields = message.as_object();
    fields.map_or(Ok(()), |fields| refuse_unknown(&place, fields))?;
    // A field that other rows have is there all the same.
    let is_given = |key: &str, value: &Value| !OWN.contains(&key) && !value.is_null();
    let more = fields.into_iter().flatten().filter(|(key, value)| is_given(key, value));
    let more = more.map(|(key, value)| (key.clone(), value.clone())).collect();
    let message_of = Message { more, ..Message::new(role, content) };
    Ok((message_of, is_learned(&place, message)?))
}

/// Refuses what would have to be written down, and cannot.
fn refuse_unknown(place: &str, fields: &Map<String, Value>) -> Result<(), String> {
    let is_there = |key: &str| match fields.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::String(text)) => !["", "[]"].contains(&text.trim()),
        Some(_) => true,
    };
    match UNKNOWN.iter().find(|key| is_there(key)) {
        Some(key) => Err(format!("{place} has {key}, which is not supported; leave the chat out")),
        None => Ok(()),
    }
}

/// Whether a message's weight says that it is to be learned, as without one.
fn is_learned(place: &str, message: &Value) -> Result<bool, String> {
    let is = |weight: &Value, wanted: f64| {
        weight.as_f64().is_some_and(|weight| weight.total_cmp(&wanted).is_eq())
    };
    match message.get("weight") {
        None | Some(Value::Null) => Ok(true),
        Some(weight) if is(weight, 1.0) => Ok(true),
        Some(weight) if is(weight, 0.0) => Ok(false),
        Some(_) => Err(format!("{place} has a weight that is neither 0 nor 1")),
    }
}

/// A message that is learned if it is an answer.
fn turn(role: &str, content: impl Into<String>) -> Turn {
    (Message::new(role, content), true)
}

/// A message with `from` and `value`, as those of `conversations` are.
fn share_gpt(place: &str, message: &Value) -> Result<Turn, String> {
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
    Ok((Message::new(role, value), is_learned(place, message)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(line: &str) -> Result<Vec<(String, String)>, String> {
        let object = serde_json::from_str(line).unwrap();
        let pair = |message: Message| (message.role, message.content);
        Conversation::of(&object).map(|it| it.messages.into_iter().map(pair).collect())
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
            (r#"{"messages": [{"role": "user", "content": null}]}"#, "has no content"),
            (r#"{"messages": [{"role": "user", "content": "", "weight": 2}]}"#, "neither 0 nor 1"),
            (
                r#"{"messages": [{"role": "a", "content": "", "tool_calls": [1]}]}"#,
                "message 1 of 'messages' has tool_calls, which is not supported",
            ),
            (r#"{"prompt": "a", "completion": "b", "tools": [1]}"#, "it has tools, which is not"),
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
    fn templates_are_given_what_else_a_message_has() {
        let line = r#"{"messages": [{"role": "user", "content": "a", "name": "Ann", "id": null},
            {"role": "assistant", "content": "b", "tool_calls": [], "weight": 0},
            {"role": "assistant", "content": "c", "reasoning_content": "x", "weight": 1}], "tools": "[]"}"#;
        let said = Conversation::of(&serde_json::from_str(line).unwrap()).unwrap();
        let more: Vec<Value> = said.messages.iter().map(|it| it.more.clone().into()).collect();
        let expected =
            [json!({"name": "Ann"}), json!({"tool_calls": []}), json!({"reasoning_content": "x"})];
        assert_eq!(more, expected);
        assert_eq!(said.not_learned, [1]);
        assert_eq!(said.answers().map(|it| it.content.as_str()).collect::<Vec<_>>(), ["c"]);
    }
}
