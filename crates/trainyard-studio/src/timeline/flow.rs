//! What leads to what: each send's receive, and the chain of actions a micro-batch goes through.

use trainyard_plan::{Action, ActionKind, Lane, TraceEvent};

use super::Scene;

/// What comes after an event on its micro-batch's way: forward through the stages, then back.
#[must_use]
pub fn next(scene: &Scene, event: u32) -> Option<u32> {
    follow(scene, event, true)
}

/// What came before an event on its micro-batch's way.
#[must_use]
pub fn previous(scene: &Scene, event: u32) -> Option<u32> {
    follow(scene, event, false)
}

fn follow(scene: &Scene, index: u32, ahead: bool) -> Option<u32> {
    use ActionKind::{
        Backward, Forward, InputGrad, Optimizer, RecvBackward, RecvForward, SendBackward,
        SendForward, WeightGrad,
    };
    let event = scene.event(index)?;
    let Action { stage, kind, .. } = event.action;
    let (before, after) = (stage.checked_sub(1), stage.saturating_add(1));
    let find = |stage: usize, kinds: &[ActionKind]| find(scene, event, stage, kinds);
    let compute_back = [Backward, InputGrad];
    if ahead {
        match kind {
            Forward => find(stage, &[SendForward])
                .or_else(|| find(after, &[Forward]))
                .or_else(|| find(stage, &compute_back)),
            SendForward | SendBackward => scene.partner(index),
            RecvForward => find(stage, &[Forward]),
            Backward | InputGrad => find(stage, &[SendBackward])
                .or_else(|| find(before?, &compute_back))
                .or_else(|| find(stage, &[WeightGrad])),
            RecvBackward => find(stage, &compute_back),
            WeightGrad | Optimizer => None,
        }
    } else {
        match kind {
            Forward => {
                find(stage, &[RecvForward]).or_else(|| before.and_then(|s| find(s, &[Forward])))
            }
            RecvForward | RecvBackward => scene.partner(index),
            SendForward => find(stage, &[Forward]),
            Backward | InputGrad => find(stage, &[RecvBackward])
                .or_else(|| find(after, &compute_back))
                .or_else(|| find(stage, &[Forward])),
            SendBackward => find(stage, &[Backward, InputGrad, WeightGrad]),
            WeightGrad => find(stage, &[InputGrad]),
            Optimizer => None,
        }
    }
}

/// The event of the same step and micro-batch that does the first of `kinds` that there is.
fn find(scene: &Scene, of: &TraceEvent, stage: usize, kinds: &[ActionKind]) -> Option<u32> {
    let step = scene.step(of.step)?;
    let action = |kind: &ActionKind| Action { stage, kind: *kind, ..of.action };
    kinds.iter().find_map(|kind| step.find(scene.events(), action(kind)))
}

/// The transfers that an event has to do with, as (send, receive): what it is itself one end of,
/// what brought its input and what takes its output away.
#[must_use]
pub fn around(scene: &Scene, event: u32) -> Vec<(u32, u32)> {
    let as_pair = |index: u32| {
        let partner = scene.partner(index)?;
        let sends = scene.event(index)?.lane == Lane::TransferOut;
        Some(if sends { (index, partner) } else { (partner, index) })
    };
    let here = [Some(event), previous(scene, event), next(scene, event)];
    let mut pairs: Vec<_> = here.into_iter().flatten().filter_map(as_pair).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}
