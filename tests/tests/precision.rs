//! Run files that ask for products in sixteen bits: what devices take of it, what is said, and how a training
//! goes on.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use serde_json::Value;
use trainyard_tests::{
    Place, assert_says, journal_of, losses, read, run_fails, run_ok, set, train, train_command,
    trainyard,
};

const RIGHT_IN_F16: &str = "device.right.precision=f16";

/// What a command says on stderr, which must go well.
fn says(command: &mut std::process::Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{error}"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn json(path: &std::path::Path) -> Value {
    serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn cpu_devices_take_f32_and_say_so_once() {
    let place = Place::new();
    let run = place.path("run");
    let text = says(set(&mut train_command(&place.file, &run), &["train.precision=f16"]));
    assert_eq!(
        text.matches("'left' computes in f32: a CPU is no faster in f16").count(),
        1,
        "{text}"
    );
    let text = says(set(trainyard().arg("plan").arg(&place.file), &["train.precision=bf16"]));
    assert_eq!(text.matches("'right' computes in f32").count(), 1, "{text}");
    // Nothing is another than without the key.
    assert_eq!(losses(&run), losses(&train(&place.file, "plain", &[])));
    let header = &journal_of(&run, "header")[0];
    assert_eq!(header["devices"][0].get("precision"), None);
}

#[test]
fn one_device_alone_computes_in_f16_and_all_files_say_so() {
    let place = Place::new();
    let exact = losses(&train(&place.file, "exact", &[]));
    let run = train(&place.file, "run", &[RIGHT_IN_F16]);
    let found = losses(&run);
    assert_ne!(found, exact);
    for (step, loss) in &found {
        let number = |text: &str| text.parse::<f64>().unwrap_or(f64::NAN);
        let (loss, exact) = (number(loss), number(&exact[step]));
        assert!((loss - exact).abs() < 4e-3 * exact, "step {step}: {loss}, not {exact}");
    }
    let devices = journal_of(&run, "header")[0]["devices"].clone();
    assert_eq!((devices[0].get("precision"), &devices[1]["precision"]), (None, &"f16".into()));
    let profile = json(&run.join("profile.json"));
    assert_eq!(profile["devices"][1]["precision"], "f16");
    // It keeps less of a block between forward and backward.
    let saved = |device: usize| profile["devices"][device]["saved_bytes"][1].as_u64();
    let of_all = profile["model"]["layers"][1]["saved_bytes"].as_u64();
    assert!(saved(1).or(of_all) < of_all, "{profile}");
    assert!(read(&run.join("trace.json")).contains(", f16"));
    assert!(read(&run.join("run.toml")).contains("precision = \"f16\""));
    let plan = run_ok(set(trainyard().arg("plan").arg(&place.file), &[RIGHT_IN_F16]));
    assert_says(&plan, &["f16"]);
    let compared = run_ok(trainyard().arg("compare").arg(&run));
    assert!(!compared.is_empty());
}

#[test]
fn a_scale_that_is_too_large_is_halved_and_the_journal_says_so() {
    let place = Place::new();
    let sets =
        [RIGHT_IN_F16, "train.loss_scale=1073741824", "train.steps=16", "train.decay_steps=20"];
    let run = place.path("run");
    let text = says(set(&mut train_command(&place.file, &run), &sets));
    assert_says(
        &text,
        &["step 1  a gradient is too large for f16", "the loss scale is now 536870912"],
    );
    let scales = journal_of(&run, "loss_scale");
    assert_eq!((&scales[0]["step"], &scales[0]["scale"]), (&1.into(), &536_870_912.0.into()));
    assert!(scales.iter().all(|record| record["skipped"] == true));
    let steps = journal_of(&run, "step");
    let is_skipped = |step: &Value| step["grad_norm"].is_null();
    let skipped = steps.iter().filter(|step| is_skipped(step)).count();
    assert_eq!(skipped, scales.len());
    assert!(skipped < steps.len(), "no step was made");

    // Stopped in between and gone on with, it is the same.
    let until = ["train.steps=3"];
    let parts = place.path("parts");
    run_ok(set(&mut train_command(&place.file, &parts), &[&sets[..], &until].concat()));
    run_ok(set(trainyard().arg("resume").arg(&parts), &["train.steps=16"]));
    assert_eq!(losses(&parts), losses(&run));
    let of_parts = journal_of(&parts, "loss_scale");
    let scale =
        |records: &[Value]| records.iter().map(|it| it["scale"].clone()).collect::<Vec<_>>();
    assert_eq!(scale(&of_parts), scale(&scales));
}

#[test]
fn other_words_and_scales_are_refused_with_what_there_is() {
    let place = Place::new();
    for (key, says) in [
        ("train.precision=f8", "\"f32\" or \"f16\" or \"bf16\""),
        ("device.left.precision=half", "\"f16\""),
        ("train.loss_scale=1000", "a power of two"),
    ] {
        let text = run_fails(set(trainyard().arg("plan").arg(&place.file), &[key]), 2);
        assert_says(&text, &[says]);
    }
}
