//! What the engine does with a wgpu device beside Burn: it reads the device's clock, waits for one
//! submission, and copies tensors to and from memory that both it and the host can reach.

mod buffer;
mod clock;
mod faithful;
mod staging;

use std::sync::OnceLock;

use wgpu::{Device, Features, PollType, Queue, SubmissionIndex};

use crate::EngineError;

pub(crate) use buffer::{floats, ints};
pub(crate) use clock::{Clock, Reading};
pub(crate) use faithful::is_faithful;
pub(crate) use staging::{Download, Staging, Upload};

/// A wgpu device and its queue, which Burn has too.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    device: Device,
    queue: Queue,
}

impl Gpu {
    pub(crate) fn new(device: Device, queue: Queue) -> Self {
        Self { device, queue }
    }

    /// The lanes of a subgroup, where it has always so many and shaders may use it.
    pub(crate) fn subgroup(&self) -> Option<u32> {
        let about = self.device.adapter_info();
        let lanes = about.subgroup_min_size;
        let is_fixed = lanes > 0 && lanes == about.subgroup_max_size;
        (is_fixed && self.device.features().contains(Features::SUBGROUP)).then_some(lanes)
    }

    /// A point in the queue, behind all that was submitted so far.
    pub(crate) fn point(&self) -> SubmissionIndex {
        self.queue.submit([])
    }

    /// Has wgpu tell what it was asked to tell of work that is done.
    ///
    /// # Errors
    /// [`EngineError::Driver`] for a device that is lost.
    fn poll(&self) -> Result<(), EngineError> {
        self.device.poll(PollType::Poll).map(drop).map_err(EngineError::driver)
    }

    /// Waits until the queue has come to a point, and no longer.
    ///
    /// # Errors
    /// [`EngineError::Driver`] for a device that is lost.
    pub(crate) fn wait(&self, point: SubmissionIndex) -> Result<(), EngineError> {
        let wait = PollType::Wait { submission_index: Some(point), timeout: None };
        self.device.poll(wait).map(drop).map_err(EngineError::driver)
    }
}

/// Lets Burn begin to read a tensor when it is asked to, and not when the values are first looked at:
/// what is asked of the device meanwhile would come before.
pub(crate) fn read_when_asked() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| burn_std::set_runtime_kind(burn_std::RuntimeKind::Async));
}
