//! A link with a thread of its device at each end, as in a pipeline.

use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Instant;

use crate::fault::{WORKER_THREAD_PREFIX, catch_panic};
use crate::link::{Ends, Inlet, LinkWay, Outlet, link};
use crate::{Device, EngineError};

/// Runs `send` and `receive` at the two ends of a new link, each on a thread of its device. With what
/// they return their ends are dropped, so that nobody waits for one that has stopped.
///
/// # Errors
/// [`EngineError::Measure`] when a device fails.
pub(super) fn over_link<T: Send>(
    (from, to): (&Device, &Device),
    origin: Instant,
    send: impl FnOnce(Outlet) -> Result<(), EngineError> + Send,
    receive: impl FnOnce(Inlet) -> Result<T, EngineError> + Send,
) -> Result<T, EngineError> {
    let with_location = |device: &Device, error: EngineError| EngineError::Measure {
        device: device.id().to_owned(),
        what: format!("the link from '{}' to '{}'", from.id(), to.id()),
        reason: error.to_string(),
    };
    let mut link_threads = Vec::new();
    let ends = Ends { source: from, target: to, way: LinkWay::between(from, to) };
    let (outlet, inlet) = link("measured", &ends, 1, origin, &mut link_threads)
        .map_err(|error| with_location(from, error))?;
    let (sent, received) = std::thread::scope(|scope| {
        let receiver = on_thread(scope, "receives", to, || receive(inlet));
        let sender = on_thread(scope, "sends", from, || send(outlet));
        (sender.and_then(joined), receiver.and_then(joined))
    });
    for link in link_threads {
        let _panicked = link.thread.join().is_err();
    }
    match (sent, received) {
        (Ok(()), Ok(measured)) => Ok(measured),
        (Err(error), Ok(_) | Err(EngineError::NeighbourStopped)) => Err(with_location(from, error)),
        (_, Err(error)) => Err(with_location(to, error)),
    }
}

fn on_thread<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: &'static str,
    device: &'scope Device,
    work: impl FnOnce() -> Result<T, EngineError> + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, Result<T, EngineError>>, EngineError> {
    let work = move || device.compute_thread().run(name, || catch_panic(work))?;
    let thread = Builder::new().name(format!("{WORKER_THREAD_PREFIX}{name}"));
    thread.spawn_scoped(scope, work).map_err(EngineError::no_thread)
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, EngineError>>) -> Result<T, EngineError> {
    thread.join().unwrap_or_else(|_| Err(EngineError::driver("its thread panicked")))
}
