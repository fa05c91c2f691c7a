//! Values of weights in folders in Hugging Face layout: each way of storing, one file or several, names as
//! checkpoints have them, and what is missing, misshapen or cut.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails at once and says why")]

use std::fs::{self, OpenOptions};
use std::path::Path;

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use serde_json::{Value, json};
use trainyard_pretrained::{Pretrained, PretrainedError};

fn llama() -> Value {
    json!({
        "model_type": "llama", "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 3,
        "num_key_value_heads": 1, "intermediate_size": 20, "vocab_size": 17, "hidden_act": "silu",
        "max_position_embeddings": 32, "tie_word_embeddings": true
    })
}

fn folder(config: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("config.json"), config.to_string()).unwrap();
    folder
}

/// A weight to be written: name, shape and the first of its numbers, each of which is a quarter larger.
type Planned = (String, Vec<usize>, f32);

/// The weights that the config tells of.
fn planned(folder: &Path) -> Vec<Planned> {
    let model = Pretrained::open(&folder.join("config.json")).unwrap();
    let weights = model.weights.iter().enumerate();
    let planned = weights.map(|(at, weight)| {
        let shape = weight.shape.iter().map(|size| *size as usize).collect();
        (weight.name.clone(), shape, at as f32 - 9.0)
    });
    planned.collect()
}

/// Numbers that each way of storing has exactly.
fn numbers((_, shape, first): &Planned) -> Vec<f32> {
    (0..shape.iter().product()).map(|at| first + 0.25 * (at % 64) as f32).collect()
}

fn write(path: &Path, weights: &[Planned], dtype: Dtype) {
    let bytes = |weight: &Planned| -> Vec<u8> {
        let numbers = numbers(weight).into_iter();
        match dtype {
            Dtype::F16 => numbers.flat_map(|it| f16::from_f32(it).to_le_bytes()).collect(),
            Dtype::BF16 => numbers.flat_map(|it| bf16::from_f32(it).to_le_bytes()).collect(),
            Dtype::I32 => numbers.flat_map(|it| (it as i32).to_le_bytes()).collect(),
            _ => numbers.flat_map(f32::to_le_bytes).collect(),
        }
    };
    let bytes: Vec<Vec<u8>> = weights.iter().map(bytes).collect();
    let views = weights.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (name, TensorView::new(dtype, shape.clone(), bytes).unwrap())
    });
    serialize_to_file(views, None, path).unwrap();
}

#[test]
fn numbers_are_as_they_were_written_however_they_are_stored() {
    let folder = folder(&llama());
    let weights = planned(folder.path());
    for dtype in [Dtype::F32, Dtype::F16, Dtype::BF16] {
        write(&folder.path().join("model.safetensors"), &weights, dtype);
        let model = Pretrained::open(folder.path()).unwrap();
        for weight in &weights {
            assert_eq!(model.values(&weight.0).unwrap(), numbers(weight), "{}", weight.0);
            let raw = model.raw(&weight.0).unwrap();
            let rows = raw.rows();
            let stored: Vec<u8> =
                (0..rows).flat_map(|row| raw.row(row).unwrap().to_vec()).collect();
            assert!(stored == raw.bytes() && raw.row(rows).is_none());
            assert!(!raw.is_transposed() && raw.added() == 0.0);
        }
    }
}

#[test]
fn several_files_and_threads_are_read_at_once() {
    let folder = folder(&llama());
    let weights = planned(folder.path());
    let (first, second) = weights.split_at(7);
    let mut map = serde_json::Map::new();
    for (file, weights) in [("a.safetensors", first), ("b.safetensors", second)] {
        write(&folder.path().join(file), weights, Dtype::F16);
        map.extend(weights.iter().map(|(name, ..)| (name.clone(), json!(file))));
    }
    let index = folder.path().join("model.safetensors.index.json");
    fs::write(index, json!({ "weight_map": map }).to_string()).unwrap();
    let model = &Pretrained::open(folder.path()).unwrap();
    std::thread::scope(|scope| {
        for weights in [&weights[..5], &weights[5..]] {
            scope.spawn(move || {
                for weight in weights {
                    assert_eq!(model.values(&weight.0).unwrap(), numbers(weight));
                }
            });
        }
    });
}

