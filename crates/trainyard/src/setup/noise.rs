//! What other programs took from measuring, and what that means for the run's devices.

use trainyard_engine::measure::DeviceCosts;
use trainyard_plan::{Api, Noise, Profile};

use super::SetupDevice;

/// What the control kernels say that ran while layers were measured: those of the CPU devices, on
/// whose cores other programs run too, or of all where there is no CPU device.
pub(super) fn while_measuring(devices: &[SetupDevice], surveys: [&[DeviceCosts]; 2]) -> Noise {
    let any_cpu = devices.iter().any(is_cpu);
    let of_cores = |device: &SetupDevice| is_cpu(device) || !any_cpu;
    let control_us: Vec<f64> = surveys
        .into_iter()
        .flat_map(|costs| devices.iter().zip(costs))
        .filter(|(device, _)| of_cores(device))
        .flat_map(|(_, costs)| costs.control_us.iter().copied())
        .collect();
    Noise::of(&control_us)
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
