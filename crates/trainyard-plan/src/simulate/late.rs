//! What messages may take where devices are not as quick as predicted.

use super::run::Run;
use crate::costs::PipelineCosts;
use crate::{Api, Plan, PlanError, Profile};

/// By rank: the most that a device may hold beyond its peak in [`super::simulate`], in bytes,
/// whatever the times are. A device that is slower than predicted finds more messages waiting than
/// were predicted, at most as many as the schedule lets come where all others take no time. They wait
/// in its memory where that is the host's; another device uploads them when it uses them.
///
/// # Errors
/// As [`super::simulate`].
pub fn late_bytes(profile: &Profile, plan: &Plan) -> Result<Vec<u64>, PlanError> {
    let (costs, outcome) = super::run::run(profile, plan, false)?;
    let late = |(rank, state): (usize, &super::state::RankState)| {
        let api = profile.devices[costs.ranks[rank].device].api;
        if api.is_some_and(|api| api != Api::Cpu) {
            return Ok(0);
        }
        let costs = slower_than_all(costs.clone(), rank);
        let run = Run::new(&costs, &plan.schedule, plan.micro_batches, false);
        let peak = run.with_slow(rank).finish()?.ranks[rank].ledger.peak.total();
        Ok(peak.saturating_sub(state.ledger.peak.total()))
    };
    outcome.ranks.iter().enumerate().map(late).collect()
}

/// The costs where a rank takes the same time for each of its actions, and all else takes none.
fn slower_than_all(mut costs: PipelineCosts, slow: usize) -> PipelineCosts {
    for stage in &mut costs.stages {
        let us = if stage.rank == slow { 1.0 } else { 0.0 };
        (stage.forward_us, stage.input_grad_us, stage.weight_grad_us) = (us, us, us);
        for route in stage.outputs.iter_mut().chain(&mut stage.input_grads) {
            route.transfer_us = 0.0;
        }
    }
    for (rank, costs) in costs.ranks.iter_mut().enumerate() {
        costs.optimizer_us = if rank == slow { 1.0 } else { 0.0 };
    }
    for tie in &mut costs.ties {
        (tie.gradient.1, tie.weights.1) = (0.0, 0.0);
    }
    costs
}
