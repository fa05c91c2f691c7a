//! The numbers in which devices compute products: what the run file asks for, and what they can.

use trainyard_engine::{Precision, computes_in};
use trainyard_plan::{Api, DeviceInfo};

use super::devices::adapter_key_of;
use crate::cache::Cache;
use crate::cli::say;
use crate::config::DeviceSection;
use crate::error::RunError;

/// What a device computes in, where its section or else `train` asks for a precision; said where it is another.
///
/// # Errors
/// When it cannot be opened to try.
pub(super) fn precision_of(
    section: &DeviceSection,
    hardware: &DeviceInfo,
    train: Precision,
) -> Result<Precision, RunError> {
    let asked = section.precision.unwrap_or(train);
    let (id, text) = (&section.id, asked.text());
    if asked.is_f32() {
        return Ok(asked);
    }
    if hardware.api == Api::Cpu && section.precision.is_none() {
        say(format_args!(
            "'{id}' computes in f32: a CPU is no faster in {text} (precision = \"{text}\" in its [[device]] asks \
             for it all the same)"
        ));
        return Ok(Precision::F32);
    }
    if hardware.api == Api::Cpu {
        say(format_args!(
            "note: '{id}' is a CPU, which computes many times slower in {text} than in f32; leave precision out of its \
             [[device]]"
        ));
        return Ok(asked);
    }
    if can(hardware, asked)? {
        return Ok(asked);
    }
    say(format_args!("'{id}' computes in f32: {} has no {text}", hardware.name));
    Ok(Precision::F32)
}

/// Whether a device computes products in a precision rightly, tried once for an adapter and its driver.
fn can(hardware: &DeviceInfo, precision: Precision) -> Result<bool, RunError> {
    let cache = Cache::open();
    let key = (adapter_key_of(hardware), precision);
    if let Some(known) = cache.read::<bool>("precision", &key) {
        return Ok(known);
    }
    let can = computes_in(hardware, precision)?;
    cache.write("precision", &key, &can);
    Ok(can)
}
