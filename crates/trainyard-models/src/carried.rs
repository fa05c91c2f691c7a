//! What a block of a decoder hands to itself in the next slice of the context, which positions it may see, and
//! which are asked for.

use burn::tensor::{Int, Tensor};
use trainyard_data::SEGMENTS;
use trainyard_engine::{EngineError, ForwardContext, Tensors};

/// Keys and values of all positions so far, side by side: `[batch, positions, 2·width of the keys]`.
pub(crate) const KEYS_AND_VALUES: &str = "keys and values";

/// The [`SEGMENTS`] of all positions so far, `[batch, positions]` int: positions see only those with the same number.
pub(crate) const SEGMENTS_SO_FAR: &str = "segments so far";

/// Runs a block: `forward` gets its input, the keys and values of the positions before, where there are some, and
/// the segments of all positions, where the layer takes them; out come its output, and the keys and values to
/// carry.
pub(crate) fn run_block(
    mut input: Tensors,
    context: &ForwardContext,
    forward: impl FnOnce(
        Tensor<3>,
        Option<Tensor<3>>,
        Option<Tensor<2, Int>>,
    ) -> (Tensor<3>, Option<Tensor<3>>),
) -> Result<Tensors, EngineError> {
    let x: Tensor<3> = input.take("x")?;
    let seen = (!context.slice.is_first()).then(|| input.take(KEYS_AND_VALUES)).transpose()?;
    let segments = segments_so_far(&mut input, context)?;
    let (x, seen) = forward(x, seen, segments.clone());
    let output = Tensors::new().with("x", x);
    let output = match seen {
        Some(seen) => output.with(KEYS_AND_VALUES, seen),
        None => output,
    };
    Ok(with_segments(output, segments, context))
}

/// A tensor of tokens that a layer may take, where it does: `[batch, context]` int.
///
/// # Errors
/// [`EngineError::WrongTensor`] for one of another kind.
pub(crate) fn given(
    input: &mut Tensors,
    name: &str,
) -> Result<Option<Tensor<2, Int>>, EngineError> {
    input.get(name).is_some().then(|| input.take(name)).transpose()
}

/// The segments of all positions so far, of a layer that takes them and [carries](with_segments) them.
pub(crate) fn segments_so_far(
    input: &mut Tensors,
    context: &ForwardContext,
) -> Result<Option<Tensor<2, Int>>, EngineError> {
    let Some(own) = given(input, SEGMENTS)? else { return Ok(None) };
    if context.slice.is_first() {
        return Ok(Some(own));
    }
    let before: Tensor<2, Int> = input.take(SEGMENTS_SO_FAR)?;
    Ok(Some(Tensor::cat(vec![before, own], 1)))
}

/// The output of such a layer with what it carries.
pub(crate) fn with_segments(
    output: Tensors,
    so_far: Option<Tensor<2, Int>>,
    context: &ForwardContext,
) -> Tensors {
    match so_far {
        Some(so_far) if !context.slice.is_last() => output.with(SEGMENTS_SO_FAR, so_far),
        _ => output,
    }
}

/// Of `[batch, positions, width]`, the positions whose logits are asked for: all, or the last.
pub(crate) fn asked_for(x: Tensor<3>, context: &ForwardContext) -> Tensor<3> {
    let last = x.dims()[1].saturating_sub(1);
    if context.last_only { x.narrow(1, last, 1) } else { x }
}
