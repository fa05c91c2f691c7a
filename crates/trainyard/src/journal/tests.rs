//! Tests of the journal.

use std::fs;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use trainyard_plan::journal::{Header, Record, Segment, State};
use trainyard_plan::{Action, Lane, TraceEvent};

use super::*;
use crate::error::RunError;

fn records(path: &Path) -> Result<Vec<Record>, RunError> {
    let mut records = Vec::new();
    read_journal(path.parent().unwrap(), |record| records.push(record)).map(|()| records)
}

fn header() -> Record {
    Record::Header(Header {
        format: Header::FORMAT.into(),
        version: Header::VERSION,
        program: "test".into(),
        started_unix_ms: 5,
        first_step: 0,
        steps: 9,
        model: "gpt".into(),
        parameters: 3,
        unit: "tokens".into(),
        segment: 0,
        devices: Vec::new(),
    })
}

fn state(step: u64, message: &str) -> Record {
    Record::State { at_ns: 1, state: State::Running, step, message: message.into() }
}

fn journal() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    (folder, path)
}

fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).create(true).open(path).unwrap().write_all(bytes).unwrap();
}

#[test]
fn what_is_written_is_read() {
    let (_folder, path) = journal();
    let mut writer = JournalWriter::open(path.parent().unwrap()).unwrap();
    let written = [header(), state(1, "two\nlines"), state(2, "")];
    for record in &written {
        writer.write(record).unwrap();
    }
    assert!(records(&path).unwrap().is_empty(), "nothing before the flush");
    writer.flush().unwrap();
    assert_eq!(records(&path).unwrap(), written);
    writer.write(&state(3, "")).unwrap();
    drop(writer);
    assert_eq!(records(&path).unwrap().len(), 4);
    let mut writer = JournalWriter::open(path.parent().unwrap()).unwrap();
    writer.write(&header()).unwrap();
    writer.sync().unwrap();
    assert_eq!(records(&path).unwrap().len(), 5);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 5);
}

#[test]
fn many_records_reach_the_file_by_themselves() {
    let (_folder, path) = journal();
    let mut writer = JournalWriter::open(path.parent().unwrap()).unwrap();
    writer.write(&header()).unwrap();
    for step in 0..30_000 {
        writer.write(&state(step, "a long enough message")).unwrap();
    }
    let so_far = fs::read(&path).unwrap();
    assert!(so_far.len() > writer::BUFFER_BYTES && so_far.ends_with(b"\n"), "whole lines alone");
}

#[test]
fn a_torn_line_is_ended_and_skipped() {
    let (_folder, path) = journal();
    let mut whole = serde_json::to_vec(&header()).unwrap();
    whole.push(b'\n');
    append(&path, &whole);
    // Torn in the middle of a character.
    append(&path, b"{\"type\":\"state\",\"message\":\"\xc3");
    assert_eq!(records(&path).unwrap(), [header()]);
    let mut writer = JournalWriter::open(path.parent().unwrap()).unwrap();
    writer.flush().unwrap();
    writer.write(&state(4, "")).unwrap();
    writer.flush().unwrap();
    writer.write(&state(5, "")).unwrap();
    writer.flush().unwrap();
    assert_eq!(records(&path).unwrap(), [header(), state(4, ""), state(5, "")]);
    assert_eq!(String::from_utf8_lossy(&fs::read(&path).unwrap()).lines().count(), 4);
}

#[test]
fn unknown_records_blank_lines_and_a_missing_last_newline_are_fine() {
    let (_folder, path) = journal();
    fs::write(&path, "").unwrap();
    assert!(records(&path).unwrap().is_empty());
    append(&path, b"\n{\"type\":\"invented later\",\"x\":[1]}\r\n\n");
    append(&path, &serde_json::to_vec(&header()).unwrap());
    assert_eq!(records(&path).unwrap(), [header()]);
}

#[test]
fn other_files_and_versions_are_refused_with_the_line() {
    let (_folder, path) = journal();
    append(
        &path,
        serde_json::to_string(&header())
            .unwrap()
            .replace("\"version\":1", "\"version\":7")
            .as_bytes(),
    );
    let error = records(&path).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl, line 1") && error.contains("version 7"), "{error}");
    fs::write(&path, serde_json::to_string(&header()).unwrap().replace("-journal", "-diary"))
        .unwrap();
    let error = records(&path).unwrap_err().to_string();
    assert!(error.contains("it is a trainyard-diary, not a trainyard-journal"), "{error}");
    fs::write(&path, serde_json::to_vec(&state(1, "")).unwrap()).unwrap();
    let error = records(&path).unwrap_err().to_string();
    assert!(error.contains("line 1: a record comes before any header"), "{error}");
    fs::write(&path, "dear diary,\ntoday I trained\n").unwrap();
    let error = records(&path).unwrap_err().to_string();
    assert!(error.contains("is not a journal"), "{error}");
}

