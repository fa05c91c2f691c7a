//! The critical path: the chain of actions and transfers as long as the step.

use super::simulation::{CriticalAction, SimulatedDevice};
use super::state::Outcome;
use crate::costs::PipelineCosts;

/// The chain that ends with the step, from its start on.
pub(super) fn path(
    outcome: &Outcome,
    devices: &[SimulatedDevice],
    costs: &PipelineCosts,
) -> Vec<CriticalAction> {
    let nodes = &outcome.nodes;
    // The first of those that end last, so that the answer does not depend on the order of events.
    let last = (0..nodes.len())
        .reduce(|best, node| if nodes[node].end_us > nodes[best].end_us { node } else { best });
    let id = |rank: usize| devices[rank].id.clone();
    let mut path = Vec::new();
    let mut next = last;
    while let Some(index) = next {
        let node = &nodes[index];
        path.push(CriticalAction {
            action: node.action,
            device: id(node.rank),
            to: node.transfer.map(|transfer| id(costs.links[transfer.link].1)),
            to_stage: node.transfer.and_then(|transfer| transfer.cargo.stage()),
            start_us: node.start_us,
            end_us: node.end_us,
        });
        next = node.cause;
    }
    path.reverse();
    path
}
