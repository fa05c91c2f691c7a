//! Stochastic gradient descent with momentum (Sutskever et al. 2013), in the form of PyTorch's and
//! Burn's SGD without dampening.

use burn::tensor::{Tensor, TensorData};

use super::check::{below_one, not_negative};
use super::entry::on_host;
use super::momentum::direction;
use super::{
    Gradient, GroupEntry, GroupFactors, Optimizer, State, StateSpec, Update, Updated, WeightSpec,
};
use trainyard_config::keys;

use crate::EngineError;

keys! {
    /// SGD: a momentum of every weight, or no state at all.
    ///
    /// Weight decay is added to the gradient: `g ← g + λ·w`, then `v ← μ·v + g` and `w ← w − rate·v`.
    pub struct Sgd in "optimizer" {
        /// What is left of the momentum from step to step; 0 for none, and no state.
        momentum: f64 = 0.9, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// Whether a step looks ahead along its momentum (Nesterov).
        nesterov: bool = false;
        /// Decay of weights of two or more dimensions; biases and norms do not decay.
        weight_decay: f64 = 0.0, in 0.0..=1000.0;
    }
}

/// The factors of one update.
struct Factors {
    momentum: f32,
    nesterov: bool,
    decay: f32,
    rate: f32,
    gradient_scale: f32,
}

impl Optimizer for Sgd {
    fn name(&self) -> &'static str {
        "sgd"
    }

    fn check(&self) -> Result<(), EngineError> {
        below_one("optimizer.momentum", self.momentum)?;
        not_negative("optimizer.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn state(&self, weight: &WeightSpec, _factors: &GroupFactors) -> Vec<StateSpec> {
        let momentum = StateSpec::new("momentum", weight.shape.as_slice());
        if self.momentum > 0.0 { vec![momentum] } else { Vec::new() }
    }

    fn update_weight(
        &self,
        entry: GroupEntry<'_>,
        update: &Update,
    ) -> Result<Updated, EngineError> {
        let specs = self.state(entry.weight, &entry.factors);
        let factors = Factors {
            momentum: self.momentum as f32,
            nesterov: self.nesterov,
            decay: entry.factors.weight_decay as f32,
            rate: entry.factors.rate(update) as f32,
            gradient_scale: update.gradient_scale as f32,
        };
        match entry.gradient {
            Gradient::Host(gradient) if specs.is_empty() => {
                without_momentum(entry.values, &gradient, &factors)
            }
            Gradient::Host(gradient) => {
                let state = entry.state.get_or_insert_with(|| State::zeros(specs));
                with_momentum(entry.values, &gradient, state, &factors)
            }
            Gradient::Device(gradient) => {
                let held = State::take(entry.state, &entry.values.device())?;
                let momentum = held.map(|[momentum]: [Tensor<1>; 1]| momentum);
                let mut gradient = gradient.mul_scalar(factors.gradient_scale);
                if factors.decay > 0.0 {
                    gradient = gradient + entry.values.clone().mul_scalar(factors.decay);
                }
                let (direction, momentum) =
                    direction(gradient, momentum, self.momentum, self.nesterov);
                *entry.state = State::on_device(specs, [momentum]);
                Ok((entry.values - direction.mul_scalar(factors.rate)).into())
            }
        }
    }
}

fn with_momentum(
    values: Tensor<1>,
    gradient: &TensorData,
    state: &mut State,
    factors: &Factors,
) -> Result<Updated, EngineError> {
    let [momentum] = state.host_mut()?;
    on_host(values, gradient, |weights, gradients, look| {
        for ((w, g), v) in weights.iter_mut().zip(gradients).zip(momentum) {
            let g = g * factors.gradient_scale + factors.decay * *w;
            *v = factors.momentum * *v + g;
            let direction = if factors.nesterov { factors.momentum * *v + g } else { *v };
            *w -= factors.rate * direction;
            look.at([*w, *v]);
        }
    })
}

fn without_momentum(
    values: Tensor<1>,
    gradient: &TensorData,
    factors: &Factors,
) -> Result<Updated, EngineError> {
    on_host(values, gradient, |weights, gradients, look| {
        for (w, g) in weights.iter_mut().zip(gradients) {
            *w -= factors.rate * (g * factors.gradient_scale + factors.decay * *w);
            look.at([*w]);
        }
    })
}
