//! The learning rate of every step.

use std::f64::consts::PI;

use crate::config::{LearningRateSchedule, TrainSection};

/// Linear warm-up, then half a cosine down to the smallest rate (nanoGPT's schedule; Loshchilov and
/// Hutter, arXiv 1608.03983, without restarts), or a constant. `step` counts from 1.
pub(crate) fn learning_rate(train: &TrainSection, step: u64) -> f64 {
    let done = step.saturating_sub(1);
    if done < train.warmup {
        return train.learning_rate * (done + 1) as f64 / (train.warmup + 1) as f64;
    }
    if train.schedule == LearningRateSchedule::Constant {
        return train.learning_rate;
    }
    let length = train.decay_steps.saturating_sub(train.warmup).max(1);
    let progress = ((done - train.warmup) as f64 / length as f64).min(1.0);
    let share = f64::midpoint(1.0, (PI * progress).cos());
    train.min_learning_rate + share * (train.learning_rate - train.min_learning_rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nano_gpts_rates() {
        let train = TrainSection { steps: 2000, decay_steps: 2000, ..TrainSection::default() };
        let near = |step, rate: f64| assert!((learning_rate(&train, step) - rate).abs() < 1e-12);
        near(1, 1e-3 / 101.0);
        near(100, 1e-3 * 100.0 / 101.0);
        near(101, 1e-3);
        near(1051, 5.5e-4);
        near(2001, 1e-4);
        near(9999, 1e-4);
    }
}
