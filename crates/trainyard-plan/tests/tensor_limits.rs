//! Layers with a tensor that is larger than any a device can have: no plan gives them to it, and the error
//! says which, and what helps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "common/even.rs"]
mod even;
#[path = "common/numbers.rs"]
mod numbers;

use numbers::Numbers;
use trainyard_plan::planner::{Objective, PlanRequest, RecomputeChoice, explain, plan};
use trainyard_plan::simulate::{check_memory, simulate, validate_memory};
use trainyard_plan::{
    BatchTensor, DeviceInfo, FixedTimes, Plan, PlanError, Profile, Recompute, Schedule, Stage,
    TensorLimits, TensorProfile,
};

const LAYERS: usize = 6;

/// Layers with tensors of all sizes on two or three devices of which some can have no large ones.
fn random(numbers: &mut Numbers) -> Profile {
    let devices: Vec<(f64, u64)> =
        (0..2 + numbers.below(2)).map(|_| (1.0 + numbers.below(4) as f64, 0)).collect();
    let mut profile = even::profile(LAYERS, &devices, 1 + numbers.below(4) as usize);
    for device in &mut profile.devices {
        device.memory_bytes = 600 + numbers.below(5000);
        device.max_tensor_bytes = (numbers.below(4) > 0).then(|| 40 + numbers.below(80));
    }
    for layer in &mut profile.model.layers {
        if numbers.below(2) == 0 {
            layer.largest_weight_bytes = numbers.below(110);
        }
        if numbers.below(2) == 0 {
            layer.largest_tensor_bytes = numbers.below(110);
        }
    }
    profile
}

/// Whether a device can have some layers, from the two sizes alone: what goes between the layers is smaller.
fn can_have(profile: &Profile, device: &str, layers: (usize, usize)) -> bool {
    let device = profile.devices.iter().find(|it| it.id == device).unwrap();
    let most = device.max_tensor_bytes.unwrap_or(u64::MAX);
    let layers = &profile.model.layers[layers.0..layers.1];
    layers.iter().all(|it| it.largest_weight_bytes <= most && it.largest_tensor_bytes <= most)
}

fn obeys(profile: &Profile, plan: &Plan) -> bool {
    plan.stages.iter().all(|stage| can_have(profile, &stage.device, stage.layers))
}

/// The fastest 1F1B plan that is allowed and fits, over every partition on every order of devices; and
/// whether any is allowed.
fn best(profile: &Profile) -> (Option<f64>, bool) {
    let (mut best, mut any) = (None::<f64>, false);
    let mut todo: Vec<Vec<Stage>> = vec![Vec::new()];
    while let Some(stages) = todo.pop() {
        let first = stages.last().map_or(0, |stage| stage.layers.1);
        if first == LAYERS {
            any = true;
            let m = profile.micro_batches;
            let schedule = Schedule::named("1f1b", stages.len(), m).unwrap();
            let plan = Plan::new("even", stages, schedule, m);
            let simulated = simulate(profile, &plan).unwrap();
            let fits = |it: &trainyard_plan::simulate::SimulatedDevice| {
                it.peak_bytes.total() <= it.budget_bytes
            };
            if simulated.devices.iter().all(fits) {
                best = Some(best.map_or(simulated.step_us, |best| best.min(simulated.step_us)));
            }
            continue;
        }
        for device in profile.devices.iter().map(|device| device.id.clone()) {
            if stages.iter().any(|stage| stage.device == device) {
                continue;
            }
            for end in first + 1..=LAYERS {
                if !can_have(profile, &device, (first, end)) {
                    continue;
                }
                for recompute in [Recompute::None, Recompute::Full] {
                    let (device, layers) = (device.clone(), (first, end));
                    let mut longer = stages.clone();
                    longer.push(Stage { device, layers, recompute });
                    todo.push(longer);
                }
            }
        }
    }
    (best, any)
}

#[test]
fn plans_are_near_the_best_that_is_allowed() {
    let (mut too_large, mut does_not_fit, mut ratios) = (0, 0, Vec::new());
    for seed in 0..300 {
        let profile = random(&mut Numbers(seed));
        let schedule = "1f1b".parse().unwrap();
        let request = PlanRequest { schedule, ..PlanRequest::new(&profile) };
        match (best(&profile), plan(&request)) {
            ((Some(best), _), Ok(planned)) => {
                let found = &planned.candidates[0];
                assert!(obeys(&profile, &found.plan), "seed {seed}: {:?}", found.plan.stages);
                check_memory(&profile, &found.plan).unwrap();
                ratios.push(found.simulation.step_us / best);
            }
            ((None, true), Err(PlanError::DoesNotFit { .. })) => does_not_fit += 1,
            ((None, false), Err(PlanError::TensorTooLarge { .. })) => too_large += 1,
            (best, planned) => panic!("seed {seed}: best {best:?}, but {planned:?}"),
        }
    }
    let sizes = (ratios.len(), too_large, does_not_fit);
    assert!(sizes.0 >= 40 && sizes.1 >= 40 && sizes.2 >= 5, "{sizes:?}");
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    let worst = ratios.iter().copied().fold(1.0, f64::max);
    assert!(mean <= 1.02 && worst <= 1.2, "{mean} times the best on average, {worst} at worst");
}

