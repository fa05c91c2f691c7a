//! Tokenizers of every kind of file, against what Python says of them (`scripts/tokenizer-fixtures.py`).
#![allow(
    clippy::unwrap_used,
    clippy::struct_field_names,
    reason = "a test that cannot read its files fails at once and says why"
)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Meta, gguf};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use trainyard_pretrained::{Message, PretrainedError, Tokenizer};

/// What Python says of a tokenizer.
#[derive(Deserialize)]
struct Expected {
    texts: Vec<Text>,
    #[serde(default)]
    chats: Vec<Chat>,
    /// The same texts with the words of other models.
    #[serde(default)]
    of_pre: std::collections::BTreeMap<String, Vec<Vec<u32>>>,
}

#[derive(Deserialize)]
struct Text {
    text: String,
    special: Vec<u32>,
    plain: Vec<u32>,
    decoded: String,
}

#[derive(Deserialize)]
struct Chat {
    messages: Vec<Message>,
    open: String,
    closed: String,
}

fn folder(name: &str) -> PathBuf {
    Path::new("tests/tokenizers").join(name)
}

fn open(path: &Path) -> Tokenizer {
    Tokenizer::open(path).unwrap().unwrap()
}

fn expected(name: &str) -> Expected {
    serde_json::from_str(&fs::read_to_string(folder(name).join("expected.json")).unwrap()).unwrap()
}

fn check(tokenizer: &Tokenizer, expected: &Expected) {
    for Text { text, special, plain, decoded } in &expected.texts {
        assert_eq!(tokenizer.encode(text, true), *special, "{text:?}");
        assert_eq!(tokenizer.encode(text, false), *plain, "{text:?}");
        assert_eq!(tokenizer.decode(plain, false), *decoded, "{text:?}");
        let mut stream = tokenizer.stream(false);
        let mut streamed: String = plain.iter().map(|token| stream.push(*token)).collect();
        streamed.push_str(&stream.rest());
        if !decoded.contains(" 's") {
            assert_eq!(streamed, *decoded, "token by token: {text:?}");
        }
        let placed = tokenizer.encode_with_places(text);
        assert_eq!(placed.iter().map(|(token, _)| *token).collect::<Vec<_>>(), *plain);
        assert!(placed.iter().all(|(_, place)| text.get(place.clone()).is_some()), "{text:?}");
    }
    for Chat { messages, open, closed } in &expected.chats {
        assert_eq!(tokenizer.chat(messages, true).unwrap(), *open);
        assert_eq!(tokenizer.chat(messages, false).unwrap(), *closed);
    }
}

#[test]
fn every_kind_of_folder_has_pythons_tokens_and_chats() {
    for name in ["bytes", "gpt2", "pieces", "words"] {
        check(&open(&folder(name)), &expected(name));
    }
    check(&open(&folder("bytes/tokenizer.json")), &expected("bytes"));
    check(&open(&folder("gpt2/merges.txt")), &expected("gpt2"));
    check(&open(&folder("words/vocab.txt")), &expected("words"));
}

#[test]
fn an_answer_ends_with_the_special_token_that_the_template_writes_behind_it() {
    let ends = |folder: &Path, template: &str| {
        open(folder).with_chat_template_text(template).unwrap().ends_of_answers()
    };
    let bytes = folder("bytes");
    let each = |written: &str| {
        format!(
            "{{% for message in messages %}}{{{{ message['content'] }}}}{written}{{% endfor %}}"
        )
    };
    // Of a model for which it does not end texts.
    let of_base = |template: &str| {
        open(&bytes).with_chat_template_text(template).unwrap().with_eos(vec![0]).ends_of_answers()
    };
    assert_eq!(of_base(&each("<|im_end|>\n")), [0, 2]);
    assert_eq!(of_base(&each("\n<|im_end|>")), [0, 2]);
    // The first ends it.
    assert_eq!(of_base(&each("<|im_end|>\n<|im_start|>")), [0, 2]);
    assert_eq!(of_base(&each("\n")), [0]);
    assert_eq!(of_base("{{ raise_exception('no') }}"), [0]);
    assert_eq!(ends(&bytes, &each("<|im_end|>")), [2, 0]);
    // A token for what is not known is none that was written.
    assert_eq!(ends(&folder("words"), &each("\u{e000}")).len(), 0);
}

