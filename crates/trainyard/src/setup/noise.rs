//! What other programs took from measuring, and what that means for the run's devices.

use std::time::Duration;

use trainyard_engine::EngineError;
use trainyard_engine::measure::{DeviceCosts, control_times};
use trainyard_plan::{Api, Noise, Profile};

use super::devices::SetupDevice;

/// How long the control kernel runs by itself, for the share of a core to be known to a few percent.
const ALONE: Duration = Duration::from_secs(1);

/// What the control kernels say that ran while layers were measured: those of the CPU devices, on
/// whose cores other programs run too, or of all where there is no CPU device. On a busy machine the
/// kernel then runs by itself for a while.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn while_measuring(
    devices: &[SetupDevice],
    surveys: [&[DeviceCosts]; 2],
) -> Result<Noise, EngineError> {
    let any_cpu = devices.iter().any(is_cpu);
    let of_cores = |device: &SetupDevice| is_cpu(device) || !any_cpu;
    let mut control_us: Vec<f64> = surveys
        .into_iter()
        .flat_map(|costs| devices.iter().zip(costs))
        .filter(|(device, _)| of_cores(device))
        .flat_map(|(_, costs)| costs.control_us.iter().copied())
        .collect();
    if Noise::of(&control_us).is_busy() {
        control_us.extend(alone(devices)?);
    }
    Ok(Noise::of(&control_us))
}

/// What other programs take now, while nothing is measured.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn now(devices: &[SetupDevice]) -> Result<Noise, EngineError> {
    Ok(Noise::of(&alone(devices)?))
}

/// Times of control kernels by themselves, as many at once as threads compute on cores.
fn alone(devices: &[SetupDevice]) -> Result<Vec<f64>, EngineError> {
    control_times(cpu_threads(devices, |_| true), ALONE)
}

/// The threads that compute on cores when these devices work; 1 where all have their own.
pub(super) fn cpu_threads(devices: &[SetupDevice], used: impl Fn(&SetupDevice) -> bool) -> usize {
    let on_cores = devices.iter().filter(|device| is_cpu(device) && used(device));
    on_cores.map(|device| device.threads).sum::<usize>().max(1)
}

/// Makes undisturbed times those that a step would meet under the noise, and notes the noise where
/// it is worth a word.
pub(super) fn apply(profile: &mut Profile, devices: &[SetupDevice], noise: Noise) {
    for (of_profile, device) in profile.devices.iter_mut().zip(devices) {
        if is_cpu(device) {
            // Of a device that is slowed down, the pauses are not lengthened.
            let pauses = device.throttle - 1.0;
            of_profile.scale_times((noise.slowdown() + pauses) / device.throttle);
        }
    }
    profile.noise = noise.is_busy().then_some(noise);
}

fn is_cpu(device: &SetupDevice) -> bool {
    device.hardware.api == Api::Cpu
}
