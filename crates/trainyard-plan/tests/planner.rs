//! The planner's promises: what it was asked for holds in every candidate, what it says of plans
//! that do not fit is true, and nonsense is an error. `planner_brute.rs` is about how good plans are.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "the same number, worked out the same way")]

#[path = "common/even.rs"]
mod even;

use proptest::prelude::*;
use trainyard_plan::planner::{MicroBatches, Objective, PlanRequest, RecomputeChoice, plan};
use trainyard_plan::{
    ActionKind, FixedTimes, LinkCost, Plan, PlanError, Profile, Recompute, Schedule,
    ScheduleRequest,
};

use even::profile;

const ROOMY: u64 = 1 << 30;

/// What must hold for every candidate, whatever was asked for.
fn check(request: &PlanRequest) -> Result<Vec<Plan>, PlanError> {
    let planned = plan(request)?;
    let profile = &planned.profile;
    assert!(!planned.candidates.is_empty() && planned.candidates.len() <= request.top);
    for (index, candidate) in planned.candidates.iter().enumerate() {
        let plan = &candidate.plan;
        plan.check(profile.model.layers.len()).unwrap();
        assert_eq!(plan.micro_batches, profile.micro_batches);
        assert_eq!(plan.predicted.as_ref().unwrap().step_us, candidate.simulation.step_us);
        for device in &candidate.simulation.devices {
            assert!(device.peak_bytes.total() <= device.budget_bytes, "{device:?}");
        }
        for (layer, device) in &request.locks {
            let stage = plan.stage_of_layer(*layer).unwrap();
            assert_eq!(plan.stages[stage].device, profile.devices[*device].id);
        }
        for stage in &plan.stages {
            let device = profile.device_index(&stage.device).unwrap();
            assert!(!request.excluded.contains(&device));
            match request.recompute {
                RecomputeChoice::None => assert_eq!(stage.recompute, Recompute::None),
                RecomputeChoice::Full => assert_eq!(stage.recompute, Recompute::Full),
                RecomputeChoice::Auto => {}
            }
        }
        if request.schedule != ScheduleRequest::Search {
            assert_eq!(plan.schedule.name, request.schedule.name());
        }
        let actions = || plan.schedule.ranks.iter().flatten();
        if !request.split_backward {
            assert!(
                actions().all(|a| matches!(a.kind, ActionKind::Forward | ActionKind::Backward))
            );
        }
        let others = &planned.candidates[..index];
        assert!(others.iter().all(|other| other.plan.stages != plan.stages), "twice the same");
        if request.objective == Objective::Time {
            let faster = |before: &trainyard_plan::planner::RankedPlan| {
                // But for rounding errors.
                before.simulation.step_us <= candidate.simulation.step_us * (1.0 + 2e-9)
            };
            assert!(others.iter().all(faster), "not best first");
        }
    }
    Ok(planned.candidates.into_iter().map(|candidate| candidate.plan).collect())
}

fn bounds(plan: &Plan) -> Vec<(&str, usize, usize)> {
    plan.stages.iter().map(|s| (s.device.as_str(), s.layers.0, s.layers.1)).collect()
}

#[test]
fn layers_go_by_speed_and_a_useless_device_stays_idle() {
    let profile = profile(8, &[(1.0, ROOMY), (3.0, ROOMY), (1000.0, ROOMY)], 32);
    let request =
        PlanRequest { schedule: "1f1b".parse().unwrap(), top: 4, ..PlanRequest::new(&profile) };
    let plans = check(&request).unwrap();
    assert_eq!(plans.len(), 4);
    // Cuts make plans differ as much as recompute does.
    let recompute = RecomputeChoice::None;
    assert_eq!(check(&PlanRequest { recompute, top: 6, ..request.clone() }).unwrap().len(), 6);
    let sizes = |device: &str| {
        let stages = plans[0].stages.iter().filter(|stage| stage.device == device);
        stages.map(|stage| stage.layers.1 - stage.layers.0).sum::<usize>()
    };
    assert_eq!((sizes("d0"), sizes("d1"), sizes("d2")), (6, 2, 0));
}

