//! Causal self-attention (Vaswani et al., arXiv 1706.03762, §3.2), as used by `gpt`.

use burn::module::{Module, Param};
use burn::tensor::{Bool, Device, Tensor, TensorData, activation::softmax};
use trainyard_engine::{EngineError, ForwardContext, weight};

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

    /// `[batch, positions, width]` to the same. In all but the first slice of a context `seen` are the keys
    /// and values of the positions before, `[batch, seen, 2·width]`; in all but the last those of these
    /// positions too come out.
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        seen: Option<Tensor<3>>,
        context: &ForwardContext,
    ) -> (Tensor<3>, Option<Tensor<3>>) {
        let projected = self.project_in.forward(x);
        let width = projected.dims()[2] / 3;
        let drops = self.dropout.drops(&projected.device());
        let own = || projected.clone().narrow(2, width, 2 * width);
        let hands_on = !context.slice.is_last();
        let Some(seen) = seen else {
            let fused = || fused::causal_attention(&projected, self.heads);
            let fused = if drops { None } else { fused() };
            let mixed =
                fused.unwrap_or_else(|| self.mix(projected.clone().narrow(2, 0, width), &own()));
            return (self.project_out.forward(mixed), hands_on.then(own));
        };
        let queries = projected.clone().narrow(2, 0, width);
        // As a node of its own, so that its gradients are summed before they go on.
        let keys_and_values = fused::appended(seen, own());
        let fused = || fused::continued_attention(&queries, &keys_and_values, self.heads);
        let fused = if drops { None } else { fused() };
        let mixed = fused.unwrap_or_else(|| self.mix(queries, &keys_and_values));
        (self.project_out.forward(mixed), hands_on.then_some(keys_and_values))
    }

    /// The values that each of the last positions sees, `[batch, positions, width]`, from their queries
    /// and the keys and values of all positions, side by side; on any device.
    fn mix(&self, queries: Tensor<3>, keys_and_values: &Tensor<3>) -> Tensor<3> {
        let [batch, length, width] = queries.dims();
        let all = keys_and_values.dims()[1];
        let head_width = width / self.heads;
        let device = queries.device();
        let of_heads = |rows: Tensor<3>, count: usize| {
            rows.reshape([batch, count, self.heads, head_width]).swap_dims(1, 2)
        };
        let queries = of_heads(queries, length);
        let [keys, values] = [0, 1]
            .map(|part| of_heads(keys_and_values.clone().narrow(2, part * width, width), all));
        let scale = 1.0 / (head_width as f64).sqrt();
        // [batch, heads, positions, all positions]
        let scores = queries.mul_scalar(scale).matmul(keys.transpose());
        let future = future(length, all - length, &device);
        let scores = scores.mask_fill(future, f32::NEG_INFINITY);
        let weights = self.dropout.forward(softmax(scores, 3));
        weights.matmul(values).swap_dims(1, 2).reshape([batch, length, width])
    }
}

/// True where one of `count` positions behind `before` others would see what comes after it:
/// `[1, 1, count, before + count]`.
fn future(count: usize, before: usize, device: &Device) -> Tensor<4, Bool> {
    let all = before + count;
    let mask: Vec<bool> = (0..count * all).map(|i| i % all > before + i / all).collect();
    let device = device.clone().without_autodiff();
    Tensor::from_data(TensorData::new(mask, [1, 1, count, all]), &device)
}
