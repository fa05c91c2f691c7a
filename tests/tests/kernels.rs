//! Which kernels a device is faster with is tried once, and not by every training.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::path::Path;

use serde_json::{Value, json};
use trainyard_tests::require::skip;
use trainyard_tests::{read, root, run_ok, set, temp_dir, train_command, trainyard};

/// The kernels that a run computed with.
fn kernels(run: &Path) -> Value {
    let profile: Value = serde_json::from_str(&read(&run.join("profile.json")))
        .unwrap_or_else(|error| panic!("{error}"));
    profile["devices"][0]["kernels"].clone()
}

#[test]
fn the_next_training_on_an_adapter_takes_the_kernels_that_were_found_before() {
    if !run_ok(trainyard().arg("devices")).contains("vulkan:llvmpipe") {
        return skip("no llvmpipe over Vulkan; scripts/test.sh installs it");
    }
    let dir = temp_dir();
    let cache = dir.path().join("cache");
    let train = |name: &str| {
        let run = dir.path().join(name);
        let mut command = train_command(&root().join("assets/mlp.toml"), &run);
        command.env("TRAINYARD_CACHE", &cache);
        let device = r#"device=[{id="card",adapter="vulkan:llvmpipe",memory="64 MiB"}]"#;
        let sets = [device, "train.steps=1", "train.batch=8", "train.validate_every=0"];
        run_ok(set(&mut command, &sets));
        kernels(&run)
    };
    let found = train("first");
    assert!(found.is_array(), "{found}");
    let kept: Vec<_> = std::fs::read_dir(&cache)
        .unwrap_or_else(|error| panic!("{error}"))
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.to_string_lossy().contains("kernels-"))
        .collect();
    let [kept] = &kept[..] else { panic!("{kept:?}") };
    assert_eq!(serde_json::from_str::<Value>(&read(kept)).ok(), Some(found));
    // What stands there is taken, so nothing was tried.
    std::fs::write(kept, "[\"gelu\"]").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(train("second"), json!(["gelu"]));
}
