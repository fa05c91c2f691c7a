//! What the engine does with a wgpu device beside Burn: it tells the device's times, waits for one
//! submission, and copies tensors to and from memory that both it and the host can reach.

mod buffer;
mod clock;
mod faithful;
mod staging;

use std::sync::OnceLock;
use std::time::Duration;

use wgpu::{Backend, Device, PollError, PollType, Queue, SubmissionIndex};

use crate::EngineError;

pub use clock::DeviceClock;
pub(crate) use clock::{Clock, Reading};
pub(crate) use faithful::is_faithful;
pub(crate) use staging::{Download, Staging, Upload};

/// How often a device that must not be waited for is asked whether it is done.
const LOOK: Duration = Duration::from_micros(100);

/// A wgpu device and its queue, which Burn has too.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    device: Device,
    queue: Queue,
    /// Who waits for an OpenGL device holds its context, and nobody can ask it for anything meanwhile.
    waits_alone: bool,
}

impl Gpu {
    pub(crate) fn new(device: Device, queue: Queue, api: Backend) -> Self {
        Self { device, queue, waits_alone: api == Backend::Gl }
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

    /// Waits until the queue has come to a point, and no longer. Other threads can use the device
    /// meanwhile.
    ///
    /// # Errors
    /// [`EngineError::Driver`] for a device that is lost.
    pub(crate) fn wait(&self, point: &SubmissionIndex) -> Result<(), EngineError> {
        let timeout = self.waits_alone.then_some(Duration::ZERO);
        loop {
            let submission_index = Some(point.clone());
            match self.device.poll(PollType::Wait { submission_index, timeout }) {
                Err(PollError::Timeout) if self.waits_alone => std::thread::sleep(LOOK),
                done => return done.map(drop).map_err(EngineError::driver),
            }
        }
    }
}

/// Lets Burn begin to read a tensor when it is asked to, and not when the values are first looked at:
/// what is asked of the device meanwhile would come before.
pub(crate) fn read_when_asked() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| burn_std::set_runtime_kind(burn_std::RuntimeKind::Async));
}
