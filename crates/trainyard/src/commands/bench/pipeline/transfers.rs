//! What a step's transfers take alone.

use serde::Serialize;
use trainyard_engine::EngineError;
use trainyard_engine::measure::link_times;
use trainyard_plan::{DeviceInfo, Plan};

use super::super::devices::open;
use super::blocks::{MICRO_BATCHES, Shape};

/// The transfers of one step.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Transfers {
    pub(super) count: usize,
    /// Size of each.
    pub(super) bytes: usize,
    /// All of them one after the other, each alone on its link, ms.
    pub(super) alone_ms: f64,
}

impl Transfers {
    /// Of a plan: for every pair of neighbouring stages on different devices an activation there and
    /// a gradient back, for each micro-batch.
    ///
    /// # Errors
    /// When a device fails.
    pub(super) fn of(
        shape: Shape,
        hardware: &[DeviceInfo],
        plan: &Plan,
    ) -> Result<Self, EngineError> {
        let devices = open(hardware)?;
        let rank_of = |stage| plan.rank_of_stage(stage).unwrap_or(0);
        let bytes = shape.activation_bytes();
        let (mut count, mut alone_us) = (0, 0.0);
        for stage in 1..plan.stages.len() {
            let (before, after) = (&devices[rank_of(stage - 1)], &devices[rank_of(stage)]);
            if before.id() == after.id() {
                continue;
            }
            for (from, to) in [(before, after), (after, before)] {
                let times_us = link_times(from, to, &[bytes])?;
                count += MICRO_BATCHES;
                alone_us += MICRO_BATCHES as f64 * times_us.iter().sum::<f64>();
            }
        }
        Ok(Self { count, bytes, alone_ms: alone_us / 1e3 })
    }
}
