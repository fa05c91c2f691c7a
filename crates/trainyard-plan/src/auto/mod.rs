//! `auto`: a schedule made for given stage times, links and memory.

mod improve;
mod judge;
mod list;
mod named;
mod room;
mod rows;
mod rules;
mod timing;
mod tune;

use crate::costs::{PipelineCosts, StageCosts};
use crate::simulate::{Score, score};
use crate::{ActionKind, PlanError, Schedule};
use judge::Judge;

/// How a schedule is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether it may split backwards into I and W.
    pub split_backward: bool,
    /// How many orders the search may try.
    pub effort: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { split_backward: true, effort: 2000 }
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

/// Makes a schedule.
///
/// # Errors
/// x
pub fn make(
    costs: &PipelineCosts,
    micro_batches: usize,
    options: &Options,
) -> Result<Option<Auto>, PlanError> {
    let actions = costs.stages.len() * micro_batches * 3;
    let scale = |effort: usize| (effort as f64 * (1600.0 / actions.max(1600) as f64)) as usize;
    let mut judge = Judge::new(costs, micro_batches, scale(options.effort));
    let mut best_named: Option<(String, Score)> = None;
    for schedule in named::schedules(costs, micro_batches, options.split_backward)? {
        let score = score(costs, &schedule, micro_batches)?;
        judge.consider(&rows::rows(&schedule))?;
        if score.fits && best_named.as_ref().is_none_or(|(_, best)| score.step_us < best.step_us) {
            best_named = Some((schedule.name.clone(), score));
        }
    }
    if judge.best.is_none() {
        judge.consider(&rows::one_by_one(costs, micro_batches))?;
    }
    if judge.best.is_none() {
        return Ok(None);
    }
    tune::tune(&mut judge, options.split_backward)?;
    improve::improve(&mut judge, options.split_backward)?;
    Ok(judge.best.map(|best| Auto { schedule: best.schedule, score: best.score, best_named }))
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
