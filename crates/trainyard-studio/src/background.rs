//! Work beside the window: what takes longer than a frame is done on a thread of its own.

use std::io;
use std::thread;

use crossbeam_channel::{Receiver, TryRecvError, bounded};
use eframe::egui::Context;

/// Work that is under way. Dropping it lets go of its result.
#[derive(Debug)]
pub(crate) struct Job<T> {
    what: String,
    result: Receiver<T>,
}

impl<T: Send + 'static> Job<T> {
    /// Starts it. `what` says to a person what is done ("Opening plan.json"). The window draws
    /// again when it is done.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub(crate) fn start(
        context: &Context,
        what: impl Into<String>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<Self> {
        let (send, result) = bounded(1);
        let context = context.clone();
        thread::Builder::new().name("studio job".to_owned()).spawn(move || {
            // The receiver of cancelled work is gone.
            let _wanted = send.send(work()).is_ok();
            context.request_repaint();
        })?;
        Ok(Self { what: what.into(), result })
    }

    /// The task, in words.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// The result, once: `Ok(None)` while it is not there yet.
    ///
    /// # Errors
    /// [`Ended`] if the work ended without a result, which is a fault of ours.
    pub(crate) fn poll(&self) -> Result<Option<T>, Ended> {
        match self.result.try_recv() {
            Ok(result) => Ok(Some(result)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(Ended),
        }
    }
}

/// Work ended without a result.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended;
