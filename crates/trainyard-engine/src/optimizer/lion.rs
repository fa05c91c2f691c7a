//! Lion (Chen et al., Symbolic Discovery of Optimization Algorithms, arXiv 2302.06675, algorithm
//! 2): one pass over the weights on the CPU, Burn's own elsewhere.

use burn::optim::{LionConfig, LionState, Optimizer as _};
use burn::tensor::{Tensor, TensorData};

use super::check::{below_one, not_negative};
use super::entry::on_host;
use super::{
    Gradient, GroupEntry, GroupFactors, Optimizer, State, StateSpec, Update, Updated, WeightSpec,
};
use trainyard_config::keys;

use crate::EngineError;

keys! {
    /// Lion: a momentum of every weight, and steps that are as long for every element. It wants a
    /// smaller learning rate than AdamW (a third to a tenth) and as much more weight decay.
    ///
    /// `w ← w·(1 − rate·λ) − rate·sign(β₁·m + (1 − β₁)·g)`, then `m ← β₂·m + (1 − β₂)·g`.
    pub struct Lion in "optimizer" {
        /// The momentum's share in the direction of a step.
        beta1: f64 = 0.9, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// Decay of the momentum.
        beta2: f64 = 0.99, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// Decay of weights of two or more dimensions; biases and norms do not decay.
        weight_decay: f64 = 0.1, in 0.0..=1000.0;
    }
}

impl Optimizer for Lion {
    fn name(&self) -> &'static str {
        "lion"
    }

    fn check(&self) -> Result<(), EngineError> {
        below_one("optimizer.beta1", self.beta1)?;
        below_one("optimizer.beta2", self.beta2)?;
        not_negative("optimizer.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn state(&self, weight: &WeightSpec, _factors: &GroupFactors) -> Vec<StateSpec> {
        vec![StateSpec::new("momentum", weight.shape.as_slice())]
    }

    fn update_weight(
        &self,
        entry: GroupEntry<'_>,
        update: &Update,
    ) -> Result<Updated, EngineError> {
        let specs = self.state(entry.weight, &entry.factors);
        match entry.gradient {
            Gradient::Host(gradient) => {
                let state = entry.state.get_or_insert_with(|| State::zeros(specs));
                self.update_on_host(entry.values, &gradient, state, &entry.factors, update)
            }
            Gradient::Device(gradient) => {
                let held = State::take(entry.state, &entry.values.device())?;
                let held = held.map(|[momentum]: [Tensor<1>; 1]| LionState::new(momentum));
                let lion = LionConfig::new()
                    .with_beta_1(self.beta1 as f32)
                    .with_beta_2(self.beta2 as f32)
                    .with_weight_decay(entry.factors.weight_decay as f32)
                    .build();
                let gradient = gradient.mul_scalar(update.gradient_scale);
                let rate = entry.factors.rate(update);
                let (values, held) = lion.step(rate, entry.values, gradient, held);
                *entry.state = held.and_then(|held| State::on_device(specs, [held.momentum]));
                Ok(values.into())
            }
        }
    }
}

impl Lion {
    fn update_on_host(
        &self,
        values: Tensor<1>,
        gradient: &TensorData,
        state: &mut State,
        group: &GroupFactors,
        update: &Update,
    ) -> Result<Updated, EngineError> {
        let (beta1, beta2) = (self.beta1 as f32, self.beta2 as f32);
        let (keep, rate) = (group.keep(update) as f32, group.rate(update) as f32);
        let gradient_scale = update.gradient_scale as f32;
        let [momentum] = state.host_mut()?;
        on_host(values, gradient, |weights, gradients, look| {
            for ((w, g), m) in weights.iter_mut().zip(gradients).zip(momentum) {
                let g = g * gradient_scale;
                *w = *w * keep - rate * sign(beta1 * *m + (1.0 - beta1) * g);
                *m = beta2 * *m + (1.0 - beta2) * g;
                look.at([*w, *m]);
            }
        })
    }
}

/// -1, 0 or 1; `signum` of the standard library knows no 0.
fn sign(x: f32) -> f32 {
    f32::from(i8::from(x > 0.0) - i8::from(x < 0.0))
}
