//! `[[optimizer.group]]`: weights with a learning rate and a weight decay of their own.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use tempfile::TempDir;
use trainyard_tests::{
    assert_says, journal_of, losses, read, run_fails, run_ok, set, temp_dir, train, train_command,
    trainyard, write, write_run_file,
};

/// The small GPT's run file with groups at its end.
fn with_groups(groups: &str) -> (TempDir, PathBuf) {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    write(&file, format!("{}{groups}", read(&file)));
    (dir, file)
}

fn group(keys: &str) -> String {
    format!("[[optimizer.group]]\n{keys}\n")
}

/// The weights of all layers in the checkpoint of a step, by layer and name.
fn weights(run: &Path, step: u64) -> BTreeMap<String, Vec<f32>> {
    let folder = run.join(format!("checkpoints/step-{step:06}"));
    let mut weights = BTreeMap::new();
    for layer in ["000-embed", "001-block0", "002-block1", "003-head"] {
        let bytes = std::fs::read(folder.join(format!("{layer}.safetensors")));
        let bytes = bytes.unwrap_or_else(|error| panic!("{layer}: {error}"));
        let file = SafeTensors::deserialize(&bytes).unwrap_or_else(|error| panic!("{error}"));
        for (name, tensor) in file.iter().filter(|(name, _)| name.starts_with("weight/")) {
            let values = tensor.data().as_chunks::<4>().0.iter().map(|it| f32::from_le_bytes(*it));
            weights.insert(format!("{layer} {name}"), values.collect());
        }
    }
    assert!(weights.len() > 8, "{:?}", weights.keys());
    weights
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn a_factor_of_0_keeps_weights_to_the_last_bit() {
    let (_dir, file) = with_groups(&group("pattern = \"block0/*\"\nlearning_rate_factor = 0"));
    let run = train(&file, "run", &["train.checkpoint_every=1", "train.keep_checkpoints=9"]);
    let (first, last) = (weights(&run, 1), weights(&run, 4));
    // Those that the model begins with.
    let (_dir, file) = with_groups(&group("pattern = \"*\"\nlearning_rate_factor = 0"));
    let untrained = weights(&train(&file, "run", &["train.steps=1"]), 1);
    for (name, values) in &last {
        let kept = [&first, &untrained].map(|other| bits(&other[name]) == bits(values));
        assert_eq!(kept, [name.starts_with("001-block0"); 2], "{name}");
    }
}

/// AdamW's decay is decoupled: `w ← w − rate·λ·w − u`, where `u` follows from the gradient alone. So
/// in the first step, weights that decay and weights that do not end `rate·λ·w` apart.
#[test]
fn a_groups_weight_decay_is_that_of_the_formula() {
    const DECAY: f32 = 7.5;
    let after_a_step = |keys: &str| {
        let (dir, file) = with_groups(&group(&format!("pattern = \"*\"\n{keys}")));
        let run = train(&file, "run", &["train.steps=1", "train.schedule=constant"]);
        let rate = journal_of(&run, "step")[0]["learning_rate"].as_f64().unwrap_or(0.0);
        let weights = weights(&run, 1);
        drop(dir);
        (weights, rate as f32)
    };
    let (begun, _) = after_a_step("learning_rate_factor = 0");
    let (plain, rate) = after_a_step("learning_rate_factor = 4\nweight_decay = 0");
    let (decayed, _) = after_a_step(&format!("learning_rate_factor = 4\nweight_decay = {DECAY}"));
    assert!(rate > 5e-4, "{rate}");
    for (name, begun) in &begun {
        for ((w, plain), decayed) in begun.iter().zip(&plain[name]).zip(&decayed[name]) {
            let expected = plain - 4.0 * rate * DECAY * w;
            assert!((decayed - expected).abs() < 1e-6, "{name}: {decayed}, expected {expected}");
        }
    }
}

#[test]
fn other_groups_on_resume_are_a_changed_setting() {
    let (_dir, file) = with_groups(&group("pattern = \"block0/*\""));
    let run = train(&file, "run", &[]);
    let mut resume = trainyard();
    let changes = ["optimizer.group.0.learning_rate_factor=0", "train.steps=6"];
    run_ok(set(resume.arg("resume").arg(&run), &changes));
    assert_eq!(losses(&run).len(), 6);
    assert_says(&read(&run.join("run.toml")), &["learning_rate_factor = 0.0"]);
    let (before, after) = (weights(&run, 4), weights(&run, 6));
    for (name, values) in &after {
        assert_eq!(bits(&before[name]) == bits(values), name.starts_with("001-block0"), "{name}");
    }
}

#[test]
fn a_group_that_changes_the_state_does_not_go_with_a_checkpoint() {
    let (_dir, file) = with_groups(&group("pattern = \"block0/*\""));
    let run = train(&file, "run", &["optimizer.kind=muon"]);
    let before = read(&run.join("run.toml"));
    let mut resume = trainyard();
    let changes = ["optimizer.group.0.matrices=false", "train.steps=6"];
    let stderr = run_fails(set(resume.arg("resume").arg(&run), &changes), 2);
    assert_says(&stderr, &["001-block0", "optimizer state", "change [optimizer] back"]);
    assert_eq!(read(&run.join("run.toml")), before);
}

#[test]
fn a_pattern_without_weights_is_refused_with_some_names() {
    let groups = [group("pattern = \"block*\""), group("pattern = \"hed/*\"")].concat();
    let (_dir, file) = with_groups(&groups);
    let words =
        ["run.toml:35:11: optimizer.group.1.pattern is \"hed/*\"", "such as embed/", ", block0/"];
    assert_says(&run_fails(trainyard().arg("plan").arg(&file), 2), &words);
    let run = file.with_file_name("refused");
    assert_says(&run_fails(&mut train_command(&file, &run), 2), &words);
    assert!(!run.exists());
    let taken = ["optimizer.group=[{pattern=\"block*\"},{pattern=\"block1/*\"}]"];
    let stderr = run_fails(set(&mut train_command(&file, &run), &taken), 2);
    assert_says(&stderr, &["no group before it has", "group \"block*\"; put this one before it"]);
}
