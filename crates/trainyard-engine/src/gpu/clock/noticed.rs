//! The times of a device whose queue tells none: when a thread of the host's noticed that it had come to
//! a point.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

use burn::tensor::Device as BurnDevice;
use wgpu::SubmissionIndex;

use super::super::Gpu;
use crate::EngineError;
use crate::fault::{WORKER_THREAD_PREFIX, catch_panic};
use crate::link::elapsed_ns;

/// The thread of one device, and what it has still to notice: no more than a step's marks.
#[derive(Debug)]
pub(crate) struct NoticedClock {
    gpu: Gpu,
    burn: BurnDevice,
    /// None once the thread is to end.
    points: Option<Sender<SubmissionIndex>>,
    noticed: Receiver<Result<u64, EngineError>>,
    marks: usize,
    thread: Option<JoinHandle<()>>,
}

impl NoticedClock {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`EngineError::NoThread`].
    pub(super) fn open(gpu: &Gpu, burn: &BurnDevice, origin: Instant) -> Result<Self, EngineError> {
        let (points, inbox) = channel::<SubmissionIndex>();
        let (told, noticed) = channel();
        let of_thread = gpu.clone();
        let notice = move || {
            for point in inbox {
                let at_ns = catch_panic(|| of_thread.wait(&point)).map(|()| elapsed_ns(origin));
                if told.send(at_ns).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name(format!("{WORKER_THREAD_PREFIX}clock"));
        let thread = thread.spawn(notice).map_err(EngineError::no_thread)?;
        let (gpu, burn) = (gpu.clone(), burn.clone());
        Ok(Self { gpu, burn, points: Some(points), noticed, marks: 0, thread: Some(thread) })
    }

    pub(super) fn mark(&mut self) -> Result<usize, EngineError> {
        // Burn collects work and submits it in batches.
        self.burn.flush().map_err(EngineError::driver)?;
        let sent = self.points.as_ref().is_some_and(|to| to.send(self.gpu.point()).is_ok());
        if !sent {
            return Err(EngineError::driver("the thread that notices its times has ended"));
        }
        self.marks += 1;
        Ok(self.marks - 1)
    }

    pub(super) fn begin_read(&mut self) -> usize {
        std::mem::take(&mut self.marks)
    }

    pub(super) fn finish_read(&mut self, marks: usize) -> Result<Vec<u64>, EngineError> {
        let next = |_| self.noticed.recv().map_err(EngineError::driver)?;
        (0..marks).map(next).collect()
    }
}

impl Drop for NoticedClock {
    fn drop(&mut self) {
        // Without points to come the thread ends. It must not be in the driver when the program does.
        self.points = None;
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join().is_err();
        }
    }
}
