//! Models from ordinary Burn modules: each layer as a function that makes a module and one that
//! runs it.

use std::any::TypeId;
use std::sync::Arc;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

use crate::generator::with_generator;
use crate::host_room::{check_host_room, weight_bytes};
use crate::layer::{erase_with, mix};
use crate::model::no_such_layer;
use crate::tensor::{GiveTensors, TakeTensors};
use crate::{EngineError, ErasedLayer, LayerSpec, Model};

/// Makes one layer on a device, from its specification and the seed.
type Builder =
    Arc<dyn Fn(&LayerSpec, u64, &Device) -> Result<ErasedLayer, EngineError> + Send + Sync>;

/// A model put together layer by layer.
///
/// A layer takes the first tensor that the one before gives, unless [`Layers::takes`] says otherwise,
/// and gives one named `x`, unless [`Layers::gives`] does.
///
/// Numbers that Burn's own `Dropout` and its like draw follow from the run's seed, on every partition.
/// Those that a forward draws by itself, with `Tensor::random`, do not.
///
/// ```
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Tensor, activation::relu};
/// use trainyard_engine::{Layers, Model};
///
/// let model = Layers::new("perceptron", "x")
///     .layer("hidden", |device| LinearConfig::new(4, 8).init(device), |l: &Linear, x: Tensor<2>| {
///         relu(l.forward(x))
///     })
///     .layer("output", |device| LinearConfig::new(8, 2).init(device), |l: &Linear, x: Tensor<2>| {
///         l.forward(x)
///     });
/// assert_eq!(model.layers().len(), 2);
/// ```
#[derive(Clone)]
pub struct Layers {
    name: String,
    input: Arc<str>,
    specs: Vec<LayerSpec>,
    builders: Vec<Builder>,
    rebuilds_frozen: bool,
}

impl Layers {
    /// A model without layers, whose first layer takes the batch's tensor `input`.
    pub fn new(name: impl Into<String>, input: &str) -> Self {
        let (specs, builders, rebuilds_frozen) = (Vec::new(), Vec::new(), false);
        Self { name: name.into(), input: input.into(), specs, builders, rebuilds_frozen }
    }

    /// Adds a layer: `init` makes its module on a device, `forward` runs it. A name's digits at the
    /// end are left out of its kind.
    ///
    /// Layers of one kind with equal modules, one function and inputs of equal shapes are run once for
    /// all of them to find out what they cost: where the function goes by values that it has captured
    /// and that differ, give names that differ in more than their last digits.
    ///
    /// `init` may use Burn's own initialisers: it always makes the weights on the CPU, from a seed
    /// that follows from the run's seed and the layer's index, and they are moved from there.
    #[must_use]
    pub fn layer<M, I, O, F: Fn(&M, I) -> O + Send + Sync + 'static>(
        mut self,
        name: impl Into<String>,
        init: impl Fn(&Device) -> M + Send + Sync + 'static,
        forward: F,
    ) -> Self
    where
        M: Module + 'static,
        I: TakeTensors,
        O: GiveTensors,
    {
        let name = name.into();
        let function = format!("{:?}", TypeId::of::<F>());
        let kind = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let before = self.specs.last().and_then(|spec| spec.gives.first());
        let tensor = before.unwrap_or(&self.input).clone();
        let (takes, gives) = (vec![tensor], vec!["x".into()]);
        self.specs.push(LayerSpec { takes, gives, ..LayerSpec::new(name, kind) });
        let forward = Arc::new(forward);
        self.builders.push(Arc::new(move |spec: &LayerSpec, seed, device: &Device| {
            let (gives, forward) = (spec.gives.clone(), Arc::clone(&forward));
            let function = function.clone();
            let module = init_on_host(&init, seed, device)?;
            Ok(erase_with(
                module,
                function,
                Arc::new(move |module: &M, mut input, _context: &_| {
                    forward(module, I::take_from(&mut input)?).give(&gives)
                }),
            ))
        }));
        self
    }

    /// Adds `count` layers named `name0`, `name1`, …; `add` adds the one of a name and an index.
    #[must_use]
    pub fn repeat(
        self,
        name: &str,
        count: usize,
        add: impl Fn(Self, String, usize) -> Self,
    ) -> Self {
        (0..count).fold(self, |layers, index| add(layers, format!("{name}{index}"), index))
    }

    /// Says which tensors the last layer takes, in the order of its function's arguments.
    #[must_use]
    pub fn takes(mut self, names: &[&str]) -> Self {
        if let Some(spec) = self.specs.pop() {
            self.specs.push(spec.takes(names));
        }
        self
    }

    /// Says what the tensors that the last layer gives are called, in the order of its function's
    /// results.
    #[must_use]
    pub fn gives(mut self, names: &[&str]) -> Self {
        if let Some(spec) = self.specs.pop() {
            self.specs.push(spec.gives(names));
        }
        self
    }

    /// Says that the last layer computes each position of the context, the second dimension of what it takes,
    /// by itself, so that it can run on a slice of it.
    #[must_use]
    pub fn in_slices(mut self) -> Self {
        if let Some(spec) = self.specs.pop() {
            self.specs.push(spec.in_slices());
        }
        self
    }

    /// Says that frozen weights are as the layers' `init` makes them each time, so that checkpoints leave them
    /// out; see [`Model::frozen_from`].
    #[must_use]
    pub fn rebuilds_frozen(self) -> Self {
        Self { rebuilds_frozen: true, ..self }
    }

    /// Says that a weight of the last layer follows one of an earlier layer.
    #[must_use]
    pub fn shares(mut self, weight: &str, owner: &str, owner_weight: &str) -> Self {
        if let Some(spec) = self.specs.pop() {
            self.specs.push(spec.shares(weight, owner, owner_weight));
        }
        self
    }
}

impl Model for Layers {
    fn name(&self) -> &str {
        &self.name
    }

    fn layers(&self) -> Vec<LayerSpec> {
        self.specs.clone()
    }

    fn frozen_from(&self) -> Option<String> {
        self.rebuilds_frozen.then(|| format!("the layers of {}", self.name))
    }

    fn build(&self, layer: usize, seed: u64, device: &Device) -> Result<ErasedLayer, EngineError> {
        match (self.specs.get(layer), self.builders.get(layer)) {
            (Some(spec), Some(build)) => build(spec, mix(&[seed, layer as u64]), device),
            _ => Err(no_such_layer(&self.name, layer, self.specs.len())),
        }
    }
}

/// Makes a module on the CPU from a seed and moves it, so that its weights are the same on every
/// kind of device and whatever other threads make meanwhile.
///
/// # Errors
/// [`EngineError::LayerTooLarge`] if its weights are larger than the memory that is free.
fn init_on_host<M: Module>(
    init: impl Fn(&Device) -> M,
    seed: u64,
    device: &Device,
) -> Result<M, EngineError> {
    let host = Device::flex();
    let module = with_generator(&host, seed, || {
        let module = init(&host.clone().autodiff());
        check_host_room(weight_bytes(&module))?;
        // Burn draws a weight when it is first used, which has to be now.
        module.visit(&mut Initialise);
        Ok::<M, EngineError>(module)
    })?;
    Ok(if device.clone().without_autodiff() == host {
        module
    } else {
        module.fork(&device.clone().autodiff())
    })
}

struct Initialise;

impl ModuleVisitor for Initialise {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        drop(param.val());
    }
}
