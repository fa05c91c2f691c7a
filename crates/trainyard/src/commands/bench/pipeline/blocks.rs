//! The model of the benchmark: equal residual blocks, once as layers of the engine and once as one
//! plain Burn module.

use burn::grad_clipping::GradientClippingConfig;
use burn::module::Module;
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::activation::gelu;
use burn::tensor::{Device, Tensor, TensorData};
use clap::Args;
use trainyard_engine::{
    EngineError, ErasedLayer, ForwardContext, Layer, LayerSpec, MicroBatch, Model, Tensors, erase,
};
use trainyard_models::nn::{Linear, LinearConfig};

pub(super) const BLOCKS: usize = 8;
pub(super) const MICRO_BATCHES: usize = 8;

/// Sizes of the model and of its batch.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct Shape {
    /// Numbers of a row between the blocks: what moves from device to device
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u16).range(1..))]
    width: u16,
    /// Numbers of a row inside a block
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u16).range(1..))]
    inner: u16,
    /// Rows of a micro-batch
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    rows: u16,
}

impl Shape {
    pub(super) fn width(self) -> usize {
        self.width.into()
    }

    pub(super) fn inner(self) -> usize {
        self.inner.into()
    }

    pub(super) fn rows(self) -> usize {
        self.rows.into()
    }

    /// What goes from a block to the next, f32, bytes.
    pub(super) fn activation_bytes(self) -> usize {
        4 * self.rows() * self.width()
    }
}

/// `x + W₂ · gelu(W₁ · x)`
#[derive(Module, Debug)]
struct Block {
    widen: Linear,
    narrow: Linear,
}

impl Block {
    fn new(shape: Shape, device: &Device) -> Self {
        Self {
            widen: LinearConfig::new(shape.width(), shape.inner()).init(device),
            narrow: LinearConfig::new(shape.inner(), shape.width()).init(device),
        }
    }

    fn run(&self, x: Tensor<2>) -> Tensor<2> {
        x.clone() + self.narrow.forward(gelu(self.widen.forward(x)))
    }
}

impl Layer for Block {
    fn forward(&self, mut input: Tensors, _: &ForwardContext) -> Result<Tensors, EngineError> {
        Ok(Tensors::new().with("x", self.run(input.take("x")?)))
    }
}

/// The blocks as layers of the engine.
pub(super) struct Blocks(pub(super) Shape);

impl Model for Blocks {
    fn name(&self) -> &'static str {
        "blocks"
    }

    fn layers(&self) -> Vec<LayerSpec> {
        (0..BLOCKS).map(|index| LayerSpec::new(format!("block{index}"), "block")).collect()
    }

    fn build(&self, _: usize, _: u64, device: &Device) -> Result<ErasedLayer, EngineError> {
        // A benchmark: which weights they are does not matter.
        Ok(erase(Block::new(self.0, &device.clone().autodiff())))
    }
}

fn squared_error(output: Tensor<2>, targets: Tensor<2>) -> Tensor<1> {
    let difference = output - targets;
    (difference.clone() * difference).mean()
}

/// The micro-batches of one step.
pub(super) fn micro_batches(shape: Shape) -> Vec<MicroBatch> {
    let (rows, width) = (shape.rows(), shape.width());
    let values = |salt: usize| -> Vec<f32> {
        (0..rows * width).map(|i| ((i * 31 + salt * 17) % 97) as f32 / 97.0 - 0.5).collect()
    };
    let data = |salt| TensorData::new(values(salt), [rows, width]);
    let micro_batch = |m| MicroBatch::new(rows).with("x", data(m)).with("targets", data(m + 50));
    (0..MICRO_BATCHES).map(micro_batch).collect()
}

/// All of them as one.
pub(super) fn whole_batch(shape: Shape) -> MicroBatch {
    let parts = micro_batches(shape);
    let rows = shape.rows() * MICRO_BATCHES;
    let joined = |name: &str| {
        let of_part = |part: &MicroBatch| {
            let data = part.tensors.iter().find(|(known, _)| &**known == name);
            data.and_then(|(_, data)| data.try_to_vec::<f32>().ok()).unwrap_or_default()
        };
        let values: Vec<f32> = parts.iter().flat_map(of_part).collect();
        TensorData::new(values, [rows, shape.width()])
    };
    MicroBatch::new(rows).with("x", joined("x")).with("targets", joined("targets"))
}

/// The same model and step as anybody would write them with Burn alone, on one device; or on several,
/// with a `to_device` between them.
pub(super) struct PlainLoop {
    blocks: Vec<Block>,
    optimizer: ModuleOptimizer,
    devices: Vec<Device>,
}

impl PlainLoop {
    pub(super) fn new(shape: Shape, devices: &[Device]) -> Self {
        let clipping = Some(GradientClippingConfig::Norm(1.0));
        let place = |block: usize| devices[block * devices.len() / BLOCKS].clone().autodiff();
        Self {
            blocks: (0..BLOCKS).map(|block| Block::new(shape, &place(block))).collect(),
            optimizer: AdamWConfig::new().with_grad_clipping(clipping).init(),
            devices: (0..BLOCKS).map(|block| place(block).without_autodiff()).collect(),
        }
    }

    /// One step; the loss.
    pub(super) fn step(&mut self, micro_batches: Vec<MicroBatch>) -> Result<f32, EngineError> {
        let mut gradients = GradientsAccumulator::new();
        let mut loss_sum = 0.0;
        let share = 1.0 / micro_batches.len() as f32;
        for MicroBatch { tensors, .. } in micro_batches {
            let mut tensors = tensors.into_iter().map(|(_, data)| data);
            let (Some(input), Some(target)) = (tensors.next(), tensors.next()) else { continue };
            let mut at = &self.devices[0];
            let mut x = Tensor::<2>::from_data(input, at);
            for (block, device) in self.blocks.iter().zip(&self.devices) {
                if device != at {
                    x = x.to_device(device);
                    at = device;
                }
                x = block.run(x);
            }
            let loss = squared_error(x, Tensor::from_data(target, at)).mul_scalar(share);
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
