//! What a device holds at an instant, tensor by tensor.

use std::collections::BTreeSet;

use trainyard_plan::{ActionKind, Lane, MemoryUse, TraceEvent};

use super::{Scene, Step, flow};
use crate::theme::Category;

/// Something that is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveTensor {
    /// Its purpose.
    pub category: Category,
    /// What it is, in words.
    pub what: String,
    /// Its bytes, where the trace says.
    pub bytes: Option<u64>,
}

/// What a device holds at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Live {
    /// All of it, bytes, where it was counted.
    pub bytes: Option<u64>,
    /// The same by category, where that is known.
    pub by_category: Option<MemoryUse>,
    /// Tensor by tensor, by category.
    pub tensors: Vec<LiveTensor>,
}

/// What a device of a scene holds at an instant on the scene's clock: the weights of its stages and
/// what goes with them; what forwards keep, from a forward's start to the end of its backward; what
/// waits to be sent or used. Empty for a device that the scene does not have.
#[must_use]
pub fn live_at(scene: &Scene, device: usize, ns: u64) -> Live {
    let Some(of_device) = scene.devices().get(device) else { return Live::default() };
    let held = of_device.memory.at(ns);
    let mut live = Live {
        bytes: held.map(|held| held.bytes),
        by_category: held.and_then(|held| held.by_category),
        tensors: Vec::new(),
    };
    let after = scene.steps().partition_point(|step| step.start_ns <= ns);
    let last = after.checked_sub(1).and_then(|at| scene.steps().get(at));
    let Some(step) = last.or(scene.steps().first()) else { return live };
    let own: Vec<&TraceEvent> =
        step.events(scene.events()).filter(|event| event.device == device).collect();
    fixed(&own, &mut live);
    activations(&own, ns, &mut live);
    buffers(scene, step, device, ns, &mut live);
    live
}

/// Weights, gradients and optimizer state of the stages.
fn fixed(own: &[&TraceEvent], live: &mut Live) {
    let computes = own.iter().filter(|event| event.lane == Lane::Compute);
    let stages: BTreeSet<usize> = computes.map(|event| event.action.stage).collect();
    for category in [Category::Weights, Category::Gradients, Category::Optimizer] {
        // What all of them take is known; of one stage that is its own.
        let total = live.by_category.as_ref().map(|all| category.bytes(all));
        let bytes = total.filter(|_| stages.len() == 1);
        live.tensors.extend(stages.iter().map(|stage| LiveTensor {
            category,
            what: format!("{} of stage {stage}", category.name()),
            bytes,
        }));
    }
}

fn activations(own: &[&TraceEvent], ns: u64, live: &mut Live) {
    let forward =
        |event: &&&TraceEvent| event.action.kind == ActionKind::Forward && event.start_ns <= ns;
    for event in own.iter().filter(forward) {
        let (stage, micro_batch) = (event.action.stage, event.action.micro_batch);
        let mut ends = own.iter().filter(|other| {
            (other.action.stage, other.action.micro_batch) == (stage, micro_batch)
                && matches!(other.action.kind, ActionKind::Backward | ActionKind::WeightGrad)
        });
        if ends.all(|end| end.end_ns > ns) {
            live.tensors.push(LiveTensor {
                category: Category::Activations,
                what: format!("stage {stage}, micro-batch {micro_batch}"),
                bytes: None,
            });
        }
    }
}

/// Outputs from when they are computed until they have arrived, inputs from then until they are
/// used. Tied weights and their gradients are sent from where they are; while the optimizer step
/// runs there is room for one such gradient, the largest, as they are added one after the other.
fn buffers(scene: &Scene, step: &Step, device: usize, ns: u64, live: &mut Live) {
    let mut tied: Option<&TraceEvent> = None;
    let mut updates = false;
    for &index in &step.events {
        let Some(event) = scene.event(index).filter(|event| event.device == device) else {
            continue;
        };
        if event.lane == Lane::Compute {
            let now = event.start_ns <= ns && ns < event.end_ns;
            updates |= now && event.action.kind == ActionKind::Optimizer;
            continue;
        }
        let partner = scene.partner(index).and_then(|partner| scene.event(partner));
        if partner.is_some_and(|p| p.action.stage == event.action.stage) {
            if event.action.kind == ActionKind::RecvBackward
                && tied.is_none_or(|largest| event.bytes > largest.bytes)
            {
                tied = Some(event);
            }
            continue;
        }
        let (from, to, word) = if event.lane == Lane::TransferOut {
            let made = flow::previous(scene, index).and_then(|made| scene.event(made));
            let arrived = partner.map_or(event.end_ns, |partner| partner.end_ns.max(event.end_ns));
            (made.map_or(event.start_ns, |made| made.end_ns), arrived, "to send")
        } else {
            let used = flow::next(scene, index).and_then(|used| scene.event(used));
            (event.end_ns, used.map_or(u64::MAX, |used| used.start_ns), "arrived")
        };
        if from <= ns && ns < to {
            live.tensors.push(LiveTensor {
                category: Category::Buffers,
                what: format!("{} {word}", event.action),
                bytes: Some(event.bytes),
            });
        }
    }
    if let Some(event) = tied.filter(|_| updates) {
        live.tensors.push(LiveTensor {
            category: Category::Buffers,
            what: format!("{} of a tied weight", event.action),
            bytes: Some(event.bytes),
        });
    }
}
