//! The keys of `[optimizer]`, and the optimizer that a run file names.

use trainyard_config::{KeyGroup, Keys, keys};
use trainyard_engine::optimizer::{Adafactor, AdamW, GroupedOptimizer, Lion, Muon, Sgd};

use crate::config::RunConfig;
use crate::error::RunError;

keys! {
    /// AdamW: two moments of every weight; state twice as large as the weights.
    struct AdamwKeys in "optimizer" {
        /// Decoupled decay of matrices; biases and norms do not decay.
        weight_decay: f64 = 0.1, in 0.0..=1000.0;
        /// Decay of the mean of the gradients.
        beta1: f64 = 0.9, in 0.0..1.0;
        /// Decay of the mean of their squares.
        beta2: f64 = 0.99, in 0.0..1.0;
        /// Keeps the division finite.
        epsilon: f64 = 1e-8, must(
            "above 1.2e-38 and at most 1",
            |it| (f64::from(f32::MIN_POSITIVE)..=1.0).contains(it)
        );
    }
}

keys! {
    /// Gradient descent with momentum; state as large as the weights, or none.
    struct SgdKeys in "optimizer" {
        /// What is left of the momentum from step to step; 0 for none, and no state.
        momentum: f64 = 0.9, in 0.0..1.0;
        /// Whether a step looks ahead along its momentum (Nesterov).
        nesterov: bool = false;
        /// Decay of matrices; biases and norms do not decay.
        weight_decay: f64 = 0.0, in 0.0..=1000.0;
    }
}

keys! {
    /// Lion: signs of a momentum; state as large as the weights.
    struct LionKeys in "optimizer" {
        /// The momentum's share in the direction of a step.
        beta1: f64 = 0.9, in 0.0..1.0;
        /// Decay of the momentum.
        beta2: f64 = 0.99, in 0.0..1.0;
        /// Decay of matrices; biases and norms do not decay.
        weight_decay: f64 = 0.1, in 0.0..=1000.0;
    }
}

keys! {
    /// Adafactor: mean squares of rows and columns; state a small fraction of the weights.
    struct AdafactorKeys in "optimizer" {
        /// The mean squares of step t keep 1 − t^−decay of what they were.
        decay: f64 = 0.8, must("above 0 and at most 1", |it| *it > 0.0 && *it <= 1.0);
        /// Added to squared gradients.
        epsilon: f64 = 1e-30, must("above 0 and at most 1", |it| *it > 0.0 && *it <= 1.0);
        /// Largest root mean square of a step before the learning rate.
        clip_threshold: f64 = 1.0, must("a number above 0", |it| it.is_finite() && *it > 0.0);
        /// Whether steps grow with the root mean square of the weight; the learning rate is then a
        /// share of the weight, such as 0.01.
        scale_by_weight: bool = false;
        /// Least root mean square that `scale_by_weight` counts with.
        least_scale: f64 = 1e-3, must("a number above 0", |it| it.is_finite() && *it > 0.0);
        /// Decoupled decay of matrices; biases and norms do not decay.
        weight_decay: f64 = 0.0, in 0.0..=1000.0;
    }
}

keys! {
    /// Muon: orthogonal steps of matrices, with state as large as they; `AdamW` for other weights.
    struct MuonKeys in "optimizer" {
        /// What is left of a matrix's momentum from step to step.
        momentum: f64 = 0.95, in 0.0..1.0;
        /// Whether a matrix's step looks ahead along its momentum (Nesterov).
        nesterov: bool = true;
        /// Newton–Schulz iterations.
        iterations: usize = 5, in 1..=100;
        /// `AdamW`'s decay of the first moment, for the other weights.
        beta1: f64 = 0.9, in 0.0..1.0;
        /// `AdamW`'s decay of the second moment, for the other weights.
        beta2: f64 = 0.95, in 0.0..1.0;
        /// Keeps `AdamW`'s division finite, for the other weights.
        epsilon: f64 = 1e-8, must(
            "above 1.2e-38 and at most 1",
            |it| (f64::from(f32::MIN_POSITIVE)..=1.0).contains(it)
        );
        /// Decoupled decay of matrices; biases and norms do not decay.
        weight_decay: f64 = 0.1, in 0.0..=1000.0;
    }
}

