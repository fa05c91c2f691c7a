//! Files of models and tokenizers with anything in them: an error or a model, never a panic.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails at once and says why")]

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use trainyard_pretrained::{Message, NewWeight, Pretrained, Tokenizer};

/// What stands where something else is expected.
fn odd_values() -> Vec<Value> {
    let text = "{{ messages[0][9] }}{% for";
    vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(0.5),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!(text),
        json!("\u{2581}é"),
        json!([]),
        json!([[], {}, null, 7]),
        json!({}),
        json!({"type": "Sequence", "normalizers": [], "pretokenizers": [], "decoders": [], "processors": []}),
    ]
}

/// Puts a value in the place of one of those in a JSON document, or takes that one out.
fn damage(document: &mut Value, place: Index, value: Option<Value>) {
    fn count(value: &Value) -> usize {
        1 + match value {
            Value::Array(all) => all.iter().map(count).sum(),
            Value::Object(all) => all.values().map(count).sum(),
            _ => 0,
        }
    }
    fn at<'a>(value: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
        if *left == 0 {
            return Some(value);
        }
        *left -= 1;
        match value {
            Value::Array(all) => all.iter_mut().find_map(|it| at(it, left)),
            Value::Object(all) => all.values_mut().find_map(|it| at(it, left)),
            _ => None,
        }
    }
    let mut left = place.index(count(document));
    let Some(found) = at(document, &mut left) else { return };
    match (value, found) {
        (Some(value), found) => *found = value,
        (None, Value::Object(all)) => {
            let first = all.keys().next().cloned();
            first.and_then(|key| all.remove(&key));
        }
        (None, Value::Array(all)) => drop(all.pop()),
        (None, found) => *found = Value::Null,
    }
}

/// A folder like another, with a JSON file that is damaged in a few places.
fn damaged_copy(from: &Path, file: &str, damages: &[(Index, Option<Value>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let path = folder.path().join(file);
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    for (place, value) in damages {
        damage(&mut document, *place, value.clone());
    }
    fs::write(&path, document.to_string()).unwrap();
    folder
}

fn damages() -> impl Strategy<Value = Vec<(Index, Option<Value>)>> {
    let value = prop::option::weighted(0.8, prop::sample::select(odd_values()));
    prop::collection::vec((any::<Index>(), value), 1..4)
}

fn use_model(path: &Path) {
    let Ok(model) = Pretrained::open(path) else { return };
    let _shown = (model.parameters(), model.bytes(), model.fingerprint(), model.check());
    for NewWeight { name, .. } in model.layout() {
        let _either = model.values(&name);
    }
}

fn use_tokenizer(path: &Path) {
    let Ok(Some(tokenizer)) = Tokenizer::open(path) else { return };
    let tokens = tokenizer.encode("On the track, é 木 <s> 7", true);
    let _text = tokenizer.decode(&tokens, false);
    let mut stream = tokenizer.stream(true);
    for token in tokens.into_iter().chain([u32::MAX]) {
        let _piece = stream.push(token);
    }
    let said = Message::new("user", "Where to?");
    let _either = tokenizer.chat(&[said], true);
}

const MODELS: &[&str] = &[
    "gemma2", "gemma3", "gpt2", "gpt_neox", "llama", "llama3", "mistral", "phi3", "qwen2", "qwen3",
];

fn fixture(name: &str) -> PathBuf {
    Path::new("../trainyard-models/tests/fixtures/hf").join(name)
}

proptest! {
    #[test]
    fn no_damaged_config_panics(name in prop::sample::select(MODELS), damages in damages()) {
        use_model(damaged_copy(&fixture(name), "config.json", &damages).path());
    }

    #[test]
    fn no_damaged_weights_panic(
        name in prop::sample::select(MODELS),
        bytes in prop::collection::vec((any::<Index>(), any::<u8>(), 0..3_u8), 1..6),
        length in prop::option::weighted(0.3, any::<Index>()),
    ) {
        let folder = damaged_copy(&fixture(name), "config.json", &[]);
        let path = folder.path().join("model.safetensors");
        let mut file = fs::read(&path).unwrap();
        for (place, byte, where_to) in bytes {
            // Most in the length of the head, and in the head.
            let within = [8, 2000, file.len()][usize::from(where_to)].min(file.len());
            file[place.index(within)] = byte;
        }
        if let Some(length) = length {
            file.truncate(length.index(file.len()));
        }
        fs::write(&path, file).unwrap();
        use_model(folder.path());
    }

    #[test]
    fn no_damaged_tokenizer_panics(
        (name, file) in prop::sample::select(vec![
            ("bytes", "tokenizer.json"), ("bytes", "tokenizer_config.json"), ("bytes", "generation_config.json"),
            ("pieces", "tokenizer.json"), ("pieces", "tokenizer_config.json"), ("gpt2", "vocab.json"),
            ("gpt2", "config.json"), ("words", "tokenizer_config.json"),
        ]),
        damages in damages(),
    ) {
        use_tokenizer(damaged_copy(&Path::new("tests/tokenizers").join(name), file, &damages).path());
    }

    #[test]
    fn no_damaged_gguf_panics(
        name in prop::sample::select(vec!["llama", "gpt2", "gemma3", "qwen2", "bert"]),
        bytes in prop::collection::vec((any::<Index>(), any::<u8>(), any::<bool>()), 1..6),
        length in prop::option::weighted(0.2, any::<Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.gguf");
        let mut file = fs::read(Path::new("tests/gguf").join(name).with_extension("gguf")).unwrap();
        for (place, byte, in_head) in bytes {
            let within = if in_head { 3000.min(file.len()) } else { file.len() };
            file[place.index(within)] = byte;
        }
        if let Some(length) = length {
            file.truncate(length.index(file.len()));
        }
        fs::write(&path, file).unwrap();
        use_model(&path);
        use_tokenizer(&path);
    }
}
