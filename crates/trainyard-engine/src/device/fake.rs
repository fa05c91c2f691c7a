//! Devices that answer as a test wants.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};

use trainyard_config::WireFormat;
use trainyard_plan::{DeviceInfo, Precision};

use super::Device;
use crate::memory::MemoryCounter;
use crate::open;
use crate::queue::Queue;

impl Device {
    /// A device that computes as the CPU does and answers as `queue` does: a CPU device, or one beside the
    /// host.
    pub(crate) fn fake(
        id: impl Into<String>,
        hardware: DeviceInfo,
        capacity_bytes: u64,
        queue: Arc<dyn Queue>,
    ) -> Self {
        Self {
            id: id.into(),
            capacity_bytes,
            parts: Vec::new(),
            threads: 0,
            opened: open::open_cpu(),
            gpu: None,
            queue: Some(queue),
            hardware,
            counter: MemoryCounter::open(),
            // It is waited for after each action, as one is that is slowed down.
            throttle: 1.0 + f64::EPSILON,
            notices: false,
            imports_memory: false,
            wire: WireFormat::F32,
            wires: BTreeMap::new(),
            precision: Precision::F32,
            can_stage: OnceLock::new(),
            waits: AtomicU64::new(0),
            kernels: OnceLock::new(),
        }
    }
}
