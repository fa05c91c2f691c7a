//! JSON of other programs, known by its keys.

use super::{OtherFile, PRETRAINED};
use crate::json_walk::{Walk, plain_text};

const MODEL: &str = "Trainyard trains models from run files, in TOML with a [model].";

/// Keys of objects, what has all of them, and what to do with that.
const KEYS: [(&[&str], &str, &str); 12] = [
    (&["architectures"], "a Hugging Face model's config.json", PRETRAINED),
    (&["model_type"], "a Hugging Face model's config.json", PRETRAINED),
    (&["added_tokens", "model"], "a Hugging Face tokenizer", MODEL),
    (&["tokenizer_class"], "a Hugging Face tokenizer's settings", MODEL),
    (&["bos_token_id", "transformers_version"], "Hugging Face settings for generating", MODEL),
    (&["weight_map"], "an index of safetensors", MODEL),
    (&["log_history"], "a state of Hugging Face's trainer", MODEL),
    (&["train_batch_size"], "a configuration of DeepSpeed's", MODEL),
    (&["cells", "nbformat"], "a Jupyter notebook", ""),
    (&["nodes", "startTime"], "a CPU profile of Chrome's", ""),
    (&["threads", "libs"], "a profile of Firefox's", ""),
    (&["properties", "definitions"], "a JSON schema", ""),
];

/// How many keys are told.
const TOLD: usize = 4;

/// What an object with these keys is.
pub(super) fn name(text: &str, keys: &[&str]) -> OtherFile {
    let value = |wanted: &str| {
        let mut walk = Walk::new(text);
        walk.enter(b'{');
        while let Some(key) = walk.key() {
            let value = walk.value()?;
            if key == wanted {
                return Some(plain_text(value));
            }
        }
        None
    };
    if let Some(format) = value("format").filter(|format| format.starts_with("trainyard-")) {
        let name = format!("a file of Trainyard's that is not opened by itself ({format})");
        return OtherFile::new(name, "");
    }
    if value("$schema").is_some_and(|schema| schema.contains("speedscope")) {
        return OtherFile::new("a profile of speedscope's", "");
    }
    let has_all = |wanted: &[&str]| wanted.iter().all(|key| keys.contains(key));
    if let Some((_, name, remedy)) = KEYS.iter().find(|(wanted, ..)| has_all(wanted)) {
        return OtherFile::new(*name, remedy);
    }
    if keys.is_empty() {
        return OtherFile::of_form("JSON without anything in it", "");
    }
    let mut told: Vec<String> = keys.iter().take(TOLD).map(|key| format!("{key:?}")).collect();
    if keys.len() > TOLD {
        told.push("…".to_owned());
    }
    OtherFile::of_form(format!("JSON with the keys {}", told.join(", ")), "")
}
