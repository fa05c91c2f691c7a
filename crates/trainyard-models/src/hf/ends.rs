//! The first layer and the last: from tokens to numbers, and from numbers to logits.

use burn::module::{Module, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use trainyard_engine::{EngineError, ForwardContext, Layer, Tensors};
use trainyard_pretrained::{Architecture, ModelConfig};

use super::norm::Norm;
use super::weights::Weights;
use crate::carried::{asked_for, segments_so_far, with_segments};
use crate::nn;

/// Vectors of tokens, and of positions where the model has these: `[batch, context]` to
/// `[batch, context, width]`.
#[derive(Module, Debug)]
pub(super) struct Embed {
    /// `[vocabulary, width]`
    tokens: Param<Tensor<2>>,
    /// `[positions, width]`
    positions: Option<Param<Tensor<2>>>,
    /// What vectors of tokens are multiplied by.
    scale: Option<f64>,
}

impl Embed {
    pub(super) fn new(weights: &Weights<'_>, config: &ModelConfig) -> Result<Self, EngineError> {
        let is_gemma = matches!(config.architecture, Architecture::Gemma2 | Architecture::Gemma3);
        let positions = || weights.matrix("positions", [config.context, config.width]);
        let has_positions = config.architecture == Architecture::Gpt2;
        Ok(Self {
            tokens: weights.matrix("tokens", [config.vocabulary, config.width])?,
            positions: has_positions.then(positions).transpose()?,
            scale: is_gemma.then(|| (config.width as f64).sqrt()),
        })
    }
}

impl Layer for Embed {
    fn forward(
        &self,
        mut input: Tensors,
        context: &ForwardContext,
    ) -> Result<Tensors, EngineError> {
        let tokens: Tensor<2, Int> = input.take("tokens")?;
        let [_, length] = tokens.dims();
        let x = nn::embedding(self.tokens.val(), tokens);
        let x = match self.scale {
            Some(scale) => x.mul_scalar(scale),
            None => x,
        };
        let segments = segments_so_far(&mut input, context)?;
        let x = match (&self.positions, &segments) {
            (Some(positions), None) => {
                x + positions.val().narrow(0, context.offset, length).unsqueeze()
            }
            (Some(positions), Some(segments)) => {
                x + nn::embedding(positions.val(), places(segments, length))
            }
            (None, _) => x,
        };
        Ok(with_segments(Tensors::new().with("x", x), segments, context))
    }
}

/// The place of each of the last `own` positions in its segment: how many before it have the same number.
/// `[batch, own]`.
fn places(segments: &Tensor<2, Int>, own: usize) -> Tensor<2, Int> {
    let [batch, all] = segments.dims();
    let shape = [batch, own, all];
    let to = segments.clone().reshape([batch, 1, all]).expand(shape);
    let from = segments.clone().narrow(1, all - own, own).reshape([batch, own, 1]);
    let is_behind = |i: usize| i % all >= all - own + i / all;
    let behind: Vec<bool> = (0..own * all).map(is_behind).collect();
    let behind = TensorData::new(behind, [1, own, all]);
    let behind: Tensor<3, Bool> = Tensor::from_data(behind, &segments.device());
    let same = from.expand(shape).equal(to).int();
    same.mask_fill(behind.expand(shape), 0).sum_dim(2).reshape([batch, own])
}

/// The last norm and the product to logits: `[batch, context, width]` to `[batch, context, vocabulary]`.
#[derive(Module, Debug)]
pub(super) struct Head {
    norm: Norm,
    /// `[vocabulary, width]`, the embedding's own shape so that the two can be tied.
    weight: Param<Tensor<2>>,
    /// The bound of logits.
    cap: Option<f64>,
}

impl Head {
    pub(super) fn new(weights: &Weights<'_>, config: &ModelConfig) -> Result<Self, EngineError> {
        Ok(Self {
            norm: weights.norm("norm", config.width)?,
            weight: weights.matrix("weight", [config.vocabulary, config.width])?,
            cap: config.logit_cap,
        })
    }
}

impl Layer for Head {
    fn forward(
        &self,
        mut input: Tensors,
        context: &ForwardContext,
    ) -> Result<Tensors, EngineError> {
        let x = asked_for(input.take("x")?, context);
        let logits = nn::linear_turned(self.norm.forward(x), self.weight.val(), None);
        let logits = match self.cap {
            Some(cap) => logits.div_scalar(cap).tanh().mul_scalar(cap),
            None => logits,
        };
        Ok(Tensors::new().with("logits", logits))
    }
}
