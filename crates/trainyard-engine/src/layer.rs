//! The layer: the smallest piece of a model that can be placed.
//!
//! A layer is a Burn module with a forward from [`Tensors`] to [`Tensors`]. The engine holds layers
//! of different types side by side, so [`erase`] hides the type behind [`ErasedLayer`], which can
//! run, list, read and replace the weights.

use std::sync::Arc;

use burn::backend::autodiff::NodeId;
use burn::module::Module;
use burn::tensor::{Gradients, Tensor};
use trainyard_plan::Slice;

use crate::weight::{Extractor, GradientTaker, Inserter, NodeLister, Reader, list};
use crate::{EngineError, Tensors, WeightRole, WeightSpec};

/// What a forward is told beside its input.
#[derive(Clone, Copy, Debug, Default)]
pub struct ForwardContext {
    /// Whether the layer trains (dropout on) or is evaluated (dropout off).
    pub training: bool,
    /// Differs for every run seed, step and micro-batch and is the same on every partition:
    /// whatever is random in a layer is drawn from this and the layer's own number, or from
    /// [`next_seed`](crate::next_seed), which follows from both.
    pub seed: u64,
    /// The slice of the context that it is; the first of one where rows are whole. A layer that
    /// [carries](crate::LayerSpec::carries) takes what it gave in the slice before, in all but the first, and
    /// what it gives is used in all but the last.
    pub slice: Slice,
    /// Positions of the context before this slice; 0 where rows are whole.
    pub offset: usize,
    /// Whether only what the model gives for the last of these positions is wanted, as where a text is
    /// continued: a layer that looks at each position by itself and gives what nobody takes may compute that
    /// one alone.
    pub last_only: bool,
}

/// The smallest piece of a model that can be placed: a Burn module that takes tensors by name and
/// gives tensors by name.
pub trait Layer: Module + 'static {
    /// Runs the layer on one micro-batch. `input` holds the tensors that the layer's
    /// [`LayerSpec`](crate::LayerSpec) takes; those that it gives come out. Where the context is cut into
    /// slices, what it [carries](crate::LayerSpec::carries) is among both.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when the input is not what this layer takes.
    fn forward(&self, input: Tensors, context: &ForwardContext) -> Result<Tensors, EngineError>;
}

/// A layer of any type, on the device where it lives.
pub type ErasedLayer = Box<dyn AnyLayer>;

/// Hides the type of a layer. Weights that initialise themselves on first use are initialised.
pub fn erase<L: Layer>(layer: L) -> ErasedLayer {
    let forward = Arc::new(|layer: &L, input, context: &_| layer.forward(input, context));
    erase_with(layer, String::new(), forward)
}

/// The forward of a module as a function.
pub(crate) type ForwardFn<M> =
    Arc<dyn Fn(&M, Tensors, &ForwardContext) -> Result<Tensors, EngineError> + Send + Sync>;

/// Hides the type of a module that runs by a function of its own. `function` tells it from others.
pub(crate) fn erase_with<M: Module + 'static>(
    module: M,
    function: String,
    forward: ForwardFn<M>,
) -> ErasedLayer {
    let (module, specs) = list(module);
    let has_buffers = specs.iter().any(|spec| spec.role == WeightRole::Buffer);
    let function = function.into();
    Box::new(Typed { module: Some(module), function, forward, specs: specs.into(), has_buffers })
}

/// What the engine does with a layer whose type it does not know.
pub trait AnyLayer: Send {
    /// Runs the layer; see [`Layer::forward`].
    ///
    /// # Errors
    /// As [`Layer::forward`].
    fn forward(&self, input: Tensors, context: &ForwardContext) -> Result<Tensors, EngineError>;

    /// The weights, in the module's own order.
    fn weights(&self) -> &[WeightSpec];

    /// The weights' values, flat, without graph.
    fn weight_values(&self) -> Vec<Tensor<1>>;

    /// The values of the buffers alone, in the order of [`Self::weights`]; cheap where there are
    /// none.
    fn buffers(&self) -> Vec<Option<Tensor<1>>>;

    /// Takes the weights' gradients out of a backward's result, flat, in the order of
    /// [`Self::weights`]; None where a weight took no part.
    fn take_gradients(&self, gradients: &mut Gradients) -> Vec<Option<Tensor<1>>>;

    /// The weights' nodes in a graph, in the order of [`Self::weights`]; None where a weight has no
    /// gradient. A new value is a new node.
    fn weight_nodes(&self) -> Vec<Option<NodeId>>;

    /// Takes the weights for which `wanted` is true out, flat and without graph. The layer cannot
    /// run until [`Self::put_weights`] has put them back.
    fn take_weights(&mut self, wanted: &[bool]) -> Vec<Option<Tensor<1>>>;

