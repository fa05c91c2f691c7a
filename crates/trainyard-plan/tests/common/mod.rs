//! What several tests of schedules share.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use trainyard_plan::{Action, ActionKind, Schedule};

/// The times of a stage's actions; a full backward takes both halves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Times {
    pub(crate) forward: i64,
    pub(crate) input_grad: i64,
    pub(crate) weight_grad: i64,
}

impl Times {
    pub(crate) const fn new(forward: i64, input_grad: i64, weight_grad: i64) -> Self {
        Self { forward, input_grad, weight_grad }
    }

    pub(crate) fn all(self) -> i64 {
        self.forward + self.input_grad + self.weight_grad
    }

    fn of(self, kind: ActionKind) -> i64 {
        match kind {
            ActionKind::Forward => self.forward,
            ActionKind::Backward => self.input_grad + self.weight_grad,
            ActionKind::InputGrad => self.input_grad,
            ActionKind::WeightGrad => self.weight_grad,
            other => panic!("no time for {other:?}"),
        }
    }
}

/// What a step costs.
#[derive(Debug, PartialEq)]
pub(crate) struct Cost {
    /// The time of the last end.
    pub(crate) makespan: i64,
    /// The longest (last end − first start) − work of a rank.
    pub(crate) bubble: i64,
}

/// Runs a schedule with the same times for every stage and free links.
pub(crate) fn cost(schedule: &Schedule, stages: usize, micro_batches: usize, times: Times) -> Cost {
    const NOT_YET: i64 = -1;
    let rows = &schedule.ranks;
    let mut done = vec![[NOT_YET; 2]; stages * micro_batches];
    let mut next = vec![0; rows.len()];
    let mut clock = vec![0; rows.len()];
    let mut idle = vec![0; rows.len()];
    let mut progress = true;
    while progress {
        progress = false;
        for (rank, row) in rows.iter().enumerate() {
            while let Some(&Action { stage, kind, micro_batch }) = row.get(next[rank]) {
                let cell = stage * micro_batches + micro_batch;
                let input = match kind {
                    ActionKind::Forward if stage == 0 => 0,
                    ActionKind::Forward => done[cell - micro_batches][0],
                    ActionKind::WeightGrad => 0,
                    _ if stage + 1 == stages => done[cell][0],
                    _ => done[cell + micro_batches][1],
                };
                if input == NOT_YET {
                    break;
                }
                if next[rank] > 0 {
                    idle[rank] += (input - clock[rank]).max(0);
                }
                clock[rank] = clock[rank].max(input) + times.of(kind);
                match kind {
                    ActionKind::Forward => done[cell][0] = clock[rank],
                    ActionKind::WeightGrad => {}
                    _ => done[cell][1] = clock[rank],
                }
                next[rank] += 1;
                progress = true;
            }
        }
    }
    assert!(next.iter().zip(rows).all(|(next, row)| *next == row.len()));
    Cost { makespan: clock.into_iter().max().unwrap(), bubble: idle.into_iter().max().unwrap() }
}

/// The most micro-batches of all of a rank's stages between their forward and the end of any of
/// these kinds.
pub(crate) fn peak(row: &[Action], ends: &[ActionKind]) -> usize {
    let (mut now, mut peak) = (0, 0);
    for action in row {
        if action.kind == ActionKind::Forward {
            now += 1;
            peak = peak.max(now);
        } else if ends.contains(&action.kind) {
            now -= 1;
        }
    }
    peak
}

/// A schedule from its rows, as text.
pub(crate) fn schedule(rows: &[&str]) -> Schedule {
    let row = |row: &&str| row.split_whitespace().map(|text| text.parse().unwrap()).collect();
    Schedule::new("test", rows.iter().map(row).collect())
}

/// Every named schedule with every number of chunks up to 4 that it can have.
pub(crate) fn named_with_chunks() -> Vec<(&'static str, usize)> {
    let some = (1..=4).flat_map(|chunks| Schedule::names().map(move |name| (name, chunks)));
    some.filter(|(name, chunks)| Schedule::with_chunks(name, 2, *chunks, 2).is_ok()).collect()
}