#[test]
fn slow_links_keep_a_model_together() {
    let mut profile = profile(8, &[(1.0, ROOMY), (1.0, ROOMY)], 4);
    assert_eq!(check(&PlanRequest::new(&profile)).unwrap()[0].schedule.ranks.len(), 2);
    profile.default_link = Some(LinkCost { latency_us: 500.0, bytes_per_us: 1.0 });
    assert_eq!(bounds(&check(&PlanRequest::new(&profile)).unwrap()[0]), [("d0", 0, 8)]);
}

/// Stages cut apart on one device gain nothing but a rounding error of their times' sum.
#[test]
fn a_model_on_one_device_is_one_stage() {
    for layers in 2..10 {
        let mut profile = profile(layers, &[(1.0, ROOMY)], 4);
        let unlike = (0..layers).map(|layer| 0.1 * (layer + 1) as f64);
        profile.devices[0].forward_us = unlike.clone().collect();
        profile.devices[0].input_grad_us = unlike.map(|time| time * 1.7).collect();
        assert_eq!(bounds(&check(&PlanRequest::new(&profile)).unwrap()[0]), [("d0", 0, layers)]);
    }
}

#[test]
fn layers_tied_over_a_slow_link_stay_on_one_device() {
    let mut profile = profile(8, &[(10.0, ROOMY), (10.0, ROOMY)], 8);
    profile.default_link = Some(LinkCost { latency_us: 0.0, bytes_per_us: 1.0 });
    profile.model.layers[0].param_bytes = 100_000;
    profile.model.layers[7].param_bytes = 100_000;
    profile.model.layers[7].tied_to = Some("layer0".into());
    let plans = check(&PlanRequest::new(&profile)).unwrap();
    let device = |layer| &plans[0].stages[plans[0].stage_of_layer(layer).unwrap()].device;
    assert_eq!(device(0), device(7), "{:?}", bounds(&plans[0]));
    // A V has its first and its last stage on one device, and uses the other as well.
    assert_eq!(plans[0].schedule.ranks.len(), 2, "{:?}", bounds(&plans[0]));
}

#[test]
fn every_schedule_can_be_asked_for() {
    let profile = profile(12, &[(1.0, ROOMY), (2.0, ROOMY), (1.5, ROOMY)], 8);
    for schedule in Schedule::names().chain(["auto"]) {
        for split_backward in [false, true] {
            let request = PlanRequest {
                schedule: schedule.parse().unwrap(),
                split_backward,
                top: 3,
                ..PlanRequest::new(&profile)
            };
            let plans = check(&request).unwrap();
            let splits =
                matches!(schedule, "zb-h1" | "zb-h2" | "zb-v" | "v-half" | "v-min" | "dualpipe-v");
            let said = plans[0].notes.iter().any(|note| note.contains("runs them whole"));
            let says = splits && !split_backward;
            assert!(said == says || schedule == "auto", "{schedule}: {:?}", plans[0].notes);
            assert!(
                plans[0].schedule.splits_backward() == (splits && split_backward)
                    || schedule == "auto"
            );
        }
    }
    let unknown = "zigzag".parse::<ScheduleRequest>();
    assert!(matches!(unknown, Err(PlanError::UnknownSchedule { .. })));
}

#[test]
fn a_plan_says_which_stages_cannot_split_their_backward() {
    let mut profile = profile(4, &[(1.0, ROOMY), (1.0, ROOMY)], 4);
    let mut said = |cannot: &[usize]| {
        for (index, layer) in profile.model.layers.iter_mut().enumerate() {
            layer.weight_saved_bytes = Some(if cannot.contains(&index) { 0 } else { 8 });
        }
        let request =
            PlanRequest { schedule: "zb-h1".parse().unwrap(), ..PlanRequest::new(&profile) };
        let plan = check(&request).unwrap().remove(0);
        plan.notes.into_iter().find(|note| note.contains("cannot") || note.contains("no stage"))
    };
    assert_eq!(said(&[]), None);
    // One layer that splits is enough for its stage.
    assert_eq!(said(&[0, 2]), None);
    assert!(said(&[2, 3]).unwrap().contains("stage 1 cannot"));
    assert!(said(&[0, 1, 2, 3]).unwrap().contains("no stage can"));
}

