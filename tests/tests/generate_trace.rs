//! After the training: what the model writes, and the trace of what the devices did.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use trainyard_tests::{
    NO_LOCK, assert_says, read, run_fails, run_ok, set, temp_dir, train, trainyard, write,
    write_run_file,
};

fn generate(run: &Path, arguments: &[&str]) -> String {
    run_ok(trainyard().arg("generate").arg(run).args(arguments))
}

#[test]
fn the_same_seed_writes_the_same_text() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &["train.steps=8"]);
    let write = |arguments: &[&str]| {
        let all = [&["--prompt", "the train", "--tokens", "60"], arguments].concat();
        generate(&run, &all)
    };
    let first = write(&["--seed", "3"]);
    assert_eq!(first, write(&["--seed", "3"]));
    assert!(first.starts_with("the train"), "{first:?}");
    // The prompt, what was asked for, and the line end.
    assert_eq!(first.chars().count(), 9 + 60 + 1, "{first:?}");
    assert!(first != write(&["--seed", "4"]), "another seed writes the same");
    let likeliest = write(&["--temperature", "0", "--seed", "3"]);
    assert_eq!(likeliest, write(&["--temperature", "0", "--seed", "4"]));
    // Another split of the same model writes the same, on one device or with another cut.
    let one = r#"device=[{id="solo",adapter="cpu"}]"#;
    assert_eq!(first, write(&["--seed", "3", "--set", one, "--set", NO_LOCK]));
    let alphabet = read(&dir.path().join("input.txt"));
    assert!(first.chars().all(|character| alphabet.contains(character)), "{first:?}");
    assert_eq!(generate(&run, &["--prompt", "t", "--tokens", "0"]), "t\n");
    assert_eq!(generate(&run, &["--prompt", "", "--tokens", "5"]).chars().count(), 6);
}

#[test]
fn generate_says_what_it_cannot_do() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let run = train(&file, "run", &[]);
    let fails = |arguments: &[&str], words: &[&str]| {
        let stderr = run_fails(trainyard().arg("generate").args(arguments), 2);
        assert_says(&stderr, words);
    };
    let path = run.display().to_string();
    fails(&[&path, "--prompt", "the Zug"], &["'Z'", "number 5", "leave it out"]);
    fails(&[&path, "--prompt", "é"], &["'é'"]);
    fails(&[&path, "--temperature", "-1"], &["--temperature is -1", "0 or more"]);
    fails(&[&path, "--temperature", "nan"], &["--temperature is NaN"]);
    fails(&[&path, "--tokens", "-1"], &["-1"]);
    fails(&[&path, "--set", "model.width=64"], &["[17, 32]", "[17, 64]", "change [model] back"]);
    let nowhere = dir.path().join("nowhere").display().to_string();
    fails(&[&nowhere], &["nowhere is not a run directory", "run.toml"]);
    fails(&[&dir.path().display().to_string()], &["is not a run directory"]);
    fails(&[&file.display().to_string()], &["run.toml: it is a run file, not a run directory"]);
    for gone in ["latest", "checkpoints/step-000004/manifest.json"] {
        std::fs::remove_file(run.join(gone)).unwrap_or_else(|error| panic!("{error}"));
    }
    fails(&[&path], &["has no checkpoint yet", "saves one"]);

    let mlp = trainyard_tests::root().join("assets/mlp.toml");
    let run = dir.path().join("points");
    let mut command = trainyard_tests::train_command(&mlp, &run);
    run_ok(set(&mut command, &["train.steps=1"]));
    fails(&[&run.display().to_string()], &["was not trained on text", "language model"]);
}

/// A slice of a trace: its process, thread, start and end in nanoseconds, and name.
struct Slice {
    row: (u64, u64),
    start: u64,
    end: u64,
    name: String,
    step: u64,
}

fn nanoseconds(value: &Value) -> u64 {
    (value.as_f64().unwrap_or(-1.0) * 1000.0).round() as u64
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or(u64::MAX)
}

fn events(path: &Path) -> Vec<Value> {
    let trace: Value =
        serde_json::from_str(&read(path)).unwrap_or_else(|error| panic!("not JSON: {error}"));
    trace["traceEvents"].as_array().cloned().unwrap_or_default()
}

