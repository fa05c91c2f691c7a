//! `mlp`: linear layers with a `ReLU` between them, the smallest model there is.

use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};
use trainyard_engine::{Activation, EngineError, ForwardContext, Layer, Model, PlacedLayer, place};
use trainyard_plan::{LayerProfile, ModelProfile};

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
    fn profile(&self, rows: usize) -> ModelProfile {
        let layers = (0..self.options.layers).map(|layer| {
            let [inputs, outputs] = self.shape(layer).map(|size| size as u64);
            let rows = rows as u64;
            LayerProfile {
                name: format!("linear{layer}"),
                kind: "linear".into(),
                param_bytes: 4 * (inputs + 1) * outputs,
                input_bytes: 4 * rows * inputs,
                output_bytes: 4 * rows * outputs,
                saved_bytes: 4 * rows * (inputs + outputs),
                // Among it what the matrix product packs, which differs from processor to processor.
                workspace_bytes: 44 * rows * outputs,
                forward_flops: 2 * rows * inputs * outputs,
                ..LayerProfile::default()
            }
        });
        ModelProfile {
            name: "mlp".to_owned(),
            optimizer_bytes_per_param_byte: 2,
            fresh_bytes_per_param_byte: 1,
            layers: layers.collect(),
        }
    }

    fn build(&self, layer: usize, seed: u64, device: &Device) -> Result<PlacedLayer, EngineError> {
        if layer >= self.options.layers {
            return Err(EngineError::Layer {
                layer: layer.to_string(),
                reason: format!("this mlp has {} layers", self.options.layers),
            });
        }
        let shape = self.shape(layer);
        // He et al., arXiv 1502.01852: keeps the size of activations through ReLUs.
        let deviation = (2.0 / shape[0] as f32).sqrt();
        let initial = &mut WeightInit::new(seed, layer);
        Ok(place(LinearLayer {
            linear: Linear::new(shape, true, deviation, initial, device),
            relu: layer + 1 < self.options.layers,
        }))
    }

    /// Mean squared error; output and targets `[rows, outputs]`.
    fn loss(&self, output: Activation, targets: Activation) -> Result<Tensor<1>, EngineError> {
        let difference = output.single::<Tensor<2>>()? - targets.single::<Tensor<2>>()?;
        Ok((difference.clone() * difference).mean())
    }
}

#[derive(Module, Debug)]
struct LinearLayer {
    linear: Linear,
    relu: bool,
}

impl Layer for LinearLayer {
    fn forward(
        &self,
        input: Activation,
        _pass: &ForwardContext,
    ) -> Result<Activation, EngineError> {
        let y = self.linear.forward(input.single::<Tensor<2>>()?);
        Ok(if self.relu { relu(y) } else { y }.into())
    }
}
