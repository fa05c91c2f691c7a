//! What an encoder is written for, and what follows from it for its files.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::folder::write_json;
use crate::architecture::Architecture;
use crate::error::PretrainedError;
use crate::layout::prefix;
use crate::modules::{MODULES, POOLING, Pooling};
use crate::open::Pretrained;

/// The folder of the product behind a text's vector.
pub(super) const DENSE_FOLDER: &str = "2_Dense";

/// What an encoder has learned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To find masked tokens.
    Masked,
    /// To tell classes.
    Classes {
        /// Their names, in the order of their numbers.
        names: Vec<String>,
        /// How a text becomes one vector.
        pooling: Pooling,
    },
    /// To make vectors of texts.
    Vectors {
        /// How.
        pooling: Pooling,
    },
}

impl Purpose {
    /// Whether `transformers` has no class with its head: then the folder is one of `sentence-transformers`, whose
    /// modules are the model without a head, and what follows.
    pub fn is_of_modules(&self) -> bool {
        match self {
            Self::Masked => false,
            Self::Classes { pooling, .. } => *pooling == Pooling::Mean,
            Self::Vectors { .. } => true,
        }
    }

    /// The class of `transformers` that opens it.
    pub fn class(&self, architecture: Architecture) -> String {
        let bare = architecture.class();
        let stem = bare.strip_suffix("Model").unwrap_or(bare);
        match self {
            _ if self.is_of_modules() => bare.to_owned(),
            Self::Masked => format!("{stem}ForMaskedLM"),
            Self::Classes { .. } | Self::Vectors { .. } => {
                format!("{stem}ForSequenceClassification")
            }
        }
    }

    /// A weight's name in the model that is opened with its class.
    pub fn name_of<'a>(&self, architecture: Architecture, name: &'a str) -> &'a str {
        let bare = name.strip_prefix(prefix(architecture)).filter(|_| self.is_of_modules());
        bare.unwrap_or(name)
    }

    fn pooling(&self) -> Option<Pooling> {
        match self {
            Self::Masked => None,
            Self::Classes { pooling, .. } | Self::Vectors { pooling } => Some(*pooling),
        }
    }

    /// Says in a config.json what the model is for.
    pub(super) fn say(&self, architecture: Architecture, config: &mut Map<String, Value>) {
        for key in ["id2label", "label2id", "problem_type"] {
            config.remove(key);
        }
        config.insert("architectures".to_owned(), json!([self.class(architecture)]));
        let Self::Classes { names, .. } = self else { return };
        let numbered = || names.iter().enumerate();
        let names: Map<_, _> = numbered().map(|(at, it)| (at.to_string(), json!(it))).collect();
        let numbers: Map<_, _> = numbered().map(|(at, it)| (it.clone(), json!(at))).collect();
        config.insert("id2label".to_owned(), names.into());
        config.insert("label2id".to_owned(), numbers.into());
        config.insert("problem_type".to_owned(), "single_label_classification".into());
    }
}

/// Writes the files of `sentence-transformers`, but for weights: the model, how texts of up to `context` tokens become
/// vectors, and what follows.
///
/// # Errors
/// [`PretrainedError`] where something cannot be written.
pub(super) fn write_modules(
    model: &Pretrained,
    folder: &Path,
    purpose: &Purpose,
    context: u64,
) -> Result<(), PretrainedError> {
    let Some(pooling) = purpose.pooling().filter(|_| purpose.is_of_modules()) else {
        return Ok(());
    };
    let width = model.config.width;
    let mut modules = vec![("Transformer", ""), ("Pooling", POOLING)];
    let pooled = json!({
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": pooling == Pooling::First,
        "pooling_mode_mean_tokens": pooling == Pooling::Mean,
        "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false,
    });
    write_config(folder, POOLING, &pooled)?;
    match purpose {
        Purpose::Classes { names, .. } => {
            modules.push(("Dense", DENSE_FOLDER));
            let dense = json!({
                "in_features": width,
                "out_features": names.len(),
                "bias": true,
                "activation_function": "torch.nn.modules.linear.Identity",
            });
            write_config(folder, DENSE_FOLDER, &dense)?;
        }
        _ if model.normalizes()? => {
            modules.push(("Normalize", "2_Normalize"));
            make(&folder.join("2_Normalize"))?;
        }
        _ => {}
    }
    let module = |(at, (kind, path)): (usize, &(&str, &str))| {
        let class = format!("sentence_transformers.models.{kind}");
        json!({ "idx": at, "name": at.to_string(), "path": path, "type": class })
    };
    let modules: Vec<Value> = modules.iter().enumerate().map(module).collect();
    write_json(&folder.join(MODULES), &modules.into())?;
    // Texts are lowered by the tokenizer where they are.
    let of_texts = json!({ "max_seq_length": context, "do_lower_case": false });
    write_json(&folder.join("sentence_bert_config.json"), &of_texts)
}

fn write_config(folder: &Path, name: &str, config: &Value) -> Result<(), PretrainedError> {
    make(&folder.join(name))?;
    write_json(&folder.join(name).join("config.json"), config)
}

fn make(folder: &Path) -> Result<(), PretrainedError> {
    std::fs::create_dir_all(folder).map_err(PretrainedError::written(folder))
}
