//! The learning rate of every step, as a run file sets it.

use trainyard_engine::optimizer::{LearningRate, LearningRateSchedule as Schedule};

use crate::config::{LearningRateSchedule, TrainSection};

/// The learning rate as a function of the step.
pub(crate) fn learning_rate(train: &TrainSection) -> LearningRate {
    LearningRate {
        schedule: match train.schedule {
            LearningRateSchedule::Cosine => Schedule::Cosine,
            LearningRateSchedule::Constant => Schedule::Constant,
            LearningRateSchedule::Linear => Schedule::Linear,
            LearningRateSchedule::Wsd => Schedule::WarmupStableDecay,
        },
        highest: train.learning_rate,
        lowest: train.min_learning_rate,
        warmup: train.warmup,
        decay_steps: train.decay_steps,
        decay_share: train.decay_share,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nano_gpts_rates() {
        let train = TrainSection { steps: 2000, decay_steps: 2000, ..TrainSection::default() };
        let rates = learning_rate(&train);
        let near = |step, rate: f64| assert!((rates.at(step) - rate).abs() < 1e-12);
        near(1, 1e-3 / 101.0);
        near(100, 1e-3 * 100.0 / 101.0);
        near(101, 1e-3);
        near(1051, 5.5e-4);
        near(2001, 1e-4);
        near(9999, 1e-4);
    }
}
