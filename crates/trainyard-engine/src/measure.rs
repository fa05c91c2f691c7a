//! Measures how fast a device is, to share out layers by.

use std::time::Instant;

use burn::tensor::{Device as BurnDevice, Tensor};
use trainyard_plan::{Api, DeviceInfo};

use crate::fault::guarded;
use crate::{EngineError, open};

/// Floating-point operations a nanosecond (GFLOP/s) that a device reaches in a matrix product,
/// rounded to steps of a quarter of an octave, so that noise does not change a plan.
///
/// `threads` is what a CPU device may use; other devices ignore it.
///
/// # Errors
/// [`EngineError::CannotOpen`], or what the driver said while it computed.
pub fn relative_speed(hardware: &DeviceInfo, threads: usize) -> Result<f64, EngineError> {
    let device = open::open(hardware)?;
    let measured = if hardware.api == Api::Cpu {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
        pool.map_err(EngineError::driver)?.install(|| guarded(|| matmul_rate(&device)))
    } else {
        guarded(|| matmul_rate(&device))
    };
    let rate = measured.map_err(|error| EngineError::CannotOpen {
        device: hardware.adapter.clone(),
        reason: format!("it failed while its speed was measured: {error}"),
    })?;
    Ok(((rate.max(1e-6).log2() * 4.0).round() / 4.0).exp2())
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
