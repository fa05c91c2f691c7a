//! `trainyard fit`: whether a model can be trained on devices.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails at once and says why")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};
use trainyard_tests::{root, run_fails, run_ok, temp_dir, trainyard};

/// Llama 2 7B.
fn config(folder: &Path) {
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096,
        "num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 11008,
        "vocab_size": 32000, "max_position_embeddings": 4096, "torch_dtype": "float16"
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

fn fit(folder: &Path, args: &[&str]) -> Value {
    let output = trainyard().arg("fit").arg(folder).args(args).arg("--json").output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_model_of_seven_billions_fits_as_far_as_arithmetic_says() {
    let dir = temp_dir();
    config(dir.path());
    // Weights, gradients and two moments of 6.74 G numbers take 100 GiB.
    let full = fit(dir.path(), &["--device", "24 GiB", "--device", "24 GiB"]);
    assert_eq!(full["verdict"], "too_big");
    assert_eq!(full["largest"]["context"], Value::Null);
    let six = ["--device", "24 GiB"].repeat(6);
    let full = fit(dir.path(), &six);
    assert_ne!(full["verdict"], "too_big", "{full}");
    let weights: u64 = full["devices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|device| device["needs"]["weights"].as_u64().unwrap())
        .sum();
    assert_eq!(weights, 4 * 6_738_415_616);
    // Frozen weights alone take 25.1 GiB.
    let lora = ["--method", "lora", "--device", "24 GiB"];
    assert_eq!(fit(dir.path(), &lora)["verdict"], "too_big");
    assert_eq!(fit(dir.path(), &lora)["one_more"]["verdict"], "fits");
    // In blocks of four bits 3.8 GiB and the vectors of tokens.
    let qlora = fit(dir.path(), &["--method", "qlora", "--device", "24 GiB@30"]);
    assert_ne!(qlora["verdict"], "too_big", "{qlora}");
    let packed = qlora["devices"][0]["needs"]["weights"].as_u64().unwrap();
    let blocks: u64 = 32 * (4 * 4096 * 4096 + 3 * 4096 * 11008);
    let others = 2 * 32000 * 4096 + 65 * 4096;
    let adapters = 32 * 16 * (4 * 8192 + 3 * (4096 + 11008));
    assert_eq!(packed, blocks / 32 * 20 + 4 * (others + adapters));
    assert!(qlora["tokens_per_s"].as_f64().unwrap() > 0.0);
    assert_eq!(lora_without_speed(dir.path())["tokens_per_s"], Value::Null);
}

fn lora_without_speed(folder: &Path) -> Value {
    fit(folder, &["--method", "lora", "--device", "48 GiB"])
}

#[test]
fn what_is_said_to_fit_at_most_fits_and_more_does_not() {
    let dir = temp_dir();
    config(dir.path());
    let at = |context: u64| {
        let context = context.to_string();
        let asked = ["--method", "qlora", "--device", "8 GiB", "--context", &context];
        fit(dir.path(), &asked)
    };
    let largest = at(64)["largest"]["context"].as_u64().unwrap();
    assert!((64..2048).contains(&largest), "{largest}");
    assert_ne!(at(largest)["verdict"], "too_big");
    assert_eq!(at(2 * largest)["verdict"], "too_big");
}

/// BERT base, or another encoder of its size.
fn encoder(folder: &Path, more: &Value) {
    let mut config = json!({
        "model_type": "bert", "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2
    });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

#[test]
fn an_encoder_is_taken_to_learn_what_it_was_made_for() {
    let dir = temp_dir();
    let asked = ["--device", "64 GiB", "--batch", "8", "--context", "128"];
    let needed = |found: &Value| found["devices"][0]["needed_bytes"].as_u64().unwrap();
    let of = |class: &str| {
        encoder(dir.path(), &json!({ "architectures": [class] }));
        fit(dir.path(), &asked)
    };
    let assumes = |found: &Value, words: &str| {
        assert!(found["assumes"].as_str().unwrap().contains(words), "{found}");
    };
    let masked = of("BertForMaskedLM");
    assumes(&masked, "masked tokens, as BertForMaskedLM does");
    let classes = of("BertForSequenceClassification");
    assumes(&classes, "classes, as BertForSequenceClassification does");
    // A number for every token of every position of a micro-batch, and its gradient, are a good part of it.
    let rows = masked["rows"].as_u64().unwrap();
    assert_eq!(rows, classes["rows"].as_u64().unwrap());
    let logits = 4 * rows * 128 * 30522;
    let more = needed(&masked) - needed(&classes);
    assert!(more >= 2 * logits && more < 8 * logits, "{more} for logits of {logits}");
    let unknown = of("BertModel");
    assumes(&unknown, "masked tokens, since its files do not say");
    assert_eq!(needed(&unknown), needed(&masked));
    fs::write(dir.path().join("modules.json"), "[]").unwrap();
    let vectors = of("BertModel");
    assumes(&vectors, "vectors of texts, as modules.json says");
    assert_eq!(needed(&vectors), needed(&classes));
    let page = run_ok(trainyard().arg("fit").arg(dir.path()).args(asked));
    assert!(page.contains("an encoder, taken to learn vectors of texts"), "{page}");
    // Of a decoder nothing needs to be assumed.
    config(dir.path());
    assert_eq!(fit(dir.path(), &["--device", "64 GiB"])["assumes"], Value::Null);
}

#[test]
fn positions_that_roberta_keeps_for_filling_do_not_fit() {
    let dir = temp_dir();
    let more =
        json!({ "model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1 });
    encoder(dir.path(), &more);
    let at = |context: &str| {
        let mut command = trainyard();
        command.arg("fit").arg(dir.path()).args(["--device", "64 GiB", "--context", context]);
        command
    };
    run_ok(&mut at("512"));
    let said = run_fails(&mut at("513"), 2);
    assert!(said.contains("from 1 to 512"), "{said}");
}

#[test]
fn people_are_told_device_by_device() {
    let dir = temp_dir();
    config(dir.path());
    let asked = ["--method", "lora", "--device", "24 GiB@30", "--device", "16 GiB@10"];
    let page = run_ok(trainyard().arg("fit").arg(dir.path()).args(asked));
    for words in [
        "adapters of rank 16 beside frozen weights, 8 × 1024 tokens a step in 4 micro-batches: ",
        "device  layers",
        "card0",
        "card1",
        "24.0 GiB",
        "tokens/s, estimated from the devices' speeds",
        "contexts up to",
        "with one more like card0 (24.0 GiB): fits",
    ] {
        assert!(page.contains(words), "{words:?} is not in:\n{page}");
    }
}

#[test]
fn this_machines_devices_are_taken_where_none_is_described() {
    let dir = temp_dir();
    let config = json!({
        "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 5, "num_attention_heads": 8,
        "num_key_value_heads": 4, "intermediate_size": 172, "vocab_size": 512,
        "max_position_embeddings": 512, "tie_word_embeddings": true
    });
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    let found = fit(dir.path(), &[]);
    assert_eq!((&found["verdict"], &found["context"]), (&json!("fits"), &json!(512)));
    assert!(found["tokens_per_s"].as_f64().unwrap() > 0.0, "{found}");
    assert_eq!(found["largest"]["context"], 512);
}

#[test]
fn the_devices_of_a_run_file_are_taken_where_one_is_named() {
    let dir = temp_dir();
    config(dir.path());
    let file = dir.path().join("run.toml");
    let run_file = |memory: &str| {
        let device = |id: &str| {
            format!("[[device]]\nid = \"{id}\"\nadapter = \"cpu\"\nmemory = \"{memory}\"\n")
        };
        let devices = ["one", "other"].map(device).concat();
        fs::write(&file, format!("[model]\nkind = \"hf\"\npath = \"x\"\n{devices}")).unwrap();
    };
    run_file("64 MiB");
    let output = trainyard()
        .args(["fit", "--json", "--method", "lora", "--devices-of"])
        .arg(&file)
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["verdict"], "too_big", "{found}");
    let ids = ["one", "other"].map(|id| json!(id));
    assert_eq!([0, 1].map(|at| found["devices"][at]["id"].clone()), ids);
    assert_eq!(found["devices"][0]["budget_bytes"], 64 << 20);
    // Not with devices that are described; and together they must have the memory.
    let refused = |args: &[&str], file: &Path| {
        run_fails(
            trainyard().arg("fit").args(args).arg("--devices-of").arg(file).arg(dir.path()),
            2,
        )
    };
    let said = refused(&["--device", "8 GiB"], &file);
    assert!(said.contains("--devices-of"), "{said}");
    run_file("999 TiB");
    assert!(refused(&[], &file).contains("device.one.memory"));
}

#[test]
fn wrong_input_is_refused() {
    let dir = temp_dir();
    config(dir.path());
    let said = |args: &[&str]| run_fails(trainyard().arg("fit").arg(dir.path()).args(args), 2);
    let device = ["--device", "8 GiB"];
    for (args, expected) in [
        (&["--device", "much"][..], "much"),
        (&["--device", "8"], "'8' has no unit; write \"8 GiB\""),
        (&["--device", "8 GiB@-1"], "must be a number of TFLOP/s above 0"),
        (&["--device", "8 GiB@"], "as in \"24 GiB@35\""),
        (
            &[device[0], device[1], "--rank", "4"],
            "--rank is 4, but must be left out, or given with",
        ),
        (
            &[device[0], device[1], "--context", "8192"],
            "context is 8192, but must be from 1 to 4096",
        ),
        (&[device[0], device[1], "--batch", "0"], "batch is 0"),
        (&[device[0], device[1], "--method", "lora", "--rank", "0"], "rank is 0"),
    ] {
        let said = said(args);
        assert!(said.contains(expected), "{args:?}: {said}");
    }
    let too_big = trainyard().arg("fit").arg(dir.path()).args(device).output().unwrap();
    assert_eq!(too_big.status.code(), Some(3));
    let page = String::from_utf8_lossy(&too_big.stdout).into_owned();
    assert!(page.contains("with --method qlora on the same devices contexts up to "), "{page}");
    let mut empty = File::create(dir.path().join("config.json")).unwrap();
    empty.write_all(b"{}").unwrap();
    assert!(said(&device).contains("names no model_type"));
}

/// A Llama whose weights are all 0, with a run file for it.
fn small_model(folder: &Path) {
    let config = json!({
        "model_type": "llama", "hidden_size": 96, "num_hidden_layers": 2, "num_attention_heads": 6,
        "num_key_value_heads": 2, "intermediate_size": 256, "vocab_size": 600,
        "max_position_embeddings": 128, "tie_word_embeddings": true
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let of_block = [
        ("input_layernorm", vec![96]),
        ("self_attn.q_proj", vec![96, 96]),
        ("self_attn.k_proj", vec![32, 96]),
        ("self_attn.v_proj", vec![32, 96]),
        ("self_attn.o_proj", vec![96, 96]),
        ("post_attention_layernorm", vec![96]),
        ("mlp.gate_proj", vec![256, 96]),
        ("mlp.up_proj", vec![256, 96]),
        ("mlp.down_proj", vec![96, 256]),
    ];
    let blocks = (0..2).flat_map(|block| {
        of_block.clone().map(|(name, shape)| (format!("model.layers.{block}.{name}.weight"), shape))
    });
    let ends = [("embed_tokens", vec![600, 96]), ("norm", vec![96])];
    let ends = ends.map(|(name, shape)| (format!("model.{name}.weight"), shape));
    let mut at = 0;
    let header = blocks.chain(ends).map(|(name, shape)| {
        let from = at;
        at += 4 * shape.iter().product::<u64>();
        (name, json!({ "dtype": "F32", "shape": shape, "data_offsets": [from, at] }))
    });
    let header = Value::Object(header.collect()).to_string();
    let fixtures = root().join("crates/trainyard-models/tests/fixtures/hf");
    fs::copy(fixtures.join("llama/tokenizer.json"), folder.join("tokenizer.json")).unwrap();
    let mut file = File::create(folder.join("model.safetensors")).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len(8 + header.len() as u64 + at).unwrap();
    let run = r#"
        [model]
        kind = "hf"
        path = "."
        [data]
        kind = "text"
        builtin = "yard"
        [train]
        steps = 1
        batch = 4
        micro_batches = 4
        [[device]]
        id = "cpu"
        adapter = "cpu"
        memory = "1 GiB"
    "#;
    fs::write(folder.join("run.toml"), run).unwrap();
}

#[test]
fn estimates_are_near_what_layers_that_ran_took() {
    let dir = temp_dir();
    small_model(dir.path());
    let layers = |path: &Path| {
        let profile: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        profile["model"]["layers"].as_array().unwrap().clone()
    };
    let (ran, estimated) = (dir.path().join("ran.json"), dir.path().join("estimated.json"));
    run_ok(
        trainyard().arg("plan").arg(dir.path().join("run.toml")).arg("--save-profile").arg(&ran),
    );
    let asked = ["--device", "1 GiB", "--batch", "4", "--save-profile"];
    run_ok(trainyard().arg("fit").arg(dir.path()).args(asked).arg(&estimated));
    let (ran, estimated) = (layers(&ran), layers(&estimated));
    assert_eq!(ran.len(), estimated.len());
    for (ran, estimated) in ran.iter().zip(&estimated) {
        for exact in
            ["name", "kind", "param_bytes", "output_bytes", "tied_to", "largest_weight_bytes"]
        {
            assert_eq!(ran[exact], estimated[exact], "{} of {}", exact, ran["name"]);
        }
        let bytes = |layer: &Value, key: &str| layer[key].as_u64().unwrap_or(0) as f64;
        let (took, said) = (bytes(ran, "saved_bytes"), bytes(estimated, "saved_bytes"));
        assert!((took - said).abs() < 0.02 * took + 4096.0, "{ran}: {said}");
        let (took, said) = (bytes(ran, "workspace_bytes"), bytes(estimated, "workspace_bytes"));
        assert!(took < 1.1 * said + 4096.0, "{ran}: {said}");
    }
    // The studio and the planner read it.
    let plan = ["plan", "--profile"];
    run_ok(trainyard().args(plan).arg(dir.path().join("estimated.json")));
}
