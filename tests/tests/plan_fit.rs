//! Which layers go where: plans that fit, plans that do not, and plans a person wrote.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::path::Path;

use serde_json::{Value, json};
use trainyard_tests::{
    NO_LOCK, assert_says, journal_of, losses, read, run_fails, run_ok, set, temp_dir, train,
    train_command, trainyard, write, write_run_file,
};

/// The plan of a run file with some changes.
fn plan(file: &Path, sets: &[&str]) -> Value {
    let mut command = trainyard();
    let output = file.with_file_name("scratch-plan.json");
    set(command.arg("plan").arg(file).arg("--json").arg("-o").arg(output), sets);
    serde_json::from_str(&run_ok(&mut command)).unwrap_or_else(|error| panic!("{error}"))
}

/// The predicted peaks, summed over some categories, of every device.
fn peaks(plan: &Value, categories: &[&str]) -> Vec<u64> {
    let devices = plan["predicted"]["devices"].as_array().into_iter().flatten();
    let bytes = |device: &Value, name: &&str| device["peak_bytes"][*name].as_u64().unwrap_or(0);
    devices.map(|it| categories.iter().map(|name| bytes(it, name)).sum()).collect()
}

/// Gradients are there twice: those of the micro-batch in hand beside the sums.
const STATE: [&str; 4] = ["weights", "gradients", "gradients", "optimizer"];
const ALL: [&str; 5] = ["weights", "gradients", "optimizer", "activations", "buffers"];

#[test]
fn what_does_not_fit_is_refused_before_anything_is_made() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let run = dir.path().join("runs/run");
    let small = ["device.left.memory=100 KiB", "device.right.memory=50 KiB"];
    for command in [
        set(&mut train_command(&file, &run), &small),
        set(trainyard().arg("plan").arg(&file), &small),
    ] {
        let stderr = run_fails(command, 3);
        assert_says(
            &stderr,
            &[
                "it does not fit",
                "needs",
                "budget",
                "short by",
                "left",
                "100 KiB",
                "right",
                "50.0 KiB",
            ],
        );
        assert_says(&stderr, &["no single change helps", "the devices have 150 KiB together"]);
    }
    assert!(!dir.path().join("runs").exists(), "it made something");
    assert!(!dir.path().join("plan.json").exists(), "it wrote a plan");
}

#[test]
fn a_model_too_big_for_either_device_trains_on_both() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let big = [
        "model.layers=12",
        "model.width=128",
        "model.context=8",
        "train.batch=2",
        "train.micro_batches=2",
        "train.steps=3",
        NO_LOCK,
    ];
    let one = r#"device=[{id="left",adapter="cpu"}]"#;
    let alone = plan(&file, &[&big[..], &[one]].concat());
    let state = peaks(&alone, &STATE)[0];
    // The training state is 1.6 times what either device may hold.
    let budget = state * 10 / 16;
    let budgets = [format!("device.left.memory={budget}"), format!("device.right.memory={budget}")];
    let budgets = budgets.each_ref().map(String::as_str);
    let both = [&big[..], &budgets].concat();

    let planned = plan(&file, &both);
    let needs = peaks(&planned, &ALL);
    assert_eq!(needs.len(), 2, "{planned}");
    assert!(needs.iter().all(|need| *need <= budget), "{needs:?} of {budget}");
    let run = train(&file, "both", &both);
    assert_eq!(losses(&run).len(), 3);

    let alone = [&big[..], &[one], &[budgets[0]]].concat();
    let mut command = train_command(&file, &dir.path().join("alone"));
    let stderr = run_fails(set(&mut command, &alone), 3);
    assert_says(&stderr, &["it does not fit", "more, 'left' would make it fit"]);
    assert!(!dir.path().join("alone").exists());

    // And it learned what a device with room for all of it would have learned.
    let roomy = train(&file, "roomy", &[&big[..], &[one]].concat());
    assert_eq!(losses(&run), losses(&roomy));
    // What was measured stands beside what was allowed.
    for sample in journal_of(&run, "memory") {
        let predicted = sample["predicted_bytes"].as_u64().unwrap_or(0);
        assert!(predicted > 0 && predicted <= budget, "{sample}");
        assert!(sample["peak_bytes"].as_u64().unwrap_or(u64::MAX) <= budget, "{sample}");
    }
}

