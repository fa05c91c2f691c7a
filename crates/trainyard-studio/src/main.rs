//! The program `trainyard-studio`: reads its arguments, then opens the window.

use std::process::ExitCode;

const HELP: &str = "\
Trainyard's desktop application.

Usage: trainyard-studio [OPTIONS]

Options:
  -h, --help     Print help
  -V, --version  Print version

Training is done with `trainyard`; see `trainyard --help`.";

/// Exit codes as in the whole project: 0 done, 1 failed, 2 wrong usage.
fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.first().map(|argument| argument.to_string_lossy()) {
        None => open_window(),
        Some(argument) if argument == "-h" || argument == "--help" => {
            println!("{HELP}");
            ExitCode::SUCCESS
        }
        Some(argument) if argument == "-V" || argument == "--version" => {
            println!("trainyard-studio {}", env!("CARGO_PKG_VERSION"));
            ExitCode::SUCCESS
        }
        Some(argument) => {
            eprintln!(
                "error: unexpected argument '{argument}'; see `trainyard-studio --help` for what it takes"
            );
            ExitCode::from(2)
        }
    }
}

fn open_window() -> ExitCode {
    match trainyard_studio::open() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
