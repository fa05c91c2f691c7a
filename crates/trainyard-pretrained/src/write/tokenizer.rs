//! A tokenizer as GGUF files have it, from its `tokenizer.json`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::gguf::Datum;
use crate::tokenizer::{Tokenizer, name_of_words};

/// llama.cpp's types of tokens.
const NORMAL: i32 = 1;
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
const UNUSED: i32 = 5;
const BYTE: i32 = 6;

/// The keys of a tokenizer, for a model of so many tokens.
///
/// # Errors
/// In words, for a tokenizer that llama.cpp has none like.
pub(super) fn of_tokenizer(
    tokenizer: &Tokenizer,
    vocabulary: u64,
) -> Result<Vec<(String, Datum)>, String> {
    let json = tokenizer.to_json().map_err(|error| error.to_string())?;
    let json: Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let model = &json["model"];
    let mut tokens = Tokens::read(&json, vocabulary)?;
    let mut all: Vec<(&str, Datum)> = Vec::new();
    let falls_back = model["byte_fallback"].as_bool().unwrap_or(false);
    match model["type"].as_str() {
        None | Some("BPE") if falls_back => {
            all.push(("ggml.model", Datum::Text("llama".to_owned())));
            all.push(("ggml.scores", Datum::F32s(tokens.scores(&merges(model)))));
            all.push(("ggml.add_space_prefix", Datum::Flag(prefixes_a_space(&json))));
        }
        None | Some("BPE") => {
            let pre = name_of_words(&json["pre_tokenizer"], &json["normalizer"]).ok_or(
                "its tokenizer cuts texts into words in a way that llama.cpp has no name for",
            )?;
            let joined = merges(model).into_iter().map(|[one, other]| format!("{one} {other}"));
            all.push(("ggml.model", Datum::Text("gpt2".to_owned())));
            all.push(("ggml.pre", Datum::Text(pre.to_owned())));
            all.push(("ggml.merges", Datum::Texts(joined.collect())));
        }
        Some("WordPiece") => {
            if json["normalizer"]["lowercase"] == false {
                let reason = "its tokenizer keeps capitals, and llama.cpp's does not; write a folder instead";
                return Err(reason.to_owned());
            }
            tokens.write_as_word_pieces();
            all.push(("ggml.model", Datum::Text("bert".to_owned())));
            all.push(("ggml.add_sep_token", Datum::Flag(true)));
        }
        Some(other) => {
            return Err(format!("its tokenizer is a {other}, which llama.cpp has none like"));
        }
    }
    let is_of_words = model["type"] == "WordPiece";
    let named = |wanted: &str| {
        let (_, text) = tokenizer.special().find(|(name, _)| *name == wanted)?;
        tokenizer.token(text)
    };
    // BERT's have their names where no config says others.
    let of_bert = |wanted: &str, usual: &str| {
        named(wanted).or_else(|| tokenizer.token(usual)).filter(|_| is_of_words)
    };
    let cls = of_bert("cls_token", "[CLS]");
    let mut eos = tokenizer.eos().iter().copied();
    let numbers = [
        ("ggml.bos_token_id", tokenizer.bos().or(cls)),
        ("ggml.cls_token_id", cls),
        // As the format spells it.
        ("ggml.seperator_token_id", of_bert("sep_token", "[SEP]")),
        ("ggml.mask_token_id", of_bert("mask_token", "[MASK]")),
        ("ggml.eos_token_id", eos.next()),
        // Of a turn, and of a message: what else ends a text.
        ("ggml.eot_token_id", eos.next()),
        ("ggml.eom_token_id", eos.next()),
        ("ggml.unknown_token_id", named("unk_token").or_else(|| of_bert("unk_token", "[UNK]"))),
        ("ggml.padding_token_id", named("pad_token").or_else(|| of_bert("pad_token", "[PAD]"))),
    ];
    all.extend(numbers.into_iter().filter_map(|(key, id)| Some((key, Datum::U32(id?)))));
    all.push(("ggml.add_bos_token", Datum::Flag(tokenizer.adds_bos() || cls.is_some())));
    let template = tokenizer.chat_template().map(|text| Datum::Text(text.to_owned()));
    all.extend(template.map(|template| ("chat_template", template)));
    all.push(("ggml.tokens", Datum::Texts(tokens.texts)));
    all.push(("ggml.token_type", Datum::I32s(tokens.types)));
    Ok(all.into_iter().map(|(key, datum)| (format!("tokenizer.{key}"), datum)).collect())
}

