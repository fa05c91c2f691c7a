//! Threads that keep the cores busy, as other programs do.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use trainyard_engine::EngineError;

use crate::error::RunError;

/// One busy thread a core, until it is dropped.
pub(super) struct BusyThreads {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl BusyThreads {
    /// Starts one thread a core, named `busy-0`, `busy-1`, … All compute for `on` of every second,
    /// at the same time; the first second began `phase` ago.
    pub(super) fn start(on: Duration, phase: Duration) -> Result<Self, RunError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let stop = Arc::new(AtomicBool::new(false));
        let mut busy = Self { stop, threads: Vec::with_capacity(cores) };
        let began = Instant::now();
        for core in 0..cores {
            let stop = Arc::clone(&busy.stop);
            let thread = std::thread::Builder::new().name(format!("busy-{core}"));
            let thread = thread.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    compute_or_rest(began.elapsed() + phase, on);
                }
            });
            let no_thread =
                |error: std::io::Error| EngineError::NoThread { reason: error.to_string() };
            busy.threads.push(thread.map_err(no_thread)?);
        }
        Ok(busy)
    }
}

impl Drop for BusyThreads {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _panicked = thread.join().is_err();
        }
    }
}

/// A few microseconds of work in the first part of every second; in the rest, sleep until the
/// next begins.
fn compute_or_rest(elapsed: Duration, on: Duration) {
    const SECOND: Duration = Duration::from_secs(1);
    let into_second = Duration::from_nanos(elapsed.subsec_nanos().into());
    if into_second >= on {
        std::thread::sleep(SECOND.saturating_sub(into_second));
        return;
    }
    let mut number = black_box(1_u64);
    for _ in 0..10_000 {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
    }
    black_box(number);
}
