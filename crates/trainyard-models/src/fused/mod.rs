//! Fused operations.
//!
//! Burn runs a layer norm or a softmax as a dozen passes over memory, each with a tensor of its own, and
//! its autodiff doubles that. Here each such function is one pass forward and one pass backward: on CPU
//! devices over `f32` slices, and on wgpu devices that are faster with them by the kernels of
//! [`trainyard_engine::kernels`]. Everywhere else (other number types, gradient checkpointing) the caller's
//! composition of Burn operations runs instead: [`apply`] and [`apply_on_gpu`] say so by returning None.
//!
//! Two rules hold for every kernel of CPU devices. **Same bits whatever the machine does**: sums run in an order
//! fixed by the shape, never by the vector width or the number of threads, and multiplications and
//! additions are never contracted. **No code for one processor**: loops are written so that the
//! compiler can vectorize them, and compiled for several instruction sets (`multiversion`).
//!
//! To add one, write a file with a type that implements [`Fused`] for [`Flex`], its kernels, and tests
//! against the composition it replaces. Its twin for wgpu devices implements it for [`Wgpu`].
#![expect(
    clippy::inline_always,
    reason = "a helper of a kernel must become part of it, to be compiled for its instruction set"
)]

mod appended;
mod attention;
mod attention_kernels;
mod cross_entropy;
mod dropout;
mod elementwise;
mod embedding;
mod gelu;
mod gelu_tanh;
mod linear;
mod norm;
mod one_row;
mod packed;
mod packed_on_gpu;
mod product;
mod rotate;
mod sight;
mod simd;
mod swiglu;
mod tile;

#[cfg(test)]
mod on_adapters;
#[cfg(test)]
mod tests;

pub(crate) use appended::appended;
pub(crate) use attention::{
    GroupedHeads, causal_attention, continued_attention, grouped_attention,
};
pub use cross_entropy::cross_entropy;
pub(crate) use dropout::dropout;
pub(crate) use embedding::{AddRows, table_gradient};
pub(crate) use gelu::gelu;
pub(crate) use gelu_tanh::gelu_tanh;
pub(crate) use linear::Linear;
pub(crate) use norm::{layer_norm, rms_norm};
pub(crate) use packed::{Layout, packed_linear, packed_rows};
pub(crate) use rotate::{Rotation, rotate, rotate_and_join};
pub(crate) use swiglu::swiglu;

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, DispatchKindConversion, DispatchTensor, Flex, Wgpu};
use burn::tensor::{DType, Tensor, TensorData};
use trainyard_engine::kernels::{Kernel, uses};

use crate::recorded::{Input, record};

/// Elements that one task of a function by elements computes.
const CHUNK: usize = 16_384;

/// A function of `N` tensors with a hand-written backward.
pub(crate) trait Fused<B: Backend, const N: usize>: Clone + Debug + Send + 'static {
    /// What the backward needs of the forward. Sharing tensors is cheap.
    type Saved: Clone + Debug + Send + 'static;

    /// Computes the function. Inputs are `f32`, and on CPU devices contiguous.
    fn forward(&self, inputs: [FloatTensor<B>; N]) -> (FloatTensor<B>, Self::Saved);

    /// From the gradient of the output (on CPU devices contiguous), those of the inputs; anything for an
    /// input whose gradient is not wanted.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FloatTensor<B>,
        wanted: [bool; N],
    ) -> [FloatTensor<B>; N];
}

/// A backend with kernels of ours.
trait Contiguous: Backend {
    /// As our kernels want it.
    fn contiguous(tensor: &FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Contiguous for Flex {
    fn contiguous(tensor: &FlexTensor) -> FlexTensor {
        tensor.to_contiguous()
    }
}

impl Contiguous for Wgpu {
    /// They see to it themselves.
    fn contiguous(tensor: &FloatTensor<Self>) -> FloatTensor<Self> {
        tensor.clone()
    }
}

/// A tensor for a fused operation; None when it lives elsewhere or does not hold `f32`.
fn input<B: Backend, const D: usize>(tensor: &Tensor<D>) -> Option<Input<B>>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    (tensor.dtype() == DType::F32).then(|| Input::of(tensor)).flatten()
}

/// Runs a fused operation, recorded in the graph when one of its inputs is.
///
/// None when an input is not a CPU tensor; the caller then composes Burn operations.
pub(crate) fn apply<F: Fused<Flex, N>, const N: usize, const D: usize>(
    operation: F,
    inputs: [Option<Input<Flex>>; N],
) -> Option<Tensor<D>> {
    if trainyard_engine::kernels::portable_kernels() {
        return None;
    }
    run(operation, inputs)
}

/// The same on a wgpu device; None also where it is not faster with our kernel, or there is nothing to
/// compute: kernels are not launched for that.
pub(crate) fn apply_on_gpu<F: Fused<Wgpu, N>, const N: usize, const D: usize>(
    kernel: Kernel,
    operation: F,
    inputs: [Option<Input<Wgpu>>; N],
) -> Option<Tensor<D>> {
    let have_elements = inputs.iter().flatten().all(Input::has_elements);
    if uses(kernel) && have_elements { run(operation, inputs) } else { None }
}

fn run<B: Contiguous, F: Fused<B, N>, const N: usize, const D: usize>(
    operation: F,
    inputs: [Option<Input<B>>; N],
) -> Option<Tensor<D>>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    let inputs: Vec<Input<B>> = inputs.into_iter().collect::<Option<_>>()?;
    if !inputs.iter().any(Input::is_tracked) {
        let values = inputs.into_iter().map(|input| B::contiguous(&input.into_values()));
        let values: Vec<_> = values.collect();
        let output = operation.forward(values.try_into().ok()?).0;
        return Some(Tensor::from_primitive::<B>(output));
    }
    let (values, guards): (Vec<_>, Vec<_>) = inputs.into_iter().map(Input::into_parts).unzip();
    let values: Vec<_> = values.iter().map(B::contiguous).collect();
    let values = values.try_into().ok()?;
    let guards = guards.try_into().ok()?;
    let (output, saved) = operation.forward(values);
    let output = record(Step(operation), guards, saved, output);
    Some(Tensor::from_primitive::<Autodiff<B>>(output))
}

/// The backward of a fused operation, as Burn's autodiff wants it.
#[derive(Debug)]
struct Step<F>(F);

impl<B: Contiguous, F: Fused<B, N>, const N: usize> Backward<B, N> for Step<F> {
    type State = F::Saved;

    fn backward(self, ops: Ops<Self::State, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let gradients = self.0.backward(ops.state, B::contiguous(&gradient), wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient);
            }
        }
    }
}

/// A new CPU tensor from its values.
fn tensor<S: Into<Vec<usize>>>(values: Vec<f32>, shape: S) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape.into()))
}

/// The values of a contiguous `f32` tensor.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().unwrap_or_default()
}

/// The shape of a tensor.
fn shape(tensor: &FlexTensor) -> Vec<usize> {
    tensor.layout().shape().to_vec()
}
