//! The planner where there is more than an exact search of every cut can look at in one go: many
//! layers, many devices, many micro-batches.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;

use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::memory::StageMemory;
use trainyard_plan::planner::{
    ClosedFormOptimum, MicroBatches, Objective, PlanRequest, RecomputeChoice, closed_form_optimum,
    plan,
};
use trainyard_plan::simulate::score;
use trainyard_plan::{
    ActionKind, DeviceProfile, LayerProfile, LinkCost, LinkProfile, ModelProfile, Profile,
    Recompute, Schedule, Stage,
};

/// Devices by their time for each layer, µs: as much forward as backward. Links are free, and there
/// is memory for everything.
fn profile(devices: &[Vec<f64>], micro_batches: usize) -> Profile {
    let layer = |index| LayerProfile { name: format!("layer{index}"), ..LayerProfile::default() };
    let model = ModelProfile {
        name: "long".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..devices[0].len()).map(layer).collect(),
    };
    let device = |(index, times): (usize, &Vec<f64>)| DeviceProfile {
        id: format!("d{index}"),
        memory_bytes: 1 << 30,
        forward_us: times.iter().map(|time| time / 2.0).collect(),
        input_grad_us: times.iter().map(|time| time / 4.0).collect(),
        weight_grad_us: times.iter().map(|time| time / 4.0).collect(),
        ..DeviceProfile::default()
    };
    let devices = devices.iter().enumerate().map(device).collect();
    Profile { devices, ..Profile::new(model, micro_batches) }
}

fn found(profile: &Profile) -> ClosedFormOptimum {
    let request = PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(profile) };
    let found = closed_form_optimum(&request).unwrap().unwrap();
    // It costs what its stages do.
    let (mut sum, mut longest) = (0.0, 0.0_f64);
    let device = |stage: &Stage| profile.device_index(&stage.device).unwrap();
    for (index, stage) in found.stages.iter().enumerate() {
        let on = &profile.devices[device(stage)];
        let (first, end) = stage.layers;
        let parts = if stage.recompute == Recompute::Full { 3.0 } else { 2.0 };
        let time = parts * on.forward_us[first..end].iter().sum::<f64>();
        (sum, longest) = (sum + time, longest.max(time));
        let held = profile.micro_batches.min(found.stages.len() - index);
        let memory = StageMemory::of(profile, device(stage), first..end);
        let need = memory.peak(stage.recompute, held, profile.micro_batches).total();
        assert!(need <= on.budget_bytes(), "{stage:?} needs {need}");
        if let Some(next) = found.stages.get(index + 1) {
            let (a, b, layers) = (device(stage), device(next), &profile.model.layers);
            let there = profile.link(a, b).transfer_us(layers[end - 1].output_bytes);
            let back = profile.link(b, a).transfer_us(layers[end].input_bytes);
            (sum, longest) = (sum + there + back, longest.max(there).max(back));
        }
    }
    let cost = sum + (profile.micro_batches - 1) as f64 * longest;
    assert!((found.cost - cost).abs() < 1e-9 * cost, "{} is not {cost}", found.cost);
    found
}

/// Numbers that are all over the place, from 1 to 16.
fn times(device: u64, layers: u64) -> Vec<f64> {
    let mix = |layer: u64| (layer * 7 + device * 5 + 3).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
    (0..layers).map(|layer| 1.0 + mix(layer) as f64).collect()
}

#[test]
fn the_best_cut_of_very_many_layers_is_found() {
    let devices = [times(1, 500), times(2, 500)];
    let m = 20;
    let mut least = f64::INFINITY;
    for (first, second) in [(&devices[0], &devices[1]), (&devices[1], &devices[0])] {
        for cut in 0..=500 {
            let (a, b): (f64, f64) = (first[..cut].iter().sum(), second[cut..].iter().sum());
            least = least.min(a + b + f64::from(m - 1) * a.max(b));
        }
    }
    let found = found(&profile(&devices, m as usize));
    assert!(found.exact);
    assert!((found.cost - least).abs() < 1e-9 * least, "{} is not {least}", found.cost);
}

