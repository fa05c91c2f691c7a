//! The tokenizer inside a GGUF file: llama.cpp's `gpt2`, `llama` and `bert`.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use super::Tokenizer;
use super::chat::ChatTemplate;
use super::parts::{Parts, added, around, around_of_bert, byte_level, byte_pairs, word_pieces};
use super::pre_tokenizers::{known, words};
use super::sentence_piece::pieces;
use super::special::SpecialTokens;
use crate::error::PretrainedError;
use crate::gguf::Gguf;

const TOKENS: &str = "tokenizer.ggml.tokens";
const TYPES: &str = "tokenizer.ggml.token_type";
const SCORES: &str = "tokenizer.ggml.scores";
const MERGES: &str = "tokenizer.ggml.merges";
/// The lists of a file that its tokenizer is read from.
pub(crate) const LISTS: [&str; 4] = [TOKENS, TYPES, SCORES, MERGES];

/// llama.cpp's types of tokens: those of no text.
const CONTROL: f64 = 3.0;
/// Those that are found in a text before anything else.
const USER_DEFINED: f64 = 4.0;
/// Those of single bytes.
const BYTE: f64 = 6.0;

/// Those of Phi-3's that take no spaces with them.
const KEEPING: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];

/// Control tokens that end a turn or a text by their names, whether the metadata name them or not, as llama.cpp has
/// it for models of the architectures that are known (`llama-vocab.cpp`).
const ENDS: [&str; 14] = [
    "<|eot_id|>",
    "<|eom_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<end_of_utterance>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "</s>",
    "<eos>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
];

/// The tokenizer of a GGUF file; None where it has none.
///
/// # Errors
/// As [`Tokenizer::open`].
pub(super) fn of_file(path: &Path) -> Result<Option<Tokenizer>, PretrainedError> {
    of_gguf(path, &Gguf::open_with_lists(path, &LISTS)?)
}

/// The same of what a file says, with its [`LISTS`].
///
/// # Errors
/// As [`Tokenizer::open`].
pub(crate) fn of_gguf(path: &Path, file: &Gguf) -> Result<Option<Tokenizer>, PretrainedError> {
    let Some(kind) = file.tokenizer_kind() else { return Ok(None) };
    let words = Vocabulary { path, file };
    if words.tokens().is_empty() {
        return Err(PretrainedError::bad_file(path, format!("its metadata have no {TOKENS}")));
    }
    let parts = match kind {
        "gpt2" => words.pairs_of_bytes()?,
        "llama" => words.sentence_pieces(),
        "bert" => words.word_pieces(),
        other => {
            return Err(unsupported(
                path,
                "tokenizer.ggml.model",
                other,
                "gpt2, llama and bert are",
            ));
        }
    };
    let inner = parts.build(path)?;
    let template = file.text("tokenizer.chat_template");
    let template = template.map(|text| ChatTemplate::new(text, path)).transpose()?;
    Tokenizer::new(inner, path, words.special(), template).map(Some)
}

fn unsupported(path: &Path, key: &str, value: &str, known: &str) -> PretrainedError {
    PretrainedError::Unsupported {
        path: path.to_owned(),
        key: key.to_owned(),
        value: value.to_owned(),
        remedy: format!("{known}; else name the model's folder with its tokenizer.json"),
    }
}

/// What a file says of its tokens.
struct Vocabulary<'a> {
    path: &'a Path,
    file: &'a Gguf,
}

