//! Calibration: what a run took becomes the profile.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use proptest::prelude::*;
use trainyard_plan::compare::Measured;
use trainyard_plan::simulate::{simulate, simulate_traced};
use trainyard_plan::{
    DeviceProfile, FixedTimes, LayerProfile, LinkCost, LinkProfile, ModelProfile, OptimizerTime,
    Plan, Profile, Recompute, Schedule, Stage, TensorProfile, calibrate, fit_step,
};

const LAYERS: usize = 6;

fn profile(times: &[[f64; 4]]) -> Profile {
    let layer = |index| LayerProfile {
        name: format!("l{index}"),
        param_bytes: 8,
        input_bytes: 4,
        output_bytes: 4,
        saved_bytes: 4,
        ..LayerProfile::default()
    };
    let model = ModelProfile {
        name: "small".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..LAYERS).map(layer).collect(),
    };
    let device = |(index, [f, i, w, o]): (usize, &[f64; 4])| DeviceProfile {
        id: format!("d{index}"),
        memory_bytes: 1 << 20,
        forward_us: vec![*f; LAYERS],
        input_grad_us: vec![*i; LAYERS],
        weight_grad_us: vec![*w; LAYERS],
        optimizer_us: OptimizerTime::Layers(vec![*o; LAYERS]),
        ..DeviceProfile::default()
    };
    let devices = times.iter().enumerate().map(device).collect();
    let default_link = Some(LinkCost { latency_us: 1.0, bytes_per_us: 4.0 });
    Profile { devices, default_link, ..Profile::new(model, 4) }
}

fn plan(cuts: &[usize], devices: &[usize], schedule: &str, recompute: Recompute) -> Plan {
    let ends = cuts.iter().copied().chain([LAYERS]);
    let firsts = [0].into_iter().chain(cuts.iter().copied());
    let stages = firsts.zip(ends).zip(devices).map(|(layers, device)| Stage {
        device: format!("d{device}"),
        layers,
        recompute,
    });
    let ranks = devices.iter().collect::<std::collections::BTreeSet<_>>().len();
    let chunks = devices.len() / ranks;
    let schedule = Schedule::with_chunks(schedule, ranks, chunks, 4).unwrap();
    Plan::new("small", stages.collect(), schedule, 4)
}

/// A "run": what the simulator says of the true profile.
fn run(truth: &Profile, plan: &Plan) -> Measured {
    let (simulation, trace) = simulate_traced(truth, plan).unwrap();
    Measured { trace, steps: vec![(1, simulation.step_us)], peak_bytes: Vec::new() }
}

/// Times are ns in a trace.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-3 * a.abs().max(b.abs()).max(1.0)
}

proptest! {
    /// Whatever the profile believed, a calibrated one predicts the run it was calibrated on.
    #[test]
    fn a_calibrated_profile_predicts_the_run(
        truth in prop::collection::vec([10.0..99.0f64, 10.0..99.0, 10.0..99.0, 1.0..20.0], 3),
        belief in prop::collection::vec([10.0..99.0f64, 10.0..99.0, 10.0..99.0, 1.0..20.0], 3),
        shape in 0usize..4,
        full in any::<bool>(),
        latency_us in 0.0..30.0f64,
    ) {
        let recompute = if full { Recompute::Full } else { Recompute::None };
        let plan = match shape {
            0 => plan(&[2, 4], &[0, 1, 2], "1f1b", recompute),
            1 => plan(&[1], &[2, 0], "gpipe", recompute),
            2 => plan(&[1, 2, 3, 4, 5], &[0, 1, 2, 0, 1, 2], "interleaved", recompute),
            _ => plan(&[2, 4], &[0, 1, 2], "zb-h1", recompute),
        };
        let (mut truth, belief) = (profile(&truth), profile(&belief));
        truth.default_link = Some(LinkCost { latency_us, bytes_per_us: 4.0 });
        let measured = run(&truth, &plan);
        let calibrated = calibrate(&belief, &plan, &measured).unwrap();
        let predicted = simulate(&calibrated, &plan).unwrap();
        if shape == 3 {
            // I and W are scaled by one factor, so their parts stay as they were believed; all
            // that a device computes is right.
            let real = simulate(&truth, &plan).unwrap();
            for (a, b) in predicted.devices.iter().zip(&real.devices) {
                prop_assert!(near(a.busy_us, b.busy_us), "{} {}", a.busy_us, b.busy_us);
            }
        } else {
            prop_assert!(near(predicted.step_us, measured.steps[0].1));
        }
    }
}

