//! What the engine does with a wgpu device beside Burn: it reads the device's clock, waits for one
//! submission, copies tensors to and from memory that both it and the host can reach, and keeps what its
//! driver reports.

mod buffer;
mod clock;
mod errors;
mod faithful;
mod staging;

use std::sync::OnceLock;

use wgpu::{Device, Limits, PollType, Queue, SubmissionIndex};

use crate::EngineError;

pub(crate) use clock::{Clock, Reading};
use errors::DriverErrors;
pub(crate) use faithful::is_faithful;
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
