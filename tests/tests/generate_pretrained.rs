//! What pretrained models write: of their files, in a conversation, and after a training from their weights.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use trainyard_tests::{
    assert_says, read, root, run_fails, run_ok, set, temp_dir, train_command, trainyard, write,
};

/// A Llama with weights by chance, whose tokens are characters.
fn llama() -> PathBuf {
    root().join("crates/trainyard-models/tests/fixtures/hf/llama")
}

/// What `transformers` writes: six tokens to begin with, and 64 of which each is the likeliest.
fn known() -> Vec<u64> {
    let bytes = std::fs::read(llama().join("expected.safetensors")).expect("the fixture is there");
    let (length, rest) = bytes.split_first_chunk::<8>().expect("it has a head");
    let (head, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let head: Value = serde_json::from_slice(head).expect("its head is JSON");
    let place = |end: usize| head["greedy"]["data_offsets"][end].as_u64().expect("it has a place");
    let numbers = data[place(0) as usize..place(1) as usize].as_chunks::<4>().0;
    numbers.iter().map(|number| u64::from(u32::from_le_bytes(*number))).collect()
}

/// The text of the first six.
const PROMPT: &str = "</s>tb\ndq";

/// A copy of the model with other files beside.
fn copy(dir: &Path, files: &[(&str, &str)]) -> PathBuf {
    let folder = dir.join("model");
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(llama().join(name), folder.join(name)).expect("a copy");
    }
    for (name, text) in files {
        write(&folder.join(name), text);
    }
    folder
}

fn command(model: &Path, arguments: &[&str]) -> Command {
    let mut command = trainyard();
    command.arg("generate").arg(model).args(["--temperature", "0"]).args(arguments);
    command
}

