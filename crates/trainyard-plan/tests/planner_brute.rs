//! The planner against brute force: every partition, every order of every subset of the devices,
//! every choice of recompute.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::memory::StageMemory;
use trainyard_plan::planner::{Objective, PlanRequest, RecomputeChoice, closed_form_optimum, plan};
use trainyard_plan::simulate::score;
use trainyard_plan::{
    DeviceProfile, LayerProfile, LinkProfile, ModelProfile, PlanError, Profile, Recompute,
    Schedule, Stage,
};

/// Numbers that look random and are the same each time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn time(&mut self, most: u64) -> f64 {
        self.below(most * 16) as f64 / 16.0
    }
}

/// A random model on random devices, some of them interchangeable, some with little memory, over links that
/// may be free, alike or each of its own.
fn random(numbers: &mut Numbers, most_layers: u64, most_devices: u64) -> Profile {
    let layers = 1 + numbers.below(most_layers);
    let devices = 1 + numbers.below(most_devices);
    let mut whole = 0;
    let layer = |index| {
        let layer = LayerProfile {
            name: format!("layer{index}"),
            param_bytes: numbers.below(100),
            input_bytes: 1 + numbers.below(30),
            output_bytes: 1 + numbers.below(30),
            saved_bytes: numbers.below(150),
            workspace_bytes: numbers.below(3) * numbers.below(60),
            ..LayerProfile::default()
        };
        whole += layer.param_bytes * 4 + layer.saved_bytes;
        layer
    };
    let layers: Vec<LayerProfile> = (0..layers).map(layer).collect();
    let model = ModelProfile {
        name: "random".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: numbers.below(2),
        kernels: None,
        layers,
    };
    let mut profile = Profile::new(model, 1 + numbers.below(6) as usize);
    let caps = numbers.below(3);
    for index in 0..devices {
        let times = |numbers: &mut Numbers, most| {
            profile.model.layers.iter().map(|_| numbers.time(most)).collect::<Vec<_>>()
        };
        let slowness = 2 + numbers.below(10);
        let mut device = DeviceProfile {
            memory_bytes: match caps {
                0 => 1 << 30,
                _ => whole * (caps + numbers.below(12)) / (devices + 2) / 2,
            },
            reserve_bytes: numbers.below(20),
            forward_us: times(numbers, slowness),
            input_grad_us: times(numbers, slowness),
            weight_grad_us: times(numbers, slowness),
            ..DeviceProfile::default()
        };
        if index > 0 && numbers.below(3) == 0 {
            device = profile.devices[numbers.below(index) as usize].clone();
        }
        device.id = format!("d{index}");
        profile.devices.push(device);
    }
    let links = numbers.below(3);
    for from in 0..devices {
        for to in (0..devices).filter(|to| *to != from && links > 0) {
            let (latency_us, rate) =
                if links == 1 { (0.5, 10) } else { (numbers.time(2), 1 + numbers.below(40)) };
            let (from, to) = (format!("d{from}"), format!("d{to}"));
            profile.links.push(LinkProfile { from, to, latency_us, bytes_per_us: rate as f64 });
        }
    }
    profile
}

/// Calls `visit` with the stages of every partition on every order of every subset of the devices,
/// with every choice of recompute.
fn every_partition(
    profile: &Profile,
    modes: &[Recompute],
    stages: &mut Vec<(usize, usize, usize, Recompute)>,
    visit: &mut impl FnMut(&[(usize, usize, usize, Recompute)]),
) {
    let first = stages.last().map_or(0, |stage| stage.2);
    if first == profile.model.layers.len() {
        return visit(stages);
    }
    for device in 0..profile.devices.len() {
        if stages.iter().any(|stage| stage.0 == device) {
            continue;
        }
        for end in first + 1..=profile.model.layers.len() {
            for mode in modes {
                stages.push((device, first, end, *mode));
                every_partition(profile, modes, stages, visit);
                stages.pop();
            }
        }
    }
}

