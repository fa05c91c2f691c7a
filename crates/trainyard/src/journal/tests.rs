//! Tests of the journal.

use std::fs;
use std::fs::OpenOptions;

use proptest::prelude::*;
use trainyard_plan::journal::State;

use super::*;

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
    let mut writer = JournalWriter::open(&path).unwrap();
    let records = [header(), state(1, "two\nlines"), state(2, "")];
    for record in &records {
        writer.write(record).unwrap();
    }
    assert!(read_journal(&path).unwrap().is_empty(), "nothing before the flush");
    writer.flush().unwrap();
    assert_eq!(read_journal(&path).unwrap(), records);
    writer.write(&state(3, "")).unwrap();
    drop(writer);
    assert_eq!(read_journal(&path).unwrap().len(), 4);
    let mut writer = JournalWriter::open(&path).unwrap();
    writer.write(&header()).unwrap();
    writer.sync().unwrap();
    assert_eq!(read_journal(&path).unwrap().len(), 5);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 5);
}

#[test]
fn many_records_reach_the_file_by_themselves() {
    let (_folder, path) = journal();
    let mut writer = JournalWriter::open(&path).unwrap();
    writer.write(&header()).unwrap();
    for step in 0..30_000 {
        writer.write(&state(step, "a long enough message")).unwrap();
    }
    let so_far = fs::read(&path).unwrap();
    assert!(so_far.len() > BUFFER_BYTES && so_far.ends_with(b"\n"), "whole lines alone");
}

#[test]
fn a_torn_line_is_ended_and_skipped() {
    let (_folder, path) = journal();
    let mut whole = serde_json::to_vec(&header()).unwrap();
    whole.push(b'\n');
    append(&path, &whole);
    // Torn in the middle of a character.
    append(&path, b"{\"type\":\"state\",\"message\":\"\xc3");
    assert_eq!(read_journal(&path).unwrap(), [header()]);
    let mut writer = JournalWriter::open(&path).unwrap();
    writer.flush().unwrap();
    writer.write(&state(4, "")).unwrap();
    writer.flush().unwrap();
    writer.write(&state(5, "")).unwrap();
    writer.flush().unwrap();
    assert_eq!(read_journal(&path).unwrap(), [header(), state(4, ""), state(5, "")]);
    assert_eq!(String::from_utf8_lossy(&fs::read(&path).unwrap()).lines().count(), 4);
}

#[test]
fn unknown_records_blank_lines_and_a_missing_last_newline_are_fine() {
    let (_folder, path) = journal();
    fs::write(&path, "").unwrap();
    assert!(read_journal(&path).unwrap().is_empty());
    append(&path, b"\n{\"type\":\"invented later\",\"x\":[1]}\r\n\n");
    append(&path, &serde_json::to_vec(&header()).unwrap());
    assert_eq!(read_journal(&path).unwrap(), [header()]);
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
    let error = read_journal(&path).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl, line 1") && error.contains("version 7"), "{error}");
    fs::write(&path, serde_json::to_string(&header()).unwrap().replace("-journal", "-diary"))
        .unwrap();
    let error = read_journal(&path).unwrap_err().to_string();
    assert!(error.contains("this is a trainyard-diary, not a trainyard-journal"), "{error}");
    fs::write(&path, serde_json::to_vec(&state(1, "")).unwrap()).unwrap();
    let error = read_journal(&path).unwrap_err().to_string();
    assert!(error.contains("line 1: a record before any header"), "{error}");
    fs::write(&path, "dear diary,\ntoday I trained\n").unwrap();
    let error = read_journal(&path).unwrap_err().to_string();
    assert!(error.contains("is not a journal"), "{error}");
}

#[test]
fn errors_name_the_file() {
    let (folder, path) = journal();
    let error = read_journal(&path).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl"), "{error}");
    let error = JournalWriter::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&folder.path().display().to_string()), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_said_plainly_and_does_not_end_the_writer() {
    let (_folder, path) = journal();
    let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut writer = JournalWriter { path: path.clone(), file, lines: Vec::new(), torn: false };
    writer.write(&header()).unwrap();
    let error = writer.flush().unwrap_err();
    assert!(error.to_string().contains("free some space"), "{error}");
    assert_eq!(error.exit_code(), 1);
    writer.file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
    writer.write(&header()).unwrap();
    writer.flush().unwrap();
    assert_eq!(fs::read(&path).unwrap()[0], b'\n', "it starts on a line of its own");
    assert_eq!(read_journal(&path).unwrap(), [header()]);
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
        let _ = read_journal(&path);
        let mut writer = JournalWriter::open(&path).unwrap();
        writer.write(&header()).unwrap();
        writer.flush().unwrap();
        if let Ok(records) = read_journal(&path) {
            prop_assert_eq!(records.last(), Some(&header()));
        }
    }
}