fn slices(events: &[Value]) -> Vec<Slice> {
    let slices = events.iter().filter(|event| event["ph"] == "X");
    let slice = |event: &Value| {
        let start = nanoseconds(&event["ts"]);
        Slice {
            row: (number(&event["pid"]), number(&event["tid"])),
            start,
            end: start + nanoseconds(&event["dur"]),
            name: event["name"].as_str().unwrap_or_default().to_owned(),
            step: number(&event["args"]["step"]),
        }
    };
    slices.map(slice).collect()
}

/// Of two slices on one row, one must be over before the other starts, or lie within it.
fn assert_nested(slices: &[Slice]) {
    let mut rows: BTreeMap<(u64, u64), Vec<&Slice>> = BTreeMap::new();
    for slice in slices {
        rows.entry(slice.row).or_default().push(slice);
    }
    for (row, mut slices) in rows {
        slices.sort_by_key(|slice| (slice.start, u64::MAX - slice.end));
        let mut open: Vec<&Slice> = Vec::new();
        for slice in slices {
            open.retain(|outer| outer.end > slice.start);
            let nested = open.iter().all(|outer| slice.end <= outer.end);
            assert!(nested, "{} overlaps another slice of row {row:?}", slice.name);
            open.push(slice);
        }
    }
}

/// Every arrow starts and ends once, in time, each end within a slice of its row.
fn assert_arrows_meet(events: &[Value], slices: &[Slice]) -> usize {
    let mut arrows: BTreeMap<u64, [Vec<&Value>; 2]> = BTreeMap::new();
    for event in events {
        let end = match event["ph"].as_str() {
            Some("s") => 0,
            Some("f") => 1,
            _ => continue,
        };
        arrows.entry(number(&event["id"])).or_default()[end].push(event);
    }
    for (id, ends) in &arrows {
        let ([from], [to]) = (ends[0].as_slice(), ends[1].as_slice()) else {
            panic!("arrow {id} has {} starts and {} ends", ends[0].len(), ends[1].len());
        };
        let times = [from, to].map(|end| nanoseconds(&end["ts"]));
        assert!(times[0] <= times[1], "arrow {id} goes back in time");
        assert!(from["pid"] != to["pid"], "arrow {id} stays on one device");
        for (end, at) in [from, to].into_iter().zip(times) {
            let row = (number(&end["pid"]), number(&end["tid"]));
            let mut on_row = slices.iter().filter(|slice| slice.row == row);
            let held = on_row.any(|slice| slice.start <= at && at <= slice.end);
            assert!(held, "an end of arrow {id} lies on nothing");
        }
    }
    arrows.len()
}

#[test]
fn a_trace_is_what_perfetto_reads() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &["train.steps=12"]);
    let path = dir.path().join("trace.json");
    let said = run_ok(trainyard().arg("trace").arg(&run).arg("-o").arg(&path));
    assert_says(&said, &["2 devices", "trace.json", "ui.perfetto.dev"]);

    let events = events(&path);
    let named = events.iter().filter(|event| event["name"] == "process_name");
    let names: Vec<_> =
        named.map(|event| (number(&event["pid"]), &event["args"]["name"])).collect();
    assert_eq!(names.len(), 2, "a process a device: {names:?}");
    assert!(names[0].1.as_str().is_some_and(|name| name.starts_with("left")), "{names:?}");
    for event in &events {
        assert!(event["ph"].is_string() && event["pid"].is_u64(), "{event}");
    }
    let slices = slices(&events);
    assert_nested(&slices);
    for name in ["0F0", "1B3", "0SEND_F2", "1RECV_F2", "1SEND_B1", "0RECV_B1"] {
        let count = slices.iter().filter(|slice| slice.name == name).count();
        assert_eq!(count, 12, "{name}");
    }
    // Forwards from left to right and gradients back, of 4 micro-batches and 12 steps.
    assert_eq!(assert_arrows_meet(&events, &slices), 2 * 4 * 12);
    for pid in [1, 2] {
        let counters = events.iter().filter(|event| event["ph"] == "C" && event["pid"] == pid);
        let counters: Vec<_> = counters.collect();
        assert!(counters.len() >= 12, "{} memory samples of device {pid}", counters.len());
        assert!(counters.iter().all(|it| it["args"]["budget"] == 64 << 20), "{counters:?}");
    }
    // The run left a shorter one behind by itself.
    let last = self::slices(&self::events(&run.join("trace.json")));
    assert_nested(&last);
    assert_eq!(last.iter().map(|slice| slice.step).min(), Some(3), "the last ten steps");
}

