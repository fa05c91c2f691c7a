//! Being asked to stop: by Ctrl-C, by a polite kill, by a terminal that closes.
//!
//! The first signal lets the step finish and saves; where nothing would be lost, it stops at once. The
//! second always stops at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cli::say;
use crate::error::RunError;

/// Exit code of a program stopped by Ctrl-C (128 + SIGINT).
pub(crate) const INTERRUPTED: u8 = 130;

/// Whether somebody has asked to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    state: Arc<Mutex<State>>,
    /// Asked, with nothing at stake: for what takes long and looks at it by itself.
    stop_now: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct State {
    asked: bool,
    /// Whether something would be lost if it stopped at once.
    at_stake: bool,
}

/// Who is told of signals: the training that runs now. Without one they end the program.
static LISTENER: Mutex<Option<Interrupt>> = Mutex::new(None);
/// Whether signals come here.
static IS_LISTENING: AtomicBool = AtomicBool::new(false);

impl Interrupt {
    /// Listens for signals from now on, in place of whoever did before.
    ///
    /// # Errors
    /// [`RunError`] if the system does not let it.
    pub(crate) fn listen() -> Result<Self, RunError> {
        let interrupt = Self::default();
        *listener() = Some(interrupt.clone());
        if !IS_LISTENING.swap(true, Ordering::SeqCst) {
            signals::listen(|| {
                let listener = listener().clone();
                listener.map_or_else(stop, |listener| listener.hear());
            })
            .map_err(|error| RunError::config(format!("cannot listen for Ctrl-C: {error}")))?;
        }
        Ok(interrupt)
    }

    /// Leaves signals to end the program from now on.
    pub(crate) fn listen_no_more() {
        *listener() = None;
    }

    /// One signal.
    fn hear(&self) {
        let mut state = self.state();
        if std::mem::replace(&mut state.asked, true) {
            stop();
        }
        if state.at_stake {
            say("finishing this step, then saving (Ctrl-C again stops at once)");
        }
        self.stop_now.store(!state.at_stake, Ordering::SeqCst);
    }

    pub(crate) fn asked(&self) -> bool {
        self.state().asked
    }

    /// Says whether something would be lost by stopping at once.
    pub(crate) fn set_at_stake(&self, at_stake: bool) {
        let mut state = self.state();
        state.at_stake = at_stake;
        self.stop_now.store(state.asked && !at_stake, Ordering::SeqCst);
    }

    /// Set while it is to be stopped at once: for what takes long.
    pub(crate) fn stop_now(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop_now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn listener() -> MutexGuard<'static, Option<Interrupt>> {
    LISTENER.lock().unwrap_or_else(PoisonError::into_inner)
}

fn stop() {
    std::process::exit(i32::from(INTERRUPTED));
}

#[cfg(unix)]
mod signals {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    /// Calls `hear` for each signal, on a thread of its own.
    pub(super) fn listen(hear: impl Fn() + Send + 'static) -> io::Result<()> {
        // A file that may not grow is then an error of the write, as it is on a full disk.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        let mut wanted = vec![SIGINT, SIGTERM];
        // Under `nohup` it is ignored, and stays so.
        if !is_ignored(SIGHUP) {
            wanted.push(SIGHUP);
        }
        let mut signals = Signals::new(wanted)?;
        let wait = move || signals.forever().for_each(|_| hear());
        std::thread::Builder::new().name("signals".to_owned()).spawn(wait)?;
        Ok(())
    }

    /// Whether a signal was ignored when the program started, as far as the system tells (Linux).
    fn is_ignored(signal: i32) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    }
}

#[cfg(not(unix))]
mod signals {
    /// Calls `hear` for each signal, on a thread of its own.
    pub(super) fn listen(hear: impl Fn() + Send + 'static) -> Result<(), ctrlc::Error> {
        ctrlc::set_handler(hear)
    }
}