/// The stated objective by its definition; none where a stage does not fit.
fn by_definition(
    profile: &Profile,
    objective: Objective,
    schedule: &str,
    stages: &[(usize, usize, usize, Recompute)],
) -> Option<f64> {
    let m = profile.micro_batches;
    let (mut sum, mut longest, mut share) = (0.0, 0.0_f64, 0.0_f64);
    for (index, &(device, first, end, mode)) in stages.iter().enumerate() {
        let on = &profile.devices[device];
        let total = |times: &[f64]| times[first..end].iter().sum::<f64>();
        let again = if mode == Recompute::Full { total(&on.forward_us) } else { 0.0 };
        let time =
            total(&on.forward_us) + total(&on.input_grad_us) + total(&on.weight_grad_us) + again;
        let held = match schedule {
            "gpipe" => m,
            "zb-h2" => m.min(2 * (stages.len() - 1 - index) + 1),
            _ => m.min(stages.len() - index),
        };
        let need =
            StageMemory::of(profile, device, first..end).peak(mode, held, usize::MAX).total();
        if need > on.budget_bytes() {
            return None;
        }
        share = share.max(need as f64 / on.budget_bytes().max(1) as f64);
        sum += time;
        longest = longest.max(time);
        if let Some((next, ..)) = stages.get(index + 1) {
            let layers = &profile.model.layers;
            let there = profile.link(device, *next).transfer_us(layers[end - 1].output_bytes);
            let back = profile.link(*next, device).transfer_us(layers[end].input_bytes);
            sum += there + back;
            longest = longest.max(there).max(back);
        }
    }
    Some(match objective {
        Objective::Time => sum + (m - 1) as f64 * longest,
        Objective::Latency => sum,
        Objective::Memory => share,
    })
}

fn modes(choice: RecomputeChoice) -> &'static [Recompute] {
    match choice {
        RecomputeChoice::None => &[Recompute::None],
        RecomputeChoice::Full => &[Recompute::Full],
        RecomputeChoice::Auto => &[Recompute::None, Recompute::Full],
    }
}

/// The number of instances of which some plan fits.
fn stated_is_the_least(seeds: std::ops::Range<u64>, layers: u64, devices: u64) -> usize {
    let mut feasible = 0;
    for seed in seeds {
        let mut numbers = Numbers(seed);
        let profile = random(&mut numbers, layers, devices);
        let choices = [RecomputeChoice::None, RecomputeChoice::Full, RecomputeChoice::Auto];
        let recompute = choices[numbers.below(3) as usize];
        let objectives = [Objective::Time, Objective::Time, Objective::Latency, Objective::Memory];
        let objective = objectives[numbers.below(4) as usize];
        let schedule = ["1f1b", "gpipe", "zb-h2"][numbers.below(3) as usize];
        let layer = numbers.below(profile.model.layers.len() as u64) as usize;
        let lock = (layer, numbers.below(profile.devices.len() as u64) as usize);
        let locks = if numbers.below(4) == 0 { vec![lock] } else { Vec::new() };
        let mut least: Option<f64> = None;
        every_partition(&profile, modes(recompute), &mut Vec::new(), &mut |stages| {
            let holds = |(layer, device)| {
                stages.iter().any(|s| s.0 == device && (s.1..s.2).contains(&layer))
            };
            if !locks.iter().copied().all(holds) {
                return;
            }
            if let Some(cost) = by_definition(&profile, objective, schedule, stages) {
                least = Some(least.map_or(cost, |least| least.min(cost)));
            }
        });
        let request = PlanRequest {
            schedule: schedule.parse().unwrap(),
            recompute,
            objective,
            locks,
            ..PlanRequest::new(&profile)
        };
        let found = closed_form_optimum(&request).unwrap();
        let context = || format!("seed {seed}, {schedule}, {recompute:?}, {objective:?}");
        match (&found, least) {
            (Some(found), Some(least)) => {
                feasible += 1;
                assert!(found.exact, "{}", context());
                let close = (found.cost - least).abs() <= 1e-9 * least.abs();
                assert!(close, "{}: found {}, but {least} is possible", context(), found.cost);
                let index = |id: &str| profile.device_index(id).unwrap();
                let stages = found.stages.iter();
                let stages =
                    stages.map(|s| (index(&s.device), s.layers.0, s.layers.1, s.recompute));
                let stages: Vec<_> = stages.collect();
                assert!(stages.iter().all(|stage| stage.1 < stage.2), "{}", context());
                let cost = by_definition(&profile, objective, schedule, &stages).unwrap();
                assert!((cost - least).abs() <= 1e-9 * least, "{}: says what is not so", context());
            }
            (None, None) => {}
            _ => panic!("{}: found {found:?}, brute force {least:?}", context()),
        }
    }
    feasible
}

