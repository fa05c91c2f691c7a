//! Stopping a training, in every way it can be stopped, and going on with it.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use trainyard_tests::running::Running;
use trainyard_tests::{
    NO_LOCK, assert_says, copy_dir, journal_of, losses, read, run_fails, run_ok, set, temp_dir,
    train, train_command, trainyard, write_run_file,
};

/// More steps than anybody waits for. What a step does must not depend on where the end is.
const ENDLESS: [&str; 2] = ["train.steps=1000000", "train.decay_steps=400"];

/// A run that is stopped in the middle, and how it would have gone on.
struct Stopped {
    dir: TempDir,
    file: PathBuf,
    run: PathBuf,
    messages: String,
    step: u64,
}

/// Trains until some steps are in the journal, and stops it as Ctrl-C does.
fn stopped() -> Stopped {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let (run, messages) = (dir.path().join("run"), dir.path().join("messages"));
    let mut running = Running::start(set(&mut train_command(&file, &run), &ENDLESS), &messages);
    running.wait_for(&run.join("journal.jsonl"), r#""type":"step","#);
    running.signal("INT");
    assert_eq!(running.end(), Some(130));
    let messages = read(&messages);
    let step = losses(&run).keys().last().copied().unwrap_or(0);
    Stopped { dir, file, run, messages, step }
}

impl Stopped {
    /// The losses of the same training that nobody stopped, with a few steps more.
    fn uninterrupted(&self) -> BTreeMap<u64, String> {
        losses(&train(&self.file, "uninterrupted", &[&self.until(), "train.decay_steps=400"]))
    }

    fn until(&self) -> String {
        format!("train.steps={}", self.step + 5)
    }

    /// A copy that can be resumed without touching the original.
    fn copy(&self, name: &str) -> PathBuf {
        let copy = self.dir.path().join(name);
        copy_dir(&self.run, &copy);
        copy
    }
}

fn resume(run: &Path, sets: &[&str]) {
    run_ok(set(trainyard().arg("resume").arg(run), sets));
}

#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let stopped = stopped();
    let Stopped { run, messages, step, .. } = &stopped;
    let go_on = format!("trainyard resume {}", run.display());
    assert_says(messages, &["finishing this step, then saving", "stopped after step", &go_on]);
    let state = journal_of(run, "state").pop().unwrap_or_default();
    assert_eq!((&state["state"], &state["step"]), (&"stopped".into(), &(*step).into()));
    assert!(state["message"].as_str().is_some_and(|it| it.contains(&go_on)), "{state}");
    assert_eq!(read(&run.join("latest")), format!("checkpoints/step-{step:06}\n"));
    assert!(run.join("trace.json").is_file(), "there is something to look at already");

    resume(run, &[&stopped.until()]);
    assert_eq!(losses(run), stopped.uninterrupted());
    let headers = journal_of(run, "header");
    let first_steps: Vec<_> = headers.iter().map(|header| header["first_step"].clone()).collect();
    assert_eq!(first_steps, [0, *step]);
    assert_eq!(
        journal_of(run, "state").last().map(|it| it["state"].clone()),
        Some("finished".into())
    );
}

#[test]
fn a_run_goes_on_with_another_partition() {
    let stopped = stopped();
    let expected = stopped.uninterrupted();
    let until = stopped.until();
    let one = r#"device=[{id="solo",adapter="cpu"}]"#;
    let three = r#"device=[{id="a",adapter="cpu"},{id="b",adapter="cpu"},{id="c",adapter="cpu"}]"#;
    for (name, sets) in [
        ("one", &[one, NO_LOCK][..]),
        ("three", &[three, NO_LOCK]),
        ("too-small", &["device.left.memory=1 KiB", NO_LOCK]),
        ("gpipe", &["pipeline.schedule=gpipe"]),
        ("recompute", &["pipeline.recompute=full"]),
    ] {
        let run = stopped.copy(name);
        resume(&run, &[&[until.as_str()], sets].concat());
        assert_eq!(losses(&run), expected, "{name}");
    }
    // The same through the run file a person wrote.
    let run = stopped.copy("by-file");
    let mut command = train_command(&stopped.file, &run);
    run_ok(set(command.arg("--resume"), &[&until, "train.decay_steps=400", one, NO_LOCK]));
    assert_eq!(losses(&run), expected);
    assert_eq!(journal_of(&run, "header")[1]["devices"][0]["id"], "solo");
}

