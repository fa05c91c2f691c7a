//! `trainyard plan --profile` and `trainyard measure`, `train`, `compare`: from measured costs to a
//! run beside its prediction.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use trainyard_tests::{
    NO_LOCK, assert_says, losses, read, root, run_fails, run_ok, set, temp_dir, train,
    train_command, trainyard, write, write_run_file,
};

fn example() -> PathBuf {
    root().join("assets/example-profile.json")
}

fn plan(profile: &Path) -> Command {
    let mut command = trainyard();
    command.arg("plan").arg("--profile").arg(profile);
    command
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn devices_of(plan: &Value) -> Vec<&str> {
    let stages = plan["stages"].as_array().into_iter().flatten();
    stages.filter_map(|stage| stage["device"].as_str()).collect()
}

#[test]
fn a_profile_is_planned_and_the_plan_simulates_as_predicted() {
    let dir = temp_dir();
    let path = dir.path().join("plan.json");
    let best = parsed(&run_ok(plan(&example()).arg("--json").arg("-o").arg(&path)));
    assert_eq!((&best["format"], &best["version"]), (&json!("trainyard-plan"), &json!(1)));
    assert_eq!(best, parsed(&read(&path)));
    let mut simulate = trainyard();
    simulate.arg("simulate").arg("--profile").arg(example());
    let simulated = parsed(&run_ok(simulate.arg("--plan").arg(&path).arg("--json")));
    assert_eq!(simulated["step_us"], best["predicted"]["step_us"]);
    for device in simulated["devices"].as_array().into_iter().flatten() {
        let peak = device["peak_bytes"].as_object().into_iter().flatten();
        let peak: u64 = peak.filter_map(|(_, bytes)| bytes.as_u64()).sum();
        assert!(device["budget_bytes"].as_u64().is_some_and(|budget| peak <= budget), "{device}");
    }
    // Every named schedule is at most as good.
    for schedule in ["gpipe", "1f1b", "zb-h1", "interleaved", "zb-v"] {
        let named = run_ok(plan(&example()).args(["--json", "--schedule", schedule]));
        let named = parsed(&named)["predicted"]["step_us"].as_f64().unwrap_or(0.0);
        let auto = best["predicted"]["step_us"].as_f64().unwrap_or(f64::MAX);
        assert!(auto <= named * (1.0 + 1e-9), "{schedule}: {named}, auto {auto}");
    }
}

#[test]
fn no_device_is_given_a_layer_with_a_tensor_that_it_cannot_have() {
    let dir = temp_dir();
    let path = dir.path().join("profile.json");
    // What goes from block to block is 4 MiB.
    let limited = |ids: &[&str]| {
        let mut profile = parsed(&read(&example()));
        for device in profile["devices"].as_array_mut().into_iter().flatten() {
            if device["id"].as_str().is_some_and(|id| ids.contains(&id)) {
                device["max_tensor_bytes"] = json!(4_000_000);
            }
        }
        write(&path, profile.to_string());
    };
    let free = run_ok(plan(&example()).arg("--json").arg("-o").arg(dir.path().join("free.json")));
    assert!(devices_of(&parsed(&free)).contains(&"dgpu"));
    limited(&["dgpu"]);
    let planned = parsed(&run_ok(plan(&path).arg("--json")));
    assert!(!devices_of(&planned).contains(&"dgpu"), "{planned}");
    let too_large = [
        "does not fit on 'dgpu': its largest tensor for a micro-batch takes 4.00 MiB",
        "no tensor there can be larger than 3.81 MiB; take smaller micro-batches, or put it on ",
        "'igpu' or 'cpu', which can have it",
    ];
    let mut simulate = trainyard();
    simulate.arg("simulate").arg("--profile").arg(&path);
    let simulated = run_ok(simulate.arg("--plan").arg(dir.path().join("free.json")));
    assert_says(&simulated, &["it does not fit: "]);
    assert_says(&simulated, &too_large);
    limited(&["dgpu", "igpu", "cpu"]);
    let refused = run_fails(&mut plan(&path), 3);
    assert_says(&refused, &["layer 'embed' does not fit on 'dgpu'", "such as the CPU"]);
}

#[test]
fn wishes_are_kept() {
    let locked = parsed(&run_ok(plan(&example()).args(["--json", "--lock", "block3=igpu"])));
    let holds = |stage: &Value| {
        let end = |index: usize| stage["layers"][index].as_u64().unwrap_or(0);
        (end(0)..end(1)).contains(&4)
    };
    let stages = locked["stages"].as_array().cloned().unwrap_or_default();
    let holder = stages.iter().find(|stage| holds(stage));
    assert_eq!(holder.map(|stage| &stage["device"]), Some(&json!("igpu")), "{locked}");
    let without = parsed(&run_ok(plan(&example()).args(["--json", "--exclude", "igpu"])));
    assert!(!devices_of(&without).contains(&"igpu"), "{without}");
    let top = parsed(&run_ok(plan(&example()).args(["--json", "--top", "3"])));
    let plans = top["plans"].as_array().cloned().unwrap_or_default();
    assert_eq!(plans.len(), 3, "{top}");
    let step = |plan: &Value| plan["predicted"]["step_us"].as_f64().unwrap_or(0.0);
    assert!(step(&plans[0]) <= step(&plans[1]) && step(&plans[1]) <= step(&plans[2]));
    assert!(plans[0] != plans[1] && plans[1] != plans[2]);
    for (wish, words) in [
        (["--lock", "block3=nobody"], ["nobody", "dgpu"]),
        (["--lock", "nothing=igpu"], ["nothing", "embed"]),
        (["--lock", "0-99=igpu"], ["0-99", "embed"]),
        (["--exclude", "nobody"], ["nobody", "dgpu"]),
        (["--micro-batches", "none"], ["none", "auto"]),
    ] {
        assert_says(&run_fails(plan(&example()).args(wish), 2), &words);
    }
    let mut neither = trainyard();
    run_fails(neither.arg("plan"), 2);
}

#[test]
fn a_person_is_told_why() {
    let text = run_ok(&mut plan(&example()));
    assert_says(
        &text,
        &["stage", "device", "layers", "weights", "budget", "bubble", "bound", "dgpu"],
    );
}

#[test]
fn nothing_fits_and_what_would() {
    let dir = temp_dir();
    let mut small = parsed(&read(&example()));
    for device in 0..3 {
        small["devices"][device]["memory_bytes"] = json!(900_u64 << 20);
        small["devices"][device]["reserve_bytes"] = json!(0);
    }
    let path = dir.path().join("small.json");
    write(&path, small.to_string());
    let stderr = run_fails(&mut plan(&path), 3);
    assert_says(&stderr, &["it does not fit", "dgpu", "more"]);
}

#[test]
fn from_measured_costs_to_a_run_beside_its_prediction() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let cache = dir.path().join("cache");
    let with_cache = |command: &mut Command| run_ok(command.env("TRAINYARD_CACHE", &cache));
    let profile = dir.path().join("profile.json");
    let estimated = parsed(&with_cache(trainyard().arg("plan").arg(&file).arg("--json")));
    assert_eq!(estimated["predicted"]["estimated"], true, "{estimated}");
    let table = with_cache(trainyard().arg("measure").arg(&file).arg("-o").arg(&profile));
    assert_says(&table, &["left", "right", "embed", "head", "link left → right", "written to"]);
    let first = parsed(&read(&profile));
    assert_eq!(first["format"], "trainyard-profile");
    // Measured once, then known; the machine may have been busy, and is said not to have been.
    change_kept_profile(&cache, |kept| kept["noise"] = Value::Null);
    let known = with_cache(trainyard().arg("measure").arg(&file));
    assert!(known.starts_with("measured before"), "{known}");
    let measured = parsed(&with_cache(trainyard().arg("plan").arg(&file).arg("--json")));
    assert!(measured["predicted"]["estimated"].is_null(), "{measured}");

    let run = dir.path().join("run");
    let mut command = trainyard();
    command.arg("train").arg(&file).arg("--set").arg(format!("run.dir={}", run.display()));
    with_cache(&mut command);
    for name in ["profile.json", "plan.json", "predicted-trace.json", "trace.json"] {
        assert!(run.join(name).is_file(), "{name} is not there");
    }
    let text = run_ok(trainyard().arg("compare").arg(&run));
    assert_says(
        &text,
        &["predicted", "measured", "error", "step", "bubble", "left", "busy", "wait"],
    );
    assert_says(&text, &["peak memory", "activations", "largest deviations"]);
    let comparison = parsed(&run_ok(trainyard().arg("compare").arg(&run).arg("--json")));
    assert_eq!(comparison["deviations"].as_array().map(Vec::len), Some(5), "{comparison}");
    for key in ["predicted", "measured"] {
        assert!(comparison["step_us"][key].as_f64().is_some_and(|us| us > 0.0), "{comparison}");
    }
    both_predictions_are_shown(&run);
    let nothing = run_fails(trainyard().arg("compare").arg(dir.path()), 2);
    assert_says(&nothing, &["not a run directory"]);
}

