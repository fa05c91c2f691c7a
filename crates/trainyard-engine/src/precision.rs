//! The numbers in which a device computes products: what its layers ask for, and whether it can.

use std::cell::Cell;

use burn::tensor::{Device as BurnDevice, FloatDType, Tensor, TensorData};
use trainyard_plan::{Api, DeviceInfo, Precision};

use crate::fault::on_a_thread_of_its_own;
use crate::{EngineError, open};

thread_local! {
    static OF_THREAD: Cell<Precision> = const { Cell::new(Precision::F32) };
}

/// The numbers in which products are computed on this thread's device.
pub fn precision() -> Precision {
    OF_THREAD.get()
}

/// The type of these numbers, where they have sixteen bits.
pub fn sixteen_bits() -> Option<FloatDType> {
    match precision() {
        Precision::F32 => None,
        Precision::F16 => Some(FloatDType::F16),
        Precision::Bf16 => Some(FloatDType::BF16),
    }
}

/// Makes it that of this thread's device.
pub(crate) fn enter(precision: Precision) {
    OF_THREAD.set(precision);
}

/// Runs `work` on this thread as on that of a device that computes in a precision.
pub fn with_precision<T>(precision: Precision, work: impl FnOnce() -> T) -> T {
    struct Restore(Precision);
    impl Drop for Restore {
        fn drop(&mut self) {
            enter(self.0);
        }
    }
    let _restore = Restore(OF_THREAD.replace(precision));
    work()
}

/// Whether a device computes products in a precision, and rightly: a small one is tried. A CPU device computes
/// in all of them, with numbers that are rounded to sixteen bits before and after.
///
/// # Errors
/// [`EngineError::CannotOpen`].
pub fn computes_in(hardware: &DeviceInfo, precision: Precision) -> Result<bool, EngineError> {
    if precision.is_f32() || hardware.api == Api::Cpu {
        return Ok(true);
    }
    let device = open::open(hardware)?;
    let tried =
        on_a_thread_of_its_own("precision", || with_precision(precision, || is_right(&device)));
    tracing::debug!("'{}': products in {}: {tried:?}", hardware.adapter, precision.text());
    // What a driver cannot compile it cannot compute.
    Ok(tried.unwrap_or(false))
}

/// Rows and columns of the matrices that are tried: more than one tile, and no whole number of them.
const TRIED: usize = 67;

/// Whether a product of whole numbers so small that all of it is exact comes out as it is.
fn is_right(device: &BurnDevice) -> Result<bool, EngineError> {
    let Some(dtype) = sixteen_bits() else { return Ok(true) };
    if !device.supports_dtype(dtype) {
        return Ok(false);
    }
    let number = |row: usize, column: usize| ((row * 7 + column * 3) % 3) as f32 - 1.0;
    let numbers = (0..TRIED * TRIED).map(|at| number(at / TRIED, at % TRIED)).collect::<Vec<_>>();
    let matrix = Tensor::<2>::from_data(TensorData::new(numbers, [TRIED, TRIED]), device);
    let half = matrix.cast(dtype);
    let product = half.clone().matmul(half).cast(FloatDType::F32);
    let found = product.try_into_vec_as::<f32>().map_err(EngineError::driver)?;
    let expected = |row: usize, column: usize| -> f32 {
        (0..TRIED).map(|k| number(row, k) * number(k, column)).sum()
    };
    let exact = |(at, found): (usize, &f32)| {
        found.to_bits() == (expected(at / TRIED, at % TRIED) + 0.0).to_bits()
    };
    device.memory_cleanup();
    Ok(found.len() == TRIED * TRIED && found.iter().enumerate().all(exact))
}
