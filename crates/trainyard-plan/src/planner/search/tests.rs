//! The search with bounds against the search without.

use super::super::space::{Goal, InFlight, Space};
use super::{Effort, Search};
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

#[test]
fn bounds_cut_off_nothing_that_is_best() {
    let grid: Vec<usize> = (0..=20).collect();
    let all = Effort { width: usize::MAX, work: u64::MAX, slack: f64::INFINITY };
    let bounded = Effort { slack: 1.0, ..all };
    let mut feasible = 0;
    for seed in 0..40 {
        let profile = profile(seed);
        let repeats = (profile.micro_batches - 1) as f64;
        for goal in [Goal::Time(repeats), Goal::Time(0.0), Goal::Share, Goal::Need(2)] {
            let mut space = Space::new(&profile, goal, &[], &[]);
            if seed % 3 == 0 {
                space.in_flight = InFlight::All;
            }
            let best = |limit, effort| {
                let found = Search::new(&space, &grid, limit, effort).run();
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
