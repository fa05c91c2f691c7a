//! Traces: measured or predicted actions of every device, and memory over time.

mod builder;
pub mod chrome;
pub mod foreign;
pub mod text;

pub use builder::TraceBuilder;

use serde::{Deserialize, Serialize};

use crate::json::is_zero;
use crate::{Action, ActionKind, MemoryUse};

/// The row of a device that an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Forward, backward, optimizer.
    Compute,
    /// Sends.
    TransferOut,
    /// Receives.
    TransferIn,
}

/// One action of one device, with its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// The optimizer step it belongs to, from 1.
    pub step: u64,
    /// Index of the device in the trace's (or journal header's) list.
    pub device: usize,
    /// Its row.
    pub lane: Lane,
    /// The action.
    pub action: Action,
    /// Start, ns.
    pub start_ns: u64,
    /// End, ns.
    pub end_ns: u64,
    /// Bytes moved; 0 for compute.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// Of a transfer: the stage at its other end, which it goes to or comes from. Where absent, the
    /// neighbouring stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<usize>,
}

impl TraceEvent {
    /// Duration, ns; 0 for an event that ends before it starts.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// The action at the other end of a transfer: the receive of a send, the send of a receive.
    /// `None` for anything else, and for a transfer beyond the first stage.
    #[must_use]
    pub fn other_end(&self) -> Option<Action> {
        use ActionKind as K;
        let Action { stage, kind, .. } = self.action;
        let (kind, neighbour) = match kind {
            K::SendForward => (K::RecvForward, stage.checked_add(1)),
            K::RecvForward => (K::SendForward, stage.checked_sub(1)),
            K::SendBackward => (K::RecvBackward, stage.checked_sub(1)),
            K::RecvBackward => (K::SendBackward, stage.checked_add(1)),
            _ => return None,
        };
        Some(Action { stage: self.peer.or(neighbour)?, kind, ..self.action })
    }
}

/// Memory of one device at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemorySample {
    /// Time, ns.
    pub at_ns: u64,
    /// Index of the device.
    pub device: usize,
    /// Bytes in use.
    pub in_use_bytes: u64,
    /// The same by category, where known: a simulator knows, a device's counter does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_category: Option<MemoryUse>,
    /// Bytes between the tensors in use that their alignment leaves empty, where the device's
    /// allocator tells; not part of `in_use_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding_bytes: Option<u64>,
    /// Bytes the allocator holds, in use or not, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reserved_bytes: Option<u64>,
}

/// A device of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceDevice {
    /// The id of the run file.
    pub id: String,
    /// Its hardware in words.
    pub name: String,
    /// Budget, bytes.
    pub budget_bytes: u64,
}

/// Events and memory of all devices on one clock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The devices, in the plan's order.
    pub devices: Vec<TraceDevice>,
    /// The actions, in no particular order.
    pub events: Vec<TraceEvent>,
    /// Memory over time.
    pub memory: Vec<MemorySample>,
}

impl Trace {
    /// Time the device computed (forwards, backwards, optimizer), summed over all steps, ns.
    /// Transfers do not count.
    #[must_use]
    pub fn busy_ns(&self, device: usize) -> u64 {
        self.computing()
            .filter(|e| e.device == device)
            .fold(0, |sum, event| sum.saturating_add(event.duration_ns()))
    }

    /// Start of the first and end of the last event of a step, transfers included, ns. `None` if
    /// the step is not in the trace.
    #[must_use]
    pub fn step_range(&self, step: u64) -> Option<(u64, u64)> {
        self.events
            .iter()
            .filter(|event| event.step == step)
            .map(|event| (event.start_ns, event.end_ns))
            .reduce(|(start, end), (s, e)| (start.min(s), end.max(e)))
    }

    /// Idle ÷ (ranks × step time), 0 to 1. A rank is a device of the trace; it idles while it does
    /// not compute, so waiting for a transfer is idle and the optimizer step is not. `None` if the
    /// step is not in the trace or took no time.
    #[must_use]
    pub fn bubble_fraction(&self, step: u64) -> Option<f64> {
        let (start, end) = self.step_range(step)?;
        let all = self.devices.len() as f64 * end.saturating_sub(start) as f64;
        let busy: f64 =
            self.computing().filter(|e| e.step == step).map(|e| e.duration_ns() as f64).sum();
        (all > 0.0).then(|| (1.0 - busy / all).clamp(0.0, 1.0))
    }

    fn computing(&self) -> impl Iterator<Item = &TraceEvent> {
        self.events.iter().filter(|event| event.lane == Lane::Compute)
    }
}