#[test]
fn special_tokens_are_those_of_the_configs() {
    let bytes = open(&folder("bytes"));
    assert_eq!((bytes.bos(), bytes.adds_bos(), bytes.size()), (Some(1), false, 480));
    assert_eq!(bytes.eos(), [2, 0], "generation_config.json goes first");
    let pieces = open(&folder("pieces"));
    assert_eq!((pieces.bos(), pieces.adds_bos(), pieces.eos()), (Some(1), true, &[2][..]));
    let gpt2 = open(&folder("gpt2"));
    assert_eq!((gpt2.bos(), gpt2.adds_bos(), gpt2.eos()), (Some(0), false, &[0][..]));
    assert_eq!(gpt2.token("<|im_end|>"), Some(2));
    let alone = tempfile::tempdir().unwrap();
    for name in ["vocab.json", "merges.txt"] {
        fs::copy(folder("gpt2").join(name), alone.path().join(name)).unwrap();
    }
    assert_eq!((open(alone.path()).bos(), open(alone.path()).eos()), (Some(0), &[0][..]));
    let words = open(&folder("words"));
    assert_eq!((words.bos(), words.adds_bos(), words.eos().len()), (None, false, 0));
}

/// The tokens of a tokenizer.json by their numbers, and its merges.
fn stored(name: &str) -> (Vec<String>, Vec<String>) {
    let text = fs::read_to_string(folder(name).join("tokenizer.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let vocabulary = json["model"]["vocab"].as_object().unwrap();
    let mut tokens: Vec<(u64, &String)> =
        vocabulary.iter().map(|(name, id)| (id.as_u64().unwrap(), name)).collect();
    tokens.sort_unstable();
    let merges = json["model"]["merges"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| format!("{} {}", pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
    (tokens.into_iter().map(|(_, name)| name.clone()).collect(), merges.collect())
}

fn kinds(tokens: &[String], special: usize) -> Vec<i32> {
    let kind = |(index, token): (usize, &String)| match index {
        _ if index < special => 3,
        _ if token.starts_with("<0x") => 6,
        _ => 1,
    };
    tokens.iter().enumerate().map(kind).collect()
}

#[test]
fn gguf_files_with_pairs_of_bytes_have_the_same_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bytes.gguf");
    let (tokens, merges) = stored("bytes");
    let Expected { texts, chats, of_pre } = expected("bytes");
    let config = fs::read_to_string(folder("bytes").join("tokenizer_config.json")).unwrap();
    let config: Value = serde_json::from_str(&config).unwrap();
    for (pre, expected) in of_pre {
        let write = |adds_bos: Option<bool>| {
            let mut all = vec![
                ("tokenizer.ggml.model", Meta::Text("gpt2")),
                ("tokenizer.ggml.pre", Meta::Text(&pre)),
                ("tokenizer.ggml.token_type", Meta::Ints(kinds(&tokens, 3))),
                ("tokenizer.ggml.tokens", Meta::Texts(tokens.clone())),
                ("tokenizer.ggml.merges", Meta::Texts(merges.clone())),
                ("tokenizer.ggml.bos_token_id", Meta::Number(1)),
                ("tokenizer.ggml.eos_token_id", Meta::Number(2)),
                ("tokenizer.ggml.eot_token_id", Meta::Number(2)),
                ("tokenizer.chat_template", Meta::Text(config["chat_template"].as_str().unwrap())),
            ];
            all.extend(adds_bos.map(|adds| ("tokenizer.ggml.add_bos_token", Meta::Flag(adds))));
            gguf(&path, &all, &[]);
            open(&path)
        };
        let tokenizer = write(None);
        for (Text { text, .. }, ids) in texts.iter().zip(&expected) {
            assert_eq!(tokenizer.encode(text, false), *ids, "{pre}: {text:?}");
        }
        for Chat { messages, open, .. } in &chats {
            assert_eq!(tokenizer.chat(messages, true).unwrap(), *open);
        }
        // The token that the metadata name, and <|endoftext|>.
        assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), &[2, 0][..]));
        assert_eq!(tokenizer.adds_bos(), pre == "llama-bpe", "{pre}");
        assert!(write(Some(true)).adds_bos() && !write(Some(false)).adds_bos());
    }
}

#[test]
fn control_tokens_of_gguf_files_end_a_text_by_their_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ends.gguf");
    let ends = [
        "<|eot_id|>",
        "<|im_end|>",
        "<|end|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<EOT>",
        "_<EOT>",
        "<|end_of_text|>",
        "</s>",
    ];
    let tokens: Vec<String> =
        ["a", "<|im_start|>"].into_iter().chain(ends).map(str::to_owned).collect();
    let write = |kind: i32| {
        let kinds = std::iter::once(1).chain(std::iter::repeat_n(kind, tokens.len() - 1));
        let all = [
            ("tokenizer.ggml.model", Meta::Text("gpt2")),
            ("tokenizer.ggml.pre", Meta::Text("default")),
            ("tokenizer.ggml.tokens", Meta::Texts(tokens.clone())),
            ("tokenizer.ggml.token_type", Meta::Ints(kinds.collect())),
            ("tokenizer.ggml.merges", Meta::Texts(Vec::new())),
            ("tokenizer.ggml.eos_token_id", Meta::Number(6)),
        ];
        gguf(&path, &all, &[]);
        open(&path).eos().to_vec()
    };
    // That of the metadata first.
    assert_eq!(write(3), [6, 2, 3, 4, 5, 7, 8, 9, 10]);
    assert_eq!(write(4), [6]);
    assert_eq!(write(1), [6]);
}

