//! A fine-tuned model, exported, is the model of the run.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

use std::path::{Path, PathBuf};

use serde_json::Value;
use trainyard_tests::{assert_says, read, root, run_fails, run_ok, temp_dir, trainyard, write};

/// A GPT-2 with weights by chance, whose products are stored as `[inputs, outputs]`, with a tokenizer of
/// characters.
fn gpt2(dir: &Path) -> PathBuf {
    let fixtures = root().join("crates/trainyard-models/tests/fixtures/hf");
    let folder = dir.join("gpt2");
    std::fs::create_dir_all(&folder).expect("a folder");
    for file in ["gpt2/config.json", "gpt2/model.safetensors", "llama/tokenizer.json"] {
        let name = Path::new(file).file_name().expect("a name");
        std::fs::copy(fixtures.join(file), folder.join(name)).expect("a copy");
    }
    folder
}

/// A run file of three steps from its weights on.
fn run_file(dir: &Path, method: &str) -> PathBuf {
    let text = dir.join("text.txt");
    write(&text, "on the track to no end a train sat and then it ran on\n".repeat(40));
    let file = dir.join(format!("{method}.toml"));
    write(
        &file,
        format!(
            r#"
[model]
kind = "hf"
path = "{model}"
context = 16
[data]
text = "{text}"
[train]
method = "{method}"
steps = 3
batch = 4
learning_rate = 0.01
warmup = 0
validate_every = 0
validate_whole_at_end = false
[lora]
rank = 3
[[device]]
id = "left"
adapter = "cpu"
threads = 1
[[device]]
id = "right"
adapter = "cpu"
threads = 1
"#,
            model = gpt2(dir).display(),
            text = text.display(),
        ),
    );
    file
}

/// A run of it.
fn run(dir: &Path, method: &str) -> PathBuf {
    let (file, run) = (run_file(dir, method), dir.join(method));
    let set = format!("run.dir={}", run.display());
    run_ok(trainyard().arg("train").arg(&file).args(["--set", &set]));
    run
}

fn export(run: &Path, to: &Path, arguments: &[&str]) {
    run_ok(trainyard().arg("export").arg(run).arg("-o").arg(to).args(arguments));
}

