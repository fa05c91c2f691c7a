//! The model of the benchmark: equal residual blocks, 256 → 1024 → 256, once as layers of the
//! engine and once as one plain Burn module.

use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor, TensorData};
use trainyard_engine::{
    Activation, EngineError, ForwardContext, Layer, MicroBatch, Model, PlacedLayer, place,
};
use trainyard_plan::{LayerProfile, ModelProfile};

pub(super) const BLOCKS: usize = 8;
pub(super) const MICRO_BATCHES: usize = 8;
pub(super) const ROWS: usize = 64;
const WIDTH: usize = 256;
const WIDE: usize = 1024;

/// `x + W₂ · gelu(W₁ · x)`
#[derive(Module, Debug)]
struct Block {
    widen: Linear,
    narrow: Linear,
}

impl Block {
    fn new(device: &Device) -> Self {
        Self {
            widen: LinearConfig::new(WIDTH, WIDE).init(device),
            narrow: LinearConfig::new(WIDE, WIDTH).init(device),
        }
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.narrow.forward(gelu(self.widen.forward(x)))
    }
}

impl Layer for Block {
    fn forward(
        &self,
        input: Activation,
        _pass: &ForwardContext,
    ) -> Result<Activation, EngineError> {
        Ok(self.run(input.single()?).into())
    }
}

fn squared_error(output: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let difference = output - targets;
    (difference.clone() * difference).mean()
}

/// The blocks as layers of the engine.
pub(super) struct Blocks;

impl Model for Blocks {
    fn profile(&self, rows: usize) -> ModelProfile {
        let (rows, width, wide) = (rows as u64, WIDTH as u64, WIDE as u64);
        let layer = |index| LayerProfile {
            name: format!("block{index}"),
            kind: "block".to_owned(),
            param_bytes: 4 * (2 * width * wide + width + wide),
            input_bytes: 4 * rows * width,
            output_bytes: 4 * rows * width,
            saved_bytes: 4 * rows * (2 * width + 3 * wide),
            workspace_bytes: 8 * rows * wide,
            forward_flops: 4 * rows * width * wide,
            ..LayerProfile::default()
        };
        ModelProfile {
            name: "blocks".to_owned(),
            optimizer_bytes_per_param_byte: 2,
            fresh_bytes_per_param_byte: 1,
            layers: (0..BLOCKS).map(layer).collect(),
        }
    }

    fn build(
        &self,
        _layer: usize,
        _seed: u64,
        device: &Device,
    ) -> Result<PlacedLayer, EngineError> {
        // A benchmark: which weights they are does not matter.
        Ok(place(Block::new(&device.clone().autodiff())))
    }

    fn loss(&self, output: Activation, targets: Activation) -> Result<Tensor<1>, EngineError> {
        Ok(squared_error(output.single()?, targets.single()?))
    }
}

/// The micro-batches of one step.
pub(super) fn micro_batches() -> Vec<MicroBatch> {
    let values = |salt: usize| -> Vec<f32> {
        (0..ROWS * WIDTH).map(|i| ((i * 31 + salt * 17) % 97) as f32 / 97.0 - 0.5).collect()
    };
    let data = |salt| vec![TensorData::new(values(salt), [ROWS, WIDTH])];
    (0..MICRO_BATCHES)
        .map(|m| MicroBatch { inputs: data(m), targets: data(m + 50), rows: ROWS })
        .collect()
}

/// The same model and step as anybody would write them with Burn alone.
pub(super) struct PlainLoop {
    blocks: Vec<Block>,
    optimizer: ModuleOptimizer,
    device: Device,
}

impl PlainLoop {
    pub(super) fn new() -> Self {
        let device = Device::flex().autodiff();
        let clipping = Some(GradientClippingConfig::Norm(1.0));
        Self {
            blocks: (0..BLOCKS).map(|_| Block::new(&device)).collect(),
            optimizer: AdamWConfig::new().with_grad_clipping(clipping).init(),
            device,
        }
    }

    /// One step; the loss.
    pub(super) fn step(&mut self, micro_batches: Vec<MicroBatch>) -> Result<f32, EngineError> {
        let mut gradients = GradientsAccumulator::new();
        let mut loss_sum = 0.0;
        let share = 1.0 / micro_batches.len() as f32;
        for MicroBatch { mut inputs, mut targets, .. } in micro_batches {
            let (Some(input), Some(target)) = (inputs.pop(), targets.pop()) else { continue };
            let plain = self.device.clone().without_autodiff();
            let mut x = Tensor::<2>::from_data(input, &plain);
            for block in &self.blocks {
                x = block.run(x);
            }
            let loss = squared_error(x, Tensor::from_data(target, &plain)).mul_scalar(share);
            loss_sum += loss
                .clone()
                .try_into_scalar::<f32>()
                .map_err(|error| EngineError::Driver { message: error.to_string() })?;
            let of_this = GradientsParams::from_grads(loss.backward(), &self.blocks);
            gradients.accumulate(&self.blocks, of_this);
        }
        let blocks = std::mem::take(&mut self.blocks);
        self.blocks = self.optimizer.step(1e-3, blocks, gradients.grads());
        Ok(loss_sum)
    }
}
