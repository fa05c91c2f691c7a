//! `trainyard bench`: what it reports, whatever the machine's times are; and the scripts beside it.
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use trainyard_tests::{
    assert_says, read, require, root, run_fails, run_ok, temp_dir, trainyard, write,
};

/// The smallest blocks there are to bench.
const SMALL: [&str; 6] = ["--width", "8", "--inner", "16", "--rows", "2"];
/// No Python at all.
const NO_PYTHON: [&str; 2] = ["--python", "there-is-no-such-python"];

fn bench_pipeline(arguments: &[&str]) -> Value {
    let mut command = trainyard();
    command.args(["bench", "pipeline", "--json", "--rounds", "2"]).args(SMALL).args(arguments);
    serde_json::from_str(&run_ok(&mut command)).expect("the bench prints JSON")
}

/// Figures that have to be there, and numbers above 0.
fn assert_positive(figures: &Value, names: &[&str]) {
    for name in names {
        let number = figures[name].as_f64();
        assert!(number.is_some_and(|it| it.is_finite() && it > 0.0), "{name} of {figures:#}");
    }
}

#[test]
fn the_pipeline_is_held_against_all_that_the_page_promises() {
    let figures = bench_pipeline(&NO_PYTHON);
    assert_eq!(figures["format"], "trainyard-bench-pipeline");
    let times = ["plain_burn_ms", "one_device_ms", "all_devices_ms", "naive_ms", "rows_per_s"];
    assert_positive(&figures, &times);
    let ratios =
        ["overhead", "tracing", "splitting", "speed_up", "over_1f1b", "over_naive", "interference"];
    assert_positive(&figures, &ratios);
    // Two devices, eight micro-batches: 2·8 ÷ (8 + 1).
    assert_positive(&figures, &["bound"]);
    assert!((figures["closed_form"].as_f64().unwrap_or_default() - 16.0 / 9.0).abs() < 1e-9);
    // An activation there and a gradient back for each micro-batch: 2 rows of 8 numbers.
    let links = &figures["links"];
    assert_positive(links, &["free_ms"]);
    assert_positive(&links["transfers"], &["alone_ms"]);
    assert_eq!(
        (&links["transfers"]["count"], &links["transfers"]["bytes"]),
        (&16.into(), &64.into())
    );
    assert!(links["not_hidden"].is_f64());
    for name in ratios.iter().chain(&["not_hidden"]) {
        let bound = |at: usize| figures["intervals"][name][at].as_f64().expect("an interval");
        let ratio = figures[name].as_f64().or(links[name].as_f64()).expect("a ratio");
        assert!(bound(0) <= ratio && ratio <= bound(1), "{name} of {figures:#}");
    }
    let skipped = figures["torch"]["skipped"].as_str().expect("why PyTorch is left out");
    assert_says(skipped, &["cannot start there-is-no-such-python"]);
}

#[test]
fn one_device_has_no_links() {
    let figures = bench_pipeline(&[&["--devices", "cpu"], NO_PYTHON.as_slice()].concat());
    assert!(figures["links"].is_null() && figures["speed_up"].is_f64());
}

/// A program that stands for a Python with what a shell script does.
#[cfg(unix)]
fn python(dir: &Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;

    let path = dir.join("python");
    write(&path, format!("#!/bin/sh\n{script}\n"));
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("a file can be made executable");
    path.display().to_string()
}

