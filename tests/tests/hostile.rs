//! Inputs that never end, or are far too large: an error soon, in little memory, and never a panic.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use trainyard_tests::{assert_says, read, temp_dir, trainyard, write, write_run_file};

/// Address space that a command may have, KiB: the program with its libraries has the most of it.
const LIMIT_KIB: u64 = 6 << 20;

/// Runs `trainyard` in bounded memory and expects exit code 2 and some words.
fn refused(arguments: &[&str], says: &[&str]) {
    let program = trainyard();
    let mut limited = Command::new("timeout");
    limited.args(["60", "sh", "-c", &format!("ulimit -v {LIMIT_KIB}; exec \"$0\" \"$@\"")]);
    limited.arg(program.get_program()).args(arguments);
    limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output = limited.output().unwrap_or_else(|error| panic!("{error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{arguments:?}: {stderr}");
    assert!(stderr.len() < 20_000, "{arguments:?}: it says {} bytes", stderr.len());
    assert_says(&stderr, says);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_else(|| panic!("{} is not UTF-8", path.display()))
}

#[test]
fn pipes_and_devices_are_no_inputs() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let pipe = dir.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()));
    for input in [text(&pipe), "/dev/zero"] {
        let words = &["is a pipe or a device", "into a file"];
        refused(&["plan", input], words);
        let text_of = format!("data.text={input}");
        refused(&["train", text(&file), "--set", &text_of], &["is not a regular file"]);
        refused(&["train", text(&file), "--plan", input], words);
        refused(&["train", text(&file), "--schedule", input], words);
        refused(&["simulate", "--profile", input, "--schedule", "1f1b"], words);
        for command in ["compare", "trace", "generate", "resume"] {
            refused(&[command, input], &["not a run directory"]);
        }
    }
}

#[test]
fn what_is_far_too_large_is_refused() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let large = |name: &str, start: &str, piece: &str, count: usize| -> PathBuf {
        let path = dir.path().join(name);
        write(&path, start.to_owned() + &piece.repeat(count));
        path
    };
    let endless = large("endless.toml", "", "a", 30_000_000);
    refused(&["plan", text(&endless)], &["too long for such a file"]);
    let token = large("token.toml", "[model]\nkind = \"gpt\"\nx = \"", "b", 5_000_000);
    refused(&["plan", text(&token)], &["token.toml:3:5"]);
    let section = "[[device]]\nid = \"d\"\nadapter = \"cpu\"\n";
    let devices = large("devices.toml", &read(&file), section, 10_000);
    refused(&["plan", text(&devices)], &["10002 [[device]] sections", "at most 256"]);
    let layers = ["plan", text(&file), "--set", "model.layers=10000"];
    refused(&layers, &["10002 layers", "10000 may be planned"]);
    for (name, piece) in [("line.json", "a"), ("deep.json", "["), ("deep.csv", "[[")] {
        let path = large(name, "\"", piece, 10_000_000);
        refused(&["simulate", "--profile", text(&path), "--schedule", "1f1b"], &[name]);
        refused(&["train", text(&file), "--plan", text(&path)], &[name]);
        refused(&["train", text(&file), "--schedule", text(&path)], &[name]);
    }
    let cells = large("cells.csv", "", "1F0,", 8_000_000);
    refused(&["train", text(&file), "--schedule", text(&cells)], &["more than 1048576 cells"]);
}
