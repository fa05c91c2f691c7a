//! Which tokenizer a model brings.

use std::fmt;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::PretrainedError;

/// A tokenizer, as its files describe it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TokenizerInfo {
    /// The file that has it.
    pub file: String,
    /// How it cuts texts: `BPE`, `WordPiece`, `Unigram`, …
    pub kind: String,
    /// How many tokens it knows, special ones among them; None where that takes more than a look.
    pub tokens: Option<u64>,
}

/// The tokenizer of a folder; None where there is none that can be used.
///
/// # Errors
/// [`PretrainedError`] for a tokenizer.json that cannot be read.
pub(crate) fn of_folder(folder: &Path) -> Result<Option<TokenizerInfo>, PretrainedError> {
    let has = |name: &str| folder.join(name).is_file();
    let info = |file: &str, kind: &str, tokens| {
        Some(TokenizerInfo { file: file.to_owned(), kind: kind.to_owned(), tokens })
    };
    if has(JSON) {
        return of_json(&folder.join(JSON)).map(Some);
    }
    if has("vocab.json") && has("merges.txt") {
        return Ok(info("vocab.json, merges.txt", "BPE", None));
    }
    if has("vocab.txt") {
        let path = folder.join("vocab.txt");
        let text = std::fs::read(&path).map_err(PretrainedError::io(&path))?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
        return Ok(info("vocab.txt", "WordPiece", Some(lines as u64)));
    }
    Ok(None)
}

const JSON: &str = "tokenizer.json";

/// As much of a tokenizer.json as is wanted; texts of tokens are counted, not kept.
#[derive(serde::Deserialize)]
struct Json {
    #[serde(default)]
    added_tokens: Vec<Added>,
    model: Model,
}

#[derive(serde::Deserialize)]
struct Added {
    id: u64,
}

#[derive(serde::Deserialize)]
struct Model {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    vocab: Counted,
}

fn of_json(path: &Path) -> Result<TokenizerInfo, PretrainedError> {
    let file = File::open(path).map_err(PretrainedError::io(path))?;
    let json: Json = serde_json::from_reader(BufReader::new(file))
        .map_err(|error| PretrainedError::bad_file(path, format!("it is no tokenizer: {error}")))?;
    let Counted(vocabulary) = json.model.vocab;
    // Added tokens may be in the vocabulary, too; their numbers tell.
    let beyond = json.added_tokens.iter().filter(|added| added.id >= vocabulary).count() as u64;
    Ok(TokenizerInfo {
        file: JSON.to_owned(),
        // Older files leave the kind out.
        kind: json.model.kind.unwrap_or_else(|| "BPE".to_owned()),
        tokens: Some(vocabulary + beyond),
    })
}

/// How many entries an object or a list has.
#[derive(Default)]
struct Counted(u64);

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Count;
        impl<'de> Visitor<'de> for Count {
            type Value = Counted;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a vocabulary")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Counted, A::Error> {
                let mut count = 0;
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Counted(count))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Counted, A::Error> {
                let mut count = 0;
                while list.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Counted(count))
            }
        }
        deserializer.deserialize_any(Count)
    }
}
