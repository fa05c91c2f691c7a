//! When the next checkpoint is due.

/// Seconds between checkpoints that come by themselves, at most …
const LONGEST_S: f64 = 180.0;
/// … and before the first. In between, the time since the last is no longer than all before it: a run
/// that has just begun is not lost either.
const FIRST_S: f64 = 3.0;
/// A run has at least so many, unless saving takes too much of it.
const PARTS: u64 = 10;
/// Saving takes at most this share of the time (`CheckFreq`, FAST '21, bounds it by the same).
const LARGEST_SHARE: f64 = 0.035;
/// After a save that failed it is tried again after so many seconds.
const TRY_AGAIN_S: f64 = 30.0;
/// Bytes a second that a disk takes, for the first checkpoint: a slow disk.
const BYTES_A_SECOND: f64 = 100e6;
/// What the first costs beside its bytes, seconds: its files are made and synced.
const FILES_S: f64 = 0.1;

/// Says after which steps a checkpoint is saved.
#[derive(Clone, Debug)]
pub(super) struct CheckpointPace {
    /// Steps between checkpoints, as a person wants it; 0 for none but the last.
    asked: Option<u64>,
    /// Steps of the run.
    steps: u64,
    saved_step: u64,
    /// End of the last save, seconds since the start.
    saved_s: f64,
    /// What a save takes, seconds.
    cost_s: f64,
    failed_s: Option<f64>,
}

impl CheckpointPace {
    /// Of a run of `steps` that goes on after `first_step` with checkpoints of so many bytes.
    pub(super) fn new(asked: Option<u64>, steps: u64, first_step: u64, bytes: u64) -> Self {
        let cost_s = FILES_S + bytes as f64 / BYTES_A_SECOND;
        Self { asked, steps, saved_step: first_step, saved_s: 0.0, cost_s, failed_s: None }
    }

    /// Whether one is due after a step, `now_s` seconds after the start.
    pub(super) fn is_due(&self, step: u64, now_s: f64) -> bool {
        if let Some(failed_s) = self.failed_s {
            return now_s - failed_s >= TRY_AGAIN_S;
        }
        if let Some(every) = self.asked {
            return every > 0 && step.is_multiple_of(every);
        }
        let since_s = now_s - self.saved_s;
        let is_time = since_s >= self.saved_s.clamp(FIRST_S, LONGEST_S);
        let is_part = step.saturating_sub(self.saved_step) >= (self.steps / PARTS).max(1);
        (is_time || is_part) && since_s >= self.cost_s * (1.0 - LARGEST_SHARE) / LARGEST_SHARE
    }

    /// One was saved from `began_s` to `now_s`.
    pub(super) fn saved(&mut self, step: u64, began_s: f64, now_s: f64) {
        (self.saved_step, self.saved_s, self.failed_s) = (step, now_s, None);
        self.cost_s = now_s - began_s;
    }

    /// One could not be saved.
    pub(super) fn failed(&mut self, now_s: f64) {
        self.failed_s = Some(now_s);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs steps of a length and gives the steps that were saved, and the share that saving took.
    fn run(asked: Option<u64>, steps: u64, step_s: f64, save_s: f64) -> (Vec<u64>, f64) {
        let mut pace = CheckpointPace::new(asked, steps, 0, 0);
        let (mut now_s, mut saved, mut saving_s) = (0.0, Vec::new(), 0.0);
        for step in 1..steps {
            now_s += step_s;
            if pace.is_due(step, now_s) {
                pace.saved(step, now_s, now_s + save_s);
                (now_s, saving_s) = (now_s + save_s, saving_s + save_s);
                saved.push(step);
            }
        }
        (saved, saving_s / now_s)
    }

    #[test]
    fn a_run_has_ten_parts_and_minutes_are_all_that_can_be_lost() {
        assert_eq!(run(None, 100, 1.0, 0.1).0, [3, 7, 15, 25, 35, 45, 55, 65, 75, 85, 95]);
        let (saved, _) = run(None, 100_000, 1.0, 0.1);
        assert_eq!(saved[..8], [3, 7, 15, 31, 63, 127, 255, 435]);
        assert!(run(None, 20, 0.01, 0.1).0.is_empty(), "it is over before one would pay");
    }

    #[test]
    fn who_asks_gets_them_when_asked() {
        assert_eq!(run(Some(4), 10, 0.001, 1.0).0, [4, 8]);
        assert!(run(Some(0), 1000, 100.0, 0.1).0.is_empty());
    }

    #[test]
    fn one_that_failed_is_tried_again() {
        let mut pace = CheckpointPace::new(Some(10), 100, 0, 0);
        pace.failed(5.0);
        assert!(!pace.is_due(10, 30.0) && pace.is_due(11, 35.0));
        pace.saved(11, 35.0, 36.0);
        assert!(!pace.is_due(12, 40.0) && pace.is_due(20, 40.0));
    }

    proptest! {
        #[test]
        fn saving_takes_no_more_than_its_share(step_s in 0.001..100.0, save_s in 0.1..1000.0) {
            // But for the first, whose cost nobody knows.
            let (saved, share) = run(None, 50_000, step_s, save_s);
            let first = save_s / (50_000.0 * step_s + save_s);
            prop_assert!(share <= LARGEST_SHARE + first, "{share} in {} saves", saved.len());
        }
    }
}
