//! Decoders.

use super::List;
use crate::architecture::Architecture;

/// Llama and those that differ from it in biases, norms and joined projections.
pub(super) fn llama_like(list: &mut List<'_>) {
    let config = list.config;
    let (width, inside) = (config.width, config.feed_forward);
    let queries = config.heads.saturating_mul(config.head_width);
    let keys = config.key_value_heads.saturating_mul(config.head_width);
    let joins = config.architecture == Architecture::Phi3;
    let is_gemma = matches!(config.architecture, Architecture::Gemma2 | Architecture::Gemma3);
    let norms_heads = matches!(config.architecture, Architecture::Qwen3 | Architecture::Gemma3);
    list.add("model.embed_tokens.weight", &[config.vocabulary, width]);
    for block in 0..config.blocks {
        let name = |end: &str| format!("model.layers.{block}.{end}");
        list.norm(&name("input_layernorm"), width, false);
        if joins {
            let all = queries.saturating_add(keys.saturating_mul(2));
            list.linear(&name("self_attn.qkv_proj"), all, width, config.biases.attention);
        } else {
            list.linear(&name("self_attn.q_proj"), queries, width, config.biases.attention);
            list.linear(&name("self_attn.k_proj"), keys, width, config.biases.attention);
            list.linear(&name("self_attn.v_proj"), keys, width, config.biases.attention);
        }
        if norms_heads {
            list.norm(&name("self_attn.q_norm"), config.head_width, false);
            list.norm(&name("self_attn.k_norm"), config.head_width, false);
        }
        list.linear(&name("self_attn.o_proj"), width, queries, config.biases.output);
        list.norm(&name("post_attention_layernorm"), width, false);
        if is_gemma {
            list.norm(&name("pre_feedforward_layernorm"), width, false);
            list.norm(&name("post_feedforward_layernorm"), width, false);
        }
        if joins {
            let both = inside.saturating_mul(2);
            list.linear(&name("mlp.gate_up_proj"), both, width, config.biases.mlp);
        } else {
            list.linear(&name("mlp.gate_proj"), inside, width, config.biases.mlp);
            list.linear(&name("mlp.up_proj"), inside, width, config.biases.mlp);
        }
        list.linear(&name("mlp.down_proj"), width, inside, config.biases.mlp);
    }
    list.norm("model.norm", width, false);
    if !config.tied {
        list.add("lm_head.weight", &[config.vocabulary, width]);
    }
}

/// GPT-2, whose products are stored the other way round: `[inputs, outputs]`.
pub(super) fn gpt2(list: &mut List<'_>) {
    let config = list.config;
    let (width, inside) = (config.width, config.feed_forward);
    list.add("transformer.wte.weight", &[config.vocabulary, width]);
    list.add("transformer.wpe.weight", &[config.context, width]);
    for block in 0..config.blocks {
        let name = |end: &str| format!("transformer.h.{block}.{end}");
        let turned = |list: &mut List<'_>, end: &str, inputs: u64, outputs: u64| {
            list.add(name(&format!("{end}.weight")), &[inputs, outputs]);
            list.add(name(&format!("{end}.bias")), &[outputs]);
        };
        list.norm(&name("ln_1"), width, true);
        turned(list, "attn.c_attn", width, width.saturating_mul(3));
        turned(list, "attn.c_proj", width, width);
        list.norm(&name("ln_2"), width, true);
        turned(list, "mlp.c_fc", width, inside);
        turned(list, "mlp.c_proj", inside, width);
    }
    list.norm("transformer.ln_f", width, true);
    if !config.tied {
        list.add("lm_head.weight", &[config.vocabulary, width]);
    }
}

/// GPT-NeoX and Pythia.
pub(super) fn gpt_neox(list: &mut List<'_>) {
    let config = list.config;
    let (width, inside) = (config.width, config.feed_forward);
    list.add("gpt_neox.embed_in.weight", &[config.vocabulary, width]);
    for block in 0..config.blocks {
        let name = |end: &str| format!("gpt_neox.layers.{block}.{end}");
        list.norm(&name("input_layernorm"), width, true);
        list.norm(&name("post_attention_layernorm"), width, true);
        let all = width.saturating_mul(3);
        list.linear(&name("attention.query_key_value"), all, width, config.biases.attention);
        list.linear(&name("attention.dense"), width, width, config.biases.output);
        list.linear(&name("mlp.dense_h_to_4h"), inside, width, true);
        list.linear(&name("mlp.dense_4h_to_h"), width, inside, true);
    }
    list.norm("gpt_neox.final_layer_norm", width, true);
    if !config.tied {
        list.add("embed_out.weight", &[config.vocabulary, width]);
    }
}
