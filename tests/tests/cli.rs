//! The command line's own manners: help, version, and wrong usage.

#![allow(clippy::panic, reason = "a test that cannot go on fails at once and says why")]

use std::process::Command;

use serde_json::Value;
use trainyard_tests::{
    assert_says, read, root, run_fails, run_ok, set, temp_dir, trainyard, write, write_run_file,
};

#[test]
fn help_names_the_main_commands() {
    let help = run_ok(trainyard().arg("--help"));
    for command in ["devices", "keys", "plan", "train", "generate", "trace", "demo"] {
        assert!(help.contains(command), "`trainyard --help` does not name '{command}':\n{help}");
    }
}

#[test]
fn version_is_one_line_with_the_package_version() {
    let version = run_ok(trainyard().arg("--version"));
    assert_eq!(version, format!("trainyard {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_program_is_called_by_its_own_name() {
    let dir = temp_dir();
    let own = dir.path().join("mine").with_extension(std::env::consts::EXE_EXTENSION);
    std::fs::copy(trainyard().get_program(), &own).unwrap_or_else(|error| panic!("{error}"));
    let help = run_ok(Command::new(&own).args(["train", "--help"]));
    assert_says(&help, &["Train what a run file describes", "Usage: mine train"]);
    let version = run_ok(Command::new(&own).arg("--version"));
    assert_eq!(version, format!("mine (trainyard {})\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn keys_are_listed_for_people_and_programs() {
    let page = run_ok(trainyard().arg("keys"));
    for group in
        ["[model] kind = \"gpt\"", "[model] kind = \"mlp\"", "[optimizer] kind = \"adamw\""]
    {
        assert_says(&page, &[group]);
    }
    assert_says(&page, &["\n  steps = 500\n", "from 1 to", "[[device]]", "[data] kind = \"text\""]);
    let train = run_ok(trainyard().args(["keys", "train"]));
    assert_says(&train, &["\n  decay_steps follows from steps\n"]);
    assert!(!train.contains("[model]"), "{train}");
    let json = run_ok(trainyard().args(["keys", "optimizer", "--json"]));
    let json: Value = serde_json::from_str(&json).unwrap_or_default();
    assert_eq!((&json["format"], &json["version"]), (&"trainyard-keys".into(), &1.into()));
    let stderr = run_fails(trainyard().args(["keys", "trian"]), 2);
    assert_says(&stderr, &["'trian'", "did you mean \"train\"?"]);
}

#[test]
fn the_schema_in_assets_is_the_programs_own() {
    let committed = read(&root().join("assets/run.schema.json"));
    let made = run_ok(trainyard().args(["keys", "--schema"]));
    assert!(
        committed == made,
        "assets/run.schema.json is not what the keys declare: trainyard keys --schema >assets/run.schema.json"
    );
}

#[test]
fn no_file_is_written_or_replaced_unasked() {
    let dir = temp_dir();
    let file = write_run_file(dir.path());
    let plan = dir.path().join("plan.json");
    write(&plan, "mine");
    run_ok(trainyard().arg("plan").arg(&file));
    assert_eq!(read(&plan), "mine");
    let ask = |force: bool| {
        let mut command = trainyard();
        command.arg("plan").arg(&file).arg("-o").arg(&plan);
        command.args(force.then_some("--force"));
        command
    };
    let stderr = run_fails(&mut ask(false), 2);
    assert_says(&stderr, &["plan.json is there already", "--force"]);
    assert_eq!(read(&plan), "mine");
    run_ok(&mut ask(true));
    let written = read(&plan);
    assert_says(&written, &["trainyard-plan"]);
    // What the program wrote it may replace, until somebody changes it.
    run_ok(set(&mut ask(false), &["train.micro_batches=2"]));
    assert_ne!(read(&plan), written);
    write(&plan, format!("{} ", read(&plan)));
    run_fails(&mut ask(false), 2);
    let left: Vec<_> = std::fs::read_dir(dir.path()).into_iter().flatten().flatten().collect();
    assert_eq!(left.len(), 3, "the run file, its text and the plan: {left:?}");
}

#[test]
fn an_unknown_command_is_wrong_usage() {
    let stderr = run_fails(trainyard().arg("no-such-command"), 2);
    assert!(stderr.contains("no-such-command"), "the error does not name the command:\n{stderr}");
}
