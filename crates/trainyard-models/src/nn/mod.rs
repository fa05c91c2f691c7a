//! Layers of Burn whose backward can be split: the same names, constructors, weights and results.
//!
//! Written in a model in place of [`burn::nn`]'s, they let the stages of a pipeline compute the gradients
//! of their weights later, in `W`, when a device would wait otherwise. An embedding's whole backward can
//! wait. The gains and biases of norms are computed at once, since what they cost is nothing beside the
//! rest; norms do not keep a stage from splitting. Of frozen weights there are no gradients, and nothing is kept
//! for them: [`Lora`] is what trains beside them. Every other module of Burn works beside these, with
//! its whole backward in `I`.

mod convolution;
mod convolution_gradients;
mod dropout;
mod embedding;
mod linear;
mod lora;
mod norm;
mod packed;
mod swiglu;

pub use convolution::{
    Conv1d, Conv1dConfig, Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig,
};
pub use dropout::{Dropout, DropoutConfig};
pub(crate) use embedding::embedding;
pub use embedding::{Embedding, EmbeddingConfig};
#[cfg(test)]
pub(crate) use linear::linear;
pub(crate) use linear::linear_turned;
pub use linear::{Linear, LinearConfig};
pub use lora::{Lora, LoraConfig};
pub(crate) use norm::rms_norm;
pub use norm::{LayerNorm, LayerNormConfig, RmsNorm, RmsNormConfig};
pub use packed::PackedWeight;
pub(crate) use packed::{element, is_packed};
pub use swiglu::{SwiGlu, SwiGluConfig};

#[cfg(test)]
mod tests;
