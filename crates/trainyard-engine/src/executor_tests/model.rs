//! A model of numbers, its batches, and what a step of it gives, by formula.

use burn::module::{Module, Param};
use burn::tensor::{Device as BurnDevice, Tensor, TensorData};

use crate::objective::Loss;
use crate::{
    EngineError, ErasedLayer, ForwardContext, HostTensors, Layer, LayerSpec, MicroBatch, Model,
    Objective, Tensors, erase, mix, weight,
};

pub(super) const LEARNING_RATE: f64 = 1.0 / 64.0;

/// Layers that multiply by their weight; every tensor is `[1, 1]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    /// Two or more.
    pub(super) layers: usize,
    /// Whether the last layer takes what the first gives, beside what the one before gives.
    pub(super) skips: bool,
    /// Whether the last layer's weight is the first's.
    pub(super) is_tied: bool,
    /// A layer for whose weight there is no memory.
    pub(super) refused: Option<usize>,
}

impl Chain {
    fn is_last(&self, layer: usize) -> bool {
        layer + 1 == self.layers
    }

    fn first_value(layer: usize) -> f64 {
        [1.25, 0.75, 1.5, 0.875][layer % 4]
    }
}

impl Model for Chain {
    fn name(&self) -> &'static str {
        "chain"
    }

    fn layers(&self) -> Vec<LayerSpec> {
        let layer = |index: usize| {
            let spec = LayerSpec::new(format!("layer{index}"), "layer");
            match index {
                0 if self.skips => spec.takes(&["feature"]).gives(&["x", "skip"]),
                0 => spec.takes(&["feature"]),
                _ if self.is_last(index) => {
                    let spec = if self.skips { spec.takes(&["x", "skip"]) } else { spec };
                    if self.is_tied { spec.shares("weight", "layer0", "weight") } else { spec }
                }
                _ => spec,
            }
        };
        (0..self.layers).map(layer).collect()
    }

    fn build(&self, layer: usize, _: u64, device: &BurnDevice) -> Result<ErasedLayer, EngineError> {
        if self.refused == Some(layer) {
            return Err(EngineError::driver("out of memory"));
        }
        let weight = weight(vec![Self::first_value(layer) as f32], [1, 1], device);
        Ok(erase(Scale { weight, gives_skip: layer == 0 && self.skips }))
    }
}

#[derive(Module, Debug)]
struct Scale {
    weight: Param<Tensor<2>>,
    gives_skip: bool,
}

impl Layer for Scale {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        let x: Tensor<2> = input.take_first()?;
        let x = match input.take::<Tensor<2>>("skip") {
            Ok(skip) => x + skip,
            Err(_) => x,
        };
        let x = x * self.weight.val();
        let given = Tensors::new();
        Ok(if self.gives_skip { given.with("skip", x.clone()) } else { given }.with("x", x))
    }
}

/// The output times a factor of the micro-batch.
pub(super) struct Product;

impl Objective for Product {
    fn loss(&self, mut outputs: Tensors, mut targets: Tensors) -> Result<Loss, EngineError> {
        let (output, factor) =
            (outputs.take_first::<Tensor<2>>()?, targets.take_first::<Tensor<2>>()?);
        Ok(Loss { loss: (output * factor).mean(), metrics: Vec::new() })
    }
}

/// Feature and factor of every micro-batch of a step.
pub(super) fn numbers(step: u64, micro_batches: usize) -> Vec<[f64; 2]> {
    let number = |micro_batch: usize, of: u64| {
        let drawn = mix(&[step, micro_batch as u64, of]) % 7;
        (drawn as f64 + 1.0) / 4.0
    };
    (0..micro_batches).map(|micro_batch| [0, 1].map(|of| number(micro_batch, of))).collect()
}

/// The same as micro-batches.
pub(super) fn micro_batches(numbers: &[[f64; 2]]) -> Vec<MicroBatch> {
    let data = |number: f64| TensorData::new(vec![number as f32], [1, 1]);
    let tensors = |[feature, factor]: &[f64; 2]| -> HostTensors {
        vec![("feature".into(), data(*feature)), ("targets".into(), data(*factor))]
    };
    let micro_batch =
        |numbers| MicroBatch { tensors: tensors(numbers), rows: 1, ..MicroBatch::default() };
    numbers.iter().map(micro_batch).collect()
}

/// The model's weights, as they should be.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    chain: Chain,
    weights: Vec<f64>,
}

impl Expected {
    pub(super) fn new(chain: Chain) -> Self {
        let mut weights: Vec<f64> = (0..chain.layers).map(Chain::first_value).collect();
        if chain.is_tied {
            weights[chain.layers - 1] = weights[0];
        }
        Self { chain, weights }
    }

    /// The mean loss over some micro-batches.
    ///
    /// With the first weight *a*, the product *p* of those between and the last *z*, a micro-batch's loss is
    /// `a·(p + s)·z·feature·factor`, where *s* is 1 with the skip and 0 without.
    pub(super) fn loss(&self, numbers: &[[f64; 2]]) -> f64 {
        let (a, p, z) = self.parts();
        a * (p + self.skip()) * z * Self::mean(numbers)
    }

    /// The norm of the gradient of [`Self::loss`]; the weights go against it.
    pub(super) fn update(&mut self, numbers: &[[f64; 2]]) -> f64 {
        let ((a, p, z), s, mean) = (self.parts(), self.skip(), Self::mean(numbers));
        let last = self.chain.layers - 1;
        let mut gradients: Vec<f64> =
            self.weights.iter().map(|weight| a * (p / weight) * z * mean).collect();
        gradients[0] = (p + s) * z * mean;
        gradients[last] = a * (p + s) * mean;
        if self.chain.is_tied {
            gradients[0] += gradients[last];
            gradients[last] = 0.0;
        }
        for (weight, gradient) in self.weights.iter_mut().zip(&gradients) {
            *weight -= LEARNING_RATE * gradient;
        }
        if self.chain.is_tied {
            self.weights[last] = self.weights[0];
        }
        gradients.iter().map(|gradient| gradient * gradient).sum::<f64>().sqrt()
    }

    fn parts(&self) -> (f64, f64, f64) {
        let last = self.chain.layers - 1;
        (self.weights[0], self.weights[1..last].iter().product(), self.weights[last])
    }

    fn skip(&self) -> f64 {
        f64::from(u8::from(self.chain.skips))
    }

    fn mean(numbers: &[[f64; 2]]) -> f64 {
        let products = numbers.iter().map(|[feature, factor]| feature * factor);
        products.sum::<f64>() / numbers.len() as f64
    }
}

/// Whether a number is the expected one, as far as 32-bit floats tell.
pub(super) fn is(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-4 * (1.0 + expected.abs())
}