/// What a run on a busy machine says: the test's own is too short to correct its prediction.
fn both_predictions_are_shown(run: &Path) {
    let (journal, profile) = (run.join("journal.jsonl"), run.join("profile.json"));
    let corrected =
        json!({"type": "corrected", "at_ns": 1, "step": 3, "step_us": 1234.5, "factor": 0.5});
    write(&journal, format!("{}{corrected}\n", read(&journal)));
    let mut costs = parsed(&read(&profile));
    costs["noise"] = json!({"share": 0.6, "disturbed": 0.9, "uncertainty": 0.4});
    write(&profile, costs.to_string());
    let text = run_ok(trainyard().arg("compare").arg(run));
    assert_says(&text, &["step, as planned", "step, as corrected", "1.23 ms", "busy: ±40 %"]);
    assert_says(&run_ok(&mut plan(&profile)), &["busy: ±40 %"]);
}

/// Changes the one profile in a cache.
fn change_kept_profile(cache: &Path, change: impl Fn(&mut Value)) {
    let files = std::fs::read_dir(cache).into_iter().flatten().flatten().map(|file| file.path());
    let is_profile = |file: &PathBuf| file.to_string_lossy().contains("profile-");
    let file = files.into_iter().find(is_profile).unwrap_or_else(|| panic!("no profile is kept"));
    let mut kept = parsed(&read(&file));
    change(&mut kept);
    write(&file, kept.to_string());
}

