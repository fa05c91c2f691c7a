//! The planner against brute force over every contiguous split.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use trainyard_plan::memory;
use trainyard_plan::planner::{PlanRequest, RecomputeChoice, fits_alone, proportional};
use trainyard_plan::{
    DeviceProfile, LayerProfile, ModelProfile, Plan, PlanError, Recompute, Schedule, Stage,
};

fn layer(index: usize, flops: u64, bytes: u64) -> LayerProfile {
    LayerProfile {
        name: format!("layer{index}"),
        kind: "linear".into(),
        param_bytes: bytes,
        input_bytes: 20,
        output_bytes: 30,
        saved_bytes: bytes * 2,
        work_bytes: bytes / 2,
        forward_flops: flops,
        tied_to: None,
    }
}

fn model(layers: &[(u64, u64)]) -> ModelProfile {
    let layers = layers.iter().enumerate().map(|(i, (flops, bytes))| layer(i, *flops, *bytes));
    ModelProfile { name: "m".into(), optimizer_bytes_per_param_byte: 2, layers: layers.collect() }
}

fn devices(devices: &[(u32, u64)]) -> Vec<DeviceProfile> {
    let device = |(i, (speed, memory)): (usize, &(u32, u64))| DeviceProfile {
        id: format!("d{i}"),
        memory_bytes: *memory,
        speed: f64::from(*speed),
    };
    devices.iter().enumerate().map(device).collect()
}

fn load(model: &ModelProfile, devices: &[DeviceProfile], stages: &[Stage]) -> f64 {
    let of_stage = |stage: &Stage| {
        let layers = &model.layers[stage.layers.0..stage.layers.1];
        let flops: u64 = layers.iter().map(|layer| layer.forward_flops).sum();
        flops as f64 / devices.iter().find(|d| d.id == stage.device).unwrap().speed
    };
    stages.iter().map(of_stage).fold(0.0, f64::max)
}

/// Every way to give the layers from `layer` on to the devices from `device` on, in order.
fn splits(
    device: usize,
    devices: usize,
    layer: usize,
    layers: usize,
) -> Vec<Vec<(usize, usize, usize)>> {
    if layer == layers {
        return vec![vec![]];
    }
    if device == devices {
        return vec![];
    }
    let mut all = splits(device + 1, devices, layer, layers);
    for end in layer + 1..=layers {
        for mut rest in splits(device + 1, devices, end, layers) {
            rest.insert(0, (device, layer, end));
            all.push(rest);
        }
    }
    all
}

/// The lowest load of any split that fits, each stage free to choose among `allowed`.
fn brute_force(request: &PlanRequest, allowed: &[Recompute]) -> Option<f64> {
    let PlanRequest { model, devices, schedule, micro_batches, .. } = *request;
    let mut best: Option<f64> = None;
    for split in splits(0, devices.len(), 0, model.layers.len()) {
        let schedule = Schedule::named(schedule, split.len(), micro_batches).unwrap();
        for choice in 0..allowed.len().pow(split.len() as u32) {
            let stages: Vec<Stage> = split
                .iter()
                .enumerate()
                .map(|(rank, (d, a, b))| Stage {
                    device: devices[*d].id.clone(),
                    layers: (*a, *b),
                    recompute: allowed[choice / allowed.len().pow(rank as u32) % allowed.len()],
                })
                .collect();
            if memory::check(model, &stages, &schedule, devices).is_ok() {
                let load = load(model, devices, &stages);
                best = Some(best.map_or(load, |best| best.min(load)));
            }
        }
    }
    best
}

fn bounds(plan: &Plan) -> Vec<(&str, usize, usize)> {
    plan.stages.iter().map(|s| (s.device.as_str(), s.layers.0, s.layers.1)).collect()
}

fn request<'a>(model: &'a ModelProfile, devices: &'a [DeviceProfile]) -> PlanRequest<'a> {
    PlanRequest {
        model,
        devices,
        schedule: "auto",
        micro_batches: 4,
        recompute: RecomputeChoice::None,
    }
}

#[test]
fn layers_go_by_speed() {
    let (model, devices) = (model(&[(1, 1); 8]), devices(&[(3, 1 << 20), (1, 1 << 20)]));
    let plan = proportional(&request(&model, &devices)).unwrap();
    assert_eq!(bounds(&plan), [("d0", 0, 6), ("d1", 6, 8)]);
    assert_eq!(plan.schedule, Schedule::named("1f1b", 2, 4).unwrap());
    plan.check(8).unwrap();
    let predicted = plan.predicted.unwrap();
    assert_eq!((predicted.step_us, predicted.bubble_fraction), (None, None));
    let shares: Vec<f64> = predicted.devices.iter().map(|d| d.share_of_step).collect();
    assert_eq!(shares, [0.5, 0.5]);
    let peaks = memory::of_plan(&model, &plan.stages, &plan.schedule);
    assert!(
        predicted
            .devices
            .iter()
            .zip(&peaks)
            .all(|(row, (id, peak))| { (row.id.as_str(), row.peak_bytes) == (id, *peak) })
    );
}

#[test]
fn memory_moves_the_cut_and_a_useless_device_stays_idle() {
    let model = model(&[(1, 100); 6]);
    // A layer of 100 B needs 700 (400 of them gradients) + 50 work + 200 a micro-batch, and 60 at
    // most a cut.
    let small = devices(&[(1, 1100), (1, 1 << 20)]);
    let plan = proportional(&PlanRequest { micro_batches: 1, ..request(&model, &small) }).unwrap();
    assert_eq!(bounds(&plan), [("d0", 0, 1), ("d1", 1, 6)]);
    let useless = devices(&[(1, 1 << 20), (1, 10), (1, 1 << 20)]);
    let plan = proportional(&request(&model, &useless)).unwrap();
    assert_eq!(bounds(&plan), [("d0", 0, 3), ("d2", 3, 6)]);
}