fn written(model: &Path) -> Value {
    let arguments = ["--prompt", "on the", "--tokens", "8", "--temperature", "0", "--json"];
    let text = run_ok(trainyard().arg("generate").arg(model).args(arguments));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn an_exported_folder_writes_what_the_run_writes() {
    let dir = temp_dir();
    for method in ["full", "lora"] {
        let run = run(dir.path(), method);
        let folder = dir.path().join(format!("{method}-exported"));
        export(&run, &folder, &[]);
        assert_eq!(written(&folder), written(&run), "{method}");
        assert_ne!(written(&folder), written(&gpt2(dir.path())), "{method}: nothing was learned");
        let card = read(&folder.join("README.md"));
        assert_says(&card, &["base_model: gpt2", "| steps | 3 of 3 |", "| files | text.txt |"]);
        // Twice is refused: nothing is replaced.
        let again = run_fails(trainyard().arg("export").arg(&run).arg("-o").arg(&folder), 2);
        assert_says(&again, &["must be a path where there is nothing yet"]);
    }
}

#[test]
fn an_adapter_has_peft_names_and_shapes() {
    let dir = temp_dir();
    let run = run(dir.path(), "lora");
    let folder = dir.path().join("adapter");
    export(&run, &folder, &["--adapter"]);
    let config: Value = serde_json::from_str(&read(&folder.join("adapter_config.json")))
        .expect("its config is JSON");
    assert_eq!((config["r"].as_u64(), config["lora_alpha"].as_f64()), (Some(3), Some(32.0)));
    assert_eq!(config["fan_in_fan_out"], true);
    // What PEFT opens lies on this machine; a card names it for others.
    let base = gpt2(dir.path()).display().to_string();
    assert_eq!(config["base_model_name_or_path"], base);
    assert_says(&read(&folder.join("README.md")), &["base_model: gpt2\n"]);
    let bytes = std::fs::read(folder.join("adapter_model.safetensors")).expect("its weights");
    let head = String::from_utf8_lossy(&bytes).into_owned();
    // All products of these names have one.
    assert_eq!(config["target_modules"], serde_json::json!(["c_attn", "c_fc", "c_proj"]));
    #[cfg(unix)]
    for file in std::fs::read_dir(&folder).expect("a folder").flatten() {
        let mode = |path: &Path| {
            let about = std::fs::metadata(path).expect("a file");
            std::os::unix::fs::PermissionsExt::mode(&about.permissions())
        };
        assert_eq!(mode(&file.path()), mode(&dir.path().join("text.txt")), "{file:?}");
    }
    assert_says(&head, &["base_model.model.transformer.h.0.attn.c_attn.lora_B.weight"]);
    let said = run_fails(trainyard().arg("generate").arg(&folder), 2);
    assert_says(&said, &["is an adapter, for PEFT, and no whole model; name the run"]);
}

#[test]
fn an_adapter_names_a_downloaded_model_by_its_name() {
    let dir = temp_dir();
    let snapshot = dir.path().join("hub/models--owner--small-1.5/snapshots/0123");
    std::fs::create_dir_all(&snapshot).expect("a folder");
    for entry in std::fs::read_dir(gpt2(dir.path())).expect("a folder").flatten() {
        std::fs::copy(entry.path(), snapshot.join(entry.file_name())).expect("a copy");
    }
    let run = dir.path().join("run");
    let (of_run, hub) = (format!("run.dir={}", run.display()), dir.path().join("hub"));
    // As the run file's own folder makes a path of it.
    let model = "model.path=owner/small-1.5";
    let file = run_file(dir.path(), "lora");
    let sets = ["--set", &of_run, "--set", model];
    run_ok(trainyard().env("HF_HUB_CACHE", &hub).arg("train").arg(&file).args(sets));
    let folder = dir.path().join("adapter");
    let mut export = trainyard();
    export.env("HF_HUB_CACHE", &hub).arg("export").arg(&run).arg("--adapter");
    run_ok(export.arg("-o").arg(&folder));
    let config: Value = serde_json::from_str(&read(&folder.join("adapter_config.json")))
        .expect("its config is JSON");
    assert_eq!(config["base_model_name_or_path"], "owner/small-1.5");
    assert_says(&read(&folder.join("README.md")), &["base_model: owner/small-1.5\n"]);
}

/// A GGUF file whose tokens are some bytes, for a text of them.
fn gguf_of_bytes(dir: &Path) -> PathBuf {
    let fixture = root().join("crates/trainyard-pretrained/tests/gguf/gpt2.gguf");
    let mut bytes = std::fs::read(fixture).expect("a file");
    // A space, a line's end and both bytes of é, as GPT-2 has them.
    for (number, token) in ["Ġ", "Ċ", "Ã", "©"].iter().enumerate() {
        let old = [&2_u64.to_le_bytes()[..], format!("t{number}").as_bytes()].concat();
        let at = bytes.windows(old.len()).position(|it| it == old).expect("a token") + 8;
        bytes[at..at + 2].copy_from_slice(token.as_bytes());
    }
    let file = dir.join("base.gguf");
    write(&file, bytes);
    file
}

#[test]
fn an_adapter_of_a_gguf_file_says_where_that_lies() {
    let dir = temp_dir();
    let (base, file) = (gguf_of_bytes(dir.path()), run_file(dir.path(), "lora"));
    write(&dir.path().join("text.txt"), "é é\né  é\n".repeat(100));
    let sets = [
        format!("run.dir={}", dir.path().join("run").display()),
        format!("model.path={}", base.display()),
        "lora.layers=[1]".to_owned(),
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    run_ok(trainyard().arg("train").arg(&file).args(sets));
    let folder = dir.path().join("adapter");
    export(&dir.path().join("run"), &folder, &["--adapter"]);
    let config: Value = serde_json::from_str(&read(&folder.join("adapter_config.json")))
        .expect("its config is JSON");
    assert_eq!(config["base_model_name_or_path"], base.display().to_string());
    // Not all products of a name have one.
    let products = config["target_modules"].as_array().expect("a list");
    assert_eq!(products.len(), 4);
    assert!(products.contains(&"transformer.h.1.attn.c_proj".into()), "{products:?}");
    let opened = format!("from_pretrained({:?}, gguf_file=\"base.gguf\", dtype", dir.path());
    let lines = [&opened[..], "PeftModel.from_pretrained(base, \"FOLDER\")", "gpt2 fixture"];
    assert_says(&read(&folder.join("README.md")), &lines);
}

#[test]
fn what_cannot_be_exported_is_refused_in_words() {
    let dir = temp_dir();
    let run = run(dir.path(), "full");
    let to = dir.path().join("to");
    let refused = |arguments: &[&str], to: &Path, words: &str| {
        let mut command = trainyard();
        command.arg("export").arg(&run).arg("-o").arg(to).args(arguments);
        assert_says(&run_fails(&mut command, 2), &[words]);
        assert!(!to.exists(), "{words}");
    };
    refused(&["--adapter"], &to, "has no adapter: all weights were trained; leave --adapter out");
    refused(&["--dtype", "q8_0"], &to, "--dtype is q8_0, but must be f32, f16 or bf16 in a folder");
    let gguf = dir.path().join("to.gguf");
    refused(&["--adapter"], &gguf, "but must be a folder for an adapter");
    let file = dir.path().join("to.safetensors");
    refused(&[], &file, "to.safetensors, but must be the name of a folder, or of a .gguf file");
    refused(&[], &gguf, "which llama.cpp has none like");
    // Nothing half written is left.
    let left = std::fs::read_dir(dir.path()).expect("a folder").flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    let is_whole = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        !name.contains("part") && !name.contains(".tmp")
    };
    assert!(left.iter().all(is_whole), "{left:?}");
}

#[test]
fn adapters_refuse_other_weights_beside_them() {
    let dir = temp_dir();
    let run = run(dir.path(), "lora");
    let weights = dir.path().join("gpt2/model.safetensors");
    let mut bytes = std::fs::read(&weights).expect("weights");
    let last = bytes.len() - 2;
    bytes[last] ^= 64;
    std::fs::write(&weights, bytes).expect("other weights");
    let words = "its frozen weights are not in it: they came from files with the fingerprint";
    let to = dir.path().join("to");
    let mut commands = [trainyard(), trainyard(), trainyard()];
    let [export, generate, resume] = &mut commands;
    export.arg("export").arg(&run).arg("-o").arg(&to);
    generate.arg("generate").arg(&run).args(["--prompt", "on the"]);
    resume.arg("resume").arg(&run).args(["--set", "train.steps=4"]);
    for command in &mut commands {
        assert_says(&run_fails(command, 2), &[words, "change [model] back"]);
    }
    assert!(!to.exists());
}
