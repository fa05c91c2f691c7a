//! A plan that fits, with its full simulation.

use super::by_hand::whole_backward_note;
use super::candidate::{Candidate, CandidateSchedule};
use super::evaluate::Evaluator;
use super::memo::SizedSchedule;
use crate::simulate::{self, Simulation, score};
use crate::{Plan, PlanError, Predicted, Profile, Schedule, schedule_search};

/// A plan that fits, with its full simulation.
#[derive(Clone, Debug)]
pub struct RankedPlan {
    /// The plan, with its prediction.
    pub plan: Plan,
    /// Its full simulation.
    pub simulation: Simulation,
}

impl RankedPlan {
    /// A candidate as a plan, simulated in full.
    ///
    /// # Errors
    /// As [`Evaluator::evaluate`].
    pub(super) fn of(evaluator: &mut Evaluator, candidate: &Candidate) -> Result<Self, PlanError> {
        let SizedSchedule { schedule, owners } = evaluator.schedule(candidate)?;
        let stages = evaluator.stages(candidate, &owners);
        let Profile { model, micro_batches, estimated, .. } = evaluator.profile;
        let mut plan = Plan::new(&model.name, stages, (*schedule).clone(), *micro_batches);
        plan.notes = notes(evaluator, candidate, &schedule)?;
        let simulation = simulate::simulate(evaluator.profile, &plan)?;
        plan.predicted = Some(Predicted::of(&simulation, *estimated));
        Ok(Self { plan, simulation })
    }
}

fn notes(
    evaluator: &mut Evaluator,
    candidate: &Candidate,
    schedule: &Schedule,
) -> Result<Vec<String>, PlanError> {
    let mut notes = Vec::new();
    let split_backward = evaluator.request.split_backward;
    match &candidate.schedule {
        CandidateSchedule::Named(kind, chunks) if !split_backward => {
            let as_built = Schedule::of_kind(*kind, candidate.ranks.len(), *chunks, 1)?;
            if as_built.splits_backward() {
                notes.push(whole_backward_note(kind.name()));
            }
        }
        CandidateSchedule::Named(..) => {}
        // A schedule of one's own was not made for the plan.
        CandidateSchedule::Searched(own) if own.name != Schedule::SEARCHED => {}
        CandidateSchedule::Searched(_) => {
            let costs = evaluator.costs(candidate)?;
            let micro_batches = evaluator.profile.micro_batches;
            let found = score(&costs, schedule, micro_batches)?;
            let named = schedule_search::best_named(&costs, micro_batches, split_backward)?;
            notes.extend(schedule_search::notes(
                &costs,
                micro_batches,
                split_backward,
                found.step_us,
                named.as_ref(),
            ));
        }
    }
    if schedule.splits_backward() {
        notes.extend(which_stages_split(evaluator, candidate)?);
    }
    Ok(notes)
}

/// Says which stages run a split backward whole: those with trained weights whose layers all compute
/// the gradients in the first half.
fn which_stages_split(
    evaluator: &mut Evaluator,
    candidate: &Candidate,
) -> Result<Option<String>, PlanError> {
    let costs = evaluator.costs(candidate)?;
    let trained = costs.stages.iter().enumerate().filter(|(_, s)| s.memory.fixed.gradients > 0);
    let of_whole = trained.clone().filter(|(_, stage)| stage.memory.weight_saved == 0);
    let whole: Vec<String> = of_whole.map(|(index, _)| index.to_string()).collect();
    let which = match whole.len() {
        0 => return Ok(None),
        count if count == trained.count() => "no stage can".to_owned(),
        1 => format!("stage {} cannot", whole[0]),
        _ => format!("stages {} cannot", whole.join(", ")),
    };
    Ok(Some(format!(
        "the schedule splits backwards into I and W; {which}: the layers there need the whole backward in I"
    )))
}