impl<'a> Vocabulary<'a> {
    fn tokens(&self) -> &'a [String] {
        self.file.lists.texts(TOKENS)
    }

    fn is_of(&self, index: usize, kinds: &[f64]) -> bool {
        self.file.lists.numbers(TYPES).get(index).is_some_and(|kind| kinds.contains(kind))
    }

    /// Name and number of a token that the metadata name by its number.
    fn named(&self, key: &str) -> Option<(&'a str, u32)> {
        let id =
            u32::try_from(self.file.number(&format!("tokenizer.ggml.{key}_token_id"))?).ok()?;
        Some((self.tokens().get(id as usize)?.as_str(), id))
    }

    fn numbered(&self) -> Map<String, Value> {
        self.tokens().iter().zip(0_u32..).map(|(token, id)| (token.clone(), id.into())).collect()
    }

    /// Tokens that are found in a text before anything else.
    fn added(&self) -> Vec<Value> {
        let all = self.tokens().iter().zip(0_u32..).enumerate();
        let found = all.filter(|(index, (token, _))| {
            !token.is_empty() && self.is_of(*index, &[CONTROL, USER_DEFINED])
        });
        let strips = self.strips();
        let token = |(index, (token, id)): (usize, (&String, u32))| {
            let mut json = added(id, token, self.is_of(index, &[CONTROL]));
            json["rstrip"] = (strips && !KEEPING.contains(&token.as_str())).into();
            json
        };
        found.map(token).collect()
    }

    /// Whether tokens of a text take the spaces behind them, as Phi-3's do: no file says it, and llama.cpp knows it by
    /// the model.
    fn strips(&self) -> bool {
        self.file.text("general.architecture") == Some("phi3")
            && self.file.tokenizer_kind() == Some("llama")
    }

    /// The tokens around a text, where the file does not say else.
    fn around(&self, adds_bos: bool) -> Value {
        let said = |key: &str| self.file.flag(&format!("tokenizer.ggml.{key}"));
        let (bos, eos) = (said("add_bos_token").unwrap_or(adds_bos), said("add_eos_token"));
        around(
            self.named("bos").filter(|_| bos),
            self.named("eos").filter(|_| eos.unwrap_or(false)),
        )
    }

    fn pairs_of_bytes(&self) -> Result<Parts, PretrainedError> {
        let name = self.file.text("tokenizer.ggml.pre");
        let words = words(name).ok_or_else(|| {
            let name = name.unwrap_or_default();
            unsupported(self.path, "tokenizer.ggml.pre", name, &format!("{} are", known()))
        })?;
        let mut merges = Vec::new();
        for merge in self.file.lists.texts(MERGES) {
            // The space that parts a pair is the first one behind a letter.
            let at = merge.char_indices().skip(1).find(|(_, letter)| *letter == ' ');
            let pair =
                at.map(|(at, _)| merge.split_at(at)).map(|(left, right)| [left, &right[1..]]);
            merges.push(pair.ok_or_else(|| {
                let reason =
                    format!("'{merge}' in {MERGES} is no pair of tokens; get the file again");
                PretrainedError::bad_file(self.path, reason)
            })?);
        }
        Ok(Parts {
            added: self.added(),
            normalizer: words.normalizer,
            pre_tokenizer: words.pre_tokenizer,
            post_processor: self.around(words.adds_bos),
            decoder: byte_level(true, true),
            model: byte_pairs(&self.numbered(), &merges, words.whole),
        })
    }

    fn sentence_pieces(&self) -> Parts {
        let merged = |index: usize| !self.is_of(index, &[CONTROL, USER_DEFINED, BYTE]);
        let unknown = self.named("unknown").map(|(token, _)| token);
        let first = || self.tokens().first().map(String::as_str).filter(|it| *it == "<unk>");
        let space = self.file.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
        let scores = self.file.lists.numbers(SCORES);
        let parts = pieces(self.tokens(), scores, merged, unknown.or_else(first), space);
        Parts { added: self.added(), post_processor: self.around(true), ..parts }
    }

    /// llama.cpp writes `▁word` for the beginning of a word and `ing` for what BERT calls `##ing`.
    fn word_pieces(&self) -> Parts {
        let name = |(index, token): (usize, &String)| match token.strip_prefix('▁') {
            Some(word) => word.to_owned(),
            None if self.is_of(index, &[CONTROL]) || is_bracketed(token) => token.clone(),
            None => format!("##{token}"),
        };
        let tokens: Vec<String> = self.tokens().iter().enumerate().map(name).collect();
        let has_capitals = |token: &String| {
            !is_bracketed(token) && token.chars().any(|letter| letter.is_ascii_uppercase())
        };
        let lowercase = !tokens.iter().any(has_capitals);
        let number = |name: &'static str| {
            let index = tokens.iter().position(|token| token == name)?;
            Some((name, u32::try_from(index).ok()?))
        };
        let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].into_iter().filter_map(number);
        let added = special.map(|(name, id)| added(id, name, true)).collect();
        let numbered = tokens.iter().zip(0_u32..).map(|(token, id)| (token.clone(), id.into()));
        let around = around_of_bert(number("[CLS]"), number("[SEP]"));
        Parts { added, post_processor: around, ..word_pieces(&numbered.collect(), lowercase) }
    }

    /// Control tokens that end a text by their names.
    fn ends(&self) -> impl Iterator<Item = u32> {
        let all = self.tokens().iter().enumerate().zip(0_u32..);
        let ends = all.filter(|((index, token), _)| {
            ENDS.contains(&token.as_str()) && self.is_of(*index, &[CONTROL])
        });
        ends.map(|(_, id)| id)
    }

    fn special(&self) -> SpecialTokens {
        let names = [
            ("bos_token", "bos"),
            ("eos_token", "eos"),
            ("unk_token", "unknown"),
            ("sep_token", "seperator"),
            ("pad_token", "padding"),
            ("cls_token", "cls"),
            ("mask_token", "mask"),
        ];
        // What llama.cpp puts first is BERT's mark of a text, not what begins one that goes on.
        let is_bert = self.file.tokenizer_kind() == Some("bert");
        let names = names.into_iter().filter(|(_, key)| !(is_bert && *key == "bos"));
        let named =
            |(name, key): (&str, &str)| Some((name.to_owned(), self.named(key)?.0.to_owned()));
        let names: BTreeMap<String, String> = names.filter_map(named).collect();
        let id = |key: &str| self.named(key).map(|(_, id)| id);
        let mut eos: Vec<u32> = Vec::new();
        for end in ["eos", "eot", "eom"].into_iter().filter_map(id).chain(self.ends()) {
            if !eos.contains(&end) {
                eos.push(end);
            }
        }
        SpecialTokens { names, bos: id("bos").filter(|_| !is_bert), eos }
    }
}

/// Whether a token of BERT's is one such as `[CLS]`.
fn is_bracketed(token: &str) -> bool {
    token.starts_with('[') && token.ends_with(']') && token.len() > 2
}
