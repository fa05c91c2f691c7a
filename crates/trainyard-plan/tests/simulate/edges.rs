//! Numbers that nobody would write: nothing takes time, everything is huge, there is one of each.

use proptest::prelude::*;
use trainyard_plan::simulate::{check_memory, simulate, simulate_traced};
use trainyard_plan::{LinkCost, OptimizerTime, Plan, PlanError, Profile, Schedule};

use crate::by_hand;
use crate::closed_forms::on_owners;
use crate::random::{self, Dice};

#[test]
fn one_layer_one_rank_one_micro_batch() {
    let profile = by_hand::profile(1, 1, 1);
    let simulation = simulate(&profile, &by_hand::plan(&[0], &["0F0 0B0"], 1)).unwrap();
    assert_eq!((simulation.step_us, simulation.bubble_fraction), (30.0, 0.0));
    // The optimizer step takes no time, so the backward is the first to end last.
    assert_eq!(simulation.critical_path.len(), 2);
}

#[test]
fn a_step_of_no_time_has_no_bubble() {
    let mut profile = by_hand::profile(3, 3, 4);
    for device in &mut profile.devices {
        device.forward_us = vec![0.0; 3];
        device.input_grad_us = vec![0.0; 3];
        device.weight_grad_us = vec![0.0; 3];
    }
    let one_stage = |name: &&str| Schedule::default_chunks(name) == Ok(1);
    for name in Schedule::names().filter(one_stage) {
        let schedule = Schedule::named(name, 3, 4).unwrap();
        let plan = on_owners(&profile, schedule.clone(), 4, false);
        let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
        assert_eq!((simulation.step_us, simulation.bubble_fraction), (0.0, 0.0), "{name}");
        assert_eq!(trace.bubble_fraction(1), None);
        // Actions that take no time still come one after the other.
        for (rank, device) in simulation.devices.iter().enumerate() {
            let in_flight = schedule.max_in_flight(rank) as u64;
            assert_eq!(device.peak_bytes.activations, in_flight * 1000, "{name} rank {rank}");
        }
    }
}

/// Everything as large as a file may say.
fn huge(m: usize) -> (Profile, Plan) {
    let mut profile = by_hand::profile(3, 3, m);
    profile.model.optimizer_bytes_per_param_byte = u64::MAX;
    profile.model.fresh_bytes_per_param_byte = u64::MAX;
    for layer in &mut profile.model.layers {
        (layer.param_bytes, layer.input_bytes, layer.output_bytes) = (u64::MAX, u64::MAX, u64::MAX);
        (layer.saved_bytes, layer.workspace_bytes) = (u64::MAX, u64::MAX);
        layer.weight_saved_bytes = Some(u64::MAX);
    }
    profile.model.layers[0].skips_to = vec!["l2".into()];
    profile.model.layers[2].tied_to = Some("l0".into());
    for device in &mut profile.devices {
        (device.memory_bytes, device.reserve_bytes) = (1, u64::MAX);
        device.forward_us = vec![1e14; 3];
        device.input_grad_us = vec![1e14; 3];
        device.weight_grad_us = vec![1e14; 3];
        device.optimizer_us = OptimizerTime::Layers(vec![1e14; 3]);
    }
    profile.default_link = Some(LinkCost { latency_us: 1e14, bytes_per_us: 1e-6 });
    let text = serde_json::to_string(&profile).unwrap();
    let profile = Profile::from_json(&text).unwrap();
    let schedule = Schedule::named("zb-h2", 3, m).unwrap();
    let plan = on_owners(&profile, schedule, m, true);
    (profile, plan)
}

#[test]
fn huge_numbers_stay_numbers() {
    let (profile, plan) = huge(50);
    let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
    assert!(simulation.step_us.is_finite() && simulation.step_us > 1e25);
    let text = serde_json::to_string(&simulation).unwrap();
    assert!(!text.contains("null"), "{text}");
    assert!((0.0..=1.0).contains(&simulation.bubble_fraction));
    assert!(simulation.devices.iter().all(|device| device.peak_bytes.total() == u64::MAX));
    assert!(trace.bubble_fraction(1).is_some());
    let _ = trainyard_plan::chrome::to_string(&trace);
    assert!(matches!(check_memory(&profile, &plan), Err(PlanError::DoesNotFit { .. })));
    let plan = plan.predicted(&profile).unwrap();
    let text = serde_json::to_string(&plan).unwrap();
    assert!(Plan::from_json(&text).is_ok(), "{:?}", Plan::from_json(&text));
}

