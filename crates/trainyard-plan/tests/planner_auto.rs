//! Every freedom is worth having: what is planned with all schedules and devices is as good as what
//! is planned with any one of them, and better where none of them suits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/even.rs"]
mod even;
#[path = "common/numbers.rs"]
mod numbers;

use trainyard_plan::planner::{MicroBatches, PlanRequest, RecomputeChoice, plan};
use trainyard_plan::{FixedTimes, LinkCost, Profile, Schedule};

use numbers::Numbers;

/// Unlike layers on two or three unlike devices, whose memory is tight in every other instance.
fn unlike(seed: u64) -> Profile {
    let mut numbers = Numbers(seed);
    (0..4).for_each(|_| _ = numbers.below(2));
    let layers = 4 + numbers.below(9) as usize;
    let whole = layers as u64 * 450;
    let count = 2 + numbers.below(2);
    let budgets = (0..count).map(|_| {
        if seed.is_multiple_of(2) {
            1 << 30
        } else {
            1200 + whole * (count + 1 + numbers.below(3)) / (2 * count)
        }
    });
    let devices: Vec<(f64, u64)> = budgets.map(|budget| (1.0, budget)).collect();
    let mut profile = even::profile(layers, &devices, 2 + numbers.below(9) as usize);
    for device in &mut profile.devices {
        let slowness = 4 + numbers.below(8);
        let mut times =
            || (0..layers).map(|_| (slowness + numbers.below(slowness)) as f64).collect();
        (device.forward_us, device.input_grad_us, device.weight_grad_us) =
            (times(), times(), times());
    }
    if numbers.below(3) == 0 {
        profile.model.layers[layers - 1].tied_to = Some("layer0".into());
    }
    let latency_us = numbers.below(9) as f64;
    profile.default_link =
        Some(LinkCost { latency_us, bytes_per_us: 1.0 + numbers.below(9) as f64 });
    profile
}

fn step_us(request: &PlanRequest) -> Option<f64> {
    plan(request).ok().map(|planned| planned.candidates[0].simulation.step_us)
}

/// The same request with one kind of freedom less.
fn with_less_freedom<'a>(all: &PlanRequest<'a>) -> Vec<PlanRequest<'a>> {
    let named = Schedule::names()
        .map(|schedule| PlanRequest { schedule: schedule.parse().unwrap(), ..all.clone() });
    let devices = 0..all.profile.devices.len();
    let fewer = devices.map(|device| PlanRequest { excluded: vec![device], ..all.clone() });
    let recompute = [RecomputeChoice::None, RecomputeChoice::Full];
    let recompute = recompute.map(|recompute| PlanRequest { recompute, ..all.clone() });
    named.chain(fewer).chain(recompute).collect()
}

#[test]
fn freedom_does_no_harm() {
    // What is planned with less freedom gives up a second kind of it, so now and then it comes out
    // better all the same.
    let (mut worse, mut better_than_named) = (0, 0);
    for seed in 0..40 {
        let profile = unlike(seed);
        let all = PlanRequest::new(&profile);
        let least =
            |less: &[PlanRequest]| less.iter().filter_map(step_us).fold(f64::INFINITY, f64::min);
        let less = with_less_freedom(&all);
        let (named, any) = (least(&less[..Schedule::names().count()]), least(&less));
        let Some(best) = step_us(&all) else {
            assert!(any.is_infinite(), "seed {seed}: only with less");
            continue;
        };
        assert!(best <= 1.03 * any, "seed {seed}: {best} of {any}");
        worse += usize::from(best > 1.001 * any);
        better_than_named += usize::from(best < 0.999 * named);
    }
    assert!(worse <= 2, "{worse} plans are better with less freedom");
    assert!(better_than_named >= 10, "only {better_than_named} schedules are made");
}

#[test]
fn what_one_schedule_can_keep_to_all_of_them_can() {
    // Recompute of one of several stages takes less memory than of the only one.
    for budget in (3350..3650).step_by(50) {
        let profile = even::profile(8, &[(1.0, budget)], 4);
        let all = PlanRequest::new(&profile);
        let named =
            step_us(&PlanRequest { schedule: "interleaved".parse().unwrap(), ..all.clone() })
                .unwrap();
        let best = step_us(&all).unwrap_or(f64::INFINITY);
        assert!(best <= named, "{budget} B: {best}, but {named} interleaved");
    }
}

#[test]
fn devices_take_turns_where_locks_ask_for_it() {
    // Layer by layer d0, d1, d0, d1, which only interleaved stages can do, or a schedule made for it.
    let profile = even::profile(4, &[(1.0, 1 << 30), (1.5, 1 << 30)], 4);
    let locks = vec![(1, 1), (2, 0), (3, 1)];
    let planned = plan(&PlanRequest { locks, ..PlanRequest::new(&profile) }).unwrap();
    let stages = planned.candidates[0].plan.stages.iter();
    let devices: Vec<&str> = stages.map(|stage| stage.device.as_str()).collect();
    assert_eq!(devices, ["d0", "d1", "d0", "d1"]);
}

#[test]
fn of_schedules_that_take_as_long_the_one_that_keeps_less_is_planned() {
    let profile = even::profile(4, &[(1.0, 1 << 30)], 4);
    let recompute = RecomputeChoice::None;
    let peak = |schedule: &str| {
        let request = PlanRequest {
            schedule: schedule.parse().unwrap(),
            recompute,
            ..PlanRequest::new(&profile)
        };
        let best = plan(&request).unwrap().candidates.remove(0).simulation;
        (best.step_us, best.devices[0].peak_bytes.total())
    };
    assert_eq!(peak("auto"), peak("1f1b"));
    assert!(peak("gpipe").1 > peak("1f1b").1);
}

#[test]
fn many_micro_batches_are_found_behind_a_few_that_are_worse() {
    // 24 rows take 1008 µs on one device, and 3 µs more for every further micro-batch. A second
    // device halves that, but it takes many micro-batches until the slow link no longer matters.
    let mut profile = even::profile(8, &[(42.0, 1 << 30), (42.0, 1 << 30)], 1);
    profile.rows = Some(24);
    for layer in &mut profile.model.layers {
        (layer.input_bytes, layer.output_bytes) = (2400, 2400);
    }
    profile.default_link = Some(LinkCost { latency_us: 0.0, bytes_per_us: 3.5 });
    for device in &mut profile.devices {
        let fixed = vec![0.125; 8];
        let (forward, input_grad, weight_grad) = (fixed.clone(), fixed.clone(), fixed);
        device.fixed_us = Some(FixedTimes { forward, input_grad, weight_grad });
    }
    let step_us = |micro_batches| {
        step_us(&PlanRequest { micro_batches, ..PlanRequest::new(&profile) }).unwrap()
    };
    let counts: Vec<f64> =
        [1, 2, 3, 4, 6, 8, 12, 24].map(|count| step_us(MicroBatches::Count(count))).to_vec();
    assert!(counts[0] < counts[1] && counts[1] < counts[2] && counts[2] < counts[3], "{counts:?}");
    let least = counts.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(least < 0.9 * counts[0], "{counts:?}");
    assert!(step_us(MicroBatches::Auto) <= least * 1.001);
}
