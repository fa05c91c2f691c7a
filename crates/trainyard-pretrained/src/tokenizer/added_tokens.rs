//! Tokens that the configs beside a tokenizer add to it.

use std::path::Path;

use serde_json::Value;
use tokenizers::AddedToken;

use super::parts::added;
use super::slow::REMEDY;
use super::special::{Configs, object};
use crate::error::PretrainedError;

const DECODER: &str = "added_tokens_decoder";

/// Adds what a `tokenizer.json` has not of the tokens that the configs beside it say, as `transformers` does: those with
/// numbers first, and then those that are named as special. `path` is the tokenizer's.
///
/// # Errors
/// [`PretrainedError`] for a token with a number that is not the next one.
pub(super) fn add(
    inner: &mut tokenizers::Tokenizer,
    path: &Path,
    configs: &Configs,
) -> Result<(), PretrainedError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let special = configs.texts();
    let of_json = inner.get_added_tokens_decoder();
    let is_of_json = |text: &str| of_json.values().any(|token| token.content == text);
    let text = |token: &Value| token["content"].as_str().unwrap_or_default().to_owned();
    let mut all = of_configs(folder, configs)?;
    // What the older file says of a token counts where the newer one does not know it.
    if !configs.tokenizer.contains_key(DECODER) {
        all.retain(|token| !is_of_json(&text(token)));
    }
    let is_named = |token: &Value| special.contains(&text(token).as_str());
    let new = all.iter().map(|token| {
        let flag = |key: &str| token[key].as_bool().unwrap_or(false);
        AddedToken::from(text(token), flag("special") || is_named(token))
            .single_word(flag("single_word"))
            .lstrip(flag("lstrip"))
            .rstrip(flag("rstrip"))
            .normalized(flag("normalized"))
    });
    let is_said = |name: &str| all.iter().any(|token| text(token) == name);
    let named = special.iter().filter(|name| !is_of_json(name) && !is_said(name));
    let named = named.map(|name| AddedToken::from(*name, true));
    let numbered: Vec<(String, Option<u64>)> = all
        .iter()
        .map(|token| (text(token), token["id"].as_u64()))
        .filter(|(text, _)| inner.token_to_id(text).is_none())
        .collect();
    let bad = |reason: String| PretrainedError::bad_file(path, reason);
    let new: Vec<AddedToken> = new.chain(named).collect();
    inner.add_tokens(new).map_err(|error| bad(error.to_string()))?;
    match numbered.into_iter().find(|(text, id)| inner.token_to_id(text).map(u64::from) != *id) {
        None => Ok(()),
        Some((text, id)) => Err(bad(not_the_next(&text, id.unwrap_or_default()))),
    }
}

/// Why a token cannot be added.
pub(super) fn not_the_next(text: &str, id: impl std::fmt::Display) -> String {
    format!(
        "the token '{text}' that is added to it has number {id}, which is not the next; {REMEDY}"
    )
}

fn by_number(mut tokens: Vec<Value>) -> Vec<Value> {
    tokens.sort_by_key(|token| token["id"].as_u64());
    tokens
}

/// Tokens that a folder adds: those of `tokenizer_config.json`, or of the older `added_tokens.json` where that has
/// none. By their numbers.
///
/// # Errors
/// [`PretrainedError`] for what is no token, and a file that cannot be read.
pub(super) fn of_configs(folder: &Path, configs: &Configs) -> Result<Vec<Value>, PretrainedError> {
    if let Some(Value::Object(said)) = configs.tokenizer.get(DECODER) {
        let token = |(id, said): (&String, &Value)| {
            let file = folder.join("tokenizer_config.json");
            let wrong = || {
                let reason = format!("added_tokens_decoder has {id}: {said}, which is no token");
                PretrainedError::bad_file(&file, reason)
            };
            let content = said["content"].as_str().filter(|text| !text.is_empty());
            let id: u32 = id.parse().ok().ok_or_else(wrong)?;
            let flag = |key: &str| said[key].as_bool();
            let is_special = flag("special").unwrap_or(false);
            let mut token = added(id, content.ok_or_else(wrong)?, is_special);
            token["normalized"] = (!is_special).into();
            for key in ["single_word", "lstrip", "rstrip", "normalized"] {
                if let Some(value) = flag(key) {
                    token[key] = value.into();
                }
            }
            Ok(token)
        };
        return said.iter().map(token).collect::<Result<_, _>>().map(by_number);
    }
    let file = folder.join("added_tokens.json");
    let special = configs.texts();
    let token = |(text, id): (&String, &Value)| {
        let wrong = || {
            let reason = format!("'{text}' has number {id}, which is that of no token");
            PretrainedError::bad_file(&file, reason)
        };
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok()).ok_or_else(wrong)?;
        let is_special = special.contains(&text.as_str());
        let mut token = added(id, text, is_special);
        token["normalized"] = (!is_special).into();
        Ok(token)
    };
    object(&file)?.iter().map(token).collect::<Result<_, _>>().map(by_number)
}