fn generated(model: &Path, arguments: &[&str]) -> Value {
    let text = run_ok(command(model, arguments).arg("--json"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_model_folder_writes_what_transformers_writes() {
    let known = known();
    let prompt = ["--prompt", PROMPT, "--tokens", "64"];
    let one = generated(&llama(), &prompt);
    assert_eq!(one["tokens"], json!(known[6..]));
    // Split over two devices, and beside other texts.
    let device = |id: &str| format!(r#"{{id="{id}",adapter="cpu",threads=1}}"#);
    let devices = format!("device=[{},{}]", device("left"), device("right"));
    let split =
        ["--set", &devices, "--set", "pipeline.split=[2,2]", "--prompt", "on", "--prompt", "no"];
    let all = generated(&llama(), &[&prompt[..], &split].concat());
    assert_eq!(all[0], one);
    assert_eq!(all.as_array().map(Vec::len), Some(3));
    // The text is that of the tokens, without those that mean something else.
    let text = run_ok(&mut command(&llama(), &prompt));
    assert_eq!(text, format!("{PROMPT}{}\n", one["text"].as_str().unwrap_or_default()));
    assert!(!one["text"].as_str().unwrap_or_default().contains("<s>"), "{one}");
}

#[test]
fn a_text_ends_where_the_model_says_so() {
    let dir = temp_dir();
    let known = known();
    let prompt = ["--prompt", PROMPT, "--tokens", "64"];
    // A full stop ends a text of this one.
    let model = copy(dir.path(), &[("generation_config.json", r#"{"eos_token_id": [2, 30]}"#)]);
    let end = 6 + known[6..].iter().position(|token| *token == 30).expect("it has one");
    let ended = generated(&model, &prompt);
    assert_eq!(ended["tokens"], json!(known[6..=end]));
    let on = generated(&model, &[&prompt[..], &["--ignore-eos"]].concat());
    assert_eq!(on["tokens"], json!(known[6..]));
}

#[test]
fn a_conversation_is_written_by_the_template() {
    let dir = temp_dir();
    let template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}- ";
    let model = copy(dir.path(), &[("chat_template.jinja", template)]);
    let input = dir.path().join("said.txt");
    write(&input, "who is it?\n\nno, you!\n");
    let mut chat = command(&model, &["--chat", "--tokens", "8", "--json", "--prompt", "hi"]);
    let open = std::fs::File::open(&input).unwrap_or_else(|error| panic!("{error}"));
    let said = run_ok(chat.stdin(open));
    let answers: Vec<Value> =
        said.lines().map(|line| serde_json::from_str(line).expect("a line an answer")).collect();
    assert_eq!(answers.len(), 3, "{said}");
    let mut conversation = String::new();
    for (said, answer) in ["hi", "who is it?", "no, you!"].into_iter().zip(&answers) {
        conversation += &[said, "\n"].concat();
        let prompt = format!("{conversation}- ");
        assert_eq!(generated(&model, &["--prompt", &prompt, "--tokens", "8"]), *answer);
        conversation += &[answer["text"].as_str().unwrap_or_default(), "\n"].concat();
    }
    let stderr = run_fails(&mut command(&llama(), &["--chat"]), 2);
    assert_says(&stderr, &["chat template"]);
}

/// What a program hears that speaks with a model, and says itself.
#[test]
fn a_conversation_with_a_program_is_told_event_by_event() {
    let dir = temp_dir();
    let template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}- ";
    let model = copy(dir.path(), &[("chat_template.jinja", template)]);
    let input = dir.path().join("said.jsonl");
    // The third begins anew, so that it gets the answer of the first.
    write(
        &input,
        "{\"say\":\"hi\"}\n{\"say\":\"no,\\nyou!\"}\n\n{\"forget\":true}\n{\"say\":\"hi\"}\n",
    );
    let asked = ["--chat", "--json", "--stream", "--tokens", "8"];
    let said = |input: &Path| {
        let open = std::fs::File::open(input).unwrap_or_else(|error| panic!("{error}"));
        run_ok(command(&model, &asked).stdin(open))
    };
    let text = said(&input);
    let events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line an event")).collect();
    assert_eq!(events.first(), Some(&json!({"event": "ready", "context": 96})), "{text}");
    let (mut pieces, mut answers) = (String::new(), Vec::new());
    for event in &events[1..] {
        match event["event"].as_str() {
            Some("text") => pieces += event["text"].as_str().expect("a piece"),
            Some("answer") => {
                let whole = event["text"].as_str().expect("a text");
                assert_eq!(whole, pieces, "{text}");
                pieces.clear();
                answers.push(event);
            }
            _ => panic!("{event}"),
        }
    }
    assert_eq!(answers.len(), 3, "{text}");
    let one = |prompt: &str| generated(&model, &["--prompt", prompt, "--tokens", "8"]);
    let first = one("hi\n- ");
    let second = format!("hi\n{}\nno,\nyou!\n- ", first["text"].as_str().expect("a text"));
    for (answer, known) in answers.iter().zip([first.clone(), one(&second), first]) {
        assert_eq!((&answer["text"], &answer["tokens"]), (&known["text"], &known["tokens"]));
    }
    assert_eq!(answers[0]["end"], "length");
    write(&input, "hello\n");
    let open = std::fs::File::open(&input).unwrap_or_else(|error| panic!("{error}"));
    assert_says(&run_fails(command(&model, &asked).stdin(open), 2), &["{\"say\":\"…\"}"]);
    assert_says(&run_fails(&mut command(&model, &["--stream"]), 2), &["--chat"]);
}

/// One that has no template goes on with what it is told, line by line, and of itself.
#[test]
fn a_model_without_a_template_goes_on_with_the_text() {
    let dir = temp_dir();
    let input = dir.path().join("said.jsonl");
    write(
        &input,
        "{\"say\":\"hi\"}\n{\"say\":\"\"}\n{\"say\":\"no\"}\n{\"forget\":true}\n{\"say\":\"hi\"}\n",
    );
    let open = std::fs::File::open(&input).unwrap_or_else(|error| panic!("{error}"));
    let asked = ["--chat", "--json", "--stream", "--ignore-eos", "--tokens", "6"];
    let text = run_ok(command(&llama(), &asked).stdin(open));
    let events: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("a line an event")).collect();
    assert_eq!(events[0], json!({"event": "ready", "context": 96, "continues": true}), "{text}");
    let answers: Vec<&str> = events
        .iter()
        .filter(|event| event["event"] == "answer")
        .map(|event| event["text"].as_str().expect("a text"))
        .collect();
    let one = |prompt: &str| {
        let asked = ["--prompt", prompt, "--tokens", "6", "--ignore-eos"];
        generated(&llama(), &asked)["text"].as_str().expect("a text").to_owned()
    };
    let first = one("hi");
    let second = one(&format!("hi{first}"));
    let third = one(&format!("hi{first}{second}\nno"));
    assert_eq!(answers, [&first, &second, &third, &first]);
}

/// It ends long before it has as many tokens as it may.
#[test]
fn an_answer_ends_when_it_is_asked_to() {
    use std::io::{BufRead, Write};
    let dir = temp_dir();
    let template = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}- ";
    let model = copy(dir.path(), &[("chat_template.jinja", template)]);
    let asked =
        ["--chat", "--json", "--stream", "--ignore-eos", "--tokens", "100000000", "--prompt", "hi"];
    let pipe = std::process::Stdio::piped;
    let mut chat = command(&model, &asked).stdin(pipe()).stdout(pipe()).spawn().expect("it starts");
    let (mut input, output) =
        (chat.stdin.take().expect("a pipe"), chat.stdout.take().expect("a pipe"));
    let mut events = std::io::BufReader::new(output)
        .lines()
        .map(|line| -> Value { serde_json::from_str(&line.expect("a line")).expect("an event") });
    let has_begun = events.find(|event| event["event"] == "text");
    assert!(has_begun.is_some());
    writeln!(input, "{}", json!({"stop": true})).expect("it listens");
    let answer = events.find(|event| event["event"] == "answer").expect("it ends");
    assert_eq!(answer["end"], "asked");
    drop(input);
    assert!(chat.wait().expect("it ends").success());
}

#[test]
fn what_a_model_cannot_do_is_said() {
    let dir = temp_dir();
    let fails = |model: &Path, arguments: &[&str], code: i32, words: &[&str]| {
        assert_says(&run_fails(&mut command(model, arguments), code), words);
    };
    fails(&llama(), &["--context", "97"], 2, &["from 1 to 96"]);
    fails(&llama(), &["--checkpoint", "3"], 2, &["leave --checkpoint out"]);
    let small = r#"device=[{id="solo",adapter="cpu",memory="20 KiB"}]"#;
    fails(&llama(), &["--set", small], 3, &["it does not fit", "solo", "20.0 KiB"]);
    let model = copy(dir.path(), &[]);
    std::fs::remove_file(model.join("tokenizer.json")).expect("it is there");
    fails(&model, &[], 2, &["has no tokenizer"]);
}

/// A run that trains a pretrained model writes with its tokenizer.
#[test]
fn a_run_from_a_model_writes_with_its_tokens() {
    let dir = temp_dir();
    let model = copy(dir.path(), &[]);
    write(
        &dir.path().join("input.txt"),
        "the train leaves when no track is overloaded\n".repeat(60),
    );
    let file = dir.path().join("run.toml");
    let path = model.display();
    let lines = format!(
        "[model]\nkind = \"hf\"\npath = '{path}'\ncontext = 24\n[data]\nkind = \"text\"\ntext = \"input.txt\"\n\
         [train]\nsteps = 2\nwarmup = 1\nbatch = 4\nmicro_batches = 2\nsample_tokens = 5\n\
         [[device]]\nid = \"left\"\nadapter = \"cpu\"\n"
    );
    write(&file, lines);
    let run = dir.path().join("run");
    run_ok(set(&mut train_command(&file, &run), &[]));
    let one = generated(&run, &["--prompt", "the train", "--tokens", "12"]);
    assert_eq!(one["tokens"].as_array().map(Vec::len), Some(12));
    let journal = read(&run.join("journal.jsonl"));
    assert!(journal.contains(r#""type":"sample""#), "{journal}");
}
