//! What a forward needs, from configs as `transformers` writes them.
#![allow(clippy::float_cmp, reason = "numbers are read as they are written")]

use serde_json::{Value, json};

use super::*;

/// A config of some type with sizes, and what else it says.
fn config(model_type: &str, more: &Value) -> ModelConfig {
    let mut json = json!({
        "model_type": model_type, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3,
        "intermediate_size": 40, "vocab_size": 37, "max_position_embeddings": 96
    });
    let map = json.as_object_mut().unwrap();
    map.extend(more.as_object().unwrap().clone());
    from_json("config.json".as_ref(), map).unwrap()
}

fn windows(config: &ModelConfig) -> Vec<Option<u64>> {
    (0..config.blocks).map(|block| config.window_of(block)).collect()
}

#[test]
fn windows_are_in_the_blocks_that_have_one() {
    let of = |kind: &str, more: Value| windows(&config(kind, &more));
    assert_eq!(of("llama", json!({})), [None; 4]);
    assert_eq!(of("mistral", json!({})), [Some(4096); 4]);
    assert_eq!(of("mistral", json!({ "sliding_window": null })), [None; 4]);
    assert_eq!(of("qwen2", json!({ "sliding_window": 8, "max_window_layers": 2 })), [None; 4]);
    let said = json!({ "use_sliding_window": true, "sliding_window": 8, "max_window_layers": 2 });
    assert_eq!(of("qwen2", said), [None, None, Some(8), Some(8)]);
    assert_eq!(of("gemma2", json!({ "sliding_window": 8 })), [Some(8), None, Some(8), None]);
    let pattern = json!({ "sliding_window": 8, "sliding_window_pattern": 3 });
    assert_eq!(of("gemma3_text", pattern), [Some(8), Some(8), None, Some(8)]);
    let (full, sliding) = ("full_attention", "sliding_attention");
    let listed = json!({ "sliding_window": 8, "layer_types": [full, full, sliding, full] });
    assert_eq!(of("gemma3_text", listed), [None, None, Some(8), None]);
}

#[test]
fn rotations_are_read_from_old_and_new_configs() {
    let numbers = json!({
        "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192, "rope_type": "llama3"
    });
    let old = config("llama", &json!({ "rope_theta": 5e5, "rope_scaling": numbers }));
    let mut all = numbers.clone();
    all["rope_theta"] = json!(5e5);
    let new = config("llama", &json!({ "rope_parameters": all }));
    assert_eq!(old.rope, new.rope);
    let expected = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_context: 8192,
    };
    assert_eq!(new.rotation(false), Some((5e5, Some(&expected))));

    let old = json!({ "rope_scaling": { "rope_type": "linear", "factor": 8.0 } });
    let new = json!({ "rope_parameters": {
        "full_attention": { "rope_type": "linear", "factor": 8.0, "rope_theta": 1e6 },
        "sliding_attention": { "rope_type": "default", "rope_theta": 1e4 }
    } });
    for said in [old, new] {
        let gemma = config("gemma3_text", &said);
        let linear = RopeScaling::Linear { factor: 8.0 };
        assert_eq!(gemma.rotation(false), Some((1e6, Some(&linear))));
        assert_eq!(gemma.rotation(true), Some((1e4, None)));
    }
    assert_eq!(config("gpt_neox", &json!({})).rope.unwrap().share, 0.25);
    let said = json!({ "rope_parameters": { "partial_rotary_factor": 0.5, "rope_theta": 1e4 } });
    assert_eq!(config("gpt_neox", &said).rope.unwrap().share, 0.5);
}

