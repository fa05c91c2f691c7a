//! Profiles and plans as files: each value is mended as told.

use serde_json::{Value, json};
use trainyard_tests::{
    Place, assert_says, read, run_fails, run_ok, train_command, trainyard, write,
};

use crate::{between, plan};

/// A value in a file that is refused, how, and the one that is what the message says.
type Case = (&'static str, Value, &'static str, Value);

/// Puts one value after the other at a place of a sound file, and gives it to a command.
fn each(sound: &Value, cases: &[Case], run: impl Fn(&str) -> std::process::Command) {
    for (place, wrong, words, right) in cases {
        let with = |value: &Value| {
            let mut changed = sound.clone();
            let slot = changed.pointer_mut(place);
            *slot.unwrap_or_else(|| panic!("there is no {place}")) = value.clone();
            changed.to_string()
        };
        assert_says(&run_fails(&mut run(&with(wrong)), 2), &[words]);
        run_ok(&mut run(&with(right)));
    }
}

#[test]
fn a_profile_is_mended_as_told() {
    let place = Place::new();
    let file = place.path("profile.json");
    run_ok(plan(&place.file, &[]).arg("--save-profile").arg(&file));
    let sound: Value = serde_json::from_str(&read(&file)).unwrap_or_default();
    let link = |to: &str| json!({"from": "left", "to": to, "latency_us": 1, "bytes_per_us": 1});
    let cases = [
        ("/model/layers/1/name", json!("embed"), "names must differ", json!("block0")),
        ("/model/layers/1/name", json!(""), "everything needs a name", json!("block0")),
        ("/model/layers/1/name", json!("a\nb"), "leave that out", json!("block0")),
        ("/devices/1/id", json!("left"), "ids must differ", json!("other")),
        ("/devices/0/memory_bytes", json!("6 GiB"), "a whole number of 0 or more", json!(1 << 30)),
        ("/devices/0/kind", json!("gpu"), "it must be \"discrete\"", json!("discrete")),
        ("/micro_batches", json!(0), "1 to 1048576 may be planned", json!(1)),
        ("/rows", json!(0), "must be at least 1", json!(1)),
        ("/links", json!([link("nowhere")]), "there is no device 'nowhere'", json!([])),
        ("/model/layers/0/gives/0/to/0", json!("none"), "there is no later layer", json!("block0")),
        ("/model/layers/0/gives/0/bytes", json!(5), "it is 4096, but", json!(4096)),
        ("/version", json!(99), "this program reads version 1", json!(1)),
    ];
    // Without links, so that devices may be renamed.
    let mut sound = sound;
    sound["links"] = json!([]);
    sound["rows"] = json!(2);
    each(&sound, &cases, |text| {
        write(&file, text);
        let mut command = trainyard();
        command.arg("plan").arg("--profile").arg(&file);
        command
    });
    // The last that it says of another version: the file is made anew.
    write(&file, sound.to_string().replace("\"version\":1", "\"version\":9"));
    let mut simulate = trainyard();
    simulate.arg("simulate").arg("--profile").arg(&file);
    assert_says(&run_fails(&mut simulate, 2), &["make the file anew"]);
    run_ok(plan(&place.file, &[]).arg("--save-profile").arg(&file).arg("--force"));
    run_ok(&mut simulate);
}

/// With a cache of its own: what is measured is not for other tests.
#[test]
fn costs_that_say_nothing_of_rows_are_measured_as_told() {
    let place = Place::new();
    let file = place.path("profile.json");
    run_ok(plan(&place.file, &[]).arg("--save-profile").arg(&file));
    let mut auto = trainyard();
    auto.arg("plan").arg("--profile").arg(&file).args(["--micro-batches", "auto"]);
    let stderr = run_fails(&mut auto, 2);
    let command = between(&stderr, "measure with two sizes (`", "`").replace("trainyard ", "");
    let mut measure = trainyard();
    measure.arg(command).arg(&place.file).arg("--force").arg("-o").arg(&file);
    run_ok(measure.env("TRAINYARD_CACHE", place.path("cache")));
    run_ok(&mut auto);
}

#[test]
fn a_plan_is_mended_as_told() {
    let place = Place::new();
    let (file, profile) = (place.path("plan.json"), place.path("profile.json"));
    run_ok(plan(&place.file, &[]).arg("--save-profile").arg(&profile).arg("-o").arg(&file));
    let sound: Value = serde_json::from_str(&read(&file)).unwrap_or_default();
    let one_rank = json!([["0F0", "1F0", "1B0", "0B0"]]);
    let cases = [
        ("/stages/1/layers/0", json!(3), "expected a run that starts at 2", json!(2)),
        ("/stages/0/device", json!("x"), "among the devices: left, right", json!("left")),
        ("/stages/1/device", json!("left"), "join their stages on one rank", json!("right")),
        ("/version", json!(9), "this program reads version 1", json!(1)),
    ];
    each(&sound, &cases, |text| {
        write(&file, text);
        let mut command = trainyard();
        command.arg("simulate").arg("--profile").arg(&profile).arg("--plan").arg(&file);
        command
    });
    // Both stages of a device on one rank.
    let mut joined = sound.clone();
    joined["stages"][1]["device"] = json!("left");
    joined["schedule"]["ranks"] = one_rank;
    joined["micro_batches"] = json!(1);
    write(&file, joined.to_string());
    run_ok(trainyard().arg("simulate").arg("--profile").arg(&profile).arg("--plan").arg(&file));
    // One rank whose stages lie on two devices.
    joined["stages"][1]["device"] = json!("right");
    write(&file, joined.to_string());
    let mut simulate = trainyard();
    simulate.arg("simulate").arg("--profile").arg(&profile).arg("--plan").arg(&file);
    assert_says(&run_fails(&mut simulate, 2), &["give each rank one device"]);
}

#[test]
fn a_plan_that_does_not_fit_is_given_up_as_told() {
    let place = Place::new();
    let file = place.path("plan.json");
    run_ok(plan(&place.file, &[]).arg("-o").arg(&file));
    let run = place.path("run");
    // More than right can hold by this plan, and enough where more lies on left.
    let mut train = train_command(&place.file, &run);
    train.args(["--set", "device.right.memory=2200 KiB", "--set", "pipeline.lock=[]"]);
    let stderr = run_fails(train.arg("--plan").arg(&file), 3);
    assert_says(&stderr, &["without pipeline.plan", "looks for one that fits"]);
    // With the memory that it lacks, it is run.
    let lacks = between(&stderr, "│   right", "\n").rsplit_once("  ").unwrap_or_default().1;
    let kib: f64 = lacks.strip_suffix(" KiB").and_then(|it| it.parse().ok()).unwrap_or(f64::NAN);
    let more = format!("device.right.memory={} KiB", 2200.0 + kib.ceil());
    run_ok(train_command(&place.file, &place.path("larger")).arg("--plan").arg(&file).args([
        "--set",
        &more,
        "--set",
        "pipeline.lock=[]",
    ]));
    let mut without = train_command(&place.file, &run);
    without.args(["--set", "device.right.memory=2200 KiB", "--set", "pipeline.lock=[]"]);
    run_ok(&mut without);
    assert_eq!(between(&read(&run.join("latest")), "step-", "\n"), "000004");
}