#[test]
fn a_run_that_was_killed_goes_on_from_its_last_checkpoint() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let (run, messages) = (dir.path().join("run"), dir.path().join("messages"));
    let mut command = train_command(&file, &run);
    set(&mut command, &["train.checkpoint_every=4", "train.keep_checkpoints=1"]);
    let mut running = Running::start(set(&mut command, &ENDLESS), &messages);
    running.wait_for(&run.join("journal.jsonl"), r#""path":"checkpoints/step-000008""#);
    running.wait_for(&run.join("journal.jsonl"), r#""type":"step","#);
    running.signal("KILL");
    assert_eq!(running.end(), None);

    let done = losses(&run).keys().last().copied().unwrap_or(0);
    let until = format!("train.steps={}", done + 5);
    resume(&run, &[&until]);
    let uninterrupted = train(&file, "uninterrupted", &[&until, "train.decay_steps=400"]);
    assert_eq!(losses(&run), losses(&uninterrupted));
    let again = journal_of(&run, "header")[1]["first_step"].as_u64().unwrap_or(0);
    assert!(again >= 8 && again.is_multiple_of(4) && again <= done, "went on from {again}");
    // Steps made twice are in the trace once.
    let trace = dir.path().join("trace.json");
    run_ok(trainyard().arg("trace").arg(&run).arg("-o").arg(&trace));
    let text = read(&trace);
    let forwards = text.matches(r#""name":"0F0""#).count() as u64;
    assert_eq!(forwards, done + 5);
    let leftovers = std::fs::read_dir(&run).into_iter().flatten().flatten();
    let leftovers: Vec<_> = leftovers.map(|entry| entry.file_name()).collect();
    assert!(
        leftovers.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")),
        "{leftovers:?}"
    );
}

#[test]
fn a_second_ctrl_c_stops_at_once() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let (run, messages) = (dir.path().join("run"), dir.path().join("messages"));
    let mut command = train_command(&file, &run);
    // One step takes longer than two signals.
    let slow =
        ["model.width=256", "model.context=128", "train.batch=128", "device.left.memory=2 GiB"];
    set(&mut command, &slow);
    set(&mut command, &["device.right.memory=2 GiB", "model.heads=8", "train.steps=9"]);
    set(&mut command, &["train.checkpoint_every=0"]);
    let mut running = Running::start(&mut command, &messages);
    running.wait_for(&run.join("journal.jsonl"), r#""type":"step","#);
    running.signal("INT");
    running.wait_for(&messages, "Ctrl-C again stops at once");
    running.signal("INT");
    assert_eq!(running.end(), Some(130));
    assert!(!run.join("latest").exists(), "it saved");
    assert!(!read(&messages).contains("stopped after"), "{}", read(&messages));
    assert_eq!(journal_of(&run, "state").len(), 1);
}

#[test]
fn where_nothing_is_lost_the_first_ctrl_c_stops_at_once() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let (run, messages) = (dir.path().join("run"), dir.path().join("messages"));
    let mut command = train_command(&file, &run);
    let slow =
        ["model.width=256", "model.context=128", "train.batch=128", "device.left.memory=2 GiB"];
    set(set(&mut command, &slow), &["device.right.memory=2 GiB", "model.heads=8"]);
    let mut running = Running::start(&mut command, &messages);
    running.wait_for(&run.join("journal.jsonl"), r#""state":"running""#);
    running.signal("INT");
    assert_eq!(running.end(), Some(130));
    assert_says(&read(&messages), &["stopped after step 0", "resume", "--restart"]);
    assert!(journal_of(&run, "step").is_empty());
}

#[test]
fn a_polite_kill_is_like_ctrl_c() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let (run, messages) = (dir.path().join("run"), dir.path().join("messages"));
    let mut running = Running::start(set(&mut train_command(&file, &run), &ENDLESS), &messages);
    running.wait_for(&run.join("journal.jsonl"), r#""type":"step","#);
    running.signal("TERM");
    assert_eq!(running.end(), Some(130));
    assert!(run.join("latest").is_file());
}

#[test]
fn two_trainings_cannot_share_a_directory() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let (run, messages) = (dir.path().join("run"), dir.path().join("messages"));
    let mut first = Running::start(set(&mut train_command(&file, &run), &ENDLESS), &messages);
    first.wait_for(&run.join("journal.jsonl"), r#""type":"step","#);
    let settings = read(&run.join("run.toml"));
    for command in [
        trainyard().arg("resume").arg(&run),
        train_command(&file, &run).arg("--resume"),
        &mut train_command(&file, &run),
    ] {
        let stderr = run_fails(command, 1);
        assert_says(&stderr, &["another training (process ", "is writing to", "run.dir="]);
    }
    assert_eq!(read(&run.join("run.toml")), settings);
    // Looking is allowed meanwhile.
    run_ok(trainyard().arg("trace").arg(&run).arg("-o").arg(dir.path().join("trace.json")));
    first.signal("INT");
    assert_eq!(first.end(), Some(130));
}

#[test]
fn a_finished_run_is_not_trained_over_by_mistake() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let run = train(&file, "run", &[]);
    let stderr = run_fails(&mut train_command(&file, &run), 2);
    assert_says(&stderr, &["already holds a run", "trainyard resume", "run.dir="]);
    let trace = read(&run.join("trace.json"));
    resume(&run, &[]);
    assert_eq!(read(&run.join("trace.json")), trace, "a finished run keeps its trace");
    resume(&run, &["train.steps=6"]);
    assert_eq!(losses(&run).len(), 6);
}

#[test]
fn a_resume_that_fails_changes_no_settings() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &["train.checkpoint_every=2"]);
    let before = (read(&run.join("run.toml")), read(&run.join("plan.json")), losses(&run));
    for (change, words) in [
        ("model.width=64", "[17, 32]"),
        ("model.layers=3", "another model"),
        ("data.builtin=yard", "no token for"),
    ] {
        let mut command = trainyard();
        command.arg("resume").arg(&run);
        let stderr = run_fails(set(&mut command, &[change, "train.steps=6"]), 2);
        assert_says(&stderr, &[words]);
        let after = (read(&run.join("run.toml")), read(&run.join("plan.json")), losses(&run));
        assert!(before == after, "{change} left something behind");
    }
    resume(&run, &["train.steps=6"]);
    assert_eq!(losses(&run).len(), 6);
}

#[test]
fn a_run_can_be_moved() {
    let stopped = stopped();
    let expected = stopped.uninterrupted();
    let moved = stopped.dir.path().join("elsewhere");
    std::fs::rename(&stopped.run, &moved).unwrap_or_else(|error| panic!("{error}"));
    resume(&moved, &[&stopped.until()]);
    assert_eq!(losses(&moved), expected);
    assert!(!stopped.run.exists());
}
