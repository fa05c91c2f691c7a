//! What is told of a plan: what it is compared with, what it does, what limits it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::float_cmp, reason = "the same number, worked out the same way")]

#[path = "common/even.rs"]
mod even;

use trainyard_plan::memory::human_bytes;
use trainyard_plan::planner::{PlanRequest, RankedPlan, RecomputeChoice, explain, plan, text};
use trainyard_plan::{LinkCost, OptimizerTime, Recompute};

use even::profile;

const ROOMY: u64 = 1 << 30;

#[test]
fn an_explanation_compares_and_names_limits() {
    let mut uneven = profile(9, &[(1.0, 1700), (2.0, ROOMY)], 8);
    uneven.default_link = Some(LinkCost { latency_us: 1.0, bytes_per_us: 10.0 });
    let planned =
        plan(&PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&uneven) })
            .unwrap();
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
    let again = plan(&PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&with) })
        .unwrap();
    assert_eq!(again.candidates[0].simulation.step_us, best.step_us);
    // Each of them is true: a quarter more, or as much as it could use.
    let plan_with = |device: &str, more: Option<u64>| {
        let mut with = uneven.clone();
        let index = with.device_index(device).unwrap();
        let memory = &mut with.devices[index].memory_bytes;
        *memory = more.map_or(u64::MAX, |more| *memory + more);
        let again =
            plan(&PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&with) })
                .unwrap();
        again.candidates[0].simulation.step_us
    };
    let quarters: Vec<_> = larger.iter().filter_map(|what| what.more_bytes).collect();
    assert_eq!(quarters, [1700 / 4]);
    for what in larger {
        assert_eq!(plan_with(&what.device, what.more_bytes), what.step_us);
        assert_eq!(what.change, what.step_us / explanation.step_us - 1.0);
        assert!(what.change < -0.005, "{what:?}");
    }
    assert!(larger.is_sorted_by(|a, b| a.change <= b.change), "{larger:?}");
    let too_small = explanation.too_small.as_ref().unwrap();
    // Nine layers of 400 B, of which one keeps 50 B at a time and nine of them 450.
    assert_eq!((too_small.device.as_str(), too_small.step_us), ("d0", 8.0 * 9.0 * 3.0));
    let text = text(&explanation);
    let quarter = larger.iter().find(|what| what.more_bytes == Some(425)).unwrap();
    let helps = format!("  with 425 B more on d0: −{:.0} %\n", -quarter.change * 100.0);
    for part in [
        "1f1b, 8 micro-batches",
        "d1 alone takes 432 µs",
        "1.33 times",
        "what would help:",
        "d0 alone would take 216 µs, and is ",
        "bound: 1.50 times as fast as the fastest device alone if none ever waited",
        &helps,
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    // A row a device, with its parts.
    for device in &explanation.devices {
        let peak = device.peak_bytes;
        let sizes = [peak.weights, peak.gradients, peak.optimizer, peak.activations, peak.buffers];
        let sizes = sizes.into_iter().chain([peak.total(), device.budget_bytes]).map(human_bytes);
        let words: Vec<String> = [device.device.clone()].into_iter().chain(sizes).collect();
        let words = words.join(" ") + &format!(" {:.0} %", device.busy_share * 100.0);
        let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.lines().any(|line| squeezed(line) == words), "{words} is not in\n{text}");
    }
}

#[test]
fn only_what_is_so_is_told() {
    let mut profile = profile(11, &[(1.0, ROOMY), (2.0, ROOMY), (3.0, ROOMY), (500.0, ROOMY)], 16);
    profile.default_link = Some(LinkCost { latency_us: 0.0, bytes_per_us: 1e3 });
    let told = |excluded: Vec<usize>| {
        let request = PlanRequest {
            schedule: "1f1b".parse().unwrap(),
            excluded,
            ..PlanRequest::new(&profile)
        };
        explain(&plan(&request).unwrap())
    };
    let three = told(vec![]);
    assert_eq!(three.unused, ["d3"]);
    assert!((told(vec![3]).full_speed_up - (1.0 + 1.0 / 2.0 + 1.0 / 3.0)).abs() < 1e-9);
    assert_eq!(three.too_small, None);
    let said = text(&three);
    assert!(said.contains("left idle: d3\n"), "{said}");
    for unsaid in ["would take", "too large for an exact search", "what would help", "estimates"] {
        assert!(!said.contains(unsaid), "{unsaid}: {said}");
    }
    // Of one device that has nothing to wait for there is nothing to say.
    let alone = told(vec![1, 2, 3]);
    assert_eq!(alone.limits, [""; 0]);
    let said = text(&alone);
    assert!(!said.contains("bound for") && said.contains("left idle: d1, d2, d3"), "{said}");
}

