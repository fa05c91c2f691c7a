//! The thread a device computes on.

use crate::EngineError;
use crate::fault::WORKER_THREAD_PREFIX;
use crate::memory::MemoryCounter;

/// What makes a thread the one that computes for a device: the threads it may use, and the counter
/// of its memory.
pub(crate) struct ComputeThread {
    /// None where the device computes beside the host.
    threads: Option<usize>,
    counter: MemoryCounter,
}

impl ComputeThread {
    pub(crate) fn new(threads: Option<usize>, counter: MemoryCounter) -> Self {
        Self { threads, counter }
    }

    /// Runs `work` on this thread as the device's. The thread must not be used for anything else
    /// before or after; `name` is for the threads that help it.
    pub(crate) fn run<T>(self, name: &str, work: impl FnOnce() -> T) -> Result<T, EngineError> {
        let Self { threads, counter } = self;
        // Burn's CPU backend computes on the pool of the calling thread: one of its own keeps CPU
        // devices apart, each with the threads it was given.
        let pool = threads.map(|threads| {
            let name = name.to_owned();
            rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .use_current_thread()
                .start_handler(move |_| counter.enter())
                .thread_name(move |i| format!("{WORKER_THREAD_PREFIX}{name}-{i}"))
                .build()
        });
        let _pool = pool.transpose().map_err(EngineError::no_thread)?;
        counter.enter();
        Ok(work())
    }
}