#[cfg(unix)]
#[test]
fn pytorch_is_asked_in_every_round() {
    let dir = temp_dir();
    let log = dir.path().join("asked");
    let answers = format!(
        "echo \"$2\" >'{log}'\necho '{{\"torch\": \"9.9\"}}'\nwhile read -r name; do echo \"$name\" >>'{log}'\n\
         case $name in plain) ms=6 ;; pipeline) ms=4 ;; esac\necho \"{{\\\"ms\\\": $ms, \\\"loss\\\": 0.1}}\"; done",
        log = log.display(),
    );
    let figures = bench_pipeline(&["--python", &python(dir.path(), &answers)]);
    let torch = &figures["torch"];
    assert_eq!(torch["version"], "9.9");
    assert_eq!((&torch["plain_ms"], &torch["pipeline_ms"]), (&6.0.into(), &4.0.into()));
    assert_eq!((&torch["speed_up"], &torch["rows_per_s"]), (&1.5.into(), &4000.0.into()));
    assert_positive(torch, &["over_one_device", "over_all_devices"]);
    // The same model and step as ours, and both in each round, of which the first warms up.
    let asked = read(&log);
    let mut lines = asked.lines();
    let setup: Value = serde_json::from_str(lines.next().unwrap_or_default()).expect("a setup");
    let expected = [("ranks", 2), ("micro_batches", 8), ("rows", 2), ("width", 8), ("inner", 16)];
    for (key, number) in expected {
        assert_eq!(setup[key], number, "{key}");
    }
    assert_eq!(lines.collect::<Vec<_>>(), ["plain", "pipeline"].repeat(3));
}

#[cfg(unix)]
#[test]
fn a_pytorch_that_fails_is_left_out_and_said() {
    let dir = temp_dir();
    let cases = [
        ("echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1", "No module named"),
        ("echo '{\"error\": \"no room\"}'; cat >/dev/null", "no room"),
        (
            "echo '{\"torch\": \"9\"}'; read -r n; echo '{\"error\": \"gloo is gone\"}'",
            "gloo is gone",
        ),
        ("echo '{\"torch\": \"9\"}'; read -r n; echo 'Killed' >&2", "Killed"),
        ("echo 'Welcome!'; cat >/dev/null", "'Welcome!' cannot be read"),
    ];
    for (script, reason) in cases {
        let figures = bench_pipeline(&["--python", &python(dir.path(), script)]);
        let skipped = figures["torch"]["skipped"].as_str().expect("why PyTorch is left out");
        assert_says(skipped, &[reason]);
        assert_positive(&figures, &["all_devices_ms"]);
    }
    let mut command = trainyard();
    command.args(["bench", "pipeline", "--rounds", "1"]).args(SMALL).args(NO_PYTHON);
    let said = run_ok(&mut command);
    assert_says(&said, &["PyTorch: skipped, ", "with free links", "16 transfers of 64 B "]);
}

#[test]
fn sizes_are_above_zero() {
    let stderr = run_fails(trainyard().args(["bench", "pipeline", "--rows", "0"]), 2);
    assert_says(&stderr, &["--rows", "0 is not in"]);
    let stderr = run_fails(trainyard().args(["bench", "predictions", "--plans", "41"]), 2);
    assert_says(&stderr, &["--plans", "41 is not in 1..=40"]);
}

#[test]
fn generation_is_held_against_one_device() {
    let mut command = trainyard();
    command.args(["bench", "generate", "--json", "--rounds", "1", "--tokens", "8"]);
    command.arg(root().join("crates/trainyard-models/tests/fixtures/hf/llama"));
    let figures: Value = serde_json::from_str(&run_ok(&mut command)).expect("JSON");
    assert_eq!(figures["format"], "trainyard-bench-generate");
    let arrangements = figures["arrangements"].as_array().expect("arrangements");
    let of = |figures: &Value| [&figures["devices"], &figures["texts"]].map(Value::as_u64);
    assert!(arrangements.iter().map(of).eq([[1_u64, 1], [2, 1], [2, 2]].map(|it| it.map(Some))));
    for figures in arrangements {
        assert_positive(figures, &["tokens_per_s", "ratio"]);
    }
}

#[test]
fn a_plan_is_predicted_before_it_runs() {
    let mut command = trainyard();
    command.args(["bench", "predictions", "--json", "--plans", "1", "--steps", "2"]);
    let figures: Value = serde_json::from_str(&run_ok(&mut command)).expect("JSON");
    assert_eq!(figures["format"], "trainyard-bench-predictions");
    assert_eq!((&figures["step_goal"], &figures["peak_goal"]), (&0.05.into(), &0.03.into()));
    for share in ["steps_within", "peaks_within", "median_step_error"] {
        assert!(figures[share].as_f64().is_some_and(|it| it >= 0.0), "{share} of {figures:#}");
    }
    let plans = figures["plans"].as_array().expect("plans");
    assert_eq!(plans.len(), 1);
    let plan = &plans[0];
    assert_positive(plan, &["predicted_us", "measured_us", "share", "steps", "micro_batches"]);
    for word in ["model", "schedule", "split"] {
        assert!(plan[word].is_string(), "{word} of {plan:#}");
    }
    // Bytes depend on no time: a peak that is below what is held is wrong on every machine.
    let peaks = plan["peaks"].as_array().expect("peaks");
    assert_eq!(peaks.len(), 2);
    for peak in peaks {
        assert!(peak["error"].as_f64().is_some_and(|it| it >= 0.0), "{peak:#}");
    }
}

