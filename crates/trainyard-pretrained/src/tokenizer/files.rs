//! Tokenizers of folders in Hugging Face layout: `tokenizer.json`, the formats before it ([`slow`](super::slow)), and
//! the configs beside them.

use std::path::Path;

use serde_json::{Value, json};

use super::Tokenizer;
use super::added_tokens;
use super::chat::ChatTemplate;
use super::parts::{self, around};
use super::slow::{self, END_OF_TEXT, MERGES, VOCABULARY, WORDS};
use super::special::Configs;
use crate::error::PretrainedError;

const JSON: &str = "tokenizer.json";

/// The tokenizer of a folder; None where it has none.
///
/// # Errors
/// As [`Tokenizer::open`].
pub(super) fn of_folder(folder: &Path) -> Result<Option<Tokenizer>, PretrainedError> {
    let has = |name: &str| folder.join(name).is_file();
    let file = if has(JSON) {
        JSON
    } else if has(VOCABULARY) && has(MERGES) {
        VOCABULARY
    } else if has(WORDS) {
        WORDS
    } else if let Some(model) = ["tokenizer.model", "spiece.model"].into_iter().find(|it| has(it)) {
        return Err(PretrainedError::bad_file(
            &folder.join(model),
            "a tokenizer in SentencePiece's own format cannot be read; let transformers write a \
             tokenizer.json beside it: AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        ));
    } else {
        return Ok(None);
    };
    of_file(&folder.join(file)).map(Some)
}

/// The tokenizer of one of a tokenizer's files, with the configs beside it.
///
/// # Errors
/// As [`Tokenizer::open`].
pub(super) fn of_file(path: &Path) -> Result<Tokenizer, PretrainedError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let configs = Configs::of_folder(folder)?;
    let name = path.file_name().and_then(|name| name.to_str());
    let mut inner = match name {
        Some(VOCABULARY | MERGES) => slow::pairs_of_bytes(folder, &configs)?,
        Some(WORDS) => slow::words(path, &configs)?,
        _ => {
            let json = std::fs::read(path).map_err(PretrainedError::io(path))?;
            let mut inner = parts::of_json(path, &json)?;
            added_tokens::add(&mut inner, path, &configs)?;
            inner
        }
    };
    let mut special = configs.special(&inner);
    if special.eos.is_empty() && special.names.is_empty() {
        // GPT-2's files say nothing of it.
        let end = inner.token_to_id(END_OF_TEXT);
        special.bos = special.bos.or(end);
        special.eos.extend(end);
    }
    let is_of_pairs = matches!(name, Some(VOCABULARY | MERGES));
    if let Some(around) = around_as_configured(&configs, &inner, is_of_pairs) {
        inner.with_post_processor(Some(around));
    }
    Tokenizer::new(inner, path, special, template(folder, &configs)?)
}

/// Llama's and Gemma's tokenizers put around a text what `tokenizer_config.json` says, whatever their
/// `tokenizer.json` has; and so do GPT-2's and Qwen's without one.
fn around_as_configured(
    configs: &Configs,
    inner: &tokenizers::Tokenizer,
    is_of_pairs: bool,
) -> Option<tokenizers::PostProcessorWrapper> {
    let class = configs.tokenizer.get("tokenizer_class").and_then(Value::as_str)?;
    let is_of = |names: [&str; 2]| names.into_iter().any(|name| class.contains(name));
    if !(is_of(["Llama", "Gemma"]) || is_of_pairs && is_of(["GPT2", "Qwen2"])) {
        return None;
    }
    let said = |key: &str| configs.tokenizer.get(key).and_then(Value::as_bool);
    let (bos, eos) = (said("add_bos_token")?, said("add_eos_token").unwrap_or(false));
    let special = configs.special(inner);
    let named = |name: &str, wanted: bool| {
        let text = special.names.get(name).filter(|_| wanted)?;
        Some((text.as_str(), inner.token_to_id(text)?))
    };
    let around = match around(named("bos_token", bos), named("eos_token", eos)) {
        Value::Null => json!({ "type": "Sequence", "processors": [] }),
        around => around,
    };
    serde_json::from_value(around).ok()
}

/// The template of chats of a folder: that in a file of its own, else that of `tokenizer_config.json`.
fn template(folder: &Path, configs: &Configs) -> Result<Option<ChatTemplate>, PretrainedError> {
    let file = folder.join("chat_template.jinja");
    if file.is_file() {
        let text = std::fs::read_to_string(&file).map_err(PretrainedError::io(&file))?;
        return ChatTemplate::new(&text, &file).map(Some);
    }
    let file = folder.join("tokenizer_config.json");
    let text = match configs.tokenizer.get("chat_template") {
        Some(Value::String(text)) => Some(text.as_str()),
        Some(Value::Array(named)) => {
            let is_default =
                |it: &&Value| it.get("name").and_then(Value::as_str) == Some("default");
            let chosen = named.iter().find(is_default).or_else(|| named.first());
            chosen.and_then(|it| it.get("template")).and_then(Value::as_str)
        }
        _ => None,
    };
    text.map(|text| ChatTemplate::new(text, &file)).transpose()
}
