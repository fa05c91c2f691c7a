//! The sections that are the same for every run, a file each, as their keys declare them.

mod device;
mod lora;
mod optimizer_group;
mod pipeline;
mod run;
mod train;

pub use device::DeviceSection;
pub use lora::{BlockFormat, LoraSection, LoraTarget, TrainMethod};
pub use optimizer_group::OptimizerGroup;
pub use pipeline::{PipelineSection, RecomputeChoice, WireFormat};
pub use run::RunSection;
pub use train::{LearningRateSchedule, TrainSection};

use crate::key::KeyGroup;

crate::keys! {
    /// What the model learns from.
    pub struct DataKeys in "data" {
        /// Which data source; left out where another key of the section says it by itself.
        kind: Option<String>;
        /// Share of the data kept for validation; with 0 all are trained on, and nothing is validated.
        validation_fraction: f64 = 0.1, in 0.0..=0.9;
    }
}

/// The sections without kinds, in the order in which a resolved file has them.
pub fn groups() -> [KeyGroup; 6] {
    [
        KeyGroup::of::<OptimizerGroup>(""),
        KeyGroup::of::<TrainSection>(""),
        KeyGroup::of::<LoraSection>(""),
        KeyGroup::of::<PipelineSection>(""),
        KeyGroup::of::<RunSection>(""),
        KeyGroup::of::<DeviceSection>(""),
    ]
}
