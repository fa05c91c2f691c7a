//! What a block of a decoder hands to itself in the next slice of the context, and which positions are asked for.

use burn::tensor::Tensor;
use trainyard_engine::{EngineError, ForwardContext, Tensors};

/// Keys and values of all positions so far, side by side: `[batch, positions, 2·width of the keys]`.
pub(crate) const KEYS_AND_VALUES: &str = "keys and values";

/// Runs a block: `forward` gets its input, and the keys and values of the positions before, where there are
/// some; out come its output, and the keys and values to carry.
pub(crate) fn run_block(
    mut input: Tensors,
    context: &ForwardContext,
    forward: impl FnOnce(Tensor<3>, Option<Tensor<3>>) -> (Tensor<3>, Option<Tensor<3>>),
) -> Result<Tensors, EngineError> {
    let x: Tensor<3> = input.take("x")?;
    let seen = (!context.slice.is_first()).then(|| input.take(KEYS_AND_VALUES)).transpose()?;
    let (x, seen) = forward(x, seen);
    let output = Tensors::new().with("x", x);
    Ok(match seen {
        Some(seen) => output.with(KEYS_AND_VALUES, seen),
        None => output,
    })
}

/// Of `[batch, positions, width]`, the positions whose logits are asked for: all, or the last.
pub(crate) fn asked_for(x: Tensor<3>, context: &ForwardContext) -> Tensor<3> {
    let last = x.dims()[1].saturating_sub(1);
    if context.last_only { x.narrow(1, last, 1) } else { x }
}
