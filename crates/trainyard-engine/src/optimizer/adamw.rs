//! AdamW (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2): one pass over the weights on the CPU,
//! one kernel a weight on wgpu devices that are faster with it, tensor operations elsewhere.

use burn::backend::Wgpu;
use burn::tensor::{Tensor, TensorData};

use super::check::{above_zero, below_one, not_negative};
use super::entry::on_host;
use super::{
    Gradient, GroupEntry, GroupFactors, Optimizer, State, StateSpec, Update, Updated, WeightSpec,
};
use trainyard_config::keys;

use crate::EngineError;
use crate::kernels::{AdamWFactors, Kernel, adamw, gpu_tensor, uses};

keys! {
    /// AdamW: two moments of every weight, decoupled weight decay.
    pub struct AdamW in "optimizer" {
        /// Decay of the first moment.
        beta1: f64 = 0.9, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// Decay of the second moment.
        beta2: f64 = 0.99, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// Keeps the division finite.
        epsilon: f64 = 1e-8, must("above 1.2e-38 and at most 1e30", |x| (1.2e-38..=1e30).contains(x));
        /// Decay of weights of two or more dimensions; biases and norms do not decay.
        weight_decay: f64 = 0.1, in 0.0..=1000.0;
    }
}

impl AdamW {
    fn factors(&self, group: &GroupFactors, update: &Update) -> AdamWFactors {
        let exponent = i32::try_from(update.step).unwrap_or(i32::MAX);
        let first_correction = 1.0 - self.beta1.powi(exponent);
        let second_correction = 1.0 - self.beta2.powi(exponent);
        AdamWFactors {
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            epsilon: self.epsilon as f32,
            keep: group.keep(update) as f32,
            rate: (group.rate(update) / first_correction) as f32,
            second_correction: (1.0 / second_correction) as f32,
            gradient_scale: update.gradient_scale as f32,
        }
    }
}

impl Optimizer for AdamW {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn check(&self) -> Result<(), EngineError> {
        below_one("optimizer.beta1", self.beta1)?;
        below_one("optimizer.beta2", self.beta2)?;
        above_zero("optimizer.epsilon", self.epsilon)?;
        not_negative("optimizer.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn state(&self, weight: &WeightSpec, _factors: &GroupFactors) -> Vec<StateSpec> {
        ["first", "second"].map(|name| StateSpec::new(name, weight.shape.as_slice())).into()
    }

    fn update_weight(
        &self,
        entry: GroupEntry<'_>,
        update: &Update,
    ) -> Result<Updated, EngineError> {
        let factors = self.factors(&entry.factors, update);
        let specs = || self.state(entry.weight, &entry.factors);
        match entry.gradient {
            Gradient::Host(gradient) => {
                let state = entry.state.get_or_insert_with(|| State::zeros(specs()));
                update_on_host(entry.values, &gradient, state, &factors)
            }
            Gradient::Device(gradient) => {
                let moments = State::take(entry.state, &entry.values.device())?;
                let (values, moments) = if uses(Kernel::AdamW) && entry.values.dims() != [0] {
                    by_kernel(entry.values, gradient, moments, &factors)?
                } else {
                    adamw_by_operations(entry.values, gradient, moments, &factors)
                };
                *entry.state = State::on_device(specs(), moments);
                Ok(values.into())
            }
        }
    }
}

fn update_on_host(
    values: Tensor<1>,
    gradient: &TensorData,
    state: &mut State,
    factors: &AdamWFactors,
) -> Result<Updated, EngineError> {
    let [first, second] = state.host_mut()?;
    on_host(values, gradient, |weights, gradients, look| {
        let (keep1, keep2) = (factors.beta1, factors.beta2);
        for (((w, g), m), v) in weights.iter_mut().zip(gradients).zip(first).zip(second) {
            let g = g * factors.gradient_scale;
            *m = keep1 * *m + (1.0 - keep1) * g;
            *v = keep2 * *v + (1.0 - keep2) * g * g;
            let denominator = (*v * factors.second_correction).sqrt() + factors.epsilon;
            *w = *w * factors.keep - factors.rate * *m / denominator;
            look.at([*w, *m, *v]);
        }
    })
}

/// The new values, and first and second moment, by the kernel of wgpu devices.
fn by_kernel(
    values: Tensor<1>,
    gradient: Tensor<1>,
    moments: Option<[Tensor<1>; 2]>,
    factors: &AdamWFactors,
) -> Result<(Tensor<1>, [Tensor<1>; 2]), EngineError> {
    let [first, second] = moments.unwrap_or_else(|| [gradient.zeros_like(), gradient.zeros_like()]);
    let moments = [gpu_tensor(first)?, gpu_tensor(second)?];
    let (values, moments) = adamw(gpu_tensor(values)?, &gpu_tensor(gradient)?, moments, factors);
    let tensor = Tensor::from_primitive::<Wgpu>;
    Ok((tensor(values), moments.map(tensor)))
}

/// The same by Burn's operations.
pub(crate) fn adamw_by_operations(
    values: Tensor<1>,
    gradient: Tensor<1>,
    moments: Option<[Tensor<1>; 2]>,
    factors: &AdamWFactors,
) -> (Tensor<1>, [Tensor<1>; 2]) {
    let gradient = gradient.mul_scalar(factors.gradient_scale);
    let square = gradient.clone() * gradient.clone();
    let (first, second) = match moments {
        None => (gradient.mul_scalar(1.0 - factors.beta1), square.mul_scalar(1.0 - factors.beta2)),
        Some([first, second]) => (
            first.mul_scalar(factors.beta1) + gradient.mul_scalar(1.0 - factors.beta1),
            second.mul_scalar(factors.beta2) + square.mul_scalar(1.0 - factors.beta2),
        ),
    };
    let denominator =
        second.clone().mul_scalar(factors.second_correction).sqrt().add_scalar(factors.epsilon);
    let step = first.clone().mul_scalar(factors.rate) / denominator;
    (values.mul_scalar(factors.keep) - step, [first, second])
}
