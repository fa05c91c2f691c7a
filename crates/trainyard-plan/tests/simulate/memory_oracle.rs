//! Memory worked out in another way: everything held is an interval with a size, and at every
//! instant at which one begins all intervals around it are added up anew.

use std::collections::BTreeMap;

use trainyard_plan::{ActionKind, LayerProfile, MemoryUse, Plan, Profile, Recompute};

use crate::oracle::Step;

/// Something held from its start until right before its end.
#[derive(Default)]
struct Held {
    start: f64,
    end: f64,
    activations: u64,
    buffers: u64,
    gradients: u64,
}

/// What a rank holds at its fullest instant, and the first such instant.
pub(crate) fn peak(profile: &Profile, plan: &Plan, step: &Step, rank: usize) -> (MemoryUse, f64) {
    let held = held(profile, plan, step, rank);
    let fixed = fixed(profile, plan, rank);
    let at = |instant: f64| {
        let around = || held.iter().filter(|h| h.start <= instant && instant < h.end);
        MemoryUse {
            activations: around().map(|h| h.activations).sum(),
            buffers: around().map(|h| h.buffers).sum(),
            gradients: around().map(|h| h.gradients).sum(),
            ..fixed
        }
    };
    let mut instants: Vec<f64> = held.iter().map(|h| h.start).chain([0.0]).collect();
    instants.sort_by(f64::total_cmp);
    let first_fullest = |best: (MemoryUse, f64), instant: f64| {
        let now = at(instant);
        if now.total() > best.0.total() { (now, instant) } else { best }
    };
    instants.into_iter().fold((at(0.0), 0.0), first_fullest)
}

fn fixed(profile: &Profile, plan: &Plan, rank: usize) -> MemoryUse {
    let owners = plan.schedule.owners();
    let stages = plan.stages.iter().zip(&owners).filter(|(_, owner)| **owner == rank);
    let layers = || {
        let range = |layers: (usize, usize)| &profile.model.layers[layers.0..layers.1];
        stages.clone().flat_map(move |(stage, _)| range(stage.layers))
    };
    let trained: u64 = layers().map(|layer| layer.param_bytes).sum();
    let untrained: u64 = layers().map(|layer| layer.frozen_bytes + layer.buffer_bytes).sum();
    let state = |layer: &LayerProfile| match (layer.optimizer_bytes, &layer.tied_to) {
        (Some(bytes), _) => bytes,
        (None, Some(_)) => 0,
        (None, None) => layer.param_bytes * profile.model.optimizer_bytes_per_param_byte,
    };
    let optimizer = layers().map(state).sum();
    MemoryUse { weights: trained + untrained, optimizer, ..MemoryUse::default() }
}

/// What of a layer's input has no name.
pub(crate) fn unnamed(layers: &[LayerProfile], index: usize) -> u64 {
    let layer = &layers[index];
    let given = layers.iter().flat_map(|layer| &layer.gives);
    let named: u64 = given.filter(|t| t.to.contains(&layer.name)).map(|t| t.bytes).sum();
    layer.input_bytes - named - layer.batch.iter().map(|tensor| tensor.bytes).sum::<u64>()
}

/// All that a stage takes from elsewhere: each tensor once, but each skip for itself.
fn input(layers: &[LayerProfile], (first, end): (usize, usize)) -> u64 {
    let own = &layers[first..end];
    let taken = |name: &String| own.iter().any(|layer| layer.name == *name);
    let before = &layers[..first];
    let given = before.iter().flat_map(|layer| &layer.gives);
    let given: u64 = given.filter(|t| t.to.iter().any(taken)).map(|t| t.bytes).sum();
    let skipped = |layer: &LayerProfile| {
        layer.skips_to.iter().filter(|name| taken(name)).count() as u64 * layer.output_bytes
    };
    let skipped: u64 = before.iter().map(skipped).sum();
    let of_batch: BTreeMap<_, _> =
        own.iter().flat_map(|layer| &layer.batch).map(|t| (&t.name, t.bytes)).collect();
    // What has no name comes from the layer before, or else from the batch.
    let from_inside = |index: usize| index > first && layers[index - 1].gives.is_empty();
    let from_outside = (first..end).filter(|index| !from_inside(*index));
    let rest: u64 = from_outside.map(|index| unnamed(layers, index)).sum();
    given + skipped + of_batch.values().sum::<u64>() + rest
}

