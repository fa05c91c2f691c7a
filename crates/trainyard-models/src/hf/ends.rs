//! The first layer and the last: from tokens to numbers, and from numbers to logits.

use burn::module::{Module, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData};
use trainyard_engine::{EngineError, ForwardContext, Layer, Tensors};
use trainyard_pretrained::{Architecture, ModelConfig};

use super::norm::Norm;
use super::weights::Weights;
use crate::carried::{asked_for, segments_so_far, with_segments};
use crate::nn::{self, PackedWeight};

/// Vectors of tokens, and of positions where the model has these: `[batch, context]` to
/// `[batch, context, width]`.
#[derive(Module, Debug)]
pub(super) struct Embed {
    /// `[vocabulary, width]`; None where they are packed.
    tokens: Option<Param<Tensor<2>>>,
    /// The frozen vectors of tokens in their place.
    packed: Option<PackedWeight>,
    /// `[positions, width]`
    positions: Option<Param<Tensor<2>>>,
    /// The token whose vector learns nothing here.
    filling: Option<u64>,
    /// What vectors of tokens are multiplied by.
    scale: Option<f64>,
}

impl Embed {
    pub(super) fn new(weights: &Weights<'_>, config: &ModelConfig) -> Result<Self, EngineError> {
        let is_gemma = matches!(config.architecture, Architecture::Gemma2 | Architecture::Gemma3);
        let positions = || weights.matrix("positions", [config.context, config.width]);
        let has_positions = config.architecture == Architecture::Gpt2;
        let (tokens, packed) = weights.held("tokens", [config.vocabulary, config.width])?;
        Ok(Self {
            tokens,
            packed,
            positions: has_positions.then(positions).transpose()?,
            filling: config.filling,
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
        let x = match (&self.tokens, &self.packed) {
            (Some(vectors), _) => nn::embedding(vectors.val(), tokens, self.filling),
            (None, Some(packed)) => packed.rows(tokens),
            (None, None) => return Err(lacks("embed", "vectors of tokens")),
        };
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
                x + nn::embedding(positions.val(), places(segments, length), None)
            }
            (None, _) => x,
        };
        Ok(with_segments(Tensors::new().with("x", x), segments, context))
    }
}

/// The place of each of the last `own` positions in its segment: how many before it have the same number.
/// `[batch, own]`.
pub(super) fn places(segments: &Tensor<2, Int>, own: usize) -> Tensor<2, Int> {
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
    /// `[vocabulary, width]`, the embedding's own shape so that the two can be tied; None where it is packed.
    weight: Option<Param<Tensor<2>>>,
    /// The frozen weight in its place.
    packed: Option<PackedWeight>,
    /// The bound of logits.
    cap: Option<f64>,
}

impl Head {
    pub(super) fn new(weights: &Weights<'_>, config: &ModelConfig) -> Result<Self, EngineError> {
        let (weight, packed) = weights.held("weight", [config.vocabulary, config.width])?;
        Ok(Self {
            norm: weights.norm("norm", config.width)?,
            weight,
            packed,
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
        let x = self.norm.forward(x);
        let logits = match (&self.weight, &self.packed) {
            (Some(weight), _) => nn::linear_turned(x, weight.val(), None),
            (None, Some(packed)) => packed.linear(x),
            (None, None) => return Err(lacks("head", "weights")),
        };
        let logits = match self.cap {
            Some(cap) => logits.div_scalar(cap).tanh().mul_scalar(cap),
            None => logits,
        };
        Ok(Tensors::new().with("logits", logits))
    }
}

/// Of a layer that was made with neither numbers nor blocks, as none is.
pub(super) fn lacks(layer: &str, what: &str) -> EngineError {
    EngineError::Layer { layer: layer.to_owned(), reason: format!("it has no {what}") }
}
