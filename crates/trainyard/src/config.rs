//! Run files: see [`trainyard_config`].

pub use trainyard_config::{
    DataSection, DeviceSection, KeyGroup, KindSection, LearningRateSchedule, OptimizerGroup,
    PipelineSection, RecomputeChoice, RunConfig, RunSection, SliceCount, TrainSection, WireFormat,
};
