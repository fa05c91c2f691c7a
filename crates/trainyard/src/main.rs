//! `trainyard`: see `trainyard --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    trainyard::main()
}
