//! Operations with weights whose gradients can wait.
//!
//! Burn's own linear layer and convolutions compute the gradients of input and weights in one step of
//! the graph. These compute that of the input alone, and leave those of the weights to
//! [`compute_or_keep`].

use std::fmt::Debug;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, DispatchKindConversion, DispatchTensor, Flex, TensorMetadata, Wgpu,
};
use burn::tensor::{DType, Shape, Tensor};
use trainyard_engine::{WeightHalf, compute_or_keep, sixteen_bits};

use crate::recorded::{Input, record};
use crate::sixteen::InSixteenBits;

/// A function of an input, a weight and maybe a bias.
pub(crate) trait Weighted<B: Backend>: Clone + Debug + Send + 'static {
    /// The input as the other functions take it, and as it is kept.
    fn taken(&self, x: FloatTensor<B>) -> FloatTensor<B> {
        x
    }

    /// Computes the function.
    fn forward(
        &self,
        x: &FloatTensor<B>,
        weight: &FloatTensor<B>,
        bias: Option<&FloatTensor<B>>,
    ) -> FloatTensor<B>;

    /// The gradient of the input, of a shape.
    fn input_gradient(
        &self,
        shape: Shape,
        weight: &FloatTensor<B>,
        gradient: &FloatTensor<B>,
    ) -> FloatTensor<B>;

    /// That of the weight, whose shape `weight` says.
    fn weight_gradient(
        &self,
        x: FloatTensor<B>,
        weight: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B>;

    /// That of the weight, added to a sum where there is one; both are flat, `[elements]`.
    fn add_weight_gradient(
        &self,
        x: FloatTensor<B>,
        weight: FloatTensor<B>,
        gradient: FloatTensor<B>,
        sum: Option<FloatTensor<B>>,
    ) -> FloatTensor<B> {
        added::<B>(self.weight_gradient(x, weight, gradient), sum)
    }

    /// That of the bias.
    fn bias_gradient(
        &self,
        x: FloatTensor<B>,
        bias: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> FloatTensor<B>;
}

/// Runs an operation on whichever of the engine's backends the tensors are on, in the numbers in which the
/// thread's device computes products, recorded in the graph where one of them is; None where they are elsewhere.
pub(crate) fn apply<O, const D: usize, const W: usize>(
    operation: &O,
    x: &Tensor<D>,
    weight: &Tensor<W>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<D>>
where
    O: Weighted<Flex> + Weighted<Wgpu>,
{
    match sixteen_bits() {
        Some(dtype) => {
            on_either(&InSixteenBits { operation: operation.clone(), dtype }, x, weight, bias)
        }
        None => on_either(operation, x, weight, bias),
    }
}

fn on_either<O, const D: usize, const W: usize>(
    operation: &O,
    x: &Tensor<D>,
    weight: &Tensor<W>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<D>>
where
    O: Weighted<Flex> + Weighted<Wgpu>,
{
    apply_on::<Flex, O, D, W>(operation, x, weight, bias)
        .or_else(|| apply_on::<Wgpu, O, D, W>(operation, x, weight, bias))
}

/// The same on one backend.
pub(crate) fn apply_on<B: Backend, O: Weighted<B>, const D: usize, const W: usize>(
    operation: &O,
    x: &Tensor<D>,
    weight: &Tensor<W>,
    bias: Option<&Tensor<1>>,
) -> Option<Tensor<D>>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    // The input is kept for the gradients of weights alone: of frozen ones there are none.
    let keeps_x = weight.is_tracked() || bias.is_some_and(Tensor::is_tracked);
    let (x, weight) = (Input::<B>::of(x)?, Input::<B>::of(weight)?);
    let bias = match bias {
        Some(bias) => Some(Input::<B>::of(bias)?),
        None => None,
    };
    if !(x.is_tracked() || weight.is_tracked() || bias.as_ref().is_some_and(Input::is_tracked)) {
        let (x, weight) = (operation.taken(x.into_values()), weight.into_values());
        let bias = bias.map(Input::into_values);
        let output = operation.forward(&x, &weight, bias.as_ref());
        return Some(Tensor::from_primitive::<B>(output));
    }
    let ((x, of_x), (weight, of_weight)) = (x.into_parts(), weight.into_parts());
    let x = operation.taken(x);
    let (bias, of_bias) = bias.map(Input::into_parts).unzip();
    let output = operation.forward(&x, &weight, bias.as_ref());
    let shape = x.shape();
    let saved = Saved::<B> { x: keeps_x.then_some(x), shape, weight, bias };
    let step = Step(operation.clone());
    let output = match of_bias {
        Some(of_bias) => record(step, [of_x, of_weight, of_bias], saved, output),
        None => record(step, [of_x, of_weight], saved, output),
    };
    Some(Tensor::from_primitive::<Autodiff<B>>(output))
}

/// The step of the graph: its parents are the input, the weight and, of three, the bias.
#[derive(Clone, Debug)]
struct Step<O>(O);

#[derive(Clone, Debug)]
struct Saved<B: Backend> {
    /// None where weight and bias are frozen.
    x: Option<FloatTensor<B>>,
    /// That of `x`.
    shape: Shape,
    weight: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
}

impl<B: Backend, O: Weighted<B>, const N: usize> Backward<B, N> for Step<O>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    type State = Saved<B>;

    fn backward(self, ops: Ops<Saved<B>, N>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = grads.consume::<B>(&ops.node);
        let Saved { x, shape, weight, bias } = ops.state;
        let operation = self.0;
        let mut parents = ops.parents.into_iter();
        if let Some(parent) = parents.next().flatten() {
            grads.register::<B>(parent.id, operation.input_gradient(shape, &weight, &gradient));
        }
        let Some(x) = x else { return };
        if let Some(parent) = parents.next().flatten() {
            let (operation, shape) = (operation.clone(), weight.shape());
            let (x, gradient) = (x.clone(), gradient.clone());
            give_weight_gradient::<B>(grads, parent.id, shape, move |sum| {
                operation.add_weight_gradient(x, weight, gradient, sum)
            });
        }
        if let (Some(parent), Some(bias)) = (parents.next().flatten(), bias) {
            let shape = bias.shape();
            give_weight_gradient::<B>(grads, parent.id, shape, move |sum| {
                added::<B>(operation.bias_gradient(x, bias, gradient), sum)
            });
        }
    }
}

/// Gives the gradient of a weight of some shape: computed at once, kept for later, or where nobody
/// collects it registered in the graph. `compute` adds it to a sum where there is one; both are flat.
pub(crate) fn give_weight_gradient<B: Backend>(
    grads: &mut Gradients,
    weight: NodeId,
    shape: Shape,
    compute: impl FnOnce(Option<FloatTensor<B>>) -> FloatTensor<B> + Send + 'static,
) where
    DispatchTensor: DispatchKindConversion<B>,
{
    let half: WeightHalf = Box::new(move |sum| {
        let Some(sum) = sum else { return Tensor::from_primitive::<B>(compute(None)) };
        match sum.clone().try_into_primitive::<B>() {
            Ok(values) => {
                // Whoever has it alone can change it in place.
                drop(sum);
                Tensor::from_primitive::<B>(compute(Some(values)))
            }
            Err(_) => sum + Tensor::from_primitive::<B>(compute(None)),
        }
    });
    if let Err(half) = compute_or_keep(weight, half)
        && let Ok(gradient) = half(None).try_into_primitive::<B>()
    {
        grads.register::<B>(weight, B::float_reshape(gradient, shape));
    }
}

/// A tensor of a shape, of which nobody looks at anything else, on the device of another: one number, as often as
/// wanted.
pub(crate) fn of_shape<B: Backend>(
    shape: Shape,
    dtype: DType,
    beside: &FloatTensor<B>,
) -> FloatTensor<B> {
    let one = Shape::from(vec![1; shape.num_dims()]);
    B::float_expand(B::float_zeros(one, &beside.device(), dtype.into()), shape)
}

/// A gradient, flat, added to a sum where there is one.
pub(crate) fn added<B: Backend>(
    gradient: FloatTensor<B>,
    sum: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let elements = gradient.shape().num_elements();
    let gradient = B::float_reshape(gradient, Shape::from([elements]));
    match sum {
        Some(sum) => B::float_add(sum, gradient),
        None => gradient,
    }
}
