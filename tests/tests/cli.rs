//! The command line's own manners: help, version, and wrong usage.

use trainyard_tests::{run_fails, run_ok, trainyard};

#[test]
fn help_names_the_main_commands() {
    let help = run_ok(trainyard().arg("--help"));
    for command in ["devices", "plan", "train", "generate", "trace", "demo"] {
        assert!(help.contains(command), "`trainyard --help` does not name '{command}':\n{help}");
    }
}

#[test]
fn version_is_one_line_with_the_package_version() {
    let version = run_ok(trainyard().arg("--version"));
    assert_eq!(version, format!("trainyard {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unknown_command_is_wrong_usage() {
    let stderr = run_fails(trainyard().arg("no-such-command"), 2);
    assert!(stderr.contains("no-such-command"), "the error does not name the command:\n{stderr}");
}
