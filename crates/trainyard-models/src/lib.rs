//! Burn models as ordered layers, and the registry that names them.
//!
//! A model here implements [`trainyard_engine::Model`]: it lists its layers with their costs,
//! builds any one of them on any device, and knows its loss. To add one, write a file with its
//! options, layers and costs, and name it in [`registry`].

mod attention;
mod fused;
pub mod gpt;
pub mod mlp;
pub mod registry;
mod weight_init;

pub use gpt::{Gpt, GptOptions};
pub use mlp::{Mlp, MlpOptions};
pub use registry::{ModelError, kinds, model};
