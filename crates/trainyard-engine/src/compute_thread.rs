//! The thread a device computes on.

use trainyard_plan::Precision;

use crate::fault::WORKER_THREAD_PREFIX;
use crate::kernels::DeviceKernels;
use crate::memory::MemoryCounter;
use crate::{EngineError, precision};

/// What makes a thread the one that computes for a device: the threads it may use, the counter of its
/// memory, the kernels it is faster with, and the numbers in which it computes products.
pub(crate) struct ComputeThread {
    /// None where the device computes beside the host.
    threads: Option<usize>,
    counter: MemoryCounter,
    kernels: DeviceKernels,
    precision: Precision,
}

impl ComputeThread {
    pub(crate) fn new(
        threads: Option<usize>,
        counter: MemoryCounter,
        kernels: DeviceKernels,
        precision: Precision,
    ) -> Self {
        Self { threads, counter, kernels, precision }
    }

    /// Runs `work` on this thread as the device's. The thread must not be used for anything else
    /// before or after; `name` is for the threads that help it.
    pub(crate) fn run<T>(self, name: &str, work: impl FnOnce() -> T) -> Result<T, EngineError> {
        let Self { threads, counter, kernels, precision } = self;
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
        kernels.enter();
        precision::enter(precision);
        Ok(work())
    }
}
