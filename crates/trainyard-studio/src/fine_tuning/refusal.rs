//! To which field a refusal of the program belongs.

use super::check::Wrong;
use super::form::Field;
use crate::run::{End, Exit};

/// Keys of run files and options of the program, and the fields that they come from. The more special come first.
const KEYS: [(&[&str], Field); 17] = [
    (&["lora.rank", "rank"], Field::Rank),
    (&["lora.alpha", "alpha"], Field::Alpha),
    (&["lora.targets", "targets"], Field::Targets),
    (&["train.method", "train.precision", "precision"], Field::Method),
    (&["model.context", "data.context", "context"], Field::Context),
    (&["train.batch", "train.micro_batches", "batch"], Field::Batch),
    (&["train.learning_rate", "learning_rate"], Field::LearningRate),
    (&["train.steps"], Field::Steps),
    (&["data.second"], Field::Second),
    (&["data.label", "data.classes"], Field::Label),
    (&["data.score"], Field::Score),
    (&["data.full_score", "full_score"], Field::FullScore),
    (&["data.column"], Field::Column),
    (&["model.pooling", "model.task"], Field::Pooling),
    (&["data.chat", "data.text", "data.sentences", "[data]", "chat", "text"], Field::Data),
    (&["[[device]]", "device", "adapter"], Field::Devices),
    (&["model.path", "path", "config.json", "tokenizer"], Field::Model),
];

/// Why the program refused a fine-tuning, beside the field that it names. `data` is what it learns from, as its
/// messages name files.
#[must_use]
pub fn of_program(end: &End, data: &str) -> Wrong {
    let words = match end.reason() {
        Some(reason) if end.exit == Exit::Code(2) => reason,
        _ => end.to_string(),
    };
    let names_data = !data.is_empty() && words.contains(data);
    let named = field_of(&words);
    // A column of a file is named with the file.
    let field = if names_data && !named.is_some_and(Field::is_of_table) {
        Some(Field::Data)
    } else {
        named
    };
    Wrong { field, words }
}

/// The field that a message names by its key.
fn field_of(words: &str) -> Option<Field> {
    let is_named = |key: &&str| {
        let mut from = 0;
        while let Some(found) = words.get(from..).and_then(|rest| rest.find(key)) {
            let (start, end) = (from + found, from + found + key.len());
            let is_part = |it: Option<char>| it.is_some_and(|it| it.is_alphanumeric() || it == '_');
            let before = words.get(..start).and_then(|it| it.chars().next_back());
            let after = words.get(end..).and_then(|it| it.chars().next());
            if !is_part(before) && !is_part(after) {
                return true;
            }
            from = end;
        }
        false
    };
    // A key with its section is surer than one alone.
    let with_section = |key: &&&str| key.contains(['.', '[']);
    let named = |wanted: bool| {
        let has =
            |keys: &[&str]| keys.iter().filter(|key| with_section(key) == wanted).any(is_named);
        KEYS.iter().find(|(keys, _)| has(keys)).map(|(_, field)| *field)
    };
    named(true).or_else(|| named(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_stands_beside_what_it_is_about() {
        let end = |said: &str| End {
            exit: Exit::Code(2),
            last_lines: vec![format!("error: {said}")],
            output: Vec::new(),
        };
        for (said, field) in [
            (
                "context is 4096; it must be from 1 to 512, the positions of the model",
                Some(Field::Context),
            ),
            ("rank is 900; it must be from 1 to 64", Some(Field::Rank)),
            ("data.chat: /d/c.jsonl, line 3: no messages", Some(Field::Data)),
            ("/d/c.jsonl has no chats", Some(Field::Data)),
            ("data.label is x: there is no column 'x'", Some(Field::Label)),
            ("lora.targets is qq; it must be all, attention", Some(Field::Targets)),
            ("train.batch is 0", Some(Field::Batch)),
            ("no adapter matches 'vulkan:X'", Some(Field::Devices)),
            ("model.path is /m; it must be that of a decoder", Some(Field::Model)),
            ("the disk is full", None),
        ] {
            let wrong = of_program(&end(said), "/d/c.jsonl");
            assert_eq!(wrong.field, field, "{said}");
            assert!(wrong.words.contains(said), "{}", wrong.words);
        }
    }
}