/// All that later stages take of a stage: each tensor once, but each skip for itself.
fn output(layers: &[LayerProfile], (first, end): (usize, usize)) -> u64 {
    let taken = |name: &String| layers[end..].iter().any(|layer| layer.name == *name);
    let own = &layers[first..end];
    let given = own.iter().flat_map(|layer| &layer.gives);
    let given: u64 = given.filter(|t| t.to.iter().any(taken)).map(|t| t.bytes).sum();
    let skipped = |layer: &LayerProfile| {
        layer.skips_to.iter().filter(|name| taken(name)).count() as u64 * layer.output_bytes
    };
    let skipped: u64 = own.iter().map(skipped).sum();
    let last = &layers[end - 1];
    given + skipped + if last.gives.is_empty() { last.output_bytes } else { 0 }
}

fn held(profile: &Profile, plan: &Plan, step: &Step, rank: usize) -> Vec<Held> {
    let mut held = Vec::new();
    let mut keep = |start, end, activations| {
        held.push(Held { start, end, activations, ..Held::default() });
    };
    let of_rank = || step.works.iter().filter(|work| work.rank == rank);
    let end_of = |stage, micro_batch, kinds: &[ActionKind]| {
        let same = |a: trainyard_plan::Action| a.stage == stage && a.micro_batch == micro_batch;
        of_rank().find(|w| same(w.action) && kinds.contains(&w.action.kind)).unwrap().end
    };
    let mut gone_back = vec![false; plan.stages.len()];
    for work in of_rank() {
        let (stage, micro_batch) = (work.action.stage, work.action.micro_batch);
        let stage_of_plan = &plan.stages[stage];
        let need = Need::of(profile, stage_of_plan);
        let mut backward = |split| {
            let first = !std::mem::replace(&mut gone_back[stage], true);
            need.backward_workspace[usize::from(first)][usize::from(split)]
        };
        match work.action.kind {
            ActionKind::Forward => {
                let backward = [ActionKind::Backward, ActionKind::InputGrad];
                keep(work.start, end_of(stage, micro_batch, &backward), need.kept);
                keep(work.start, work.end, need.forward_workspace);
            }
            ActionKind::Backward => keep(work.start, work.end, backward(false)),
            ActionKind::InputGrad => {
                keep(work.start, work.end, backward(true));
                let end = end_of(stage, micro_batch, &[ActionKind::WeightGrad]);
                keep(work.end, end, need.weight_saved);
            }
            ActionKind::WeightGrad => keep(work.start, work.end, need.weight_workspace),
            _ => {}
        }
    }
    for transfer in step.moves.iter().filter(|transfer| transfer.buffered) {
        let buffers = transfer.bytes;
        if transfer.ranks.0 == rank {
            let (start, end) = (transfer.made, transfer.end);
            held.push(Held { start, end, buffers, ..Held::default() });
        }
        if transfer.ranks.1 == rank {
            let used = step.works[transfer.to.unwrap()].start;
            held.push(Held { start: transfer.end, end: used, buffers, ..Held::default() });
        }
    }
    let works = step.works.iter().enumerate();
    for (index, work) in works.filter(|(_, work)| work.rank == rank) {
        let tied = step.moves.iter().filter(|tie| !tie.buffered && tie.to == Some(index));
        let buffers = tied.map(|tie| tie.bytes).max().unwrap_or(0);
        // Also where the optimizer step takes no time.
        let (start, end) = (work.start, work.end.max(work.start.next_up()));
        held.push(Held { start, end, buffers, ..Held::default() });
    }
    let model = &profile.model;
    for (index, stage) in plan.stages.iter().enumerate() {
        let backwards = of_rank().filter(|work| {
            let kinds = [ActionKind::Backward, ActionKind::InputGrad];
            work.action.stage == index && kinds.contains(&work.action.kind)
        });
        let first_end = backwards.map(|work| work.end).fold(f64::INFINITY, f64::min);
        if first_end.is_finite() {
            let layers = &model.layers[stage.layers.0..stage.layers.1];
            let sums: u64 = layers.iter().map(|layer| layer.param_bytes).sum();
            // Made from the first micro-batch's gradients where there are any beside the sums.
            let made = |layer: &LayerProfile| match layer.fresh_bytes {
                Some(_) => layer.param_bytes,
                None => layer.param_bytes * model.fresh_bytes_per_param_byte.min(1),
            };
            let later: u64 = layers.iter().map(made).sum();
            let end = f64::INFINITY;
            held.push(Held { start: first_end, end, gradients: later, ..Held::default() });
            held.push(Held { start: 0.0, end, gradients: sums - later, ..Held::default() });
        }
    }
    held
}

