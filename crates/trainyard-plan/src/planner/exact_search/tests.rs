//! The search with bounds against the search without, and its parts against their definitions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::super::fixed_order_dp::best_cuts;
use super::super::goal::Goal;
use super::super::grid::grid;
use super::super::in_flight::InFlight;
use super::super::partition::Partition;
use super::super::request::PlanRequest;
use super::super::space::Space;
use super::super::validated::check;
use super::{Effort, ExactSearch};
use crate::{DeviceProfile, LayerProfile, LinkProfile, ModelProfile, Profile};

/// Twenty layers on five devices: too many partitions to try them all, so the search without
/// bounds, which tests against brute force cover, is the oracle of the one with them.
fn profile(seed: u64) -> Profile {
    let mut state = seed;
    let mut below = |end: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(seed | 1);
        (state >> 33) % end
    };
    let layer = |index| LayerProfile {
        name: format!("layer{index}"),
        param_bytes: below(100),
        input_bytes: 1 + below(30),
        output_bytes: 1 + below(30),
        saved_bytes: below(150),
        ..LayerProfile::default()
    };
    let model = ModelProfile {
        name: "random".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..20).map(layer).collect(),
    };
    let mut profile = Profile::new(model, 1 + below(12) as usize);
    for index in 0..5 {
        let slowness = 1 + below(30);
        let mut times = || (0..20).map(|_| (10 + below(10 * slowness)) as f64).collect();
        let (forward_us, input_grad_us, weight_grad_us) = (times(), times(), times());
        let memory_bytes = 1500 + below(9000);
        let id = format!("d{index}");
        profile.devices.push(DeviceProfile {
            id,
            memory_bytes,
            forward_us,
            input_grad_us,
            weight_grad_us,
            ..DeviceProfile::default()
        });
    }
    for (from, to) in [(0, 1), (1, 0), (3, 2), (4, 1), (2, 0)] {
        let (from, to) = (format!("d{from}"), format!("d{to}"));
        let (latency_us, bytes_per_us) = (below(50) as f64, 1.0 + below(20) as f64);
        profile.links.push(LinkProfile { from, to, latency_us, bytes_per_us });
    }
    profile
}

fn space(profile: &Profile, goal: Goal) -> Space<'_> {
    let request = check(&PlanRequest::new(profile)).unwrap();
    Space::new(profile, &request, goal)
}

#[test]
fn bounds_cut_off_nothing_that_is_best() {
    let grid: Vec<usize> = (0..=20).collect();
    let all = Effort { width: usize::MAX, looks: u64::MAX, slack: f64::INFINITY };
    let bounded = Effort { slack: 1.0, ..all };
    let mut feasible = 0;
    for seed in 0..40 {
        let profile = profile(seed);
        let repeats = (profile.micro_batches - 1) as f64;
        for goal in [Goal::Time(repeats), Goal::Time(0.0), Goal::Share, Goal::Need(2)] {
            let mut space = space(&profile, goal);
            if seed % 3 == 0 {
                space.in_flight = InFlight::all(profile.micro_batches);
            }
            let best = |limit, effort| {
                let found = ExactSearch::new(&space, &grid, limit, effort).run();
                assert!(found.exact);
                found.partitions.first().map(|partition| partition.cost)
            };
            let least = best(f64::INFINITY, all);
            assert_eq!(best(f64::INFINITY, bounded), least, "{seed} {goal:?}");
            if let Some(least) = least {
                feasible += 1;
                assert_eq!(best(least, bounded), Some(least), "{seed} {goal:?}");
            }
        }
    }
    assert!(feasible > 100, "only {feasible}");
}

/// The least by cutting the layers before `end` into stages on `stage_devices` in every way, before stages
/// that begin on `next` and have this sum and maximum.
fn by_all_cuts(
    space: &Space,
    stage_devices: &[usize],
    (next, end): (Option<usize>, usize),
    (sum, max): (f64, f64),
    after: usize,
) -> f64 {
    let (alpha, beta) = space.goal.weights();
    let Some((device, stage_devices)) = stage_devices.split_last() else {
        return if end == 0 { alpha * sum + beta * max } else { f64::INFINITY };
    };
    if end == 0 {
        // A device is left without layers.
        return f64::INFINITY;
    }
    let (cut_sum, cut_max) = next.map_or((0.0, 0.0), |next| space.cut(*device, next, end));
    let starts: Vec<usize> = (0..end).rev().collect();
    let row = space.row(*device, space.held(after), end, &starts, f64::INFINITY);
    let stages = row.iter().zip(&starts).map(|(cell, start)| {
        let so_far = (sum + cut_sum + cell.sum, max.max(cut_max).max(cell.max));
        by_all_cuts(space, stage_devices, (Some(*device), *start), so_far, after + 1)
    });
    stages.fold(f64::INFINITY, f64::min)
}

#[test]
fn given_devices_are_cut_as_well_as_can_be() {
    let mut feasible = 0;
    for seed in 0..40 {
        let mut profile = profile(seed);
        if seed % 2 == 0 {
            // Times far below a microsecond.
            for device in &mut profile.devices {
                for times in
                    [&mut device.forward_us, &mut device.input_grad_us, &mut device.weight_grad_us]
                {
                    for time in times.iter_mut() {
                        *time /= 65_536.0;
                    }
                }
            }
            profile.links.clear();
        }
        for goal in [Goal::Time(2.0), Goal::Time(10.0), Goal::Time(0.0), Goal::Share] {
            let space = space(&profile, goal);
            let inner: Vec<usize> = (1..20).collect();
            let found =
                best_cuts(&space, &[1, 3, 0, 4], &[vec![0], inner.clone(), inner.clone(), inner]);
            let least = by_all_cuts(&space, &[1, 3, 0, 4], (None, 20), (0.0, 0.0), 0);
            assert_eq!(found.is_some(), least.is_finite(), "{seed} {goal:?}");
            if let Some(Partition { cost, .. }) = found {
                feasible += 1;
                assert!(
                    (cost - least).abs() <= 1e-9 * least,
                    "{seed} {goal:?}: {cost}, but {least}"
                );
            }
        }
    }
    assert!(feasible > 50, "only {feasible}");
}

#[test]
fn groups_end_at_the_layer_that_is_nearest_to_their_share() {
    let all: Vec<usize> = (0..=20).collect();
    for seed in 0..40 {
        let profile = profile(seed);
        let space = space(&profile, Goal::Share);
        // Time and bytes count alike, and every layer by itself as much as both.
        let mut before = vec![0.0];
        for layer in 0..20 {
            let share = |of: &dyn Fn(usize) -> f64| of(layer) / (0..20).map(of).sum::<f64>();
            let device = |device| {
                share(&|layer| space.layer_time(device, layer))
                    + share(&|layer| space.layer_bytes(device, layer) as f64)
            };
            let weight = 1.0 / 20.0 + (0..5).map(device).sum::<f64>() / 10.0;
            before.push(before[layer] + weight);
        }
        let nearest = |group: usize| {
            let share = 2.0 * group as f64 / 6.0;
            let far = |layer: &usize| (before[*layer] - share).abs();
            all.iter().copied().min_by(|a, b| far(a).total_cmp(&far(b))).unwrap_or_default()
        };
        assert_eq!(grid(&space, 6), (0..=6).map(nearest).collect::<Vec<_>>(), "{seed}");
        for count in [20, 21, 40] {
            assert_eq!(grid(&space, count), all, "{seed}");
        }
    }
}