proptest! {
    /// The whole profile is scaled, so that other plans are told apart as before.
    #[test]
    fn a_fitted_profile_makes_the_step_that_was_measured(
        belief in prop::collection::vec([10.0..99.0f64, 10.0..99.0, 10.0..99.0, 1.0..20.0], 3),
        cuts in 0usize..2,
        step_us in 1e2..1e6f64,
    ) {
        let plans = [
            plan(&[2, 4], &[0, 1, 2], "1f1b", Recompute::None),
            plan(&[3], &[2, 0], "gpipe", Recompute::Full),
        ];
        let mut belief = profile(&belief);
        belief.links.push(LinkProfile {
            from: "d0".into(),
            to: "d1".into(),
            latency_us: 3.0,
            bytes_per_us: 1.0,
        });
        let fitted = fit_step(&belief, &plans[cuts], step_us).unwrap();
        let step_of = |profile, plan| simulate(profile, plan).unwrap().step_us;
        prop_assert!(near(step_of(&fitted, &plans[cuts]), step_us));
        let other = &plans[1 - cuts];
        let factor = step_us / step_of(&belief, &plans[cuts]);
        prop_assert!(near(step_of(&fitted, other), factor * step_of(&belief, other)));
    }
}

#[test]
fn layers_that_were_not_run_get_their_devices_factor_and_idle_devices_none() {
    let belief = profile(&[[10.0; 4], [10.0; 4], [10.0; 4]]);
    let truth = profile(&[[20.0; 4], [30.0; 4], [40.0; 4]]);
    let plan = plan(&[2], &[0, 1], "1f1b", Recompute::None);
    let calibrated = calibrate(&belief, &plan, &run(&truth, &plan)).unwrap();
    assert!(calibrated.devices[0].forward_us.iter().all(|us| near(*us, 20.0)));
    assert!(calibrated.devices[1].weight_grad_us.iter().all(|us| near(*us, 30.0)));
    assert_eq!(calibrated.devices[2], belief.devices[2]);
    let OptimizerTime::Layers(times) = &calibrated.devices[0].optimizer_us else { panic!() };
    assert!(times.iter().all(|us| near(*us, 20.0)));
}

#[test]
fn one_time_for_a_whole_optimizer_step_is_scaled_as_one() {
    let with = |times: [f64; 2]| {
        let mut profile = profile(&[[10.0; 4], [10.0; 4]]);
        for (device, us) in profile.devices.iter_mut().zip(times) {
            device.optimizer_us = OptimizerTime::Device(us);
        }
        profile
    };
    let plan = plan(&[2], &[0, 1], "1f1b", Recompute::None);
    let truth = with([3.0, 9.0]);
    let calibrated = calibrate(&with([6.0, 6.0]), &plan, &run(&truth, &plan)).unwrap();
    for (device, expected) in calibrated.devices.iter().zip([3.0, 9.0]) {
        let OptimizerTime::Device(us) = device.optimizer_us else { panic!() };
        assert!(near(us, expected), "{us}");
    }
}

