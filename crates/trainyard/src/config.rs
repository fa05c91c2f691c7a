//! Run files: see [`trainyard_config`].

pub use trainyard_config::{
    DataSection, DeviceSection, KeyGroup, KindSection, LearningRateSchedule, PipelineSection,
    RecomputeChoice, RunConfig, RunSection, TrainSection,
};
