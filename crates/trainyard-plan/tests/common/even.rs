//! Equal layers on devices that differ in speed and memory.

use trainyard_plan::{DeviceProfile, LayerProfile, ModelProfile, Profile};

/// `layers` equal layers of 4 × 100 B of weights with their state and 50 B of activations.
pub(crate) fn model(layers: usize) -> ModelProfile {
    let layer = |index| LayerProfile {
        name: format!("layer{index}"),
        param_bytes: 100,
        input_bytes: 10,
        output_bytes: 10,
        saved_bytes: 50,
        ..LayerProfile::default()
    };
    ModelProfile {
        name: "even".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..layers).map(layer).collect(),
    }
}

/// Devices as (time of a layer's F, I and W each in µs, budget in bytes).
pub(crate) fn profile(layers: usize, devices: &[(f64, u64)], micro_batches: usize) -> Profile {
    let mut profile = Profile::new(model(layers), micro_batches);
    let device = |(index, (time, memory_bytes)): (usize, &(f64, u64))| DeviceProfile {
        id: format!("d{index}"),
        memory_bytes: *memory_bytes,
        forward_us: vec![*time; layers],
        input_grad_us: vec![*time; layers],
        weight_grad_us: vec![*time; layers],
        ..DeviceProfile::default()
    };
    profile.devices = devices.iter().enumerate().map(device).collect();
    profile
}
