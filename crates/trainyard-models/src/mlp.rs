//! `mlp`: linear layers with a `ReLU` between them, the smallest model there is.

use std::sync::Arc;

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use trainyard_config::{ConfigError, KeyGroup, keys, must};
use trainyard_data::{DType, DataInfo, TensorInfo};
use trainyard_engine::{
    CrossEntropy, EngineError, ErasedLayer, ForwardContext, Layer, LayerSpec, MeanSquaredError,
    Model, Objective, Tensors, erase, no_such_layer,
};

use crate::nn::Linear;
use crate::recipe::{Job, Recipe, RecipeError, Request, needs, wrong_data};
use crate::weight_init::WeightInit;

keys! {
    /// Linear layers with a `ReLU` between them.
    pub struct MlpOptions in "model" {
        /// Numbers of a row that come in.
        inputs: usize = 10, in 1..=1_000_000;
        /// Numbers between layers.
        hidden: usize = 10, in 1..=1_000_000;
        /// Numbers of a row that come out.
        outputs: usize = 10, in 1..=1_000_000;
        /// Linear layers.
        layers: usize = 2, in 1..=1_000_000;
    }
}

/// `kind = "mlp"`: learns `targets` from `features`, numbers by their squared error and classes by
/// cross-entropy.
pub struct MlpRecipe;

impl Recipe for MlpRecipe {
    fn group(&self) -> KeyGroup {
        KeyGroup::of::<MlpOptions>("mlp")
    }

    fn load(&self, request: &Request<'_>) -> Result<Job, RecipeError> {
        let options: MlpOptions = request.options()?;
        let size = |size: usize| toml::Value::from(i64::try_from(size).unwrap_or(i64::MAX));
        // Rows that the program makes itself are of any size.
        let sizes = [("inputs", size(options.inputs)), ("outputs", size(options.outputs))];
        let data = request.open_data(Some("rows"), &sizes)?;
        let mut objective: Arc<dyn Objective> = Arc::new(MeanSquaredError);
        if let Some(data) = &data {
            needs("mlp", "rows of numbers", "features", data.info())?;
            needs("mlp", "rows of numbers with targets", "targets", data.info())?;
            let is_row = |it: &TensorInfo| {
                it.name != "features" || (it.row_shape.len() == 1 && it.dtype == DType::F32)
            };
            if !data.info().tensors.iter().all(is_row) {
                return Err(wrong_data("mlp", "rows of numbers", data.info()));
            }
            check_sizes(&options, data.info())?;
            if !data.info().classes.is_empty() {
                objective = Arc::new(CrossEntropy::default());
            }
        }
        Ok(Job { model: Arc::new(Mlp::new(options)), objective, data, context: None })
    }
}

/// Refuses sizes that rows of the data do not have.
fn check_sizes(options: &MlpOptions, info: &DataInfo) -> Result<(), ConfigError> {
    let numbers = |name: &str| {
        let tensor = info.tensors.iter().find(|tensor| tensor.name == name)?;
        if let [numbers] = tensor.row_shape[..] { Some(numbers) } else { None }
    };
    let MlpOptions { inputs, outputs, .. } = *options;
    let row = numbers("features").unwrap_or(inputs);
    let words = format!("{row}, as many as a row of the data has numbers to learn from");
    let fits = must(inputs == row, "inputs", &inputs, words);
    fits.map_err(|bad| bad.in_section("model"))?;
    let classes = info.classes.len();
    let fits = if classes > 0 {
        let words = format!("at least {classes}, as many as the data have classes");
        must(outputs >= classes, "outputs", &outputs, words)
    } else {
        let row = numbers("targets").unwrap_or(outputs);
        let words = format!("{row}, as many as a row of the data has numbers to be learned");
        must(outputs == row, "outputs", &outputs, words)
    };
    fits.map_err(|bad| bad.in_section("model"))
}

/// A multi-layer perceptron as an ordered list of linear layers: `linear0`, `linear1`, ….
#[derive(Clone, Debug)]
pub struct Mlp {
    options: MlpOptions,
}

impl Mlp {
    /// A model of these sizes.
    pub fn new(options: MlpOptions) -> Self {
        Self { options }
    }

    /// The sizes.
    pub fn options(&self) -> &MlpOptions {
        &self.options
    }

    /// `[inputs, outputs]` of one layer.
    fn shape(&self, layer: usize) -> [usize; 2] {
        let MlpOptions { inputs, hidden, outputs, layers } = self.options;
        let last = layer + 1 == layers;
        [if layer == 0 { inputs } else { hidden }, if last { outputs } else { hidden }]
    }
}

impl Model for Mlp {
    fn name(&self) -> &'static str {
        "mlp"
    }

    fn layers(&self) -> Vec<LayerSpec> {
        let layer = |index: usize| {
            let layer = LayerSpec::new(format!("linear{index}"), "linear");
            if index == 0 { layer.takes(&["features"]) } else { layer }
        };
        (0..self.options.layers).map(layer).collect()
    }

    fn build(&self, layer: usize, seed: u64, device: &Device) -> Result<ErasedLayer, EngineError> {
        if layer >= self.options.layers {
            return Err(no_such_layer("mlp", layer, self.options.layers));
        }
        let shape = self.shape(layer);
        // He et al., arXiv 1502.01852: keeps the size of activations through ReLUs.
        let deviation = (2.0 / shape[0] as f32).sqrt();
        let initial = &mut WeightInit::new(seed, layer);
        Ok(erase(LinearLayer {
            linear: initial.linear(shape, true, deviation, device)?,
            relu: layer + 1 < self.options.layers,
        }))
    }
}

#[derive(Module, Debug)]
struct LinearLayer {
    linear: Linear,
    relu: bool,
}

impl Layer for LinearLayer {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        let y = self.linear.forward(input.take_first::<Tensor<2>>()?);
        Ok(Tensors::new().with("x", if self.relu { relu(y) } else { y }))
    }
}
