//! Helpers for the end-to-end tests: the built programs, run as a person runs them.
//!
//! Each file in `tests/` is about one thing a person does. A test writes what it needs into a
//! directory of its own ([`temp_dir`]), runs a program ([`trainyard`], [`run_ok`], [`run_fails`])
//! and looks at what it printed and left behind ([`journal`]). Cargo does not build programs for
//! tests of another package, so build them first; `scripts/test.sh` does.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "these are test helpers: a test that cannot be set up fails at once and says why"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

pub mod encoder_place;
pub mod require;
#[cfg(unix)]
pub mod running;

/// The repository's root.
pub fn root() -> PathBuf {
    // Asked when the test runs: with a shared build folder it may have been built in another clone.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    let package = Path::new(&package);
    package.parent().expect("the package `trainyard-tests` lies in the root").to_owned()
}

/// The program `trainyard`, ready for arguments.
pub fn trainyard() -> Command {
    program("trainyard")
}

/// The program `trainyard-studio`, ready for arguments.
pub fn studio() -> Command {
    program("trainyard-studio")
}

/// The program of the example `own-model`, ready for arguments.
pub fn own_model() -> Command {
    program("own-model")
}

/// A program built beside this test: tests lie in `<target>/<profile>/deps/`, programs one up.
fn program(name: &str) -> Command {
    let test = std::env::current_exe().expect("a running test has a path");
    let profile = test.ancestors().nth(2).expect("tests lie in `<target>/<profile>/deps/`");
    let program = profile.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(
        program.is_file(),
        "{} is not built; run `cargo build --release --no-default-features --workspace --bins` \
         first, or let `scripts/test.sh` do it",
        program.display()
    );
    let mut command = Command::new(program);
    // What a program prints must not depend on who runs the tests.
    command.env("NO_COLOR", "1").env_remove("RUST_LOG").stdin(Stdio::null());
    // Nor on what was measured on this machine before.
    command.env("TRAINYARD_CACHE", profile.join("test-cache"));
    command
}

/// A directory of the test's own, removed when the value is dropped.
pub fn temp_dir() -> TempDir {
    tempfile::Builder::new().prefix("trainyard-test-").tempdir().expect("a temporary directory")
}

/// Runs to the end, expects exit code 0, and gives what was printed on stdout.
pub fn run_ok(command: &mut Command) -> String {
    let output = run(command);
    expect_code(command, &output, 0);
    String::from_utf8(output.stdout).expect("stdout is UTF-8")
}

/// Runs to the end, expects this exit code and no panic, and gives what was printed on stderr.
pub fn run_fails(command: &mut Command, code: i32) -> String {
    let output = run(command);
    expect_code(command, &output, code);
    let stderr = String::from_utf8(output.stderr).expect("stderr is UTF-8");
    for sign in ["panicked at", "stack backtrace", "RUST_BACKTRACE"] {
        assert!(!stderr.contains(sign), "{command:?} panicked:\n{stderr}");
    }
    stderr
}

fn run(command: &mut Command) -> Output {
    command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"))
}

fn expect_code(command: &Command, output: &Output, code: i32) {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{command:?} ended with {}\n--- stdout\n{}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

/// Writes a text and a run file that trains a very small GPT on it, on two CPU devices, and gives
/// the run file's path. `--set key=value` changes what a test is about.
pub fn write_run_file(dir: &Path) -> PathBuf {
    write(&dir.join("input.txt"), "the train leaves when no track is overloaded\n".repeat(200));
    let path = dir.join("run.toml");
    write(&path, RUN_FILE);
    path
}

/// A directory of a test's own with the run file of [`write_run_file`].
pub struct Place {
    dir: TempDir,
    /// The run file.
    pub file: PathBuf,
}

impl Place {
    /// Makes it.
    #[expect(clippy::new_without_default, reason = "it makes files")]
    pub fn new() -> Self {
        let dir = temp_dir();
        let file = write_run_file(dir.path());
        Self { dir, file }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

const RUN_FILE: &str = r#"
[model]
kind = "gpt"
layers = 2
heads = 2
width = 32
context = 16

[data]
text = "input.txt"

[train]
steps = 4
warmup = 1
batch = 8
micro_batches = 4

[pipeline]
schedule = "1f1b"
# So small a model is fastest on one device, and the tests are about two.
lock = ["embed=left", "head=right"]

[[device]]
id = "left"
adapter = "cpu"
memory = "64 MiB"

[[device]]
id = "right"
adapter = "cpu"
memory = "64 MiB"
"#;

/// The setting that frees the layers which [`write_run_file`] keeps on a device.
pub const NO_LOCK: &str = "pipeline.lock=[]";

/// `--set key=value` for each, added to a command.
pub fn set<'c>(command: &'c mut Command, sets: &[&str]) -> &'c mut Command {
    for set in sets {
        command.args(["--set", set]);
    }
    command
}

/// Trains a run file into a directory of its own beside it, and gives that directory.
pub fn train(run_file: &Path, name: &str, sets: &[&str]) -> PathBuf {
    let run_dir = run_file.with_file_name(name);
    run_ok(set(&mut train_command(run_file, &run_dir), sets));
    run_dir
}

/// The command that trains a run file into a directory.
pub fn train_command(run_file: &Path, run_dir: &Path) -> Command {
    let mut command = trainyard();
    command.arg("train").arg(run_file);
    command.arg("--set").arg(format!("run.dir={}", run_dir.display()));
    command
}

/// Every record of a run's journal, in the order it was written. A program that was killed may
/// leave the start of a line, which is no record.
pub fn journal(run_dir: &Path) -> Vec<Value> {
    let path = run_dir.join("journal.jsonl");
    let text = read(&path);
    let whole = text.lines().filter(|line| line.ends_with('}'));
    json_lines(&whole.collect::<Vec<_>>().join("\n"), &path.display().to_string())
}

/// A text of one JSON object a line.
pub fn json_lines(text: &str, name: &str) -> Vec<Value> {
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{name}:{}: {error}: {line}", index + 1))
        })
        .collect()
}

/// The journal's records of one type, such as `step`.
pub fn journal_of(run_dir: &Path, kind: &str) -> Vec<Value> {
    journal(run_dir).into_iter().filter(|record| record["type"] == kind).collect()
}

/// The loss of every step, as the digits that stand in the journal: equal digits are equal bits,
/// since they are the shortest that name the number. Of a step made twice, the last.
pub fn losses(run_dir: &Path) -> BTreeMap<u64, String> {
    let text = read(&run_dir.join("journal.jsonl"));
    let mut losses = BTreeMap::new();
    // A program that was killed may leave the start of a line.
    for line in text.lines().filter(|line| line.contains(r#""type":"step""#)) {
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        let digits = line.split(r#""loss":"#).nth(1).and_then(|rest| rest.split(',').next());
        let digits = digits.unwrap_or_else(|| panic!("a step without a loss: {line}"));
        losses.insert(record["step"].as_u64().expect("a step has a number"), digits.to_owned());
    }
    losses
}

/// Copies a directory with everything in it.
pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory can be made");
    for entry in std::fs::read_dir(from).expect("a directory can be read") {
        let path = entry.expect("a directory entry can be read").path();
        let target = to.join(path.file_name().expect("an entry has a name"));
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a file can be copied");
        }
    }
}

/// A text file as a whole.
pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path)
        .unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
}

/// Writes a file.
pub fn write(path: &Path, text: impl AsRef<[u8]>) {
    std::fs::write(path, text)
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

/// Whether every part occurs in a text.
pub fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} does not occur in:\n{text}");
    }
}
