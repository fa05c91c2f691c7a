//! The last layer of an encoder, by what it learns: masked tokens, classes, or how alike two texts are.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use trainyard_data::SEGMENTS;
use trainyard_engine::{EngineError, ForwardContext, Layer, Tensors};
use trainyard_pretrained::{Activation, ModelConfig, Pooling};

use super::ends::lacks;
use super::mlp::activate;
use super::norm::Norm;
use super::pooling::pool;
use super::projection::Projection;
use super::weights::Weights;
use crate::carried::given;
use crate::nn::{self, Dropout, DropoutConfig, PackedWeight};
use crate::weight_init::WeightInit;

/// Deviation of weights that files do not have, as BERT's began.
const DEVIATION: f32 = 0.02;

/// Finds tokens: `[batch, context, width]` to `[batch, context, vocabulary]`.
#[derive(Module, Debug)]
pub(super) struct MaskedHead {
    dense: Projection,
    norm: Norm,
    /// `[vocabulary, width]`, the embedding's own shape so that the two can be tied; None where it is packed.
    weight: Option<Param<Tensor<2>>>,
    /// The frozen weight in its place.
    packed: Option<PackedWeight>,
    /// `[vocabulary]`
    bias: Param<Tensor<1>>,
    #[module(skip)]
    activation: Activation,
}

impl MaskedHead {
    pub(super) fn new(weights: &Weights<'_>, config: &ModelConfig) -> Result<Self, EngineError> {
        let width = config.width;
        let (weight, packed) = weights.held("weight", [config.vocabulary, width])?;
        Ok(Self {
            dense: weights.projection("dense", [width, width], true)?,
            norm: weights.norm("norm", width)?,
            weight,
            packed,
            bias: weights.vector("bias", config.vocabulary)?,
            activation: config.activation,
        })
    }
}

impl Layer for MaskedHead {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        let x = self.dense.forward(input.take("x")?);
        let x = self.norm.forward(activate(self.activation, x));
        let logits = match (&self.weight, &self.packed) {
            (Some(weight), _) => nn::linear_turned(x, weight.val(), Some(self.bias.val())),
            (None, Some(packed)) => packed.linear(x) + self.bias.val().unsqueeze(),
            (None, None) => return Err(lacks("head", "weights")),
        };
        Ok(Tensors::new().with("logits", logits))
    }
}

/// Tells classes: `[batch, context, width]` to `[batch, classes]`.
#[derive(Module, Debug)]
pub(super) struct ClassHead {
    /// Before the product to classes, where the first position is what counts.
    dense: Option<Projection>,
    dropout: Dropout,
    classes: Projection,
    #[module(skip)]
    pooling: Pooling,
    /// Whether the first product is bent by a `ReLU`, instead of a hyperbolic tangent.
    relu: bool,
}

impl ClassHead {
    /// What files do not have of it is drawn.
    ///
    /// # Errors
    /// As [`Weights::projection`].
    pub(super) fn new(
        weights: &Weights<'_>,
        (classes, pooling, relu): (usize, Pooling, bool),
        dropout: f64,
        initial: &mut WeightInit,
    ) -> Result<Self, EngineError> {
        let width = weights.config().width;
        let mut of = |path: &str, outputs| {
            weights.projection_or_drawn(path, [width, outputs], (&mut *initial, DEVIATION))
        };
        Ok(Self {
            dense: (pooling == Pooling::First).then(|| of("dense", width)).transpose()?,
            classes: of("classes", classes as u64)?,
            dropout: DropoutConfig::new(dropout).init(),
            pooling,
            relu,
        })
    }
}

impl Layer for ClassHead {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        let (x, segments) = (input.take("x")?, given(&mut input, SEGMENTS)?);
        let pooled: Tensor<3> = pool(x, segments.as_ref(), 1, self.pooling).unsqueeze_dim(1);
        let bent = match &self.dense {
            Some(dense) if self.relu => relu(dense.forward(pooled)),
            Some(dense) => dense.forward(pooled).tanh(),
            None => pooled,
        };
        let logits = self.classes.forward(self.dropout.forward(bent));
        let [rows, _, classes] = logits.dims();
        Ok(Tensors::new().with("logits", logits.reshape([rows, classes])))
    }
}

/// Tells how alike the two texts of a row are, by the cosine between their vectors: `[batch, context, width]` to
/// `[batch]`.
#[derive(Module, Debug)]
pub(super) struct PairHead {
    #[module(skip)]
    pooling: Pooling,
}

impl PairHead {
    pub(super) fn new(pooling: Pooling) -> Self {
        Self { pooling }
    }
}

impl Layer for PairHead {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        let (x, segments): (Tensor<3>, _) = (input.take("x")?, given(&mut input, SEGMENTS)?);
        let [one, other] =
            [1, 2].map(|text| pool(x.clone(), segments.as_ref(), text, self.pooling));
        let squared = |vector: &Tensor<2>| (vector.clone() * vector.clone()).sum_dim(1);
        // As `torch.nn.functional.cosine_similarity` keeps it finite.
        let lengths = (squared(&one) * squared(&other)).clamp_min(1e-16).sqrt();
        let alike = (one * other).sum_dim(1) / lengths;
        let [rows, _] = alike.dims();
        Ok(Tensors::new().with("similarity", alike.reshape([rows])))
    }
}