#[test]
fn what_is_found_where_memory_is_tight_fits_and_costs_what_it_says() {
    for seed in 0..6 {
        let devices: Vec<Vec<f64>> = (0..5).map(|device| times(seed * 5 + device, 60)).collect();
        let mut profile = profile(&devices, 12);
        for (layer, of_layer) in profile.model.layers.iter_mut().zip(times(seed + 90, 60)) {
            layer.param_bytes = 10 * of_layer as u64;
            layer.saved_bytes = 20 * (17 - of_layer as u64);
            (layer.input_bytes, layer.output_bytes) = (5, 3 + of_layer as u64);
        }
        for (device, size) in profile.devices.iter_mut().zip([5000, 7000, 9000, 11_000, 13_000]) {
            device.memory_bytes = size;
        }
        profile.default_link = Some(LinkCost { latency_us: 3.0, bytes_per_us: 0.5 });
        let link = |from: &str, to: &str, latency_us| LinkProfile {
            from: from.into(),
            to: to.into(),
            latency_us,
            bytes_per_us: 1.0,
        };
        profile.links = vec![link("d1", "d3", 40.0), link("d4", "d0", 1.0)];
        assert!(found(&profile).stages.len() > 3);
    }
}

#[test]
fn equal_devices_share_evenly_however_many_they_are() {
    // Thirty layers of 9 µs on twelve devices: three a stage, ten stages or more.
    let found = found(&profile(&vec![vec![9.0; 30]; 12], 16));
    assert!(found.exact);
    assert!((found.cost - (30.0 * 9.0 + 15.0 * 27.0)).abs() < 1e-9, "{}", found.cost);
}

/// So many devices, each a few percent faster at `own` layers than at all others, in mixed order.
fn are_used_well(count: usize, own: usize, mixed: usize) {
    let (mut sum, mut longest) = (0.0, 0.0_f64);
    let mut devices = vec![Vec::new(); count];
    for seat in 0..count {
        let layers = count * own;
        let own = own * seat..own * (seat + 1);
        let slow = |(layer, noise): (usize, f64)| {
            100.0 + if own.contains(&layer) { noise / 4.0 } else { noise }
        };
        let times = times(seat as u64, layers as u64).into_iter().enumerate();
        let times: Vec<f64> = times.map(slow).collect();
        let time: f64 = times[own.clone()].iter().sum();
        (sum, longest) = (sum + time, longest.max(time));
        devices[seat * mixed % count] = times;
    }
    let found = found(&profile(&devices, 50));
    let known = sum + 49.0 * longest;
    assert!(found.cost <= 1.1 * known, "{} against {known}: {:?}", found.cost, found.stages);
    assert!(!found.exact, "then this test is about something else");
    // No cut would be better a layer earlier or later.
    let by_device: HashMap<String, &Vec<f64>> =
        devices.iter().enumerate().map(|(index, times)| (format!("d{index}"), times)).collect();
    let cost = |stages: &[Stage]| {
        let time = |stage: &Stage| by_device[&stage.device][stage.layers.0..stage.layers.1].iter();
        let times = stages.iter().map(|stage| time(stage).sum::<f64>());
        times.clone().sum::<f64>() + 49.0 * times.fold(0.0, f64::max)
    };
    for cut in 1..found.stages.len() {
        for to in [found.stages[cut].layers.0 - 1, found.stages[cut].layers.0 + 1] {
            let mut moved = found.stages.clone();
            (moved[cut - 1].layers.1, moved[cut].layers.0) = (to, to);
            assert!(cost(&moved) >= found.cost * (1.0 - 1e-9), "cut {cut} to {to}");
        }
    }
}

#[test]
fn more_devices_than_can_be_searched_are_used_well() {
    are_used_well(16, 6, 5);
    // Here the groups of layers of a first look end where no cut should be.
    are_used_well(15, 7, 4);
}

#[test]
fn a_count_of_micro_batches_can_be_stated() {
    let profile = profile(&[vec![6.0; 4], vec![6.0; 4]], 4);
    let micro_batches = MicroBatches::Count(10);
    let request = PlanRequest {
        schedule: "1f1b".parse().unwrap(),
        micro_batches,
        ..PlanRequest::new(&profile)
    };
    // Twelve µs a stage: ten of them, and one more.
    assert!((closed_form_optimum(&request).unwrap().unwrap().cost - 11.0 * 12.0).abs() < 1e-9);
}

