//! The recipes that run files can name.
//!
//! To add one: a file with a type that implements [`Recipe`], and a line in [`recipes`].

use std::sync::Arc;

use crate::{Recipe, gpt, hf, mlp};

/// Every recipe that comes with Trainyard.
pub fn recipes() -> Vec<Arc<dyn Recipe>> {
    vec![Arc::new(gpt::GptRecipe), Arc::new(hf::HfRecipe), Arc::new(mlp::MlpRecipe)]
}
