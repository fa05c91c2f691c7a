//! A simulated step in the vocabulary of measured ones.

use super::simulation::nanoseconds;
use super::state::{Cargo, Node, Outcome, Transfer};
use crate::costs::PipelineCosts;
use crate::{Action, ActionKind, Lane, Profile, Trace, TraceDevice, TraceEvent};

/// The step as number 1 of a trace. A transfer shows on both ends: as sent by the one and, for as
/// long, as received by the other.
pub(super) fn trace(profile: &Profile, costs: &PipelineCosts, outcome: Outcome) -> Trace {
    let devices = costs.ranks.iter().map(|rank| {
        let device = &profile.devices[rank.device];
        let (id, name) = (device.id.clone(), device.name.clone());
        TraceDevice { id, name, budget_bytes: rank.budget_bytes }
    });
    let mut events = Vec::with_capacity(outcome.nodes.len() * 2);
    for node in &outcome.nodes {
        let Node { action, rank, transfer, start_us, end_us, .. } = *node;
        let event = |device, lane, action, bytes, peer| TraceEvent {
            step: 1,
            device,
            lane,
            action,
            start_ns: nanoseconds(start_us),
            end_ns: nanoseconds(end_us),
            bytes,
            peer,
        };
        match transfer {
            None => events.push(event(rank, Lane::Compute, action, 0, None)),
            Some(transfer) => {
                let to = costs.links[transfer.link].1;
                let Transfer { bytes, cargo, .. } = transfer;
                let peer = cargo.stage();
                events.push(event(rank, Lane::TransferOut, action, bytes, peer));
                let from = peer.map(|_| action.stage);
                events.push(event(to, Lane::TransferIn, received(action, cargo), bytes, from));
            }
        }
    }
    Trace { devices: devices.collect(), events, memory: outcome.memory }
}

fn received(sent: Action, cargo: Cargo) -> Action {
    let kind = match sent.kind {
        ActionKind::SendForward => ActionKind::RecvForward,
        _ => ActionKind::RecvBackward,
    };
    Action { stage: cargo.stage().unwrap_or(sent.stage), kind, ..sent }
}
