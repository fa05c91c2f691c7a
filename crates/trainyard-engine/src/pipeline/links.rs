//! Who talks to whom: the links between stages.

use std::collections::BTreeMap;
use std::time::Instant;

use trainyard_plan::Plan;

use crate::link::{Ends, LinkThread, LinkWay, link};
use crate::wiring::StageWiring;
use crate::worker::StageLinks;
use crate::{Device, EngineError};

/// The links of every rank's stages, and the threads that serve them.
pub(super) struct Links {
    pub(super) of_rank: Vec<Vec<StageLinks>>,
    pub(super) threads: Vec<LinkThread>,
}

impl Links {
    /// Links every stage with every one that takes its tensors, in both directions.
    pub(super) fn make(
        plan: &Plan,
        wirings: &[StageWiring],
        devices: &[Device],
        origin: Instant,
    ) -> Result<Self, EngineError> {
        let stages = plan.stages.len();
        let ranks: Vec<usize> =
            (0..stages).map(|stage| plan.rank_of_stage(stage).unwrap_or(0)).collect();
        let mut of_stage: Vec<StageLinks> =
            (0..stages).map(|stage| StageLinks { stage, ..StageLinks::default() }).collect();
        let mut threads = Vec::new();
        // The way back is the same.
        let mut ways = BTreeMap::new();
        // A stage has at most all micro-batches on their way: with that much room no send of a
        // step ever waits.
        let capacity = plan.micro_batches;
        for (from, wiring) in wirings.iter().enumerate() {
            for (to, names) in &wiring.outputs {
                let (to, names) = (*to, names.clone());
                let (source, target) = (&devices[ranks[from]], &devices[ranks[to]]);
                let pair = (source.id().min(target.id()), source.id().max(target.id()));
                let way = *ways.entry(pair).or_insert_with(|| LinkWay::between(source, target));
                let there = Ends { source, target, way };
                let (outlet, inlet) =
                    link(&format!("F{from}-{to}"), &there, capacity, origin, &mut threads)?;
                of_stage[from].outputs.push((to, names.clone(), outlet));
                of_stage[to].inputs.push((from, inlet));
                let back = Ends { source: target, target: source, way };
                let (outlet, inlet) =
                    link(&format!("B{to}-{from}"), &back, capacity, origin, &mut threads)?;
                of_stage[to].input_gradients.push((from, names, outlet));
                of_stage[from].output_gradients.push((to, inlet));
            }
        }
        let mut of_rank: Vec<Vec<StageLinks>> = devices.iter().map(|_| Vec::new()).collect();
        for links in of_stage {
            of_rank[ranks[links.stage]].push(links);
        }
        Ok(Self { of_rank, threads })
    }
}
