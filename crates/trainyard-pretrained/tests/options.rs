//! Options of a model's config that change what it computes: they count as `transformers` and llama.cpp take them, or
//! are refused by their names.
#![allow(clippy::unwrap_used, clippy::float_cmp, reason = "a test reads numbers as it wrote them")]

mod common;

use std::fs;

use common::{Meta, gguf};
use serde_json::{Value, json};
use trainyard_pretrained::{ModelConfig, Pretrained, RopeScaling};

/// A config of some type with sizes, and what else it says.
fn config(model_type: &str, more: &Value) -> Result<ModelConfig, String> {
    let mut json = json!({
        "model_type": model_type, "hidden_size": 24, "num_hidden_layers": 4, "num_attention_heads": 4,
        "intermediate_size": 40, "vocab_size": 37, "max_position_embeddings": 96, "head_dim": 6
    });
    json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    fs::write(&path, json.to_string()).unwrap();
    Pretrained::open(&path).map(|model| model.config).map_err(|error| error.to_string())
}

/// The same of a GGUF file, some of whose tensors are there.
fn in_gguf(
    architecture: &str,
    more: Vec<(&str, Meta<'_>)>,
    tensors: &[(&str, Vec<f32>)],
) -> Result<Pretrained, String> {
    let sizes = [
        ("embedding_length", 24),
        ("block_count", 4),
        ("feed_forward_length", 40),
        ("context_length", 96),
        ("attention.head_count", 4),
        ("vocab_size", 37),
    ];
    let of = |key: &str| format!("{architecture}.{key}");
    let mut all = vec![("general.architecture".to_owned(), Meta::Text(architecture))];
    all.extend(sizes.map(|(key, size)| (of(key), Meta::Number(size))));
    all.extend(more.into_iter().map(|(key, value)| (of(key), value)));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    gguf(&path, &all, tensors);
    Pretrained::open(&path).map_err(|error| error.to_string())
}

fn windows(config: &ModelConfig) -> Vec<Option<u64>> {
    (0..config.blocks).map(|block| config.window_of(block)).collect()
}

#[test]
fn what_new_rope_parameters_leave_out_is_said_by_old_keys() {
    let theta = |kind: &str, more: Value| {
        let config = config(kind, &more).unwrap();
        [false, true].map(|is_windowed| config.rotation(is_windowed).unwrap().0)
    };
    let plain = json!({ "rope_type": "default" });
    let said = json!({ "rope_parameters": plain, "rope_theta": 5e5 });
    assert_eq!(theta("llama", said), [5e5; 2]);
    assert_eq!(theta("qwen2", json!({ "rope_parameters": plain })), [1e4; 2]);
    let said = json!({ "rope_parameters": plain, "rotary_emb_base": 500, "rope_theta": 7.0 });
    assert_eq!(theta("gpt_neox", said), [500.0; 2]);
    let both = json!({ "full_attention": plain, "sliding_attention": plain });
    assert_eq!(theta("gemma3_text", json!({ "rope_parameters": both })), [1e6, 1e4]);
    let said = json!({ "rope_parameters": both, "rope_theta": 2e6, "rope_local_base_freq": 2e4 });
    assert_eq!(theta("gemma3_text", said), [2e6, 2e4]);
    // All of the older of both objects counts.
    let linear = json!({ "rope_type": "linear", "factor": 2.0 });
    let said = json!({ "rope_parameters": { "rope_theta": 7.0 }, "rope_scaling": linear });
    assert_eq!(theta("llama", said), [1e4; 2]);
    let said = json!({ "rope_parameters": plain, "partial_rotary_factor": 0.5 });
    assert_eq!(config("phi3", &said).unwrap().turned(), 3);
    let llama3 = json!({
        "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0
    });
    let rope = config("llama", &json!({ "rope_parameters": llama3 })).unwrap().rope.unwrap();
    assert!(matches!(rope.scaling, Some(RopeScaling::Llama3 { original_context: 96, .. })));
}

#[test]
fn windows_are_of_architectures_that_have_them() {
    let of = |kind: &str, more: Value| windows(&config(kind, &more).unwrap());
    for kind in ["llama", "gpt_neox", "qwen2", "qwen3"] {
        let said = json!({ "sliding_window": 8, "max_window_layers": 0 });
        assert_eq!(of(kind, said), [None; 4], "{kind}");
    }
    for kind in ["mistral", "phi3"] {
        let said = json!({ "sliding_window": 8, "layer_types": vec!["sliding_attention"; 4] });
        assert_eq!(of(kind, said), [Some(8); 4], "{kind}");
    }
    assert_eq!(of("phi3", json!({ "layer_types": vec!["full_attention"; 4] })), [None; 4]);
}

#[test]
fn what_a_config_says_and_no_such_model_has_is_refused_by_its_name() {
    let full = json!(vec!["full_attention"; 4]);
    let local = json!({ "rope_type": "linear", "factor": 8.0 });
    for (kind, more, words) in [
        ("mistral", json!({ "layer_types": full }), "layer_types = full_attention"),
        ("phi3", json!({ "sliding_window": 8, "layer_types": full }), "layer_types"),
        ("llama", json!({ "partial_rotary_factor": 0.5 }), "partial_rotary_factor = 0.5"),
        ("llama", json!({ "rope_parameters": { "full_attention": {} } }), "one rotation in all"),
        ("llama", json!({ "rope_scaling": "linear" }), "rope_scaling is \"linear\""),
        (
            "gemma3_text",
            json!({ "rope_parameters": { "sliding_attention": local } }),
            "rope_parameters.sliding_attention.rope_type = linear",
        ),
        (
            "gemma3_text",
            json!({ "rope_parameters": { "sliding_attention": { "partial_rotary_factor": 0.5 } } }),
            "partial_rotary_factor = 0.5",
        ),
        ("gemma3_text", json!({ "rope_parameters": local }), "rope_parameters = that of all"),
        // Sizes that do not go together, or for which there is no room.
        ("llama", json!({ "num_key_value_heads": 3 }), "4 heads cannot share 3 heads"),
        ("phi3", json!({ "partial_rotary_factor": 1e18 }), "must be above 0 and at most 1"),
        ("llama", json!({ "head_dim": 5 }), "each head's 5 numbers cannot be turned two by two"),
        ("gemma3_text", json!({ "attn_logit_softcapping": 50.0 }), "attn_logit_softcapping = 50"),
        ("gpt_neox", json!({ "rotary_pct": 1.5 }), "a share of 1.5 of each head's 6 numbers"),
        ("gpt_neox", json!({ "rotary_pct": 1e-9 }), "must be above 0"),
    ] {
        let error = config(kind, &more).unwrap_err();
        assert!(error.contains(words) && error.contains("config.json"), "{kind} {more}: {error}");
    }
}

#[test]
fn what_a_gguf_file_says_of_positions_counts_as_in_llama_cpp() {
    let of = |architecture: &str, more| in_gguf(architecture, more, &[]).unwrap().config;
    let window = |size| ("attention.sliding_window", Meta::Number(size));
    let period = |every| ("attention.sliding_window_pattern", Meta::Number(every));
    assert_eq!(windows(&of("gemma2", vec![])), [Some(4096), None, Some(4096), None]);
    assert_eq!(windows(&of("gemma3", vec![])), [None; 4]);
    assert_eq!(windows(&of("gemma3", vec![window(8)])), [Some(8); 4]);
    let every_third = [Some(8), Some(8), None, Some(8)];
    assert_eq!(windows(&of("gemma3", vec![window(8), period(3)])), every_third);
    assert_eq!(windows(&of("gemma3", vec![window(8), period(1)])), [None; 4]);
    assert_eq!(windows(&of("phi3", vec![window(0)])), [None; 4]);
    assert_eq!(windows(&of("llama", vec![window(96)])), [None; 4]);
    let gemma = of("gemma3", vec![window(8), ("rope.freq_base_swa", Meta::Float(500.0))]);
    assert_eq!(gemma.rotation(true), Some((500.0, None)));
    let linear = RopeScaling::Linear { factor: 4.0 };
    for key in ["rope.scaling.factor", "rope.scale_linear"] {
        let scaled = of("llama", vec![(key, Meta::Float(4.0))]);
        assert_eq!(scaled.rotation(false), Some((1e4, Some(&linear))), "{key}");
    }
    let none =
        vec![("rope.scaling.type", Meta::Text("none")), ("rope.scaling.factor", Meta::Float(4.0))];
    assert_eq!(of("llama", none).rotation(false), Some((1e4, None)));
    let one = vec![("rope.scaling.attn_factor", Meta::Float(1.0))];
    assert_eq!(of("phi3", one).rotation(false), Some((1e4, None)));
    let caps = of("gemma2", vec![]);
    assert_eq!((caps.attention_cap, caps.logit_cap), (Some(50.0), Some(30.0)));
    let factors = [("rope_freqs.weight", vec![1.0, 2.0, 4.0])];
    let llama = in_gguf("llama", vec![], &factors).unwrap();
    assert!(llama.problems.iter().all(|problem| !problem.to_string().contains("rope_freqs")));
    let expected = RopeScaling::Factors { factors: vec![1.0, 2.0, 4.0] };
    assert_eq!(llama.config.rope.unwrap().scaling, Some(expected));
}

#[test]
fn what_a_gguf_file_says_and_is_not_supported_is_refused_by_its_name() {
    let number = Meta::Number;
    let too_many = 1 << 36;
    for (architecture, more, words) in [
        (
            "phi3",
            vec![("rope.scaling.attn_factor", Meta::Float(1.19))],
            "phi3.rope.scaling.attn_factor = 1.19",
        ),
        ("phi3", vec![("rope.scaling.type", Meta::Text("longrope"))], "phi3.rope.scaling.type"),
        ("llama", vec![("attention.sliding_window", number(8))], "llama.attention.sliding_window"),
        ("qwen2", vec![("attention.sliding_window", number(8))], "qwen2.attention.sliding_window"),
        (
            "gemma3",
            vec![("attention.sliding_window_pattern", Meta::Ints(vec![1, 1, 1, 0]))],
            "gemma3.attention.sliding_window_pattern = a list",
        ),
        ("gemma2", vec![("rope.freq_base_swa", Meta::Float(7.0))], "gemma2.rope.freq_base_swa = 7"),
        ("llama", vec![("attention.causal", Meta::Flag(false))], "llama.attention.causal = false"),
        ("bert", vec![("attention.causal", Meta::Flag(true))], "bert.attention.causal = true"),
        ("llama", vec![("rope.dimension_count", number(4))], "llama.rope.dimension_count = 4"),
        // Sizes that do not go together, or for which there is no room.
        ("phi3", vec![("rope.dimension_count", Meta::Long(too_many))], "and at most 1"),
        ("phi3", vec![("rope.dimension_count", number(7))], "a share of 1.16"),
        ("phi3", vec![("rope.dimension_count", number(0))], "must be above 0"),
        ("llama", vec![("attention.head_count_kv", number(3))], "4 heads cannot share 3 heads"),
    ] {
        let error = in_gguf(architecture, more, &[]).unwrap_err();
        assert!(error.contains(words) && error.contains("model.gguf"), "{words}: {error}");
    }
    let factors = vec![1.0, 2.0, 4.0];
    for (tensor, more, words) in [
        ("rope_factors_long.weight", vec![], "rope_factors_long.weight = 3 factors"),
        ("rope_factors_short.weight", vec![], "take the model for short contexts"),
        (
            "rope_freqs.weight",
            vec![("rope.scaling.factor", Meta::Float(4.0))],
            "rope.scaling.factor = 4",
        ),
    ] {
        let error = in_gguf("phi3", more, &[(tensor, factors.clone())]).unwrap_err();
        assert!(error.contains(words), "{tensor}: {error}");
    }
    for factors in [vec![1.0, 2.0], vec![1.0, 0.0, 2.0], vec![1.0, f32::NAN, 2.0]] {
        let error = in_gguf("llama", vec![], &[("rope_freqs.weight", factors)]).unwrap_err();
        assert!(error.contains("factors for 3 frequencies"), "{error}");
    }
}