#[test]
fn no_plan_gives_a_device_what_it_cannot_have() {
    let names: Vec<&str> = Schedule::names().chain(["auto"]).collect();
    let (mut planned, mut limited) = (0, 0);
    for seed in 0..250 {
        let numbers = &mut Numbers(1000 + seed);
        let mut profile = random(numbers);
        for device in &mut profile.devices {
            device.memory_bytes *= 4;
        }
        let objectives = [Objective::Time, Objective::Memory, Objective::Latency];
        let recomputes = [RecomputeChoice::Auto, RecomputeChoice::None, RecomputeChoice::Full];
        let device = numbers.below(profile.devices.len() as u64) as usize;
        let lock = (numbers.below(LAYERS as u64) as usize, device);
        let half = LAYERS / 2;
        let request = PlanRequest {
            schedule: names[numbers.below(names.len() as u64) as usize].parse().unwrap(),
            objective: objectives[numbers.below(3) as usize],
            recompute: recomputes[numbers.below(3) as usize],
            locks: if numbers.below(4) == 0 { vec![lock] } else { Vec::new() },
            split: (numbers.below(6) == 0).then(|| vec![half, LAYERS - half]),
            top: 5,
            ..PlanRequest::new(&profile)
        };
        let Ok(found) = plan(&request) else { continue };
        planned += 1;
        for candidate in &found.candidates {
            assert!(obeys(&profile, &candidate.plan), "seed {seed}: {:?}", candidate.plan.stages);
        }
        // What is said to run alone on one device can.
        if let Some(single) = explain(&found).single {
            assert!(can_have(&profile, &single.device, (0, LAYERS)), "seed {seed}");
        }
        let all = |it: &trainyard_plan::DeviceProfile| can_have(&profile, &it.id, (0, LAYERS));
        limited += usize::from(!profile.devices.iter().all(all));
    }
    assert!(planned >= 80 && limited >= 50, "{planned} planned, {limited} of them with limits");
}

/// Two layers of 8 rows on a device that cannot have the second, and one that can have all.
fn two() -> Profile {
    let mut profile = even::profile(2, &[(1.0, 1 << 20), (9.0, 1 << 20)], 2);
    profile.devices[0].max_tensor_bytes = Some(300);
    profile.model.layers[1].largest_tensor_bytes = 400;
    profile.rows = Some(8);
    for device in &mut profile.devices {
        let fixed = vec![0.0; 2];
        let (forward, input_grad, weight_grad) = (fixed.clone(), fixed.clone(), fixed);
        device.fixed_us = Some(FixedTimes { forward, input_grad, weight_grad });
    }
    profile
}

fn alone(profile: &Profile) -> Plan {
    let device = profile.devices[0].id.clone();
    let stage = Stage { device, layers: (0, 2), recompute: Recompute::None };
    let m = profile.micro_batches;
    Plan::new("even", vec![stage], Schedule::named("1f1b", 1, m).unwrap(), m)
}

#[test]
fn the_error_names_layer_device_sizes_and_what_helps() {
    let mut profile = two();
    let refused = check_memory(&profile, &alone(&profile)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "layer 'layer1' does not fit on 'd0': its largest tensor for a micro-batch takes 400 B (400 \
         bytes), and no tensor there can be larger than 300 B; take smaller micro-batches (of 6 rows \
         at most, where there are 8 now), or put it on 'd1', which can have it"
    );
    assert_eq!(validate_memory(&profile, &alone(&profile)), Err(refused));
    // A weight is as large for any rows.
    profile.model.layers[1].largest_weight_bytes = 500;
    let refused = check_memory(&profile, &alone(&profile)).unwrap_err().to_string();
    let words = "its largest weight takes 500 B (500 bytes), and no tensor there can be larger than \
                 300 B; put it on 'd1', which can have it";
    assert!(refused.ends_with(words), "{refused}");
    profile.devices[1].max_tensor_bytes = Some(499);
    let refused = check_memory(&profile, &alone(&profile)).unwrap_err().to_string();
    assert!(refused.ends_with("; add a device with larger buffers, such as the CPU"), "{refused}");
    // Exactly the limit is allowed.
    profile.devices[0].max_tensor_bytes = Some(500);
    check_memory(&profile, &alone(&profile)).unwrap();
}

