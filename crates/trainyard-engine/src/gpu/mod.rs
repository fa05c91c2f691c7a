//! What the engine does with a wgpu device beside Burn: it reads the device's clock, waits for one
//! submission, copies tensors to and from memory that it shares with the host or another device, and keeps
//! what its driver reports.

mod buffer;
mod clock;
mod errors;
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
    CommandEncoder, CommandEncoderDescriptor, Device, Limits, PollError, PollType, Queue,
    SubmissionIndex,
};

use crate::EngineError;

pub(crate) use clock::{Clock, Reading};
use errors::DriverErrors;
pub(crate) use faithful::{are_faithful_together, is_faithful};
pub(crate) use imported::open_with_imports;
pub(crate) use shared::{SharedMemory, SharedTransfer};
pub(crate) use staging::{Download, Staging, Upload};

/// A wgpu device and its queue, which Burn has too.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    device: Device,
    queue: Queue,
    errors: DriverErrors,
}

impl Gpu {
    /// Of a device that Burn has already. From now on, what its driver reports comes out of
    /// [`Self::check`], and Burn is not told that it is lost.
    pub(crate) fn new(device: Device, queue: Queue) -> Self {
        let errors = DriverErrors::watch(&device);
        Self { device, queue, errors }
    }

    /// Whether the driver has reported nothing.
    ///
    /// # Errors
    /// [`EngineError::Driver`] with the first report.
    pub(crate) fn check(&self) -> Result<(), EngineError> {
        self.errors.check()
    }

    /// Forgets what the driver has reported of a device that goes on to work.
    pub(crate) fn forget_errors(&self) {
        self.errors.forget();
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
    /// [`EngineError::Driver`] with what the driver has reported.
    fn poll(&self) -> Result<(), EngineError> {
        self.device.poll(PollType::Poll).map_err(EngineError::driver)?;
        self.check()
    }

    /// Waits until the queue has come to a point, and no longer.
    ///
    /// # Errors
    /// [`EngineError::Driver`] with what the driver has reported.
    pub(crate) fn wait(&self, point: SubmissionIndex) -> Result<(), EngineError> {
        let wait = PollType::Wait { submission_index: Some(point), timeout: None };
        self.device.poll(wait).map_err(EngineError::driver)?;
        self.check()
    }

    /// Whether the queue has come to a point.
    ///
    /// # Errors
    /// [`EngineError::Driver`] with what the driver has reported.
    fn has_come_to(&self, point: SubmissionIndex) -> Result<bool, EngineError> {
        let now = PollType::Wait { submission_index: Some(point), timeout: Some(Duration::ZERO) };
        match self.device.poll(now) {
            Ok(_) => self.check().map(|()| true),
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

/// What Burn aligns tensors by within a buffer, bytes.
pub(crate) fn alignment(limits: &Limits) -> u64 {
    limits
        .min_uniform_buffer_offset_alignment
        .max(limits.min_storage_buffer_offset_alignment)
        .into()
}

#[cfg(test)]
mod tests;
