//! `auto`: a schedule made for given stage times, links and memory.
//!
//! Named schedules are made for equal stages. Where stages are unlike, the best number of forwards
//! ahead and the best places of weight gradients differ from rank to rank. [`make`] starts from the
//! named schedules and from list schedules (`list`) under rules that `tune` searches, and improves
//! the best of them by small moves (`improve`). `timing` says how long an order takes, and
//! [`score`] has the last word.

mod bound;
mod improve;
mod judge;
mod list;
mod moves;
mod named;
mod random;
mod room;
mod rows;
mod rules;
mod timing;
mod tune;

use crate::costs::{PipelineCosts, StageCosts};
use crate::simulate::{Score, score};
use crate::{ActionKind, PlanError, Schedule};
pub use bound::lower_bound_us;
use judge::Judge;

/// The most forwards of a schedule, as for named ones.
const MAX_FORWARDS: usize = 1 << 20;

/// How a schedule is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether it may split backwards into I and W; else it has full backwards alone.
    pub split_backward: bool,
    /// How many orders the search may try. Of 8 ranks × 64 micro-batches on it counts for less, in
    /// proportion, as each try takes longer.
    pub effort: usize,
}

impl Default for Options {
    /// Split backwards, and tens of milliseconds at most for 8 ranks × 64 micro-batches.
    fn default() -> Self {
        Self { split_backward: true, effort: 4000 }
    }
}

/// A schedule made for a partition.
#[derive(Clone, Debug, PartialEq)]
pub struct Auto {
    /// Its name is `auto`.
    pub schedule: Schedule,
    /// What the simulator says of it.
    pub score: Score,
    /// The fastest named schedule for this placement that fits, if one does.
    pub best_named: Option<(String, Score)>,
}

/// Makes a schedule for the given stage times, links and budgets: the best of the named ones that
/// go with the placement, of list schedules under many rules, and of what a local search makes of
/// these. It is sound, every stage goes through its micro-batches in ascending order, and the same
/// input gives the same schedule. `None` if nothing fits the budgets.
///
/// # Errors
/// [`PlanError::BadNumber`] for no stages, no micro-batches, or more than 2²⁰ of stages ×
/// micro-batches.
pub fn make(
    costs: &PipelineCosts,
    micro_batches: usize,
    options: &Options,
) -> Result<Option<Auto>, PlanError> {
    check(costs, micro_batches)?;
    let mut judge = Judge::new(costs, micro_batches, options);
    for schedule in named::schedules(costs, micro_batches, options.split_backward)? {
        judge.consider(&rows::rows(&schedule));
    }
    let best_named = best_named(costs, micro_batches, options.split_backward)?;
    // If a named one fits, so does this.
    if !judge.consider(&rows::one_by_one(costs, micro_batches)) && best_named.is_none() {
        return Ok(None);
    }
    tune::tune(&mut judge);
    improve::improve(&mut judge);
    Ok(judge.best().map(|(schedule, score)| Auto { schedule, score, best_named }))
}

/// The fastest named schedule that goes with the placement and fits, if one does.
///
/// # Errors
/// As [`make`].
pub fn best_named(
    costs: &PipelineCosts,
    micro_batches: usize,
    split_backward: bool,
) -> Result<Option<(String, Score)>, PlanError> {
    let mut best: Option<(String, Score)> = None;
    for schedule in named::schedules(costs, micro_batches, split_backward)? {
        let score = score(costs, &schedule, micro_batches)?;
        if score.fits && best.as_ref().is_none_or(|(_, best)| score.step_us < best.step_us) {
            best = Some((schedule.name, score));
        }
    }
    Ok(best)
}

/// By how much a made schedule is better than the best named one, in words.
#[must_use]
pub fn gain(step_us: f64, best_named: Option<&(String, Score)>) -> String {
    match best_named {
        None => "auto: made for this plan; no named schedule fits it".to_owned(),
        Some((name, named)) => format!(
            "auto: made for this plan, {:.1} % faster than {name}, the best named schedule for it",
            100.0 * (1.0 - step_us / named.step_us.max(f64::MIN_POSITIVE))
        ),
    }
}

fn check(costs: &PipelineCosts, micro_batches: usize) -> Result<(), PlanError> {
    let bad = |what: &str, value: String, must: String| {
        Err(PlanError::BadNumber { what: what.to_owned(), value, must })
    };
    let stages = costs.stages.len();
    for (what, value) in [("the number of stages", stages), ("micro_batches", micro_batches)] {
        if value == 0 {
            return bad(what, "0".into(), "at least 1".into());
        }
    }
    if stages.saturating_mul(micro_batches) > MAX_FORWARDS {
        let value = format!("{stages} × {micro_batches}");
        return bad("stages × micro_batches", value, format!("at most {MAX_FORWARDS}"));
    }
    Ok(())
}

/// How long a turn of a stage takes, µs.
fn duration_us(stage: &StageCosts, kind: ActionKind) -> f64 {
    match kind {
        ActionKind::Forward => stage.forward_us,
        ActionKind::InputGrad => stage.input_grad_us,
        ActionKind::WeightGrad => stage.weight_grad_us,
        _ => stage.backward_us(),
    }
}
