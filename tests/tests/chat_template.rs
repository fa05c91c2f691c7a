//! A run's chats are written by its own template wherever it is used: in training, when it is talked to, and in what is
//! exported of it; and what ended its answers ends them.
#![allow(clippy::expect_used, reason = "a test that cannot go on fails at once and says why")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use trainyard_tests::{
    assert_says, read, root, run_fails, run_ok, temp_dir, train_command, trainyard, write,
};

/// In the manner of `ChatML`: an answer ends with a special token that ends no text of the model.
const TEMPLATE: &str = "{% for message in messages %}{% if message['role'] == 'assistant' %}- \
                        {{ message['content'] }}<|im_end|>\n{% else %}{{ message['content'] }}\n\
                        {% endif %}{% endfor %}{% if add_generation_prompt %}- {% endif %}";
/// That of the model itself.
const OTHER: &str = "{% for message in messages %}{{ message['content'] }}, {% endfor %}";
/// The number of `<|im_end|>`, and of what ends texts.
const IM_END: u64 = 29;
const EOS: u64 = 2;

/// A Llama with weights by chance, whose tokens are characters. The last letter is a special token instead, and there is
/// one more that the model does not know.
fn model(dir: &Path) -> PathBuf {
    let fixture = root().join("crates/trainyard-models/tests/fixtures/hf/llama");
    let folder = dir.join("model");
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture.join(name), folder.join(name)).expect("a copy");
    }
    let mut tokenizer = json(&read(&fixture.join("tokenizer.json")));
    let vocabulary = tokenizer["model"]["vocab"].as_object_mut().expect("a vocabulary");
    vocabulary.remove("z");
    vocabulary.insert("<|im_end|>".to_owned(), IM_END.into());
    let added = tokenizer["added_tokens"].as_array_mut().expect("a list");
    for (id, name) in [(IM_END, "<|im_end|>"), (37, "<|new|>")] {
        added.push(json!({ "id": id, "content": name, "single_word": false, "lstrip": false,
            "rstrip": false, "normalized": false, "special": true }));
    }
    write(&folder.join("tokenizer.json"), tokenizer.to_string());
    let about = json!({ "chat_template": OTHER, "eos_token": "</s>" });
    write(&folder.join("tokenizer_config.json"), about.to_string());
    folder
}

