//! How fast a device is by itself: a matrix product, and copies from and to the host.

use std::time::Instant;

use burn::tensor::{Device as BurnDevice, Tensor, TensorData};
use trainyard_plan::{Api, DeviceInfo};

use crate::fault::catch_panic;
use crate::{EngineError, open};

/// Floating-point operations a nanosecond (GFLOP/s) that a device reaches in a matrix product,
/// rounded to steps of a quarter of an octave, so that noise does not change a plan.
///
/// `threads` is what a CPU device may use; other devices ignore it.
///
/// # Errors
/// [`EngineError::CannotOpen`], or what the driver said while it computed.
pub fn relative_speed(hardware: &DeviceInfo, threads: usize) -> Result<f64, EngineError> {
    let rate = measured(hardware, threads, "speed", matmul_rate)?;
    Ok(((rate.max(1e-6).log2() * 4.0).round() / 4.0).exp2())
}

/// Bytes a microsecond (MB/s) that go from the host to a device and back, there and back counted
/// as one.
///
/// `threads` is what a CPU device may use; other devices ignore it.
///
/// # Errors
/// [`EngineError::CannotOpen`], or what the driver said while it copied.
pub fn copy_rate(hardware: &DeviceInfo, threads: usize) -> Result<f64, EngineError> {
    measured(hardware, threads, "copying", round_trip_rate)
}

/// Opens a device and measures it, on a CPU device with its own threads.
fn measured(
    hardware: &DeviceInfo,
    threads: usize,
    what: &str,
    measure: fn(&BurnDevice) -> Result<f64, EngineError>,
) -> Result<f64, EngineError> {
    let device = open::open(hardware)?;
    let measured = if hardware.api == Api::Cpu {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
        pool.map_err(EngineError::no_thread)?.install(|| catch_panic(|| measure(&device)))
    } else {
        catch_panic(|| measure(&device))
    };
    measured.map_err(|error| EngineError::CannotOpen {
        device: hardware.adapter.clone(),
        reason: format!("it failed while its {what} was measured: {error}"),
    })
}

/// The best of several products of the size of a layer of a small model, in GFLOP/s.
fn matmul_rate(device: &BurnDevice) -> Result<f64, EngineError> {
    const ROWS: usize = 256;
    const WIDTH: usize = 512;
    let a = Tensor::<2>::ones([ROWS, WIDTH], device);
    let b = Tensor::<2>::ones([WIDTH, WIDTH], device);
    let operations = (2 * ROWS * WIDTH * WIDTH) as f64;
    let mut best = f64::INFINITY;
    for round in 0..4 {
        let start = Instant::now();
        let product = a.clone().matmul(b.clone());
        product.sum().try_into_scalar::<f32>().map_err(EngineError::driver)?;
        // The first compiles kernels.
        if round > 0 {
            best = best.min(start.elapsed().as_nanos() as f64);
        }
    }
    Ok(operations / best)
}

/// The best of several copies of 8 MiB, in bytes a microsecond.
fn round_trip_rate(device: &BurnDevice) -> Result<f64, EngineError> {
    const ELEMENTS: usize = 2 << 20;
    let host = TensorData::new(vec![1.0_f32; ELEMENTS], [ELEMENTS]);
    let mut best = f64::INFINITY;
    for round in 0..4 {
        let start = Instant::now();
        // The clone is a CPU device's copy: Burn's backend there takes over what it is given.
        let there = Tensor::<1>::from_data(host.clone(), device);
        let still_there = there.clone();
        there.try_into_data().map_err(EngineError::driver)?;
        drop(still_there);
        if round > 0 {
            best = best.min(start.elapsed().as_nanos() as f64 / 1e3);
        }
    }
    Ok((4 * ELEMENTS) as f64 / best)
}
