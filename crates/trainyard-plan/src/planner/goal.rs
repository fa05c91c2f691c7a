//! The goal of a search over partitions: the quantity that it makes small.

use super::request::Objective;

/// The goal of a search over partitions: the quantity that it makes small.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// Σ stations + this number × the longest of them, µs.
    Time(f64),
    /// The largest share that a stage takes of its device's budget; among equals, Σ stations.
    Share,
    /// Bytes that the stage on this device needs, where the others fit.
    Need(usize),
}

impl Goal {
    /// The goal that stands for an objective.
    pub(super) fn of(objective: Objective, micro_batches: usize) -> Self {
        match objective {
            Objective::Time => Self::Time(micro_batches.saturating_sub(1) as f64),
            Objective::Latency => Self::Time(0.0),
            Objective::Memory => Self::Share,
        }
    }

    /// Weights of the sum and of the maximum: (α, β).
    pub(super) fn weights(self) -> (f64, f64) {
        match self {
            Self::Time(repeats) => (1.0, repeats),
            Self::Share | Self::Need(_) => (0.0, 1.0),
        }
    }
}
