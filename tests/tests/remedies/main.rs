//! The remedies that messages give: each is taken out of its message, where it stands there, done as
//! the message says, and works.
#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]
#![cfg(unix)]

mod budgets;
mod checkpoints;
mod commands;
mod drivers;
mod keys;
mod locks;
mod permissions;
mod plans;
mod profiles;
mod run_file;
mod runs;
mod schedules;
mod tables;
mod tensors;
mod texts;
mod toml_text;
mod using;

use std::path::{Path, PathBuf};
use std::process::Command;

use trainyard_tests::{Place, assert_says, run_fails, run_ok, set, train, trainyard};

/// Settings for `--set`.
type Sets<'a> = &'a [&'a str];

/// A finished run with checkpoints after the steps 2 and 4.
fn finished(place: &Place, name: &str) -> PathBuf {
    train(&place.file, name, &["train.checkpoint_every=2"])
}

fn resume(run: &Path, arguments: &[&str], sets: Sets<'_>) -> Command {
    let mut command = trainyard();
    command.arg("resume").arg(run).args(arguments);
    set(&mut command, sets);
    command
}

/// The command that plans a run file, which reads all that it names and trains nothing.
fn plan(file: &Path, sets: Sets<'_>) -> Command {
    let mut command = trainyard();
    command.arg("plan").arg(file);
    set(&mut command, sets);
    command
}

/// What a run file with some settings is refused with.
fn refused(file: &Path, sets: Sets<'_>) -> String {
    run_fails(&mut plan(file, sets), 2)
}

/// A run file is refused with some settings, in these words, and accepted with others.
fn mended(file: &Path, wrong: Sets<'_>, words: &str, right: Sets<'_>) {
    let stderr = refused(file, wrong);
    assert_says(&stderr, &[words]);
    run_ok(&mut plan(file, right));
}

/// What a command that ends well says beside what it prints.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{command:?}: {stderr}");
    stderr
}

/// What stands between two parts of a message.
fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("{start:?} is not in {text}")).1;
    rest.split_once(end).map_or(rest, |(found, _)| found).trim()
}

/// Runs a command line that a message gives, as a person would paste it.
fn paste(line: &str) {
    let program = trainyard();
    let folder = Path::new(program.get_program()).parent().map(Path::to_path_buf);
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", folder.unwrap_or_default().display());
    let mut shell = Command::new("sh");
    shell.args(["-c", line]).env("PATH", path);
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    run_ok(&mut shell);
}
