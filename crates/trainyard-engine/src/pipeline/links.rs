//! Who talks to whom: devices by rank, and the links between stages.

use std::collections::HashSet;
use std::thread::JoinHandle;
use std::time::Instant;

use trainyard_plan::{Plan, PlanError};

use crate::link::{Ends, link};
use crate::worker::StageLinks;
use crate::{Device, EngineError};

/// Refuses devices that share an id: a plan could not tell them apart.
pub(super) fn check_ids(devices: &[Device]) -> Result<(), PlanError> {
    let mut seen = HashSet::new();
    match devices.iter().find(|device| !seen.insert(device.id())) {
        None => Ok(()),
        Some(device) => Err(PlanError::BadPlan {
            reason: format!("two devices have the id '{}'; give each its own", device.id()),
        }),
    }
}

/// The devices that the plan uses, rank by rank.
pub(super) fn in_rank_order(plan: &Plan, devices: Vec<Device>) -> Result<Vec<Device>, PlanError> {
    let mut devices: Vec<Option<Device>> = devices.into_iter().map(Some).collect();
    let mut ordered: Vec<Device> = Vec::new();
    for (rank, actions) in plan.schedule.ranks.iter().enumerate() {
        let id = actions.first().map_or("", |action| plan.stages[action.stage].device.as_str());
        let found = devices.iter_mut().find(|d| d.as_ref().is_some_and(|d| d.id() == id));
        let device = found.and_then(Option::take).ok_or_else(|| {
            let reason = match ordered.iter().position(|device| device.id() == id) {
                Some(other) => format!(
                    "ranks {other} and {rank} are both on device '{id}'; join their stages, or add \
                     a second device with the same adapter and an id of its own"
                ),
                None => format!("rank {rank} is on device '{id}', which is not there"),
            };
            PlanError::BadPlan { reason }
        })?;
        ordered.push(device);
    }
    Ok(ordered)
}

/// The links of every rank's stages, and the threads that serve them.
pub(super) struct Links {
    pub(super) of_rank: Vec<Vec<StageLinks>>,
    pub(super) threads: Vec<JoinHandle<()>>,
}

impl Links {
    /// Links every stage with the next, in both directions.
    pub(super) fn make(
        plan: &Plan,
        devices: &[Device],
        origin: Instant,
    ) -> Result<Self, EngineError> {
        let stages = plan.stages.len();
        let ranks: Vec<usize> =
            (0..stages).map(|stage| plan.rank_of_stage(stage).unwrap_or(0)).collect();
        let mut of_stage: Vec<StageLinks> =
            (0..stages).map(|stage| StageLinks { stage, ..StageLinks::default() }).collect();
        let mut threads = Vec::new();
        // A stage has at most all micro-batches on their way: with that much room no send of a
        // step ever waits.
        let capacity = plan.micro_batches;
        for stage in 1..stages {
            let (before, after) = (&devices[ranks[stage - 1]], &devices[ranks[stage]]);
            let forward = Ends { source: before, target: after };
            let (outlet, inlet) =
                link(&format!("F{stage}"), &forward, capacity, origin, &mut threads)?;
            of_stage[stage - 1].output = Some(outlet);
            of_stage[stage].input = Some(inlet);
            let backward = Ends { source: after, target: before };
            let (outlet, inlet) =
                link(&format!("B{stage}"), &backward, capacity, origin, &mut threads)?;
            of_stage[stage].input_gradient = Some(outlet);
            of_stage[stage - 1].output_gradient = Some(inlet);
        }
        let mut of_rank: Vec<Vec<StageLinks>> = devices.iter().map(|_| Vec::new()).collect();
        for links in of_stage {
            of_rank[ranks[links.stage]].push(links);
        }
        Ok(Self { of_rank, threads })
    }
}
