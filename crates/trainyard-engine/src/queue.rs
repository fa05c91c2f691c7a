//! The queue of a device that computes beside the host: what the executor asks of it.

use std::fmt::Debug;

use burn::tensor::Device as BurnDevice;
use wgpu::SubmissionIndex;

use crate::EngineError;
use crate::gpu::Gpu;

/// What a device was asked for and has not done yet, in order.
pub(crate) trait Queue: Debug + Send + Sync {
    /// Lets the device begin with all of it.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    fn flush(&self) -> Result<(), EngineError>;

    /// Waits until all of it is done.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    fn drain(&self) -> Result<(), EngineError>;

    /// The point behind all of it, which another thread can wait for.
    fn point(&self) -> Box<dyn Point>;
}

/// A point in a queue.
pub(crate) trait Point: Send {
    /// Waits until the device has come there, and no longer.
    ///
    /// # Errors
    /// [`EngineError::Driver`].
    fn wait(&self) -> Result<(), EngineError>;
}

/// The queue of a wgpu device.
#[derive(Debug)]
pub(crate) struct WgpuQueue {
    pub(crate) gpu: Gpu,
    pub(crate) burn: BurnDevice,
}

impl Queue for WgpuQueue {
    fn flush(&self) -> Result<(), EngineError> {
        self.burn.flush().map_err(EngineError::driver)
    }

    fn drain(&self) -> Result<(), EngineError> {
        self.burn.sync().map_err(EngineError::driver)
    }

    fn point(&self) -> Box<dyn Point> {
        Box::new((self.gpu.clone(), self.gpu.point()))
    }
}

impl Point for (Gpu, SubmissionIndex) {
    fn wait(&self) -> Result<(), EngineError> {
        self.0.wait(&self.1)
    }
}
