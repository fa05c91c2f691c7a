//! What each thread of a pipeline is at, so that a pipeline that comes no further can say where it stands.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use trainyard_plan::Action;

/// What a thread is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Doing {
    pub(crate) step: u64,
    pub(crate) action: Action,
    /// Whether it waits for what another thread of the pipeline does.
    pub(crate) waits: bool,
}

/// What a thread was at when somebody looked. Two looks between which it came further are unlike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    changes: u64,
    pub(crate) doing: Option<Doing>,
    /// Actions done of the step under way, or of the last.
    pub(crate) done: usize,
}

/// Where one thread notes what it is at. Its clones are one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Activity(Arc<Mutex<Seen>>);

impl Activity {
    /// The thread begins with a step's actions.
    pub(crate) fn begin_step(&self) {
        self.lock().done = 0;
    }

    /// An action of the step is done.
    pub(crate) fn did(&self) {
        self.lock().done += 1;
    }

    /// The thread begins with an action.
    pub(crate) fn begin(&self, step: u64, action: Action) {
        self.note(Some(Doing { step, action, waits: false }));
    }

    /// The thread is done with what it was at, and waits for work.
    pub(crate) fn end(&self) {
        self.note(None);
    }

    /// Runs what waits for another thread of the pipeline.
    pub(crate) fn waiting<T>(&self, wait: impl FnOnce() -> T) -> T {
        let before = self.seen().doing;
        self.note(before.map(|doing| Doing { waits: true, ..doing }));
        let came = wait();
        self.note(before);
        came
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.lock()
    }

    fn note(&self, doing: Option<Doing>) {
        let mut seen = self.lock();
        seen.changes += 1;
        seen.doing = doing;
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