#[test]
fn the_search_finds_the_least_of_the_stated_objective() {
    let feasible = stated_is_the_least(0..1500, 6, 3);
    assert!(feasible > 700, "only {feasible} instances had a plan at all");
}

#[test]
#[ignore = "minutes; cargo test --release -- --ignored"]
fn the_search_finds_the_least_of_the_stated_objective_many_times() {
    let feasible = stated_is_the_least(10_000..110_000, 8, 4);
    println!("{feasible} of 100000 instances had a plan");
}

/// The step of one micro-batch alone; the optimizer takes no time here.
fn latency(costs: &PipelineCosts) -> f64 {
    score(costs, &Schedule::named("1f1b", costs.ranks.len(), 1).unwrap(), 1).unwrap().step_us
}

/// The simulator's own best of every partition under a schedule, by an objective; none where none
/// fits.
fn simulated_best(
    profile: &Profile,
    schedule: &str,
    objective: Objective,
    modes: &[Recompute],
) -> Option<f64> {
    let mut least: Option<f64> = None;
    every_partition(profile, modes, &mut Vec::new(), &mut |stages| {
        let schedule = Schedule::named(schedule, stages.len(), profile.micro_batches).unwrap();
        let stage = |&(device, first, end, recompute): &(usize, usize, usize, Recompute)| Stage {
            device: profile.devices[device].id.clone(),
            layers: (first, end),
            recompute,
        };
        let stages: Vec<Stage> = stages.iter().map(stage).collect();
        let costs = PipelineCosts::of(profile, &stages, &schedule.owners()).unwrap();
        let score = score(&costs, &schedule, profile.micro_batches).unwrap();
        let value = match objective {
            Objective::Time => score.step_us,
            Objective::Latency => latency(&costs),
            Objective::Memory => {
                let budgets = costs.ranks.iter().map(|rank| rank.budget_bytes.max(1));
                let shares =
                    score.peak_bytes.iter().zip(budgets).map(|(p, b)| *p as f64 / b as f64);
                shares.fold(0.0, f64::max)
            }
        };
        if score.fits {
            least = Some(least.map_or(value, |least| least.min(value)));
        }
    });
    least
}

/// Plans against the simulator's own best; prints the statistic. The share within 2 %.
fn as_good_as_the_simulators_best(
    seeds: std::ops::Range<u64>,
    objective: Objective,
    layers: u64,
    devices: u64,
) -> f64 {
    let (mut all, mut close, mut missed) = (0, 0, 0);
    let mut worst = (1.0, 0, "");
    for seed in seeds {
        let mut numbers = Numbers(seed);
        let profile = random(&mut numbers, layers, devices);
        let choices = [RecomputeChoice::None, RecomputeChoice::Full, RecomputeChoice::Auto];
        let recompute = choices[numbers.below(3) as usize];
        let schedule = ["1f1b", "gpipe", "zb-h1", "zb-h2"][numbers.below(4) as usize];
        let least = simulated_best(&profile, schedule, objective, modes(recompute));
        let request = PlanRequest {
            schedule: schedule.parse().unwrap(),
            recompute,
            objective,
            ..PlanRequest::new(&profile)
        };
        let found = plan(&request);
        let Some(least) = least else {
            assert!(matches!(found, Err(PlanError::DoesNotFit { .. })), "seed {seed}: {found:?}");
            continue;
        };
        all += 1;
        let Ok(found) = found else {
            missed += 1;
            println!("seed {seed}, {schedule}: says that nothing fits, but something does");
            continue;
        };
        let best = &found.candidates[0];
        let devices = &best.simulation.devices;
        assert!(devices.iter().all(|d| d.peak_bytes.total() <= d.budget_bytes), "seed {seed}");
        assert!(best.plan.stages.iter().all(|s| s.layers.0 < s.layers.1), "seed {seed}");
        let share = |d: &trainyard_plan::simulate::SimulatedDevice| {
            d.peak_bytes.total() as f64 / d.budget_bytes.max(1) as f64
        };
        let value = match objective {
            Objective::Time => best.simulation.step_us,
            Objective::Latency => {
                let owners = best.plan.schedule.owners();
                latency(&PipelineCosts::of(&profile, &best.plan.stages, &owners).unwrap())
            }
            Objective::Memory => devices.iter().map(share).fold(0.0, f64::max),
        };
        assert!(
            value >= least - 1e-9 * least,
            "seed {seed}: better than the best, {value} {least}"
        );
        let ratio = if value > least { value / least } else { 1.0 };
        close += usize::from(ratio <= 1.02);
        if ratio > worst.0 {
            worst = (ratio, seed, schedule);
        }
    }
    let (ratio, seed, schedule) = worst;
    println!(
        "{objective:?}: {close} of {all} plans within 2 % of the simulator's best; the worst is \
         {ratio:.3} times as long (seed {seed}, {schedule}); {missed} missed"
    );
    assert!(missed * 1000 <= all, "{missed} of {all} missed");
    f64::from(close as u32) / f64::from(all)
}

