//! The program `trainyard` itself, for tests that need it.

use std::path::Path;

use trainyard_studio::run::Program;

use crate::require;

/// The program, from `TRAINYARD_PROGRAM` or the target directory that this test was built in.
pub(crate) fn program() -> Option<Program> {
    let own = std::env::current_exe().ok()?;
    let beside = own.parent().and_then(Path::parent);
    let variable = std::env::var_os("TRAINYARD_PROGRAM");
    let found = Program::find_in(beside, variable.as_deref(), None);
    if let Err(missing) = &found {
        require::skip(missing);
    }
    found.ok()
}
