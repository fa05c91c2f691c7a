//! Tokens of texts and files of tokens, with tokenizers small enough to be written here.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::*;
use crate::text::CharText;

/// The letters that stand for bytes in a vocabulary of GPT-2's kind, in the order of the bytes.
fn byte_letters() -> Vec<String> {
    let is_seen = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut next = 256;
    let letter = |byte: u8| {
        if is_seen(byte) {
            return char::from(byte).to_string();
        }
        next += 1;
        char::from_u32(next - 1).unwrap().to_string()
    };
    (0..=255).map(letter).collect()
}

fn numbered(names: impl IntoIterator<Item = String>) -> Map<String, Value> {
    names.into_iter().zip(0_u32..).map(|(name, id)| (name, id.into())).collect()
}

/// A template in the manner of `ChatML`.
const TEMPLATE: &str = "{% for message in messages %}<|im_start|>{{ message['role'] }}\n\
                        {{ message['content'] }}<|im_end|>\n{% endfor %}\
                        {% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/// Writes a tokenizer of bytes, with a few pairs of them and a template of chats.
pub(crate) fn byte_tokenizer(folder: &Path) -> PathBuf {
    let pairs = ["Ġ t", "h e", "Ġt he", "a n", "Ċ Ċ", ". Ċ", "Ġ Ġ"];
    let merged = pairs.iter().map(|pair| pair.replace(' ', ""));
    let special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"].map(str::to_owned);
    let all: Vec<String> = byte_letters().into_iter().chain(merged).chain(special).collect();
    let added = |name: &&String| name.starts_with("<|");
    let added: Vec<Value> = all
        .iter()
        .zip(0_u32..)
        .filter(|(name, _)| added(name))
        .map(|(name, id)| {
            json!({ "id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true })
        })
        .collect();
    // As GPT-NeoX has it, spaces are in no token's place.
    let level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": level, "post_processor": level, "decoder": level,
        "model": { "type": "BPE", "vocab": numbered(all), "merges": pairs },
    });
    let path = folder.join("tokenizer.json");
    fs::write(&path, json.to_string()).unwrap();
    let config = json!({ "eos_token": "<|im_end|>", "chat_template": TEMPLATE });
    fs::write(folder.join("tokenizer_config.json"), config.to_string()).unwrap();
    path
}

/// Writes a tokenizer of pieces that begins every text with `<s>` and a space, and has no words.
pub(crate) fn piece_tokenizer(folder: &Path) -> PathBuf {
    let bytes = (0..=255).map(|byte| format!("<0x{byte:02X}>"));
    let letters = "▁abcdefghijklmnopqrstuvwxyz.,".chars().map(String::from);
    let pairs = ["t h", "th e", "▁ the", "▁ a", "a n", ". ▁the"];
    let merged = pairs.iter().map(|pair| pair.replace(' ', ""));
    let special = ["<unk>", "<s>", "</s>"].map(str::to_owned);
    let all: Vec<String> = special.into_iter().chain(bytes).chain(letters).chain(merged).collect();
    let json = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": { "type": "Sequence", "normalizers": [
            { "type": "Prepend", "prepend": "▁" },
            { "type": "Replace", "pattern": { "String": " " }, "content": "▁" },
        ] },
        "pre_tokenizer": null,
        "post_processor": { "type": "TemplateProcessing",
            "single": [{ "SpecialToken": { "id": "<s>", "type_id": 0 } },
                { "Sequence": { "id": "A", "type_id": 0 } }],
            "pair": [{ "Sequence": { "id": "A", "type_id": 0 } }, { "Sequence": { "id": "B", "type_id": 0 } }],
            "special_tokens": { "<s>": { "id": "<s>", "ids": [1], "tokens": ["<s>"] } } },
        "decoder": { "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " },
            { "type": "ByteFallback" }, { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ] },
        "model": { "type": "BPE", "vocab": numbered(all), "merges": pairs, "unk_token": "<unk>",
            "fuse_unk": true, "byte_fallback": true },
    });
    let path = folder.join("pieces.json");
    fs::write(&path, json.to_string()).unwrap();
    path
}

/// Words with the line ends and spaces that tokenizers join, from a fixed sequence of numbers.
fn long_text(bytes: usize) -> String {
    let words = [
        "the",
        " the",
        " a",
        ".\n",
        "\n\n",
        "\n",
        "  ",
        "and then,",
        " é漢",
        "\t\n ",
        "x\ny",
        "The.",
    ];
    let mut state = 1_u64;
    let mut text = String::new();
    while text.len() < bytes {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(words[(state >> 40) as usize % words.len()]);
    }
    text
}

fn stored(text: &str, tokenizer: &Tokenizer) -> Vec<u32> {
    let text = CharText::from_string("a test", text.to_owned()).unwrap();
    let mut writer = TokenWriter::new().unwrap();
    pieces::tokenize_by(&text, tokenizer, 2000, &mut writer).unwrap();
    let key = format!("{:064x}", std::process::id());
    let store = writer.finish(&key).unwrap();
    store.read(0, store.len()).unwrap()
}

#[test]
fn a_long_text_has_the_tokens_of_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    for path in [byte_tokenizer(folder.path()), piece_tokenizer(folder.path())] {
        let tokenizer = tokenizer_at(&path).unwrap();
        for text in [long_text(150_000), "the".to_owned(), "\n".repeat(20_000)] {
            let whole = tokenizer.encode(&text, false);
            let found = stored(&text, &tokenizer);
            assert!(
                found == whole,
                "{}: {} and {} tokens",
                path.display(),
                found.len(),
                whole.len()
            );
        }
    }
}

#[test]
fn a_text_without_a_place_to_cut_becomes_tokens_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = tokenizer_at(&byte_tokenizer(folder.path())).unwrap();
    let text = "xyz ".repeat(50_000);
    let found = stored(&text, &tokenizer);
    assert_eq!(tokenizer.decode(&found, false).len(), text.len());
}

#[test]
fn files_of_tokens_are_found_again_and_damaged_ones_are_not_taken() {
    let key = format!("{:032x}{:032x}", std::process::id(), 7);
    let mut writer = TokenWriter::new().unwrap();
    writer.push_sample(&[1, 2, 3]).unwrap();
    writer.push_sample(&[u32::MAX]).unwrap();
    writer.note("a note".to_owned());
    let store = writer.finish(&key).unwrap();
    assert_eq!((store.len(), store.samples(), store.notes()), (4, 2, &["a note".to_owned()][..]));
    let again = TokenStore::kept(&key).unwrap();
    assert_eq!(again.sample(0).unwrap(), [1, 2, 3]);
    assert_eq!(again.sample(1).unwrap(), [u32::MAX]);
    assert_eq!(again.read(2, 2).unwrap(), [3, u32::MAX]);
    assert!(again.read(3, 2).is_err());
    let path = store::path(&key).unwrap();
    let bytes = fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(TokenStore::kept(&key).is_none(), "{length}");
    }
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        fs::write(&path, &damaged).unwrap();
        // Tokens may be others; that it is not read beyond its end is what counts.
        if let Some(store) = TokenStore::kept(&key) {
            let _either = (store.sample(0), store.sample(1), store.read(0, store.len()));
        }
    }
    fs::remove_file(path).unwrap();
    assert!(TokenStore::kept(&key).is_none());
}

#[test]
fn what_has_no_tokenizer_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let error = tokenizer_at(folder.path()).unwrap_err();
    assert!(
        error.to_string().contains("has no tokenizer; name with data.tokenizer a model's folder"),
        "{error}"
    );
    assert!(error.is_wrong_input());
}
