//! A thread that prepares the next batch while the last one is computed with.

#[cfg(test)]
mod tests;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use crate::batch::Batch;
use crate::error::DataError;
use crate::source::{Cursor, DataSource};

/// Name of the thread.
const THREAD: &str = "data";

/// Cursor and rows of a batch.
type Request = (Cursor, usize);

/// Gives the batches of a source, and has the one after the last prepared meanwhile.
///
/// Each call says by its cursor which batch it wants. If it is the one that follows the last, it is
/// there already or on its way; any other one is made then. There is at most one batch ahead. The
/// thread ends when this is dropped, after the batch it is at.
///
/// ```
/// use std::sync::Arc;
/// use trainyard_data::{Cursor, Prefetch, RowsOptions, RowsSource};
///
/// let source = Arc::new(RowsSource::open(&RowsOptions::default())?);
/// let mut batches = Prefetch::new(source)?;
/// let mut cursor = Cursor::new(7);
/// for _step in 0..3 {
///     let batch = batches.batch(cursor, 32)?;
///     cursor = cursor.advanced(batch.rows);
/// }
/// assert_eq!(cursor.position, 96);
/// # Ok::<(), trainyard_data::DataError>(())
/// ```
pub struct Prefetch {
    source: Arc<dyn DataSource>,
    /// `None` while this is dropped.
    requests: Option<SyncSender<Request>>,
    batches: Receiver<Result<Batch, DataError>>,
    /// The batch that the thread is at, or has ready.
    ahead: Option<Request>,
    thread: Option<JoinHandle<()>>,
}

impl Prefetch {
    /// Starts the thread.
    ///
    /// # Errors
    /// [`DataError::NoThread`] if the system gives none.
    pub fn new(source: Arc<dyn DataSource>) -> Result<Self, DataError> {
        let (requests, incoming) = sync_channel::<Request>(1);
        let (outgoing, batches) = sync_channel(1);
        let worker = Arc::clone(&source);
        let work = move || {
            for (cursor, rows) in incoming {
                let made = catch_unwind(AssertUnwindSafe(|| worker.batch(cursor, rows)));
                let made = made.unwrap_or_else(|panic| Err(panicked(&*worker, &*panic)));
                if outgoing.send(made).is_err() {
                    return;
                }
            }
        };
        let thread = Builder::new().name(THREAD.to_owned()).spawn(work).map_err(|error| {
            let (name, reason) = (source.info().name.clone(), format!("does not start: {error}"));
            DataError::NoThread { name, reason }
        })?;
        Ok(Self { source, requests: Some(requests), batches, ahead: None, thread: Some(thread) })
    }

    /// The source.
    #[must_use]
    pub fn source(&self) -> &Arc<dyn DataSource> {
        &self.source
    }

    /// The `rows` training samples from `cursor` on; then the thread goes on with as many samples
    /// that follow.
    ///
    /// # Errors
    /// As [`DataSource::batch`]; [`DataError::Panicked`] if the source panics. The next call tries
    /// again.
    pub fn batch(&mut self, cursor: Cursor, rows: usize) -> Result<Batch, DataError> {
        if self.ahead.is_some_and(|ahead| ahead != (cursor, rows)) {
            // Not the one that was expected, whatever became of it.
            let _other = self.receive()?;
        }
        if self.ahead.is_none() {
            self.request((cursor, rows))?;
        }
        let batch = self.receive()??;
        self.request((cursor.advanced(rows), rows))?;
        Ok(batch)
    }

    fn request(&mut self, request: Request) -> Result<(), DataError> {
        let sent = self.requests.as_ref().map(|requests| requests.send(request));
        if !matches!(sent, Some(Ok(()))) {
            return Err(self.ended());
        }
        self.ahead = Some(request);
        Ok(())
    }

    fn receive(&mut self) -> Result<Result<Batch, DataError>, DataError> {
        self.ahead = None;
        self.batches.recv().map_err(|_| self.ended())
    }

    fn ended(&self) -> DataError {
        let (name, reason) = (self.source.info().name.clone(), "has ended".to_owned());
        DataError::NoThread { name, reason }
    }
}

impl Drop for Prefetch {
    fn drop(&mut self) {
        // Without requests the thread ends; there is room for the batch it is at.
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // Panics of the source were caught: there is no error here.
            let _ended = thread.join();
        }
    }
}

fn panicked(source: &dyn DataSource, panic: &(dyn Any + Send)) -> DataError {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let message = message.unwrap_or_else(|| "a panic without a message".to_owned());
    // A source that panics over its own description has no name.
    let name = catch_unwind(AssertUnwindSafe(|| source.info().name.clone())).unwrap_or_default();
    DataError::Panicked { name, message }
}
