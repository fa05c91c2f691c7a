//! A first training: what it prints, what it leaves behind, and that the split changes nothing.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use trainyard_tests::{
    NO_LOCK, assert_says, journal, journal_of, json_lines, losses, read, root, run_ok, set,
    temp_dir, train, train_command, trainyard, write_run_file,
};

/// One device, and three, in place of the run file's two.
const ONE: [&str; 2] = [r#"device=[{id="solo",adapter="cpu",memory="64 MiB"}]"#, NO_LOCK];
const THREE: [&str; 2] = [
    r#"device=[{id="a",adapter="cpu"},{id="b",adapter="cpu"},{id="c",adapter="cpu"}]"#,
    r#"pipeline.lock=["embed=a","block1=b","head=c"]"#,
];

#[test]
fn a_training_leaves_a_whole_run_behind() {
    let dir = temp_dir();
    let run = train(
        &write_run_file(dir.path()),
        "whole",
        &["train.steps=6", "train.checkpoint_every=4", "train.validate_whole_at_end=true"],
    );
    for file in ["run.toml", "plan.json", "journal.jsonl", "trace.json"] {
        assert!(run.join(file).is_file(), "there is no {file}");
    }
    assert_eq!(read(&run.join("latest")), "checkpoints/step-000006\n");
    for step in ["step-000004", "step-000006"] {
        assert!(run.join("checkpoints").join(step).join("manifest.json").is_file(), "no {step}");
    }

    let records = journal(&run);
    let header = &records[0];
    assert_eq!(header["type"], "header");
    assert_eq!((&header["format"], &header["version"]), (&"trainyard-journal".into(), &1.into()));
    assert_eq!((&header["model"], &header["steps"]), (&"gpt".into(), &6.into()));
    let ids: Vec<_> = devices(header).map(|device| device["id"].clone()).collect();
    assert_eq!(ids, ["left", "right"]);
    assert!(devices(header).all(|device| device["budget_bytes"] == 64 << 20));

    let steps = journal_of(&run, "step");
    let numbers: Vec<_> = steps.iter().filter_map(|step| step["step"].as_u64()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    assert!(steps[5]["loss"].as_f64() < steps[0]["loss"].as_f64(), "it learned nothing: {steps:?}");
    for step in &steps {
        assert!(
            step["grad_norm"].as_f64() > Some(0.0) && step["learning_rate"].as_f64() > Some(0.0)
        );
    }
    let states: Vec<_> = journal_of(&run, "state").iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, ["running", "finished"]);
    let saved: Vec<_> =
        journal_of(&run, "checkpoint").iter().map(|it| it["path"].clone()).collect();
    assert_eq!(saved, ["checkpoints/step-000004", "checkpoints/step-000006"]);
    let validations = journal_of(&run, "validation");
    assert_eq!(validations.last().map(|it| it["whole"].clone()), Some(true.into()));
    for device in [0, 1] {
        let samples = journal_of(&run, "memory");
        let of_device: Vec<_> = samples.iter().filter(|it| it["device"] == device).collect();
        assert!(of_device.len() >= 6, "{} samples of device {device}", of_device.len());
        for sample in of_device {
            assert!(sample["peak_bytes"].as_u64() >= sample["in_use_bytes"].as_u64());
            assert!(sample["in_use_bytes"].as_u64() > Some(0), "{sample}");
            assert!(sample["predicted_bytes"].as_u64() > Some(0), "{sample}");
        }
    }
}

fn devices(header: &Value) -> impl Iterator<Item = &Value> {
    header["devices"].as_array().into_iter().flatten()
}

#[test]
fn every_action_of_every_step_is_in_the_journal_once() {
    let dir = temp_dir();
    for schedule in ["gpipe", "1f1b"] {
        let sets = ["train.steps=3", &format!("pipeline.schedule={schedule}")];
        let run = train(&write_run_file(dir.path()), schedule, &sets);
        let mut counts: BTreeMap<(u64, String), usize> = BTreeMap::new();
        for event in journal_of(&run, "action") {
            let (start, end) = (event["start_ns"].as_u64(), event["end_ns"].as_u64());
            assert!(start.is_some() && start <= end, "time runs backwards: {event}");
            let action = event["action"].as_str().unwrap_or_default().to_owned();
            // Stage 0 is the first device's, stage 1 the second's.
            assert!(action.starts_with(&event["device"].to_string()), "{event}");
            *counts.entry((event["step"].as_u64().unwrap_or(0), action)).or_default() += 1;
        }
        for step in 1..=3 {
            for micro_batch in 0..4 {
                for action in ["0F", "1F", "0B", "1B", "0SEND_F", "1RECV_F", "1SEND_B", "0RECV_B"] {
                    let action = format!("{action}{micro_batch}");
                    let count = counts.get(&(step, action.clone())).copied().unwrap_or(0);
                    assert_eq!(count, 1, "{schedule}: {action} of step {step}");
                }
            }
        }
    }
}

#[test]
fn the_split_and_the_schedule_do_not_change_the_losses() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let with = |name: &str, sets: &[&str]| {
        let sets = [&["model.layers=3", "train.steps=5"], sets].concat();
        let run = train(&file, name, &sets);
        (losses(&run), devices(&journal(&run)[0]).count())
    };
    let (expected, one) = with("one", &ONE);
    assert_eq!((expected.len(), one), (5, 1));
    for (name, sets, ranks) in [
        ("two", &[][..], 2),
        ("three", &THREE, 3),
        ("gpipe", &["pipeline.schedule=gpipe"], 2),
        ("three-gpipe", &[THREE[0], THREE[1], "pipeline.schedule=gpipe"], 3),
        ("recompute", &["pipeline.recompute=full"], 2),
        (
            "threads",
            &[
                "device.left.threads=2",
                "device.right.threads=1",
                "device.left.speed=1",
                "device.right.speed=1",
            ],
            2,
        ),
        ("again", &ONE, 1),
    ] {
        let (found, used) = with(name, sets);
        assert_eq!(used, ranks, "{name} uses {used} devices");
        assert_eq!(found, expected, "{name} differs from one device");
    }
    let (other, _) = with("other", &["train.seed=7"]);
    assert!(other != expected, "another seed gives the same losses");
}

