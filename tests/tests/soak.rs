//! Long trainings: nothing grows. Run by `scripts/long.sh reliability`.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]
#![cfg(target_os = "linux")]

use std::path::Path;

use trainyard_tests::running::Running;
use trainyard_tests::{root, set, temp_dir, train_command};

/// Resident memory in KiB, threads and open files of a process.
fn of_process(pid: u32) -> (u64, u64, usize) {
    let status = trainyard_tests::read(Path::new(&format!("/proc/{pid}/status")));
    let figure = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
        line.trim().split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0)
    };
    let files = std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    (figure("VmRSS:"), figure("Threads:"), files)
}

#[test]
#[ignore = "takes minutes; scripts/long.sh reliability runs it"]
fn twenty_thousand_steps_leave_memory_threads_and_files_as_they_are() {
    let dir = temp_dir();
    let (run, messages) = (dir.path().join("run"), dir.path().join("messages"));
    let mut command = train_command(&root().join("assets/mlp.toml"), &run);
    let sets = ["train.steps=1000000", "train.checkpoint_every=500", "train.validate_every=500"];
    let mut running = Running::start(set(&mut command, &sets), &messages);
    let mut at = |step: u64| {
        running.wait_for(&run.join("journal.jsonl"), &format!("\"step\":{step},"));
        of_process(running.id())
    };
    // By then all that is done now and then has been done: parts of the journal closed and thinned.
    let (early, late) = (at(20_000), at(40_000));
    println!("after 20,000 steps {early:?}, after 40,000 {late:?} (KiB resident, threads, files)");
    assert_eq!(early.1, late.1, "threads");
    // A save may be under way.
    assert!(late.2 <= early.2 + 4, "{} open files, then {}", early.2, late.2);
    // The sawtooth of thinning alone has some.
    assert!(late.0 < early.0 + 8192, "{} KiB, then {} KiB", early.0, late.0);
    running.signal("INT");
    assert_eq!(running.end(), Some(130));
}
