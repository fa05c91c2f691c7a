//! Chats that share rows: what is shown of them, what they are trained on, and what the model then says.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails at once and says why")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use trainyard_tests::{
    assert_says, journal_of, json_lines, read, root, run_fails, run_ok, set, temp_dir,
    train_command, trainyard, write,
};

/// A line a message.
const TEMPLATE: &str = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}";

/// Chats of two to twenty tokens, and a run file of a Llama with weights by chance, whose tokens are characters.
fn run_file(dir: &Path) -> PathBuf {
    let model = dir.join("model");
    std::fs::create_dir_all(&model).expect("a folder");
    let fixture = root().join("crates/trainyard-models/tests/fixtures/hf/llama");
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(fixture.join(name), model.join(name)).expect("a copy");
    }
    write(&model.join("chat_template.jinja"), TEMPLATE);
    let chat = |number: usize| {
        let answer = "so it goes on".get(..1 + number * 5 % 13).unwrap_or_default();
        serde_json::json!({ "prompt": "abcd".repeat(1 + number % 2), "completion": answer })
    };
    let lines: Vec<String> = (0..24).map(|number| chat(number).to_string()).collect();
    write(&dir.join("chats.jsonl"), lines.join("\n"));
    let file = dir.join("run.toml");
    let text = "[model]\nkind = \"hf\"\npath = \"model\"\ncontext = 40\n\
                [data]\nchat = \"chats.jsonl\"\npacking = true\nvalidation_fraction = 0.2\n\
                [train]\nsteps = 4\nwarmup = 0\nbatch = 4\nmicro_batches = 2\nvalidate_every = 2\n\
                sample_tokens = 6\nsample_prompts = [\"abcd\", \"dab\"]\n\
                [pipeline]\nsplit = [2, 2]\n\
                [[device]]\nid = \"left\"\nadapter = \"cpu\"\nthreads = 1\n\
                [[device]]\nid = \"right\"\nadapter = \"cpu\"\nthreads = 1\n";
    write(&file, text);
    file
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

#[test]
fn what_shares_a_row_is_shown_and_written_down() {
    let dir = temp_dir();
    let file = run_file(dir.path());
    let page = run_ok(trainyard().arg("preview").arg(&file));
    assert_says(&page, &["sample 1: ", " that share a row, ", "to be learned", "\n──\nabcd"]);
    let shown = json(&run_ok(trainyard().args(["preview", "--json", "--samples", "4"]).arg(&file)));
    let (run, batches) = (dir.path().join("run"), dir.path().join("batches.jsonl"));
    run_ok(train_command(&file, &run).arg("--dump-batches").arg(&batches));
    let dumped = json_lines(&read(&batches), "batches");
    assert_eq!(dumped.len(), 4);
    // What was trained on first is what is shown first.
    for (sample, row) in list(&shown["samples"]).iter().zip(0..) {
        let starts = list(&sample["starts"]);
        let segments = list(&dumped[0]["segments"][row]);
        let most = segments.iter().filter_map(Value::as_u64).max();
        assert_eq!(most, Some(starts.len() as u64), "{segments:?}");
        assert!(starts.len() > 1 && starts[0] == 0, "{starts:?}");
        let filled = segments.iter().filter(|segment| **segment != 0).count();
        let text = sample["text"].as_str().expect("a text");
        // Nothing learns that the line of an answer ends.
        assert_eq!(text.matches('\n').count(), starts.len(), "{text:?}");
        assert_eq!(list(&sample["tokens"]).len(), filled, "{text:?}");
    }
    for step in journal_of(&run, "step") {
        // Positions of four rows, nearly full, in the time of the step.
        let (rate, step_ns) = (step["tokens_per_s"].as_f64(), step["step_ns"].as_f64());
        let tokens = rate.expect("a rate") * step_ns.expect("a time") / 1e9;
        let row = |row: &Value| list(row).iter().filter(|segment| **segment != 0).count();
        let at = step["step"].as_u64().expect("a number") as usize - 1;
        let counted: usize = list(&dumped[at]["segments"]).iter().map(row).sum();
        assert!((tokens - counted as f64).abs() < 0.5, "{tokens} {counted}");
    }
}

#[test]
fn samples_after_a_validation_are_what_the_model_answers() {
    let dir = temp_dir();
    let file = run_file(dir.path());
    let run = dir.path().join("run");
    let said = run_ok(&mut train_command(&file, &run));
    assert!(said.is_empty(), "{said}");
    let samples = journal_of(&run, "sample");
    let steps: Vec<_> = samples.iter().map(|sample| sample["step"].as_u64()).collect();
    assert_eq!(steps, [Some(2), Some(2), Some(4), Some(4)]);
    let chat = ["--chat", "--json", "--temperature", "0", "--tokens", "6"];
    for (sample, prompt) in samples[2..].iter().zip(["abcd", "dab"]) {
        let mut command = trainyard();
        command.arg("generate").arg(&run).args(chat).args(["--prompt", prompt]);
        let answer = json(&run_ok(command.stdin(std::process::Stdio::null())));
        let answer = answer["text"].as_str().expect("a text");
        assert_eq!(sample["prompt"], format!("{prompt}\n"));
        assert_eq!(sample["text"], format!("{prompt}\n{answer}"));
    }
    let unknown = "train.sample_prompts=['é']";
    let text = "text = \"chats.jsonl\"\n";
    let gpt = read(&file).replace("kind = \"hf\"\npath = \"model\"\n", "kind = \"gpt\"\n");
    let gpt = gpt.replace("chat = \"chats.jsonl\"\npacking = true\n", text);
    let of_characters = dir.path().join("gpt.toml");
    write(&of_characters, gpt.replace("split = [2, 2]", ""));
    let stderr = run_fails(
        set(&mut train_command(&of_characters, &dir.path().join("other")), &[unknown]),
        2,
    );
    assert_says(&stderr, &["'é'", "the text it was trained on"]);
}

#[test]
fn packed_chats_are_evaluated_as_alone() {
    let dir = temp_dir();
    let file = run_file(dir.path());
    let chats = dir.path().join("chats.jsonl");
    let evaluate = |sets: &[&str]| {
        let mut command = trainyard();
        command.args(["evaluate", "--json"]).arg(&file).arg("--data").arg(&chats);
        json(&run_ok(set(&mut command, sets)))
    };
    let (packed, alone) = (evaluate(&[]), evaluate(&["data.packing=false"]));
    assert_eq!(packed["tokens"], alone["tokens"]);
    let [packed, alone] = [packed, alone].map(|it| it["loss"].as_f64().expect("a loss"));
    assert!((packed - alone).abs() < 1e-5 * alone, "{packed} {alone}");
}

#[test]
fn a_model_that_would_take_them_for_one_refuses_them() {
    let dir = temp_dir();
    let text = read(&run_file(dir.path()));
    let text = text.replace("kind = \"hf\"\npath = \"model\"\n", "kind = \"gpt\"\n");
    let file = dir.path().join("gpt.toml");
    write(&file, text.replace("packing", "tokenizer = \"model\"\npacking"));
    let stderr = run_fails(trainyard().arg("preview").arg(&file), 2);
    assert_says(&stderr, &["chats.jsonl", "several samples", "'gpt'", "data.packing = false"]);
}