#[test]
fn dropout_and_biases_split_the_same_way() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let sets = ["model.dropout=0.2", "model.bias=true", "model.tied=false"];
    let two = train(&file, "two", &sets);
    let one = train(&file, "one", &[&sets[..], &ONE].concat());
    assert_eq!(losses(&two), losses(&one));
}

#[test]
fn json_is_all_there_is_on_stdout() {
    let dir = temp_dir();
    let run = dir.path().join("run");
    let mut command = train_command(&write_run_file(dir.path()), &run);
    let output = command.arg("--json").output().map(|it| (it.status.code(), it.stdout, it.stderr));
    let (code, stdout, stderr) = output.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(code, Some(0));
    assert_eq!(String::from_utf8_lossy(&stderr), "");
    let lines = json_lines(&String::from_utf8_lossy(&stdout), "stdout");
    assert_eq!(lines[0]["type"], "header");
    let steps: Vec<_> = lines.iter().filter(|it| it["type"] == "step").collect();
    assert_eq!(steps.len(), 4);
    assert_eq!(*steps[3], journal_of(&run, "step")[3]);
    let last = lines.last().map(|it| (it["type"].clone(), it["state"].clone()));
    assert_eq!(last, Some(("state".into(), "finished".into())));
}

#[test]
fn without_a_terminal_there_are_plain_lines() {
    let dir = temp_dir();
    let mut command = train_command(&write_run_file(dir.path()), &dir.path().join("run"));
    // Without being told: a pipe is enough.
    let output = command.env_remove("NO_COLOR").output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!stderr.contains('\u{1b}') && !stderr.contains('\r'), "{stderr:?}");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    assert_says(
        &stderr,
        &[
            "step 1/4  loss ",
            "tokens/s",
            "of 64.0 MiB",
            "validation loss",
            "saved checkpoints/step-000004",
            "finished 4 steps",
        ],
    );
}

