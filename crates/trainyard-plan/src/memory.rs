//! Memory of stages and devices, by category.
//!
//! A device holds, in bytes:
//!
//! - **weights** = the sum of its layers' trained weights (`param_bytes`), frozen weights
//!   (`frozen_bytes`) and buffers (`buffer_bytes`);
//! - **gradients** = the trained weights again, the sums over the micro-batches so far. Where a
//!   backward makes its gradients beside the sums (`fresh_bytes`), those of a step's first
//!   micro-batch become the sums, which are not there before;
//! - **optimizer** = the layers' `optimizer_bytes`, or `optimizer_bytes_per_param_byte` × the
//!   `param_bytes` of layers that are not tied followers;
//! - **activations** = the `saved_bytes` of every micro-batch between its forward and the end of
//!   its backward. Under recompute: all of the stage's inputs instead, and one micro-batch's
//!   `saved_bytes` while its backward runs, without the first layer's input (`input_saved_bytes`). A
//!   stage's last layer may need its own output too (`output_saved_bytes`). Where the backward is split,
//!   what the weight gradient needs (`weight_saved_bytes`) comes with I and stays to the end of W. While
//!   an action runs, its workspace comes on top: see [`StageMemory::footprint`]. So does what the device's kernels keep
//!   for themselves (`overhead_bytes`), where that was measured. Where rows are cut into slices, one in
//!   flight has what those before it hand on too (`carried_bytes`), and between the backwards of two slices
//!   there are the gradients of that. A stage of layers that are all `forward_only` keeps nothing, and what it
//!   hands on to the next slice is all that stays;
//! - **buffers** = one message for each send that has not arrived, at the sender (between CPU devices
//!   the engine has it in the receiver's memory from the start), and one for each that has arrived and
//!   is not used yet; during the optimizer step, the largest gradient that came for a tied
//!   weight.
//!
//! The schedule decides how much of this there is at a time, so the [simulator](crate::simulate)
//! keeps the [`Ledger`]. All sums saturate, so that absurd numbers in a file read as "does not fit".

mod bytes;
mod footprint;
mod ledger;
mod parse_bytes;
mod shortage;
mod stage;

use std::iter::Sum;
use std::ops::Add;

use serde::{Deserialize, Serialize};

pub use bytes::{human_bytes, human_bytes_at_least, human_bytes_at_most};
pub use footprint::Footprint;
pub use ledger::Ledger;
pub use parse_bytes::{SIZE_UNITS, exact_bytes, parse_bytes};
pub use shortage::describe_shortage;
pub use stage::{BackwardKind, StageMemory};

/// Numbers of a weight in blocks of few bits that a graphics device has as numbers at a time, at most: with more of
/// them a product goes part by part.
pub const UNPACKED_NUMBERS: u64 = 1 << 24;

/// Memory by category, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryUse {
    /// The layers' weights: trained, frozen, and buffers.
    pub weights: u64,
    /// The sums of the gradients of trained weights.
    pub gradients: u64,
    /// The optimizer's state.
    pub optimizer: u64,
    /// Activations saved for the backward, and workspace.
    pub activations: u64,
    /// Messages that wait to be sent or were received and are not used yet.
    pub buffers: u64,
}

impl MemoryUse {
    /// The sum of all categories.
    #[must_use]
    pub fn total(&self) -> u64 {
        [self.weights, self.gradients, self.optimizer, self.activations, self.buffers]
            .into_iter()
            .fold(0, u64::saturating_add)
    }
}

impl Add for MemoryUse {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            weights: self.weights.saturating_add(other.weights),
            gradients: self.gradients.saturating_add(other.gradients),
            optimizer: self.optimizer.saturating_add(other.optimizer),
            activations: self.activations.saturating_add(other.activations),
            buffers: self.buffers.saturating_add(other.buffers),
        }
    }
}

impl Sum for MemoryUse {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::default(), Self::add)
    }
}

/// A device's need beside its budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNeed {
    /// The device's id.
    pub device: String,
    /// The most it would hold at once, in bytes.
    pub needed_bytes: u64,
    /// Its budget, in bytes.
    pub budget_bytes: u64,
    /// The need by category.
    pub peak: MemoryUse,
}

impl DeviceNeed {
    /// The need of a device with a budget.
    #[must_use]
    pub fn new(device: &str, budget_bytes: u64, peak: MemoryUse) -> Self {
        Self { device: device.to_owned(), needed_bytes: peak.total(), budget_bytes, peak }
    }

    /// By how many bytes the need exceeds the budget; 0 where it fits.
    #[must_use]
    pub fn deficit_bytes(&self) -> u64 {
        self.needed_bytes.saturating_sub(self.budget_bytes)
    }
}