#[test]
fn free_links_stay_out_of_the_file() {
    // A rate without end cannot be written.
    let free = Profile { default_link: None, ..profile(&[[10.0; 4], [10.0; 4]]) };
    let plan = plan(&[2], &[0, 1], "1f1b", Recompute::None);
    let slow = LinkCost { latency_us: 3.0, bytes_per_us: 4.0 };
    let truth = Profile { default_link: Some(slow), ..free.clone() };
    assert_eq!(calibrate(&free, &plan, &run(&truth, &plan)).unwrap().links, []);
}

#[test]
fn an_estimate_is_one_no_longer_once_every_device_was_run() {
    let belief = Profile { estimated: true, ..profile(&[[10.0; 4], [10.0; 4]]) };
    let all = plan(&[2], &[0, 1], "1f1b", Recompute::None);
    assert!(!calibrate(&belief, &all, &run(&belief, &all)).unwrap().estimated);
    let one = plan(&[], &[1], "1f1b", Recompute::None);
    assert!(calibrate(&belief, &one, &run(&belief, &one)).unwrap().estimated);
}

#[test]
fn what_does_not_depend_on_the_rows_is_scaled_too() {
    let mut belief = profile(&[[10.0; 4], [10.0; 4]]);
    let fixed = vec![4.0; LAYERS];
    belief.rows = Some(2);
    for device in &mut belief.devices {
        device.fixed_us = Some(FixedTimes {
            forward: fixed.clone(),
            input_grad: fixed.clone(),
            weight_grad: fixed.clone(),
        });
    }
    let truth = profile(&[[20.0; 4], [30.0; 4]]);
    let plan = plan(&[2], &[0, 1], "1f1b", Recompute::None);
    let calibrated = calibrate(&belief, &plan, &run(&truth, &plan)).unwrap();
    let fixed = calibrated.devices[1].fixed_us.as_ref().unwrap();
    assert!(fixed.weight_grad.iter().all(|us| near(*us, 12.0)));
}

#[test]
fn a_run_that_tells_nothing_changes_nothing() {
    let belief = profile(&[[10.0; 4], [10.0; 4]]);
    let plan = plan(&[2], &[0, 1], "1f1b", Recompute::None);
    assert_eq!(calibrate(&belief, &plan, &Measured::default()).unwrap(), belief);
}

#[test]
fn a_plan_of_another_model_is_refused() {
    let belief = profile(&[[10.0; 4], [10.0; 4]]);
    let mut plan = plan(&[2], &[0, 1], "1f1b", Recompute::None);
    plan.stages[1].layers.1 = 9;
    assert!(calibrate(&belief, &plan, &Measured::default()).is_err());
}

#[test]
fn transfers_of_one_output_to_two_stages_are_told_apart() {
    let times = [[10.0, 10.0, 10.0, 1.0]; 3];
    let mut belief = profile(&times);
    let gives = |name: &str, bytes, to: &str| TensorProfile {
        name: name.into(),
        bytes,
        gradient_bytes: bytes,
        to: vec![to.into()],
    };
    let layers = &mut belief.model.layers;
    layers[0].gives = vec![gives("x", 4, "l1"), gives("skip", 8, "l5")];
    (layers[0].output_bytes, layers[5].input_bytes) = (12, 12);
    let mut truth = belief.clone();
    let link = |from: &str, to: &str, latency_us| LinkProfile {
        from: from.into(),
        to: to.into(),
        latency_us,
        bytes_per_us: 4.0,
    };
    truth.links = vec![link("d0", "d1", 7.0), link("d0", "d2", 30.0), link("d2", "d0", 50.0)];
    let plan = plan(&[2, 4], &[0, 1, 2], "1f1b", Recompute::None);
    let calibrated = calibrate(&belief, &plan, &run(&truth, &plan)).unwrap();
    for (from, to) in [(0, 1), (0, 2), (2, 0), (1, 2)] {
        let [found, wanted] = [&calibrated, &truth].map(|profile| profile.link(from, to));
        assert!(near(found.latency_us, wanted.latency_us), "{from} → {to}: {found:?}");
    }
}
