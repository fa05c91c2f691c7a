//! How a model's positions become one vector, as the files of `sentence-transformers` say.

use serde_json::Value;

use crate::error::PretrainedError;
use crate::open::{Pretrained, read_config};

/// How one vector is made of those of all positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first.
    First,
}

impl Pretrained {
    /// How the model was made to be pooled; None where its files do not say it.
    ///
    /// # Errors
    /// [`PretrainedError`] for a file that cannot be read; [`PretrainedError::Unsupported`] for another way.
    pub fn pooling(&self) -> Result<Option<Pooling>, PretrainedError> {
        let path = self.path.join("1_Pooling").join("config.json");
        if !path.is_file() {
            return Ok(None);
        }
        let config = read_config(&path)?;
        let modes = config.iter().filter(|(key, value)| {
            key.starts_with("pooling_mode_") && **value == Value::Bool(true)
        });
        let modes: Vec<&str> = modes.map(|(key, _)| key.as_str()).collect();
        match modes.as_slice() {
            ["pooling_mode_mean_tokens"] => Ok(Some(Pooling::Mean)),
            ["pooling_mode_cls_token"] => Ok(Some(Pooling::First)),
            other => Err(PretrainedError::Unsupported {
                path,
                key: "pooling_mode".to_owned(),
                value: other.join(", "),
                remedy: "the mean of all tokens and the first token are".to_owned(),
            }),
        }
    }
}