#[test]
fn a_rate_so_low_that_nothing_arrives_is_refused() {
    let (mut profile, _) = huge(1);
    for rate in [f64::MIN_POSITIVE, 1e-300, 1e-7, 0.0, -1.0] {
        profile.default_link = Some(LinkCost { latency_us: 0.0, bytes_per_us: rate });
        let text = serde_json::to_string(&profile).unwrap();
        let error = Profile::from_json(&text).unwrap_err();
        let PlanError::BadFile { field, .. } = &error else { panic!("{error}") };
        assert_eq!(field, "default_link.bytes_per_us", "{error}");
    }
}

#[test]
fn many_micro_batches_take_no_more_than_their_time() {
    let m = 1 << 14;
    let profile = by_hand::profile(4, 4, m);
    let schedule = Schedule::named("1f1b", 4, m).unwrap();
    let plan = on_owners(&profile, schedule, m, false);
    let simulation = simulate(&profile, &plan).unwrap();
    assert_eq!(simulation.step_us, (m + 3) as f64 * 30.0);
}

#[test]
fn a_plan_that_does_not_go_with_the_profile_is_refused() {
    let profile = by_hand::profile(2, 2, 1);
    let rows = ["0F0 0B0", "1F0 1B0"];
    let bad = |plan: &Plan, wanted: &str| {
        let error = simulate(&profile, plan).unwrap_err();
        assert!(matches!(error, PlanError::BadPlan { .. }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    };
    bad(&by_hand::plan(&[0, 7], &rows, 1), "device 'd7'");
    bad(&by_hand::plan(&[0, 0], &rows, 1), "both on device 'd0'");
    bad(&by_hand::plan(&[0, 1], &["0F0 1F0 1B0 0B0"], 1), "different devices");
    let mut short = by_hand::plan(&[0, 1], &rows, 1);
    short.stages[1].layers = (1, 3);
    bad(&short, "3 layers, the model has 2");
    let deadlock = by_hand::plan(&[0, 1], &["0B0 0F0", "1F0 1B0"], 1);
    assert!(matches!(simulate(&profile, &deadlock), Err(PlanError::BadSchedule { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any layer, action or link may take no time at all.
    #[test]
    fn some_times_are_zero(
        seed in any::<u64>(), ranks in 1_usize..5, more in 0_usize..4, m in 1_usize..5,
    ) {
        let mut dice = Dice(seed);
        let mut profile = random::profile(&mut dice, ranks + more, ranks, m);
        for device in &mut profile.devices {
            let times = [&mut device.forward_us, &mut device.input_grad_us, &mut device.weight_grad_us];
            for time in times.into_iter().flatten() {
                *time *= dice.below(2) as f64;
            }
        }
        let plan = random::plan(&mut dice, &profile, ranks, ranks + more);
        let simulation = simulate(&profile, &plan).unwrap();
        let path = &simulation.critical_path;
        prop_assert_eq!(path.first().unwrap().start_us, 0.0);
        prop_assert_eq!(path.last().unwrap().end_us, simulation.step_us);
        prop_assert!(path.windows(2).all(|two| two[0].end_us == two[1].start_us));
        for (rank, device) in simulation.devices.iter().enumerate() {
            let all = device.busy_us + device.optimizer_us + device.idle_us.total_us();
            prop_assert_eq!(all, simulation.step_us);
            // Whatever the times, the fullest moment is no emptier than the fullest stage alone.
            let row = &plan.schedule.ranks[rank];
            let stage = row[0].stage;
            let index = profile.device_index(&device.id).unwrap();
            let (first, end) = plan.stages[stage].layers;
            let memory = trainyard_plan::memory::StageMemory::of(&profile, index, first..end);
            let kept = memory.kept(plan.stages[stage].recompute);
            let least = memory.fixed.total() - memory.sums_to_come() + kept;
            prop_assert!(device.peak_bytes.total() >= least);
        }
    }
}