#[test]
fn a_very_long_step_is_planned_by_a_shorter_one() {
    let m = 70_000;
    let profile = profile(&[vec![6.0; 4], vec![6.0; 4]], m);
    let planned =
        plan(&PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&profile) })
            .unwrap();
    let best = &planned.candidates[0];
    let cuts: Vec<_> = best.plan.stages.iter().map(|stage| stage.layers).collect();
    assert_eq!((cuts, best.plan.micro_batches), (vec![(0, 2), (2, 4)], m));
    // All of them, at 12 µs a stage, and one more to fill and drain.
    let step_us = (m + 1) as f64 * 12.0;
    assert!((best.simulation.step_us - step_us).abs() < 1e-3, "{}", best.simulation.step_us);
    assert!(!planned.exact);
}

#[test]
fn as_many_micro_batches_as_can_be_are_planned_in_full() {
    // Of sixteen devices one may be used; all of them count.
    for (m, exact) in [(2000, true), (8192, true), (8193, false)] {
        let profile = profile(&vec![vec![6.0; 2]; 16], m);
        let excluded = (1..16).collect();
        let request = PlanRequest {
            schedule: "1f1b".parse().unwrap(),
            excluded,
            ..PlanRequest::new(&profile)
        };
        let planned = plan(&request).unwrap();
        assert_eq!(planned.exact, exact, "{m}");
        assert!((planned.candidates[0].simulation.step_us - m as f64 * 12.0).abs() < 1e-3);
    }
}

#[test]
fn a_plan_is_searched_as_far_as_what_is_stated() {
    // Some ten million stages, where a second look would be given up; and too many for the first.
    for (count, exact) in [(12, true), (16, false)] {
        let devices: Vec<Vec<f64>> = (0..count).map(|device| times(device, 16)).collect();
        let mut profile = profile(&devices, 1);
        let (from, to) = ("d0".into(), "d1".into());
        profile.default_link = Some(LinkCost { latency_us: 1.0, bytes_per_us: 1.0 });
        profile.links = vec![LinkProfile { from, to, latency_us: 2.0, bytes_per_us: 1.0 }];
        let (objective, recompute) = (Objective::Latency, RecomputeChoice::None);
        let request = PlanRequest {
            schedule: "1f1b".parse().unwrap(),
            objective,
            recompute,
            ..PlanRequest::new(&profile)
        };
        assert_eq!(plan(&request).unwrap().exact, exact, "{count}");
    }
}

#[test]
fn long_models_are_cut_by_speed_under_several_stages_a_rank() {
    // Four stages a rank that all take as long are (m + (p − 1) ÷ 4) times a rank's own time.
    for (times, rank_us) in
        [(vec![3.0, 3.0], 600.0), (vec![3.0, 9.0], 900.0), (vec![3.0, 3.0, 3.0], 400.0)]
    {
        let devices: Vec<Vec<f64>> = times.iter().map(|time| vec![*time; 400]).collect();
        let profile = profile(&devices, 4);
        let request =
            PlanRequest { schedule: "interleaved".parse().unwrap(), ..PlanRequest::new(&profile) };
        let step_us = plan(&request).unwrap().candidates[0].simulation.step_us;
        let known = (4.0 + (times.len() - 1) as f64 / 4.0) * rank_us;
        assert!(step_us <= 1.01 * known, "{times:?}: {step_us} against {known}");
    }
}

#[test]
fn a_long_v_is_cut_by_speed() {
    // One device is four times as fast as the other, so it gets four of five layers.
    let profile = profile(&[vec![3.0; 1000], vec![12.0; 1000]], 4);
    let stage = |(device, first, end): (&str, usize, usize)| Stage {
        device: device.into(),
        layers: (first, end),
        recompute: Recompute::None,
    };
    let cuts = [("d1", 0, 100), ("d0", 100, 500), ("d0", 500, 900), ("d1", 900, 1000)];
    let schedule = Schedule::named("zb-v", 2, 4).unwrap();
    let costs = PipelineCosts::of(&profile, &cuts.map(stage), &schedule.owners()).unwrap();
    let known = score(&costs, &schedule, 4).unwrap().step_us;
    let request = PlanRequest { schedule: "zb-v".parse().unwrap(), ..PlanRequest::new(&profile) };
    let step_us = plan(&request).unwrap().candidates[0].simulation.step_us;
    assert!(step_us <= 1.01 * known, "{step_us} against {known}");
}

