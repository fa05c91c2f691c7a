//! Any bytes as a plan. One that is read is sound, so it can be simulated on a profile with as many
//! layers and devices as it names.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trainyard_plan::simulate::simulate_traced;
use trainyard_plan::{DeviceProfile, LayerProfile, LinkCost, ModelProfile, Plan, PlanError, Profile};

/// Plans of more layers are read and not simulated: the fuzzer is to try many.
const MOST_LAYERS: usize = 64;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(plan) = Plan::from_json(text) else { return };
    let layers = plan.stages.last().map_or(0, |stage| stage.layers.1);
    assert!(plan.check(layers).is_ok());
    if layers > MOST_LAYERS || plan.micro_batches > 64 {
        return;
    }
    match simulate_traced(&profile(&plan, layers), &plan) {
        Ok((simulation, _)) => assert!(simulation.step_us > 0.0),
        // Two ranks on one device.
        Err(error) => assert!(matches!(error, PlanError::BadPlan { .. }), "{error}"),
    }
});

fn profile(plan: &Plan, layers: usize) -> Profile {
    let layer = |index| LayerProfile {
        name: format!("l{index}"),
        param_bytes: 8,
        input_bytes: 4,
        output_bytes: 4,
        saved_bytes: 16,
        ..LayerProfile::default()
    };
    let mut ids: Vec<&str> = plan.stages.iter().map(|stage| stage.device.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let device = |id: &&str| DeviceProfile {
        id: (*id).to_owned(),
        memory_bytes: 1000,
        forward_us: vec![1.0; layers],
        input_grad_us: vec![1.25; layers],
        weight_grad_us: vec![0.75; layers],
        ..DeviceProfile::default()
    };
    let model = ModelProfile {
        name: "fuzz".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..layers).map(layer).collect(),
    };
    Profile {
        devices: ids.iter().map(device).collect(),
        default_link: Some(LinkCost { latency_us: 0.5, bytes_per_us: 8.0 }),
        ..Profile::new(model, plan.micro_batches)
    }
}