#[test]
fn a_prefix_may_be_missing_on_either_side() {
    let folder = folder(&llama());
    let mut weights = planned(folder.path());
    let file = folder.path().join("model.safetensors");
    for (name, ..) in &mut weights {
        *name = name.strip_prefix("model.").unwrap().to_owned();
    }
    write(&file, &weights, Dtype::F32);
    let model = Pretrained::open(folder.path()).unwrap();
    for weight in &weights {
        assert_eq!(model.values(&format!("model.{}", weight.0)).unwrap(), numbers(weight));
        assert_eq!(model.values(&weight.0).unwrap(), numbers(weight));
    }
    assert!(!model.has("lm_head.weight") && model.has("model.norm.weight"));
}

#[test]
fn old_names_of_norms_are_known() {
    let folder = folder(&json!({
        "model_type": "bert", "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 12, "vocab_size": 11, "max_position_embeddings": 16, "type_vocab_size": 2
    }));
    let mut weights = planned(folder.path());
    for (name, ..) in &mut weights {
        let gamma = name.replace("LayerNorm.weight", "LayerNorm.gamma");
        *name = gamma.replace("LayerNorm.bias", "LayerNorm.beta");
    }
    write(&folder.path().join("model.safetensors"), &weights, Dtype::F32);
    let model = Pretrained::open(folder.path()).unwrap();
    assert_eq!(model.problems, []);
    let norms: Vec<_> = weights.iter().filter(|(name, ..)| name.contains("LayerNorm")).collect();
    assert_eq!(norms.len(), 6);
    for weight in norms {
        let name = weight.0.replace("gamma", "weight").replace("beta", "bias");
        assert_eq!(model.values(&name).unwrap(), numbers(weight), "{name}");
    }
}

#[test]
fn what_is_missing_misshapen_or_cannot_be_read_is_named() {
    let folder = folder(&llama());
    let config = Pretrained::open(&folder.path().join("config.json")).unwrap();
    let name = "model.norm.weight";
    assert!(!config.has(name));
    let told = config.values(name).unwrap_err().to_string();
    assert!(told.ends_with("has no weight model.norm.weight, but the config of a model alone; put its weights beside it"), "{told}");

    let mut weights = planned(folder.path());
    let file = folder.path().join("model.safetensors");
    let (missing, ..) = weights.remove(3);
    let misshapen = weights[4].0.clone();
    weights[4].1[0] += 1;
    write(&file, &weights, Dtype::F32);
    let model = Pretrained::open(folder.path()).unwrap();
    let told = |name: &str| model.values(name).unwrap_err().to_string();
    assert!(told(&missing).contains(&format!("has no weight {missing}; ")), "{}", told(&missing));
    let about = format!("model.safetensors: {misshapen} is [");
    assert!(told(&misshapen).contains(&about), "{}", told(&misshapen));
    assert!(model.values("model.norm.weight").is_ok());

    write(&file, &planned(folder.path()), Dtype::I32);
    let model = Pretrained::open(folder.path()).unwrap();
    let told = model.values(name).unwrap_err().to_string();
    assert!(told.contains("model.norm.weight is stored as i32; F32, F16, BF16, Q8_0"), "{told}");
}

#[test]
fn a_file_that_is_cut_or_gone_after_it_was_opened_is_an_error() {
    let folder = folder(&llama());
    let weights = planned(folder.path());
    let file = folder.path().join("model.safetensors");
    write(&file, &weights, Dtype::F32);
    let length = fs::metadata(&file).unwrap().len();
    let before = Pretrained::open(folder.path()).unwrap();
    let mapped = Pretrained::open(folder.path()).unwrap();
    let last = mapped.weights.iter().max_by_key(|weight| weight.offset).unwrap().name.clone();
    mapped.values(&last).unwrap();
    OpenOptions::new().write(true).open(&file).unwrap().set_len(length - 1).unwrap();
    for model in [&before, &mapped] {
        let error = model.values(&last).unwrap_err();
        assert!(matches!(error, PretrainedError::BadFile { .. }), "{error}");
        assert!(error.to_string().contains(&format!("it is cut off: {last} ends at byte")));
    }
    let gone = Pretrained::open(&folder.path().join("config.json")).unwrap();
    assert!(!gone.has(&last));
}
