//! The critical path: what made the step as long as it is.

use serde::{Deserialize, Serialize};

use super::SimulatedDevice;
use super::state::Outcome;
use crate::Action;
use crate::costs::PipelineCosts;

/// A link of the chain that makes the step as long as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CriticalAction {
    /// What is done.
    pub action: Action,
    /// Who does it: the computing or the sending device.
    pub device: String,
    /// Of a transfer: who receives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// When it starts, µs.
    pub start_us: f64,
    /// When it ends, µs.
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
            start_us: node.start_us,
            end_us: node.end_us,
        });
        next = node.cause;
    }
    path.reverse();
    path
}
