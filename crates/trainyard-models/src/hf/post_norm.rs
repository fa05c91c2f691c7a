//! The block of encoders: attention and what is beside it, each added to what came in, and a norm behind.

use burn::module::Module;
use burn::tensor::Tensor;
use trainyard_data::SEGMENTS;
use trainyard_engine::{EngineError, ForwardContext, Layer, Tensors};
use trainyard_pretrained::ModelConfig;

use super::attention::Attention;
use super::block::{Attends, FeedsForward};
use super::heads::Heads;
use super::mlp::Mlp;
use super::norm::Norm;
use super::weights::Weights;
use crate::carried::given;
use crate::nn::{Dropout, DropoutConfig};

/// A block with norms behind.
#[derive(Module, Debug)]
pub(super) struct PostNormBlock {
    attention: Attention,
    attention_norm: Norm,
    mlp: Mlp,
    mlp_norm: Norm,
    /// Of what is added.
    dropout: Dropout,
}

impl PostNormBlock {
    pub(super) fn new(
        weights: &Weights<'_>,
        config: &ModelConfig,
        dropout: f64,
    ) -> Result<Self, EngineError> {
        let mut heads = Heads::new(config, None, None);
        heads.sizes.is_causal = false;
        Ok(Self {
            attention: Attention::new(weights, config, heads)?,
            attention_norm: weights.norm("attention_norm", config.width)?,
            mlp: Mlp::new(weights, config)?,
            mlp_norm: weights.norm("mlp_norm", config.width)?,
            dropout: DropoutConfig::new(dropout).init(),
        })
    }
}

impl Layer for PostNormBlock {
    fn forward(
        &self,
        mut input: Tensors,
        context: &ForwardContext,
    ) -> Result<Tensors, EngineError> {
        let x: Tensor<3> = input.take("x")?;
        let segments = given(&mut input, SEGMENTS)?;
        let (mixed, _) = self.attention.forward(x.clone(), None, context, segments);
        let x = self.attention_norm.forward(x + self.dropout.forward(mixed));
        let inside = self.mlp.forward(x.clone());
        let x = self.mlp_norm.forward(x + self.dropout.forward(inside));
        Ok(Tensors::new().with("x", x))
    }
}