/// Tokens in the order of their numbers.
struct Tokens {
    texts: Vec<String>,
    types: Vec<i32>,
}

impl Tokens {
    fn read(json: &Value, vocabulary: u64) -> Result<Self, String> {
        let model = &json["model"];
        let vocab = model["vocab"].as_object().ok_or("its tokenizer has no list of tokens")?;
        let mut known: BTreeMap<u64, (&str, i32)> = BTreeMap::new();
        let is_byte =
            |text: &str| text.len() == 6 && text.starts_with("<0x") && text.ends_with('>');
        for (text, id) in vocab {
            let kind = match text.as_str() {
                byte if is_byte(byte) => BYTE,
                unknown if Some(unknown) == model["unk_token"].as_str() => UNKNOWN,
                _ => NORMAL,
            };
            known.extend(id.as_u64().map(|id| (id, (text.as_str(), kind))));
        }
        for added in json["added_tokens"].as_array().into_iter().flatten() {
            let is_special = added["special"].as_bool().unwrap_or(false);
            let kind = if is_special { CONTROL } else { USER_DEFINED };
            if let (Some(id), Some(text)) = (added["id"].as_u64(), added["content"].as_str()) {
                // One that the model has no vector for is none of its tokens, such as Gemma 3's for images.
                if id >= vocabulary {
                    continue;
                }
                let is_unknown = known.get(&id).is_some_and(|(_, kind)| *kind == UNKNOWN);
                known.insert(id, (text, if is_unknown { UNKNOWN } else { kind }));
            }
        }
        let beyond = known.keys().next_back().map_or(0, |last| last.saturating_add(1));
        if beyond > vocabulary {
            return Err(format!("its tokenizer has {beyond} tokens, and the model {vocabulary}"));
        }
        // A model may have room for more tokens than there are.
        let token = |id: u64| match known.get(&id) {
            Some((text, kind)) => ((*text).to_owned(), *kind),
            None => (format!("[PAD{id}]"), UNUSED),
        };
        let (texts, types) = (0..vocabulary).map(token).unzip();
        Ok(Self { texts, types })
    }

    /// llama.cpp writes `▁word` for the beginning of a word, and `ing` for what BERT calls `##ing`.
    fn write_as_word_pieces(&mut self) {
        for (text, kind) in self.texts.iter_mut().zip(&self.types) {
            if let Some(rest) = text.strip_prefix("##") {
                *text = rest.to_owned();
            } else if ![CONTROL, UNKNOWN, UNUSED].contains(kind) {
                text.insert(0, '▁');
            }
        }
    }

    /// How early each token is put together: what is merged first has the highest.
    fn scores(&self, merges: &[[String; 2]]) -> Vec<f32> {
        let mut ranks: BTreeMap<String, usize> = BTreeMap::new();
        for (rank, pair) in merges.iter().enumerate() {
            ranks.entry(pair.concat()).or_insert(rank);
        }
        let score = |text: &String| ranks.get(text).map_or(0.0, |rank| -(*rank as f32));
        self.texts.iter().map(score).collect()
    }
}

/// Pairs that are merged, the first merged first: a list of two, or of texts with a space between.
fn merges(model: &Value) -> Vec<[String; 2]> {
    let pair = |merge: &Value| {
        let pair = match merge {
            Value::String(text) => text.split_once(' '),
            other => other[0].as_str().zip(other[1].as_str()),
        };
        pair.map(|(one, other)| [one.to_owned(), other.to_owned()])
    };
    model["merges"].as_array().into_iter().flatten().filter_map(pair).collect()
}

/// Whether a space is put before a text: by the normalizer of older files, or the pre-tokenizer of newer ones.
fn prefixes_a_space(json: &Value) -> bool {
    let steps = |part: &Value| match part["normalizers"].as_array() {
        Some(steps) => steps.clone(),
        None => vec![part.clone()],
    };
    let prepends = steps(&json["normalizer"]).iter().any(|step| step["type"] == "Prepend");
    prepends
        || ["always", "first"]
            .iter()
            .any(|scheme| json["pre_tokenizer"]["prepend_scheme"] == *scheme)
}
