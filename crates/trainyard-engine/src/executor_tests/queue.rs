//! Queues of devices that take their time and fail as they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use shuttle::sync::{Condvar, Mutex};
use shuttle::thread::yield_now;

use super::draw::Draw;
use crate::EngineError;
use crate::queue::{Point, Queue};

/// What a device does wrong. Actions and copies are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum QueueFault {
    Nothing,
    /// It has no memory for an action.
    RefusesAction(usize),
    /// It is lost at an action.
    IsLostAt(usize),
    /// It does not copy to the host what it should.
    FailsToCopy(usize),
    /// It does not come to the end of an action.
    HangsAt(usize),
    /// It does not come to where a copy can begin.
    HangsBeforeCopy(usize),
}

/// The queue of a device that was told what to do wrong. Its clones are one.
#[derive(Clone, Debug)]
pub(super) struct FakeQueue(Arc<State>);

#[derive(Debug)]
struct State {
    fault: QueueFault,
    /// Most turns that it leaves to others before it answers.
    delay: u64,
    draws: AtomicU64,
    actions: AtomicUsize,
    copies: AtomicUsize,
    has_failed: AtomicBool,
    is_lost: AtomicBool,
    let_go: Mutex<bool>,
    went: Condvar,
}

impl FakeQueue {
    pub(super) fn new(fault: QueueFault, delay: u64, seed: u64) -> Self {
        Self(Arc::new(State {
            fault,
            delay,
            draws: AtomicU64::new(seed),
            actions: AtomicUsize::new(0),
            copies: AtomicUsize::new(0),
            has_failed: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            let_go: Mutex::new(false),
            went: Condvar::new(),
        }))
    }

    /// Whether it has done wrong.
    pub(super) fn has_failed(&self) -> bool {
        self.0.has_failed.load(SeqCst)
    }

    /// Lets a device go on that hangs.
    pub(super) fn let_go(&self) {
        *self.0.let_go.lock().unwrap() = true;
        self.0.went.notify_all();
    }
}

impl State {
    fn take_time(&self) {
        let mut draw = Draw::new(self.draws.fetch_add(1, SeqCst));
        for _ in 0..draw.below(self.delay + 1) {
            yield_now();
        }
    }

    fn fail(&self, says: &str) -> Result<(), EngineError> {
        self.has_failed.store(true, SeqCst);
        Err(EngineError::driver(says))
    }

    fn hang(&self) {
        self.has_failed.store(true, SeqCst);
        let mut let_go = self.let_go.lock().unwrap();
        while !*let_go {
            let_go = self.went.wait(let_go).unwrap();
        }
    }

    fn is_there(&self) -> Result<(), EngineError> {
        if self.is_lost.load(SeqCst) { self.fail("the device is lost") } else { Ok(()) }
    }
}

impl Queue for FakeQueue {
    fn flush(&self) -> Result<(), EngineError> {
        self.0.is_there()
    }

    fn drain(&self) -> Result<(), EngineError> {
        let state = &self.0;
        state.take_time();
        let action = state.actions.fetch_add(1, SeqCst);
        match state.fault {
            QueueFault::RefusesAction(at) if at == action => state.fail("out of memory")?,
            QueueFault::IsLostAt(at) if at == action => state.is_lost.store(true, SeqCst),
            QueueFault::HangsAt(at) if at == action => state.hang(),
            _ => {}
        }
        state.is_there()
    }

    fn point(&self) -> Box<dyn Point> {
        Box::new(self.clone())
    }
}

impl Point for FakeQueue {
    fn wait(&self) -> Result<(), EngineError> {
        let state = &self.0;
        state.take_time();
        let copy = state.copies.fetch_add(1, SeqCst);
        match state.fault {
            QueueFault::FailsToCopy(at) if at == copy => state.fail("the copy failed")?,
            QueueFault::HangsBeforeCopy(at) if at == copy => state.hang(),
            _ => {}
        }
        state.is_there()
    }
}
