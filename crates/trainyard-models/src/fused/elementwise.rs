//! Functions of the numbers at one place of tensors of one shape, a chunk a task.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::{CHUNK, shape, tensor, values};

/// A function of a tensor, which is told numbers and where its results go.
pub(super) fn of_one(x: &FlexTensor, function: fn(&[f32], &mut [f32])) -> FlexTensor {
    let mut output = vec![0.0; values(x).len()];
    let chunks = output.par_chunks_mut(CHUNK).zip(values(x).par_chunks(CHUNK));
    chunks.for_each(|(output, x)| function(x, output));
    tensor(output, shape(x))
}

/// The same of two.
pub(super) fn of_two(
    x: &FlexTensor,
    y: &FlexTensor,
    function: fn(&[f32], &[f32], &mut [f32]),
) -> FlexTensor {
    let mut output = vec![0.0; values(x).len()];
    let inputs = values(x).par_chunks(CHUNK).zip(values(y).par_chunks(CHUNK));
    let chunks = output.par_chunks_mut(CHUNK).zip(inputs);
    chunks.for_each(|(output, (x, y))| function(x, y, output));
    tensor(output, shape(x))
}