    /// Replaces weights, in the order of [`Self::weights`]; None leaves one as it is.
    ///
    /// # Errors
    /// [`EngineError::Internal`] when a weight has changed its rank.
    fn put_weights(&mut self, values: Vec<Option<Tensor<1>>>) -> Result<(), EngineError>;

    /// The same layer without graph, sharing the weights: cheaper for evaluation.
    fn without_graph(&self) -> ErasedLayer;

    /// The same layer with autodiff's kernels but without graph, sharing the weights and buffers:
    /// gives the very bits of a training forward, and keeps nothing.
    fn untracked(&self) -> ErasedLayer;

    /// The module's sizes and settings, and what tells its forward from others: equal for layers that
    /// differ in their weights alone.
    fn describe(&self) -> String;
}

struct Typed<M> {
    /// Empty only while weights are moved, which takes the module by value.
    module: Option<M>,
    function: Arc<str>,
    forward: ForwardFn<M>,
    specs: Arc<[WeightSpec]>,
    has_buffers: bool,
}

impl<M: Module + 'static> Typed<M> {
    /// Burn keeps a running statistic's last update apart until somebody needs the value.
    fn settle_buffers(&self) {
        if self.has_buffers {
            drop(self.module.as_ref().map(Module::valid));
        }
    }

    fn like(&self, module: Option<M>) -> ErasedLayer {
        Box::new(Self {
            module,
            function: Arc::clone(&self.function),
            forward: Arc::clone(&self.forward),
            specs: Arc::clone(&self.specs),
            has_buffers: self.has_buffers,
        })
    }
}

impl<M: Module + 'static> AnyLayer for Typed<M> {
    fn forward(&self, input: Tensors, context: &ForwardContext) -> Result<Tensors, EngineError> {
        let module = self.module.as_ref();
        let module = module.ok_or_else(|| EngineError::internal("a layer lost its module"))?;
        (self.forward)(module, input, context)
    }

    fn weights(&self) -> &[WeightSpec] {
        &self.specs
    }

    fn weight_values(&self) -> Vec<Tensor<1>> {
        self.settle_buffers();
        let mut reader = Reader::default();
        if let Some(module) = &self.module {
            module.visit(&mut reader);
        }
        reader.values
    }

    fn buffers(&self) -> Vec<Option<Tensor<1>>> {
        if !self.has_buffers {
            return Vec::new();
        }
        let values = self.weight_values().into_iter().zip(&*self.specs);
        values.map(|(value, spec)| (spec.role == WeightRole::Buffer).then_some(value)).collect()
    }

    fn take_gradients(&self, gradients: &mut Gradients) -> Vec<Option<Tensor<1>>> {
        let mut taker = GradientTaker { gradients, taken: Vec::new() };
        if let Some(module) = &self.module {
            module.visit(&mut taker);
        }
        taker.taken
    }

    fn weight_nodes(&self) -> Vec<Option<NodeId>> {
        let mut lister = NodeLister::default();
        if let Some(module) = &self.module {
            module.visit(&mut lister);
        }
        lister.nodes
    }

    fn take_weights(&mut self, wanted: &[bool]) -> Vec<Option<Tensor<1>>> {
        let mut extractor = Extractor { wanted, next: 0, taken: Vec::new() };
        self.module = self.module.take().map(|module| module.map(&mut extractor));
        extractor.taken
    }

    fn put_weights(&mut self, values: Vec<Option<Tensor<1>>>) -> Result<(), EngineError> {
        if values.iter().all(Option::is_none) {
            return Ok(());
        }
        self.settle_buffers();
        let values = values.into_iter();
        let mut inserter = Inserter { specs: &self.specs, values, next: 0, error: None };
        self.module = self.module.take().map(|module| module.map(&mut inserter));
        inserter.error.map_or(Ok(()), Err)
    }

    fn without_graph(&self) -> ErasedLayer {
        self.like(self.module.as_ref().map(Module::valid))
    }

    fn untracked(&self) -> ErasedLayer {
        self.like(self.module.clone().map(Module::no_grad))
    }

    fn describe(&self) -> String {
        let module = self.module.as_ref().map(|module| without_ids(&format!("{module:?}")));
        format!("{} {}", module.unwrap_or_default(), self.function)
    }
}

/// A module's text without the numbers by which Burn tells parameters apart.
fn without_ids(text: &str) -> String {
    let mut pieces = text.split("Param");
    let mut kept = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        // `Param: 3k7…` and `ParamId { value: 12… }`.
        let end = piece.find([',', '}', ')', '\n']).unwrap_or(piece.len());
        kept.push_str("Param");
        kept.push_str(&piece[end..]);
    }
    kept
}

/// One number from several, well mixed (`SplitMix64`, Steele et al. 2014): the seed of a layer, a
/// step or a micro-batch.
pub fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9E37_79B9_7F4A_7C15, |state, &part| {
        let mut z = (state ^ part).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    })
}
