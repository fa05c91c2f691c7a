//! Names for models, as run files use them.

use std::sync::Arc;

use thiserror::Error;
use trainyard_engine::Model;

use crate::{Gpt, GptOptions, Mlp, MlpOptions};

/// What is wrong with a run file's `[model]`.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ModelError {
    /// No model of that name.
    #[error("there is no model '{kind}'; known models: {known}")]
    UnknownKind {
        /// What was asked for.
        kind: String,
        /// What exists.
        known: String,
    },
    /// Options that do not belong to the model, or of another type.
    #[error("[model]: {reason}")]
    BadOptions {
        /// What the reader said.
        reason: String,
    },
    /// A size that makes no sense.
    #[error("model.{option} = {value}: must be {must}")]
    BadValue {
        /// Which option.
        option: String,
        /// Its value.
        value: String,
        /// What it must be.
        must: String,
    },
}

/// Refuses an option's value with the option's name and what it must be.
pub(crate) fn must(
    holds: bool,
    option: &str,
    value: &dyn std::fmt::Display,
    must: &str,
) -> Result<(), ModelError> {
    if holds {
        return Ok(());
    }
    Err(ModelError::BadValue { option: option.into(), value: value.to_string(), must: must.into() })
}

/// The options of one known model.
#[derive(Clone, Debug, PartialEq)]
pub enum ModelOptions {
    /// `kind = "gpt"`
    Gpt(GptOptions),
    /// `kind = "mlp"`
    Mlp(MlpOptions),
}

/// The names of all models.
pub fn kinds() -> &'static [&'static str] {
    &["gpt", "mlp"]
}

/// The option names of a model, for suggestions; None for an unknown model.
pub fn option_names(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "gpt" => {
            Some(&["layers", "heads", "width", "context", "vocabulary", "dropout", "bias", "tied"])
        }
        "mlp" => Some(&["inputs", "hidden", "outputs", "layers"]),
        _ => None,
    }
}

/// Makes a model. `data_vocabulary` is how many different tokens the data has, for models that ask.
///
/// # Errors
/// [`ModelError::BadValue`] for a size that makes no sense.
pub fn model(
    options: ModelOptions,
    data_vocabulary: Option<usize>,
) -> Result<Arc<dyn Model>, ModelError> {
    Ok(match options {
        ModelOptions::Gpt(options) => Arc::new(Gpt::new(options, data_vocabulary)?),
        ModelOptions::Mlp(options) => Arc::new(Mlp::new(options)?),
    })
}

fn unknown(kind: &str) -> ModelError {
    ModelError::UnknownKind { kind: kind.to_owned(), known: kinds().join(", ") }
}

/// Reads a model's options with whatever reader the caller has.
///
/// # Errors
/// [`ModelError`] for an unknown name or options the reader refuses.
pub fn read_options<'de, D>(kind: &str, reader: D) -> Result<ModelOptions, ModelError>
where
    D: serde::Deserializer<'de>,
{
    use serde::Deserialize;
    let bad = |error: D::Error| ModelError::BadOptions { reason: error.to_string() };
    match kind {
        "gpt" => GptOptions::deserialize(reader).map(ModelOptions::Gpt).map_err(bad),
        "mlp" => MlpOptions::deserialize(reader).map(ModelOptions::Mlp).map_err(bad),
        _ => Err(unknown(kind)),
    }
}
