//! What readers of a GGUF file will do to texts: a file has tokens and what is merged, but most of how texts are changed
//! and cut before follows from the tokenizer's kind, and one that has it otherwise must not be written as if it had not.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::PretrainedError;
use crate::gguf::Gguf;
use crate::tokenizer::{LISTS, Tokenizer, of_gguf};

/// Compares a tokenizer with what is read from the beginning of a file.
///
/// # Errors
/// [`PretrainedError::BadFile`] with the first part that readers would have otherwise.
pub(super) fn check(
    path: &Path,
    tokenizer: &Tokenizer,
    head: &[u8],
) -> Result<(), PretrainedError> {
    let wrong = |reason: String| PretrainedError::bad_file(path, reason);
    let read = of_gguf(path, &Gguf::of_head(head, &LISTS).map_err(wrong)?)?;
    let read = read.ok_or_else(|| wrong("it has no tokenizer".to_owned()))?;
    let json = |tokenizer: &Tokenizer| {
        let json = serde_json::from_str::<Value>(&tokenizer.to_json()?);
        json.map_err(|error| wrong(error.to_string()))
    };
    match difference(&json(tokenizer)?, &json(&read)?) {
        None => Ok(()),
        Some(what) => Err(wrong(format!(
            "its tokenizer's {what}, which readers of GGUF files do not have; write a folder instead"
        ))),
    }
}

/// What a tokenizer has and readers have not, in words.
fn difference(tokenizer: &Value, read: &Value) -> Option<String> {
    let (ours, theirs) = (Steps::of(tokenizer), Steps::of(read));
    let both = [
        ("normalizer", ours.normalizers, theirs.normalizers),
        ("pre-tokenizer", ours.pre_tokenizers, theirs.pre_tokenizers),
    ];
    let mut added = both.iter().filter_map(|(part, ours, theirs)| added_step(part, ours, theirs));
    let mut others = both.iter().filter_map(|(part, ours, theirs)| other_steps(part, ours, theirs));
    added
        .next()
        .or_else(|| others.next())
        .or_else(|| of_model(&tokenizer["model"], &read["model"]))
        .or_else(|| of_added(tokenizer, read))
}

/// What is done to a text before anything is merged, in one form for all that do the same.
struct Steps {
    normalizers: Vec<Value>,
    pre_tokenizers: Vec<Value>,
}

impl Steps {
    fn of(tokenizer: &Value) -> Self {
        let mut normalizers = flat(&tokenizer["normalizer"], "normalizers");
        for step in &mut normalizers {
            // Where nothing is said, accents go with capitals.
            if step["type"] == "BertNormalizer" && step["strip_accents"].is_null() {
                step["strip_accents"] = step["lowercase"].clone();
            }
        }
        let mut pre_tokenizers = flat(&tokenizer["pre_tokenizer"], "pretokenizers");
        let model = &tokenizer["model"];
        if model["type"] == "BPE" && model["byte_fallback"] != true {
            // Those have a name in the file, by which they were found.
            pre_tokenizers.clear();
        }
        let spaces = json!({ "type": "Replace", "pattern": { "String": " " }, "content": "▁" });
        pre_tokenizers.retain(|step| {
            let is_replacing = step["prepend_scheme"] == "never" && step["replacement"] == "▁";
            if is_replacing && (step["split"] == false || !merges_words(model)) {
                normalizers.push(spaces.clone());
                return false;
            }
            // Nothing is cut where there are no spaces any more.
            let is_at_spaces = step["type"] == "Split" && step["pattern"]["String"] == " ";
            !(is_at_spaces && normalizers.contains(&spaces))
        });
        Self { normalizers, pre_tokenizers }
    }
}

/// The steps of a part that may be a sequence of others.
fn flat(part: &Value, inside: &str) -> Vec<Value> {
    match part[inside].as_array() {
        Some(steps) => steps.iter().flat_map(|step| flat(step, inside)).collect(),
        None if part.is_null() => Vec::new(),
        None => vec![part.clone()],
    }
}

/// Whether something is merged over the beginning of a word.
fn merges_words(model: &Value) -> bool {
    let tokens = model["vocab"].as_object().into_iter().flat_map(|vocab| vocab.keys());
    tokens.into_iter().any(|token| token.chars().skip(1).any(|letter| letter == '▁'))
}

fn kind(step: &Value) -> &str {
    step["type"].as_str().unwrap_or("one without a name")
}

/// The first step that readers have not, or with another option.
fn added_step(part: &str, ours: &[Value], theirs: &[Value]) -> Option<String> {
    let step = ours.iter().find(|step| !theirs.contains(step))?;
    let like = theirs.iter().find(|other| other["type"] == step["type"]);
    let option = like.and_then(|other| option(step, other));
    // How a text begins is what differs of this one.
    let of_spaces = || step.get("prepend_scheme").map(|it| format!("prepend_scheme = {it}"));
    let more = option.or_else(of_spaces).map(|it| format!(" with {it}")).unwrap_or_default();
    Some(format!("{part} is {}{more}", kind(step)))
}

/// The first step that readers alone have, or another order of the same.
fn other_steps(part: &str, ours: &[Value], theirs: &[Value]) -> Option<String> {
    let lost = theirs.iter().find(|step| !ours.contains(step));
    let lost = lost.map(|step| format!("{part} is one without {}", kind(step)));
    lost.or_else(|| (ours != theirs).then(|| format!("{part} has another order")))
}

/// The first option that two steps of a kind have otherwise.
fn option(step: &Value, other: &Value) -> Option<String> {
    let mut all = step.as_object()?.iter();
    let (key, value) = all.find(|(key, value)| other.get(key) != Some(value))?;
    Some(format!("{key} = {value}"))
}

fn of_model(ours: &Value, theirs: &Value) -> Option<String> {
    let of_words = ["unk_token", "max_input_chars_per_word"];
    let keys = of_words.into_iter().filter(|_| ours["type"] == "WordPiece");
    let mut keys = keys.chain(["continuing_subword_prefix", "end_of_word_suffix"]);
    // Nothing is as good as none.
    let said = |model: &Value, key: &str| match &model[key] {
        Value::String(text) if text.is_empty() => Value::Null,
        other => other.clone(),
    };
    let key = keys.find(|key| said(ours, key) != said(theirs, key))?;
    Some(format!("model has {key} = {}", ours[key]))
}

/// What tokens that are found in a text before anything else take with them.
fn of_added(tokenizer: &Value, read: &Value) -> Option<String> {
    let all = |of: &Value| of["added_tokens"].as_array().cloned().unwrap_or_default();
    let theirs = all(read);
    // There spaces are nothing.
    let is_of_words = tokenizer["model"]["type"] == "WordPiece";
    let flags =
        if is_of_words { &["single_word"][..] } else { &["single_word", "lstrip", "rstrip"] };
    all(tokenizer).iter().find_map(|token| {
        let other = theirs.iter().find(|other| other["content"] == token["content"]);
        let of_other = |flag: &str| other.is_some_and(|other| other[flag] == true);
        let flag = flags.iter().find(|flag| (token[**flag] == true) != of_other(flag))?;
        Some(format!("token {} has {flag} = {}", token["content"], token[*flag]))
    })
}
