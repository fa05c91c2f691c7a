//! What it costs to move a tensor from one device to another.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use burn::tensor::{Tensor, TensorData};
use trainyard_plan::{Action, LinkCost, noise};

use super::fit;
use super::over_link::over_link;
use crate::activity::Activity;
use crate::fault::catch_panic;
use crate::link::{Inlet, Outlet, elapsed_ns};
use crate::{Device, EngineError, Tensors, Value};

/// Sizes of the transfers that are timed: 4 KiB to 16 MiB.
const SIZES: [usize; 7] = [4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20];
/// Times that every size is sent.
const ROUNDS: usize = 9;
/// The first of them, which do not count.
const WARM_UP: usize = 2;
/// Of the times of a size this one counts: whatever else runs on the machine lengthens some.
const LOWER_QUARTILE: f64 = 0.25;
/// Before every transfer, so that the receiver is found as in a pipeline that waits: asleep.
const PAUSE: Duration = Duration::from_micros(300);

/// The cost of every ordered pair of devices, as (from, to, cost). What has the same id is one
/// device, within which nothing is moved.
///
/// # Errors
/// As [`link`].
pub fn links(devices: &[Device]) -> Result<Vec<(String, String, LinkCost)>, EngineError> {
    let mut costs = Vec::new();
    for from in devices {
        for to in devices.iter().filter(|to| to.id() != from.id()) {
            costs.push((from.id().to_owned(), to.id().to_owned(), link(from, to)?));
        }
    }
    Ok(costs)
}

/// The cost of moving tensors from one device to another, through the links that pipelines use:
/// from the sender's call until the tensor is on the receiver's device.
///
/// # Errors
/// [`EngineError::Measure`] when a device fails.
pub fn link(from: &Device, to: &Device) -> Result<LinkCost, EngineError> {
    let times = link_times(from, to, &SIZES)?;
    let points: Vec<(f64, f64)> =
        SIZES.iter().zip(times).map(|(&bytes, us)| (bytes as f64, us)).collect();
    let (latency_us, bytes_per_us) = fit::line(&points);
    Ok(LinkCost { latency_us, bytes_per_us })
}

/// The time of a transfer of each of some sizes in bytes, µs, as [`link`] takes them.
///
/// # Errors
/// As [`link`].
pub fn link_times(from: &Device, to: &Device, sizes: &[usize]) -> Result<Vec<f64>, EngineError> {
    let origin = Instant::now();
    let (arrived, arrivals) = mpsc::channel();
    over_link(
        (from, to),
        origin,
        move |outlet| send_all(from, sizes, &outlet, &arrivals),
        move |mut inlet| receive_all(to, sizes, &mut inlet, origin, &arrived),
    )
}

/// The time that Burn's own `to_device` takes for the same, µs, called from one thread.
///
/// # Errors
/// [`EngineError::Driver`] when a device fails.
pub fn to_device_times(
    from: &Device,
    to: &Device,
    sizes: &[usize],
) -> Result<Vec<f64>, EngineError> {
    let time = |bytes: &usize| {
        let elements = bytes / 4;
        let data = TensorData::new(vec![1.0_f32; elements], [elements]);
        let tensor = Tensor::<1>::from_data(data, from.burn());
        from.wait()?;
        let mut times = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            std::thread::sleep(PAUSE);
            let started = Instant::now();
            let there = tensor.clone().to_device(to.burn());
            to.wait()?;
            if round >= WARM_UP {
                times.push(started.elapsed().as_nanos() as f64 / 1e3);
            }
            drop(there);
        }
        Ok(noise::quantile(&times, LOWER_QUARTILE))
    };
    let run = || catch_panic(|| sizes.iter().map(time).collect());
    let times =
        std::thread::scope(|scope| scope.spawn(|| from.compute_thread().run("moves", run)).join());
    times.unwrap_or_else(|_| Err(EngineError::driver("its thread panicked")))?
}

fn send_all(
    device: &Device,
    sizes: &[usize],
    outlet: &Outlet,
    arrivals: &mpsc::Receiver<()>,
) -> Result<(), EngineError> {
    for bytes in sizes {
        let elements = bytes / 4;
        let data = TensorData::new(vec![1.0_f32; elements], [elements]);
        // Kept here as a stage keeps its output: a link may not take the memory over.
        let tensor = Tensors::new().with("x", Value::from_data(data, device.burn())?);
        device.wait()?;
        for round in 0..ROUNDS {
            std::thread::sleep(PAUSE);
            outlet.send(0, Action::forward(0, round), tensor.clone())?;
            arrivals.recv().map_err(|_| EngineError::NeighbourStopped)?;
        }
    }
    leave(device);
    Ok(())
}

/// The lower quartile of the times of every size, in µs.
fn receive_all(
    device: &Device,
    sizes: &[usize],
    inlet: &mut Inlet,
    origin: Instant,
    arrived: &mpsc::Sender<()>,
) -> Result<Vec<f64>, EngineError> {
    let activity = Activity::default();
    let mut times_of_sizes = Vec::with_capacity(sizes.len());
    for _ in sizes {
        let mut times = Vec::with_capacity(ROUNDS);
        for round in 0..ROUNDS {
            let (tensor, sent) = inlet.receive(round, &activity)?;
            device.wait()?;
            let end_ns = elapsed_ns(origin);
            if let (Some(sent), WARM_UP..) = (sent, round) {
                times.push(end_ns.saturating_sub(sent.start_ns) as f64 / 1e3);
            }
            drop(tensor);
            arrived.send(()).map_err(|_| EngineError::NeighbourStopped)?;
        }
        times_of_sizes.push(noise::quantile(&times, LOWER_QUARTILE));
    }
    leave(device);
    Ok(times_of_sizes)
}

/// Leaves nothing behind of what a thread used on a device.
pub(super) fn leave(device: &Device) {
    if device.is_cpu() {
        device.counter().restart_peak();
    } else {
        // Its pools belong to this thread, which nobody will use again.
        device.burn().memory_cleanup();
    }
}
