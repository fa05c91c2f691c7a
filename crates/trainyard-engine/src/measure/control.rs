//! The control kernel: fixed work, timed again and again while something else is measured.
//!
//! It takes the same time whenever its thread has a core to itself, so its times tell what other
//! programs took. It is arithmetic in registers: the other devices of a run, which use the same
//! memory, do not disturb it.

use std::hint::black_box;
use std::time::{Duration, Instant};

use trainyard_plan::noise;

use crate::EngineError;

/// Numbers that a run makes, each from the one before: a fraction of a millisecond, shorter than a
/// scheduler's time slice, so that most runs are undisturbed under any load.
const NUMBERS: u64 = 1 << 17;
/// Runs before anything is measured.
const FIRST: usize = 16;
/// Runs whose times are kept, the first of all: more than a minute's. Their memory is taken at the
/// start: what a device's thread takes later counts as the device's.
const KEPT: usize = 1 << 15;
/// Of the time of a measurement one part in so many is the control kernel's.
const SHARE_OF_TIME: f64 = 8.0;
/// The most runs in a row.
const MOST: f64 = 200.0;
/// A measurement during which the kernel got less of a core is disturbed.
const DISTURBED_BELOW: f64 = 0.9;

/// Times the control kernel on one thread.
pub(super) struct Control {
    times_us: Vec<f64>,
    /// What a run takes on a core of its own, from the first ones, µs.
    first_us: f64,
    /// When the last run ended.
    last: Instant,
    /// The newest times between two checks.
    pauses: [Duration; 8],
}

impl Control {
    /// Runs the kernel a few times, to know what it takes.
    pub(super) fn start() -> Self {
        let mut control = Self {
            times_us: Vec::with_capacity(KEPT),
            first_us: 0.0,
            last: Instant::now(),
            pauses: [Duration::ZERO; 8],
        };
        (0..FIRST).for_each(|_| control.run());
        control.first_us = noise::undisturbed_us(&control.times_us);
        control
    }

    /// Runs the kernel for its part of the time that goes by between two checks, of late at the
    /// least.
    ///
    /// How often must not depend on interruptions, neither those before nor those of these runs:
    /// their number would be taken for too small or too large, as one interruption seldom comes
    /// right after another.
    pub(super) fn check(&mut self) {
        self.pauses.rotate_right(1);
        self.pauses[0] = self.last.elapsed();
        let pause = self.pauses.iter().min().copied().unwrap_or_default();
        let runs = pause.as_nanos() as f64 / 1e3 / SHARE_OF_TIME / self.first_us.max(1.0);
        (0..runs.ceil().clamp(1.0, MOST) as usize).for_each(|_| self.run());
    }

    /// Runs the kernel so often that it takes so long on a core of its own.
    fn run_for(&mut self, undisturbed: Duration) {
        let runs = undisturbed.as_nanos() as f64 / 1e3 / self.first_us.max(1.0);
        (0..runs.ceil() as usize).for_each(|_| self.run());
    }

    fn run(&mut self) {
        let began = Instant::now();
        let mut number = black_box(0x9E37_79B9_7F4A_7C15_u64);
        for _ in 0..NUMBERS {
            // Marsaglia's xorshift, which no compiler makes shorter.
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
        }
        black_box(number);
        self.last = Instant::now();
        if self.times_us.len() < KEPT {
            self.times_us.push(self.last.duration_since(began).as_nanos() as f64 / 1e3);
        }
    }

    /// How many runs there are, to ask later what came after them.
    pub(super) fn runs(&self) -> usize {
        self.times_us.len()
    }

    /// Whether the machine was busy, in all since the start or since so many runs.
    pub(super) fn is_disturbed_since(&self, runs: usize) -> bool {
        let undisturbed = noise::undisturbed_us(&self.times_us);
        let since = self.times_us.get(runs..).unwrap_or_default();
        [&self.times_us[..], since].into_iter().any(|times| {
            noise::share(times, undisturbed).is_some_and(|share| share < DISTURBED_BELOW)
        })
    }

    /// The time of every run, µs.
    pub(super) fn into_times_us(self) -> Vec<f64> {
        self.times_us
    }
}

/// Runs the control kernel on so many threads at once, so often that it takes as long as said on
/// cores of their own, and gives the times of all runs, µs, thread by thread: what
/// [`trainyard_plan::Noise::of`] takes.
///
/// # Errors
/// [`EngineError::Driver`] when the system gives no thread.
pub fn control_times(threads: usize, undisturbed: Duration) -> Result<Vec<f64>, EngineError> {
    let run = || {
        let mut control = Control::start();
        control.run_for(undisturbed);
        control.times_us
    };
    std::thread::scope(|scope| {
        let thread = |index| {
            let builder = std::thread::Builder::new().name(format!("control-{index}"));
            builder.spawn_scoped(scope, run).map_err(EngineError::no_thread)
        };
        let threads: Vec<_> = (0..threads.max(1)).map(thread).collect();
        let mut times_us = Vec::new();
        for thread in threads {
            let joined = thread?.join();
            times_us.extend(joined.map_err(|_| EngineError::driver("a control thread panicked"))?);
        }
        Ok(times_us)
    })
}