/// `trainyard train … 2>&1 | head -1` ends nothing.
#[cfg(unix)]
#[test]
fn a_reader_that_has_gone_does_not_stop_a_training() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    for (name, json) in [("lines", false), ("json", true)] {
        let run = dir.path().join(name);
        let mut command = train_command(&file, &run);
        let (reader, writer) = std::io::pipe().unwrap_or_else(|error| panic!("{error}"));
        let also = writer.try_clone().unwrap_or_else(|error| panic!("{error}"));
        drop(reader);
        command.args(json.then_some("--json")).stdout(writer).stderr(also);
        let status = command.status().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(status.code(), Some(0), "{name}");
        assert_eq!(losses(&run).len(), 4, "{name}");
        // Nor does it make a fault of the commands that only show something.
        for arguments in [vec!["trace"], vec!["generate", "--tokens", "3"]] {
            let (reader, writer) = std::io::pipe().unwrap_or_else(|error| panic!("{error}"));
            drop(reader);
            let status = trainyard().args(&arguments).arg(&run).stdout(writer).status();
            assert!(status.is_ok_and(|status| status.success()), "{arguments:?}");
        }
    }
}

#[test]
fn the_resolved_run_file_trains_the_same_again() {
    let dir = temp_dir();
    let first = train(&write_run_file(dir.path()), "first", &["train.learning_rate=0.004"]);
    let again = train(&first.join("run.toml"), "again", &[]);
    let resolved = first.with_file_name("first").join("again");
    assert_eq!(again, resolved, "a run beside the run file");
    assert_eq!(losses(&first), losses(&again));
    let (one, two) = (read(&first.join("run.toml")), read(&again.join("run.toml")));
    assert_eq!(one.replace("first", "first/again"), two, "it is resolved already");
    assert_says(&one, &["learning_rate = 0.004", "seed = 1337", "clip = 1.0", "input.txt"]);
}

#[test]
fn the_smallest_example_learns() {
    let dir = temp_dir();
    let run = |name: &str, sets: &[&str]| {
        let run = dir.path().join(name);
        let file = root().join("assets/mlp.toml");
        run_ok(set(set(&mut train_command(&file, &run), &["train.steps=60"]), sets));
        losses(&run)
    };
    let two = run("two", &[]);
    let loss = |step: u64| two[&step].parse::<f64>().unwrap_or(f64::NAN);
    assert!(loss(60) < 0.7 * loss(1), "it did not learn: {two:?}");
    assert_eq!(two, run("one", &ONE));
}

#[test]
fn the_example_run_files_can_be_planned() {
    let dir = temp_dir();
    let text = dir.path().join("text.txt");
    trainyard_tests::write(&text, "all that a text needs is to be long enough\n".repeat(400));
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("assets")).into_iter().flatten().flatten() {
        let file = entry.path();
        // Those of pretrained models need what a person downloads: docs/fine-tuning.md, docs/encoders.md.
        let without = ["smollm2-chat.toml", "banking77-minilm.toml"];
        let has_files = !without.iter().any(|name| file.ends_with(name));
        if has_files && file.extension().is_some_and(|extension| extension == "toml") {
            seen += 1;
            plan_example(&file, &text, dir.path());
        }
    }
    assert!(seen >= 4, "{seen} example run files");
}

fn plan_example(file: &Path, text: &Path, dir: &Path) {
    let example: toml::Table = read(file).parse().unwrap_or_else(|error| panic!("{error}"));
    let adapters = example["device"].as_array().into_iter().flatten();
    let only_cpu = adapters.clone().all(|device| device["adapter"].as_str() == Some("cpu"));
    let mut command = trainyard();
    command.arg("plan").arg(file).arg("-o").arg(dir.join("plan.json"));
    if example["data"].get("text").is_some() {
        command.arg("--set").arg(format!("data.text={}", text.display()));
    }
    if only_cpu {
        assert_says(&run_ok(&mut command), &["weights", "of step", "written to"]);
        return;
    }
    // A machine may or may not have such cards; the file is fine either way.
    let output = command.output().unwrap_or_else(|error| panic!("{error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    let fine = output.status.success()
        || (output.status.code() == Some(2) && stderr.contains("no adapter matches"));
    assert!(fine, "{}: {stderr}", file.display());
}
