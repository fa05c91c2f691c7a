//! Ctrl-C: the first lets the step finish and saves, the second stops at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cli::say;
use crate::error::RunError;

/// Exit code of a program stopped by Ctrl-C (128 + SIGINT).
pub(crate) const INTERRUPTED: u8 = 130;

/// Set by the first Ctrl-C.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for Ctrl-C (and a polite kill) from now on.
    pub(crate) fn listen() -> Result<Self, RunError> {
        let interrupt = Self::default();
        let asked = interrupt.clone();
        let handler = move || {
            if asked.0.swap(true, Ordering::SeqCst) {
                std::process::exit(i32::from(INTERRUPTED));
            }
            say("\nfinishing this step, then saving (Ctrl-C again stops at once)");
        };
        match ctrlc::set_handler(handler) {
            // Somebody listens already: the same program runs two trainings one after the other.
            Ok(()) | Err(ctrlc::Error::MultipleHandlers) => Ok(interrupt),
            Err(error) => Err(RunError::config(format!("cannot listen for Ctrl-C: {error}"))),
        }
    }

    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