#[test]
fn the_script_for_pytorch_compiles() {
    let script = root().join("crates/trainyard/src/commands/bench/pipeline/torch_pipeline.py");
    let dir = temp_dir();
    let mut python = Command::new("python3");
    python.args(["-m", "py_compile"]).arg(&script).env("PYTHONPYCACHEPREFIX", dir.path());
    match python.output() {
        Err(error) => require::skip(format!("python3 cannot be started: {error}")),
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}

#[cfg(unix)]
#[test]
fn every_shell_script_can_be_read_by_bash() {
    let scripts = std::fs::read_dir(root().join("scripts")).expect("the folder of scripts");
    let mut checked = 0;
    for entry in scripts {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "sh") {
            run_ok(Command::new("bash").arg("-n").arg(&path));
            checked += 1;
        }
    }
    assert!(checked > 5, "{checked} scripts");
}

/// The script that is run on a machine with a graphics card.
#[cfg(unix)]
fn gpu_bench() -> Command {
    let mut command = Command::new("bash");
    command.arg(root().join("scripts/gpu-bench.sh"));
    command
}

#[cfg(unix)]
#[test]
fn the_bench_of_graphics_cards_says_how_it_is_used() {
    let help = run_ok(gpu_bench().arg("--help"));
    let options =
        ["--build DIR", "--bin DIR", "--adapter", "--out", "--seconds", "--sections", "--quick"];
    assert_says(&help, &options);
    assert!(!help.contains("set -e"), "{help}");
    assert_says(&run_fails(gpu_bench().arg("--qiuck"), 2), &["--qiuck", "--help"]);
    assert_says(&run_fails(gpu_bench().arg("--bin"), 2), &["--bin needs a value"]);
    let empty = temp_dir();
    let stderr = run_fails(gpu_bench().arg("--bin").arg(empty.path()), 2);
    assert_says(&stderr, &["no trainyard-wgsl or trainyard-native"]);
}

/// On CPU devices, which every machine has.
#[cfg(unix)]
#[test]
fn the_bench_of_graphics_cards_leaves_one_file() {
    let dir = temp_dir();
    let link = |shaders: &str| -> PathBuf { dir.path().join(format!("trainyard-{shaders}")) };
    std::os::unix::fs::symlink(trainyard().get_program(), link("wgsl")).expect("a link");
    let results = dir.path().join("results.md");
    let mut command = gpu_bench();
    command.arg("--bin").arg(dir.path()).arg("--out").arg(&results);
    run_ok(command.args(["--quick", "--adapter", "cpu", "--sections", "two budgets"]));
    let text = read(&results);
    let sections = [
        "## the devices, wgsl",
        "## two logical devices, wgsl",
        "\"format\": \"trainyard-bench-pipeline\"",
        "## a training on two logical devices of 256 MiB, wgsl",
        "## that training, predicted and measured, wgsl",
        "4 sections ran, 0 did not",
    ];
    assert_says(&text, &sections);
    assert!(!text.contains("## links") && !text.contains("native"), "{text}");
    // What a section that fails said is there, and the others are too.
    std::os::unix::fs::symlink("/bin/false", link("native")).expect("a link");
    let mut command = gpu_bench();
    command.arg("--bin").arg(dir.path()).arg("--out").arg(&results);
    run_fails(command.args(["--quick", "--adapter", "cpu", "--sections", "two"]), 1);
    let ended = ["## two logical devices, native", "exit code 1", "2 sections ran, 1 did not"];
    assert_says(&read(&results), &ended);
}
