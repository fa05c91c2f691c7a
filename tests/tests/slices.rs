//! Sequence slices, as a person asks for them: in a run file, on the command line, and in a schedule's file.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::path::Path;

use serde_json::Value;
use trainyard_tests::{
    Place, assert_says, losses, read, run_fails, run_ok, set, train, train_command, trainyard,
    write,
};

/// Fails where losses differ by more than sums in another order.
fn assert_alike(found: &Path, expected: &Path) {
    let [found, expected] = [found, expected].map(losses);
    assert_eq!(found.len(), expected.len());
    for (step, loss) in &expected {
        let number = |text: &String| text.parse::<f64>().unwrap_or(f64::NAN);
        let (one, other) = (number(loss), number(&found[step]));
        assert!((one - other).abs() <= 1e-5 * one, "step {step}: {other} instead of {one}");
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_training_in_slices_has_the_losses_of_whole_rows() {
    let place = Place::new();
    let whole = train(&place.file, "whole", &[]);
    for (name, slices, schedule) in [("two", 2, "1f1b"), ("three", 3, "zb-h1"), ("four", 4, "auto")]
    {
        let sets = [format!("pipeline.slices={slices}"), format!("pipeline.schedule={schedule}")];
        let run = train(&place.file, name, &sets.each_ref().map(String::as_str));
        assert_alike(&run, &whole);
        let plan = json(&read(&run.join("plan.json")));
        assert_eq!(plan["schedule"]["slices"], slices);
        assert_eq!(plan["micro_batches"], 4 * slices);
        assert_says(&plan["notes"].to_string(), &["slices, each of which counts as a micro-batch"]);
        // What is left behind can be used as that of any run.
        let said = run_ok(trainyard().arg("evaluate").arg(&run));
        assert_says(&said, &["loss", "tokens"]);
        run_ok(trainyard().arg("compare").arg(&run));
        run_ok(trainyard().args(["generate", "--tokens", "5"]).arg(&run));
    }
    // A run goes on in slices, also where it began without.
    let mut more = train_command(&place.file, &whole);
    run_ok(set(more.arg("--resume"), &["train.steps=6", "pipeline.slices=2"]));
    assert_eq!(losses(&whole).len(), 6);
    // Each row counts once.
    let tokens = |run: &Path| {
        json(&run_ok(trainyard().args(["evaluate", "--json"]).arg(run)))["tokens"].clone()
    };
    assert_eq!(tokens(&whole), tokens(&place.path("four")));
}

#[test]
fn a_plan_in_slices_is_found_simulated_and_run() {
    let place = Place::new();
    let (profile, path) = (place.path("profile.json"), place.path("plan.json"));
    let plan = |slices: &str| {
        let mut command = trainyard();
        command.arg("plan").arg(&place.file).args(["--slices", slices]);
        command
    };
    let said = run_ok(&mut plan("4"));
    assert_says(&said, &["16 micro-batches in 4 times 4 slices"]);
    let mut command = plan("4");
    command.args(["--json", "-o"]).arg(&path).arg("--save-profile").arg(&profile);
    let planned = json(&run_ok(&mut command));
    let mut simulate = trainyard();
    simulate.arg("simulate").arg("--profile").arg(&profile).arg("--plan").arg(&path).arg("--json");
    let simulated = json(&run_ok(&mut simulate));
    assert_eq!(simulated["step_us"], planned["predicted"]["step_us"]);
    // Without a plan: equal shares of the layers.
    let even = |more: &[&str]| {
        let mut command = trainyard();
        command.arg("simulate").arg("--profile").arg(&profile).args(["--slices", "4"]).args(more);
        command
    };
    assert_says(
        &run_ok(even(&["--csv"]).arg("--schedule").arg("gpipe")),
        &["0F15", "0B3,0B2,0B1,0B0"],
    );
    assert_says(
        &run_fails(&mut even(&["--schedule", "auto"]), 2),
        &["no schedule is searched for slices"],
    );
    let run = place.path("run");
    let mut command = train_command(&place.file, &run);
    run_ok(command.arg("--plan").arg(&path));
    assert_alike(&run, &train(&place.file, "whole", &[]));
    // What is best may be to cut nothing; it is said either way.
    let best = json(&run_ok(plan("auto").arg("--json")));
    let slices = best["schedule"]["slices"].as_u64().unwrap_or(1);
    assert!([1, 2, 4, 8, 16].contains(&slices), "{slices}");
}

#[test]
fn a_schedule_of_ones_own_may_be_of_slices() {
    let place = Place::new();
    let csv = place.path("own.csv");
    write(&csv, "0F0,0F1,0B1,0F2,0B0,0F3,0B3,0B2\n1F0,1F1,1B1,1F2,1B0,1F3,1B3,1B2\n");
    let file = format!("pipeline.schedule_file=\"{}\"", csv.display());
    let sets = [&file, "pipeline.schedule=auto", "pipeline.slices=2", "train.micro_batches=2"]
        .map(str::to_owned);
    let sets: Vec<&str> = sets.iter().map(String::as_str).collect();
    let run = train(&place.file, "own", &sets);
    assert_alike(&run, &train(&place.file, "whole", &["train.micro_batches=2"]));
    // The same rows as whole micro-batches are in no order that slices may have.
    write(&csv, "0F0,0F1,0B0,0F2,0B1,0F3,0B2,0B3\n1F0,1F1,1B0,1F2,1B1,1F3,1B2,1B3\n");
    let mut refused = train_command(&place.file, &place.path("no"));
    assert_says(
        &run_fails(set(&mut refused, &sets), 2),
        &["0B0", "slice 0 of 2", "last to the first"],
    );
}

#[test]
fn what_cannot_be_cut_is_refused_with_the_remedy() {
    let place = Place::new();
    let fails = |sets: &[&str]| {
        let mut command = train_command(&place.file, &place.path("no"));
        run_fails(set(&mut command, sets), 2)
    };
    assert_says(&fails(&["pipeline.slices=0"]), &["pipeline.slices", "from 1 to"]);
    assert_says(&fails(&["pipeline.slices=many"]), &["pipeline.slices", "auto"]);
    assert_says(&fails(&["pipeline.slices=17"]), &["slices", "17", "from 1 to 16"]);
    let csv = place.path("own.csv");
    write(&csv, "0F0,0B0\n1F0,1B0\n");
    let file = format!("pipeline.schedule_file=\"{}\"", csv.display());
    let sets = [file.as_str(), "pipeline.schedule=auto", "pipeline.slices=auto"];
    assert_says(&fails(&sets), &["pipeline.slices", "a number beside pipeline.schedule_file"]);
    write(
        &place.path("mlp.toml"),
        "[model]\nkind = \"mlp\"\ninputs = 2\noutputs = 2\n[data]\nbuiltin = \"spiral\"\n[pipeline]\nslices = 2\n",
    );
    let mut mlp = trainyard();
    let said = run_fails(mlp.arg("plan").arg(place.path("mlp.toml")), 2);
    assert_says(&said, &["cannot be cut into 2 slices", "linear0", "leave slices at 1"]);
}
