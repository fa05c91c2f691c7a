//! Chats as rows of tokens.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::kind::section;
use crate::source::{IGNORED, SEGMENTS};
use crate::tokens::tests::byte_tokenizer;
use crate::{Cursor, DataSource, HostTensor};

/// Chats that are all different.
pub(crate) fn sample(folder: &Path) -> Value {
    let tokenizer = byte_tokenizer(folder);
    let lines: Vec<String> = (0..40)
        .map(|number| {
            json!({ "prompt": format!("{number}?"), "completion": format!("{number}!") })
                .to_string()
        })
        .collect();
    let path = folder.join("chats.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    json!({ "chat": path, "tokenizer": tokenizer, "context": 64, "validation_fraction": 0.2 })
}

fn open(lines: &[&str], more: &Value) -> Result<Box<dyn DataSource>, DataError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chats.jsonl");
    fs::write(&path, lines.join("\n")).unwrap();
    let tokenizer = byte_tokenizer(folder.path());
    let mut options = json!({ "chat": path, "tokenizer": tokenizer, "validation_fraction": 0.0 });
    options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    crate::open(&section("chat", &options))
}

/// Texts of each row: all of it, and what is to be learned.
fn rows(source: &dyn DataSource) -> Vec<[String; 2]> {
    let samples = source.info().samples.unwrap() as usize;
    let batch = source.batch(Cursor::new(1), samples).unwrap();
    let values = |name: &str| match batch.get(name) {
        Some(HostTensor::I32 { values, .. }) => values.clone(),
        other => panic!("{name}: {other:?}"),
    };
    let (tokens, targets) = (values("tokens"), values("targets"));
    let context = source.info().tensors[0].row_shape[0];
    let tokenizer = source.tokenizer().unwrap();
    let text = |tokens: &[i32]| {
        let known = tokens.iter().filter(|token| **token > 0).map(|token| token.cast_unsigned());
        tokenizer.decode(&known.collect::<Vec<_>>(), false)
    };
    let both = tokens.chunks(context).zip(targets.chunks(context));
    let mut all: Vec<_> = both.map(|(tokens, targets)| [tokens, targets].map(text)).collect();
    all.sort();
    all
}

const TALK: &str = r#"{"messages": [{"role": "system", "content": "be kind"},
    {"role": "user", "content": "the é?"}, {"role": "assistant", "content": "yes"},
    {"role": "user", "content": "so?"}, {"role": "assistant", "content": " no "}]}"#;