#[test]
fn errors_name_the_file() {
    let (folder, path) = journal();
    assert!(records(&path).unwrap().is_empty(), "none is no error");
    fs::create_dir(&path).unwrap();
    let error = records(&path).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl"), "{error}");
    let error = JournalWriter::open(&folder.path().join("none")).unwrap_err().to_string();
    assert!(error.contains(&folder.path().display().to_string()), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_full_disk_did_not_take_comes_when_there_is_room() {
    let (_folder, path) = journal();
    let mut writer = JournalWriter::open(path.parent().unwrap()).unwrap();
    writer.file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    writer.write(&header()).unwrap();
    let error = writer.flush().unwrap_err();
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(error.exit_code(), 1);
    writer.write(&state(1, "")).unwrap();
    writer.file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
    writer.write(&state(2, "")).unwrap();
    writer.flush().unwrap();
    assert_eq!(records(&path).unwrap(), [header(), state(1, ""), state(2, "")]);
    assert_eq!(writer.lost(), 0);
}

/// A step with its actions and memory.
fn step(number: u64) -> [Record; 4] {
    let at_ns = number * 1000;
    let event = TraceEvent {
        step: number,
        device: 0,
        lane: Lane::Compute,
        action: Action::forward(0, 0),
        start_ns: at_ns - 900,
        end_ns: at_ns - 100,
        bytes: 0,
        peer: None,
    };
    let memory = |in_use_bytes| Record::Memory {
        at_ns,
        device: 0,
        in_use_bytes,
        reserved_bytes: None,
        padding_bytes: None,
        peak_bytes: 900,
        predicted_bytes: 1000,
    };
    let figures = Record::Step {
        at_ns,
        step: number,
        // Fifteen digits, as many as stay.
        loss: (1e14 / number as f64).round() / 1e14,
        learning_rate: 0.001,
        grad_norm: 2.5,
        step_ns: 900,
        tokens_per_s: 1e6,
        metrics: [("accuracy".to_owned(), 0.25)].into(),
    };
    [Record::Action(event), memory(500 + number % 7), memory(100), figures]
}

fn only_steps(records: &[Record]) -> Vec<Record> {
    records.iter().filter(|record| matches!(record, Record::Step { .. })).cloned().collect()
}

#[test]
fn a_long_journal_is_closed_in_parts_and_loses_no_step() {
    let (folder, path) = journal();
    let mut writer = JournalWriter::with_parts_of(folder.path(), 2000).unwrap();
    let mut written = vec![header()];
    writer.write(&header()).unwrap();
    for number in 1..=200 {
        for record in step(number) {
            writer.write(&record).unwrap();
            written.push(record);
        }
        writer.flush().unwrap();
        writer.close_long_part().unwrap();
        if number % 50 == 0 {
            let validation = state(number, "validated");
            writer.write(&validation).unwrap();
            written.push(validation);
        }
    }
    writer.flush().unwrap();
    let read = records(&path).unwrap();
    assert_eq!(only_steps(&read).len(), 200);
    for (read, written) in only_steps(&read).iter().zip(only_steps(&written)) {
        assert_eq!(*read, written, "the steps in full, in order");
    }
    let headers = read.iter().filter(|record| matches!(record, Record::Header(_)));
    assert_eq!((headers.count(), &read[0]), (1, &header()));
    let states = read.iter().filter(|record| matches!(record, Record::State { .. }));
    assert_eq!(states.count(), 4);
    let fullest = read.iter().filter_map(|record| match record {
        Record::Memory { in_use_bytes, .. } => Some(*in_use_bytes),
        _ => None,
    });
    assert_eq!(fullest.max(), Some(506));
    let last_action = read.iter().rev().find_map(|record| match record {
        Record::Action(event) => Some(event.step),
        _ => None,
    });
    assert_eq!(last_action, Some(200));
    let names: Vec<String> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 3, "thinned parts, one whole one, and the open one: {names:?}");
    assert_eq!(first_header(folder.path()).unwrap().map(Record::Header), Some(header()));
}

#[test]
fn thinning_keeps_records_of_newer_programs_as_they_are() {
    let (folder, path) = journal();
    let mut writer = JournalWriter::with_parts_of(folder.path(), 2000).unwrap();
    writer.write(&header()).unwrap();
    let newer = |number: u64| format!(r#"{{"type":"power", "watts":[{number}.50, null]}}"#);
    for number in 1..=100 {
        for record in step(number) {
            writer.write(&record).unwrap();
        }
        writer.flush().unwrap();
        append(&path, format!("{}\n", newer(number)).as_bytes());
        writer.close_long_part().unwrap();
    }
    drop(writer);
    let mut lines = Vec::new();
    for segment in Segment::to_read(parts::segments(folder.path()).unwrap()) {
        let text = fs::read_to_string(folder.path().join(segment.name())).unwrap();
        lines.extend(text.lines().map(str::to_owned));
    }
    lines.extend(fs::read_to_string(&path).unwrap().lines().map(str::to_owned));
    let kept: Vec<_> = lines.iter().filter(|line| line.contains("power")).collect();
    assert_eq!(kept, (1..=100).map(newer).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert!(lines.iter().any(|line| line.contains(r#""type":"steps""#)), "nothing was thinned");
    assert_eq!(only_steps(&records(&path).unwrap()).len(), 100);
}

/// The journal of a week: as many steps as one a second or so, with the actions of two devices.
#[test]
#[ignore = "writes more than a gigabyte; scripts/long.sh reliability runs it"]
fn a_million_steps_take_less_than_100_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = JournalWriter::open(folder.path()).unwrap();
    writer.write(&header()).unwrap();
    for number in 1..=1_000_000 {
        for record in step(number) {
            let is_action = matches!(record, Record::Action(_));
            let loss = Record::Step {
                at_ns: number * 1_000_000_000,
                step: number,
                loss: 1.0 / (number as f64).sqrt(),
                learning_rate: 1e-3 * (number as f64 / 1e6).cos(),
                grad_norm: 1.0 / (number as f64).cbrt(),
                step_ns: 987_654_321 + number % 1000,
                tokens_per_s: 1234.5 + (number % 77) as f64,
                metrics: [("accuracy".to_owned(), (number % 97) as f64 / 97.0)].into(),
            };
            let record = if matches!(record, Record::Step { .. }) { loss } else { record };
            for _ in 0..if is_action { 12 } else { 1 } {
                writer.write(&record).unwrap();
            }
        }
        writer.flush().unwrap();
        writer.close_long_part().unwrap();
    }
    writer.flush().unwrap();
    let bytes: u64 =
        fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().metadata().unwrap().len()).sum();
    let mut steps = 0;
    let count = |record| steps += u64::from(matches!(record, Record::Step { .. }));
    read_journal(folder.path(), count).unwrap();
    println!(
        "1,000,000 steps: {} MB in {} files",
        bytes / 1_000_000,
        fs::read_dir(folder.path()).unwrap().count()
    );
    assert_eq!(steps, 1_000_000);
    assert!(bytes <= 100_000_000, "{bytes}");
}

#[test]
fn a_part_that_a_crash_left_twice_is_read_once() {
    let (folder, path) = journal();
    let mut writer = JournalWriter::with_parts_of(folder.path(), 2000).unwrap();
    writer.write(&header()).unwrap();
    let mut kept = Vec::new();
    for number in 1..=60 {
        for record in step(number) {
            writer.write(&record).unwrap();
        }
        for entry in fs::read_dir(folder.path()).unwrap() {
            let entry = entry.unwrap().path();
            // What is about to be thinned and removed, as a crash would leave it.
            if entry != path && !kept.iter().any(|(known, _)| *known == entry) {
                kept.push((entry.clone(), fs::read(&entry).unwrap()));
            }
        }
        writer.flush().unwrap();
        writer.close_long_part().unwrap();
    }
    drop(writer);
    let before = records(&path).unwrap();
    for (path, bytes) in &kept {
        fs::write(path, bytes).unwrap();
    }
    assert_eq!(only_steps(&records(&path).unwrap()), only_steps(&before));
    // A crash came between the closing of a part and the next.
    let last = fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().path()).max().unwrap();
    fs::rename(&path, last.with_file_name("journal-000999.jsonl")).unwrap();
    assert_eq!(only_steps(&records(&path).unwrap()), only_steps(&before));
}

proptest! {
    #[test]
    fn no_journal_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), cut in 0..300usize) {
        let (_folder, path) = journal();
        let mut whole = serde_json::to_vec(&header()).unwrap();
        whole.push(b'\n');
        whole.extend(&serde_json::to_vec(&state(3, "é")).unwrap());
        whole.truncate(cut);
        whole.extend(bytes);
        append(&path, &whole);
        let _ = records(&path);
        let mut writer = JournalWriter::open(path.parent().unwrap()).unwrap();
        writer.write(&header()).unwrap();
        writer.flush().unwrap();
        if let Ok(records) = records(&path) {
            prop_assert_eq!(records.last(), Some(&header()));
        }
    }
}
