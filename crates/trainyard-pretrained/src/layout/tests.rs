//! Published models have as many weights as their layout says.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::*;
use crate::config::from_json;
use crate::error::PretrainedError;
use crate::place::{Part, Role};

fn numbers(weights: &[Weight]) -> u64 {
    weights.iter().map(Weight::numbers).sum()
}

/// Sizes of published models, and how many weights they have by their publishers; encoders without their
/// poolers, which have 590,592.
#[derive(Deserialize)]
struct Published {
    name: String,
    parameters: u64,
    config: Map<String, Value>,
}

fn published() -> Vec<Published> {
    serde_json::from_str(include_str!("published.json")).unwrap()
}

fn config(json: &Map<String, Value>) -> Result<ModelConfig, PretrainedError> {
    from_json("config.json".as_ref(), json)
}

#[test]
fn published_models_have_as_many_weights_as_their_publishers_say() {
    for Published { name, parameters, config: json } in published() {
        let weights = expected(&config(&json).unwrap());
        assert_eq!(numbers(&weights), parameters, "{name}");
    }
}

#[test]
fn every_weight_has_a_place_of_its_own_and_a_plausible_role() {
    for Published { name, config: json, .. } in published() {
        let config = config(&json).unwrap();
        let weights = expected(&config);
        let mut names: Vec<&str> = weights.iter().map(|weight| weight.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), weights.len(), "{name}");
        for weight in &weights {
            // Norms are vectors, and whatever is a matrix is something else.
            let is_matrix = weight.shape.len() == 2;
            assert!(!is_matrix || weight.role != Role::Norm, "{name}: {}", weight.name);
            if let Part::Block(block) = weight.part {
                assert!(block < config.blocks, "{name}: {}", weight.name);
            }
            assert!(
                weight.name.starts_with(prefix(config.architecture)) || weight.part == Part::Head
            );
        }
        let has = |role| weights.iter().any(|weight| weight.role == role);
        assert!(Role::ALL[..4].iter().all(|role| has(*role)), "{name}");
        assert_eq!(has(Role::Head), !config.tied && !config.architecture.is_encoder(), "{name}");
    }
}

#[test]
fn what_would_change_a_model_is_refused_by_its_name() {
    let llama = published().swap_remove(0).config;
    let refused = |key: &str, value: Value| {
        let mut json = llama.clone();
        json.insert(key.to_owned(), value);
        config(&json).unwrap_err().to_string()
    };
    let cases = [
        (
            "model_type",
            json!("mamba2"),
            "is a 'mamba2' model, which is not known; known are llama,",
        ),
        (
            "hidden_act",
            json!("relu"),
            "has hidden_act = relu, which is not supported; Llama models",
        ),
        ("rope_scaling", json!({ "rope_type": "yarn", "factor": 4 }), "rope_scaling = yarn"),
        ("quantization_config", json!({ "quant_method": "gptq" }), "quantization_config = gptq"),
        ("hidden_size", json!("4096"), "hidden_size is \"4096\", but must be a whole number"),
        ("num_attention_heads", json!(0), "num_attention_heads is 0, but must be"),
        ("num_attention_heads", json!(33), "a width of 4096 is not divided by 33 heads"),
        ("num_attention_heads", json!(16), "16 heads cannot share 32 heads"),
        ("vocab_size", Value::Null, "it has no vocab_size"),
        ("torch_dtype", json!("int8"), "torch_dtype = int8"),
        ("tie_word_embeddings", json!("yes"), "must be true or false"),
    ];
    for (key, value, expected) in cases {
        let error = refused(key, value);
        assert!(error.contains(expected), "{key}: {error}");
    }
}
