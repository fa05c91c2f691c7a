//! What a GGUF file says of a model: its config by llama.cpp's keys.

use super::gguf::Datum;
use crate::architecture::Architecture;
use crate::config::{ModelConfig, Rope, RopeScaling};
use crate::modules::Pooling;
use crate::weight::Element;

/// The architecture by llama.cpp's name; None where it has none that computes the same.
pub(super) fn architecture(config: &ModelConfig) -> Option<&'static str> {
    // Mistral is Llama there, whose positions all see all before them.
    let is_llama = config.architecture == Architecture::Mistral && config.window.is_none();
    config.architecture.gguf_name().or_else(|| is_llama.then_some("llama"))
}

/// The name of a model, by which llama.cpp also knows how Phi-3's tokens take spaces (`llama-vocab.cpp`).
pub(super) fn name(config: &ModelConfig, name: &str) -> String {
    let is_known = || ["phi-3", "phi3"].iter().any(|it| name.to_lowercase().contains(it));
    if config.architecture == Architecture::Phi3 && !is_known() {
        return format!("{name} (Phi-3)");
    }
    name.to_owned()
}

/// The keys of a model's config, those of its tokenizer left out.
pub(super) fn of_config(
    config: &ModelConfig,
    architecture: &str,
    name: &str,
    element: Element,
) -> Vec<(String, Datum)> {
    use Architecture::{Gemma2, Gemma3, Phi3};
    let general = [
        ("architecture", Datum::Text(architecture.to_owned())),
        ("name", Datum::Text(name.to_owned())),
        ("file_type", Datum::U32(file_type(element))),
        ("quantization_version", Datum::U32(2)),
    ];
    let mut all: Vec<(String, Datum)> =
        general.into_iter().map(|(key, datum)| (format!("general.{key}"), datum)).collect();
    let mut add = |key: &str, datum| all.push((format!("{architecture}.{key}"), datum));
    let size = |size: u64| Datum::U32(u32::try_from(size).unwrap_or(u32::MAX));
    add("context_length", size(config.context));
    add("embedding_length", size(config.width));
    add("block_count", size(config.blocks));
    add("feed_forward_length", size(config.feed_forward));
    add("vocab_size", size(config.vocabulary));
    add("attention.head_count", size(config.heads));
    add("attention.head_count_kv", size(config.key_value_heads));
    add("attention.key_length", size(config.head_width));
    add("attention.value_length", size(config.head_width));
    let epsilon = if has_means(config.architecture) { "layer_norm" } else { "layer_norm_rms" };
    add(&format!("attention.{epsilon}_epsilon"), Datum::F32(config.epsilon as f32));
    // Others see all there.
    let window = config.window.filter(|_| matches!(config.architecture, Gemma2 | Gemma3 | Phi3));
    if let Some(window) = window {
        add("attention.sliding_window", size(window));
    }
    if let Some(cap) = config.attention_cap {
        add("attn_logit_softcapping", Datum::F32(cap as f32));
    }
    if let Some(cap) = config.logit_cap {
        add("final_logit_softcapping", Datum::F32(cap as f32));
    }
    if config.architecture == Architecture::GptNeox {
        add("use_parallel_residual", Datum::Flag(config.parallel_residual));
    }
    if let Some(rope) = &config.rope {
        add("rope.freq_base", Datum::F32(rope.theta as f32));
        add("rope.dimension_count", size(config.turned()));
        if let Some(RopeScaling::Linear { factor }) = rope.scaling {
            add("rope.scaling.type", Datum::Text("linear".to_owned()));
            add("rope.scaling.factor", Datum::F32(factor as f32));
        }
    }
    if config.segments > 0 {
        all.push(("tokenizer.ggml.token_type_count".to_owned(), size(config.segments)));
    }
    all
}

/// What is said of an encoder beside: that its positions see all others, and how they become one vector, by
/// llama.cpp's numbers.
pub(super) fn of_encoder(
    config: &ModelConfig,
    architecture: &str,
    pooling: Option<Pooling>,
) -> Vec<(String, Datum)> {
    if !config.architecture.is_encoder() {
        return Vec::new();
    }
    let number = |pooling| match pooling {
        Pooling::Mean => Datum::U32(1),
        Pooling::First => Datum::U32(2),
    };
    let pooling = pooling.map(|it| (format!("{architecture}.pooling_type"), number(it)));
    let causal = (format!("{architecture}.attention.causal"), Datum::Flag(false));
    [causal].into_iter().chain(pooling).collect()
}

/// Factors of the frequencies of positions, which are a tensor of the file, `rope_freqs.weight`; None where they
/// are not changed, or all by one factor.
pub(super) fn rope_factors(config: &ModelConfig) -> Option<Vec<f32>> {
    let rope = config.rope.as_ref()?;
    match rope.scaling.as_ref()? {
        RopeScaling::Linear { .. } => None,
        RopeScaling::Factors { factors } => Some(factors.clone()),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_context } => {
            let context = *original_context as f64;
            let numbers = [*factor, *low_freq_factor, *high_freq_factor, context];
            Some(llama3_factors(config, rope, numbers))
        }
    }
}

/// The same for Llama 3.1: low frequencies are divided by a factor, high ones stay (`convert_hf_to_gguf.py`).
/// `low` and `high` are turns in the original `context`.
pub(super) fn llama3_factors(
    config: &ModelConfig,
    rope: &Rope,
    [factor, low, high, context]: [f64; 4],
) -> Vec<f32> {
    let turned = config.turned();
    let of_frequency = |index: u64| {
        let frequency = rope.theta.powf(-2.0 * index as f64 / turned as f64);
        let length = std::f64::consts::TAU / frequency;
        if length < context / high {
            return 1.0;
        }
        if length > context / low {
            return factor;
        }
        let smooth = (context / length - low) / (high - low);
        1.0 / ((1.0 - smooth) / factor + smooth)
    };
    (0..turned.div_ceil(2)).map(|index| of_frequency(index) as f32).collect()
}

/// Whether norms subtract means.
fn has_means(architecture: Architecture) -> bool {
    matches!(architecture, Architecture::Gpt2 | Architecture::GptNeox) || architecture.is_encoder()
}

/// llama.cpp's number for how most tensors are stored.
fn file_type(element: Element) -> u32 {
    match element {
        Element::F16 => 1,
        Element::Q8_0 => 7,
        Element::BF16 => 32,
        _ => 0,
    }
}
