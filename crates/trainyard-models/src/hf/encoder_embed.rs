//! The first layer of an encoder: from tokens to numbers.

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor};
use trainyard_data::SEGMENTS;
use trainyard_engine::{EngineError, ForwardContext, Layer, Tensors};
use trainyard_pretrained::ModelConfig;

use super::ends::{lacks, places};
use super::norm::Norm;
use super::weights::Weights;
use crate::carried::given;
use crate::nn::{self, Dropout, DropoutConfig, PackedWeight};

/// Vectors of tokens, positions and types of tokens, added and behind a norm: `[batch, context]` to
/// `[batch, context, width]`.
#[derive(Module, Debug)]
pub(super) struct EncoderEmbed {
    /// `[vocabulary, width]`; None where they are packed.
    tokens: Option<Param<Tensor<2>>>,
    /// The frozen vectors of tokens in their place.
    packed: Option<PackedWeight>,
    /// `[positions, width]`
    positions: Param<Tensor<2>>,
    /// `[types, width]`
    types: Option<Param<Tensor<2>>>,
    norm: Norm,
    dropout: Dropout,
    /// The row of the first position.
    first: u64,
}

impl EncoderEmbed {
    pub(super) fn new(
        weights: &Weights<'_>,
        config: &ModelConfig,
        dropout: f64,
    ) -> Result<Self, EngineError> {
        let types = || weights.matrix("types", [config.segments, config.width]);
        let (tokens, packed) = weights.held("tokens", [config.vocabulary, config.width])?;
        Ok(Self {
            tokens,
            packed,
            positions: weights.matrix("positions", [config.context, config.width])?,
            types: (config.segments > 0).then(types).transpose()?,
            norm: weights.norm("norm", config.width)?,
            dropout: DropoutConfig::new(dropout).init(),
            first: config.first_position,
        })
    }

    /// Vectors of positions, which begin anew with every text of a row: `[rows or 1, context, width]`.
    fn of_positions(&self, segments: Option<Tensor<2, Int>>, length: usize) -> Tensor<3> {
        let table = self.positions.val();
        match segments {
            None => table.narrow(0, self.first as usize, length).unsqueeze(),
            Some(segments) => {
                nn::embedding(table, places(&segments, length).add_scalar(self.first), None)
            }
        }
    }

    /// Vectors of types, that of the first kind for all where nothing is said.
    fn of_types(&self, types: Option<Tensor<2, Int>>) -> Option<Tensor<3>> {
        let table = self.types.as_ref()?.val();
        Some(match types {
            Some(types) => nn::embedding(table, types, None),
            None => table.narrow(0, 0, 1).unsqueeze(),
        })
    }
}

impl Layer for EncoderEmbed {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        let tokens: Tensor<2, Int> = input.take("tokens")?;
        let segments = given(&mut input, SEGMENTS)?;
        let types = given(&mut input, "token_types")?;
        let [_, length] = tokens.dims();
        let x = match (&self.tokens, &self.packed) {
            (Some(vectors), _) => nn::embedding(vectors.val(), tokens, None),
            (None, Some(packed)) => packed.rows(tokens),
            (None, None) => return Err(lacks("embed", "vectors of tokens")),
        };
        let x = x + self.of_positions(segments, length);
        let x = match self.of_types(types) {
            Some(types) => x + types,
            None => x,
        };
        Ok(Tensors::new().with("x", self.dropout.forward(self.norm.forward(x))))
    }
}
