//! The devices that a bench names by their adapters.

use trainyard_engine::discover::select;
use trainyard_engine::{Device, EngineError};
use trainyard_plan::DeviceInfo;

use crate::error::RunError;
use crate::setup::machine_for;

/// The most devices: a layer of the smallest model for each.
const MOST: usize = 8;
/// What each may hold.
const BUDGET_BYTES: u64 = 4 << 30;

/// The hardware of `--devices`.
///
/// # Errors
/// When there is no such adapter, or their number is none that a bench can use.
pub(super) fn hardware(adapters: &[String]) -> Result<Vec<DeviceInfo>, RunError> {
    let machine = machine_for(adapters.iter().map(String::as_str));
    let chosen = adapters.iter().map(|adapter| Ok(select(&machine, adapter)?));
    let chosen = chosen.collect::<Result<Vec<_>, RunError>>()?;
    if chosen.is_empty() || chosen.len() > MOST {
        return Err(RunError::BadValue {
            key: "--devices".to_owned(),
            value: format!("{} adapters", chosen.len()),
            must: format!("1 to {MOST}, a layer for each at least"),
        });
    }
    Ok(chosen)
}

/// Devices `device0`, `device1`, … of one thread each, where they compute on the CPU.
///
/// # Errors
/// When one cannot be opened.
pub(super) fn open(hardware: &[DeviceInfo]) -> Result<Vec<Device>, EngineError> {
    let named = hardware.iter().enumerate();
    named.map(|(rank, it)| Device::open(format!("device{rank}"), it, BUDGET_BYTES, 1)).collect()
}
