//! Who talks to whom: the links between stages.

use std::thread::JoinHandle;
use std::time::Instant;

use trainyard_plan::Plan;

use crate::link::{Ends, link};
use crate::worker::StageLinks;
use crate::{Device, EngineError};

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
