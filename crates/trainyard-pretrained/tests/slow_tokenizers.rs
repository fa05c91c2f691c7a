//! Tokenizers in the formats before `tokenizer.json`: how texts are cut follows from the class, and tokens are added.
#![allow(clippy::unwrap_used, reason = "a test that cannot read its files fails at once")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use trainyard_pretrained::Tokenizer;

fn fixture(name: &str) -> PathBuf {
    Path::new("tests/tokenizers").join(name)
}

/// A folder with a vocabulary and what a `tokenizer_config.json` says.
fn folder(files: &[&str], config: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let from = fixture(if *file == "vocab.txt" { "words" } else { "gpt2" });
        fs::copy(from.join(file), folder.path().join(file)).unwrap();
    }
    fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    folder
}

const PAIRS: &[&str] = &["vocab.json", "merges.txt"];

fn open(folder: &tempfile::TempDir) -> Tokenizer {
    Tokenizer::open(folder.path()).unwrap().unwrap()
}

fn refusal(folder: &tempfile::TempDir) -> String {
    Tokenizer::open(folder.path()).unwrap_err().to_string()
}

fn added(content: &str, special: bool) -> Value {
    json!({
        "content": content, "lstrip": false, "normalized": false, "rstrip": false,
        "single_word": false, "special": special
    })
}

