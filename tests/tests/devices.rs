//! What `trainyard devices` says about the machine it runs on, whatever that has.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use serde_json::Value;
use trainyard_tests::{assert_says, run_ok, trainyard};

#[test]
fn the_list_for_machines_has_the_cpu_last() {
    let text = run_ok(trainyard().args(["devices", "--json", "--no-probe"]));
    let list: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!((&list["format"], &list["version"]), (&"trainyard-devices".into(), &1.into()));
    let devices = list["devices"].as_array().cloned().unwrap_or_default();
    for (index, device) in devices.iter().enumerate() {
        assert_eq!(device["index"], index);
        for key in ["adapter", "name", "kind", "api", "driver", "vendor"] {
            assert!(device[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {device}");
        }
        assert!(device["memory"]["source"].is_string(), "{device}");
    }
    let mut adapters: Vec<_> = devices.iter().map(|device| device["adapter"].to_string()).collect();
    adapters.sort();
    adapters.dedup();
    assert_eq!(adapters.len(), devices.len(), "two devices have one adapter name: {devices:?}");
    let cpu = devices.last().cloned().unwrap_or_default();
    assert_eq!((&cpu["adapter"], &cpu["kind"]), (&"cpu".into(), &"cpu".into()));
    assert!(cpu["memory"]["total_bytes"].as_u64() > Some(1 << 20), "{cpu}");
}

#[test]
fn the_list_for_people_names_what_a_run_file_needs() {
    let text = run_ok(trainyard().args(["devices", "--no-probe"]));
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert_says(&text, &["cpu", "adapter", "GiB"]);
}

#[test]
fn the_ways_between_all_adapters_are_measured() {
    let text = run_ok(trainyard().args(["devices", "--json", "--links"]));
    let list: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let devices = list["devices"].as_array().cloned().unwrap_or_default();
    let working = devices.iter().filter(|it| it["compute"]["result"] == "works").count();
    let links = list["links"].as_array().cloned().unwrap_or_default();
    assert_eq!(links.len(), working * (working - 1), "{text}");
    for link in &links {
        let is_above_0 = |key: &str| link[key].as_u64() > Some(0);
        assert!(is_above_0("latency_ns") && is_above_0("bytes_per_s"), "{link}");
        let ends = [&link["from"], &link["to"]].map(Value::to_string);
        // Both software adapters over Vulkan can have the host's memory.
        let are_vulkan = ends.iter().all(|end| end.contains("vulkan:"));
        let way = link["way"].as_str().unwrap_or_default();
        assert_eq!(way.contains("both devices"), are_vulkan, "{link}");
    }
    let text = run_ok(trainyard().args(["devices", "--links"]));
    assert!(text.contains("latency"), "{text}");
}