#[test]
fn several_stages_a_rank_are_as_many_as_is_best() {
    // Eight layers of 3 µs on two devices: (m + (p − 1) ÷ v) · 12 µs with v chunks of one layer.
    let eight = profile(8, &[(1.0, ROOMY), (1.0, ROOMY)], 4);
    let request =
        PlanRequest { schedule: "interleaved".parse().unwrap(), ..PlanRequest::new(&eight) };
    let plans = check(&request).unwrap();
    assert_eq!(plans[0].stages.len(), 8);
    assert_eq!(plans[0].predicted.as_ref().unwrap().step_us, (4.0 + 1.0 / 4.0) * 12.0);
    // One device alone can have them, too.
    let excluded = vec![1];
    assert_eq!(check(&PlanRequest { excluded, ..request }).unwrap()[0].schedule.ranks.len(), 1);
}

#[test]
fn locks_and_exclusions_hold() {
    let profile = profile(8, &[(1.0, ROOMY), (1.0, ROOMY), (5.0, ROOMY)], 8);
    let locked = |locks: &[(usize, usize)]| PlanRequest {
        locks: locks.to_vec(),
        top: 5,
        ..PlanRequest::new(&profile)
    };
    check(&locked(&[(0, 2), (7, 1)])).unwrap();
    check(&PlanRequest { excluded: vec![0], ..locked(&[(3, 2)]) }).unwrap();
    // Only a V or interleaved stages can do this.
    let plans = check(&locked(&[(0, 0), (4, 1), (7, 0)])).unwrap();
    assert!(plans[0].stages.len() > plans[0].schedule.ranks.len());
    let refused = |request: PlanRequest| plan(&request).unwrap_err().to_string();
    let apart = refused(PlanRequest {
        schedule: "1f1b".parse().unwrap(),
        ..locked(&[(0, 0), (4, 1), (7, 0)])
    });
    assert!(apart.contains("'layer0' and 'layer7' are locked to 'd0', and 'layer4'"), "{apart}");
    let excluded = refused(PlanRequest { excluded: vec![0], ..locked(&[(3, 0)]) });
    assert!(excluded.contains("'layer3' is locked to 'd0', which is excluded"), "{excluded}");
    let twice = refused(locked(&[(3, 0), (3, 1)]));
    assert!(twice.contains("'layer3' is locked to 'd0' and to 'd1'"), "{twice}");
    assert!(refused(locked(&[(8, 0)])).contains("layer 8"));
    assert!(refused(locked(&[(0, 3)])).contains("device 3"));
    let nobody = refused(PlanRequest { excluded: vec![0, 1, 2], ..locked(&[]) });
    assert!(nobody.contains("every device is excluded"), "{nobody}");
}

#[test]
fn objectives_differ() {
    let mut profile = profile(8, &[(1.0, 4500), (1.0, 4500)], 16);
    profile.default_link = Some(LinkCost { latency_us: 1.0, bytes_per_us: 10.0 });
    let best = |objective| {
        let request = PlanRequest {
            objective,
            schedule: "1f1b".parse().unwrap(),
            ..PlanRequest::new(&profile)
        };
        check(&request).unwrap().remove(0)
    };
    assert_eq!(best(Objective::Latency).stages.len(), 1);
    assert_eq!(bounds(&best(Objective::Time)), [("d0", 0, 4), ("d1", 4, 8)]);
    assert_eq!(best(Objective::Memory).stages.len(), 2);
}

