//! When the newest steps ended and how long they took. As many are kept as have events.

use std::collections::VecDeque;

use super::recent_trace::MOST_TRACED_STEPS;

/// Number of steps over which the pace is taken.
const PACE_STEPS: usize = 32;

/// The newest steps of a part of a run, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct RecentSteps(VecDeque<Step>);

#[derive(Clone, Copy, Debug)]
struct Step {
    number: u64,
    at_ns: u64,
    took_ns: u64,
}

impl RecentSteps {
    pub(super) fn push(&mut self, number: u64, at_ns: u64, took_ns: u64) {
        self.0.push_back(Step { number, at_ns, took_ns });
        if self.0.len() > MOST_TRACED_STEPS as usize {
            self.0.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The pace of the newest steps, validation and checkpoints included; `None` where that cannot
    /// be said.
    pub(super) fn seconds_per_step(&self) -> Option<f64> {
        let newest = self.0.back()?;
        let first = self.0.get(self.0.len().saturating_sub(PACE_STEPS + 1))?;
        let steps = newest.number.checked_sub(first.number).filter(|&steps| steps > 0)?;
        let ns = newest.at_ns.saturating_sub(first.at_ns) as f64;
        Some(ns / steps as f64 / 1e9)
    }

    /// At most the newest `most` steps after one, with the time that each took, µs.
    pub(super) fn after(&self, step: u64, most: usize) -> Vec<(u64, f64)> {
        let newest = self.0.iter().rev().filter(|it| it.number > step).take(most);
        let mut steps: Vec<(u64, f64)> =
            newest.map(|step| (step.number, step.took_ns as f64 / 1e3)).collect();
        steps.reverse();
        steps
    }
}
