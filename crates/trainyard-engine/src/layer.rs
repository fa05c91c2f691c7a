//! The layer: the smallest piece of a model that can be placed.
//!
//! A layer is a Burn module with a forward from [`Activation`] to [`Activation`]. The engine needs
//! to hold layers of different types side by side, so [`place`] hides the type behind
//! [`PlacedLayer`], which can run, list, read and replace the weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

use crate::{Activation, EngineError, WeightSpec};

/// What a forward needs to know beside its input.
#[derive(Clone, Copy, Debug)]
pub struct ForwardContext {
    /// Whether the layer trains (dropout on) or is asked for its opinion (dropout off).
    pub training: bool,
    /// Differs for every run seed, step and micro-batch and is the same on every partition:
    /// whatever is random in a layer is drawn from this and the layer's own number.
    pub seed: u64,
}

/// The smallest piece of a model that can be placed: a Burn module that takes an activation and
/// gives an activation.
pub trait Layer: Module + 'static {
    /// Runs the layer on one micro-batch.
    ///
    /// # Errors
    /// [`EngineError::WrongTensor`] when the activation is not what this layer takes.
    fn forward(&self, input: Activation, pass: &ForwardContext) -> Result<Activation, EngineError>;
}

/// A layer of any type, on the device where it lives.
pub type PlacedLayer = Box<dyn AnyLayer>;

/// Hides the type of a layer.
pub fn place<L: Layer>(layer: L) -> PlacedLayer {
    Box::new(Typed { layer: Some(layer) })
}

/// A new value for a weight, from its number in the layer and its old value (flat, without graph).
pub type WeightUpdate<'a> = dyn FnMut(usize, Tensor<1>) -> Result<Tensor<1>, EngineError> + 'a;

/// What the engine does with a layer whose type it does not know.
pub trait AnyLayer: Send {
    /// Runs the layer; see [`Layer::forward`].
    ///
    /// # Errors
    /// As [`Layer::forward`].
    fn forward(&self, input: Activation, pass: &ForwardContext) -> Result<Activation, EngineError>;

    /// The weights, in the module's own order.
    fn weights(&self) -> Vec<WeightSpec>;

    /// A weight's values, flat, without graph.
    fn weight_values(&self) -> Vec<Tensor<1>>;

    /// Takes the weights' gradients out of a backward's result, flat, in the order of
    /// [`Self::weights`]; None where a weight took no part.
    fn take_gradients(&self, gradients: &mut Gradients) -> Vec<Option<Tensor<1>>>;

    /// Replaces every weight by what `update` makes of it.
    ///
    /// # Errors
    /// The first error of `update`; the weights after it keep their old values.
    fn update(&mut self, update: &mut WeightUpdate<'_>) -> Result<(), EngineError>;

    /// The same layer without graph, sharing the weights: cheaper for evaluation.
    fn without_graph(&self) -> PlacedLayer;

    /// The same layer with autodiff's kernels but without graph, sharing the weights: gives the
    /// very bits of a training forward, and keeps nothing.
    fn frozen(&self) -> PlacedLayer;
}

struct Typed<L> {
    /// Empty only inside [`AnyLayer::update`], which needs the layer by value so that weights
    /// nobody shares can be changed in place.
    layer: Option<L>,
}

impl<L: Layer> Typed<L> {
    fn layer(&self) -> Result<&L, EngineError> {
        self.layer.as_ref().ok_or_else(|| EngineError::driver("a layer was lost in an update"))
    }

    fn visit(&self, visitor: &mut impl ModuleVisitor) {
        if let Some(layer) = &self.layer {
            layer.visit(visitor);
        }
    }
}

impl<L: Layer> AnyLayer for Typed<L> {
    fn forward(&self, input: Activation, pass: &ForwardContext) -> Result<Activation, EngineError> {
        self.layer()?.forward(input, pass)
    }

    fn weights(&self) -> Vec<WeightSpec> {
        let mut lister = Lister::default();
        self.visit(&mut lister);
        lister.weights
    }

    fn weight_values(&self) -> Vec<Tensor<1>> {
        let mut reader = Reader::default();
        self.visit(&mut reader);
        reader.values
    }

    fn take_gradients(&self, gradients: &mut Gradients) -> Vec<Option<Tensor<1>>> {
        let mut taker = GradientTaker { gradients, taken: Vec::new() };
        self.visit(&mut taker);
        taker.taken
    }

    fn update(&mut self, update: &mut WeightUpdate<'_>) -> Result<(), EngineError> {
        let mut updater = Updater { update, next: 0, error: None };
        if let Some(layer) = self.layer.take() {
            self.layer = Some(layer.map(&mut updater));
        }
        updater.error.map_or(Ok(()), Err)
    }

    fn without_graph(&self) -> PlacedLayer {
        Box::new(Self { layer: self.layer.as_ref().map(Module::valid) })
    }

    fn frozen(&self) -> PlacedLayer {
        Box::new(Self { layer: self.layer.clone().map(Module::no_grad) })
    }
}

#[derive(Default)]
struct Lister {
    path: Vec<String>,
    weights: Vec<WeightSpec>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.weights.push(WeightSpec::trained(self.path.join("."), param.dims()));
    }
}

#[derive(Default)]
struct Reader {
    values: Vec<Tensor<1>>,
}

impl ModuleVisitor for Reader {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.values.push(flat(param.val().inner()));
    }
}

struct GradientTaker<'a> {
    gradients: &'a mut Gradients,
    taken: Vec<Option<Tensor<1>>>,
}

impl ModuleVisitor for GradientTaker<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.taken.push(param.val().grad_remove(self.gradients).map(flat));
    }
}

struct Updater<'a, 'b> {
    update: &'a mut WeightUpdate<'b>,
    next: usize,
    error: Option<EngineError>,
}

impl ModuleMapper for Updater<'_, '_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let index = self.next;
        self.next += 1;
        if self.error.is_some() {
            return param;
        }
        let shape = param.dims();
        let (id, old, mapper) = param.consume();
        let tracked = old.is_require_grad();
        let new = match (self.update)(index, flat(old.inner())) {
            Ok(new) => new.reshape(shape),
            Err(error) => {
                // The old value went into the failed update; the run ends with this error.
                self.error = Some(error);
                Tensor::zeros(shape, &Device::flex())
            }
        };
        let new = if tracked { new.autodiff().require_grad() } else { new };
        Param::from_mapped_value(id, new, mapper)
    }
}

fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let elements = tensor.shape().num_elements();
    tensor.reshape([elements])
}

/// A trainable weight from host values, on a device.
pub fn weight<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Param<Tensor<D>> {
    let device = device.clone().autodiff();
    Param::from_tensor(Tensor::from_data(TensorData::new(values, shape), &device))
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
