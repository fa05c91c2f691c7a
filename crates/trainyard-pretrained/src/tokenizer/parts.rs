//! The parts of a `tokenizer.json`, for tokenizers that are stored otherwise.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::PretrainedError;

/// What differs from one tokenizer to the next.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) added: Vec<Value>,
    pub(super) normalizer: Value,
    pub(super) pre_tokenizer: Value,
    pub(super) post_processor: Value,
    pub(super) decoder: Value,
    pub(super) model: Value,
}

impl Parts {
    /// The tokenizer of these parts. `path` is what they come from.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] for parts that do not go together.
    pub(super) fn build(self, path: &Path) -> Result<tokenizers::Tokenizer, PretrainedError> {
        let Self { added, normalizer, pre_tokenizer, post_processor, decoder, model } = self;
        let json = json!({
            "version": "1.0",
            "added_tokens": added,
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": post_processor,
            "decoder": decoder,
            "model": model,
        });
        of_json(path, json.to_string().as_bytes())
    }
}

/// The tokenizer of a `tokenizer.json`.
///
/// # Errors
/// [`PretrainedError::BadFile`] for what is none.
pub(super) fn of_json(path: &Path, json: &[u8]) -> Result<tokenizers::Tokenizer, PretrainedError> {
    // The library's own checks of damaged vocabularies end in panics here and there.
    let made = std::panic::catch_unwind(|| tokenizers::Tokenizer::from_bytes(json));
    let reason = match made {
        Ok(Ok(tokenizer)) => {
            let around = serde_json::to_value(tokenizer.get_post_processor()).unwrap_or_default();
            match unlisted(&around) {
                None => return Ok(tokenizer),
                Some(token) => format!("it puts {token} around a text and does not list it"),
            }
        }
        Ok(Err(error)) => error.to_string(),
        Err(_) => "its merges do not go with its vocabulary".to_owned(),
    };
    Err(PretrainedError::bad_file(
        path,
        format!("its tokenizer cannot be read: {reason}; get the file again"),
    ))
}

/// A token that a template puts around texts and that is not among its own, which the library looks up unasked.
fn unlisted(around: &Value) -> Option<&str> {
    if let Some(steps) = around["processors"].as_array() {
        return steps.iter().find_map(unlisted);
    }
    let listed = around["special_tokens"].as_object();
    let pieces = ["single", "pair"].into_iter().filter_map(|of| around[of].as_array()).flatten();
    pieces
        .filter_map(|piece| piece["SpecialToken"]["id"].as_str())
        .find(|id| !listed.is_some_and(|listed| listed.contains_key(*id)))
}

/// A token that is found in a text before anything else is.
pub(super) fn added(id: u32, content: &str, special: bool) -> Value {
    json!({
        "id": id,
        "content": content,
        "single_word": false,
        "lstrip": false,
        "rstrip": false,
        "normalized": false,
        "special": special,
    })
}

/// Pairs of bytes: GPT-2's way. `merges` are the pairs, the first merged first; `whole_words` takes a
/// word that is a token as it is.
pub(super) fn byte_pairs(
    vocabulary: &Map<String, Value>,
    merges: &[[&str; 2]],
    whole_words: bool,
) -> Value {
    json!({
        "type": "BPE",
        "vocab": vocabulary,
        "merges": merges,
        "ignore_merges": whole_words,
    })
}

/// Bytes as letters that can be seen, and back.
pub(super) fn byte_level(add_prefix_space: bool, use_regex: bool) -> Value {
    json!({
        "type": "ByteLevel",
        "add_prefix_space": add_prefix_space,
        "trim_offsets": false,
        "use_regex": use_regex,
    })
}

/// Words and their ends out of a vocabulary: BERT's way.
pub(super) fn word_pieces(vocabulary: &Map<String, Value>, lowercase: bool) -> Parts {
    Parts {
        normalizer: json!({
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": true,
            "strip_accents": null,
            "lowercase": lowercase,
        }),
        pre_tokenizer: json!({ "type": "BertPreTokenizer" }),
        decoder: json!({ "type": "WordPiece", "prefix": "##", "cleanup": true }),
        model: json!({
            "type": "WordPiece",
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        }),
        ..Parts::default()
    }
}

/// Tokens around a text: those before it and those after it, each with its name and number; `Null` where
/// there are none.
pub(super) fn around(before: Option<(&str, u32)>, after: Option<(&str, u32)>) -> Value {
    if before.is_none() && after.is_none() {
        return Value::Null;
    }
    let token = |(name, _): (&str, u32)| json!({ "SpecialToken": { "id": name, "type_id": 0 } });
    let text = |id: &str| json!({ "Sequence": { "id": id, "type_id": 0 } });
    let one = |id: &str| {
        let (before, after) = (before.map(token), after.map(token));
        before.into_iter().chain([text(id)]).chain(after).collect::<Vec<_>>()
    };
    let named = before
        .into_iter()
        .chain(after)
        .map(|(name, id)| (name.to_owned(), json!({ "id": name, "ids": [id], "tokens": [name] })));
    let both = [one("A"), one("B")].concat();
    json!({
        "type": "TemplateProcessing",
        "single": one("A"),
        "pair": both,
        "special_tokens": named.collect::<Map<_, _>>(),
    })
}

/// What BERT's tokenizers put around a text: of two texts one mark is between them, and the second is of another type.
pub(super) fn around_of_bert(cls: Option<(&str, u32)>, sep: Option<(&str, u32)>) -> Value {
    match (cls, sep) {
        (Some(cls), Some(sep)) => json!({ "type": "BertProcessing", "sep": sep, "cls": cls }),
        _ => around(cls, sep),
    }
}
