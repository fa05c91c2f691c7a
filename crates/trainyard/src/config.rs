//! Run files: see [`trainyard_config`].

pub use trainyard_config::{
    DataSection, DeviceSection, KeyGroup, KindSection, LearningRateSchedule, LoraSection,
    OptimizerGroup, PipelineSection, RecomputeChoice, RunConfig, RunSection, SliceCount,
    TrainMethod, TrainSection, WireFormat,
};
