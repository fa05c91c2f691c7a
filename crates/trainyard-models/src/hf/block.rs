//! The block that most decoders have: attention and what is beside it, each behind a norm and added to what came in.

use burn::module::{Module, ModuleDisplay};
use burn::tensor::{Int, Tensor};
use trainyard_engine::{EngineError, ErasedLayer, ForwardContext, Layer, Tensors, erase};
use trainyard_pretrained::ModelConfig;

use super::attention::Attended;
use super::heads::Heads;
use super::norm::Norm;
use super::weights::Weights;
use crate::carried::run_block;

/// Attention of a block.
pub(super) trait Attends: Module + ModuleDisplay + 'static {
    /// Reads its weights.
    fn new(weights: &Weights<'_>, config: &ModelConfig, heads: Heads) -> Result<Self, EngineError>;

    /// `[batch, positions, width]` to the same, with the keys and values of the positions before, and the segments
    /// of all.
    fn forward(
        &self,
        x: Tensor<3>,
        seen: Option<Tensor<3>>,
        context: &ForwardContext,
        segments: Option<Tensor<2, Int>>,
    ) -> Attended;
}

/// The products beside attention.
pub(super) trait FeedsForward: Module + ModuleDisplay + 'static {
    /// Reads their weights.
    fn new(weights: &Weights<'_>, config: &ModelConfig) -> Result<Self, EngineError>;

    /// `[batch, positions, width]` to the same.
    fn forward(&self, x: Tensor<3>) -> Tensor<3>;
}

/// A block with norms before.
#[derive(Module, Debug)]
pub(super) struct Block<A: Module, M: Module> {
    input_norm: Norm,
    attention: A,
    mlp_norm: Norm,
    mlp: M,
    /// Whether both take what came in, instead of one after the other.
    is_parallel: bool,
}

impl<A: Attends + Module, M: FeedsForward + Module> Block<A, M> {
    /// Reads the weights of a block.
    ///
    /// # Errors
    /// As [`Weights::projection`].
    pub(super) fn build(
        weights: &Weights<'_>,
        config: &ModelConfig,
        heads: Heads,
    ) -> Result<ErasedLayer, EngineError> {
        Ok(erase(Self {
            input_norm: weights.norm("input_norm", config.width)?,
            attention: A::new(weights, config, heads)?,
            mlp_norm: weights.norm("mlp_norm", config.width)?,
            mlp: M::new(weights, config)?,
            is_parallel: config.parallel_residual,
        }))
    }
}

impl<A: Attends + Module, M: FeedsForward + Module> Layer for Block<A, M> {
    fn forward(&self, input: Tensors, context: &ForwardContext) -> Result<Tensors, EngineError> {
        run_block(input, context, |x, seen, segments| {
            let normed = self.input_norm.forward(x.clone());
            let (mixed, seen) = self.attention.forward(normed, seen, context, segments);
            let both = x.clone() + mixed;
            let taken = if self.is_parallel { x } else { both.clone() };
            let inside = self.mlp.forward(self.mlp_norm.forward(taken));
            (both + inside, seen)
        })
    }
}
