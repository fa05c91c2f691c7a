//! Causal self-attention (Vaswani et al., arXiv 1706.03762, §3.2), as used by `gpt`.

use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, Tensor, TensorData, activation::softmax};
use trainyard_engine::{EngineError, weight};

use crate::fused;
use crate::nn::{Dropout, DropoutConfig, Linear};
use crate::weight_init::WeightInit;

/// Layer normalization (Ba et al., arXiv 1607.06450) over the last dimension.
#[derive(Module, Debug)]
pub(crate) struct LayerNorm {
    /// `[width]`
    gain: Param<Tensor<1>>,
    /// `[width]`
    bias: Option<Param<Tensor<1>>>,
}

impl LayerNorm {
    pub(crate) fn new(width: usize, bias: bool, device: &Device) -> Self {
        Self {
            gain: weight(vec![1.0; width], [width], device),
            bias: bias.then(|| weight(vec![0.0; width], [width], device)),
        }
    }

    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        fused::layer_norm(x, self.gain.val(), self.bias.as_ref().map(Param::val), 1e-5)
    }
}

/// Multi-head attention in which a position sees itself and what came before.
#[derive(Module, Debug)]
pub(crate) struct CausalAttention {
    /// Queries, keys and values in one product: `[width, 3·width]`.
    project_in: Linear,
    project_out: Linear,
    heads: usize,
    /// Of the weights by which values are mixed.
    dropout: Dropout,
}

impl CausalAttention {
    pub(crate) fn new(
        width: usize,
        heads: usize,
        bias: bool,
        dropout: f64,
        [deviation, deviation_out]: [f32; 2],
        initial: &mut WeightInit,
        device: &Device,
    ) -> Result<Self, EngineError> {
        Ok(Self {
            project_in: initial.linear([width, 3 * width], bias, deviation, device)?,
            project_out: initial.linear([width, width], bias, deviation_out, device)?,
            heads,
            dropout: DropoutConfig::new(dropout).init(),
        })
    }

    /// `[batch, context, width]` to the same.
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let projected = self.project_in.forward(x);
        let drops = self.dropout.drops(&projected.device());
        let fused = (!drops).then(|| fused::causal_attention(&projected, self.heads)).flatten();
        let mixed = fused.unwrap_or_else(|| self.mix(&projected));
        self.project_out.forward(mixed)
    }

    /// The values each position sees, `[batch, context, width]`, from queries, keys and values
    /// side by side; on any device.
    fn mix(&self, projected: &Tensor<3>) -> Tensor<3> {
        let [batch, length, width] = projected.dims();
        let width = width / 3;
        let head_width = width / self.heads;
        let device = projected.device();
        let [queries, keys, values] = [0, 1, 2].map(|part| {
            projected
                .clone()
                .narrow(2, part * width, width)
                .reshape([batch, length, self.heads, head_width])
                .swap_dims(1, 2)
        });
        let scale = 1.0 / (head_width as f64).sqrt();
        // [batch, heads, context, context]
        let scores = queries.mul_scalar(scale).matmul(keys.transpose());
        let scores = scores.mask_fill(future(length, &device), f32::NEG_INFINITY);
        let weights = self.dropout.forward(softmax(scores, 3));
        weights.matmul(values).swap_dims(1, 2).reshape([batch, length, width])
    }
}

/// True where a position would see what comes after it: `[1, 1, context, context]`.
fn future(context: usize, device: &Device) -> Tensor<4, Bool> {
    let mask: Vec<bool> = (0..context * context).map(|i| i % context > i / context).collect();
    let device = device.clone().without_autodiff();
    Tensor::from_data(TensorData::new(mask, [1, 1, context, context]), &device)
}
