//! `trainyard simulate`: figures that can be worked out by hand, schedules as files, wrong input.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use trainyard_tests::{assert_says, read, root, run_fails, run_ok, temp_dir, trainyard, write};

/// Two devices, four layers of 10 µs forward, 10 µs to the input and 10 µs to the weights.
fn profile() -> Value {
    let layer = |index: usize| {
        json!({
            "name": format!("layer{index}"), "param_bytes": 100, "input_bytes": 8,
            "output_bytes": 8, "saved_bytes": 1000
        })
    };
    let device = |id: &str| {
        json!({
            "id": id, "memory_bytes": 100_000, "reserve_bytes": 0, "forward_us": [10, 10, 10, 10],
            "input_grad_us": [10, 10, 10, 10], "weight_grad_us": [10, 10, 10, 10],
            "optimizer_us": 0
        })
    };
    json!({
        "format": "trainyard-profile", "version": 1,
        "model": {
            "name": "four", "optimizer_bytes_per_param_byte": 2,
            "layers": (0..4).map(layer).collect::<Vec<_>>()
        },
        "devices": [device("a"), device("b")],
        "links": [],
        "default_link": {"latency_us": 0, "bytes_per_us": 1e12},
        "micro_batches": 4
    })
}

fn write_profile(dir: &Path, profile: &Value) -> PathBuf {
    let path = dir.join("profile.json");
    write(&path, profile.to_string());
    path
}

fn simulate(profile: &Path) -> Command {
    let mut command = trainyard();
    command.arg("simulate").arg("--profile").arg(profile);
    command
}

