//! Plans for models whose layers give each other named tensors, and for weights of every role.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/even.rs"]
mod even;
#[path = "common/numbers.rs"]
mod numbers;

use numbers::Numbers;
use trainyard_plan::memory::{BackwardKind, StageMemory};
use trainyard_plan::planner::{PlanRequest, plan};
use trainyard_plan::simulate::{check_memory, simulate};
use trainyard_plan::{
    LinkCost, MemoryUse, Plan, PlanError, Profile, Recompute, Schedule, Stage, TensorProfile,
};

const LAYERS: usize = 6;

/// A U-Net of equal layers on two or three devices whose memory is tight.
fn u_net(numbers: &mut Numbers) -> Profile {
    let devices: Vec<(f64, u64)> =
        (0..2 + numbers.below(2)).map(|_| (1.0 + numbers.below(4) as f64, 0)).collect();
    let mut profile = even::profile(LAYERS, &devices, 1 + numbers.below(4) as usize);
    for device in &mut profile.devices {
        device.memory_bytes = 900 + numbers.below(1500);
    }
    profile.default_link =
        Some(LinkCost { latency_us: numbers.below(3) as f64, bytes_per_us: 10.0 });
    let layers = &mut profile.model.layers;
    for (index, layer) in layers.iter_mut().enumerate().take(LAYERS - 1) {
        let mut give = |name: String, to: usize, bytes| {
            let to = vec![format!("layer{to}")];
            layer.gives.push(TensorProfile { name, bytes, gradient_bytes: bytes, to });
        };
        give("x".into(), index + 1, 10);
        if index < LAYERS / 2 {
            give(format!("skip{index}"), LAYERS - 1 - index, 1 + numbers.below(90));
        }
    }
    for index in 0..LAYERS {
        let name = format!("layer{index}");
        let given = layers.iter().flat_map(|layer| &layer.gives);
        let given: u64 = given.filter(|t| t.to.contains(&name)).map(|t| t.bytes).sum();
        layers[index].input_bytes = if index == 0 { 10 } else { given };
        if index + 1 < LAYERS {
            layers[index].output_bytes = layers[index].gives.iter().map(|t| t.bytes).sum();
        }
    }
    profile.check().unwrap();
    profile
}

/// The fastest 1F1B plan that fits, over every partition on every order of devices.
fn best(profile: &Profile) -> Option<f64> {
    let mut best: Option<f64> = None;
    let mut todo: Vec<Vec<Stage>> = vec![Vec::new()];
    while let Some(stages) = todo.pop() {
        let first = stages.last().map_or(0, |stage| stage.layers.1);
        if first == LAYERS {
            let m = profile.micro_batches;
            let schedule = Schedule::named("1f1b", stages.len(), m).unwrap();
            let plan = Plan::new("even", stages, schedule, m);
            if check_memory(profile, &plan).is_ok() {
                let step_us = simulate(profile, &plan).unwrap().step_us;
                best = Some(best.map_or(step_us, |best| best.min(step_us)));
            }
            continue;
        }
        for device in profile.devices.iter().map(|device| device.id.clone()) {
            if stages.iter().any(|stage| stage.device == device) {
                continue;
            }
            for end in first + 1..=LAYERS {
                for recompute in [Recompute::None, Recompute::Full] {
                    let (device, layers) = (device.clone(), (first, end));
                    let mut longer = stages.clone();
                    longer.push(Stage { device, layers, recompute });
                    todo.push(longer);
                }
            }
        }
    }
    best
}

#[test]
fn plans_of_u_nets_fit_and_are_near_the_best() {
    let mut infeasible = 0;
    let mut ratios = Vec::new();
    for seed in 0..60 {
        let profile = u_net(&mut Numbers(seed));
        let request =
            PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&profile) };
        match (best(&profile), plan(&request)) {
            (Some(best), Ok(planned)) => {
                let found = &planned.candidates[0];
                check_memory(&profile, &found.plan).unwrap();
                ratios.push(found.simulation.step_us / best);
            }
            (None, Err(PlanError::DoesNotFit { .. })) => infeasible += 1,
            (best, planned) => panic!("seed {seed}: best {best:?}, but {planned:?}"),
        }
    }
    assert!(ratios.len() >= 10 && infeasible >= 5, "{ratios:?}, {infeasible} do not fit");
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let worst = ratios.iter().copied().fold(1.0, f64::max);
    assert!(mean <= 1.02 && worst <= 1.2, "{mean} times the best step on average, {ratios:?}");
}

#[test]
fn weights_of_every_role_by_hand() {
    let mut profile = even::profile(2, &[(1.0, 1 << 20)], 1);
    let layer = &mut profile.model.layers[0];
    (layer.param_bytes, layer.frozen_bytes, layer.buffer_bytes) = (100, 1000, 10);
    profile.model.layers[1].optimizer_bytes = Some(7);
    let memory = StageMemory::of(&profile, 0, 0..2);
    let fixed = MemoryUse {
        weights: 1110 + 100,
        gradients: 200,
        optimizer: 200 + 7,
        ..MemoryUse::default()
    };
    assert_eq!(memory.fixed, fixed);
    // A tied layer has no state of its own, unless it says so.
    profile.model.layers[1].tied_to = Some("layer0".into());
    assert_eq!(StageMemory::of(&profile, 0, 0..2).fixed.optimizer, 207);
    profile.model.layers[1].optimizer_bytes = None;
    assert_eq!(StageMemory::of(&profile, 0, 0..2).fixed.optimizer, 200);
    // Fresh gradients are those of trained weights alone.
    profile.model.fresh_bytes_per_param_byte = 1;
    for layer in &mut profile.model.layers {
        layer.saved_bytes = 0;
    }
    assert_eq!(
        StageMemory::of(&profile, 0, 0..2)
            .backward_workspace(Recompute::None, BackwardKind::default()),
        200
    );
}
