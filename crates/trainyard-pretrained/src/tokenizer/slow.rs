//! The formats of tokenizers before `tokenizer.json`, which `transformers` calls slow: GPT-2's `vocab.json` and
//! `merges.txt`, BERT's `vocab.txt`, and tokens that are added to them. How texts are cut is nowhere in these files
//! but follows from the tokenizer's class.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::added_tokens::{not_the_next, of_configs};
use super::parts::{Parts, added, around_of_bert, byte_level, byte_pairs, word_pieces};
use super::pre_tokenizers::words as pre_tokenizer;
use super::special::{Configs, object};
use crate::error::PretrainedError;

pub(super) const VOCABULARY: &str = "vocab.json";
pub(super) const MERGES: &str = "merges.txt";
pub(super) const WORDS: &str = "vocab.txt";

/// What begins and ends texts of GPT-2.
pub(super) const END_OF_TEXT: &str = "<|endoftext|>";

pub(super) const REMEDY: &str = "let transformers write a tokenizer.json beside it: \
                      AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)";

/// The classes whose files are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Gpt2,
    Roberta,
    Qwen2,
    Bert,
}

impl Class {
    /// That of a folder; None where nothing says it.
    ///
    /// # Errors
    /// [`PretrainedError::Unsupported`] for a class that is not `known`.
    fn of(
        configs: &Configs,
        folder: &Path,
        known: &[(&str, Self)],
    ) -> Result<Option<Self>, PretrainedError> {
        let key = "tokenizer_class";
        let find = |name: &str| known.iter().find(|it| it.0 == name).map(|(_, class)| *class);
        match configs.tokenizer.get(key).and_then(Value::as_str) {
            Some(name) => match find(name.strip_suffix("Fast").unwrap_or(name)) {
                Some(class) => Ok(Some(class)),
                None => Err(refused(folder, key, name)),
            },
            None => Ok(match configs.model.get("model_type").and_then(Value::as_str) {
                Some("gpt2") => find("GPT2Tokenizer"),
                Some("roberta") => find("RobertaTokenizer"),
                Some("qwen2" | "qwen3") => find("Qwen2Tokenizer"),
                _ => None,
            }),
        }
    }
}

fn refused(folder: &Path, key: &str, value: &str) -> PretrainedError {
    PretrainedError::Unsupported {
        path: folder.join("tokenizer_config.json"),
        key: key.to_owned(),
        value: value.to_owned(),
        remedy: format!("without a tokenizer.json; {REMEDY}"),
    }
}

/// GPT-2's files, `RoBERTa`'s and Qwen's.
///
/// # Errors
/// As [`Tokenizer::open`](super::Tokenizer::open).
pub(super) fn pairs_of_bytes(
    folder: &Path,
    configs: &Configs,
) -> Result<tokenizers::Tokenizer, PretrainedError> {
    let known = [
        ("GPT2Tokenizer", Class::Gpt2),
        ("RobertaTokenizer", Class::Roberta),
        ("Qwen2Tokenizer", Class::Qwen2),
    ];
    let class = Class::of(configs, folder, &known)?;
    let path = folder.join(VOCABULARY);
    let vocabulary = object(&path)?;
    let merges = merges(&folder.join(MERGES))?;
    let number = |name: &'static str| {
        let id = vocabulary.get(name).and_then(Value::as_u64);
        Some((name, u32::try_from(id?).ok()?))
    };
    let (begin, end) = (number("<s>"), number("</s>"));
    let usual: &[&'static str] = match class {
        Some(Class::Qwen2 | Class::Gpt2) => &[END_OF_TEXT],
        _ => &[END_OF_TEXT, "<s>", "<pad>", "</s>", "<unk>"],
    };
    let special = usual.iter().filter_map(|name| number(name));
    let mut usual: Vec<Value> = special.map(|(name, id)| added(id, name, true)).collect();
    if let Some((name, id)) = number("<mask>").filter(|_| class != Some(Class::Qwen2)) {
        // It takes the space before it.
        let mut mask = added(id, name, true);
        mask["lstrip"] = true.into();
        usual.push(mask);
    }
    let prefix = "add_prefix_space";
    let add_prefix_space = configs.tokenizer.get(prefix) == Some(&Value::Bool(true));
    let level = byte_level(add_prefix_space, true);
    let is_roberta = matches!(class, None | Some(Class::Roberta));
    let post_processor = match begin.zip(end).filter(|_| is_roberta) {
        Some((begin, end)) => json!({
            "type": "RobertaProcessing",
            "sep": end,
            "cls": begin,
            "trim_offsets": true,
            "add_prefix_space": add_prefix_space,
        }),
        None => level.clone(),
    };
    let mut parts = Parts {
        pre_tokenizer: level.clone(),
        post_processor,
        decoder: level,
        model: byte_pairs(&vocabulary, &merges.iter().map(pair).collect::<Vec<_>>(), false),
        ..Parts::default()
    };
    if let Some(words) = pre_tokenizer(Some("qwen2")).filter(|_| class == Some(Class::Qwen2)) {
        if add_prefix_space {
            return Err(refused(folder, prefix, "true"));
        }
        (parts.normalizer, parts.pre_tokenizer) = (words.normalizer, words.pre_tokenizer);
    }
    with_added(parts, &path, configs, (usual, &vocabulary))
}

