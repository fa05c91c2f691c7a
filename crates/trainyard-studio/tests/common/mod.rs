//! What several tests work with.

use trainyard_plan::{DeviceProfile, LinkCost, ModelProfile, Profile};

/// So many layers of 10 bytes, and devices of so many bytes, the first the fastest.
pub(crate) fn profile(layers: usize, memory: &[u64]) -> Profile {
    let layer = |index: usize| {
        let text = format!(
            r#"{{"name": "l{index}", "kind": "block", "param_bytes": 10, "input_bytes": 4,
                "output_bytes": 4, "saved_bytes": 4}}"#
        );
        serde_json::from_str(&text).unwrap()
    };
    let model = ModelProfile {
        name: "small".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..layers).map(layer).collect(),
    };
    let device = |(index, memory_bytes): (usize, &u64)| {
        let times = vec![10.0 * (index + 1) as f64; layers];
        DeviceProfile {
            id: format!("d{index}"),
            memory_bytes: *memory_bytes,
            forward_us: times.clone(),
            input_grad_us: times.clone(),
            weight_grad_us: times,
            ..DeviceProfile::default()
        }
    };
    let devices = memory.iter().enumerate().map(device).collect();
    let default_link = Some(LinkCost { latency_us: 1.0, bytes_per_us: 10.0 });
    Profile { devices, default_link, ..Profile::new(model, 4) }
}