fn simulated(profile: &Path, arguments: &[&str]) -> Value {
    let text = run_ok(simulate(profile).arg("--json").args(arguments));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn steps_and_memory_by_hand() {
    let dir = temp_dir();
    let path = write_profile(dir.path(), &profile());
    // Each rank has two layers: F 20, B 40. (m + p − 1)(F + B) = 5 · 60.
    for schedule in ["gpipe", "1f1b"] {
        let result = simulated(&path, &["--schedule", schedule]);
        assert!((result["step_us"].as_f64().unwrap_or(0.0) - 300.0).abs() < 1e-3, "{result}");
        let bubble = result["bubble_fraction"].as_f64().unwrap_or(0.0);
        assert!((bubble - 0.2).abs() < 1e-6, "{result}");
        // Weights 200, gradients 200, optimizer 400; the first rank holds m or 2 micro-batches.
        let in_flight = if schedule == "gpipe" { 4 } else { 2 };
        let peak = &result["devices"][0]["peak_bytes"];
        assert_eq!(peak["weights"], 200, "{result}");
        assert_eq!(peak["optimizer"], 400, "{result}");
        assert_eq!(peak["activations"], in_flight * 2000, "{result}");
    }
    // Two chunks of 10 + 20 a rank: m · 60 and a bubble of (p − 1)(f + b) = 30.
    let result = simulated(&path, &["--schedule", "interleaved"]);
    assert!((result["step_us"].as_f64().unwrap_or(0.0) - 270.0).abs() < 1e-3, "{result}");
    // m(F + I + W) + (p − 1)F: the last rank cannot begin before.
    let result = simulated(&path, &["--schedule", "zb-h2"]);
    assert!((result["step_us"].as_f64().unwrap_or(0.0) - 260.0).abs() < 1e-3, "{result}");
    let made = simulated(&path, &["--schedule", "auto"]);
    assert!(made["step_us"].as_f64().unwrap_or(1e9) <= 260.001, "{made}");
}

#[test]
fn a_slow_link_shows() {
    let dir = temp_dir();
    let mut slow = profile();
    slow["default_link"] = json!({"latency_us": 3, "bytes_per_us": 4});
    let path = write_profile(dir.path(), &slow);
    let result = simulated(&path, &["--schedule", "gpipe"]);
    // 3 + 8/4 = 5 µs each way, once there and once back: 300 + 10.
    assert!((result["step_us"].as_f64().unwrap_or(0.0) - 310.0).abs() < 1e-3, "{result}");
    assert_eq!(result["links"][0]["transfers"], 4, "{result}");
    assert_eq!(result["links"][0]["bytes"], 32, "{result}");
}

#[test]
fn a_schedule_goes_out_as_csv_and_comes_back() {
    let dir = temp_dir();
    let path = write_profile(dir.path(), &profile());
    for schedule in ["gpipe", "1f1b", "interleaved", "zb-h1", "zb-h2", "zb-v", "auto"] {
        let csv = run_ok(simulate(&path).args(["--csv", "--schedule", schedule]));
        let file = dir.path().join(format!("{schedule}.csv"));
        write(&file, &csv);
        let by_name = simulated(&path, &["--schedule", schedule]);
        let by_file = simulated(&path, &["--schedule", &file.display().to_string()]);
        assert_eq!(by_name["step_us"], by_file["step_us"], "{schedule}:\n{csv}");
    }
}

#[test]
fn a_person_sees_a_timeline_and_perfetto_a_trace() {
    let dir = temp_dir();
    let path = write_profile(dir.path(), &profile());
    let trace = dir.path().join("trace.json");
    let text = run_ok(simulate(&path).arg("--trace").arg(&trace));
    assert_says(
        &text,
        &["a |", "b |", "bubble 20.0 %", "under 1f1b", "critical path: 0F0", "warm-up"],
    );
    let trace: Value = serde_json::from_str(&read(&trace)).unwrap_or_default();
    let names = trace["traceEvents"].as_array().into_iter().flatten();
    let names: Vec<_> = names.filter_map(|event| event["name"].as_str()).collect();
    assert!(names.contains(&"1B3") && names.contains(&"0SEND_F0"), "{names:?}");
}

#[test]
fn the_example_profile_simulates() {
    let path = root().join("assets/example-profile.json");
    let result = simulated(&path, &["--schedule", "1f1b"]);
    assert!(result["step_us"].as_f64().is_some_and(|us| us > 0.0), "{result}");
}

#[test]
fn wrong_files_are_refused_with_line_and_field() {
    let dir = temp_dir();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut profile = profile();
        change(&mut profile);
        serde_json::to_string_pretty(&profile).unwrap_or_default()
    };
    let cases: [(String, &[&str]); 7] = [
        ("garbage".to_owned(), &["profile.json", "line 1"]),
        (changed(&|p| p["version"] = json!(7)), &["version 7", "version 1"]),
        (
            changed(&|p| p["devices"][1]["forward_us"][2] = json!(-1)),
            &["line ", "devices[1].forward_us"],
        ),
        (
            changed(&|p| p["devices"][0]["forward_us"] = json!([1])),
            &["line ", "devices[0].forward_us", "4 layers"],
        ),
        (
            changed(&|p| p["model"]["layers"][1]["tied_to"] = json!("x")),
            &["line ", "model.layers[1].tied_to", "'x'"],
        ),
        (changed(&|p| p["micro_batches"] = json!(0)), &["line ", "micro_batches"]),
        (changed(&|p| p["model"]["layers"][0]["name"] = json!("layer1")), &["line ", "layer1"]),
    ];
    let path = dir.path().join("profile.json");
    for (text, words) in cases {
        write(&path, text);
        assert_says(&run_fails(&mut simulate(&path), 2), words);
    }
    let path = write_profile(dir.path(), &profile());
    let schedule = dir.path().join("odd.csv");
    for (text, words) in [
        ("0F0,0X0\n", &["odd.csv", "line 1", "0X0"][..]),
        ("0F0,0B0\n1B0,1F0\n", &["odd.csv", "1B0", "line 2, cell 1 (counted from 1)", "rank 1:"]),
        ("", &["odd.csv"]),
    ] {
        write(&schedule, text);
        let stderr = run_fails(simulate(&path).arg("--schedule").arg(&schedule), 2);
        assert_says(&stderr, words);
    }
    let stderr = run_fails(simulate(&path).args(["--schedule", "gpip"]), 2);
    assert_says(&stderr, &["no schedule 'gpip'", "did you mean 'gpipe'"]);
}
