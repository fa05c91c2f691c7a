//! AdamW (Loshchilov and Hutter, arXiv 1711.05101, algorithm 2), one pass over the weights on the
//! CPU, tensor operations elsewhere.

use burn::tensor::{Tensor, TensorData};

use crate::EngineError;

/// The optimizer's settings that do not change during a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamW {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Keeps the division finite.
    pub epsilon: f64,
    /// Decay of matrices; biases and norms do not decay.
    pub weight_decay: f64,
}

impl Default for AdamW {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 }
    }
}

/// What changes from step to step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Update {
    /// Number of this update, from 1.
    pub(crate) step: u64,
    pub(crate) learning_rate: f64,
    /// The gradient is multiplied by this (clipping); 1 leaves it as it is.
    pub(crate) gradient_scale: f64,
}

/// A gradient summed over the step's micro-batches.
#[expect(clippy::large_enum_variant, reason = "there is one for each weight tensor, not more")]
pub(crate) enum Gradient {
    /// On the host, of a CPU device.
    Host(TensorData),
    /// On the device.
    Device(Tensor<1>),
}

/// First and second moment of one weight tensor.
#[expect(clippy::large_enum_variant, reason = "there is one for each weight tensor, not more")]
pub(crate) enum Moments {
    Host { first: Vec<f32>, second: Vec<f32> },
    Device { first: Tensor<1>, second: Tensor<1> },
}

impl Moments {
    /// Both as host values, for a checkpoint.
    pub(crate) fn to_host(&self) -> Result<(Vec<f32>, Vec<f32>), EngineError> {
        let read = |tensor: &Tensor<1>| {
            tensor.clone().try_into_vec_as::<f32>().map_err(EngineError::driver)
        };
        match self {
            Self::Host { first, second } => Ok((first.clone(), second.clone())),
            Self::Device { first, second } => Ok((read(first)?, read(second)?)),
        }
    }
}

/// The factors of one update, worked out once: `w ← w·keep − rate·m̂/(√v̂ + ε)`.
struct Factors {
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    keep: f32,
    rate: f32,
    second_correction: f32,
    gradient_scale: f32,
}

impl AdamW {
    fn factors(&self, update: Update, decays: bool) -> Factors {
        let exponent = i32::try_from(update.step).unwrap_or(i32::MAX);
        let first_correction = 1.0 - self.beta1.powi(exponent);
        let second_correction = 1.0 - self.beta2.powi(exponent);
        let decay = if decays { self.weight_decay } else { 0.0 };
        Factors {
            beta1: self.beta1 as f32,
            beta2: self.beta2 as f32,
            epsilon: self.epsilon as f32,
            keep: (1.0 - update.learning_rate * decay) as f32,
            rate: (update.learning_rate / first_correction) as f32,
            second_correction: (1.0 / second_correction) as f32,
            gradient_scale: update.gradient_scale as f32,
        }
    }

    /// The new value of a weight; its moments are updated in place, or made at the first update.
    pub(crate) fn update(
        &self,
        weight: Tensor<1>,
        gradient: Gradient,
        moments: &mut Option<Moments>,
        update: Update,
        decays: bool,
    ) -> Result<Tensor<1>, EngineError> {
        let factors = self.factors(update, decays);
        match gradient {
            Gradient::Host(gradient) => update_host(weight, &gradient, moments, &factors),
            Gradient::Device(gradient) => update_device(weight, gradient, moments, &factors),
        }
    }
}

fn update_host(
    weight: Tensor<1>,
    gradient: &TensorData,
    moments: &mut Option<Moments>,
    factors: &Factors,
) -> Result<Tensor<1>, EngineError> {
    let device = weight.device();
    let elements = weight.shape().num_elements();
    let moments = moments.get_or_insert_with(|| Moments::Host {
        first: vec![0.0; elements],
        second: vec![0.0; elements],
    });
    let Moments::Host { first, second } = moments else {
        return Err(EngineError::driver("a CPU device holds moments of another device"));
    };
    let mut data = weight.try_into_data().map_err(EngineError::driver)?;
    let weights = data.as_mut_slice::<f32>().map_err(|e| EngineError::driver(format!("{e:?}")))?;
    let gradients =
        gradient.as_slice::<f32>().map_err(|e| EngineError::driver(format!("{e:?}")))?;
    let (keep1, keep2) = (factors.beta1, factors.beta2);
    for (((w, g), m), v) in weights.iter_mut().zip(gradients).zip(first).zip(second) {
        let g = g * factors.gradient_scale;
        *m = keep1 * *m + (1.0 - keep1) * g;
        *v = keep2 * *v + (1.0 - keep2) * g * g;
        let denominator = (*v * factors.second_correction).sqrt() + factors.epsilon;
        *w = *w * factors.keep - factors.rate * *m / denominator;
    }
    Ok(Tensor::from_data(data, &device))
}

fn update_device(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    moments: &mut Option<Moments>,
    factors: &Factors,
) -> Result<Tensor<1>, EngineError> {
    let gradient = gradient.mul_scalar(factors.gradient_scale);
    let square = gradient.clone() * gradient.clone();
    let (first, second) = match moments.take() {
        None => (gradient.mul_scalar(1.0 - factors.beta1), square.mul_scalar(1.0 - factors.beta2)),
        Some(Moments::Device { first, second }) => (
            first.mul_scalar(factors.beta1) + gradient.mul_scalar(1.0 - factors.beta1),
            second.mul_scalar(factors.beta2) + square.mul_scalar(1.0 - factors.beta2),
        ),
        Some(Moments::Host { .. }) => {
            return Err(EngineError::driver("a device holds moments of a CPU device"));
        }
    };
    let denominator =
        second.clone().mul_scalar(factors.second_correction).sqrt().add_scalar(factors.epsilon);
    let step = first.clone().mul_scalar(factors.rate) / denominator;
    *moments = Some(Moments::Device { first, second });
    Ok(weight.mul_scalar(factors.keep) - step)
}
