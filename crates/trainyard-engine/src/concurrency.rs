//! Threads, channels and the time of waiting, as the executor (pipeline, workers, links and ties) has them.
//!
//! They are std's and crossbeam's. In this crate's own tests they are [`shuttle`](shuttled)'s, which runs the
//! threads of a test on one, in an order that follows from a seed: so any order in which things can happen
//! is tried, and a failure comes again. The executor names neither std's nor crossbeam's itself;
//! `tests/tests/architecture.rs` looks.

#[cfg(test)]
mod shuttled;

#[cfg(not(test))]
pub(crate) use {
    crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded},
    std::thread::{Builder, JoinHandle, sleep},
    std::time::Instant,
};

#[cfg(test)]
pub(crate) use shuttled::{
    Builder, Instant, JoinHandle, Receiver, RecvTimeoutError, Sender, begin_execution, bounded,
    end_execution, sleep,
};
