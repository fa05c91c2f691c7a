//! The learning rate of every step.

use std::f64::consts::PI;

use super::check::number;
use crate::EngineError;

/// How the learning rate goes on after the warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LearningRateSchedule {
    /// It stays.
    Constant,
    /// A straight line to the lowest rate.
    Linear,
    /// Half a cosine to the lowest rate (Loshchilov and Hutter, arXiv 1608.03983, without
    /// restarts; nanoGPT).
    #[default]
    Cosine,
    /// Warm-up, stable, decay: it stays, and falls in a straight line to the lowest rate at the end
    /// (Hu et al., arXiv 2404.06395; Hägele et al., arXiv 2405.18392).
    WarmupStableDecay,
}

impl LearningRateSchedule {
    /// All of them, with their names in run files.
    pub const NAMED: [(&'static str, Self); 4] = [
        ("constant", Self::Constant),
        ("linear", Self::Linear),
        ("cosine", Self::Cosine),
        ("wsd", Self::WarmupStableDecay),
    ];
}

/// The learning rate as a function of the step.
///
/// ```
/// use trainyard_engine::optimizer::{LearningRate, LearningRateSchedule};
///
/// let rates = LearningRate {
///     schedule: LearningRateSchedule::WarmupStableDecay,
///     highest: 1.0,
///     lowest: 0.0,
///     warmup: 3,
///     decay_steps: 11,
///     decay_share: 0.5,
/// };
/// let rates: Vec<f64> = (1..=12).map(|step| rates.at(step)).collect();
/// assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LearningRate {
    /// How it goes on after the warm-up.
    pub schedule: LearningRateSchedule,
    /// Highest rate, at the end of the warm-up.
    pub highest: f64,
    /// Lowest rate, from the end of the decay on; a constant rate never gets there.
    pub lowest: f64,
    /// Steps in which it climbs to the highest rate.
    pub warmup: u64,
    /// Steps after which it has reached the lowest rate, warm-up included.
    pub decay_steps: u64,
    /// Share of the steps between warm-up and `decay_steps` in which
    /// [`LearningRateSchedule::WarmupStableDecay`] falls, above 0 and at most 1.
    pub decay_share: f64,
}

impl Default for LearningRate {
    fn default() -> Self {
        Self {
            schedule: LearningRateSchedule::default(),
            highest: 1e-3,
            lowest: 1e-4,
            warmup: 100,
            decay_steps: 500,
            decay_share: 0.2,
        }
    }
}

impl LearningRate {
    /// The rate of a step, counted from 1. In the warm-up it grows by the same in every step, and
    /// the step after it is the first with the highest rate.
    pub fn at(&self, step: u64) -> f64 {
        let done = step.saturating_sub(1);
        if done < self.warmup {
            return self.highest * (done + 1) as f64 / (self.warmup + 1) as f64;
        }
        let length = self.decay_steps.saturating_sub(self.warmup).max(1);
        let progress = ((done - self.warmup) as f64 / length as f64).min(1.0);
        let share = match self.schedule {
            LearningRateSchedule::Constant => return self.highest,
            LearningRateSchedule::Linear => 1.0 - progress,
            LearningRateSchedule::Cosine => f64::midpoint(1.0, (PI * progress).cos()),
            LearningRateSchedule::WarmupStableDecay => {
                ((1.0 - progress) / self.decay_share).min(1.0)
            }
        };
        self.lowest + share * (self.highest - self.lowest)
    }

    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// [`EngineError::Plan`] with the first number, its value and what it must be.
    pub fn check(&self) -> Result<(), EngineError> {
        let Self { highest, lowest, warmup, decay_steps, decay_share, .. } = *self;
        let holds = highest > 0.0 && highest <= 1000.0;
        number("the highest learning rate", highest, holds, "above 0 and at most 1000")?;
        let must = format!("0 to the highest learning rate, which is {highest}");
        number("the lowest learning rate", lowest, (0.0..=highest).contains(&lowest), &must)?;
        if self.schedule != LearningRateSchedule::Constant {
            let must = format!("more than the warm-up, which is {warmup}");
            number("decay_steps of the learning rate", decay_steps, decay_steps > warmup, &must)?;
        }
        let holds = decay_share > 0.0 && decay_share <= 1.0;
        number("decay_share of the learning rate", decay_share, holds, "above 0 and at most 1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: LearningRate = LearningRate {
        schedule: LearningRateSchedule::Constant,
        highest: 1e-3,
        lowest: 1e-4,
        warmup: 100,
        decay_steps: 2000,
        decay_share: 0.25,
    };

    fn check(schedule: LearningRateSchedule, expected: &[(u64, f64)]) {
        let rates = LearningRate { schedule, ..ALL };
        rates.check().unwrap();
        for &(step, expected) in expected {
            let found = rates.at(step);
            assert!((found - expected).abs() < 1e-12, "{schedule:?} {step}: {found} {expected}");
        }
    }

    /// The warm-up is the same for all: at step `s` it is `s/101` of the highest rate.
    #[test]
    fn every_schedule_warms_up() {
        for (_, schedule) in LearningRateSchedule::NAMED {
            let expected = [(1, 1e-3 / 101.0), (50, 1e-3 * 50.0 / 101.0), (101, 1e-3)];
            check(schedule, &expected);
        }
    }

    #[test]
    fn the_rates_are_those_of_the_formulas() {
        check(LearningRateSchedule::Constant, &[(102, 1e-3), (5000, 1e-3)]);
        // 1900 steps from the highest to the lowest; the middle is after 950.
        let ends = [(2001, 1e-4), (9999, 1e-4)];
        check(LearningRateSchedule::Linear, &ends);
        check(LearningRateSchedule::Linear, &[(576, 7.75e-4), (1051, 5.5e-4)]);
        check(LearningRateSchedule::Cosine, &ends);
        let quarter = 1e-4 + 9e-4 * (2.0 + 2.0_f64.sqrt()) / 4.0;
        check(LearningRateSchedule::Cosine, &[(576, quarter), (1051, 5.5e-4)]);
        // Its last quarter begins after 100 + 1425 steps.
        check(LearningRateSchedule::WarmupStableDecay, &ends);
        let last_quarter = [(1526, 1e-3), (1621, 8.2e-4), (1906, 2.8e-4)];
        check(LearningRateSchedule::WarmupStableDecay, &last_quarter);
    }

    #[test]
    fn numbers_without_sense_are_refused() {
        let refused = |rates: LearningRate| rates.check().unwrap_err().to_string();
        let message = refused(LearningRate { lowest: 2e-3, ..ALL });
        assert!(message.contains("the lowest learning rate is 0.002"), "{message}");
        let cosine = LearningRate { schedule: LearningRateSchedule::Cosine, ..ALL };
        let message = refused(LearningRate { decay_steps: 100, ..cosine });
        assert!(message.contains("more than the warm-up, which is 100"), "{message}");
        let message = refused(LearningRate { decay_share: 0.0, ..ALL });
        assert!(message.contains("decay_share of the learning rate is 0"), "{message}");
        LearningRate { decay_steps: 0, ..ALL }.check().unwrap();
    }
}
