//! The most that devices may hold where they are not as quick as predicted.

use super::run::{Run, run};
use crate::costs::PipelineCosts;
use crate::{Api, MemoryUse, Plan, PlanError, Profile};

/// By rank: the most that a device may hold, whatever the times of the actions are: its peak in
/// [`super::simulate`], or with the messages that may wait where it is slower than all others, which is
/// as many as the schedule lets come.
///
/// Only messages between CPU devices wait in the receiver's memory. From and to other devices they
/// wait on the host or with the sender, and count as in [`super::simulate`].
///
/// # Errors
/// As [`super::simulate`].
pub fn most_held(profile: &Profile, plan: &Plan) -> Result<Vec<MemoryUse>, PlanError> {
    let (costs, outcome) = run(profile, plan, false)?;
    let timeless = taking_no_time(costs, profile);
    let mut most = Vec::with_capacity(outcome.ranks.len());
    for (rank, state) in outcome.ranks.iter().enumerate() {
        let run = Run::new(&timeless, &plan.schedule, plan.micro_batches, false);
        let slow = run.with_slow(rank).finish()?.ranks[rank].ledger.peak;
        let peak = state.ledger.peak;
        most.push(if slow.total() > peak.total() { slow } else { peak });
    }
    Ok(most)
}

/// The costs where nothing takes time, and messages weigh only between CPU devices.
fn taking_no_time(mut costs: PipelineCosts, profile: &Profile) -> PipelineCosts {
    let in_host_memory = |rank: usize| {
        let api = profile.devices[costs.ranks[rank].device].api;
        api.is_none_or(|api| api == Api::Cpu)
    };
    let weigh: Vec<bool> =
        costs.links.iter().map(|&(from, to)| in_host_memory(from) && in_host_memory(to)).collect();
    for stage in &mut costs.stages {
        (stage.forward_us, stage.input_grad_us, stage.weight_grad_us) = (0.0, 0.0, 0.0);
        for route in stage.outputs.iter_mut().chain(&mut stage.input_grads) {
            route.transfer_us = 0.0;
            if route.link.is_some_and(|link| !weigh[link]) {
                route.bytes = 0;
            }
        }
    }
    for rank in &mut costs.ranks {
        rank.optimizer_us = 0.0;
    }
    for tie in &mut costs.ties {
        (tie.gradient.1, tie.weights.1) = (0.0, 0.0);
    }
    costs
}
