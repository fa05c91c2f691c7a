//! Long trainings: nothing grows. Run by `scripts/long.sh reliability`.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]
#![cfg(target_os = "linux")]

use std::path::Path;

use trainyard_tests::require::skip;
use trainyard_tests::running::Running;
use trainyard_tests::{journal_of, root, run_ok, set, temp_dir, train_command, trainyard};

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

/// By device, the most that its memory pools have held of late, bytes.
fn reserved(run: &Path) -> [u64; 2] {
    let of = |device: u64| {
        let samples = journal_of(run, "memory").into_iter().filter(|it| it["device"] == device);
        samples.filter_map(|it| it["reserved_bytes"].as_u64()).max().unwrap_or(0)
    };
    [of(0), of(1)]
}

#[test]
#[ignore = "takes minutes; scripts/long.sh reliability runs it"]
fn ten_thousand_steps_on_two_adapters_leave_memory_threads_and_files_as_they_are() {
    if !run_ok(trainyard().arg("devices")).contains("vulkan:llvmpipe") {
        return skip("no llvmpipe over Vulkan; scripts/test.sh installs it");
    }
    let dir = temp_dir();
    let (run, messages) = (dir.path().join("run"), dir.path().join("messages"));
    let mut command = train_command(&root().join("assets/mlp.toml"), &run);
    command.env("LP_NUM_THREADS", "1");
    let device = |id: &str| format!(r#"{{id="{id}",adapter="vulkan:llvmpipe",memory="64 MiB"}}"#);
    let devices = format!("device=[{},{}]", device("left"), device("right"));
    let sets = [
        devices.as_str(),
        "train.steps=1000000",
        "train.batch=8",
        "train.micro_batches=2",
        "train.checkpoint_every=500",
        "train.validate_every=0",
    ];
    let mut running = Running::start(set(&mut command, &sets), &messages);
    let mut at = |step: u64| {
        running.wait_for(&run.join("journal.jsonl"), &format!("\"step\":{step},"));
        (of_process(running.id()), reserved(&run))
    };
    // By then the driver, too, has all that it keeps. Waiting has an end, so it goes on by the thousand.
    for step in [1_000, 2_000, 3_000] {
        at(step);
    }
    let early = at(4_000);
    for thousand in 5..14 {
        at(thousand * 1_000);
    }
    let late = at(14_000);
    println!(
        "after 4,000 steps {early:?}, after 14,000 {late:?} (KiB resident, threads, files; bytes of pools)"
    );
    let (((rss, threads, files), pools), ((late_rss, late_threads, late_files), late_pools)) =
        (early, late);
    assert!(pools.iter().all(|bytes| *bytes > 0), "{pools:?}");
    assert_eq!(pools, late_pools, "bytes of pools");
    assert_eq!(threads, late_threads, "threads");
    // A save may be under way.
    assert!(late_files <= files + 4, "{files} open files, then {late_files}");
    assert!(late_rss < rss + 16_384, "{rss} KiB, then {late_rss} KiB");
    running.signal("INT");
    assert_eq!(running.end(), Some(130));
}
