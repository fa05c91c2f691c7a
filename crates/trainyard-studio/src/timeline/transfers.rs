//! Which send and which receive are one transfer.

use std::collections::HashMap;

use trainyard_plan::{ActionKind, Lane, TraceEvent};

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    /// Activations, or tied weights on their way back.
    Forward,
    /// Gradients.
    Backward,
}

impl Way {
    /// The way of a transfer; none of what computes.
    pub(super) fn of(kind: ActionKind) -> Option<Self> {
        match kind {
            ActionKind::SendForward | ActionKind::RecvForward => Some(Self::Forward),
            ActionKind::SendBackward | ActionKind::RecvBackward => Some(Self::Backward),
            _ => None,
        }
    }
}

/// The pairs of a step's events that are one transfer, as (send, receive).
///
/// A receive names the stage it is for and a send the stage it is from, so a pair is of one way, one
/// micro-batch and two devices; either may name the stage at its other end. Where several would do
/// (links over stages in traces that do not name it), one that took place at the very same time is
/// taken first, as in simulated traces, then the nearest stage.
pub(super) fn pairs(events: &[u32], all: &[TraceEvent]) -> Vec<(u32, u32)> {
    let mut sends: HashMap<(Way, usize), Vec<u32>> = HashMap::new();
    let mut receives = Vec::new();
    for &index in events {
        let Some(event) = all.get(index as usize) else { continue };
        let Some(way) = Way::of(event.action.kind) else { continue };
        match event.lane {
            Lane::TransferOut => {
                sends.entry((way, event.action.micro_batch)).or_default().push(index);
            }
            Lane::TransferIn => receives.push((index, event, way)),
            Lane::Compute => {}
        }
    }
    let mut pairs = Vec::with_capacity(receives.len());
    for (receive, event, way) in receives {
        let Some(candidates) = sends.get_mut(&(way, event.action.micro_batch)) else { continue };
        let far = |send: &TraceEvent| {
            let elsewhen = (send.start_ns, send.end_ns) != (event.start_ns, event.end_ns);
            let from = match way {
                Way::Forward => event.action.stage.wrapping_sub(1),
                Way::Backward => event.action.stage.saturating_add(1),
            };
            let late = send.start_ns > event.end_ns;
            (elsewhen, late, send.action.stage.abs_diff(from), send.end_ns.abs_diff(event.end_ns))
        };
        let joins = |send: &TraceEvent| {
            let goes_here = send.peer.is_none_or(|to| to == event.action.stage);
            goes_here && event.peer.is_none_or(|from| from == send.action.stage)
        };
        let possible = candidates.iter().enumerate().filter_map(|(at, &send)| {
            let other = all.get(send as usize)?;
            (other.device != event.device && joins(other)).then(|| (far(other), at, send))
        });
        if let Some((_, at, send)) = possible.min() {
            candidates.swap_remove(at);
            pairs.push((send, receive));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use trainyard_plan::Action;

    use super::*;

    #[test]
    fn transfers_over_stages_are_paired_by_the_stages_that_they_name() {
        use ActionKind::{RecvForward, SendForward};
        let event = |device, kind, stage, peer, end_ns| TraceEvent {
            step: 1,
            device,
            lane: if kind == SendForward { Lane::TransferOut } else { Lane::TransferIn },
            action: Action { stage, kind, micro_batch: 0 },
            start_ns: 0,
            end_ns,
            bytes: 1,
            peer: Some(peer),
        };
        // Stage 0 sends to stages 1 and 2, stage 1 to stage 2; by their times they would mix.
        let all = [
            event(0, SendForward, 0, 2, 10),
            event(0, SendForward, 0, 1, 20),
            event(1, SendForward, 1, 2, 30),
            event(1, RecvForward, 1, 0, 11),
            event(2, RecvForward, 2, 1, 21),
            event(2, RecvForward, 2, 0, 31),
        ];
        let mut pairs = pairs(&[0, 1, 2, 3, 4, 5], &all);
        pairs.sort_unstable();
        assert_eq!(pairs, [(0, 5), (1, 3), (2, 4)]);
    }
}
