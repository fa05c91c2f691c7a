//! The desktop program from outside: its arguments, and what it says without a display.

use trainyard_tests::{run_fails, run_ok, studio};

#[test]
fn help_and_version_open_no_window() {
    assert!(run_ok(studio().arg("--help")).contains("Usage: trainyard-studio"));
    let version = run_ok(studio().arg("--version"));
    assert_eq!(version, format!("trainyard-studio {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_unknown_argument_is_wrong_usage() {
    let stderr = run_fails(studio().arg("--no-such-option"), 2);
    assert!(stderr.contains("--no-such-option"), "the error does not name it:\n{stderr}");
}

/// Elsewhere there is always a display, or nothing that tests could take away.
#[cfg(target_os = "linux")]
#[test]
fn without_a_display_it_says_so_in_one_line() {
    let mut command = studio();
    for variable in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(variable);
    }
    let stderr = run_fails(&mut command, 1);
    assert_eq!(stderr.lines().count(), 1, "more than one line:\n{stderr}");
    assert!(stderr.starts_with("error: cannot open a window: "), "{stderr}");
}
