//! Tokenizers of folders in Hugging Face layout: `tokenizer.json`, GPT-2's `vocab.json` and `merges.txt`,
//! BERT's `vocab.txt`, and the configs beside them.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Tokenizer;
use super::chat::ChatTemplate;
use super::parts::{
    self, Parts, added, around, around_of_bert, byte_level, byte_pairs, word_pieces,
};
use super::special::{Configs, object};
use crate::error::PretrainedError;

const JSON: &str = "tokenizer.json";
const VOCABULARY: &str = "vocab.json";
const MERGES: &str = "merges.txt";
const WORDS: &str = "vocab.txt";

/// What begins and ends texts of GPT-2.
const END_OF_TEXT: &str = "<|endoftext|>";

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
    let mut inner = match path.file_name().and_then(|name| name.to_str()) {
        Some(VOCABULARY | MERGES) => pairs_of_bytes(folder, &configs)?,
        Some(WORDS) => words(path, &configs)?,
        _ => parts::of_json(path, &std::fs::read(path).map_err(PretrainedError::io(path))?)?,
    };
    let mut special = configs.special(&inner);
    if special.eos.is_empty() && special.names.is_empty() {
        // GPT-2's files say nothing of it.
        let end = inner.token_to_id(END_OF_TEXT);
        special.bos = special.bos.or(end);
        special.eos.extend(end);
    }
    if let Some(around) = around_as_configured(&configs, &inner) {
        inner.with_post_processor(Some(around));
    }
    Tokenizer::new(inner, path, special, template(folder, &configs)?)
}

/// GPT-2's files, and `RoBERTa`'s.
fn pairs_of_bytes(
    folder: &Path,
    configs: &Configs,
) -> Result<tokenizers::Tokenizer, PretrainedError> {
    let (path, merges) = (folder.join(VOCABULARY), folder.join(MERGES));
    let vocabulary = object(&path)?;
    let text = std::fs::read_to_string(&merges).map_err(PretrainedError::io(&merges))?;
    let mut pairs = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("#version") || line.is_empty() {
            continue;
        }
        let pair = line.split_once(' ').filter(|(_, right)| !right.contains(' '));
        let pair = pair.ok_or_else(|| {
            let reason = format!("line {number} is no pair of tokens; get the file again");
            PretrainedError::bad_file(&merges, reason)
        })?;
        pairs.push(pair.into());
    }
    let number = |name: &'static str| {
        let id = vocabulary.get(name).and_then(Value::as_u64);
        Some((name, u32::try_from(id?).ok()?))
    };
    let (begin, end) = (number("<s>"), number("</s>"));
    let special = [END_OF_TEXT, "<s>", "<pad>", "</s>", "<unk>"].into_iter().filter_map(number);
    let mut added: Vec<Value> = special.map(|(name, id)| added(id, name, true)).collect();
    if let Some((name, id)) = number("<mask>") {
        // It takes the space before it.
        let mut mask = parts::added(id, name, true);
        mask["lstrip"] = true.into();
        added.push(mask);
    }
    let add_prefix_space = configs.tokenizer.get("add_prefix_space") == Some(&Value::Bool(true));
    let post_processor = match begin.zip(end) {
        Some((begin, end)) => json!({
            "type": "RobertaProcessing",
            "sep": end,
            "cls": begin,
            "trim_offsets": true,
            "add_prefix_space": add_prefix_space,
        }),
        None => byte_level(add_prefix_space, true),
    };
    let parts = Parts {
        added,
        pre_tokenizer: byte_level(add_prefix_space, true),
        post_processor,
        decoder: byte_level(add_prefix_space, true),
        model: byte_pairs(&vocabulary, &pairs, false),
        ..Parts::default()
    };
    parts.build(&path)
}

/// BERT's file: a token a line.
fn words(path: &Path, configs: &Configs) -> Result<tokenizers::Tokenizer, PretrainedError> {
    let text = std::fs::read_to_string(path).map_err(PretrainedError::io(path))?;
    let lines = text.lines().zip(0_u32..).map(|(line, id)| (line.trim_end(), id));
    let vocabulary: Map<String, Value> =
        lines.map(|(line, id)| (line.to_owned(), id.into())).collect();
    let number = |name: &'static str| {
        let id = vocabulary.get(name).and_then(Value::as_u64);
        Some((name, u32::try_from(id?).ok()?))
    };
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].into_iter().filter_map(number);
    let added = special.map(|(name, id)| added(id, name, true)).collect();
    let around = around_of_bert(number("[CLS]"), number("[SEP]"));
    let lowercase = configs.tokenizer.get("do_lower_case") != Some(&Value::Bool(false));
    let parts = Parts { added, post_processor: around, ..word_pieces(&vocabulary, lowercase) };
    parts.build(path)
}

/// Llama's and Gemma's tokenizers put around a text what `tokenizer_config.json` says, whatever their
/// `tokenizer.json` has.
fn around_as_configured(
    configs: &Configs,
    inner: &tokenizers::Tokenizer,
) -> Option<tokenizers::PostProcessorWrapper> {
    let class = configs.tokenizer.get("tokenizer_class").and_then(Value::as_str)?;
    if !(class.contains("Llama") || class.contains("Gemma")) {
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