/// A run file of chats that are all answered alike.
fn run_file(dir: &Path) -> PathBuf {
    model(dir);
    let chat = |number: usize| {
        json!({ "prompt": "abcd".repeat(1 + number % 4), "completion": "so it goes" }).to_string()
    };
    write(&dir.join("chats.jsonl"), (0..24).map(chat).collect::<Vec<_>>().join("\n"));
    write(&dir.join("mine.jinja"), TEMPLATE);
    let file = dir.join("run.toml");
    let text = "[model]\nkind = \"hf\"\npath = \"model\"\ncontext = 40\n\
                [data]\nchat = \"chats.jsonl\"\ntemplate = \"mine.jinja\"\nvalidation_fraction = 0.2\n\
                [train]\nsteps = 60\nwarmup = 0\nbatch = 8\nmicro_batches = 1\nvalidate_every = 0\n\
                learning_rate = 0.02\nsample_tokens = 0\n\
                [[device]]\nid = \"one\"\nadapter = \"cpu\"\nthreads = 1\n";
    write(&file, text);
    file
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn generate(model: &Path, arguments: &[&str]) -> Command {
    let mut command = trainyard();
    command.arg("generate").arg(model).args(["--temperature", "0"]).args(arguments);
    command.stdin(Stdio::null());
    command
}

fn answered(model: &Path, more: &[&str]) -> Value {
    let arguments = ["--chat", "--json", "--tokens", "24", "--prompt", "abcd"];
    json(&run_ok(&mut generate(model, &[&arguments, more].concat())))
}

fn tokens(answer: &Value) -> Vec<u64> {
    let all = answer["tokens"].as_array().expect("a list").iter();
    all.map(|token| token.as_u64().expect("a number")).collect()
}

#[test]
fn the_template_of_a_run_is_the_one_it_is_talked_to_and_exported_with() {
    let dir = temp_dir();
    let (file, run) = (run_file(dir.path()), dir.path().join("run"));
    run_ok(&mut train_command(&file, &run));
    let answer = answered(&run, &[]);
    assert_eq!(answer["text"], "so it goes", "{answer}");
    assert_eq!(tokens(&answer).last(), Some(&IM_END), "{answer}");
    // The run has it, whatever becomes of the file.
    write(&dir.path().join("mine.jinja"), OTHER);
    assert_eq!(answered(&run, &[]), answer);
    std::fs::remove_file(dir.path().join("mine.jinja")).expect("it is there");
    assert_eq!(answered(&run, &[]), answer);
    let other = dir.path().join("gone.jinja");
    let asked = format!("data.template={:?}", other.display().to_string());
    let stderr = run_fails(&mut generate(&run, &["--chat", "--set", &asked]), 2);
    assert_says(&stderr, &["gone.jinja", "put the file back, or name another with data.template"]);
    // What another program opens says the same.
    let folder = dir.path().join("exported");
    run_ok(trainyard().arg("export").arg(&run).arg("-o").arg(&folder));
    assert_eq!(read(&folder.join("chat_template.jinja")), TEMPLATE);
    let about = json(&read(&folder.join("tokenizer_config.json")));
    assert_eq!(about, json!({ "eos_token": "</s>" }));
    let generation = json(&read(&folder.join("generation_config.json")));
    assert_eq!(generation, json!({ "bos_token_id": 1, "eos_token_id": [EOS, IM_END] }));
    assert_eq!(answered(&folder, &[]), answer);
}

#[test]
fn a_special_token_to_stop_at_stops() {
    let dir = temp_dir();
    let (file, run) = (run_file(dir.path()), dir.path().join("run"));
    run_ok(&mut train_command(&file, &run));
    let endless = answered(&run, &["--ignore-eos"]);
    assert_eq!(tokens(&endless).len(), 24, "{endless}");
    let stopped = answered(&run, &["--ignore-eos", "--stop", "<|im_end|>"]);
    let whole = tokens(&endless);
    let end = whole.iter().position(|token| *token == IM_END).expect("it was learned");
    assert_eq!(tokens(&stopped), whole[..=end]);
    assert_eq!(stopped["text"], "so it goes");
    // And to a program, which is told why.
    let arguments = ["--chat", "--json", "--stream", "--prompt", "abcd"];
    let more = ["--ignore-eos", "--stop", "<|im_end|>", "--stop", "\n\n"];
    let events = run_ok(&mut generate(&run, &[&arguments[..], &more].concat()));
    let last = json(events.lines().last().expect("an event"));
    assert_eq!((&last["text"], &last["end"]), (&json!("so it goes"), &json!("stop")), "{events}");
    let refused = run_fails(&mut generate(&run, &["--stop", "goes<|im_end|>"]), 2);
    assert_says(&refused, &["--stop is 'goes<|im_end|>'", "a text without <|im_end|>", "alone"]);
}

#[test]
fn tokens_that_the_model_does_not_know_are_refused_by_name() {
    let dir = temp_dir();
    let file = run_file(dir.path());
    let words = [
        "the token '<|new|>', number 37, and the model knows 37 tokens",
        "model.resize_token_embeddings(len(tokenizer))",
    ];
    let model = dir.path().join("model");
    // That the tokenizer has it does not matter.
    run_ok(&mut generate(&model, &["--prompt", "abcd", "--tokens", "2"]));
    for more in [&["--prompt", "ab<|new|>"][..], &["--chat", "--prompt", "ab<|new|>"]] {
        assert_says(&run_fails(&mut generate(&model, more), 2), &words);
    }
    let preview = |more: &[&str]| {
        let mut command = trainyard();
        command.arg("preview").arg(&file).args(more);
        command
    };
    run_ok(&mut preview(&[]));
    write(&dir.path().join("mine.jinja"), format!("{TEMPLATE}<|new|>"));
    let set = ["--set", "data.train_on=\"all\""];
    assert_says(&run_fails(&mut preview(&set), 2), &[words[0], words[1], "chats.jsonl has"]);
    let run = dir.path().join("run");
    let stderr = run_fails(train_command(&file, &run).args(set), 2);
    assert_says(&stderr, &words);
}
