//! What the engine does with a wgpu device beside Burn: it tells the device's times, waits for one
//! submission, copies tensors to and from memory that it shares with the host or another device, and keeps
//! what its driver reports.

mod buffer;
mod clock;
mod errors;
mod faithful;
mod host_memory;
mod imported;
mod layout;
mod shared;
mod staging;

use std::sync::OnceLock;
use std::time::Duration;

use wgpu::{
    Backend, CommandEncoder, CommandEncoderDescriptor, Device, Features, Limits, PollError,
    PollType, Queue, SubmissionIndex,
};

use crate::EngineError;

pub(crate) use buffer::{floats, ints};
pub use clock::DeviceClock;
pub(crate) use clock::{Clock, Reading};
use errors::DriverErrors;
pub(crate) use faithful::{are_faithful_together, is_faithful};
pub(crate) use imported::open_with_imports;
pub(crate) use shared::{SharedMemory, SharedTransfer};
pub(crate) use staging::{Download, Staging, Upload};

/// How often a device that must not be waited for is asked whether it is done.
const LOOK: Duration = Duration::from_micros(100);
/// How long a device that failed may take for what it was asked before.
const PATIENCE: Duration = Duration::from_secs(10);

/// A wgpu device and its queue, which Burn has too.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    device: Device,
    queue: Queue,
    errors: DriverErrors,
    /// Who waits for an OpenGL device holds its context, and nobody can ask it for anything meanwhile.
    waits_alone: bool,
}

impl Gpu {
    /// Of a device that Burn has already. From now on, what its driver reports comes out of
    /// [`Self::check`], and Burn is not told that it is lost.
    pub(crate) fn new(device: Device, queue: Queue) -> Self {
        let errors = DriverErrors::watch(&device);
        let waits_alone = device.adapter_info().backend == Backend::Gl;
        Self { device, queue, errors, waits_alone }
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

    fn encoder(&self) -> CommandEncoder {
        self.device.create_command_encoder(&CommandEncoderDescriptor::default())
    }

    /// Has wgpu tell what it was asked to tell of work that is done, and of the device.
    ///
    /// # Errors
    /// [`EngineError::Driver`] with what the driver has reported.
    pub(crate) fn poll(&self) -> Result<(), EngineError> {
        self.ask(PollType::Poll)
    }

    /// Has wgpu tell of the device once something failed on it. That it is gone wgpu tells only when its
    /// queue is empty, so what was submitted is waited for, but not for ever.
    ///
    /// # Errors
    /// [`EngineError::Driver`] with what the driver has reported.
    pub(crate) fn ask_after_failure(&self) -> Result<(), EngineError> {
        self.ask(PollType::Wait { submission_index: None, timeout: Some(PATIENCE) })
    }

    fn ask(&self, how: PollType) -> Result<(), EngineError> {
        let polled = self.device.poll(how);
        // That a device is lost says more than what fails because of it.
        self.check()?;
        match polled {
            Err(PollError::Timeout) => Ok(()),
            other => other.map(drop).map_err(EngineError::driver),
        }
    }

    /// Waits until the queue has come to a point, and no longer. Other threads can use the device
    /// meanwhile.
    ///
    /// # Errors
    /// [`EngineError::Driver`] with what the driver has reported.
    pub(crate) fn wait(&self, point: &SubmissionIndex) -> Result<(), EngineError> {
        if !self.waits_alone {
            let wait = PollType::Wait { submission_index: Some(point.clone()), timeout: None };
            self.device.poll(wait).map_err(EngineError::driver)?;
            return self.check();
        }
        while !self.has_come_to(point)? {
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Whether the queue has come to a point.
    ///
    /// # Errors
    /// [`EngineError::Driver`] with what the driver has reported.
    fn has_come_to(&self, point: &SubmissionIndex) -> Result<bool, EngineError> {
        let submission_index = Some(point.clone());
        let now = PollType::Wait { submission_index, timeout: Some(Duration::ZERO) };
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