/// A profile that knows how times depend on rows: 5 µs a layer and call, 1 µs a row.
fn rescalable(budgets: &[u64]) -> Profile {
    let devices: Vec<(f64, u64)> = budgets.iter().map(|budget| (9.0, *budget)).collect();
    let mut profile = profile(8, &devices, 6);
    profile.rows = Some(4);
    for device in &mut profile.devices {
        let fixed = vec![5.0; 8];
        let (forward, input_grad, weight_grad) = (fixed.clone(), fixed.clone(), fixed);
        device.fixed_us = Some(FixedTimes { forward, input_grad, weight_grad });
    }
    profile
}

#[test]
fn micro_batches_are_rescaled() {
    let profile = rescalable(&[ROOMY, ROOMY]);
    assert_eq!(profile.micro_batch_choices(), [1, 2, 3, 4, 6, 8, 12, 24]);
    let twelve = profile.with_micro_batches(12).unwrap();
    assert_eq!((twelve.rows, twelve.micro_batches), (Some(2), 12));
    assert_eq!(twelve.devices[0].forward_us, vec![7.0; 8]);
    assert_eq!(twelve.model.layers[0].saved_bytes, 25);
    assert_eq!(twelve.model.layers[0].param_bytes, 100);
    let three = twelve.with_micro_batches(3).unwrap();
    assert_eq!((three.rows, three.devices[1].weight_grad_us[7]), (Some(8), 13.0));
    for bad in [0, 5, 48, 1 << 21] {
        assert!(matches!(profile.with_micro_batches(bad), Err(PlanError::BadNumber { .. })));
    }
    let count = |micro_batches| {
        let request = PlanRequest { micro_batches, ..PlanRequest::new(&profile) };
        check(&request).unwrap().remove(0)
    };
    let auto = count(MicroBatches::Auto);
    let step = |plan: &Plan| plan.predicted.as_ref().unwrap().step_us;
    for choice in profile.micro_batch_choices() {
        assert!(step(&auto) <= step(&count(MicroBatches::Count(choice))) * 1.001, "{choice}");
    }
    assert!(![1, 24].contains(&auto.micro_batches));
    // Every device must say what does not depend on the rows.
    let mut silent = profile.clone();
    silent.devices[1].fixed_us = None;
    for cannot in [silent, Profile { rows: Some(0), ..profile.clone() }] {
        assert!(!cannot.can_rescale() && cannot.micro_batch_choices().is_empty());
    }
    // Without rows a micro-batch costs what it did.
    let fixed = Profile { rows: None, ..profile.clone() };
    assert!(fixed.micro_batch_choices().is_empty());
    assert_eq!(fixed.with_micro_batches(1 << 20).unwrap().micro_batches, 1 << 20);
    for many in [(1 << 20) + 1, 1 << 21] {
        assert!(matches!(fixed.with_micro_batches(many), Err(PlanError::BadNumber { .. })));
    }
    assert_eq!(fixed.with_micro_batches(5).unwrap().devices, fixed.devices);
    let request = PlanRequest { micro_batches: MicroBatches::Auto, ..PlanRequest::new(&fixed) };
    assert!(plan(&request).unwrap_err().to_string().contains("measure with two sizes"));
}

