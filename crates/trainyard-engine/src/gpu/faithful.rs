//! Whether what goes through memory that links keep comes out unchanged.

use burn::tensor::{DType, Device as BurnDevice};

use super::{Gpu, SharedMemory, Staging};
use crate::tensor::data_of;
use crate::{EngineError, Value};

/// Enough that slots are used again.
const ROUNDS: u32 = 6;
/// Numbers of two tensors that go together: the second begins behind an end that is not aligned.
const SIZES: [u32; 2] = [3, 4099];

/// Sends patterns to the device and back, and has Burn read them too. Call it on a thread that nobody needs
/// afterwards: Burn keeps memory for every thread that asks for some.
///
/// # Errors
/// What the driver said, as [`EngineError::Driver`].
pub(crate) fn is_faithful(gpu: &Gpu, burn: &BurnDevice) -> Result<bool, EngineError> {
    let (to_device, to_host) = (Staging::to_device(gpu), Staging::to_host(gpu));
    for round in 0..ROUNDS {
        let patterns = SIZES.map(|numbers| pattern(round, numbers));
        let bytes = patterns.each_ref().map(Vec::as_slice);
        let upload = to_device.fill(&bytes)?;
        let there = rooms(burn)?;
        upload.finish(there.iter().map(|value| value.tensor().clone()))?;
        let sized = there.iter().map(|value| (value.tensor().clone(), value.bytes()));
        let download = to_host.begin(sized.collect())?;
        if !download.finish(|pieces| Ok(pieces == bytes))? {
            return Ok(false);
        }
        if !are(there, &patterns)? {
            return Ok(false);
        }
    }
    burn.memory_cleanup();
    Ok(true)
}

/// Sends patterns between two devices, both ways, through memory that they have in common. Call it on such
/// a thread, too.
///
/// # Errors
/// What a driver said, as [`EngineError::Driver`].
pub(crate) fn are_faithful_together(
    first: (&Gpu, &BurnDevice),
    second: (&Gpu, &BurnDevice),
) -> Result<bool, EngineError> {
    let arrive = arrive(first, second)? && arrive(second, first)?;
    first.1.memory_cleanup();
    second.1.memory_cleanup();
    Ok(arrive)
}

/// Whether patterns come from the one device to the other as they were.
fn arrive(
    (source, from): (&Gpu, &BurnDevice),
    (target, to): (&Gpu, &BurnDevice),
) -> Result<bool, EngineError> {
    let Some(memory) = SharedMemory::between(source, target) else { return Ok(false) };
    for round in 0..ROUNDS {
        let patterns = SIZES.map(|numbers| pattern(round, numbers));
        let mut sent = Vec::new();
        for (pattern, numbers) in patterns.iter().zip(SIZES) {
            let data = data_of(pattern, [numbers as usize].into(), DType::I32);
            sent.push(Value::from_data(data, from)?);
        }
        let sized = sent.iter().map(|value| (value.tensor().clone(), value.bytes()));
        let transfer = memory.begin(sized.collect())?;
        transfer.wait_until_copied()?;
        let there = rooms(to)?;
        transfer.finish(there.iter().map(|value| value.tensor().clone()))?;
        if !are(there, &patterns)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Tensors for patterns.
fn rooms(burn: &BurnDevice) -> Result<Vec<Value>, EngineError> {
    let room = |numbers| Value::room([numbers as usize].into(), DType::I32, burn);
    SIZES.map(room).into_iter().collect()
}

/// Whether tensors are, as Burn reads them, some patterns.
fn are(tensors: Vec<Value>, patterns: &[Vec<u8>]) -> Result<bool, EngineError> {
    for (value, pattern) in tensors.into_iter().zip(patterns) {
        if value.into_data()?.as_bytes() != pattern {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Bytes of numbers of which no two are the same, here or in another round.
fn pattern(round: u32, numbers: u32) -> Vec<u8> {
    let first = round * SIZES[1];
    let number = |at: u32| (first + at).wrapping_mul(0x9E37_79B9);
    (0..numbers).map(number).flat_map(u32::to_ne_bytes).collect()
}
