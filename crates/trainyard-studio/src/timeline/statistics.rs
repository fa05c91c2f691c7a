//! What happened within a range of time.

use trainyard_plan::Lane;

use super::{Scene, Slice, Source, Track};
use crate::theme::Idle;

/// A device within a range.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeviceStatistics {
    /// Its id.
    pub id: String,
    /// Time it computed, ns.
    pub busy_ns: u64,
    /// Time it did not, by [`Idle`], ns.
    pub idle_ns: [u64; 4],
    /// How many actions it computed, those that reach into the range included.
    pub actions: usize,
    /// Bytes of the sends that reach into the range.
    pub sent_bytes: u64,
    /// Bytes of the receives that reach into the range.
    pub received_bytes: u64,
}

impl DeviceStatistics {
    /// Idle time for a cause, ns.
    #[must_use]
    pub fn idle(&self, cause: Idle) -> u64 {
        self.idle_ns.get(cause as usize).copied().unwrap_or(0)
    }

    /// All idle time, ns.
    #[must_use]
    pub fn all_idle_ns(&self) -> u64 {
        self.idle_ns.iter().fold(0, |sum, ns| sum.saturating_add(*ns))
    }
}

/// What happened within a range of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// Of which trace.
    pub source: Source,
    /// How long the range is, ns.
    pub length_ns: u64,
    /// A row a device.
    pub devices: Vec<DeviceStatistics>,
}

/// Works out what happened in `[from, to)`, on the scene's clock.
#[must_use]
pub fn statistics(scene: &Scene, from: u64, to: u64) -> Statistics {
    let device = |device: &super::SceneDevice| {
        let mut row = DeviceStatistics { id: device.info.id.clone(), ..Default::default() };
        for (slice, ns) in touching(&device.compute, from, to) {
            row.busy_ns = row.busy_ns.saturating_add(ns);
            row.actions += slice.count as usize;
        }
        for (slice, ns) in touching(&device.idle, from, to) {
            if let Some(idle) = row.idle_ns.get_mut(slice.class as usize) {
                *idle = idle.saturating_add(ns);
            }
        }
        let bytes = |lane| {
            touching(device.lane(lane), from, to)
                .filter_map(|(slice, _)| scene.event(slice.event))
                .fold(0u64, |sum, event| sum.saturating_add(event.bytes))
        };
        row.sent_bytes = bytes(Lane::TransferOut);
        row.received_bytes = bytes(Lane::TransferIn);
        row
    };
    Statistics {
        source: scene.source(),
        length_ns: to.saturating_sub(from),
        devices: scene.devices().iter().map(device).collect(),
    }
}

/// The slices that reach into a range, each with how much of it is inside, ns.
fn touching(track: &Track, from: u64, to: u64) -> impl Iterator<Item = (&Slice, u64)> {
    track
        .between(from, to)
        .iter()
        .filter(move |slice| slice.end_ns > from)
        .map(move |slice| (slice, slice.end_ns.min(to).saturating_sub(slice.start_ns.max(from))))
}