#[test]
fn ties_take_fewer_devices_then_the_earliest_cut() {
    let heavy_head = model(&[(0, 1), (0, 1), (9, 1)]);
    let three = devices(&[(1, 1 << 20); 3]);
    assert_eq!(bounds(&proportional(&request(&heavy_head, &three)).unwrap()), [("d0", 0, 3)]);
    let flat = model(&[(1, 1), (1, 1), (1, 1)]);
    let two = devices(&[(1, 1 << 20); 2]);
    let plan = proportional(&request(&flat, &two)).unwrap();
    assert_eq!(bounds(&plan), [("d0", 0, 1), ("d1", 1, 3)]);
}

#[test]
fn recompute_only_where_it_must() {
    let model = model(&[(1, 100); 4]);
    let request = |devices, recompute| PlanRequest {
        schedule: "gpipe",
        micro_batches: 8,
        recompute,
        ..request(&model, devices)
    };
    let roomy = devices(&[(1, 1 << 20), (1, 1 << 20)]);
    let kinds = |plan: Plan| plan.stages.iter().map(|s| s.recompute).collect::<Vec<_>>();
    let auto = proportional(&request(&roomy, RecomputeChoice::Auto)).unwrap();
    assert_eq!(kinds(auto), [Recompute::None; 2]);
    let tight = devices(&[(1, 2000), (1, 1 << 14)]);
    let auto = proportional(&request(&tight, RecomputeChoice::Auto)).unwrap();
    // All four layers fit on d1 as they are, so nothing may recompute.
    assert_eq!(kinds(auto), [Recompute::None]);
    let tighter = devices(&[(1, 2000), (1, 5000)]);
    let auto = proportional(&request(&tighter, RecomputeChoice::Auto)).unwrap();
    assert_eq!(kinds(auto), [Recompute::Full, Recompute::None]);
    let none = proportional(&request(&devices(&[(1, 3000); 2]), RecomputeChoice::None));
    let Err(PlanError::DoesNotFit { devices, hint }) = none else { panic!("{none:?}") };
    assert_eq!(hint, "recompute = \"full\" would fit");
    assert_eq!(devices.len(), 2);
    assert!(devices.iter().any(|need| need.deficit_bytes() > 0));
}

#[test]
fn one_device_alone_is_the_planners_verdict() {
    let model = model(&[(1, 100); 4]);
    for memory in (0..6000).step_by(10) {
        let device = devices(&[(1, memory)]);
        for recompute in [RecomputeChoice::None, RecomputeChoice::Full, RecomputeChoice::Auto] {
            let request = PlanRequest { recompute, ..request(&model, &device) };
            let alone = fits_alone(&model, &device[0], "auto", 4, recompute).unwrap();
            assert_eq!(alone.deficit_bytes() == 0, proportional(&request).is_ok());
        }
    }
}

#[test]
fn bad_requests_are_errors() {
    let (model, good) = (model(&[(1, 1)]), devices(&[(1, 1 << 20)]));
    let empty = ModelProfile { layers: vec![], ..model.clone() };
    let bad_number = |request: PlanRequest| {
        assert!(matches!(proportional(&request), Err(PlanError::BadNumber { .. })));
    };
    bad_number(request(&empty, &good));
    bad_number(request(&model, &[]));
    bad_number(PlanRequest { micro_batches: 0, ..request(&model, &good) });
    for speed in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        bad_number(request(&model, &[DeviceProfile { speed, ..good[0].clone() }]));
    }
    let unknown = proportional(&PlanRequest { schedule: "zigzag", ..request(&model, &good) });
    assert!(matches!(unknown, Err(PlanError::UnknownSchedule { .. })));
    let twins = [good[0].clone(), good[0].clone()];
    assert!(matches!(proportional(&request(&model, &twins)), Err(PlanError::BadPlan { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn as_good_as_brute_force_and_never_over_budget(
        layers in prop::collection::vec((0_u64..20, 1_u64..50), 1..6),
        gpus in prop::collection::vec((1_u32..5, 100_u64..1500), 1..4),
        // What this planner makes has one stage a rank.
        schedule in prop::sample::select(
            Schedule::names().filter(|n| Schedule::default_chunks(n) == Ok(1)).collect::<Vec<_>>()
        ),
        micro_batches in 1_usize..5,
        recompute in prop::sample::select(vec![RecomputeChoice::None, RecomputeChoice::Full, RecomputeChoice::Auto]),
    ) {
        let (model, devices) = (model(&layers), devices(&gpus));
        let request = PlanRequest { model: &model, devices: &devices, schedule, micro_batches, recompute };
        let expected = match recompute {
            RecomputeChoice::None => brute_force(&request, &[Recompute::None]),
            RecomputeChoice::Full => brute_force(&request, &[Recompute::Full]),
            RecomputeChoice::Auto => brute_force(&request, &[Recompute::None])
                .or_else(|| brute_force(&request, &[Recompute::None, Recompute::Full])),
        };
        match proportional(&request) {
            Ok(plan) => {
                plan.check(model.layers.len()).unwrap();
                memory::check(&model, &plan.stages, &plan.schedule, &devices).unwrap();
                let found = load(&model, &devices, &plan.stages);
                let expected = expected.unwrap();
                prop_assert!((found - expected).abs() <= 1e-9 * expected, "{found} {expected}");
                prop_assert_eq!(&plan, &proportional(&request).unwrap());
            }
            Err(PlanError::DoesNotFit { devices, hint }) => {
                prop_assert_eq!(expected, None);
                prop_assert!(devices.iter().any(|need| need.deficit_bytes() > 0));
                prop_assert!(!hint.is_empty());
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
