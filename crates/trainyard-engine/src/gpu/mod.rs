//! What the engine does with a wgpu device beside Burn: it reads the device's clock, waits for one
//! submission, and copies tensors to and from memory that it shares with the host or another device.

mod buffer;
mod clock;
mod faithful;
mod host_memory;
#[cfg_attr(target_vendor = "apple", path = "imported/nowhere.rs")]
mod imported;
mod layout;
mod shared;
mod staging;

use std::sync::OnceLock;
use std::time::Duration;

use wgpu::{
    CommandEncoder, CommandEncoderDescriptor, Device, PollError, PollType, Queue, SubmissionIndex,
};

use crate::EngineError;

pub(crate) use clock::{Clock, Reading};
pub(crate) use faithful::{are_faithful_together, is_faithful};
pub(crate) use imported::open_with_imports;
pub(crate) use shared::{SharedMemory, SharedTransfer};
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

    /// A point in the queue, behind all that was submitted so far.
    pub(crate) fn point(&self) -> SubmissionIndex {
        self.queue.submit([])
    }

    fn encoder(&self) -> CommandEncoder {
        self.device.create_command_encoder(&CommandEncoderDescriptor::default())
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

    /// Whether the queue has come to a point.
    ///
    /// # Errors
    /// [`EngineError::Driver`] for a device that is lost.
    fn has_come_to(&self, point: SubmissionIndex) -> Result<bool, EngineError> {
        let now = PollType::Wait { submission_index: Some(point), timeout: Some(Duration::ZERO) };
        match self.device.poll(now) {
            Ok(_) => Ok(true),
            Err(PollError::Timeout) => Ok(false),
            Err(error) => Err(EngineError::driver(error)),
        }
    }
}

/// Lets Burn begin to read a tensor when it is asked to, and not when the values are first looked at:
/// what is asked of the device meanwhile would come before.
pub(crate) fn read_when_asked() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| burn_std::set_runtime_kind(burn_std::RuntimeKind::Async));
}
