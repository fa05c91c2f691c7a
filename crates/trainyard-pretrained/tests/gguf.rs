//! Values of weights in GGUF files, against files that `scripts/gguf-fixtures.py` made with llama.cpp's own
//! package: names, order of rows and blocks of every architecture.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails at once and says why")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use trainyard_pretrained::{Pretrained, PretrainedError};

/// File by file, the hash of each weight's numbers by its name in Hugging Face layout.
type Expected = BTreeMap<String, BTreeMap<String, String>>;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gguf"))
}

/// The FNV-1a hash of numbers, as the script has it.
fn hash(numbers: &[f32]) -> String {
    let bytes = numbers.iter().flat_map(|number| number.to_le_bytes());
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[test]
fn every_weight_is_what_it_is_in_hugging_face_layout() {
    let expected = fs::read_to_string(folder().join("expected.json")).unwrap();
    let expected: Expected = serde_json::from_str(&expected).unwrap();
    assert_eq!(expected.len(), 9);
    let mut elements = Vec::new();
    for (file, weights) in expected {
        let model = Pretrained::open(&folder().join(&file)).unwrap();
        assert_eq!(model.problems, [], "{file}");
        assert_eq!(weights.len(), model.weights.len(), "{file}");
        for (name, expected) in weights {
            assert!(model.has(&name), "{file}: {name}");
            assert_eq!(hash(&model.values(&name).unwrap()), expected, "{file}: {name}");
        }
        elements.extend(model.weights.iter().map(|weight| weight.element.name()));
    }
    elements.sort_unstable();
    elements.dedup();
    let all =
        ["bf16", "f16", "f32", "q4_0", "q4_1", "q4_k", "q5_0", "q5_1", "q5_k", "q6_k", "q8_0"];
    assert_eq!(elements, all);
}

#[test]
fn rows_of_blocks_come_in_the_order_of_hugging_face() {
    let model = Pretrained::open(&folder().join("llama.gguf")).unwrap();
    let name = "model.layers.0.self_attn.q_proj.weight";
    let raw = model.raw(name).unwrap();
    assert_eq!((raw.element.name(), raw.rows(), raw.bytes().len()), ("q8_0", 32, 32 * 34));
    // Queries of a head of eight: its second row of the first half is the file's third.
    assert_eq!(raw.row(1).unwrap(), &raw.bytes()[2 * 34..3 * 34]);
    let values = model.values(name).unwrap();
    let row = raw.row(1).unwrap();
    let scale = half::f16::from_le_bytes([row[0], row[1]]).to_f32();
    let expected = f32::from(row[2].cast_signed()) * scale;
    assert_eq!(values[32].to_bits(), expected.to_bits());
}

#[test]
fn what_a_file_has_not_is_named() {
    let model = Pretrained::open(&folder().join("llama.gguf")).unwrap();
    let told = model.values("model.layers.3.mlp.up_proj.weight").unwrap_err().to_string();
    let expected = "has no weight model.layers.3.mlp.up_proj.weight (there blk.3.ffn_up.weight); ";
    assert!(told.contains(expected), "{told}");
    let error = model.values("model.layers.0.self_attn.sinks").unwrap_err();
    assert!(matches!(error, PretrainedError::NoWeight { there: None, .. }), "{error}");
    assert!(!model.has("lm_head.weight"));
}

#[test]
fn a_file_with_other_names_or_shapes_says_so() {
    let whole = fs::read(folder().join("qwen3.gguf")).unwrap();
    let at = |name: &str| {
        whole.windows(name.len()).position(|window| window == name.as_bytes()).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    let mut changed = whole.clone();
    changed[at("blk.1.attn_k.weight") + 6] = b'x';
    // The first size of a tensor follows its name and the number of its dimensions.
    let up = at("blk.0.ffn_up.weight") + "blk.0.ffn_up.weight".len() + 4;
    changed[up] = 4;
    fs::write(&path, changed).unwrap();
    let model = Pretrained::open(&path).unwrap();
    let told: Vec<String> = model.problems.iter().map(ToString::to_string).collect();
    let expected = [
        "blk.0.ffn_up.weight is [12, 4], but must be [12, 8] by the config",
        "blk.1.attn_k.weight is missing",
        "blk.1.xttn_k.weight is no weight of this model",
    ];
    assert_eq!(told, expected);
    let error = model.values("model.layers.0.mlp.up_proj.weight").unwrap_err();
    assert!(matches!(error, PretrainedError::BadWeight { .. }), "{error}");
}
