//! Plans are what a local search comes to: no single small change makes one of them faster.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/even.rs"]
mod even;
#[path = "common/numbers.rs"]
mod numbers;

use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::planner::{PlanRequest, plan};
use trainyard_plan::simulate::score;
use trainyard_plan::{LinkCost, Plan, Profile, Recompute, Stage};

use numbers::Numbers;

/// Unlike layers on two or three unlike devices with little memory.
fn tight(seed: u64) -> Profile {
    let numbers = &mut Numbers(seed);
    let layers = 8 + numbers.below(5) as usize;
    let count = 2 + numbers.below(2);
    let budget =
        |_| (1.0, 800 + layers as u64 * 450 * (count + 2 + numbers.below(3)) / (2 * count));
    let devices: Vec<(f64, u64)> = (0..count).map(budget).collect();
    let mut profile = even::profile(layers, &devices, 2 + numbers.below(5) as usize);
    for layer in &mut profile.model.layers {
        layer.saved_bytes = 20 + numbers.below(100);
    }
    for device in &mut profile.devices {
        let slowness = 4 + numbers.below(8);
        let mut time = |_| (slowness + numbers.below(2 * slowness)) as f64;
        device.forward_us = (0..layers).map(&mut time).collect();
        device.input_grad_us = (0..layers).map(&mut time).collect();
        device.weight_grad_us = (0..layers).map(&mut time).collect();
    }
    let latency_us = numbers.below(9) as f64;
    profile.default_link = Some(LinkCost { latency_us, bytes_per_us: 2.0 });
    profile
}

/// A cut one layer earlier or later, or a stage that recomputes where it did not, or no longer does.
fn changes(stages: &[Stage]) -> Vec<Vec<Stage>> {
    let mut changes = Vec::new();
    for stage in 0..stages.len() {
        let mut changed = stages.to_vec();
        changed[stage].recompute = match stages[stage].recompute {
            Recompute::None => Recompute::Full,
            Recompute::Full => Recompute::None,
        };
        changes.push(changed);
        if stage > 0 {
            let cut = stages[stage].layers.0;
            for to in [cut - 1, cut + 1] {
                let mut changed = stages.to_vec();
                (changed[stage - 1].layers.1, changed[stage].layers.0) = (to, to);
                if changed.iter().all(|stage| stage.layers.0 < stage.layers.1) {
                    changes.push(changed);
                }
            }
        }
    }
    changes
}

#[test]
fn no_small_change_makes_a_plan_faster() {
    let mut planned = 0;
    for seed in 0..60 {
        let profile = tight(seed);
        for schedule in ["1f1b", "zb-v", "interleaved"] {
            let request =
                PlanRequest { schedule: schedule.parse().unwrap(), ..PlanRequest::new(&profile) };
            let Ok(found) = plan(&request) else { continue };
            planned += 1;
            let Plan { stages, schedule, micro_batches, predicted, .. } = &found.candidates[0].plan;
            let step_us = predicted.as_ref().unwrap().step_us;
            for changed in changes(stages) {
                let costs = PipelineCosts::of(&profile, &changed, &schedule.owners()).unwrap();
                let score = score(&costs, schedule, *micro_batches).unwrap();
                let better = score.fits && score.step_us < step_us * (1.0 - 1e-6);
                assert!(
                    !better,
                    "seed {seed}: {} µs, not {step_us}, with {changed:?}",
                    score.step_us
                );
            }
        }
    }
    assert!(planned > 100, "only {planned}");
}

#[test]
fn every_stage_has_a_layer_even_on_a_device_that_is_not_worth_it() {
    // Two stages on the slow device, which has to have one layer only.
    let profile = even::profile(6, &[(1.0, 1 << 30), (50.0, 1 << 30)], 4);
    for schedule in ["zb-v", "interleaved"] {
        let locks = vec![(0, 0), (3, 1)];
        let request = PlanRequest {
            schedule: schedule.parse().unwrap(),
            locks,
            ..PlanRequest::new(&profile)
        };
        let plan = plan(&request).unwrap().candidates.remove(0).plan;
        let slow = plan.stages.iter().filter(|stage| stage.device == "d1");
        assert!(slow.map(|stage| stage.layers.1 - stage.layers.0).eq([1, 1]), "{schedule}");
    }
}
