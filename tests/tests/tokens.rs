//! Training on the tokens of a model's tokenizer: texts and chats, what is shown of them, and what counts.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails at once and says why")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use trainyard_tests::{
    assert_says, json_lines, losses, read, root, run_fails, run_ok, set, temp_dir, train,
    train_command, trainyard, write, write_run_file,
};

/// A tokenizer of `scripts/tokenizer-fixtures.py`.
fn tokenizer(name: &str) -> PathBuf {
    root().join("crates/trainyard-pretrained/tests/tokenizers").join(name)
}

fn key(name: &str, path: &Path) -> String {
    format!("{name}={:?}", path.display().to_string())
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn preview(file: &Path, samples: usize, sets: &[&str]) -> Value {
    let mut command = trainyard();
    command.args(["preview", "--json", "--samples", &samples.to_string()]).arg(file);
    json(&run_ok(set(&mut command, sets)))
}

fn evaluate(run: &Path, data: &Path, sets: &[&str]) -> Value {
    let mut command = trainyard();
    command.args(["evaluate", "--json"]).arg(run).arg("--data").arg(data);
    json(&run_ok(set(&mut command, sets)))
}

/// The run file of the other tests with chats instead of its text.
fn chat_file(dir: &Path, lines: &[&str]) -> PathBuf {
    let file = write_run_file(dir);
    write(&dir.join("chats.jsonl"), lines.join("\n"));
    let chats = format!(
        "chat = \"chats.jsonl\"\ntokenizer = {:?}",
        tokenizer("bytes").display().to_string()
    );
    let text = read(&file).replace("text = \"input.txt\"", &chats);
    assert!(text.contains("chats.jsonl"), "{text}");
    write(&file, text);
    file
}

const CHATS: [&str; 4] = [
    r#"{"prompt": "two and two?", "completion": "four"}"#,
    r#"{"instruction": "say", "input": "yes", "output": "yes, and no"}"#,
    r#"{"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"},
        {"role": "user", "content": "so"}, {"role": "assistant", "content": "la la la"}]}"#,
    r#"{"prompt": "?", "completion": "!"}"#,
];

fn chats() -> Vec<String> {
    CHATS.iter().cycle().take(24).map(|line| line.replace('\n', " ")).collect()
}

#[test]
fn a_text_is_trained_on_in_the_tokens_of_a_tokenizer() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let (with, batches) =
        (key("data.tokenizer", &tokenizer("bytes")), dir.path().join("batches.jsonl"));
    let run = dir.path().join("run");
    let mut command = train_command(&file, &run);
    command.arg("--dump-batches").arg(&batches);
    run_ok(set(
        &mut command,
        &[
            &with,
            "train.steps=3",
            "train.decay_steps=5",
            "train.sample_tokens=4",
            "train.validate_every=2",
        ],
    ));
    let dumped = json_lines(&read(&batches), "batches");
    let steps: Vec<_> = dumped.iter().map(|line| line["step"].as_u64()).collect();
    assert_eq!(steps, [Some(1), Some(2), Some(3)]);
    // What was trained on first is what is shown first.
    let shown = preview(&file, 8, &[&with]);
    let rows = dumped[0]["tokens"].as_array().expect("rows");
    assert_eq!(rows.len(), 8);
    for (row, sample) in rows.iter().zip(shown["samples"].as_array().expect("samples")) {
        let (row, tokens) =
            (row.as_array().expect("a row"), sample["tokens"].as_array().expect("tokens"));
        assert_eq!(row[..], tokens[..row.len()]);
        let text = sample["text"].as_str().expect("a text");
        let whole = "the train leaves when no track is overloaded\n".repeat(200);
        assert!(whole.contains(text) && text.len() > row.len(), "{text}");
        assert_eq!(
            sample["counts"].as_array().expect("counts").iter().filter(|it| **it == true).count(),
            row.len()
        );
    }
    let stderr = run_fails(
        train_command(&file, &dir.path().join("b")).arg("--dump-batches").arg(&batches),
        2,
    );
    assert_says(&stderr, &["--dump-batches", "not there yet"]);
    // It goes on where it stopped, and the file with it.
    let whole = train(&file, "whole", &[&with, "train.steps=5", "train.decay_steps=5"]);
    let mut command = train_command(&file, &run);
    command.arg("--resume").arg("--dump-batches").arg(&batches);
    run_ok(set(
        &mut command,
        &[
            &with,
            "train.steps=5",
            "train.decay_steps=5",
            "train.sample_tokens=4",
            "train.validate_every=2",
        ],
    ));
    assert_eq!(json_lines(&read(&batches), "batches").len(), 5);
    let both = [losses(&whole), losses(&run)];
    assert_eq!(both[0][&5], both[1][&5]);
    // Another tokenizer with as many tokens, which mean something else.
    let mut command = trainyard();
    command.arg("resume").arg(&run);
    let other = key("data.tokenizer", &tokenizer("gpt2"));
    let stderr = run_fails(set(&mut command, &[&other, "train.steps=6"]), 2);
    assert_says(&stderr, &["the tokenizer of", "begin a new run"]);
}