#[test]
fn gguf_files_with_pieces_have_the_same_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pieces.gguf");
    let (tokens, _) = stored("pieces");
    let scores = fs::read_to_string(folder("pieces").join("scores.json")).unwrap();
    let all = |space: bool| {
        vec![
            ("tokenizer.ggml.model", Meta::Text("llama")),
            ("tokenizer.ggml.tokens", Meta::Texts(tokens.clone())),
            ("tokenizer.ggml.scores", Meta::Floats(serde_json::from_str(&scores).unwrap())),
            ("tokenizer.ggml.token_type", Meta::Ints(kinds(&tokens, 3))),
            ("tokenizer.ggml.bos_token_id", Meta::Number(1)),
            ("tokenizer.ggml.eos_token_id", Meta::Number(2)),
            ("tokenizer.ggml.unknown_token_id", Meta::Number(0)),
            ("tokenizer.ggml.add_space_prefix", Meta::Flag(space)),
        ]
    };
    gguf(&path, &all(true), &[]);
    let tokenizer = open(&path);
    let Expected { texts, .. } = expected("pieces");
    check(&tokenizer, &Expected { texts, chats: Vec::new(), of_pre: [].into() });
    assert!(tokenizer.adds_bos() && tokenizer.chat_template().is_none());
    let error = tokenizer.chat(&[Message::new("user", "hi")], true).unwrap_err();
    assert!(matches!(error, PretrainedError::NoChatTemplate { .. }), "{error}");
    gguf(&path, &all(false), &[]);
    let bare = open(&path);
    assert_eq!(bare.decode(&bare.encode(" a b", false), false), " a b");
    assert_ne!(bare.encode("a", false), tokenizer.encode("a", false));
}

#[test]
fn gguf_files_with_words_have_the_same_tokens() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("words.gguf");
    let vocabulary = fs::read_to_string(folder("words").join("vocab.txt")).unwrap();
    let stored = |token: &str| match token.strip_prefix("##") {
        Some(rest) => rest.to_owned(),
        None if token.starts_with('[') && token.len() > 2 => token.to_owned(),
        None => format!("▁{token}"),
    };
    let tokens: Vec<String> = vocabulary.lines().map(stored).collect();
    let all = [
        ("tokenizer.ggml.model", Meta::Text("bert")),
        ("tokenizer.ggml.token_type", Meta::Ints(kinds(&tokens, 5))),
        ("tokenizer.ggml.tokens", Meta::Texts(tokens)),
    ];
    gguf(&path, &all, &[]);
    check(&open(&path), &expected("words"));
}

#[test]
fn what_is_no_tokenizer_is_said_with_its_file_and_a_remedy() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    assert!(Tokenizer::open(directory.path()).unwrap().is_none());
    let refused = |path: &Path| Tokenizer::open(path).unwrap_err().to_string();
    assert!(refused(&at("none")).contains("cannot be read"));
    for (name, content, words) in [
        ("tokenizer.json", "{", "its tokenizer cannot be read: "),
        ("tokenizer.json", "{}", "tokenizer.json"),
        (
            "tokenizer.json",
            r#"{"version": "1.0", "model": {"type": "BPE", "vocab": {}, "merges": []}}"#,
            "no tokens",
        ),
        // A pair that is longer than any token: the library panics.
        (
            "tokenizer.json",
            r#"{"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}}"#,
            "tokenizer.json",
        ),
        // A token around texts that is not listed with them: the library panics.
        (
            "tokenizer.json",
            r#"{"version": "1.0", "post_processor": {"type": "TemplateProcessing", "pair": [], "special_tokens": {},
                "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]},
                "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}}"#,
            "it puts <s> around a text and does not list it",
        ),
        ("weights.safetensors", "", "name a model's folder"),
        ("model.gguf", "GGUF", "model.gguf"),
    ] {
        fs::write(at(name), content).unwrap();
        let error = refused(&at(name));
        assert!(error.contains(words), "{error}");
    }
    fs::remove_file(at("tokenizer.json")).unwrap();
    fs::write(at("tokenizer.model"), "x").unwrap();
    let error = refused(directory.path());
    assert!(error.contains("tokenizer.model") && error.contains("save_pretrained"), "{error}");
    for (key, value, words) in [
        ("tokenizer.ggml.model", "plamo2", "gpt2, llama and bert are"),
        ("tokenizer.ggml.pre", "nobody", "smollm"),
    ] {
        let model = if key.ends_with("model") { value } else { "gpt2" };
        let pre = if key.ends_with("pre") { value } else { "default" };
        let all = [
            ("tokenizer.ggml.model", Meta::Text(model)),
            ("tokenizer.ggml.pre", Meta::Text(pre)),
            ("tokenizer.ggml.tokens", Meta::Texts(vec!["a".to_owned()])),
        ];
        gguf(&at("model.gguf"), &all, &[]);
        let error = refused(&at("model.gguf"));
        assert!(error.contains(&format!("{key} = {value}")) && error.contains(words), "{error}");
    }
    fs::copy(folder("bytes").join("tokenizer.json"), at("tokenizer.json")).unwrap();
    fs::write(at("generation_config.json"), "[]").unwrap();
    let error = refused(directory.path());
    assert!(error.contains("generation_config.json: it is no object"), "{error}");
}