fn pair((left, right): &(String, String)) -> [&str; 2] {
    [left, right]
}

/// Pairs that are merged, a line each.
fn merges(path: &Path) -> Result<Vec<(String, String)>, PretrainedError> {
    let text = std::fs::read_to_string(path).map_err(PretrainedError::io(path))?;
    let mut pairs = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        if line.starts_with("#version") || line.is_empty() {
            continue;
        }
        let pair = line.split_once(' ').filter(|(_, right)| !right.contains(' '));
        let (left, right) = pair.ok_or_else(|| {
            let reason = format!("line {number} is no pair of tokens; get the file again");
            PretrainedError::bad_file(path, reason)
        })?;
        pairs.push((left.to_owned(), right.to_owned()));
    }
    Ok(pairs)
}

/// BERT's file: a token a line.
///
/// # Errors
/// As [`Tokenizer::open`](super::Tokenizer::open).
pub(super) fn words(
    path: &Path,
    configs: &Configs,
) -> Result<tokenizers::Tokenizer, PretrainedError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let known = [("BertTokenizer", Class::Bert), ("DistilBertTokenizer", Class::Bert)];
    Class::of(configs, folder, &known)?;
    let text = std::fs::read_to_string(path).map_err(PretrainedError::io(path))?;
    let lines = text.lines().zip(0_u32..).map(|(line, id)| (line.trim_end(), id));
    let vocabulary: Map<String, Value> =
        lines.map(|(line, id)| (line.to_owned(), id.into())).collect();
    let named = |name: &str, usual: &'static str| {
        let text = configs.text(name).unwrap_or(usual).to_owned();
        let id = vocabulary.get(&text).and_then(Value::as_u64);
        Some((text, u32::try_from(id?).ok()?))
    };
    let (cls, sep) = (named("cls_token", "[CLS]"), named("sep_token", "[SEP]"));
    let others = [("pad_token", "[PAD]"), ("unk_token", "[UNK]"), ("mask_token", "[MASK]")];
    let others = others.into_iter().map(|(name, usual)| named(name, usual));
    let special = others.chain([cls.clone(), sep.clone()]).flatten();
    let usual = special.map(|(name, id)| added(id, &name, true)).collect();
    let lowercase = configs.tokenizer.get("do_lower_case") != Some(&Value::Bool(false));
    let mut parts = word_pieces(&vocabulary, lowercase);
    let options =
        [("strip_accents", "strip_accents"), ("tokenize_chinese_chars", "handle_chinese_chars")];
    for (said, option) in options {
        if let Some(Value::Bool(value)) = configs.tokenizer.get(said) {
            parts.normalizer[option] = (*value).into();
        }
    }
    if let Some(unknown) = configs.text("unk_token") {
        parts.model["unk_token"] = unknown.into();
    }
    parts.post_processor = around_of_bert(
        cls.as_ref().map(|(name, id)| (name.as_str(), *id)),
        sep.as_ref().map(|(name, id)| (name.as_str(), *id)),
    );
    with_added(parts, path, configs, (usual, &vocabulary))
}

/// The tokenizer of some parts with the tokens that are found in a text before anything else: those that its class
/// usually has, those that the configs name as special, and those that the folder adds, as it says.
fn with_added(
    parts: Parts,
    path: &Path,
    configs: &Configs,
    (usual, vocabulary): (Vec<Value>, &Map<String, Value>),
) -> Result<tokenizers::Tokenizer, PretrainedError> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut all: BTreeMap<u32, Value> = BTreeMap::new();
    let number = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    let named = configs.texts().into_iter().filter_map(|text| {
        let id = number(vocabulary.get(text)?)?;
        Some(added(id, text, true))
    });
    for token in named.chain(usual).chain(of_configs(folder, configs)?) {
        all.extend(number(&token["id"]).map(|id| (id, token)));
    }
    let said: Vec<(String, u32)> = all
        .iter()
        .map(|(id, token)| (token["content"].as_str().unwrap_or_default().to_owned(), *id))
        .collect();
    let inner = Parts { added: all.into_values().collect(), ..parts }.build(path)?;
    // The library numbers tokens beyond the vocabulary itself.
    match said.into_iter().find(|(text, id)| inner.token_to_id(text) != Some(*id)) {
        None => Ok(inner),
        Some((text, id)) => Err(PretrainedError::bad_file(path, not_the_next(&text, id))),
    }
}