#[test]
fn each_token_of_a_window_is_predicted_but_its_first() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let folder = tokenizer("pieces");
    let run = train(&file, "run", &[&key("data.tokenizer", &folder), "train.steps=2"]);
    // The model's context, in the run file.
    let positions = 16;
    let expected = json(&read(&folder.join("expected.json")));
    let mut tried = 0;
    for text in expected["texts"].as_array().expect("texts") {
        let tokens = text["special"].as_array().expect("tokens").len();
        if tokens < 5 {
            continue;
        }
        let data = dir.path().join("data.txt");
        write(&data, text["text"].as_str().expect("a text"));
        let windows = (0..tokens).step_by(positions).map(|start| positions.min(tokens - start));
        let predicted: usize = windows.map(|window| window - 1).sum();
        let found = evaluate(&run, &data, &[]);
        assert_eq!(found["tokens"].as_u64(), Some(predicted as u64), "{text}");
        let (loss, perplexity) = (found["loss"].as_f64(), found["perplexity"].as_f64());
        assert!((loss.expect("a loss").exp() / perplexity.expect("beside") - 1.0).abs() < 1e-6);
        tried += 1;
        if tried == 3 {
            break;
        }
    }
    assert_eq!(tried, 3);
}

#[test]
fn of_chats_the_answers_are_learned_however_rows_are_cut() {
    let dir = temp_dir();
    let lines = chats();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let file = chat_file(dir.path(), &lines);
    let sets = ["model.context=120", "train.steps=3"];
    let shown = preview(&file, 4, &sets);
    for sample in shown["samples"].as_array().expect("samples") {
        let texts = sample["texts"].as_array().expect("texts").iter().filter_map(Value::as_str);
        let counts = sample["counts"].as_array().expect("counts");
        let learned: String =
            texts.zip(counts).filter(|(_, it)| **it == true).map(|(text, _)| text).collect();
        let answers = [
            "four<|im_end|>",
            "yes, and no<|im_end|>",
            "ho<|im_end|>la la la<|im_end|>",
            "!<|im_end|>",
        ];
        assert!(answers.contains(&&*learned), "{learned}");
        assert!(sample["text"].as_str().expect("a text").starts_with("<|im_start|>"));
    }
    let run = train(&file, "run", &sets);
    let whole =
        train(&file, "other", &["model.context=120", "train.steps=3", "train.micro_batches=1"]);
    // Micro-batches have unlike numbers of answers; together they are the batch.
    for (cut, whole) in losses(&run).values().zip(losses(&whole).values()) {
        let [cut, whole] = [cut, whole].map(|loss| loss.parse::<f64>().expect("a loss"));
        assert!((cut - whole).abs() < 1e-4 * whole, "{cut} {whole}");
    }
    let of = |lines: &[&str]| {
        let data = dir.path().join("other.jsonl");
        write(&data, lines.join("\n"));
        let found = evaluate(&run, &data, &[]);
        (found["loss"].as_f64().expect("a loss"), found["tokens"].as_u64().expect("a number"))
    };
    let (one, other, both) = (of(&lines[..1]), of(&lines[3..4]), of(&[lines[0], lines[3]]));
    assert_eq!(one.1 + other.1, both.1);
    let mean = (one.0 * one.1 as f64 + other.0 * other.1 as f64) / both.1 as f64;
    assert!((mean - both.0).abs() < 1e-5 * mean, "{mean} {both:?}");
    let page = run_ok(set(trainyard().arg("preview").arg(&file), &sets));
    assert_says(&page, &["sample 1: ", "to be learned", "⟦", "<|im_end|>⟧"]);
}

#[test]
fn what_cannot_be_tokens_is_refused() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let refused =
        |file: &Path, sets: &[&str]| run_fails(set(trainyard().arg("preview").arg(file), sets), 2);
    let stderr = refused(&file, &[&key("data.tokenizer", dir.path())]);
    assert_says(&stderr, &["has no tokenizer", "tokenizer.json"]);
    let stderr =
        refused(&file, &[&key("data.tokenizer", &tokenizer("bytes")), "data.vocabulary=\"ab\""]);
    assert_says(&stderr, &["data.vocabulary", "data.tokenizer"]);
    let stderr =
        refused(&file, &["model.vocabulary=40", &key("data.tokenizer", &tokenizer("bytes"))]);
    assert_says(&stderr, &["model.vocabulary is 40", "at least 480"]);
    let file = chat_file(dir.path(), &["{\"prompt\": \"a\"}"]);
    assert_says(&refused(&file, &[]), &["chats.jsonl", "line 1", "prompt", "completion"]);
}
