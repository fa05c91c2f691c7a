//! The architectures that are known.

use serde::Serialize;

/// What a model computes, but for its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Llama 1 to 3, and the small ones of its kind, `TinyLlama` and `SmolLM`.
    Llama,
    /// Mistral: Llama with a sliding window.
    Mistral,
    /// Qwen 2 and 2.5: Llama with biases of queries, keys and values.
    Qwen2,
    /// Qwen 3: Llama with norms of queries and keys.
    Qwen3,
    /// Gemma 2.
    Gemma2,
    /// Gemma 3, its text part.
    Gemma3,
    /// Phi 3 and 3.5: Llama with joined projections.
    Phi3,
    /// GPT-2.
    Gpt2,
    /// GPT-NeoX and Pythia.
    #[serde(rename = "gpt_neox")]
    GptNeox,
    /// BERT and `MiniLM`, encoders.
    Bert,
    /// `RoBERTa`, an encoder.
    Roberta,
    /// `DistilBERT`, an encoder.
    DistilBert,
}

impl Architecture {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::Gemma2,
        Self::Gemma3,
        Self::Phi3,
        Self::Gpt2,
        Self::GptNeox,
        Self::Bert,
        Self::Roberta,
        Self::DistilBert,
    ];

    /// Its `model_type` in a config.json, by which it is known.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::Gemma2 => "gemma2",
            Self::Gemma3 => "gemma3_text",
            Self::Phi3 => "phi3",
            Self::Gpt2 => "gpt2",
            Self::GptNeox => "gpt_neox",
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::DistilBert => "distilbert",
        }
    }

    /// The same as a GGUF file says it; None where there are no such files.
    pub(crate) fn gguf_name(self) -> Option<&'static str> {
        match self {
            // Mistral's files say llama, too: they differ in the window alone.
            Self::Mistral | Self::Roberta | Self::DistilBert => None,
            Self::Gemma3 => Some("gemma3"),
            Self::GptNeox => Some("gptneox"),
            other => Some(other.model_type()),
        }
    }

    /// The class of `transformers` that models of it are.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Llama => "LlamaForCausalLM",
            Self::Mistral => "MistralForCausalLM",
            Self::Qwen2 => "Qwen2ForCausalLM",
            Self::Qwen3 => "Qwen3ForCausalLM",
            Self::Gemma2 => "Gemma2ForCausalLM",
            Self::Gemma3 => "Gemma3ForCausalLM",
            Self::Phi3 => "Phi3ForCausalLM",
            Self::Gpt2 => "GPT2LMHeadModel",
            Self::GptNeox => "GPTNeoXForCausalLM",
            Self::Bert => "BertModel",
            Self::Roberta => "RobertaModel",
            Self::DistilBert => "DistilBertModel",
        }
    }

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Llama => "Llama",
            Self::Mistral => "Mistral",
            Self::Qwen2 => "Qwen2",
            Self::Qwen3 => "Qwen3",
            Self::Gemma2 => "Gemma 2",
            Self::Gemma3 => "Gemma 3",
            Self::Phi3 => "Phi-3",
            Self::Gpt2 => "GPT-2",
            Self::GptNeox => "GPT-NeoX",
            Self::Bert => "BERT",
            Self::Roberta => "RoBERTa",
            Self::DistilBert => "DistilBERT",
        }
    }

    /// Whether every position sees all others: an encoder, not a decoder.
    pub fn is_encoder(self) -> bool {
        matches!(self, Self::Bert | Self::Roberta | Self::DistilBert)
    }
}