#[test]
fn what_the_assistant_says_is_learned() {
    let talk = TALK.replace('\n', " ");
    let source =
        open(&[&talk, "", r#"{"prompt": "a", "completion": "b"}"#], &json!({ "context": 80 }));
    let source = source.unwrap();
    assert!(source.info().remarks.is_empty(), "{:?}", source.info().remarks);
    let written = "<|im_start|>system\nbe kind<|im_end|>\n<|im_start|>user\nthe é?<|im_end|>\n\
                   <|im_start|>assistant\nyes<|im_end|>\n<|im_start|>user\nso?<|im_end|>\n\
                   <|im_start|>assistant\n no <|im_end|>\n";
    let short = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n";
    let expected = [[written, "yes<|im_end|> no <|im_end|>"], [short, "b<|im_end|>"]];
    let mut expected = expected.map(|row| row.map(str::to_owned));
    expected.sort();
    assert_eq!(rows(&*source), expected);
    let all = open(&[&talk], &json!({ "context": 200, "train_on": "all" })).unwrap();
    // All but the first, which nothing predicts.
    assert_eq!(rows(&*all), [[written.to_owned(), written["<|im_start|>".len()..].to_owned()]]);
}

#[test]
fn long_chats_are_cut_or_split_or_refused_and_that_is_said() {
    let long = format!(r#"{{"prompt": "a", "completion": "{}"}}"#, "bcdefghijk".repeat(4));
    let lines = [r#"{"prompt": "a", "completion": "b"}"#, &long];
    // The answer begins with token 20.
    let cut = open(&lines, &json!({ "context": 30 })).unwrap();
    let learned = |source: &dyn DataSource| {
        rows(source).into_iter().map(|[_, learned]| learned).collect::<Vec<_>>()
    };
    let found = learned(&*cut);
    assert_eq!(found.len(), 2);
    assert!(
        found.iter().any(|text| text.starts_with("bcdefghijk") && text.len() < 40),
        "{found:?}"
    );
    let remarks = &cut.info().remarks;
    assert!(
        remarks[0].starts_with("1 of 2 chats is longer than a context of 30 tokens and was cut")
    );
    let split = open(&lines, &json!({ "context": 30, "too_long": "split" })).unwrap();
    let mut found = learned(&*split);
    found.sort_by_key(String::len);
    let whole = "bcdefghijk".repeat(4) + "<|im_end|>";
    let parts: usize = found.iter().map(String::len).sum();
    assert_eq!(parts, whole.len() + "b<|im_end|>".len(), "each is learned once: {found:?}");
    let error = open(&lines, &json!({ "context": 30, "too_long": "refuse" })).err().unwrap();
    let error = error.to_string();
    assert!(error.contains("line 2: the chat has") && error.contains("too_long"), "{error}");
    let short = open(&lines, &json!({ "context": 8 })).err().unwrap().to_string();
    let expected = "none of the 2 chats has an answer within 8 tokens; use a larger context (the shortest needs";
    assert!(short.contains(expected), "{short}");
}

#[test]
fn tokens_that_a_model_does_not_know_are_found() {
    let source =
        open(&[r#"{"prompt": "a", "completion": "b"}"#], &json!({ "context": 40 })).unwrap();
    let size = source.tokenizer().unwrap().size() as u64;
    // All that is learned is marked in the file.
    assert!(source.check_known(size).is_ok());
    let error = source.check_known(size - 1).unwrap_err();
    let words = format!(
        "chats.jsonl has the token '<|im_end|>', number {}, and the model knows {0} tokens",
        size - 1
    );
    assert!(error.to_string().contains(&words), "{error}");
    assert!(error.to_string().contains("resize_token_embeddings"), "{error}");
    assert!(error.is_wrong_input());
    // One that merely has more tokens is fine.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.jinja");
    fs::write(&path, "{% for m in messages %}[{{ m.content }}]{% endfor %}").unwrap();
    let more = json!({ "context": 20, "template": path });
    let source = open(&[r#"{"prompt": "a", "completion": "b"}"#], &more).unwrap();
    assert!(source.check_known(size - 3).is_ok());
    assert!(source.check_known(90).is_err());
}

#[test]
fn a_template_of_ones_own_takes_the_place_of_the_tokenizers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.jinja");
    fs::write(&path, "{% for m in messages %}[{{ m.content }}]{% endfor %}").unwrap();
    let more = json!({ "context": 20, "template": path, "train_on": "all" });
    let source = open(&[r#"{"instruction": "a", "output": "b"}"#], &more).unwrap();
    assert_eq!(rows(&*source)[0], ["[a][b]".to_owned(), "a][b]".to_owned()]);
    fs::write(&path, "{{ raise_exception('no system') }}").unwrap();
    let error = open(&[r#"{"instruction": "a", "output": "b"}"#], &more).err().unwrap().to_string();
    assert!(error.contains("line 1: ") && error.contains("no system"), "{error}");
    let error = open(&["3"], &json!({})).err().unwrap().to_string();
    assert!(error.contains("chats.jsonl: line 1: it is no object of JSON"), "{error}");
    let error = open(&[], &json!({ "tokenizer": "nowhere" })).err().unwrap().to_string();
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn answers_of_no_weight_are_not_learned() {
    let line = r#"{"messages": [{"role": "assistant", "content": "hello"}, {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b", "weight": 0}, {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d", "weight": 1}]}"#;
    let line = line.replace('\n', " ");
    let learned = |more: Value| rows(&*open(&[&line], &more).unwrap())[0][1].clone();
    // The first of a chat is learned, too, though templates may write something else where there is none.
    assert_eq!(learned(json!({ "context": 200 })), "hello<|im_end|>d<|im_end|>");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.jinja");
    let template = "{% if messages %}to all: {% endif %}{% for m in messages %}[{{ m.content }}]\
                    {% endfor %}";
    fs::write(&path, template).unwrap();
    assert_eq!(learned(json!({ "context": 200, "template": path })), "hello][d]");
    let all = learned(json!({ "context": 200, "train_on": "all" }));
    assert!(all.contains("hello<|im_end|>") && all.contains("assistant\n\n"), "{all}");
}

#[test]
fn chats_that_teach_nothing_are_left_out_and_named() {
    let good = r#"{"prompt": "a", "completion": "b"}"#;
    let empty = r#"{"prompt": "a", "completion": " "}"#;
    let asked = r#"{"messages": [{"role": "user", "content": "a"}]}"#;
    let source = open(&[good, empty, good, asked, asked], &json!({ "context": 30 })).unwrap();
    assert_eq!(rows(&*source).len(), 2);
    let remarks = &source.info().remarks;
    assert_eq!(
        remarks[..],
        [
            "2 of 5 chats have no answer and were left out: line 4 of chats.jsonl, line 5 of chats.jsonl",
            "1 of 5 chats has an empty answer and was left out: line 2 of chats.jsonl",
        ]
    );
    // Where all is learned, a question is enough.
    let all = open(&[asked], &json!({ "context": 90, "train_on": "all" })).unwrap();
    assert!(!all.info().remarks.concat().contains("left out"));
    let refused =
        |lines: &[&str]| open(lines, &json!({ "context": 90 })).err().unwrap().to_string();
    let error = refused(&[empty]);
    assert!(error.contains("its only chat has no answer with words"), "{error}");
    let error = refused(&[]);
    assert!(error.ends_with("chats.jsonl: it is empty; write a chat a line"), "{error}");
}

#[test]
fn roles_that_no_template_knows_are_refused() {
    let said = |role: &str| {
        let line = json!({ "messages": [{ "role": role, "content": "a" }, { "role": "assistant", "content": "b" }] });
        open(&[&line.to_string()], &json!({ "context": 90 })).err().map(|error| error.to_string())
    };
    assert_eq!(said("tool"), None);
    let only =
        r#"{"messages": [{"role": "user", "content": "a"}, {"role": "asistant", "content": "b"}]}"#;
    let error = open(&[only], &json!({ "context": 90 })).err().unwrap().to_string();
    assert!(error.contains("message 2: there is no role 'asistant'"), "{error}");
    let error = said("asistant").unwrap();
    assert!(
        error.contains("line 1: message 1: there is no role 'asistant'; did you mean 'assistant'?"),
        "{error}"
    );
    assert!(said("narrator").unwrap().contains("there are system, user, assistant, tool"));
}

#[test]
fn chats_that_share_too_few_rows_are_counted_as_chats() {
    let lines = [r#"{"prompt": "a", "completion": "b"}"#; 3];
    let more = json!({ "context": 200, "packing": true, "validation_fraction": 0.5 });
    let error = open(&lines, &more).err().unwrap().to_string();
    assert!(error.contains("its 3 chats share 1 row, too few"), "{error}");
}

#[test]
fn rows_that_are_hardly_filled_are_spoken_of() {
    let chat = r#"{"prompt": "a", "completion": "b"}"#;
    let remarks = |more: Value| open(&[chat, chat], &more).unwrap().info().remarks.join("; ");
    let told = remarks(json!({ "context": 100 }));
    assert!(
        told.contains("fill 21 % of their rows of 100 tokens") && told.contains("context = 21")
    );
    assert_eq!(remarks(json!({ "context": 30 })), "");
}

#[test]
fn rows_are_filled_up_with_what_does_not_count() {
    let source =
        open(&[r#"{"prompt": "a", "completion": "b"}"#], &json!({ "context": 90 })).unwrap();
    let batch = source.batch(Cursor::new(1), 1).unwrap();
    let Some(HostTensor::I32 { values, shape }) = batch.get("targets") else { panic!() };
    assert_eq!(shape, &[1, 90]);
    assert_eq!(values.iter().filter(|target| **target != IGNORED).count(), 2);
}

/// Chats of many lengths.
fn many() -> Vec<String> {
    let chat = |number: usize| json!({ "prompt": format!("{number}?"), "completion": "so ".repeat(number % 13) + "on" });
    (0..40).map(|number| chat(number).to_string()).collect()
}

#[test]
fn packed_chats_are_those_alone_in_nearly_full_rows() {
    let lines = many();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let alone = open(&lines, &json!({ "context": 100 })).unwrap();
    let packed = open(&lines, &json!({ "context": 100, "packing": true })).unwrap();
    let (info, rows) = (packed.info(), packed.info().samples.unwrap());
    assert_eq!(alone.info().samples, Some(40));
    assert_ne!(info.fingerprint, alone.info().fingerprint);
    let remark = format!("40 chats share {rows} rows");
    assert!(info.remarks.iter().any(|it| it.starts_with(&remark)), "{:?}", info.remarks);
    let values = |batch: &Batch, name: &str| match batch.get(name) {
        Some(HostTensor::I32 { values, .. }) => values.clone(),
        other => panic!("{name}: {other:?}"),
    };
    // Inputs and targets of each chat, without what follows its last answer.
    let mut expected = Vec::new();
    let batch = alone.batch(Cursor::new(1), 40).unwrap();
    let (tokens, targets) = (values(&batch, "tokens"), values(&batch, "targets"));
    for (tokens, targets) in tokens.chunks(100).zip(targets.chunks(100)) {
        let end = targets.iter().rposition(|target| *target != IGNORED).unwrap() + 1;
        expected.push((tokens[..end].to_vec(), targets[..end].to_vec()));
    }
    let mut found = Vec::new();
    let batch = packed.batch(Cursor::new(1), rows as usize).unwrap();
    let [tokens, targets, segments] = ["tokens", "targets", SEGMENTS].map(|it| values(&batch, it));
    assert_eq!(segments.len(), 100 * rows as usize);
    for ((tokens, targets), segments) in
        tokens.chunks(100).zip(targets.chunks(100)).zip(segments.chunks(100))
    {
        for number in 1..=*segments.iter().max().unwrap() {
            let places: Vec<usize> = (0..100).filter(|at| segments[*at] == number).collect();
            assert!(places.array_windows().all(|[one, next]| one + 1 == *next), "{segments:?}");
            let end = places.iter().rposition(|at| targets[*at] != IGNORED).unwrap() + 1;
            let of = |all: &[i32]| places[..end].iter().map(|at| all[*at]).collect::<Vec<_>>();
            found.push((of(tokens), of(targets)));
        }
        let is_filling = |at: &usize| segments[*at] == 0;
        assert!((0..100).filter(is_filling).all(|at| targets[at] == IGNORED && tokens[at] == 0));
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    let filled = segments.iter().filter(|segment| **segment != 0).count();
    assert_eq!(packed.items(&batch), filled as u64);
    assert!(filled * 10 >= segments.len() * 9, "{filled} of {}", segments.len());
    assert_ne!(batch, packed.batch(Cursor::new(2), rows as usize).unwrap());
}

#[test]
fn what_rows_are_filled_up_with_is_no_item() {
    let line = r#"{"prompt": "a", "completion": "b"}"#;
    let source = open(&[line], &json!({ "context": 90 })).unwrap();
    let batch = source.batch(Cursor::new(1), 1).unwrap();
    let tokens = source.tokenizer().unwrap().encode(&rows(&*source)[0][0], false);
    assert_eq!(source.items(&batch), tokens.len() as u64);
    let cut = open(&[line], &json!({ "context": 20, "train_on": "all" })).unwrap();
    assert_eq!(cut.items(&cut.batch(Cursor::new(1), 1).unwrap()), 20);
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_files_have_the_chats_of_their_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chats.parquet");
    let talk = json!({ "messages": [{ "role": "user", "content": "so?" }, { "role": "assistant", "content": "é" }] });
    let two = [talk.clone(), json!({ "prompt": "a", "completion": "b" })];
    let open_at = |path: &Path| {
        let tokenizer = byte_tokenizer(folder.path());
        let options = json!({ "chat": path, "tokenizer": tokenizer, "context": 90, "validation_fraction": 0.0 });
        crate::open(&section("chat", &options))
    };
    crate::parquet_file::tests::write(&path, &two, parquet::basic::Compression::SNAPPY);
    let lines = two.each_ref().map(ToString::to_string);
    let expected = open(&lines.each_ref().map(String::as_str), &json!({ "context": 90 })).unwrap();
    // A file, and the folder in which it is.
    for place in [&*path, folder.path()] {
        assert_eq!(rows(&*open_at(place).unwrap()), rows(&*expected));
    }
    let bad = [talk, json!({ "messages": [], "prompt": "a" })];
    crate::parquet_file::tests::write(&path, &bad, parquet::basic::Compression::SNAPPY);
    let error = open_at(&path).err().unwrap().to_string();
    assert!(error.contains("chats.parquet: row 2: the chat is empty"), "{error}");
}
