//! Tensors as operations of our own take them, with their place in a graph or plain, and how these are
//! recorded there.

use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::ops::{Backward, NodeGuard, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, DispatchKindConversion, DispatchTensor, TensorMetadata};
use burn::tensor::Tensor;

/// A tensor in a graph.
pub(crate) type Recorded<B> = FloatTensor<Autodiff<B>>;

/// A tensor of one backend, with or without a graph.
pub(crate) enum Input<B: Backend> {
    Tracked(Recorded<B>),
    Plain(FloatTensor<B>),
}

impl<B: Backend> Input<B>
where
    DispatchTensor: DispatchKindConversion<B> + DispatchKindConversion<Autodiff<B>>,
{
    /// None for a tensor of another backend.
    pub(crate) fn of<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        match tensor.clone().try_into_primitive::<Autodiff<B>>() {
            Ok(tracked) => Some(Self::Tracked(tracked)),
            Err(_) => tensor.clone().try_into_primitive::<B>().ok().map(Self::Plain),
        }
    }
}

impl<B: Backend> Input<B> {
    pub(crate) fn has_elements(&self) -> bool {
        let shape = match self {
            Self::Tracked(tracked) => tracked.shape(),
            Self::Plain(plain) => plain.shape(),
        };
        shape.num_elements() > 0
    }

    pub(crate) fn is_tracked(&self) -> bool {
        matches!(self, Self::Tracked(_))
    }

    /// The values, and the node of the graph: a new one where there was none.
    pub(crate) fn into_parts(self) -> (FloatTensor<B>, NodeGuard) {
        let tracked = match self {
            Self::Tracked(tracked) => tracked,
            Self::Plain(plain) => Recorded::<B>::new(plain),
        };
        tracked.into_parts()
    }

    /// The values alone.
    pub(crate) fn into_values(self) -> FloatTensor<B> {
        match self {
            Self::Tracked(tracked) => tracked.into_primitive(),
            Self::Plain(plain) => plain,
        }
    }
}

/// The output of an operation as a part of the graph: `step` is its backward, and `saved` what that
/// needs.
pub(crate) fn record<B: Backend, S: Backward<B, N>, const N: usize>(
    step: S,
    parents: [NodeGuard; N],
    saved: S::State,
    output: FloatTensor<B>,
) -> Recorded<B> {
    match step.prepare::<NoCheckpointing>(parents).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(saved, output),
        OpsKind::UnTracked(step) => step.finish(output),
    }
}