#[test]
fn costs_of_a_busy_machine_are_measured_anew_on_a_quieter_one() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let cache = dir.path().join("cache");
    let measure = || {
        let mut command = trainyard();
        command.arg("measure").arg(&file).arg("--json").env("TRAINYARD_CACHE", &cache);
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{output:?}");
        let [stdout, stderr] = [output.stdout, output.stderr].map(String::from_utf8);
        (parsed(&stdout.unwrap_or_default()), stderr.unwrap_or_default())
    };
    measure();
    // A time that no machine of today takes tells the profile that is kept from another.
    let kept_with = |share: f64| {
        change_kept_profile(&cache, |kept| {
            kept["noise"] = json!({"share": share, "disturbed": 1.0, "uncertainty": 1.0 - share});
            kept["devices"][0]["forward_us"][0] = json!(7.5e9);
        });
    };
    let time = |profile: &Value| profile["devices"][0]["forward_us"][0].as_f64();
    // No thread can get much more of a core than this.
    kept_with(0.95);
    let (kept, said) = measure();
    assert_eq!((time(&kept), said.as_str()), (Some(7.5e9), ""));
    // None gets as little.
    kept_with(0.001);
    let (anew, said) = measure();
    assert_says(&said, &["busy machine", "quieter now", "measuring anew"]);
    assert!(time(&anew).is_some_and(|us| us < 1e9), "{anew}");
    // And the new one is kept.
    change_kept_profile(&cache, |kept| kept["noise"] = Value::Null);
    assert_eq!(time(&measure().0), time(&anew));
}

#[test]
fn a_training_takes_wishes_and_a_schedule_of_ones_own() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let expected = losses(&train(&file, "plain", &[]));
    // Two stages on the left device and one on the right, with cells of several actions.
    let csv = dir.path().join("mine.csv");
    write(
        &csv,
        "step;0;1;2\nRank 0;0F0;0F1;(2F0;2B0)OVERLAP_F_B;(2F1;2B1)OVERLAP_F_B;0B0;0B1;0F2;0F3;2F2;\
         2B2;2F3;2B3;0B2;0B3;0UNSHARD\nRank 1;1F0;1F1;1B0;1B1;1F2;1F3;1B2;1B3\n",
    );
    let run = dir.path().join("mine");
    let mut command = train_command(&file, &run);
    set(command.arg("--schedule").arg(&csv), &[NO_LOCK]);
    let said = said_by(&mut command);
    assert_says(&said, &["note: ", "2 cells (the first in line 2, cell 4", "UNSHARD", "mine: "]);
    assert_eq!(losses(&run), expected);
    assert!(read(&run.join("plan.json")).contains("\"name\": \"mine\""));
    // It goes on without the file.
    std::fs::remove_file(&csv).unwrap_or_else(|error| panic!("{error}"));
    run_ok(set(trainyard().arg("resume").arg(&run), &["train.steps=5"]));

    let run = dir.path().join("alone");
    let mut command = train_command(&file, &run);
    set(command.args(["--exclude", "right", "--lock", "0-2=left"]), &[NO_LOCK]);
    assert_says(&said_by(&mut command), &["left idle: right"]);
    assert_eq!(losses(&run), expected);
    for (wish, words) in [
        (["--lock", "nothing=left"], ["--lock is 'nothing'", "embed"]),
        (["--exclude", "nobody"], ["--exclude is 'nobody'", "left, right"]),
    ] {
        let mut command = train_command(&file, &dir.path().join("refused"));
        assert_says(&run_fails(command.args(wish), 2), &words);
    }
    let run = train(&file, "split", &["pipeline.split=[1, 3]"]);
    assert_eq!(losses(&run), expected);
    let split = parsed(&read(&run.join("plan.json")));
    assert_eq!(split["stages"][1]["layers"], json!([1, 4]), "{split}");
    let mut command = train_command(&file, &dir.path().join("refused"));
    let stderr = run_fails(set(&mut command, &["pipeline.split=[1, 2]"]), 2);
    assert_says(&stderr, &["pipeline.split", "add up to 4", "these add up to 3"]);
}