#[test]
fn the_unit_of_time_does_not_matter() {
    for (layers, count, objective) in
        [(12, 4, Objective::Time), (40, 5, Objective::Time), (12, 4, Objective::Latency)]
    {
        let found = |unit: f64| {
            let of = |device| times(device, layers).iter().map(|time| time * unit).collect();
            let devices: Vec<Vec<f64>> = (0..count).map(of).collect();
            let mut profile = profile(&devices, 5);
            for layer in &mut profile.model.layers {
                (layer.param_bytes, layer.saved_bytes, layer.output_bytes) = (10, 20, 8);
            }
            for device in &mut profile.devices {
                device.memory_bytes = 60 * layers * 3 / (2 * count);
            }
            let (latency_us, bytes_per_us) = (2.0 * unit, 8.0 / unit);
            profile.default_link = Some(LinkCost { latency_us, bytes_per_us });
            let request = PlanRequest {
                schedule: "1f1b".parse().unwrap(),
                objective,
                ..PlanRequest::new(&profile)
            };
            let ClosedFormOptimum { cost, stages, exact } =
                closed_form_optimum(&request).unwrap().unwrap();
            (cost / unit, stages, exact)
        };
        let told = found(1.0);
        for unit in [1.0 / 1024.0, 1.0 / f64::from(1 << 30), 1024.0] {
            assert_eq!(found(unit), told, "{layers} {unit}");
        }
    }
}

#[test]
fn a_very_long_step_has_a_schedule_for_all_of_its_micro_batches() {
    // A schedule that is made for the shorter step would be the fastest, and leave most out.
    let m = 70_000;
    let mut profile = profile(&[vec![6.0, 9.0, 5.0, 4.0, 7.0], vec![9.0, 3.0, 6.0, 8.0, 6.0]], m);
    profile.default_link = Some(LinkCost { latency_us: 3.0, bytes_per_us: 1.0 });
    let planned = plan(&PlanRequest::new(&profile)).unwrap();
    let best = &planned.candidates[0];
    let actions = best.plan.schedule.ranks[0].iter();
    assert!(actions.filter(|action| action.kind == ActionKind::Forward).count() >= m);
    // Layers take 24 µs where each is fastest, on two devices.
    assert!(best.simulation.step_us >= 12.0 * m as f64, "{}", best.simulation.step_us);
}

#[test]
fn of_very_many_devices_one_is_enough_where_links_are_slow() {
    let mut profile = profile(&vec![vec![9.0; 30]; 9], 16);
    profile.default_link = Some(LinkCost { latency_us: 1e6, bytes_per_us: 1.0 });
    let found = found(&profile);
    assert_eq!(found.stages.len(), 1);
    assert!((found.cost - 16.0 * 30.0 * 9.0).abs() < 1e-9, "{}", found.cost);
}

#[test]
fn a_long_model_stays_on_one_device_where_its_ends_are_tied_over_a_slow_link() {
    // The stated objective knows nothing of ties, so no plan that is nearly the best by it will do.
    let mut profile = profile(&vec![vec![30.0; 40]; 4], 8);
    for layer in [0, 39] {
        profile.model.layers[layer].param_bytes = 100_000;
    }
    profile.model.layers[39].tied_to = Some("layer0".into());
    profile.default_link = Some(LinkCost { latency_us: 0.0, bytes_per_us: 1.0 });
    let planned =
        plan(&PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&profile) })
            .unwrap();
    assert_eq!(planned.candidates[0].plan.stages.len(), 1);
}

#[test]
fn of_a_long_model_there_are_several_plans_that_are_nearly_as_good() {
    // A cut a layer further costs a little more than one in 75.
    let profile = profile(&[vec![16.0; 150], vec![17.0; 150]], 32);
    let request =
        PlanRequest { schedule: "1f1b".parse().unwrap(), top: 3, ..PlanRequest::new(&profile) };
    let planned = plan(&request).unwrap();
    let steps: Vec<f64> =
        planned.candidates.iter().map(|candidate| candidate.simulation.step_us).collect();
    assert!(steps.len() == 3 && steps[2] < 1.05 * steps[0], "{steps:?}");
}