#[test]
fn qwens_files_cut_texts_as_qwen_does() {
    let expected = fs::read_to_string(fixture("bytes").join("expected.json")).unwrap();
    let expected: Value = serde_json::from_str(&expected).unwrap();
    let special = json!({
        "0": added("<|endoftext|>", true), "1": added("<|im_start|>", true),
        "2": added("<|im_end|>", true)
    });
    let of_class = json!({ "tokenizer_class": "Qwen2Tokenizer", "added_tokens_decoder": special });
    let of_model = folder(PAIRS, &json!({ "added_tokens_decoder": special }));
    fs::write(of_model.path().join("config.json"), r#"{"model_type": "qwen3"}"#).unwrap();
    for folder in [folder(PAIRS, &of_class), of_model] {
        let tokenizer = open(&folder);
        let ids = expected["of_pre"]["qwen2"].as_array().unwrap();
        for (text, ids) in expected["texts"].as_array().unwrap().iter().zip(ids) {
            let text = text["text"].as_str().unwrap();
            assert_eq!(json!(tokenizer.encode(text, true)), *ids, "{text:?}");
        }
    }
    let prefixed = json!({ "tokenizer_class": "Qwen2TokenizerFast", "add_prefix_space": true });
    let refused = refusal(&folder(PAIRS, &prefixed));
    assert!(refused.contains("add_prefix_space = true"), "{refused}");
}

#[test]
fn tokens_that_a_folder_adds_are_found_before_anything_else() {
    let decoder = json!({
        "480": added("<tool>", false), "481": added("<|mark|>", true),
        "0": added("<|endoftext|>", true)
    });
    let config = json!({ "tokenizer_class": "GPT2Tokenizer", "added_tokens_decoder": decoder });
    let newer = folder(PAIRS, &config);
    let config = json!({
        "tokenizer_class": "GPT2TokenizerFast", "additional_special_tokens": ["<|mark|>"]
    });
    let older = folder(PAIRS, &config);
    let said = r#"{"<tool>": 480, "<|mark|>": 481}"#;
    fs::write(older.path().join("added_tokens.json"), said).unwrap();
    for folder in [newer, older] {
        let tokenizer = open(&folder);
        let tokens = tokenizer.encode("a<tool>b<|mark|><|endoftext|>", false);
        let plain = |text| tokenizer.encode(text, false);
        assert_eq!(tokens, [plain("a"), vec![480], plain("b"), vec![481, 0]].concat());
        assert_eq!(tokenizer.decode(&tokens, true), "a<tool>b");
        assert_eq!(tokenizer.size(), 482);
    }
    // A token of the vocabulary that a config names is special too.
    let named = open(&folder(PAIRS, &json!({ "eos_token": "<|im_end|>" })));
    assert_eq!((named.encode("<|im_end|>", false), named.eos()), (vec![2], &[2][..]));
    let lines = fs::read_to_string(fixture("words").join("vocab.txt")).unwrap().lines().count();
    let decoder = json!({ lines.to_string(): added("[url]", true) });
    let config = json!({ "tokenizer_class": "BertTokenizer", "added_tokens_decoder": decoder });
    let words = open(&folder(&["vocab.txt"], &config));
    assert_eq!(words.encode("[url]", false), [lines as u32]);
}

#[test]
fn numbers_that_no_tokenizer_json_can_have_are_refused() {
    for id in ["500", "5"] {
        let config = json!({ "added_tokens_decoder": { id: added("<tool>", false) } });
        let refused = refusal(&folder(PAIRS, &config));
        assert!(refused.contains("'<tool>'") && refused.contains("save_pretrained"), "{refused}");
    }
    let broken = folder(PAIRS, &json!({ "added_tokens_decoder": { "480": "<tool>" } }));
    assert!(refusal(&broken).contains("added_tokens_decoder has 480"));
    let broken = folder(PAIRS, &json!({}));
    fs::write(broken.path().join("added_tokens.json"), r#"{"<tool>": -1}"#).unwrap();
    assert!(refusal(&broken).contains("'<tool>' has number -1"));
}

#[test]
fn classes_whose_way_to_cut_texts_is_not_known_are_refused_with_a_remedy() {
    for (files, class) in [
        (PAIRS, "LlamaTokenizer"),
        (PAIRS, "PreTrainedTokenizerFast"),
        (PAIRS, "BertTokenizer"),
        (&["vocab.txt"], "BertJapaneseTokenizer"),
    ] {
        let refused = refusal(&folder(files, &json!({ "tokenizer_class": class })));
        assert!(refused.contains(&format!("tokenizer_class = {class}")), "{refused}");
        assert!(refused.contains("from_pretrained(FOLDER).save_pretrained(FOLDER)"), "{refused}");
    }
}

#[test]
fn tokens_around_a_text_are_those_of_the_config() {
    let with = |bos: bool, eos: bool| {
        let config = json!({
            "tokenizer_class": "GPT2Tokenizer", "bos_token": "<|im_start|>",
            "eos_token": "<|im_end|>", "add_bos_token": bos, "add_eos_token": eos
        });
        let tokens = open(&folder(PAIRS, &config)).encode("a", true);
        (tokens.first() == Some(&1), tokens.last() == Some(&2))
    };
    assert_eq!(with(false, false), (false, false));
    assert_eq!(with(true, false), (true, false));
    assert_eq!(with(true, true), (true, true));
}

/// `transformers` 5.24 (`TokenizersBackend.__init__`): first those with numbers, then those that are named.
#[test]
fn tokens_that_configs_add_to_a_tokenizer_json_count() {
    let with = |config: &Value| {
        let folder = folder(&[], config);
        let json = fixture("bytes").join("tokenizer.json");
        fs::copy(json, folder.path().join("tokenizer.json")).unwrap();
        folder
    };
    let mut stripping = added("<|im_end|>", true);
    stripping["rstrip"] = true.into();
    let config = json!({
        "added_tokens_decoder": {
            "481": added("<tool>", false), "480": added("<|mark|>", true), "2": stripping
        },
        "pad_token": "<|pad|>", "eos_token": "<|im_end|>", "additional_special_tokens": ["train"]
    });
    let (plain, more) = (with(&json!({})), with(&config));
    let (plain, more) = (open(&plain), open(&more));
    assert_eq!(
        (plain.size(), more.size()),
        (480, 483 + usize::from(plain.token("train").is_none()))
    );
    let of = |text| plain.encode(text, false);
    let tokens = more.encode("a<tool>b<|mark|><|im_end|> \n c<|pad|>", false);
    assert_eq!(tokens, [of("a"), vec![481], of("b"), vec![480, 2], of("c"), vec![482]].concat());
    assert_eq!(more.decode(&tokens, true), "a<tool>bc");
    assert_eq!(more.encode("atrain", false).len(), 2);
    // The older file adds what is not there, and changes nothing.
    let older = with(&json!({}));
    fs::write(older.path().join("added_tokens.json"), r#"{"<tool>": 480, "<|im_end|>": 2}"#)
        .unwrap();
    assert_eq!(open(&older).encode("<tool><|im_end|> a", false), [vec![480, 2], of(" a")].concat());
    let broken = with(&json!({ "added_tokens_decoder": { "490": added("<tool>", false) } }));
    let refused = refusal(&broken);
    assert!(refused.contains("'<tool>' that is added to it has number 490"), "{refused}");
}

/// Tokens of a vocabulary of letters, by BERT's options.
#[test]
fn berts_options_of_letters_count() {
    let encode = |more: Value, text: &str| {
        let folder = tempfile::tempdir().unwrap();
        let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ne\né\n人\n人人\nE\n<?>\n";
        fs::write(folder.path().join("vocab.txt"), words).unwrap();
        fs::write(folder.path().join("tokenizer_config.json"), more.to_string()).unwrap();
        open(&folder).encode(text, false)
    };
    assert_eq!(encode(json!({}), "é人人E"), [5, 7, 7, 5]);
    assert_eq!(encode(json!({ "strip_accents": false }), "é"), [6]);
    assert_eq!(encode(json!({ "strip_accents": true, "do_lower_case": false }), "é E"), [5, 9]);
    assert_eq!(encode(json!({ "tokenize_chinese_chars": false }), "人人"), [8]);
    assert_eq!(encode(json!({ "unk_token": "<?>" }), "x"), [10]);
}
