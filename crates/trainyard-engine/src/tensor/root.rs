//! The start of a backward: where a gradient from elsewhere enters a graph.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, Backend, DispatchKindConversion, DispatchTensor, Flex, TensorMetadata, Wgpu,
};
use burn::tensor::{Shape, Tensor};

use super::Value;
use crate::EngineError;

/// A number that is made of a tensor of a graph, and from which a backward starts.
///
/// Burn begins every backward with ones. This one's step passes on what has been put here instead,
/// and computes nothing. It does not keep the tensor, so that between forward and backward only
/// what the layers need is there.
#[derive(Debug)]
pub(crate) struct Root {
    /// `[1]`
    pub(crate) number: Tensor<1>,
    shape: Shape,
    slot: AnySlot,
}

/// By backend, as the step of the graph takes it.
#[derive(Debug)]
enum AnySlot {
    Host(Slot<Flex>),
    Gpu(Slot<Wgpu>),
}

/// The gradient that the backward is to start from.
struct Slot<B: Backend>(Arc<Mutex<Option<FloatTensor<B>>>>);

impl<B: Backend> Clone for Slot<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Backend> fmt::Debug for Slot<B> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Slot")
    }
}

impl Root {
    /// None where the tensor is not part of a graph.
    ///
    /// # Errors
    /// [`EngineError::Internal`] for a graph of another backend than the engine's devices have.
    pub(crate) fn of(value: Value) -> Result<Option<Self>, EngineError> {
        let Value::Float(tensor) = value else { return Ok(None) };
        let shape = tensor.shape();
        let tensor = Tensor::<1>::from_dispatch(tensor);
        if !tensor.is_tracked() {
            return Ok(None);
        }
        let host = || make::<Flex>(&tensor).map(|(number, slot)| (number, AnySlot::Host(slot)));
        let gpu = || make::<Wgpu>(&tensor).map(|(number, slot)| (number, AnySlot::Gpu(slot)));
        let (number, slot) = host().or_else(gpu).ok_or_else(|| {
            EngineError::internal(format!("no backward can start from a tensor {shape:?}"))
        })?;
        Ok(Some(Self { number, shape, slot }))
    }

    /// Puts in the gradient of the tensor, before the backward.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] for one that is not like the tensor.
    pub(crate) fn put(&self, gradient: Value) -> Result<(), EngineError> {
        let found = gradient.describe();
        let wrong = || EngineError::WrongTensor {
            expected: format!("a gradient {:?} of the same backend", self.shape.as_slice()),
            found: found.clone(),
        };
        let Value::Float(gradient) = gradient else { return Err(wrong()) };
        if gradient.shape() != self.shape {
            return Err(wrong());
        }
        let gradient = Tensor::<1>::from_dispatch(gradient);
        match &self.slot {
            AnySlot::Host(slot) => slot.put(gradient),
            AnySlot::Gpu(slot) => slot.put(gradient),
        }
        .ok_or_else(wrong)
    }
}

impl<B: Backend> Slot<B>
where
    DispatchTensor: DispatchKindConversion<B>,
{
    fn put(&self, gradient: Tensor<1>) -> Option<()> {
        let gradient = gradient.try_into_primitive::<B>().ok()?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(gradient);
        Some(())
    }
}

/// The number, and where its gradient is put; None for a tensor of another backend.
fn make<B: Backend>(tensor: &Tensor<1>) -> Option<(Tensor<1>, Slot<B>)>
where
    DispatchTensor: DispatchKindConversion<Autodiff<B>>,
{
    let tracked = tensor.clone().try_into_primitive::<Autodiff<B>>().ok()?;
    let (value, guard) = tracked.into_parts();
    let zero = B::float_zeros(Shape::from([1]), &value.device(), value.dtype().into());
    drop(value);
    let slot = Slot::<B>(Arc::new(Mutex::new(None)));
    let number = match Start.prepare::<NoCheckpointing>([guard]).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(slot.clone(), zero),
        OpsKind::UnTracked(step) => step.finish(zero),
    };
    Some((Tensor::from_primitive::<Autodiff<B>>(number), slot))
}

/// The step of the graph.
#[derive(Debug)]
struct Start;

impl<B: Backend> Backward<B, 1> for Start {
    type State = Slot<B>;

    fn backward(self, ops: Ops<Slot<B>, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        // Ones, by which nothing is multiplied.
        drop(grads.consume::<B>(&ops.node));
        let gradient = ops.state.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let [parent] = ops.parents;
        if let (Some(parent), Some(gradient)) = (parent, gradient) {
            grads.register::<B>(parent.id, gradient);
        }
    }
}
