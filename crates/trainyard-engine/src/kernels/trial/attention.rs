//! Causal attention.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor, TensorData};

use super::contest::{Contest, Run, Sizes, flat, of};
use crate::kernels::launch::gpu_tensor;
use crate::kernels::{causal_attention, causal_attention_backward};

impl Contest {
    pub(super) fn attention(&self) -> [Run<'_>; 2] {
        let Sizes { batch, context, heads, width } = self.sizes;
        let projected = self.numbers([batch, context, 3 * width], 1);
        let gradient = self.numbers([batch, context, width], 2);
        let ours = (projected.clone(), gradient.clone());
        [
            Box::new(move || {
                let (projected, gradient) =
                    (gpu_tensor(ours.0.clone())?, gpu_tensor(ours.1.clone())?);
                let attended = causal_attention(&projected, heads);
                let of_projected =
                    causal_attention_backward(&projected, &attended, &gradient, heads);
                Ok(vec![flat(attended.mixed), flat(of_projected)])
            }),
            Box::new(move || {
                let projected = projected.clone().autodiff().require_grad();
                let mixed = mix(&projected, heads);
                let mut all = (mixed.clone() * gradient.clone().autodiff()).backward();
                Ok(vec![mixed.inner().flatten(0, 2), of(&projected, &mut all)?])
            }),
        ]
    }
}

/// Causal attention as Burn's operations.
fn mix(projected: &Tensor<3>, heads: usize) -> Tensor<3> {
    let [batch, context, width] = projected.dims();
    let (width, head_width) = (width / 3, width / 3 / heads);
    let [queries, keys, values] = [0, 1, 2].map(|part| {
        let part = projected.clone().narrow(2, part * width, width);
        part.reshape([batch, context, heads, head_width]).swap_dims(1, 2)
    });
    let scores = queries.mul_scalar(1.0 / (head_width as f64).sqrt()).matmul(keys.transpose());
    let future = (0..context * context).map(|i| i % context > i / context).collect::<Vec<_>>();
    let future = TensorData::new(future, [1, 1, context, context]);
    let future = Tensor::<4, Bool>::from_data(future, &projected.device().without_autodiff());
    let weights = softmax(scores.mask_fill(future, f32::NEG_INFINITY), 3);
    weights.matmul(values).swap_dims(1, 2).reshape([batch, context, width])
}
