//! Momentum as PyTorch's SGD has it: `v ← μ·v + g`. Burn's own is the same, but keeps its state to
//! itself, so that no checkpoint could hold it.

use burn::tensor::Tensor;

/// The direction of a step, and the momentum to keep. With Nesterov's look ahead the direction is
/// `g + μ·v`, without it is `v`.
pub(super) fn direction(
    gradient: Tensor<1>,
    momentum: Option<Tensor<1>>,
    decay: f64,
    nesterov: bool,
) -> (Tensor<1>, Tensor<1>) {
    let momentum = match momentum {
        Some(momentum) => momentum.mul_scalar(decay) + gradient.clone(),
        None => gradient.clone(),
    };
    let direction =
        if nesterov { momentum.clone().mul_scalar(decay) + gradient } else { momentum.clone() };
    (direction, momentum)
}
