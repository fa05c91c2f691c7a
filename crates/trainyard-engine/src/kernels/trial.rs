//! Finding out which kernels a device is faster with, once for each in a process.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use burn::backend::ops::FloatTensorOps;
use burn::backend::{TensorMetadata, Wgpu};
use burn::tensor::activation::{gelu as burns_gelu, log_softmax, softmax};
use burn::tensor::{Bool, Device as BurnDevice, Gradients, Int, Tensor, TensorData, module};
use trainyard_plan::DeviceInfo;

use super::launch::{gpu_ints, gpu_tensor, room};
use super::matmul::{Addend, Side, matmul};
use super::{
    AdamWFactors, DeviceKernels, Fit, GpuTensor, Kernel, KernelSet, adamw, causal_attention,
    causal_attention_backward, cross_entropy, gelu, gelu_backward, layer_norm, layer_norm_backward,
    layer_norm_weights,
};
use crate::EngineError;
use crate::fault::catch_panic;

/// Timed rounds, in which both take turns; the fastest counts.
const ROUNDS: usize = 5;
/// A kernel must be so much faster than what Burn has.
const MARGIN: f64 = 1.1;
/// How far its numbers may be from Burn's, beside the largest of them.
const TOLERANCE: f32 = 1e-3;

/// What was found out in this process.
static FOUND: Mutex<Vec<(DeviceInfo, SpeedUps)>> = Mutex::new(Vec::new());

/// By kernel, how many times as fast as what Burn has it is, forward and backward; None where it fails or
/// gives other numbers.
pub type SpeedUps = [(Kernel, Option<f64>); Kernel::ALL.len()];

/// Tries each kernel against what Burn has, once for each device of a process. Call it on a thread that
/// nobody needs afterwards: Burn keeps memory for every thread that asks for some.
pub(crate) fn try_all(info: &DeviceInfo, device: &BurnDevice, fit: Fit) -> SpeedUps {
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, speed_ups)) = found.iter().find(|(known, _)| known == info) {
        return *speed_ups;
    }
    DeviceKernels { used: KernelSet::all(), fit }.enter();
    let contest = Contest { device: device.clone(), sizes: Sizes::of(fit) };
    let speed_ups = Kernel::ALL.map(|kernel| {
        let tried = catch_panic(|| contest.run(kernel));
        tracing::debug!("'{}': our {} beside Burn's: {tried:?}", info.name, kernel.name());
        (kernel, tried.unwrap_or_default())
    });
    device.memory_cleanup();
    found.push((info.clone(), speed_ups));
    speed_ups
}

/// Those that are so much faster that it is no accident.
pub(crate) fn winners(speed_ups: SpeedUps) -> KernelSet {
    let wins = |(_, speed_up): &(_, Option<f64>)| speed_up.is_some_and(|times| times > MARGIN);
    speed_ups.into_iter().filter(wins).map(|(kernel, _)| kernel).collect()
}

/// Sizes at which a device has something to do.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    context: usize,
    heads: usize,
    width: usize,
}

impl Sizes {
    fn of(fit: Fit) -> Self {
        if fit.is_software {
            Self { batch: 2, context: 64, heads: 4, width: 128 }
        } else {
            Self { batch: 8, context: 256, heads: 8, width: 512 }
        }
    }

    fn rows(self) -> usize {
        self.batch * self.context
    }
}

struct Contest {
    device: BurnDevice,
    sizes: Sizes,
}

type Numbers = Vec<Tensor<1>>;
type Run<'a> = Box<dyn Fn() -> Result<Numbers, EngineError> + 'a>;

impl Contest {
    /// How many times as fast as Burn's a kernel is; None where its numbers are others.
    fn run(&self, kernel: Kernel) -> Result<Option<f64>, EngineError> {
        let [ours, burns] = match kernel {
            Kernel::AdamW => self.adamw(),
            Kernel::Attention => self.attention(),
            Kernel::CrossEntropy => self.cross_entropy(),
            Kernel::Gelu => self.gelu(),
            Kernel::LayerNorm => self.layer_norm(),
            Kernel::Linear => self.linear(),
        };
        // The first run of each compiles it.
        if !are_alike(ours()?, burns()?)? {
            return Ok(None);
        }
        let mut fastest = [Duration::MAX; 2];
        for _ in 0..ROUNDS {
            for (run, fastest) in [&ours, &burns].into_iter().zip(&mut fastest) {
                let began = Instant::now();
                drop(run()?);
                self.device.sync().map_err(EngineError::driver)?;
                *fastest = (*fastest).min(began.elapsed());
            }
        }
        let [ours, burns] = fastest.map(|time| time.as_secs_f64());
        Ok(Some(burns / ours.max(1e-9)))
    }

