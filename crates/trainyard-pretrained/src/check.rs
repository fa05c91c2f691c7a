//! Whether the weights of a model are there to be used.

use crate::error::PretrainedError;
use crate::open::Pretrained;
use crate::problem::Problem;

/// So many problems are named.
const TOLD: usize = 3;

impl Pretrained {
    /// Refuses a model that has no weights, or not those that its config says.
    ///
    /// # Errors
    /// [`PretrainedError::BadFile`] with the first that are wrong.
    pub fn check(&self) -> Result<(), PretrainedError> {
        let wrong = |reason| Err(PretrainedError::bad_file(&self.path, reason));
        if !self.has_weights {
            return wrong(
                "there are no weights; it needs model.safetensors files beside".to_owned(),
            );
        }
        let told: Vec<String> = self.problems.iter().take(TOLD).map(Problem::to_string).collect();
        match self.problems.len().saturating_sub(TOLD) {
            _ if told.is_empty() => Ok(()),
            0 => wrong(told.join("; ")),
            more => wrong(format!("{}; and {more} more", told.join("; "))),
        }
    }
}