fn hint(request: &PlanRequest) -> String {
    match plan(request) {
        Err(PlanError::DoesNotFit { devices, hint }) => {
            assert!(devices.iter().any(|device| device.deficit_bytes() > 0));
            hint
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn hints_say_what_would_fit() {
    // Four layers a device need 1600 B for good and 200 B a micro-batch.
    let tight = profile(8, &[(1.0, 1900), (1.0, 1900)], 8);
    let request = PlanRequest { recompute: RecomputeChoice::None, ..PlanRequest::new(&tight) };
    let no_recompute = PlanRequest { schedule: "gpipe".parse().unwrap(), ..request.clone() };
    let said = hint(&no_recompute);
    assert!(said.starts_with("recompute = \"auto\" would fit"), "{said}");
    assert!(plan(&PlanRequest { recompute: RecomputeChoice::Auto, ..no_recompute }).is_ok());

    let three = profile(8, &[(1.0, 1900), (1.0, 1900), (1.0, 1 << 20)], 8);
    let said = hint(&PlanRequest {
        excluded: vec![2],
        recompute: RecomputeChoice::None,
        schedule: "gpipe".parse().unwrap(),
        ..PlanRequest::new(&three)
    });
    assert!(said.contains("with 'd2' no longer excluded it would fit"), "{said}");

    let small = profile(8, &[(1.0, 1000), (1.0, 2000)], 8);
    let said = hint(&PlanRequest::new(&small));
    let bytes: u64 = said.split('(').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    let device = usize::from(said.contains("'d1'"));
    let with = |more: u64| {
        let mut changed = small.clone();
        changed.devices[device].memory_bytes += more;
        plan(&PlanRequest::new(&changed)).is_ok()
    };
    assert!(with(bytes), "{said}");
    assert!(!with(bytes * 9 / 10), "{said}");

    let mut rescaled = rescalable(&[1850, 1850]);
    rescaled.model.layers.iter_mut().for_each(|layer| layer.saved_bytes = 120);
    let request = PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&rescaled) };
    let said = hint(&request);
    let count = said.split("micro_batches = ").nth(1).unwrap_or_else(|| panic!("{said}"));
    let count: usize = count.split(',').next().unwrap().parse().unwrap();
    check(&PlanRequest { micro_batches: MicroBatches::Count(count), ..request }).unwrap();

    let hopeless = profile(8, &[(1.0, 10), (1.0, 10), (1.0, 10)], 8);
    let said = hint(&PlanRequest::new(&hopeless));
    assert!(said.contains("more, 'd0' would make it fit"), "{said}");
}

/// What `overhead_bytes` takes of a budget is as good as not there.
#[test]
fn the_planner_leaves_kernels_what_they_keep() {
    let split = |overheads: [u64; 2], budgets: [u64; 2]| {
        let mut profile = profile(6, &[(1.0, budgets[0]), (1.0, budgets[1])], 4);
        for (device, overhead) in profile.devices.iter_mut().zip(overheads) {
            device.overhead_bytes = overhead;
        }
        let recompute = RecomputeChoice::None;
        let request = PlanRequest {
            schedule: "1f1b".parse().unwrap(),
            recompute,
            ..PlanRequest::new(&profile)
        };
        check(&request).map(|plans| {
            bounds(&plans[0]).iter().map(|(id, a, b)| ((*id).to_owned(), b - a)).collect::<Vec<_>>()
        })
    };
    let even = split([0, 0], [2000, 2000]).unwrap();
    assert_eq!(even, [("d0".into(), 3), ("d1".into(), 3)]);
    // Whichever of two otherwise equal devices keeps 800 B for itself holds two layers.
    for (overheads, expected) in [([800, 0], ("d0", 2)), ([0, 800], ("d1", 2))] {
        let uneven = split(overheads, [2000, 2000]).unwrap();
        assert!(uneven.contains(&(expected.0.into(), expected.1)), "{uneven:?}");
        assert_eq!(uneven, split([0, 0], [2000 - overheads[0], 2000 - overheads[1]]).unwrap());
    }
    assert!(matches!(split([800, 800], [2000, 2000]), Err(PlanError::DoesNotFit { .. })));
    assert!(split([800, 800], [2800, 2800]).is_ok());
}

#[test]
fn nonsense_is_an_error() {
    let good = profile(3, &[(1.0, ROOMY), (1.0, ROOMY)], 4);
    for bad in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        let mut profile = good.clone();
        profile.devices[1].input_grad_us[2] = bad;
        assert!(matches!(plan(&PlanRequest::new(&profile)), Err(PlanError::BadNumber { .. })));
        let mut profile = good.clone();
        let latency_us = bad;
        profile.default_link = Some(LinkCost { latency_us, bytes_per_us: 1.0 });
        assert!(matches!(plan(&PlanRequest::new(&profile)), Err(PlanError::BadNumber { .. })));
    }
    let rates = [0.0, -1.0, f64::NAN];
    for bytes_per_us in rates {
        let default_link = Some(LinkCost { latency_us: 0.0, bytes_per_us });
        let profile = Profile { default_link, ..good.clone() };
        assert!(matches!(plan(&PlanRequest::new(&profile)), Err(PlanError::BadNumber { .. })));
    }
    let empty = Profile { devices: vec![], ..good.clone() };
    assert!(plan(&PlanRequest::new(&empty)).is_err());
    assert!(plan(&PlanRequest { top: 0, ..PlanRequest::new(&good) }).is_err());
    assert!(plan(&PlanRequest { excluded: vec![2], ..PlanRequest::new(&good) }).is_err());
    let many = Profile { micro_batches: 1 << 20, ..good.clone() };
    let gpipe = PlanRequest {
        schedule: "gpipe".parse().unwrap(),
        locks: vec![(0, 0), (2, 1)],
        ..PlanRequest::new(&many)
    };
    assert!(matches!(plan(&gpipe), Err(PlanError::BadNumber { .. })));
}