#[test]
fn full_devices_and_what_runs_twice_are_limits() {
    // Four layers need 1600 B for good and 200 B for a micro-batch.
    let limits = |budget, recompute| {
        let profile = profile(4, &[(1.0, budget)], 1);
        let request = PlanRequest { recompute, ..PlanRequest::new(&profile) };
        explain(&plan(&request).unwrap()).limits
    };
    assert_eq!(limits(1895, RecomputeChoice::None), ["d0 is full to 95 % of its budget"]);
    assert_eq!(limits(2000, RecomputeChoice::None), [""; 0]);
    let twice = "layers 0 to 3 on d0 run forward twice to save memory, 25 % of their time";
    assert_eq!(limits(1 << 20, RecomputeChoice::Full), [twice]);
}

#[test]
fn an_explanation_says_what_its_plan_does() {
    // Eight micro-batches of GPipe fit with recompute alone.
    let mut tight = profile(7, &[(1.0, 1900), (1.0, 1700)], 8);
    tight.estimated = true;
    tight.devices[1].optimizer_us = OptimizerTime::Device(5.0);
    let request = PlanRequest { schedule: "gpipe".parse().unwrap(), ..PlanRequest::new(&tight) };
    let planned = plan(&request).unwrap();
    let RankedPlan { plan, simulation } = &planned.candidates[0];
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
        let busy_us = device.busy_us + device.optimizer_us;
        assert_eq!(told.busy_share, busy_us / simulation.step_us);
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
        let request =
            PlanRequest { schedule: "1f1b".parse().unwrap(), locks, ..PlanRequest::new(&profile) };
        let planned = plan(&request).unwrap();
        let RankedPlan { simulation, .. } = &planned.candidates[0];
        let busiest = simulation.links.iter().map(|link| link.busy_us).fold(0.0, f64::max);
        let limits = explain(&planned).limits;
        // A link is named if it is busy for more than a twentieth of the step, with its share.
        let share = busiest / simulation.step_us;
        let link = limits.iter().find(|limit| limit.starts_with("the link "));
        let told = format!("is busy {:.0} % of the step", share * 100.0);
        assert_eq!(link.is_some_and(|limit| limit.ends_with(&told)), share > 0.05, "{limits:?}");
        assert_eq!(link.is_some(), share > 0.05);
        limits
    };
    let named = |limits: &[String], start: &str| {
        assert!(limits.iter().any(|limit| limit.starts_with(start)), "{start}: {limits:?}");
    };
    // d1 is idle before and after its 300 of 600 µs, and d0 waits for it as long in between.
    let short = limits(1.0, 1, 1e9);
    assert!(!short.iter().any(|limit| limit.contains("the mean")), "{short:?}");
    limits(1.0, 40, 2.0);
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
    assert!(told(250.0, RecomputeChoice::Full).contains("1.0 ms a step"));
    assert!(told(25e4, RecomputeChoice::Full).contains("1.00 s a step"));
    let text = told(1e5, RecomputeChoice::Full);
    assert!(
        text.contains("d0 alone takes 400.0 ms, with recompute: this plan is 1.00 times"),
        "{text}"
    );
}

#[test]
fn what_would_not_help_is_not_told() {
    let mut told = 0;
    for seed in 0..40_u64 {
        let mix = |a: u64, b: u64| (a * 7 + b * 5 + 3).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
        let mut tight = profile(8, &[(1.0, 0), (1.0, 0), (1.0, 0)], 4);
        tight.default_link = Some(LinkCost { latency_us: 2.0, bytes_per_us: 8.0 });
        for (index, device) in (0..).zip(&mut tight.devices) {
            device.memory_bytes = 1500 + 200 * mix(seed, index);
            let times: Vec<f64> = (0..8).map(|layer| 1.0 + mix(layer, index) as f64).collect();
            device.forward_us = times.clone();
            (device.input_grad_us, device.weight_grad_us) = (times.clone(), times);
        }
        let request = PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(&tight) };
        let Ok(planned) = plan(&request) else { continue };
        let explanation = explain(&planned);
        told += explanation.if_larger.len();
        for larger in explanation.if_larger {
            assert!(larger.step_us < explanation.step_us, "seed {seed}: {larger:?}");
        }
    }
    assert!(told > 10, "only {told}");
}

#[test]
fn what_takes_no_time_twice_is_no_limit() {
    let mut free = profile(4, &[(1.0, ROOMY)], 1);
    free.devices[0].forward_us = vec![0.0; 4];
    let recompute = RecomputeChoice::Full;
    let planned = plan(&PlanRequest { recompute, ..PlanRequest::new(&free) }).unwrap();
    assert_eq!(explain(&planned).limits, [""; 0]);
}
