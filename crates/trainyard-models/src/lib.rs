//! Burn models as ordered layers, and the recipes that name them.
//!
//! A model here implements [`trainyard_engine::Model`]: it lists its layers with the tensors that
//! they exchange, and builds any one of them on any device. A [`Recipe`] puts a model, its objective
//! and its data together under the name that run files use.

mod attention;
mod carried;
mod fused;
pub mod gpt;
pub mod hf;
mod micro_batch;
pub mod mlp;
pub mod nn;
mod recipe;
mod recorded;
pub mod registry;
mod sixteen;
mod weight_init;
mod weighted;

pub use fused::cross_entropy;
pub use gpt::{Gpt, GptOptions};
pub use hf::{HfModel, HfOptions};
pub use micro_batch::micro_batch;
pub use mlp::{Mlp, MlpOptions};
pub use recipe::{Job, OwnRecipe, Recipe, RecipeError, Request, Tuning};
pub use registry::recipes;
