//! What is told of a plan: what it is compared with, what it does, what limits it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "the same number, worked out the same way")]

#[path = "common/even.rs"]
mod even;

use trainyard_plan::planner::{Candidate, PlanRequest, RecomputeChoice, explain, plan, text};
use trainyard_plan::{LinkCost, Recompute};

use even::profile;

const ROOMY: u64 = 1 << 30;

#[test]
fn an_explanation_compares_and_names_limits() {
    let mut uneven = profile(9, &[(1.0, 1700), (2.0, ROOMY)], 8);
    uneven.default_link = Some(LinkCost { latency_us: 1.0, bytes_per_us: 10.0 });
    let planned = plan(&PlanRequest { schedule: "1f1b", ..PlanRequest::new(&uneven) }).unwrap();
    let explanation = explain(&planned);
    let single = explanation.single.as_ref().unwrap();
    assert_eq!((single.device.as_str(), single.step_us), ("d1", 8.0 * 9.0 * 6.0));
    let ideal = 8.0 * 1.5 / 9.0;
    assert!((explanation.ideal_speed_up - ideal).abs() < 1e-9);
    assert!((explanation.full_speed_up - 1.5).abs() < 1e-9);
    let larger = &explanation.if_larger;
    assert!(larger.iter().any(|what| what.device == "d0"), "{larger:?}");
    let best = larger.first().unwrap();
    let mut with = uneven.clone();
    let memory = &mut with.devices[0].memory_bytes;
    *memory = best.more_bytes.map_or(u64::MAX, |more| *memory + more);
    let again = plan(&PlanRequest { schedule: "1f1b", ..PlanRequest::new(&with) }).unwrap();
    assert_eq!(again.candidates[0].simulation.step_us, best.step_us);
    let text = text(&explanation);
    for part in ["1f1b, 8 micro-batches", "d1 alone takes 432 µs", "1.33 times", "what would help:"]
    {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn an_explanation_says_what_its_plan_does() {
    // Eight micro-batches of GPipe fit with recompute alone.
    let mut tight = profile(7, &[(1.0, 1900), (1.0, 1700)], 8);
    tight.estimated = true;
    let request = PlanRequest { schedule: "gpipe", ..PlanRequest::new(&tight) };
    let planned = plan(&request).unwrap();
    let Candidate { plan, simulation } = &planned.candidates[0];
    let explanation = explain(&planned);
    assert!(explanation.estimated && explanation.exact);
    assert!(plan.stages.iter().any(|stage| stage.recompute == Recompute::Full));
    assert_eq!((explanation.schedule.as_str(), explanation.micro_batches), ("gpipe", 8));
    assert_eq!(explanation.step_us, simulation.step_us);
    assert_eq!(explanation.bubble_fraction, simulation.bubble_fraction);
    for (told, stage) in explanation.stages.iter().zip(&plan.stages) {
        let (first, end) = stage.layers;
        assert_eq!(told.names, (format!("layer{first}"), format!("layer{}", end - 1)));
        assert_eq!(
            (&told.device, told.layers, told.recompute),
            (&stage.device, stage.layers, stage.recompute)
        );
        let parts = if stage.recompute == Recompute::Full { 4.0 } else { 3.0 };
        assert_eq!(told.time_us, parts * (end - first) as f64);
        assert_eq!(told.share_of_step, 8.0 * told.time_us / simulation.step_us);
    }
    for (told, device) in explanation.devices.iter().zip(&simulation.devices) {
        assert_eq!((&told.device, told.budget_bytes), (&device.id, device.budget_bytes));
        assert_eq!(told.peak_bytes, device.peak_bytes);
        assert_eq!(told.busy_share, device.busy_us / simulation.step_us);
    }
    // Seven layers need 2800 B for good.
    assert_eq!((&explanation.single, explanation.speed_up), (&None, None));
    let text = text(&explanation);
    for part in ["the model fits on no single device", "times are estimates", "run forward twice"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn the_weightiest_wait_is_named() {
    // A layer a device; d1 takes `slowness` times as long.
    let limits = |slowness: f64, micro_batches, bytes_per_us| {
        let mut profile = profile(2, &[(100.0, ROOMY), (100.0 * slowness, ROOMY)], micro_batches);
        profile.default_link = Some(LinkCost { latency_us: 0.0, bytes_per_us });
        let locks = vec![(0, 0), (1, 1)];
        let request = PlanRequest { schedule: "1f1b", locks, ..PlanRequest::new(&profile) };
        explain(&plan(&request).unwrap()).limits
    };
    let named = |limits: &[String], start: &str| {
        assert!(limits.iter().any(|limit| limit.starts_with(start)), "{start}: {limits:?}");
    };
    // d1 is idle before and after its 300 of 600 µs, and d0 waits for it as long in between.
    let short = limits(1.0, 1, 1e9);
    named(&short, "filling and draining the pipeline leaves devices idle 25 % of the time, with 1");
    // d0 works 300 µs while d1 works 1200, over and over.
    let uneven = limits(4.0, 40, 1e9);
    named(&uneven, "devices wait for one another's work 3");
    named(&uneven, "d1's part takes 1.6× the mean");
    // Ten bytes take 1000 µs.
    let slow = limits(1.0, 40, 0.01);
    named(&slow, "the link d");
    named(&slow, "devices wait for links");
}

#[test]
fn times_are_told_in_units_for_people() {
    let told = |time: f64, recompute| {
        let profile = profile(1, &[(time, ROOMY)], 1);
        let request = PlanRequest { recompute, ..PlanRequest::new(&profile) };
        text(&explain(&plan(&request).unwrap()))
    };
    for (time, expected) in [(2.0, "6 µs a step"), (500.0, "1.5 ms a step"), (1e6, "3.00 s a step")]
    {
        let text = told(time, RecomputeChoice::None);
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("layer0 (0)"), "{text}");
    }
    let text = told(1e5, RecomputeChoice::Full);
    assert!(
        text.contains("d0 alone takes 400.0 ms, with recompute: this plan is 1.00 times"),
        "{text}"
    );
}
