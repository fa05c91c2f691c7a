//! `mlp`: linear layers with a `ReLU` between them, the smallest model there is.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use trainyard_engine::{
    EngineError, ErasedLayer, ForwardContext, Layer, LayerSpec, Model, Tensors, erase,
    no_such_layer,
};

use crate::attention::Linear;
use crate::registry::{ModelError, must};
use crate::weight_init::WeightInit;

/// What a run file's `[model]` may say for `kind = "mlp"`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MlpOptions {
    /// Numbers of a row that come in.
    pub inputs: usize,
    /// Numbers between layers.
    pub hidden: usize,
    /// Numbers of a row that come out.
    pub outputs: usize,
    /// Linear layers.
    pub layers: usize,
}

impl Default for MlpOptions {
    fn default() -> Self {
        Self { inputs: 10, hidden: 10, outputs: 10, layers: 2 }
    }
}

/// A multi-layer perceptron as an ordered list of linear layers: `linear0`, `linear1`, ….
#[derive(Clone, Debug)]
pub struct Mlp {
    options: MlpOptions,
}

impl Mlp {
    /// Checks the sizes.
    ///
    /// # Errors
    /// [`ModelError`] naming the option that makes no sense.
    pub fn new(options: MlpOptions) -> Result<Self, ModelError> {
        let MlpOptions { inputs, hidden, outputs, layers } = options;
        for (name, value) in
            [("inputs", inputs), ("hidden", hidden), ("outputs", outputs), ("layers", layers)]
        {
            must((1..=1_000_000).contains(&value), name, &value, "from 1 to 1000000")?;
        }
        Ok(Self { options })
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
    fn name(&self) -> &str {
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
            linear: Linear::new(shape, true, deviation, initial, device),
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