/// An optimizer of run files: its keys, and how it is made of them.
struct Kind {
    group: KeyGroup,
    make: fn(&toml::Table) -> Result<GroupedOptimizer, RunError>,
}

/// Every optimizer that `[optimizer] kind` can name.
static KINDS: [Kind; 5] = [
    Kind {
        group: KeyGroup::of::<AdamwKeys>("adamw"),
        make: |options| {
            let AdamwKeys { weight_decay, beta1, beta2, epsilon } = Keys::from_table(options)?;
            Ok(AdamW { beta1, beta2, epsilon, weight_decay }.into())
        },
    },
    Kind {
        group: KeyGroup::of::<SgdKeys>("sgd"),
        make: |options| {
            let SgdKeys { momentum, nesterov, weight_decay } = Keys::from_table(options)?;
            Ok(Sgd { momentum, nesterov, weight_decay }.into())
        },
    },
    Kind {
        group: KeyGroup::of::<LionKeys>("lion"),
        make: |options| {
            let LionKeys { beta1, beta2, weight_decay } = Keys::from_table(options)?;
            Ok(Lion { beta1, beta2, weight_decay }.into())
        },
    },
    Kind {
        group: KeyGroup::of::<AdafactorKeys>("adafactor"),
        make: |options| {
            let keys: AdafactorKeys = Keys::from_table(options)?;
            Ok(Adafactor {
                decay: keys.decay,
                epsilon: keys.epsilon,
                clip_threshold: keys.clip_threshold,
                scale_by_weight: keys.scale_by_weight,
                least_scale: keys.least_scale,
                weight_decay: keys.weight_decay,
            }
            .into())
        },
    },
    Kind {
        group: KeyGroup::of::<MuonKeys>("muon"),
        make: |options| {
            let keys: MuonKeys = Keys::from_table(options)?;
            Ok(Muon {
                momentum: keys.momentum,
                nesterov: keys.nesterov,
                iterations: keys.iterations,
                beta1: keys.beta1,
                beta2: keys.beta2,
                epsilon: keys.epsilon,
                weight_decay: keys.weight_decay,
            }
            .into())
        },
    },
];

/// The keys of every optimizer.
pub(crate) fn groups() -> impl Iterator<Item = KeyGroup> {
    KINDS.iter().map(|kind| kind.group)
}

/// The optimizer that `[optimizer]` names, with its options.
///
/// # Errors
/// For a name or an option that makes no sense; a config that was read with [`groups`] has none.
pub(super) fn optimizer(config: &RunConfig) -> Result<GroupedOptimizer, RunError> {
    let section = &config.optimizer;
    let kind = KINDS.iter().find(|kind| kind.group.kind == section.kind);
    let kind =
        kind.ok_or_else(|| RunError::config(format!("there is no optimizer '{}'", section.kind)))?;
    let optimizer = (kind.make)(&section.options)?;
    optimizer.check()?;
    Ok(optimizer)
}

#[cfg(test)]
mod tests {
    use trainyard_engine::optimizer::OPTIMIZERS;

    use super::*;

    #[test]
    fn every_optimizer_of_the_engine_has_keys() {
        let kinds: Vec<&str> = groups().map(|group| group.kind).collect();
        assert_eq!(kinds, OPTIMIZERS.iter().map(|kind| kind.name).collect::<Vec<_>>());
        for kind in &KINDS {
            let made = (kind.make)(&toml::Table::new()).unwrap();
            made.check().unwrap();
            assert_eq!(made.optimizer.name(), kind.group.kind);
        }
    }
}
