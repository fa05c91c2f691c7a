//! Damaged profiles and plans: whatever is wrong, the error names line and field, and nothing
//! panics or takes forever.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "the same number, worked out the same way")]

mod random;
mod tensors;
mod text;
mod values;

use trainyard_plan::{Plan, PlanError, Profile, Recompute, Schedule, Stage};

/// One value a line, so that a line tells which.
const PROFILE: &str = r#"{
"format": "trainyard-profile",
"version": 1,
"model": {
"name": "m",
"optimizer_bytes_per_param_byte": 2,
"layers": [
{
"name": "x",
"param_bytes": 8,
"input_bytes": 4,
"output_bytes": 4,
"saved_bytes": 16,
"skips_to": "z"
},
{"name": "y", "param_bytes": 8, "input_bytes": 4, "output_bytes": 4, "saved_bytes": 16},
{
"name": "z", "param_bytes": 8, "input_bytes": 4, "output_bytes": 4, "saved_bytes": 16,
"tied_to": "x"
}
]
},
"devices": [
{
"id": "a",
"memory_bytes": 1000,
"reserve_bytes": 10,
"forward_us": [1,
2,
3],
"input_grad_us": [1, 2, 3],
"weight_grad_us": [1, 2, 3],
"optimizer_us": 5
},
{
"id": "b", "memory_bytes": 1000, "forward_us": [1, 2, 3],
"input_grad_us": [1, 2, 3], "weight_grad_us": [1, 2, 3],
"optimizer_us": [1, 2, 3]
}
],
"links": [
{
"from": "a",
"to": "b",
"latency_us": 1.5,
"bytes_per_us": 2
}
],
"default_link": {
"latency_us": 0,
"bytes_per_us": 1e3
},
"micro_batches": 4
}
"#;

fn plan() -> Plan {
    let stage =
        |device: &str, layers| Stage { device: device.into(), layers, recompute: Recompute::None };
    let stages = vec![stage("a", (0, 2)), stage("b", (2, 3))];
    Plan::new("m", stages, Schedule::named("1f1b", 2, 4).unwrap(), 4)
}

/// Line and field of what is wrong after a text has been replaced.
fn damage(old: &str, new: &str) -> (usize, String, String) {
    assert_eq!(PROFILE.matches(old).count(), 1, "{old}");
    let text = PROFILE.replace(old, new);
    match Profile::from_json(&text) {
        Err(PlanError::BadFile { line, field, reason, .. }) => (line, field, reason),
        other => panic!("{old} → {new}: {other:?}"),
    }
}

#[test]
fn the_undamaged_ones_are_read() {
    let profile = Profile::from_json(PROFILE).unwrap();
    assert_eq!(profile.model.skips(), [(0, 2)]);
    assert_eq!(profile.link(0, 1).transfer_us(4), 3.5);
    assert_eq!(profile.link(1, 0).transfer_us(1000), 1.0);
    let no_default = PROFILE.replace("\"default_link\"", "\"something_else\"");
    assert_eq!(Profile::from_json(&no_default).unwrap().link(1, 0).transfer_us(1000), 0.0);
    let list = PROFILE.replace("\"skips_to\": \"z\"", "\"skips_to\": [\"z\"]");
    assert_eq!(Profile::from_json(&list).unwrap(), profile);
    assert!(Plan::from_json(&serde_json::to_string_pretty(&plan()).unwrap()).is_ok());
}