#[test]
fn plans_are_close_to_the_simulators_best() {
    assert!(as_good_as_the_simulators_best(0..300, Objective::Time, 6, 3) >= 0.95);
    assert!(as_good_as_the_simulators_best(300..400, Objective::Memory, 6, 3) >= 0.95);
    assert!(as_good_as_the_simulators_best(400..600, Objective::Latency, 6, 3) >= 0.99);
}

#[test]
#[ignore = "minutes; cargo test --release -- --ignored"]
fn plans_are_close_to_the_simulators_best_many_times() {
    assert!(as_good_as_the_simulators_best(10_000..14_000, Objective::Time, 7, 4) >= 0.95);
    assert!(as_good_as_the_simulators_best(20_000..22_000, Objective::Memory, 6, 3) >= 0.95);
}

/// The text between two others.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

#[test]
fn what_is_said_to_fit_fits() {
    let mut told = 0;
    for seed in 0..400 {
        let mut numbers = Numbers(seed);
        let profile = random(&mut numbers, 6, 3);
        let choices = [RecomputeChoice::None, RecomputeChoice::Full, RecomputeChoice::Auto];
        let recompute = choices[numbers.below(3) as usize];
        let names: Vec<&str> = Schedule::names().chain(["auto"]).collect();
        let schedule = names[numbers.below(names.len() as u64) as usize];
        let request = PlanRequest {
            schedule: schedule.parse().unwrap(),
            recompute,
            ..PlanRequest::new(&profile)
        };
        let Err(PlanError::DoesNotFit { hint, .. }) = plan(&request) else { continue };
        assert!(!hint.is_empty());
        for remedy in hint.split("; or ") {
            let mut changed = profile.clone();
            let mut request = request.clone();
            if remedy.starts_with("recompute") {
                request.recompute = RecomputeChoice::Auto;
            } else if let Some(name) = between(remedy, "schedule = \"", "\"") {
                request.schedule = name.parse().unwrap();
            } else if let Some(count) = between(remedy, "micro_batches = ", ",") {
                changed.micro_batches = count.parse().unwrap();
            } else if let Some(bytes) = between(remedy, "(", " bytes)") {
                let index = profile.device_index(between(remedy, "more, '", "'").unwrap()).unwrap();
                let device = &mut changed.devices[index];
                let budget = device.budget_bytes() + bytes.parse::<u64>().unwrap();
                device.memory_bytes = budget + device.reserve_bytes;
            } else {
                assert!(remedy.starts_with("no single change helps"), "{remedy}");
                continue;
            }
            let request = PlanRequest { profile: &changed, ..request };
            assert!(
                plan(&request).is_ok(),
                "seed {seed}, {schedule}: it is not true that {remedy}"
            );
            told += 1;
        }
    }
    assert!(told > 100, "only {told}");
}