#[test]
fn llamas_tokenizers_put_around_a_text_what_their_config_says() {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(folder("pieces").join("tokenizer.json"), directory.path().join("tokenizer.json"))
        .unwrap();
    let with = |bos: bool, eos: bool| {
        let config = format!(
            r#"{{"tokenizer_class": "LlamaTokenizer", "add_bos_token": {bos}, "add_eos_token": {eos},
            "bos_token": "<s>", "eos_token": "</s>"}}"#
        );
        fs::write(directory.path().join("tokenizer_config.json"), config).unwrap();
        let tokenizer = open(directory.path());
        let tokens = tokenizer.encode("a", true);
        (tokenizer.adds_bos(), tokens.first() == Some(&1), tokens.last() == Some(&2))
    };
    assert_eq!(with(true, false), (true, true, false));
    assert_eq!(with(false, false), (false, false, false));
    assert_eq!(with(true, true), (true, true, true));
}

proptest! {
    #[test]
    fn any_text_comes_back_as_it_was(text in "\\PC{0,40}|[\\x00-\\x{ffff}]{0,30}|\\p{Any}{0,30}") {
        // The mark of a space is one in such vocabularies.
        for (name, text) in [("bytes", text.clone()), ("gpt2", text.clone()), ("pieces", text.replace('▁', "_"))] {
            let tokenizer = open(&folder(name));
            let tokens = tokenizer.encode(&text, false);
            prop_assert_eq!(tokenizer.decode(&tokens, false), text.clone());
            let mut stream = tokenizer.stream(false);
            let mut streamed: String = tokens.iter().map(|token| stream.push(*token)).collect();
            streamed.push_str(&stream.rest());
            prop_assert_eq!(streamed, text);
        }
    }

    #[test]
    fn any_tokens_make_the_same_text_one_by_one(tokens in prop::collection::vec(0_u32..480, 0..40)) {
        let tokenizer = open(&folder("bytes"));
        for skip_special in [true, false] {
            let mut stream = tokenizer.stream(skip_special);
            let mut streamed: String = tokens.iter().map(|token| stream.push(*token)).collect();
            streamed.push_str(&stream.rest());
            let whole = tokenizer.decode(&tokens, skip_special);
            prop_assert_eq!(streamed.replace('\u{fffd}', ""), whole.replace('\u{fffd}', ""));
        }
    }
}

/// Texts and tokenizers of real models, where there are some.
#[test]
fn real_texts_come_back_from_real_tokenizers() {
    let shared = Path::new("../../../shared/data");
    let Ok(texts) = fs::read_dir(shared.join("udhr")) else {
        eprintln!("skipped: there is no {}", shared.display());
        return;
    };
    let names = ["gpt2-bpe", "stories260k", "smollm2-135m"];
    let tokenizers = names.map(|name| open(&shared.join(name)));
    let paths = texts.map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "txt")) {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for (name, tokenizer) in names.iter().zip(&tokenizers) {
            let tokens = tokenizer.encode(&text, false);
            assert!(tokenizer.decode(&tokens, false) == text, "{name}: {}", path.display());
        }
    }
    let expected: Value = serde_json::from_str(
        &fs::read_to_string(shared.join("stories260k/expected.json")).unwrap(),
    )
    .unwrap();
    let ids: Vec<u32> = serde_json::from_value(expected["ids"].clone()).unwrap();
    let [_, stories, _] = &tokenizers;
    assert_eq!(stories.encode(expected["prompt"].as_str().unwrap(), true), ids);
    assert_eq!((stories.adds_bos(), stories.bos(), stories.eos()), (true, Some(1), &[2][..]));
}