#[test]
fn scales_caps_and_epsilons_are_those_of_transformers() {
    let gemma = config("gemma2", &json!({ "query_pre_attn_scalar": 64 }));
    assert_eq!((gemma.attention_scale, gemma.head_width), (0.125, 256));
    assert_eq!((gemma.attention_cap, gemma.logit_cap), (Some(50.0), Some(30.0)));
    let none = json!({ "attn_logit_softcapping": null, "final_logit_softcapping": null });
    let gemma = config("gemma2", &none);
    assert_eq!((gemma.attention_cap, gemma.logit_cap), (None, None));
    assert_eq!(config("gemma3_text", &json!({})).attention_cap, None);
    let llama = config("llama", &json!({ "head_dim": 16, "rms_norm_eps": 1e-4 }));
    assert_eq!((llama.attention_scale, llama.epsilon), (0.25, 1e-4));
    assert_eq!(llama.activation, Activation::Silu);
    let neox = config("gpt_neox", &json!({ "use_parallel_residual": false }));
    assert_eq!((neox.parallel_residual, neox.epsilon), (false, 1e-5));
    assert!(config("gpt_neox", &json!({})).parallel_residual);
    assert_eq!(config("gpt2", &json!({})).activation, Activation::GeluTanh);
    // DistilBERT's classes have no such option.
    assert_eq!(config("distilbert", &json!({ "layer_norm_eps": 0.1 })).epsilon, 1e-12);
    assert_eq!(config("bert", &json!({ "layer_norm_eps": 0.1 })).epsilon, 0.1);
}

/// `transformers`' `activations.py`: several names are of one function.
#[test]
fn functions_have_all_their_names() {
    let of = |kind: &str, name: &str| config(kind, &json!({ "hidden_act": name })).activation;
    for name in ["gelu_new", "gelu_fast", "gelu_pytorch_tanh"] {
        for kind in ["gpt2", "gpt_neox", "bert", "distilbert", "gemma2", "gemma3_text"] {
            assert_eq!(of(kind, name), Activation::GeluTanh, "{kind} {name}");
        }
    }
    for name in ["silu", "swish"] {
        for kind in ["llama", "mistral", "qwen2", "qwen3", "phi3"] {
            assert_eq!(of(kind, name), Activation::Silu, "{kind} {name}");
        }
    }
}

#[test]
fn the_first_llamas_have_no_context_in_their_config() {
    let of = |kind: &str| {
        let json = json!({
            "model_type": kind, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 3,
            "intermediate_size": 40, "vocab_size": 37
        });
        let read = from_json("config.json".as_ref(), json.as_object().unwrap());
        read.map(|config| config.context).map_err(|error| error.to_string())
    };
    assert_eq!(of("llama"), Ok(2048));
    assert!(of("qwen2").unwrap_err().contains("max_position_embeddings"));
}

#[test]
fn dropout_that_decoders_train_without_is_told() {
    let gpt2 = config("gpt2", &json!({ "attn_pdrop": 0.1, "resid_pdrop": 0.0 }));
    assert_eq!(gpt2.dropout, [("attn_pdrop", 0.1)].into());
    let bert = json!({ "hidden_dropout": 0.1, "attention_dropout": 0.1 });
    assert!(config("bert", &bert).dropout.is_empty());
}

/// `transformers`' modeling files: `attention_bias` is an option of some classes and means nothing to others.
#[test]
fn biases_are_an_option_where_transformers_has_it() {
    for (kind, said, without) in [
        ("llama", (true, true, true), (false, false, false)),
        ("qwen3", (true, true, false), (false, false, false)),
        ("gemma2", (true, true, false), (false, false, false)),
        ("mistral", (false, false, false), (false, false, false)),
        ("phi3", (false, false, false), (false, false, false)),
        ("qwen2", (true, false, false), (true, false, false)),
        ("gpt2", (true, true, true), (true, true, true)),
        ("gpt_neox", (true, true, true), (false, false, true)),
        ("bert", (true, true, true), (true, true, true)),
    ] {
        for (flag, expected) in [(true, said), (false, without)] {
            let of = config(kind, &json!({ "attention_bias": flag, "mlp_bias": flag })).biases;
            assert_eq!((of.attention, of.output, of.mlp), expected, "{kind} {flag}");
        }
    }
}
