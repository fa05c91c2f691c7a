//! Turns a panic inside a library or driver into an error.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::Builder;

use crate::EngineError;

/// Threads whose panics are caught and reported as errors are named so.
pub(crate) const WORKER_THREAD_PREFIX: &str = "trainyard-";

/// Runs `function`; a panic becomes [`EngineError::Driver`] with the panic's message.
///
/// What the function was working on must not be used afterwards: it may be half done. Workers stop
/// after a fault, so nobody does.
pub(crate) fn catch_panic<T>(
    function: impl FnOnce() -> Result<T, EngineError>,
) -> Result<T, EngineError> {
    catch_unwind(AssertUnwindSafe(function))
        .unwrap_or_else(|panic| Err(EngineError::driver(message(&*panic))))
}

/// Does what leaves Burn's memory for the thread behind: it goes with the thread.
///
/// # Errors
/// Those of `work`; [`EngineError::NoThread`].
pub(crate) fn on_a_thread_of_its_own<T: Send>(
    name: &str,
    work: impl FnOnce() -> Result<T, EngineError> + Send,
) -> Result<T, EngineError> {
    let thread = Builder::new().name(format!("{WORKER_THREAD_PREFIX}{name}"));
    std::thread::scope(|scope| {
        let thread =
            thread.spawn_scoped(scope, || catch_panic(work)).map_err(EngineError::no_thread)?;
        thread.join().unwrap_or_else(|_| Err(EngineError::driver("its thread panicked")))
    })
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a library panicked without a message");
    in_one_line(text)
}

/// The beginning of a message, which may carry a whole backtrace: the first lines say what happened.
pub(crate) fn in_one_line(text: &str) -> String {
    let lines = text.lines().take(6).map(str::trim);
    lines.collect::<Vec<_>>().join(" ").trim().chars().take(800).collect()
}

/// Keeps panics of worker threads off the terminal: they come back as errors, which say more.
/// For programs; call it once at the start.
pub fn silence_worker_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let ours = std::thread::current()
            .name()
            .is_some_and(|name| name.starts_with(WORKER_THREAD_PREFIX) || name.starts_with("DSD-"));
        if ours {
            tracing::debug!("{info}");
        } else {
            default(info);
        }
    }));
}
