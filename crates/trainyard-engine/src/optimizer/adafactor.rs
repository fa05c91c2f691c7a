//! Adafactor (Shazeer and Stern, arXiv 1804.04235, algorithms 4 and 5), by Burn's own.

use burn::optim::{AdafactorConfig, AdafactorState, Optimizer as _};
use burn::tensor::Tensor;

use super::check::{above_zero, not_negative, number};
use super::{GroupEntry, GroupFactors, Optimizer, State, StateSpec, Update, Updated, WeightSpec};
use trainyard_config::keys;

use crate::EngineError;

keys! {
    /// Adafactor: of a matrix the mean square gradient of each row and column, of a vector that of each
    /// element. So its state is a small fraction of the weights.
    ///
    /// A weight of more than two dimensions counts as a matrix whose rows are its first dimension.
    /// The learning rate is the schedule's, not the paper's `1/√step`.
    pub struct Adafactor in "optimizer" {
        /// The mean squares of step `t` keep `1 − t^−decay` of what they were; above 0 and at most 1.
        decay: f64 = 0.8, must("above 0 and at most 1", |x| *x > 0.0 && *x <= 1.0);
        /// Added to squared gradients.
        epsilon: f64 = 1e-30, must("above 1.2e-38 and at most 1e30", |x| (1.2e-38..=1e30).contains(x));
        /// Largest root mean square of a step before the learning rate.
        clip_threshold: f64 = 1.0, must("above 1.2e-38 and at most 1e30", |x| (1.2e-38..=1e30).contains(x));
        /// Whether steps grow with the root mean square of the weight, as in the paper; the learning
        /// rate is then a share of the weight, such as 0.01.
        scale_by_weight: bool = false;
        /// Least root mean square that `scale_by_weight` counts with.
        least_scale: f64 = 1e-3, must("above 1.2e-38 and at most 1e30", |x| (1.2e-38..=1e30).contains(x));
        /// Decoupled decay of matrices; biases and norms do not decay.
        weight_decay: f64 = 0.0, in 0.0..=1000.0;
    }
}

impl Optimizer for Adafactor {
    fn name(&self) -> &'static str {
        "adafactor"
    }

    fn check(&self) -> Result<(), EngineError> {
        let decay = self.decay;
        number("optimizer.decay", decay, decay > 0.0 && decay <= 1.0, "above 0 and at most 1")?;
        above_zero("optimizer.epsilon", self.epsilon)?;
        above_zero("optimizer.clip_threshold", self.clip_threshold)?;
        above_zero("optimizer.least_scale", self.least_scale)?;
        not_negative("optimizer.weight_decay", self.weight_decay)
    }

    fn weight_decay(&self) -> f64 {
        self.weight_decay
    }

    fn state(&self, weight: &WeightSpec, factors: &GroupFactors) -> Vec<StateSpec> {
        match factors.matrix(weight) {
            Some([rows, columns]) => {
                vec![StateSpec::new("row", [rows]), StateSpec::new("column", [columns])]
            }
            None => vec![StateSpec::new("second", weight.shape.as_slice())],
        }
    }

    fn update_weight(
        &self,
        entry: GroupEntry<'_>,
        update: &Update,
    ) -> Result<Updated, EngineError> {
        let GroupEntry { weight, values, gradient, state, factors } = entry;
        let device = values.device();
        let gradient = gradient.into_tensor(&device).mul_scalar(update.gradient_scale);
        let specs = self.state(weight, &factors);
        let burn = self.with_decay(factors.weight_decay);
        let rate = factors.rate(update);
        let time = usize::try_from(update.step.saturating_sub(1)).unwrap_or(usize::MAX - 1);
        let Some([rows, columns]) = factors.matrix(weight) else {
            let held = State::take(state, &device)?.map(|[second]: [Tensor<1>; 1]| {
                AdafactorState { time, second_moment: second, column_second_moment: None }
            });
            let (values, held) = burn.step(rate, values, gradient, held);
            *state = held.and_then(|held| State::on_device(specs, [held.second_moment]));
            return Ok(values.into());
        };
        let held =
            State::take(state, &device)?.map(|[row, column]: [Tensor<1>; 2]| AdafactorState {
                time,
                second_moment: row.reshape([rows, 1]),
                column_second_moment: Some(column.reshape([1, columns])),
            });
        let [values, gradient] = [values, gradient].map(|tensor| tensor.reshape([rows, columns]));
        let (values, held) = burn.step::<2>(rate, values, gradient, held);
        *state = held.and_then(|held| {
            let row = held.second_moment.reshape([rows]);
            let column = held.column_second_moment?.reshape([columns]);
            State::on_device(specs, [row, column])
        });
        Ok(values.reshape([rows * columns]).into())
    }
}

impl Adafactor {
    /// Burn's, for weights that decay so much.
    fn with_decay(&self, weight_decay: f64) -> burn::optim::Adafactor {
        AdafactorConfig::new()
            .with_epsilon_1(self.epsilon as f32)
            .with_epsilon_2(self.least_scale as f32)
            .with_clip_threshold(self.clip_threshold as f32)
            .with_decay_rate(-self.decay)
            .with_relative_step(false)
            .with_scale_parameter(self.scale_by_weight)
            .with_weight_decay(weight_decay as f32)
            .build()
    }
}
