//! `trainyard inspect`: what a pretrained model is.

use std::fs;

use serde_json::Value;
use trainyard_tests::{run_fails, run_ok, temp_dir, trainyard};

const CONFIG: &str = r#"{
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 576,
    "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
    "intermediate_size": 1536, "vocab_size": 49152, "max_position_embeddings": 8192,
    "tie_word_embeddings": true, "torch_dtype": "bfloat16"
}"#;

#[test]
fn a_config_alone_tells_what_the_model_is() {
    let dir = temp_dir();
    let config = dir.path().join("config.json");
    fs::write(&config, CONFIG).unwrap();
    fs::write(dir.path().join("README.md"), "---\nlicense: apache-2.0\n---\n").unwrap();
    let page = run_ok(trainyard().arg("inspect").arg(dir.path()));
    for line in [
        "Llama, a decoder with 135 M weights, 257 MiB by its config; there are no weights here",
        "30 blocks of width 576, 9 heads of 64 that share 3 of keys and values, feed-forward of 1536",
        "49152 tokens, 8192 positions; the head shares the embedding's weights",
        "stored as bf16 100 %",
        "no tokenizer here",
        "licence apache-2.0",
        "block0 – block29",
    ] {
        assert!(page.contains(line), "{line:?} is not in:\n{page}");
    }
    let json = run_ok(trainyard().arg("inspect").arg(&config).arg("--json"));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["parameters"], 134_515_008);
    assert_eq!(json["architecture"], "llama");
    let layers = json["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 32);
    let sum: u64 = layers.iter().filter_map(|layer| layer["parameters"].as_u64()).sum();
    assert_eq!(sum, 134_515_008);
}

#[test]
fn what_is_not_known_is_refused_by_its_name() {
    let dir = temp_dir();
    let config = dir.path().join("config.json");
    fs::write(&config, CONFIG.replace("\"llama\"", "\"rwkv\"")).unwrap();
    let said = run_fails(trainyard().arg("inspect").arg(dir.path()), 2);
    assert!(said.contains("is a 'rwkv' model, which is not known; known are llama"), "{said}");
    let said = run_fails(trainyard().args(["inspect", "nobody/nothing"]), 2);
    assert!(said.contains("no downloaded model of this name"), "{said}");
}