/// What a stage needs for one micro-batch, straight from the formulas.
struct Need {
    kept: u64,
    weight_saved: u64,
    forward_workspace: u64,
    /// By whether it is the first, and by whether it is split.
    backward_workspace: [[u64; 2]; 2],
    weight_workspace: u64,
}

impl Need {
    fn of(profile: &Profile, stage: &trainyard_plan::Stage) -> Self {
        let device = profile.device_index(&stage.device).unwrap();
        let layers: Vec<usize> = (stage.layers.0..stage.layers.1).collect();
        let layer = |index: usize| &profile.model.layers[index];
        let measured = &profile.devices[device].saved_bytes;
        let saved =
            |index: usize| measured.as_ref().map_or(layer(index).saved_bytes, |all| all[index]);
        let all: u64 = layers.iter().map(|index| saved(*index)).sum();
        let up_to = |j: usize| layers[..=j].iter().map(|index| saved(*index)).sum::<u64>();
        let kept_for_weights =
            |index: &usize| layer(*index).weight_saved_bytes.unwrap_or(saved(*index));
        // What there is of the layers from j on beside what the forward has kept.
        let beside = |j: usize, first: bool, split: bool| {
            let of_layer = |index: &usize| {
                let kept = if *index == layers[j] {
                    layer(*index).split_workspace_bytes
                } else {
                    kept_for_weights(index)
                };
                let LayerProfile { param_bytes, fresh_bytes, .. } = *layer(*index);
                let fresh = match (fresh_bytes, first) {
                    (Some(_), true) => param_bytes,
                    (Some(fresh), false) => fresh,
                    (None, _) => param_bytes * profile.model.fresh_bytes_per_param_byte,
                };
                fresh + if split { kept } else { 0 }
            };
            layers[j..].iter().map(of_layer).sum::<u64>()
        };
        let work = |j: usize| layer(layers[j]).workspace_bytes;
        let most = |at: &dyn Fn(usize) -> u64| (0..layers.len()).map(at).max().unwrap();
        let kept = all + layers.last().map_or(0, |last| layer(*last).output_saved_bytes);
        let forward = most(&|j| up_to(j) + work(j));
        let backward = [false, true].map(|first| {
            [false, true].map(|split| most(&|j| up_to(j) + beside(j, first, split) + work(j)))
        });
        let weight_saved = layers.iter().map(kept_for_weights).sum();
        let weight_workspace = most(&|j| layer(layers[j]).weight_workspace_bytes);
        let input_saved = layer(layers[0]).input_saved_bytes.min(saved(layers[0]));
        // While the forward runs again.
        let output_gradient = if stage.layers.1 == profile.model.layers.len() {
            0
        } else {
            output(&profile.model.layers, stage.layers)
        };
        match stage.recompute {
            Recompute::None => Self {
                kept,
                weight_saved,
                forward_workspace: forward.saturating_sub(kept),
                backward_workspace: backward.map(|of| of.map(|peak| peak.saturating_sub(kept))),
                weight_workspace,
            },
            Recompute::Full => Self {
                kept: input(&profile.model.layers, stage.layers),
                weight_saved,
                forward_workspace: most(&work),
                backward_workspace: backward.map(|of| {
                    of.map(|peak| peak.max(kept).max(forward + output_gradient) - input_saved)
                }),
                weight_workspace,
            },
        }
    }
}
