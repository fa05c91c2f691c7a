//! The critical path: the chain of actions and transfers as long as the step.

use serde::{Deserialize, Serialize};

use super::SimulatedDevice;
use super::state::Outcome;
use crate::Action;
use crate::costs::PipelineCosts;

/// A link of the chain that makes the step as long as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriticalAction {
    /// The action.
    pub action: Action,
    /// The computing or sending device.
    pub device: String,
    /// Of a transfer: the receiving device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Of a transfer between stages: the receiving stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_stage: Option<usize>,
    /// Start, µs.
    pub start_us: f64,
    /// End, µs.
    pub end_us: f64,
}

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
