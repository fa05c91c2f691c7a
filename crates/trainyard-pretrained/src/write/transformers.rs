//! What `transformers` makes of a GGUF file: its own reader knows fewer keys than llama.cpp (`integrations/ggml.py`), and
//! takes what its classes have by default for the others.

use crate::architecture::Architecture;
use crate::config::{ModelConfig, RopeScaling};
use crate::open::Pretrained;

impl Pretrained {
    /// What `transformers` 5 leaves out where it opens a GGUF file of this model, or why it cannot open one, in words;
    /// None where it has the whole model.
    pub fn gguf_in_transformers(&self) -> Option<String> {
        let config = &self.config;
        if let Some(reason) = unopened(config) {
            return Some(format!("transformers cannot open it: {reason}"));
        }
        let left_out = left_out(config);
        let all = || format!("transformers leaves out of it: {}", left_out.join(", "));
        (!left_out.is_empty()).then(all)
    }
}

/// Why it cannot be opened.
fn unopened(config: &ModelConfig) -> Option<String> {
    use Architecture::{Bert, DistilBert, Gpt2, GptNeox, Phi3, Qwen2, Qwen3, Roberta};
    let takes = |what: &str, size: u64, usual: u64| {
        (size != usual).then(|| format!("{what} is {size}, and it takes {usual}"))
    };
    match config.architecture {
        other @ (GptNeox | Bert | Roberta | DistilBert) => {
            Some(format!("it reads no GGUF files of {}", other.name()))
        }
        Qwen3 => takes("head_dim", config.head_width, 128),
        Qwen2 | Phi3 => takes("head_dim", config.head_width, config.width / config.heads),
        Gpt2 => takes("n_positions", config.context, 1024)
            .or_else(|| takes("n_inner", config.feed_forward, 4 * config.width)),
        _ => None,
    }
}

/// What is as it is by default, by its names in a config.json.
fn left_out(config: &ModelConfig) -> Vec<&'static str> {
    use Architecture::{Gemma2, Gemma3, Llama, Phi3, Qwen3};
    let it = config.architecture;
    let is_gemma = matches!(it, Gemma2 | Gemma3);
    let is_scaled = |factors: bool| {
        let scaling = config.rope.as_ref().and_then(|rope| rope.scaling.as_ref());
        scaling.is_some_and(|it| factors != matches!(it, RopeScaling::Linear { .. }))
    };
    let has_window = || (0..config.blocks).filter_map(|block| config.window_of(block));
    let has_bias = config.biases.attention || config.biases.output;
    let scaled_by = config.attention_scale.powi(-2);
    let (attention_cap, logit_cap) = match it {
        Gemma2 => (Some(50.0), Some(30.0)),
        _ => (None, None),
    };
    let all = [
        ("rope_scaling", is_scaled(false)),
        ("rope_scaling (rope_freqs.weight)", is_scaled(true)),
        ("attention_bias", has_bias && (is_gemma || matches!(it, Llama | Qwen3))),
        ("mlp_bias", config.biases.mlp && it == Llama),
        ("sliding_window", it == Phi3 && has_window().any(|window| window < config.context)),
        ("partial_rotary_factor", it == Phi3 && config.turned() < config.head_width),
        ("query_pre_attn_scalar", is_gemma && (scaled_by - 256.0).abs() > 1e-3),
        ("attn_logit_softcapping", config.attention_cap != attention_cap),
        ("final_logit_softcapping", config.logit_cap != logit_cap),
    ];
    all.into_iter().filter(|(_, is_left_out)| *is_left_out).map(|(name, _)| name).collect()
}
