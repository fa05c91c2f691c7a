//! Names of weights in GGUF files, and in which order llama.cpp's converter puts their numbers: its
//! `tensor_mapping.py` and `convert_hf_to_gguf.py`.

use crate::architecture::Architecture;
use crate::config::ModelConfig;
use crate::layout::bare;
use crate::stored::Stored;

/// A weight as a GGUF file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InGguf {
    /// Its name there.
    pub(crate) name: String,
    /// The order of its numbers there.
    pub(crate) stored: Stored,
}

/// Names of Hugging Face layout without prefix, number of the block and `.weight` or `.bias`, and those of
/// GGUF files.
type Names = [(&'static str, &'static str)];

/// What comes before a block's number, outer names, and those within a block.
struct Dictionary {
    block: &'static str,
    outer: &'static Names,
    inner: &'static Names,
}

const LLAMA: Dictionary = Dictionary {
    block: "layers.",
    outer: &[("embed_tokens", "token_embd"), ("norm", "output_norm"), ("lm_head", "output")],
    inner: &[
        ("input_layernorm", "attn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.qkv_proj", "attn_qkv"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("self_attn.o_proj", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.gate_up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ],
};

/// What Gemma has otherwise than Llama within a block.
const GEMMA: &Names = &[
    ("post_attention_layernorm", "post_attention_norm"),
    ("pre_feedforward_layernorm", "ffn_norm"),
    ("post_feedforward_layernorm", "post_ffw_norm"),
];

const GPT2: Dictionary = Dictionary {
    block: "h.",
    outer: &[
        ("wte", "token_embd"),
        ("wpe", "position_embd"),
        ("ln_f", "output_norm"),
        ("lm_head", "output"),
    ],
    inner: &[
        ("ln_1", "attn_norm"),
        ("attn.c_attn", "attn_qkv"),
        ("attn.c_proj", "attn_output"),
        ("ln_2", "ffn_norm"),
        ("mlp.c_fc", "ffn_up"),
        ("mlp.c_proj", "ffn_down"),
    ],
};

const GPT_NEOX: Dictionary = Dictionary {
    block: "layers.",
    outer: &[
        ("embed_in", "token_embd"),
        ("final_layer_norm", "output_norm"),
        ("embed_out", "output"),
    ],
    inner: &[
        ("input_layernorm", "attn_norm"),
        ("attention.query_key_value", "attn_qkv"),
        ("attention.dense", "attn_output"),
        ("post_attention_layernorm", "ffn_norm"),
        ("mlp.dense_h_to_4h", "ffn_up"),
        ("mlp.dense_4h_to_h", "ffn_down"),
    ],
};

const BERT: Dictionary = Dictionary {
    block: "encoder.layer.",
    outer: &[
        ("embeddings.word_embeddings", "token_embd"),
        ("embeddings.position_embeddings", "position_embd"),
        ("embeddings.token_type_embeddings", "token_types"),
        ("embeddings.LayerNorm", "token_embd_norm"),
    ],
    inner: &[
        ("attention.self.query", "attn_q"),
        ("attention.self.key", "attn_k"),
        ("attention.self.value", "attn_v"),
        ("attention.output.dense", "attn_output"),
        ("attention.output.LayerNorm", "attn_output_norm"),
        ("intermediate.dense", "ffn_up"),
        ("output.dense", "ffn_down"),
        ("output.LayerNorm", "layer_output_norm"),
    ],
};

/// Name and order in GGUF files of a weight by its name in Hugging Face layout; None for one that such files
/// do not have.
pub(crate) fn in_gguf(config: &ModelConfig, name: &str) -> Option<InGguf> {
    use Architecture::{Bert, DistilBert, Gemma2, Gemma3, Gpt2, GptNeox, Roberta};
    let dictionary = match config.architecture {
        Gpt2 => &GPT2,
        GptNeox => &GPT_NEOX,
        Bert => &BERT,
        Roberta | DistilBert => return None,
        _ => &LLAMA,
    };
    let is_gemma = matches!(config.architecture, Gemma2 | Gemma3);
    let bare = bare(config.architecture, name);
    let (stem, end) = bare.rsplit_once('.').filter(|(_, end)| ["weight", "bias"].contains(end))?;
    let find = |names: &Names, stem: &str| {
        names.iter().find(|(known, _)| *known == stem).map(|(_, name)| *name)
    };
    let stored = stored(config, stem, end);
    let Some(numbered) = stem.strip_prefix(dictionary.block) else {
        let name = format!("{}.{end}", find(dictionary.outer, stem)?);
        return Some(InGguf { name, stored });
    };
    let (block, part) = numbered.split_once('.')?;
    let block: u64 = block.parse().ok()?;
    let of_gemma = is_gemma.then(|| find(GEMMA, part)).flatten();
    let name = of_gemma.or_else(|| find(dictionary.inner, part))?;
    Some(InGguf { name: format!("blk.{block}.{name}.{end}"), stored })
}

fn stored(config: &ModelConfig, stem: &str, end: &str) -> Stored {
    use Architecture::{Gemma2, Gemma3, Gpt2, GptNeox, Llama, Mistral};
    let ends = |with: &[&str]| with.iter().any(|with| stem.ends_with(with));
    match config.architecture {
        Llama | Mistral if ends(&["q_proj"]) => Stored::Interleaved { heads: config.heads },
        Llama | Mistral if ends(&["k_proj"]) => {
            Stored::Interleaved { heads: config.key_value_heads }
        }
        Gemma2 | Gemma3 if ends(&["norm"]) => Stored::PlusOne,
        GptNeox if ends(&["query_key_value"]) => Stored::ByKind { heads: config.heads },
        Gpt2 if end == "weight" && ends(&["c_attn", "c_proj", "c_fc"]) => Stored::Transposed,
        _ => Stored::AsIs,
    }
}

/// What each frequency of the positions is divided by, a tensor of a file.
pub(crate) const ROPE_FACTORS: &str = "rope_freqs.weight";

/// Whether a file may have a tensor beside a model's weights: factors that follow from its config, and heads
/// for other tasks.
pub(crate) fn is_derived(name: &str) -> bool {
    name == ROPE_FACTORS || name.starts_with("cls")
}
