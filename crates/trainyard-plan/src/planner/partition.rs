//! A partition: all layers in stages on devices, one stage a device, without a schedule.

use crate::Recompute;

/// A stage of a partition; the device by its number in the space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlacedStage {
    pub(super) device: usize,
    /// First layer.
    pub(super) first: usize,
    /// One more than the last layer.
    pub(super) end: usize,
    pub(super) recompute: Recompute,
}

/// All layers in stages on devices.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Partition {
    /// By the goal of the search.
    pub(super) cost: f64,
    pub(super) stages: Vec<PlacedStage>,
}

impl Partition {
    /// Devices in the order of their stages.
    pub(super) fn stage_devices(&self) -> Vec<usize> {
        self.stages.iter().map(|stage| stage.device).collect()
    }
}
