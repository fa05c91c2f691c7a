//! The example of a model of one's own: what README shows is what is built, and its program has
//! every command.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails at once and says why"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use trainyard_tests::{own_model, root, run_fails, run_ok, temp_dir, trainyard};

#[test]
fn readme_shows_the_program_that_is_built() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let source = fs::read_to_string(root().join("examples/own-model/src/main.rs")).unwrap();
    let shown = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(source.ends_with(shown), "README shows another program than examples/own-model");
    assert!(source.lines().count() <= 80, "{} lines", source.lines().count());
    let manifest = fs::read_to_string(root().join("examples/own-model/Cargo.toml")).unwrap();
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    let dependencies = dependencies.split("\n[").next().unwrap();
    let names: Vec<&str> = dependencies
        .lines()
        .filter_map(|line| line.split('.').next())
        .filter(|l| !l.is_empty())
        .collect();
    assert_eq!(names, ["burn", "trainyard"]);
}

fn in_run(folder: &Path, command: &str, steps: u64) -> Command {
    let mut program = own_model();
    program.arg(command).arg(root().join("examples/own-model/run.toml"));
    program.arg("--set").arg(format!("run.dir={}", folder.display()));
    program.arg("--set").arg(format!("train.steps={steps}"));
    program
}

#[test]
fn every_command_runs_a_model_of_ones_own() {
    let folder = temp_dir();
    let run = folder.path().join("run");
    assert!(run_ok(own_model().arg("devices").arg("--no-probe")).contains("cpu"));
    assert!(run_ok(own_model().args(["keys", "model"])).contains("Residual blocks"));
    run_ok(&mut in_run(&run, "measure", 8));
    assert!(run_ok(&mut in_run(&run, "plan", 8)).contains("head"));
    run_ok(&mut in_run(&run, "train", 8));
    let json = run_ok(own_model().args(["evaluate", "--json"]).arg(&run));
    let evaluated: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(evaluated["loss"].is_f64() && evaluated["accuracy"].is_f64(), "{json}");
    assert_eq!(evaluated["rows"], 15);
    run_ok(own_model().arg("resume").arg(&run).args(["--set", "train.steps=12"]));
    assert!(run_ok(own_model().arg("compare").arg(&run)).contains("step"));
    run_ok(own_model().arg("trace").arg(&run).arg("-o").arg(folder.path().join("trace.json")));
    run_fails(own_model().arg("generate").arg(&run), 2);
}

/// Of the last records of every device, the peak as predicted ÷ as measured.
fn predicted_to_measured(run: &Path) -> Vec<f64> {
    let mut last = std::collections::BTreeMap::new();
    for line in fs::read_to_string(run.join("journal.jsonl")).unwrap().lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        if record["type"] == "memory" {
            let bytes = |name: &str| record[name].as_f64().unwrap();
            let device = record["device"].as_u64().unwrap();
            last.insert(device, bytes("predicted_bytes") / bytes("peak_bytes"));
        }
    }
    last.into_values().collect()
}

/// On one device with one thread: between two, a message that may wait need not, and of several threads
/// each has working memory of its own, when it comes to work.
#[test]
fn the_predicted_memory_of_a_model_of_ones_own_is_near_what_is_counted() {
    let folder = temp_dir();
    let run_file = folder.path().join("run.toml");
    let text = "[model]\nkind = \"shapes\"\n[train]\nsteps = 4\nbatch = 120\n[[device]]\nid = \"one\"\n\
                adapter = \"cpu\"\nthreads = 1\n";
    fs::write(&run_file, text).unwrap();
    for recompute in ["none", "full"] {
        let run = folder.path().join(recompute);
        let of_run = |command| {
            let mut program = own_model();
            program.arg(command).arg(&run_file);
            program.arg("--set").arg(format!("run.dir={}", run.display()));
            program.arg("--set").arg(format!("pipeline.recompute={recompute}"));
            program.args(["--set", "pipeline.schedule=1f1b"]);
            program
        };
        run_ok(&mut of_run("measure"));
        run_ok(&mut of_run("train"));
        let found = predicted_to_measured(&run);
        // Many of its blocks are smaller than what is counted.
        assert!(found.iter().all(|ratio| (1.0..=1.1).contains(ratio)), "{recompute}: {found:?}");
        assert_eq!(found.len(), 1);
    }
}

#[test]
fn trainyard_itself_does_not_know_the_model_and_starts_no_other_program() {
    let error =
        run_fails(trainyard().arg("plan").arg(root().join("examples/own-model/run.toml")), 2);
    assert!(error.contains("shapes"), "{error}");
}