#[test]
fn hostile_sizes_do_not_fit() {
    let mut huge = profile(3, &[(1.0, u64::MAX), (1.0, 0)], 4);
    for layer in &mut huge.model.layers {
        (layer.param_bytes, layer.saved_bytes) = (u64::MAX, u64::MAX);
        (layer.input_bytes, layer.output_bytes, layer.workspace_bytes) =
            (u64::MAX, u64::MAX, u64::MAX);
    }
    // Sums saturate at what the first device has.
    let _ = plan(&PlanRequest::new(&huge));
    huge.devices[0].memory_bytes -= 1;
    for objective in [Objective::Time, Objective::Memory, Objective::Latency] {
        let request = PlanRequest { objective, ..PlanRequest::new(&huge) };
        assert!(matches!(plan(&request), Err(PlanError::DoesNotFit { .. })));
    }
    let nothing = profile(3, &[(0.0, ROOMY), (0.0, ROOMY)], 4);
    for objective in [Objective::Time, Objective::Memory, Objective::Latency] {
        check(&PlanRequest { objective, ..PlanRequest::new(&nothing) }).unwrap();
    }
    let longest = profile(3, &[(1e14, ROOMY), (1e14, ROOMY)], 4);
    check(&PlanRequest::new(&longest)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn whatever_is_asked_for_holds(
        layers in 1_usize..9,
        devices in prop::collection::vec((1_u32..6, 400_u64..8000), 1..5),
        micro_batches in 1_usize..6,
        schedule in prop::sample::select(Schedule::names().chain(["auto"]).collect::<Vec<_>>()),
        split_backward in any::<bool>(),
        recompute in prop::sample::select(vec![RecomputeChoice::None, RecomputeChoice::Full, RecomputeChoice::Auto]),
        objective in prop::sample::select(vec![Objective::Time, Objective::Memory, Objective::Latency]),
        locks in prop::collection::vec((0_usize..9, 0_usize..4), 0..3),
        excluded in prop::collection::vec(0_usize..5, 0..2),
        top in 1_usize..6,
        tied in any::<bool>(),
    ) {
        let devices: Vec<(f64, u64)> = devices.iter().map(|(t, b)| (f64::from(*t), *b)).collect();
        let mut profile = profile(layers, &devices, micro_batches);
        profile.default_link = Some(LinkCost { latency_us: 1.0, bytes_per_us: 20.0 });
        if tied && layers > 1 {
            profile.model.layers[layers - 1].tied_to = Some("layer0".into());
        }
        let request = PlanRequest {
            schedule: schedule.parse().unwrap(), split_backward, recompute, objective, locks, excluded, top,
            ..PlanRequest::new(&profile)
        };
        match check(&request) {
            Ok(_) | Err(PlanError::NoSuchPlan { .. }) => {}
            Err(PlanError::DoesNotFit { hint, .. }) => prop_assert!(!hint.is_empty()),
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}
