//! Texts as people have them: encodings, marks, line ends, folders; and prompts for what they trained.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::path::Path;
use std::process::Command;

use trainyard_tests::{
    assert_says, read, run_fails, run_ok, set, temp_dir, train, train_command, trainyard, write,
    write_run_file,
};

const LINE: &str = "the train leaves when no track is overloaded";

/// Trains two steps on a text, and gives what was said on stderr.
fn said(file: &Path, run: &Path, sets: &[&str]) -> String {
    let mut command: Command = train_command(file, run);
    set(&mut command, &["train.steps=2"]);
    let output = set(&mut command, sets).output().unwrap_or_else(|error| panic!("{error}"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    stderr
}

/// Every note begins a line with its word, and comes once.
fn assert_noted_once(stderr: &str, words: &str) {
    let notes = stderr.lines().filter(|line| line.starts_with("note: ") && line.contains(words));
    assert_eq!(notes.count(), 1, "{words:?} in:\n{stderr}");
}

fn vocabulary(run: &Path) -> String {
    let checkpoint = run.join(read(&run.join("latest")).trim());
    let manifest = read(&checkpoint.join("manifest.json"));
    let manifest: serde_json::Value =
        serde_json::from_str(&manifest).unwrap_or_else(|error| panic!("{error}"));
    let known = manifest["state"]["vocabulary"].as_array().cloned().unwrap_or_default();
    known.iter().filter_map(serde_json::Value::as_str).collect()
}

fn generate(run: &Path, arguments: &[&str]) -> String {
    run_ok(trainyard().arg("generate").arg(run).args(arguments))
}

#[test]
fn marks_and_encodings_are_read_and_said() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let text = dir.path().join("input.txt");
    let plain = format!("{LINE}\n").repeat(200);
    write(&text, format!("\u{feff}{plain}"));
    let run = dir.path().join("mark");
    assert_noted_once(&said(&file, &run, &[]), "the byte order mark at the beginning is left out");
    assert!(!vocabulary(&run).contains('\u{feff}'));
    // A prompt that was copied from the file's beginning, mark and all.
    let prompt = "\u{feff}the train";
    assert!(generate(&run, &["--prompt", prompt, "--tokens", "5"]).starts_with("the train"));
    // UTF-16 without a mark is valid UTF-8 with a NUL after each letter.
    write(&text, plain.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    let run = dir.path().join("utf16");
    assert_noted_once(&said(&file, &run, &[]), "read as UTF-16LE, which it is, though");
    assert!(!vocabulary(&run).contains('\0'));
    let run = dir.path().join("told");
    said(&file, &run, &["data.encoding=utf-16le"]);
    assert!(!vocabulary(&run).contains('\0'));
}

#[test]
fn generate_begins_with_what_the_model_knows() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let text = dir.path().join("input.txt");
    write(&text, format!("{LINE}\r").repeat(200));
    let run = dir.path().join("cr");
    assert_noted_once(&said(&file, &run, &[]), "lines end in CR alone (200, first in line 1)");
    assert!(generate(&run, &["--tokens", "5"]).starts_with('\r'));
    let run = dir.path().join("unix");
    said(&file, &run, &["data.newlines=unix"]);
    assert!(vocabulary(&run).starts_with('\n'));
    assert!(generate(&run, &["--prompt", "no\r\ntrack", "--tokens", "1"]).starts_with("no\ntrack"));
    write(&text, LINE.repeat(200));
    let run = dir.path().join("none");
    said(&file, &run, &[]);
    assert!(generate(&run, &["--tokens", "5"]).starts_with(' '));
}

#[test]
fn folders_packed_files_and_letters_in_two_parts_are_read() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let texts = dir.path().join("texts");
    std::fs::create_dir(&texts).unwrap_or_else(|error| panic!("{error}"));
    for name in ["a.txt", "b.txt"] {
        write(&texts.join(name), "cafe\u{301} au lait\n".repeat(200));
    }
    let folder = format!("data.text={}", texts.display());
    let run = dir.path().join("folder");
    let words =
        "a.txt and another file: letters are written as a letter and a mark after it (400, ";
    assert_noted_once(&said(&file, &run, &[&folder]), words);
    let run = dir.path().join("nfc");
    said(&file, &run, &[&folder, "data.normalize=nfc"]);
    assert!(vocabulary(&run).contains('é') && !vocabulary(&run).contains('\u{301}'));
    let written = generate(&run, &["--prompt", "cafe\u{301}", "--tokens", "1"]);
    assert!(written.starts_with("café"), "{written:?}");
}

#[test]
fn prompts_come_from_files_and_writing_stops_at_a_text() {
    let dir = temp_dir();
    let run = train(&write_run_file(dir.path()), "run", &["train.steps=8"]);
    let prompt = dir.path().join("prompt.txt");
    write(&prompt, "\u{feff}the train\n");
    let path = prompt.display().to_string();
    let whole = generate(&run, &["--prompt", "the train", "--tokens", "60"]);
    assert_eq!(whole, generate(&run, &["--prompt-file", &path, "--tokens", "60"]));
    let mut piped = trainyard();
    piped.arg("generate").arg(&run).args(["--prompt-file", "-", "--tokens", "60"]);
    piped.stdin(std::fs::File::open(&prompt).unwrap_or_else(|error| panic!("{error}")));
    assert_eq!(whole, run_ok(&mut piped));
    // Several tokens that it does write, such as the three after the first twenty.
    let stop: String = whole.chars().skip(29).take(3).collect();
    let stopped = generate(&run, &["--prompt", "the train", "--tokens", "60", "--stop", &stop]);
    let end = whole[9..].find(&stop).map_or(whole.len(), |place| 9 + place);
    assert_eq!(stopped, format!("{}\n", &whole[..end]));
    let fails = |arguments: &[&str], words: &[&str]| {
        let stderr = run_fails(trainyard().arg("generate").arg(&run).args(arguments), 2);
        assert_says(&stderr, words);
    };
    fails(&["--prompt", "The “rain”"], &["'T'", "perhaps \"t\"", "'“'", "leave it out"]);
    fails(&["--stop", ""], &["--stop is empty"]);
    fails(&["--stop", "Z"], &["'Z'"]);
    fails(&["--prompt-file", "nowhere.txt"], &["nowhere.txt", "check the name"]);
}