    /// Numbers between −1 and 1 that look random.
    fn numbers<const D: usize>(&self, shape: [usize; D], salt: u32) -> Tensor<D> {
        let number = |at: u32| {
            let mixed = (at ^ salt.wrapping_mul(0x9E37_79B9)).wrapping_mul(0x85EB_CA6B);
            let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xC2B2_AE35);
            (mixed >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        let count = shape.iter().product::<usize>() as u32;
        let values: Vec<f32> = (0..count).map(number).collect();
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    fn gelu(&self) -> [Run<'_>; 2] {
        let x = self.numbers([self.sizes.rows(), 4 * self.sizes.width], 1);
        let gradient = self.numbers(x.dims(), 2);
        let (ours_x, ours_gradient) = (x.clone(), gradient.clone());
        [
            Box::new(move || {
                let (x, gradient) =
                    (gpu_tensor(ours_x.clone())?, gpu_tensor(ours_gradient.clone())?);
                Ok(vec![flat(gelu(&x)), flat(gelu_backward(&x, &gradient))])
            }),
            Box::new(move || {
                let x = x.clone().autodiff().require_grad();
                let output = burns_gelu(x.clone());
                let mut all = (output.clone() * gradient.clone().autodiff()).backward();
                Ok(vec![output.inner().flatten(0, 1), of(&x, &mut all)?])
            }),
        ]
    }

    fn layer_norm(&self) -> [Run<'_>; 2] {
        let width = self.sizes.width;
        let x = self.numbers([self.sizes.rows(), width], 1);
        let gradient = self.numbers(x.dims(), 2);
        let [gain, bias] = [3, 4].map(|salt| self.numbers([width], salt));
        let ours = (x.clone(), gradient.clone(), gain.clone(), bias.clone());
        [
            Box::new(move || {
                let (x, gradient) = (gpu_tensor(ours.0.clone())?, gpu_tensor(ours.1.clone())?);
                let (gain, bias) = (gpu_tensor(ours.2.clone())?, gpu_tensor(ours.3.clone())?);
                let (output, statistics) = layer_norm(&x, &gain, Some(&bias), 1e-5);
                let of_x = layer_norm_backward(&x, &gain, &statistics, &gradient);
                let [of_gain, of_bias] = layer_norm_weights(&x, &statistics, &gradient);
                Ok([output, of_x, of_gain, of_bias].map(flat).into())
            }),
            Box::new(move || {
                let [gain, bias] = [&gain, &bias].map(|it| it.clone().autodiff().require_grad());
                let x = x.clone().autodiff().require_grad();
                let output = module::layer_norm(x.clone(), gain.clone(), Some(bias.clone()), 1e-5);
                let mut all = (output.clone() * gradient.clone().autodiff()).backward();
                let of_x = of(&x, &mut all)?;
                let of_weights = [of(&gain, &mut all)?, of(&bias, &mut all)?];
                Ok([vec![output.inner().flatten(0, 1), of_x], of_weights.into()].concat())
            }),
        ]
    }

    fn cross_entropy(&self) -> [Run<'_>; 2] {
        let (rows, classes) = (self.sizes.rows(), self.sizes.width + 1);
        let logits = self.numbers([rows, classes], 1).mul_scalar(4.0);
        let target = |row| i32::try_from(row * 7 % classes).unwrap_or_default();
        let targets: Vec<i32> = (0..rows).map(target).collect();
        let targets = TensorData::new(targets, [rows]);
        let targets = Tensor::<1, Int>::from_data(targets, &self.device);
        let ours = (logits.clone(), targets.clone());
        [
            Box::new(move || {
                let (losses, gradient) =
                    cross_entropy(&gpu_tensor(ours.0.clone())?, &gpu_ints(ours.1.clone())?);
                Ok(vec![flat(losses).mean(), flat(gradient)])
            }),
            Box::new(move || {
                let logits = logits.clone().autodiff().require_grad();
                let chosen = targets.clone().unsqueeze_dim(1);
                let loss = log_softmax(logits.clone(), 1).gather(1, chosen).mean().neg();
                let mut all = loss.backward();
                Ok(vec![loss.inner(), of(&logits, &mut all)?])
            }),
        ]
    }

    fn attention(&self) -> [Run<'_>; 2] {
        let Sizes { batch, context, heads, width } = self.sizes;
        let projected = self.numbers([batch, context, 3 * width], 1);
        let gradient = self.numbers([batch, context, width], 2);
        let ours = (projected.clone(), gradient.clone());
        [
            Box::new(move || {
                let (projected, gradient) =
                    (gpu_tensor(ours.0.clone())?, gpu_tensor(ours.1.clone())?);
                let attended = causal_attention(&projected, heads);
                let of_projected =
                    causal_attention_backward(&projected, &attended, &gradient, heads);
                Ok(vec![flat(attended.mixed), flat(of_projected)])
            }),
            Box::new(move || {
                let projected = projected.clone().autodiff().require_grad();
                let mixed = mix(&projected, heads);
                let mut all = (mixed.clone() * gradient.clone().autodiff()).backward();
                Ok(vec![mixed.inner().flatten(0, 2), of(&projected, &mut all)?])
            }),
        ]
    }

    fn linear(&self) -> [Run<'_>; 2] {
        let (rows, inputs) = (self.sizes.rows(), self.sizes.width);
        let outputs = 2 * inputs;
        let x = self.numbers([rows, inputs], 1);
        let weight = self.numbers([inputs, outputs], 2);
        let bias = self.numbers([outputs], 3);
        let gradient = self.numbers([rows, outputs], 4);
        let ours = (x.clone(), weight.clone(), bias.clone(), gradient.clone());
        [
            Box::new(move || {
                let (x, weight) = (gpu_tensor(ours.0.clone())?, gpu_tensor(ours.1.clone())?);
                let (bias, gradient) = (gpu_tensor(ours.2.clone())?, gpu_tensor(ours.3.clone())?);
                let output = room(&x, [rows, outputs]);
                let (of_x, of_weight) = (room(&x, [rows, inputs]), room(&x, [inputs, outputs]));
                let [x, weight, gradient] = [&x, &weight, &gradient].map(Side::new);
                matmul(x, weight, Addend::Bias(&bias), &output);
                matmul(gradient, weight.turned(), Addend::Nothing, &of_x);
                matmul(x.turned(), gradient, Addend::Nothing, &of_weight);
                Ok([output, of_x, of_weight].map(flat).into())
            }),
            Box::new(move || {
                let output = module::linear(x.clone(), weight.clone(), Some(bias.clone()));
                let of_x = gradient.clone().matmul(weight.clone().transpose());
                let of_weight = x.clone().transpose().matmul(gradient.clone());
                Ok([output, of_x, of_weight].map(|it| it.flatten(0, 1)).into())
            }),
        ]
    }

    fn adamw(&self) -> [Run<'_>; 2] {
        let length = self.sizes.width * self.sizes.width * 4;
        let values = self.numbers([length], 1);
        let gradient = self.numbers([length], 2);
        let moments = [self.numbers([length], 3), self.numbers([length], 4).powi_scalar(2)];
        let factors = AdamWFactors {
            beta1: 0.9,
            beta2: 0.99,
            epsilon: 1e-8,
            keep: 0.999,
            rate: 1e-2,
            second_correction: 10.0,
            gradient_scale: 0.5,
        };
        let ours = (values.clone(), gradient.clone(), moments.clone());
        // Both begin with copies, as neither may change what the other is given.
        let copy = |tensor: &Tensor<1>| tensor.clone().mul_scalar(1.0);
        [
            Box::new(move || {
                let (values, gradient) = (gpu_tensor(copy(&ours.0))?, gpu_tensor(ours.1.clone())?);
                let moments = [gpu_tensor(copy(&ours.2[0]))?, gpu_tensor(copy(&ours.2[1]))?];
                let (values, [first, second]) = adamw(values, &gradient, moments, &factors);
                Ok([values, first, second].map(flat).into())
            }),
            Box::new(move || {
                let moments = moments.each_ref().map(copy);
                let (values, [first, second]) = crate::optimizer::adamw_by_operations(
                    copy(&values),
                    gradient.clone(),
                    Some(moments),
                    &factors,
                );
                Ok(vec![values, first, second])
            }),
        ]
    }
}

/// Causal attention as Burn's operations.
fn mix(projected: &Tensor<3>, heads: usize) -> Tensor<3> {
    let [batch, context, width] = projected.dims();
    let (width, head_width) = (width / 3, width / 3 / heads);
    let [queries, keys, values] = [0, 1, 2].map(|part| {
        let part = projected.clone().narrow(2, part * width, width);
        part.reshape([batch, context, heads, head_width]).swap_dims(1, 2)
    });
    let scores = queries.mul_scalar(1.0 / (head_width as f64).sqrt()).matmul(keys.transpose());
    let future = (0..context * context).map(|i| i % context > i / context).collect::<Vec<_>>();
    let future = TensorData::new(future, [1, 1, context, context]);
    let future = Tensor::<4, Bool>::from_data(future, &projected.device().without_autodiff());
    let weights = softmax(scores.mask_fill(future, f32::NEG_INFINITY), 3);
    weights.matmul(values).swap_dims(1, 2).reshape([batch, context, width])
}

fn flat(tensor: GpuTensor) -> Tensor<1> {
    let count = tensor.shape().num_elements();
    Tensor::from_primitive::<Wgpu>(Wgpu::float_reshape(tensor, [count].into()))
}

/// The gradient that a backward left, flat.
fn of<const D: usize>(
    tensor: &Tensor<D>,
    gradients: &mut Gradients,
) -> Result<Tensor<1>, EngineError> {
    let gradient = tensor.grad_remove(gradients);
    let gradient = gradient.ok_or_else(|| EngineError::internal("a backward gave no gradient"))?;
    let count = gradient.dims().iter().product::<usize>();
    Ok(gradient.reshape([count]))
}

/// Whether both gave the same numbers.
fn are_alike(ours: Numbers, burns: Numbers) -> Result<bool, EngineError> {
    for (ours, burns) in ours.into_iter().zip(burns) {
        let read = |it: Tensor<1>| it.try_into_vec_as::<f32>().map_err(EngineError::driver);
        let (ours, burns) = (read(ours)?, read(burns)?);
        let largest = burns.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= TOLERANCE * largest.max(1e-6);
        if ours.len() != burns.len() || !ours.iter().zip(&burns).all(near) {
            return Ok(false);
        }
    }
    Ok(true)
}
