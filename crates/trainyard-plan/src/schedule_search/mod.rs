//! Schedule search: a schedule for given stage times, links and memory.
//!
//! Named schedules are made for equal stages. Where stages are unlike, the best number of forwards
//! ahead and the best places of weight gradients differ from rank to rank. [`search`] works in three
//! steps:
//!
//! 1. **Candidates:** the named schedules that suit the placement, one micro-batch after the other,
//!    and list schedules (`list_schedule`) under rules that `rule_search` varies.
//! 2. **Evaluation:** `timing` says how long an order takes, and the simulator's [`score`](crate::simulate::score) has the
//!    last word (`evaluator`).
//! 3. **Local search** moves single operations of the best orders (`local_search`, `moves`).

mod evaluator;
mod list_rules;
mod list_schedule;
mod local_search;
mod lower_bound;
mod memory_tracker;
mod moves;
mod named;
mod options;
mod order;
mod random;
mod rule_search;
mod timing;

use crate::costs::PipelineCosts;
use crate::simulate::Score;
use crate::{PlanError, Schedule};
use evaluator::Evaluator;
pub use lower_bound::lower_bound_us;
pub use named::best_named;
pub use options::SearchOptions;

/// A schedule that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundSchedule {
    /// Named [`Schedule::SEARCHED`].
    pub schedule: Schedule,
    /// Its simulated score.
    pub score: Score,
    /// Name and score of the fastest named schedule for this placement that fits, if one does.
    pub best_named: Option<(String, Score)>,
}

/// Searches a schedule for given stage times, links and budgets. It is sound, every stage goes
/// through its micro-batches in ascending order, no named schedule that suits the placement is faster,
/// and the same input gives the same schedule. `None` if nothing fits the budgets.
///
/// ```
/// use trainyard_plan::costs::PipelineCosts;
/// use trainyard_plan::schedule_search::{SearchOptions, search};
/// use trainyard_plan::{LayerProfile, ModelProfile, Profile, Recompute, Stage};
///
/// let layer = |index| LayerProfile { name: format!("block{index}"), ..LayerProfile::default() };
/// let model = ModelProfile {
///     name: "tiny".into(),
///     optimizer_bytes_per_param_byte: 2,
///     fresh_bytes_per_param_byte: 0,
///     kernels: None,
///     layers: (0..4).map(layer).collect(),
/// };
/// let profile = Profile::of_budgets(model, [("gpu", 1 << 20), ("cpu", 1 << 20)], 4);
/// let stage = |device: &str, layers| {
///     Stage { device: device.into(), layers, recompute: Recompute::None }
/// };
/// let stages = [stage("gpu", (0, 3)), stage("cpu", (3, 4))];
/// let costs = PipelineCosts::of(&profile, &stages, &[0, 1])?;
/// let found = search(&costs, 4, &SearchOptions::default())?;
/// assert!(found.is_some_and(|found| found.score.step_us >= 4.0 * 9.0));
/// # Ok::<(), trainyard_plan::PlanError>(())
/// ```
///
/// # Errors
/// [`PlanError::BadNumber`] for no stages, no micro-batches, or more than 2²⁰ of stages ×
/// micro-batches.
pub fn search(
    costs: &PipelineCosts,
    micro_batches: usize,
    options: &SearchOptions,
) -> Result<Option<FoundSchedule>, PlanError> {
    check(costs, micro_batches)?;
    let mut evaluator = Evaluator::new(costs, micro_batches, options);
    // [1] candidates, [2] evaluated as they come
    for schedule in named::schedules(costs, micro_batches, options.split_backward)? {
        evaluator.evaluate(&order::of_schedule(&schedule));
    }
    let best_named = best_named(costs, micro_batches, options.split_backward)?;
    // If a named one fits, so does one of these.
    let one_by_one = order::one_by_one(costs, micro_batches);
    let mut fits = evaluator.evaluate(&one_by_one) || best_named.is_some();
    if !fits && options.split_backward {
        fits = evaluator.evaluate(&order::split(&one_by_one));
    }
    if !fits {
        return Ok(None);
    }
    rule_search::search_rules(&mut evaluator);
    // [3] local search
    local_search::improve(&mut evaluator);
    let found = |(schedule, score)| FoundSchedule { schedule, score, best_named };
    Ok(evaluator.best().map(found))
}

/// What is worth saying of a schedule that was found for these stages: its [gain] and its [distance].
#[must_use]
pub fn notes(
    costs: &PipelineCosts,
    micro_batches: usize,
    split_backward: bool,
    step_us: f64,
    best_named: Option<&(String, Score)>,
) -> [String; 2] {
    let bound_us = lower_bound_us(costs, micro_batches, split_backward);
    [gain(step_us, best_named), distance(step_us, bound_us)]
}

/// The gain of a found schedule over the best named one, in words.
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

/// How far a found schedule is from the [lower bound](lower_bound_us) of its stages, in words.
#[must_use]
pub fn distance(step_us: f64, bound_us: f64) -> String {
    let above = 100.0 * (step_us / bound_us.max(f64::MIN_POSITIVE) - 1.0);
    if above < 0.05 {
        return "auto: no schedule of these stages is faster".to_owned();
    }
    format!("auto: {above:.1} % above what no schedule of these stages can beat")
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
    if stages.saturating_mul(micro_batches) > Schedule::MAX_FORWARDS {
        let value = format!("{stages} × {micro_batches}");
        return bad("stages × micro_batches", value, format!("at most {}", Schedule::MAX_FORWARDS));
    }
    Ok(())
}
