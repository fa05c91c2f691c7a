//! Special tokens: what the configs beside a tokenizer say of them.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::PretrainedError;

/// The names that templates of chats know.
const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The special tokens of a model.
#[derive(Clone, Debug, Default)]
pub(super) struct SpecialTokens {
    /// Their texts by their names, such as `bos_token`.
    pub(super) names: BTreeMap<String, String>,
    pub(super) bos: Option<u32>,
    pub(super) eos: Vec<u32>,
}

/// The configs beside a tokenizer; empty ones for those that are not there.
#[derive(Debug, Default)]
pub(super) struct Configs {
    pub(super) tokenizer: Map<String, Value>,
    map: Map<String, Value>,
    generation: Map<String, Value>,
    pub(super) model: Map<String, Value>,
}

impl Configs {
    /// Reads those of a folder.
    ///
    /// # Errors
    /// [`PretrainedError`] for one that cannot be read.
    pub(super) fn of_folder(folder: &Path) -> Result<Self, PretrainedError> {
        let mut model = object(&folder.join("config.json"))?;
        // Models that also see have that of their text inside.
        if let Some(Value::Object(text)) = model.remove("text_config") {
            model.extend(text);
        }
        Ok(Self {
            tokenizer: object(&folder.join("tokenizer_config.json"))?,
            map: object(&folder.join("special_tokens_map.json"))?,
            generation: object(&folder.join("generation_config.json"))?,
            model,
        })
    }

    /// The text of a special token by its name, such as `bos_token`.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        [&self.tokenizer, &self.map].into_iter().find_map(|config| text(config.get(name)?))
    }

    /// The texts of all special tokens, of those without names too.
    pub(super) fn texts(&self) -> Vec<&str> {
        let named = NAMES.into_iter().filter_map(|name| self.text(name));
        let lists = ["additional_special_tokens", "extra_special_tokens"];
        let lists = lists.iter().flat_map(|name| [self.tokenizer.get(*name), self.map.get(*name)]);
        let others = lists.filter_map(|list| list?.as_array()).flatten().filter_map(text);
        named.chain(others).collect()
    }

    /// What they say of the special tokens of a tokenizer.
    pub(super) fn special(&self, inner: &tokenizers::Tokenizer) -> SpecialTokens {
        let mut names: BTreeMap<String, String> = BTreeMap::new();
        for name in NAMES {
            names.extend(self.text(name).map(|text| (name.to_owned(), text.to_owned())));
        }
        let of_name = |name: &str| names.get(name).and_then(|text| inner.token_to_id(text));
        let of_configs = |key: &str| {
            let configs = [&self.generation, &self.model].into_iter();
            configs.map(|config| numbers(config.get(key))).find(|ids| !ids.is_empty())
        };
        let bos = of_name("bos_token");
        let bos = bos.or_else(|| of_configs("bos_token_id")?.first().copied());
        let eos = of_configs("eos_token_id");
        let eos = eos.unwrap_or_else(|| of_name("eos_token").into_iter().collect());
        for (name, id) in [("bos_token", bos), ("eos_token", eos.first().copied())] {
            let of_id = || id.and_then(|id| inner.id_to_token(id));
            if let Some(text) = (!names.contains_key(name)).then(of_id).flatten() {
                names.insert(name.to_owned(), text);
            }
        }
        SpecialTokens { names, bos, eos }
    }
}

/// The text of a token, which may be one with settings.
fn text(token: &Value) -> Option<&str> {
    match token {
        Value::Object(token) => token.get("content")?.as_str(),
        other => other.as_str(),
    }
}

/// A number or a list of numbers.
fn numbers(value: Option<&Value>) -> Vec<u32> {
    let number = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match value {
        Some(Value::Array(all)) => all.iter().filter_map(number).collect(),
        Some(value) => number(value).into_iter().collect(),
        None => Vec::new(),
    }
}

/// The object that a file of JSON has; an empty one where there is no file.
///
/// # Errors
/// [`PretrainedError`] for a file that cannot be read, or is no object.
pub(super) fn object(path: &Path) -> Result<Map<String, Value>, PretrainedError> {
    if !path.is_file() {
        return Ok(Map::new());
    }
    let text = std::fs::read_to_string(path).map_err(PretrainedError::io(path))?;
    match serde_json::from_str(text.trim_start_matches('\u{feff}')) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) => {
            Err(PretrainedError::bad_file(path, "it is no object of JSON; get the file again"))
        }
        Err(error) => Err(PretrainedError::bad_file(
            path,
            format!("it is no JSON: {error}; get the file again"),
        )),
    }
}