#[test]
fn a_part_of_a_trace_can_be_asked_for() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &["train.steps=6"]);
    let path = dir.path().join("trace.json");
    let mut command = trainyard();
    run_ok(command.arg("trace").arg(&run).arg("-o").arg(&path).args(["--from", "3", "--to", "4"]));
    let events = events(&path);
    let slices = slices(&events);
    assert_eq!(slices.iter().filter(|slice| slice.name == "0F0").count(), 2);
    assert!(slices.iter().all(|slice| (3..=4).contains(&slice.step)));
    assert_arrows_meet(&events, &slices);

    let fails = |arguments: &[&str], words: &[&str]| {
        let mut command = trainyard();
        let stderr = run_fails(command.arg("trace").arg(&run).args(arguments), 2);
        assert_says(&stderr, words);
    };
    fails(&["--from", "7"], &["steps 7", "1 to 6"]);
    fails(&["--from", "4", "--to", "3"], &["1 to 6"]);
    fails(&["-o", &dir.path().display().to_string()], &["cannot write", "name a file"]);
    fails(
        &["-o", "/nowhere/at/all.json"],
        &["cannot write /nowhere/at/all.json", "check the name"],
    );
}

#[test]
fn a_resumed_run_is_one_trace() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &[]);
    // The second part runs on other devices than the first.
    let one = r#"device=[{id="solo",adapter="cpu"}]"#;
    run_ok(set(trainyard().arg("resume").arg(&run), &["train.steps=7", one, NO_LOCK]));
    let path = dir.path().join("trace.json");
    run_ok(trainyard().arg("trace").arg(&run).arg("-o").arg(&path));
    let events = events(&path);
    let slices = slices(&events);
    assert_nested(&slices);
    assert_arrows_meet(&events, &slices);
    let mut starts: BTreeMap<u64, u64> = BTreeMap::new();
    for slice in slices.iter().filter(|slice| slice.name == "0F0") {
        starts.insert(slice.step, slice.start);
    }
    assert_eq!(starts.len(), 7);
    let starts: Vec<_> = starts.into_values().collect();
    assert!(starts.is_sorted(), "the second part starts before the first has ended: {starts:?}");
}

#[test]
fn a_journal_that_is_not_one_is_refused_by_line() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &[]);
    let path = run.join("journal.jsonl");
    let good = read(&path);
    let trace = || {
        let mut command = trainyard();
        command.arg("trace").arg(&run).arg("-o").arg(dir.path().join("trace.json"));
        command
    };
    write(&path, "no journal\n");
    assert_says(&run_fails(&mut trace(), 2), &["journal.jsonl, line 1", "not a journal"]);
    write(&path, "");
    assert_says(&run_fails(&mut trace(), 2), &["no actions"]);
    write(&path, good.replacen(r#""version":1"#, r#""version":7"#, 1));
    assert_says(&run_fails(&mut trace(), 2), &["version 7; this program reads version 1"]);
    // Another program's journal is not added to.
    let mut resume = trainyard();
    set(resume.arg("resume").arg(&run), &["train.steps=5"]);
    assert_says(&run_fails(&mut resume, 2), &["journal.jsonl, line 1", "version 7"]);

    // A torn end is what a crash leaves; records of a newer program are passed over.
    let newer = good.replacen('\n', "\n{\"type\":\"weather\",\"sky\":\"grey\"}\n", 1);
    write(&path, &newer[..newer.len() - 20]);
    run_ok(&mut trace());
    run_ok(set(trainyard().arg("resume").arg(&run), &["train.steps=5"]));
    run_ok(&mut trace());
    assert_eq!(
        slices(&events(&dir.path().join("trace.json")))
            .iter()
            .filter(|it| it.name == "0F0")
            .count(),
        5
    );
}
