//! Muon (Jordan et al. 2024, <https://kellerjordan.github.io/posts/muon/>), by Burn's own, with the
//! step length of Moonlight (Liu et al., arXiv 2502.16982).

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdjustLrFn, MuonConfig, Optimizer as _};
use burn::tensor::Tensor;

use super::check::{below_one, number};
use super::momentum::direction;
use super::{
    AdamW, GroupEntry, GroupFactors, Optimizer, State, StateSpec, Update, Updated, WeightSpec,
};
use trainyard_config::keys;

use crate::EngineError;

keys! {
    /// Muon: steps of matrices are their momentum made orthogonal by Newton–Schulz iterations; all
    /// other weights are updated by AdamW.
    ///
    /// A step of a matrix is `0.2·√(the larger of rows and columns)` times the learning rate, which
    /// makes it about as long as AdamW's: one learning rate serves both. A weight of more than two
    /// dimensions counts as a matrix whose rows are its first dimension. Embeddings and the output
    /// layer do better with AdamW: a group with `matrices = false` sees to that.
    pub struct Muon in "optimizer" {
        /// What is left of a matrix's momentum from step to step.
        momentum: f64 = 0.95, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// Whether a matrix's step looks ahead along its momentum (Nesterov).
        nesterov: bool = true;
        /// Newton–Schulz iterations, 1 to 100.
        iterations: usize = 5, in 1..=100;
        /// AdamW's decay of the first moment, for the other weights.
        beta1: f64 = 0.9, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// AdamW's decay of the second moment, for the other weights.
        beta2: f64 = 0.95, must("at least 0 and below 1", |share| (0.0..1.0).contains(share));
        /// Keeps AdamW's division finite, for the other weights.
        epsilon: f64 = 1e-8, must("above 1.2e-38 and at most 1e30", |x| (1.2e-38..=1e30).contains(x));
        /// Decoupled decay of matrices; biases and norms do not decay.
        weight_decay: f64 = 0.1, in 0.0..=1000.0;
    }
}

impl Optimizer for Muon {
    fn name(&self) -> &'static str {
        "muon"
    }

    fn check(&self) -> Result<(), EngineError> {
        below_one("optimizer.momentum", self.momentum)?;
        let iterations = self.iterations;
        number("optimizer.iterations", iterations, (1..=100).contains(&iterations), "1 to 100")?;
        self.adamw().check()
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn state(&self, weight: &WeightSpec, factors: &GroupFactors) -> Vec<StateSpec> {
        match factors.matrix(weight) {
            Some(_) => vec![StateSpec::new("momentum", weight.shape.as_slice())],
            None => self.adamw().state(weight, factors),
        }
    }

    fn update_weight(
        &self,
        entry: GroupEntry<'_>,
        update: &Update,
    ) -> Result<Updated, EngineError> {
        let Some([rows, columns]) = entry.factors.matrix(entry.weight) else {
            return self.adamw().update_weight(entry, update);
        };
        let GroupEntry { weight, values, gradient, state, factors } = entry;
        let device = values.device();
        let gradient = gradient.into_tensor(&device).mul_scalar(update.gradient_scale);
        let momentum = State::take(state, &device)?.map(|[momentum]: [Tensor<1>; 1]| momentum);
        let (direction, momentum) = direction(gradient, momentum, self.momentum, self.nesterov);
        *state = State::on_device(self.state(weight, &factors), [momentum]);
        // The momentum is ours, so Burn's is to add none.
        let muon = MuonConfig::new()
            .with_weight_decay(Some(WeightDecayConfig { penalty: factors.weight_decay as f32 }))
            .with_momentum(MomentumConfig { momentum: 0.0, dampening: 0.0, nesterov: false })
            .with_ns_steps(self.iterations)
            .with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW)
            .build();
        let [values, direction] = [values, direction].map(|tensor| tensor.reshape([rows, columns]));
        let (values, _) = muon.step::<2>(factors.rate(update), values, direction, None);
        Ok(values.reshape([rows * columns]).into())
    }
}

impl Muon {
    /// The optimizer of weights that are no matrices.
    fn adamw(&self) -> AdamW {
        let Self { beta1, beta2, epsilon, weight_decay, .. } = *self;
        AdamW { beta1, beta2, epsilon, weight_decay }
    }
}