#[test]
fn a_plan_is_shown_and_written() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let table = run_ok(trainyard().arg("plan").arg(&file));
    assert_says(
        &table,
        &[
            "stage",
            "left",
            "right",
            "embed",
            "head",
            "weights",
            "gradients",
            "optimizer",
            "activations",
            "64.0 MiB",
            "alone takes",
            "estimates",
        ],
    );
    let beside = dir.path().join("plan.json");
    assert!(!beside.exists(), "a plan is written where that is asked");
    let told = run_ok(trainyard().arg("plan").arg(&file).arg("-o").arg(&beside));
    assert_says(&told, &[&format!("written to {}", beside.display())]);
    let written: Value = serde_json::from_str(&read(&beside)).unwrap_or_default();
    assert_eq!((&written["format"], &written["version"]), (&"trainyard-plan".into(), &1.into()));
    assert_eq!(written, plan(&file, &[]));
    assert!(!dir.path().join("runs").exists(), "planning makes no run");
}

#[test]
fn a_plan_edited_by_hand_trains_to_the_same_losses() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let expected = losses(&train(&file, "planned", &[]));
    let path = dir.path().join("mine.json");
    run_ok(trainyard().arg("plan").arg(&file).arg("-o").arg(&path));
    let mut mine: Value = serde_json::from_str(&read(&path)).unwrap_or_default();
    for boundary in [1, 2, 3] {
        mine["stages"][0]["layers"] = json!([0, boundary]);
        mine["stages"][1]["layers"] = json!([boundary, 4]);
        write(&path, mine.to_string());
        let run = dir.path().join(format!("boundary-{boundary}"));
        run_ok(train_command(&file, &run).arg("--plan").arg(&path));
        assert_eq!(losses(&run), expected, "cut before layer {boundary}");
        let kept: Value = serde_json::from_str(&read(&run.join("plan.json"))).unwrap_or_default();
        assert_eq!(kept["stages"], mine["stages"]);
    }
    // A run keeps its own copy: it goes on when the file is gone, and when the run has moved.
    std::fs::remove_file(&path).unwrap_or_else(|error| panic!("{error}"));
    let (run, moved) = (dir.path().join("boundary-1"), dir.path().join("moved"));
    std::fs::rename(run, &moved).unwrap_or_else(|error| panic!("{error}"));
    run_ok(set(trainyard().arg("resume").arg(&moved), &["train.steps=6"]));
    assert_eq!(losses(&moved).len(), 6);
    let kept: Value = serde_json::from_str(&read(&moved.join("plan.json"))).unwrap_or_default();
    assert_eq!(kept["stages"][0]["layers"], json!([0, 1]));
}

#[test]
fn a_plan_that_cannot_be_used_is_refused_by_name() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let path = dir.path().join("odd.json");
    let good = plan(&file, &[]);
    let cut = good["stages"][0]["layers"][1].as_u64().unwrap_or(0);
    let starts_at = format!("starts at {cut}");
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut plan = good.clone();
        change(&mut plan);
        plan.to_string()
    };
    let cases = [
        ("garbage".to_owned(), "line 1: this is not JSON"),
        (String::new(), "is an empty file"),
        ("[1, 2]".to_owned(), "trainyard-plan, line 1"),
        (changed(&|plan| plan["version"] = json!(9)), "version 9; this program reads version 1"),
        (changed(&|plan| plan["format"] = json!("recipe")), "\"recipe\""),
        (changed(&|plan| plan["model"] = json!("mlp")), "made for the model 'mlp'"),
        (
            changed(&|plan| plan["stages"][1]["layers"] = json!([cut, 9])),
            "9 layers, the model has 4",
        ),
        (changed(&|plan| plan["stages"][1]["layers"] = json!([cut + 1, 4])), &starts_at),
        (changed(&|plan| plan["stages"][1]["device"] = json!("nobody")), "device 'nobody'"),
        (changed(&|plan| plan["schedule"]["ranks"][1] = json!(["1B0"])), "1B0"),
        (
            changed(&|plan| plan["schedule"]["ranks"][0][0] = json!("jump")),
            "'jump' is not an action",
        ),
        (changed(&|plan| plan["stages"] = json!([])), "no stages"),
    ];
    for (text, words) in cases {
        write(&path, &text);
        let run = dir.path().join("run");
        let stderr = run_fails(train_command(&file, &run).arg("--plan").arg(&path), 2);
        assert_says(&stderr, &["odd.json", words]);
        assert!(!run.exists(), "{text} left a run directory");
    }
    write(&path, good.to_string());
    let run = dir.path().join("run");
    let mut command = train_command(&file, &run);
    set(command.arg("--plan").arg(&path), &["train.micro_batches=2"]);
    assert_says(
        &run_fails(&mut command, 2),
        &["train.micro_batches is 2", "must be 4", "odd.json"],
    );
    let mut command = train_command(&file, &run);
    set(command.arg("--plan").arg(&path), &["device.left.memory=1 KiB"]);
    assert_says(&run_fails(&mut command, 3), &["it does not fit", "left"]);
    assert!(!run.exists());
}