#[test]
fn what_is_said_to_help_helps() {
    let mut profile = two();
    profile.devices[1].max_tensor_bytes = Some(300);
    let hint_of = |request: &PlanRequest| match plan(request) {
        Err(PlanError::TensorTooLarge(refused)) if refused.layer == "layer1" => refused.hint,
        other => panic!("{other:?}"),
    };
    let request = PlanRequest::new(&profile);
    // Sixteen rows: 4 × 4 are the nearest that fit.
    assert_eq!(hint_of(&request), "micro_batches = 4, of the same rows together, would fit");
    let smaller = profile.with_micro_batches(4).unwrap();
    assert_eq!(smaller.model.layers[1].largest_tensor_bytes, 200);
    plan(&PlanRequest::new(&smaller)).unwrap();
    // Left to the planner, it takes such a number by itself.
    let auto = trainyard_plan::planner::MicroBatches::Auto;
    let planned = plan(&PlanRequest { micro_batches: auto, ..request.clone() }).unwrap();
    assert!(planned.candidates[0].plan.micro_batches >= 4);

    for device in &mut profile.devices {
        device.fixed_us = None;
    }
    profile.devices[1].max_tensor_bytes = None;
    let request = PlanRequest::new(&profile);
    let excluded = PlanRequest { excluded: vec![1], ..request.clone() };
    assert_eq!(hint_of(&excluded), "with 'd1' no longer excluded it would fit");
    let locked = PlanRequest { locks: vec![(1, 0)], ..request.clone() };
    assert_eq!(hint_of(&locked), "without its locks it would fit");
    plan(&request).unwrap();
    // With a split by hand there is nothing to try.
    let split = PlanRequest { split: Some(vec![2, 0]), ..request };
    assert!(hint_of(&split).contains("or put it on 'd1', which can have it"));
}

#[test]
fn without_its_own_figures_a_layer_has_what_it_takes_and_gives() {
    let mut profile = even::profile(4, &[(1.0, 1 << 20)], 1);
    for layer in &mut profile.model.layers {
        (layer.input_bytes, layer.output_bytes) = (10, 10);
    }
    let refused = |profile: &Profile, limit| {
        let mut profile = profile.clone();
        profile.devices[0].max_tensor_bytes = Some(limit);
        let limits = TensorLimits::of(&profile);
        (0..4).filter(|layer| !limits.allow(0, *layer..*layer + 1)).collect::<Vec<_>>()
    };
    assert!(refused(&profile, 10).is_empty());
    // One unnamed tensor goes to the next layer, and by a skip to a later one.
    profile.model.layers[0].output_bytes = 20;
    assert_eq!(refused(&profile, 19), [0, 1]);
    profile.model.layers[0].skips_to = vec!["layer3".into()];
    assert_eq!(refused(&profile, 19), [0, 1, 3]);
    // Named ones go where their names say, each by itself.
    let layer = &mut profile.model.layers[1];
    let given = |name: &str, bytes, gradient_bytes, to: &str| TensorProfile {
        name: name.into(),
        bytes,
        gradient_bytes,
        to: vec![to.into()],
    };
    layer.gives = vec![given("a", 25, 25, "layer2"), given("b", 25, 30, "layer3")];
    layer.output_bytes = 50;
    assert!(refused(&profile, 30).is_empty());
    assert_eq!(refused(&profile, 29), [1, 3]);
    assert_eq!(refused(&profile, 24), [1, 2, 3]);
    profile.model.layers[2].batch = vec![BatchTensor { name: "mask".into(), bytes: 40 }];
    assert_eq!(refused(&profile, 39), [2]);
}

#[test]
fn a_device_tells_its_largest_tensor() {
    // As an earlier version wrote it.
    let mut device: DeviceInfo = serde_json::from_value(serde_json::json!({
        "index": 0, "adapter": "vulkan:card", "name": "card", "kind": "discrete", "api": "vulkan",
        "also": [], "driver": "", "vendor": "", "pci_bus_id": "",
        "memory": { "total_bytes": null, "free_bytes": null, "source": "unknown" },
        "max_buffer_bytes": 1000, "f16": false, "timestamps": false,
        "compute": { "result": "works" },
    }))
    .unwrap();
    assert_eq!(device.max_tensor_bytes(), Some(1000));
    device.max_binding_bytes = Some(900);
    assert_eq!(device.max_tensor_bytes(), Some(900));
    device.buffer_alignment_bytes = Some(256);
    assert_eq!(device.max_tensor_bytes(), Some(768));
    device.api = trainyard_plan::Api::Cpu;
    assert_eq!(device.max_tensor_bytes(), None);
}

#[test]
fn files_without_limits_read_as_before_and_are_written_as_before() {
    let example = include_str!("../../../assets/example-profile.json");
    let profile = Profile::from_json(example).unwrap();
    assert!(TensorLimits::of(&profile).allow_all());
    let written = serde_json::to_string(&profile).unwrap();
    assert!(!written.contains("max_tensor_bytes") && !written.contains("largest_"), "{written}");
}
