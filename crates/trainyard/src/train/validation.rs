//! Validations: how much they look at, and what follows from their losses.

use std::collections::BTreeSet;

use trainyard_config::{TrainSection, must};
use trainyard_plan::journal::Record;

use super::training::Training;
use crate::error::RunError;
use crate::evaluate::{Evaluated, evaluate};
use crate::setup::TrainingSetup;

/// A validation looks at one batch for so many that were trained on: a forward alone takes a third of
/// a step, so that is less than a tenth of the time.
const TRAINED_BATCHES: u64 = 4;

/// Refuses what depends on validations where the run has no data for them.
pub(super) fn check(setup: &TrainingSetup) -> Result<(), RunError> {
    let train = &setup.config.train;
    let asked = [("early_stop", train.early_stop), ("keep_best", train.keep_best)];
    let Some((key, value)) = asked.into_iter().find(|(_, value)| *value > 0) else { return Ok(()) };
    let has_data = setup.validation_batches()? > 0;
    let words = "0 where no data are kept for validation (data.validation_fraction = 0)";
    Ok(must(has_data, key, &value, words).map_err(|bad| bad.in_section("train"))?)
}

impl Training<'_> {
    /// Validates the present weights, and lets a language model write. False where it was
    /// interrupted.
    pub(super) fn validate(&mut self, last: bool) -> Result<bool, RunError> {
        let interrupt = &self.interrupt.clone();
        if self.setup.validation_batches()? == 0 {
            return self.write_samples(interrupt);
        }
        let limit = limit(&self.setup.config.train, last);
        let progress = &self.progress;
        let go_on = &mut |done: u64, of: u64| {
            progress.validating(done, of);
            !interrupt.asked()
        };
        let evaluated = evaluate(self.setup, &mut self.pipeline, limit, go_on)?;
        let Some(Evaluated { loss, metrics, rows, items, whole }) = evaluated else {
            return Ok(false);
        };
        self.validation_loss = Some(loss);
        self.validations.insert(self.step, loss, items);
        self.tell(&Record::Validation {
            at_ns: self.now(),
            step: self.step,
            loss,
            tokens: items,
            rows: Some(rows),
            whole,
            metrics,
        });
        self.write_samples(interrupt)
    }

    /// Whether the present weights are among the best that are to be kept.
    pub(super) fn is_among_best(&self) -> bool {
        self.best_steps().contains(&self.step)
    }

    /// Steps whose checkpoints stay because they were validated best.
    pub(super) fn best_steps(&self) -> BTreeSet<u64> {
        self.validations.best(self.setup.config.train.keep_best)
    }

    /// Why to stop before the end, if the validations say so.
    pub(super) fn reason_to_stop(&self) -> Option<String> {
        let patience = self.setup.config.train.early_stop;
        let losses = self.validations.comparable();
        let (step, loss) = losses.iter().min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        // Whoever goes on with a run that was stopped wants to see more of it.
        let since = losses.range(self.first_step.max(*step) + 1..).count();
        (patience > 0 && since >= patience).then(|| {
            format!(
                "stopped early: no gain in {since} validations; the best was {loss:.4} after step {step}"
            )
        })
    }
}

/// The most batches that a validation looks at; `None` for all. It follows from the run file alone, so
/// that a run that was resumed validates as one that was not.
fn limit(train: &TrainSection, last: bool) -> Option<usize> {
    let whole = train.validate_batches == 0;
    if last {
        match train.validate_whole_at_end {
            Some(true) => return None,
            None if whole => return None,
            None => return Some(share_of(train.steps)),
            Some(false) => {}
        }
    }
    let every = if train.validate_every == 0 { train.steps } else { train.validate_every };
    (!whole).then(|| train.validate_batches.min(share_of(every)))
}

fn share_of(steps: u64) -> usize {
    usize::try_from((steps / TRAINED_BATCHES).max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_validation_takes_a_share_of_the_run_unless_asked_for_whole() {
        let of = |steps, validate_every, validate_batches, validate_whole_at_end| {
            let train = TrainSection {
                steps,
                validate_every,
                validate_batches,
                validate_whole_at_end,
                ..TrainSection::default()
            };
            (limit(&train, false), limit(&train, true))
        };
        assert_eq!(of(30, 250, 20, None), (Some(20), Some(7)));
        assert_eq!(of(5000, 250, 20, None), (Some(20), Some(1250)));
        assert_eq!(of(5000, 10, 20, Some(false)), (Some(2), Some(2)));
        assert_eq!(of(5000, 250, 20, Some(true)), (Some(20), None));
        assert_eq!(of(2, 1, 20, None), (Some(1), Some(1)));
        assert_eq!(of(5000, 10, 0, None), (None, None));
    }
}