/// What a command that succeeds says on stderr.
fn said_by(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn every_schedule_trains_to_the_same_losses() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let expected = losses(&train(&file, "plain", &[]));
    for schedule in ["gpipe", "interleaved", "zb-h1", "zb-h2", "zb-v", "auto"] {
        let wish = format!("pipeline.schedule={schedule}");
        // Under zb-v the first and the last layer lie on one device.
        let both = r#"pipeline.lock=["embed=left","block0=right"]"#;
        let run = train(&file, schedule, &[&wish, both]);
        assert_eq!(losses(&run), expected, "{schedule}");
        let plan: Value = serde_json::from_str(&read(&run.join("plan.json"))).unwrap_or_default();
        let split = plan["schedule"].to_string().contains('W');
        let must = schedule.starts_with("zb-");
        assert!(split == must || schedule == "auto", "{schedule}");
        // What was done when has both halves.
        let trace = read(&run.join("trace.json"));
        assert_eq!(trace.contains("weight_grad"), split, "{schedule}");
    }
}

#[test]
fn a_plan_with_split_backwards_runs_as_it_says() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let expected = losses(&train(&file, "plain", &[]));
    let profile = dir.path().join("profile.json");
    // In a cache of its own: other tests are about estimates.
    let mut measure = trainyard();
    measure.arg("measure").arg(&file).arg("-o").arg(&profile);
    run_ok(measure.env("TRAINYARD_CACHE", dir.path()));
    let path = dir.path().join("split.json");
    let mut split = plan(&profile);
    run_ok(split.args(["--schedule", "zb-h1", "--json", "-o"]).arg(&path));
    assert!(read(&path).contains("\"0W0\""), "zb-h1 splits");
    let run = dir.path().join("split");
    let mut command = trainyard();
    command.arg("train").arg(&file).arg("--plan").arg(&path);
    run_ok(set(&mut command, &[&format!("run.dir={}", run.display())]));
    assert_eq!(losses(&run), expected);
    assert_says(&read(&run.join("plan.json")), &["\"0I0\"", "\"0W0\""]);
}

/// What layers cost is kept between commands, and depends on what of them trains, and how the rest is held.
#[test]
fn plans_of_one_model_by_other_methods_do_not_mix() {
    let dir = temp_dir();
    let model = root().join("crates/trainyard-models/tests/fixtures/hf/llama");
    let file = dir.path().join("run.toml");
    let text = format!(
        "[model]\nkind = \"hf\"\npath = '{}'\ncontext = 16\n[data]\ntext = \"text.txt\"\n\
         [train]\nbatch = 4\n[[device]]\nid = \"one\"\nadapter = \"cpu\"\nthreads = 1\n",
        model.display()
    );
    write(&file, text);
    write(&dir.path().join("text.txt"), "abc dab\n".repeat(200));
    let planned = |cache: &Path, sets: &[&str]| {
        let mut command = trainyard();
        command.args(["plan", "--json"]).arg(&file).env("TRAINYARD_CACHE", cache);
        parsed(&run_ok(set(&mut command, sets)))["predicted"]["devices"][0]["peak_bytes"].clone()
    };
    let runs: &[&[&str]] = &[
        &["train.method=full"],
        &["train.method=lora", "lora.rank=2"],
        &["train.method=lora", "lora.rank=16"],
        &["train.method=lora", "lora.rank=16", "lora.layers=[0]"],
        &["train.method=lora", "lora.rank=16", "lora.targets=[\"attention\"]"],
        &["train.method=full"],
    ];
    let shared = dir.path().join("cache");
    let mut peaks: Vec<String> = Vec::new();
    for (number, sets) in runs.iter().enumerate() {
        let own = planned(&dir.path().join(format!("cache{number}")), sets);
        assert_eq!(planned(&shared, sets), own, "{sets:?}");
        peaks.push(own.to_string());
    }
    peaks.sort();
    peaks.dedup();
    assert_eq!(peaks.len(), runs.len() - 1, "each method needs another memory: {peaks:?}");
}
