//! Shuttle's threads, channels with crossbeam's meaning made of its locks, and a time that passes only while
//! somebody waits for it.

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::ops::Add;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) use crossbeam_channel::RecvTimeoutError;
use crossbeam_channel::{RecvError, SendError};
use shuttle::sync::{Condvar, Mutex, MutexGuard};
use shuttle::thread;

/// How often a receiver looks before its time is up.
const LOOKS: usize = 10;

thread_local! {
    /// Of the test that runs on this thread of the system, as all of its threads do.
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    static UNTIL_HELD_BACK: Cell<Option<usize>> = const { Cell::new(None) };
    /// Sends the message that is held back.
    static HELD_BACK: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
    static THREADS_LEFT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// What the next execution's links and threads do: hold back the message of a number, refuse all threads but
/// the first few.
pub(crate) fn begin_execution(held_back: Option<usize>, threads: Option<usize>) {
    NOW.set(Duration::ZERO);
    UNTIL_HELD_BACK.set(held_back);
    THREADS_LEFT.set(threads);
}

/// Sends what was held back.
pub(crate) fn end_execution() {
    if let Some(send) = HELD_BACK.take() {
        send();
    }
}

/// A moment of the time that passes while somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(Duration);

impl Instant {
    pub(crate) fn now() -> Self {
        Self(NOW.get())
    }

    pub(crate) fn elapsed(self) -> Duration {
        NOW.get().saturating_sub(self.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0 + duration)
    }
}

/// Lets the others run, and the time pass.
pub(crate) fn sleep(duration: Duration) {
    thread::yield_now();
    NOW.set(NOW.get() + duration);
}

pub(crate) struct Builder(thread::Builder);

impl Builder {
    pub(crate) fn new() -> Self {
        Self(thread::Builder::new())
    }

    pub(crate) fn name(self, name: String) -> Self {
        Self(self.0.name(name))
    }

    pub(crate) fn spawn(self, work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        if let Some(left) = THREADS_LEFT.get() {
            THREADS_LEFT.set(Some(left.saturating_sub(1)));
            if left == 0 {
                return Err(io::Error::from(io::ErrorKind::WouldBlock));
            }
        }
        let is_finished = Arc::new(AtomicBool::new(false));
        let finished = Arc::clone(&is_finished);
        let thread = self.0.spawn(move || {
            work();
            finished.store(true, Ordering::SeqCst);
        })?;
        Ok(JoinHandle { thread, is_finished })
    }
}

pub(crate) struct JoinHandle<T> {
    thread: thread::JoinHandle<T>,
    is_finished: Arc<AtomicBool>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::SeqCst)
    }

    pub(crate) fn join(self) -> thread::Result<T> {
        self.thread.join()
    }
}

struct Channel<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    messages: VecDeque<T>,
    capacity: usize,
    senders: usize,
    has_receiver: bool,
}

impl<T> Channel<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap()
    }
}

/// A channel with room for some messages, at least one.
pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    assert!(capacity > 0, "no channel of the executor is without room");
    let messages = VecDeque::with_capacity(capacity);
    let state = State { messages, capacity, senders: 1, has_receiver: true };
    let channel = Arc::new(Channel { state: Mutex::new(state), changed: Condvar::new() });
    (Sender(Arc::clone(&channel)), Receiver(channel))
}

pub(crate) struct Sender<T>(Arc<Channel<T>>);

impl<T: 'static> Sender<T> {
    pub(crate) fn send(&self, message: T) -> Result<(), SendError<T>> {
        let mut state = self.0.lock();
        while state.has_receiver && state.messages.len() == state.capacity {
            state = self.0.changed.wait(state).unwrap();
        }
        if !state.has_receiver {
            return Err(SendError(message));
        }
        if let Some(left) = UNTIL_HELD_BACK.get().filter(|_| is_of_link::<T>()) {
            UNTIL_HELD_BACK.set(left.checked_sub(1));
            if left == 0 {
                let channel = Arc::clone(&self.0);
                let send = move || {
                    channel.lock().messages.push_back(message);
                    channel.changed.notify_all();
                };
                HELD_BACK.set(Some(Box::new(send)));
                return Ok(());
            }
        }
        state.messages.push_back(message);
        self.0.changed.notify_all();
        Ok(())
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // A test that has failed takes its threads down without running them.
        if !std::thread::panicking() {
            self.0.lock().senders -= 1;
            self.0.changed.notify_all();
        }
    }
}

/// Whether it is what links carry, and not a command or a report.
fn is_of_link<T>() -> bool {
    type_name::<T>().starts_with("trainyard_engine::link::")
}

pub(crate) struct Receiver<T>(Arc<Channel<T>>);

impl<T> Receiver<T> {
    pub(crate) fn recv(&self) -> Result<T, RecvError> {
        let mut state = self.0.lock();
        loop {
            if let Some(message) = state.messages.pop_front() {
                self.0.changed.notify_all();
                return Ok(message);
            }
            if state.senders == 0 {
                return Err(RecvError);
            }
            state = self.0.changed.wait(state).unwrap();
        }
    }

    pub(crate) fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        for _ in 0..LOOKS {
            let mut state = self.0.lock();
            if let Some(message) = state.messages.pop_front() {
                self.0.changed.notify_all();
                return Ok(message);
            }
            if state.senders == 0 {
                return Err(RecvTimeoutError::Disconnected);
            }
            drop(state);
            thread::yield_now();
        }
        NOW.set(NOW.get() + timeout);
        Err(RecvTimeoutError::Timeout)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().messages.is_empty()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let mut state = self.0.lock();
            state.has_receiver = false;
            // What nobody receives any more is dropped with the receiver, behind the lock.
            let left = std::mem::take(&mut state.messages);
            drop(state);
            self.0.changed.notify_all();
            drop(left);
        }
    }
}

impl<T> IntoIterator for &Receiver<T> {
    type Item = T;
    type IntoIter = Messages<Self>;

    fn into_iter(self) -> Self::IntoIter {
        Messages(self)
    }
}

/// What a receiver receives until all senders are gone.
pub(crate) struct Messages<R>(R);

impl<T> Iterator for Messages<&Receiver<T>> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}
