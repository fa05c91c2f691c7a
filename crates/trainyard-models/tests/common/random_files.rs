//! Pretrained models with weights by chance, of any sizes, in Hugging Face layout.

use std::fs;
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize_to_file};
use serde_json::{Value, json};
use trainyard_engine::mix;
use trainyard_pretrained::{NewWeight, Pretrained};

/// The model of a config, in a folder.
pub(crate) fn of_config(folder: &Path, config: &Value) -> Pretrained {
    with_head(folder, config, Vec::new())
}

/// The same with more weights.
fn with_head(folder: &Path, config: &Value, head: Vec<NewWeight>) -> Pretrained {
    fs::create_dir_all(folder).unwrap();
    let place = folder.join("config.json");
    fs::write(&place, config.to_string()).unwrap();
    let weights = [Pretrained::open(&place).unwrap().layout(), head].concat();
    let numbers = |seed: usize, shape: &[u64]| -> Vec<u8> {
        let count = shape.iter().product::<u64>();
        let number = |at| {
            let number = (mix(&[seed as u64, at]) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
            if shape.len() == 1 { 1.0 + 0.2 * number } else { 0.4 * number }
        };
        (0..count).flat_map(|at| number(at).to_le_bytes()).collect()
    };
    let bytes: Vec<Vec<u8>> =
        weights.iter().enumerate().map(|(seed, it)| numbers(seed, &it.shape)).collect();
    let views = weights.iter().zip(&bytes).map(|(weight, bytes)| {
        let shape = weight.shape.iter().map(|size| *size as usize).collect();
        (&weight.name, TensorView::new(Dtype::F32, shape, bytes).unwrap())
    });
    serialize_to_file(views, None, &folder.join("model.safetensors")).unwrap();
    Pretrained::open(folder).unwrap()
}

/// A BERT of four heads a block, with its head for masked tokens.
pub(crate) fn bert(
    folder: &Path,
    (width, blocks, vocabulary, context): (u64, u64, u64, u64),
) -> Pretrained {
    let config = json!({
        "model_type": "bert", "hidden_size": width, "num_hidden_layers": blocks, "num_attention_heads": 4,
        "intermediate_size": 4 * width, "vocab_size": vocabulary, "max_position_embeddings": context,
        "type_vocab_size": 2
    });
    let of_head = |name: &str, shape: &[u64]| NewWeight {
        name: format!("cls.predictions.{name}"),
        shape: shape.to_vec(),
    };
    let head = vec![
        of_head("transform.dense.weight", &[width, width]),
        of_head("transform.dense.bias", &[width]),
        of_head("transform.LayerNorm.weight", &[width]),
        of_head("transform.LayerNorm.bias", &[width]),
        of_head("bias", &[vocabulary]),
    ];
    with_head(folder, &config, head)
}
