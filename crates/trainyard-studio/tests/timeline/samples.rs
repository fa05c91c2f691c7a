//! Traces to test with.

use proptest::prelude::*;
use trainyard_plan::planner::{PlanRequest, plan};
use trainyard_plan::simulate::{Simulation, simulate_traced};
use trainyard_plan::{Plan, Profile, Schedule, Stage, Trace};

/// The example profile that comes with the studio.
pub(crate) fn profile() -> Profile {
    let text = include_str!("../../../../assets/example-profile.json");
    Profile::from_json(text).unwrap()
}

/// The example, planned and simulated.
pub(crate) fn example() -> (Simulation, Trace) {
    let planned = plan(&PlanRequest::new(&profile())).unwrap();
    let best = planned.candidates.first().unwrap();
    simulate_traced(&planned.profile, &best.plan).unwrap()
}

/// Some plan of the example's model: any schedule, any ranks, any cut, whether it fits or not.
pub(crate) fn any_plan() -> impl Strategy<Value = (Profile, Plan)> {
    let schedule =
        prop::sample::select(vec!["gpipe", "1f1b", "interleaved", "zb-h1", "zb-h2", "zb-v"]);
    (schedule, 1usize..=3, 1usize..=9, any::<u64>()).prop_filter_map(
        "the schedule does not go with so many ranks",
        |(name, ranks, micro_batches, seed)| {
            let profile = profile();
            let schedule = Schedule::named(name, ranks, micro_batches).ok()?;
            let owners = schedule.owners();
            let layers = profile.model.layers.len();
            let stages = cuts(layers, owners.len(), seed)?;
            let stage = |(stage, layers): (usize, (usize, usize))| Stage {
                device: profile.devices[owners[stage]].id.clone(),
                layers,
                recompute: trainyard_plan::Recompute::None,
            };
            let stages = stages.into_iter().enumerate().map(stage).collect();
            let plan = Plan::new(&profile.model.name.clone(), stages, schedule, micro_batches);
            Some((profile, plan))
        },
    )
}

/// `layers` cut into `stages` runs.
fn cuts(layers: usize, stages: usize, mut seed: u64) -> Option<Vec<(usize, usize)>> {
    let mut left = layers.checked_sub(stages)?;
    let mut first = 0;
    let mut cuts = Vec::new();
    for stage in 0..stages {
        let more = if stage + 1 == stages { left } else { seed as usize % (left + 1) };
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) >> 7;
        left -= more;
        cuts.push((first, first + 1 + more));
        first += 1 + more;
    }
    Some(cuts)
}

/// A run of so many steps, each as long as the example's with a little more or less, as if measured.
pub(crate) fn measured(steps: u64) -> Trace {
    let (_, step) = example();
    let mut trace = Trace { devices: step.devices.clone(), ..Trace::default() };
    let mut start = 5_000_000;
    for number in 1..=steps {
        let stretch = |ns: u64| start + ns * (100 + number * 7 % 23) / 100;
        for event in &step.events {
            let mut event = event.clone();
            event.step = number;
            (event.start_ns, event.end_ns) = (stretch(event.start_ns), stretch(event.end_ns));
            trace.events.push(event);
        }
        for sample in &step.memory {
            let mut sample = sample.clone();
            sample.at_ns = stretch(sample.at_ns);
            sample.in_use_bytes += sample.in_use_bytes / 20;
            sample.by_category = None;
            trace.memory.push(sample);
        }
        start = trace.events.iter().map(|event| event.end_ns).max().unwrap_or(0) + 300_000;
    }
    trace
}
