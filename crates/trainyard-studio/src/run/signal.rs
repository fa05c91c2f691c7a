//! Asking a process to end, by its number.

use std::io;
use std::process::{Command, Stdio};

/// How urgently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// What Ctrl-C sends: it finishes its step, saves and ends.
    Interrupt,
    /// It ends at once.
    Kill,
}

/// Sends a signal through the system's own tool: a direct call would be unsafe code.
#[cfg(unix)]
pub(super) fn send(signal: Signal, process: u32) -> io::Result<()> {
    let name = match signal {
        Signal::Interrupt => "INT",
        Signal::Kill => "KILL",
    };
    // `kill` is built into every shell, while a program of that name may be missing.
    run(Command::new("/bin/sh").args(["-c", "kill -s \"$0\" \"$1\"", name, &process.to_string()]))
}

/// Windows knows no gentle way to end a program that has no window.
#[cfg(not(unix))]
pub(super) fn send(_signal: Signal, process: u32) -> io::Result<()> {
    run(Command::new("taskkill").args(["/F", "/PID", &process.to_string()]))
}

fn run(command: &mut Command) -> io::Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io::Error::other(if reason.is_empty() { "no such process".to_owned() } else { reason }))
}
