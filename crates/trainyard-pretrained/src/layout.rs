//! The weights that a model of an architecture has, by the names of Hugging Face layout.

mod decoders;
mod encoders;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::architecture::Architecture;
use crate::config::ModelConfig;
use crate::modules::DENSE;
use crate::weight::Weight;

/// Every weight of a model, in the order of its layers. A head that shares the embedding's is not among
/// them.
pub(crate) fn expected(config: &ModelConfig) -> Vec<Weight> {
    let mut list = List { config, weights: Vec::new() };
    match config.architecture {
        Architecture::Llama
        | Architecture::Mistral
        | Architecture::Qwen2
        | Architecture::Qwen3
        | Architecture::Gemma2
        | Architecture::Gemma3
        | Architecture::Phi3 => decoders::llama_like(&mut list),
        Architecture::Gpt2 => decoders::gpt2(&mut list),
        Architecture::GptNeox => decoders::gpt_neox(&mut list),
        Architecture::Bert | Architecture::Roberta => encoders::bert(&mut list),
        Architecture::DistilBert => encoders::distilbert(&mut list),
    }
    list.weights
}

/// What a model's class puts before every name, which checkpoints of the bare model leave out.
pub(crate) fn prefix(architecture: Architecture) -> &'static str {
    match architecture {
        Architecture::Gpt2 => "transformer.",
        Architecture::Bert => "bert.",
        Architecture::Roberta => "roberta.",
        Architecture::DistilBert => "distilbert.",
        Architecture::GptNeox => "gpt_neox.",
        _ => "model.",
    }
}

/// A weight's name without its class's prefix. Of two names that a weight has had, gamma and beta of BERT's
/// norms in old checkpoints and GPT-NeoX's `lm_head` in new ones, it is the one that [`expected`] has.
pub(crate) fn bare(architecture: Architecture, name: &str) -> Cow<'_, str> {
    let bare = name.strip_prefix(prefix(architecture)).unwrap_or(name);
    if architecture == Architecture::GptNeox && bare == "lm_head.weight" {
        return Cow::Borrowed("embed_out.weight");
    }
    let renamed = [("LayerNorm.gamma", "LayerNorm.weight"), ("LayerNorm.beta", "LayerNorm.bias")]
        .into_iter()
        .find_map(|(old, new)| Some(format!("{}{new}", bare.strip_suffix(old)?)));
    renamed.map_or(Cow::Borrowed(bare), Cow::Owned)
}

/// Whether a weight of a checkpoint is none that is trained: a mask or a table that follows from the config.
pub(crate) fn is_derived(name: &str) -> bool {
    const ENDS: [&str; 7] = [
        "rotary_emb.inv_freq",
        "attn.bias",
        "attn.masked_bias",
        "attention.bias",
        "attention.masked_bias",
        "embeddings.position_ids",
        "embeddings.token_type_ids",
    ];
    let is =
        |end: &str| name.strip_suffix(end).is_some_and(|it| it.is_empty() || it.ends_with('.'));
    ENDS.into_iter().any(is)
}

/// Whether a weight of a checkpoint is the embedding once more, for the head that shares it.
pub(crate) fn is_tied_copy(config: &ModelConfig, name: &str) -> bool {
    const HEADS: [&str; 5] = [
        "lm_head.weight",
        "embed_out.weight",
        "cls.predictions.decoder.weight",
        "lm_head.decoder.weight",
        "vocab_projector.weight",
    ];
    config.tied && HEADS.contains(&name)
}

/// The name of the vectors of tokens.
pub(crate) fn embedding_name(config: &ModelConfig) -> Option<String> {
    let whole = [config.vocabulary, config.width];
    expected(config).into_iter().find(|it| it.shape == whole).map(|it| it.name)
}

/// Whether a checkpoint may have a weight beside those that a model has: of an encoder the head of some task.
pub(crate) fn may_have(config: &ModelConfig, name: &str) -> bool {
    const HEADS: [&str; 8] = [
        "cls.",
        "lm_head.",
        "pooler.",
        "classifier.",
        "vocab_",
        "qa_outputs.",
        "pre_classifier.",
        DENSE,
    ];
    let bare = name.strip_prefix(prefix(config.architecture)).unwrap_or(name);
    config.architecture.is_encoder() && HEADS.iter().any(|it| bare.starts_with(it))
}

/// Collects weights.
struct List<'a> {
    config: &'a ModelConfig,
    weights: Vec<Weight>,
}

impl List<'_> {
    fn add(&mut self, name: impl Into<String>, shape: &[u64]) {
        let element = self.config.element;
        self.weights.push(Weight::expected(name.into(), shape.to_vec(), element));
    }

    /// A product to `outputs` numbers from `inputs`, with a bias where there is one.
    fn linear(&mut self, name: &str, outputs: u64, inputs: u64, has_bias: bool) {
        self.add(format!("{name}.weight"), &[outputs, inputs]);
        if has_bias {
            self.add(format!("{name}.bias"), &[outputs]);
        }
    }

    /// A norm over `width` numbers.
    fn norm(&mut self, name: &str, width: u64, has_bias: bool) {
        self.add(format!("{name}.weight"), &[width]);
        if has_bias {
            self.add(format!("{name}.bias"), &[width]);
        }
    }
}
