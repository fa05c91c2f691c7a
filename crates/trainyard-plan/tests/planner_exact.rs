//! The exact search where there is too much to try it all, but not too much for an oracle: spaces
//! beyond the small ones, very short times, budgets that are filled to the last byte.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "common/even.rs"]
mod even;

use trainyard_plan::planner::{
    ClosedFormOptimum, Objective, PlanRequest, RecomputeChoice, closed_form_optimum, plan,
};
use trainyard_plan::simulate::simulate;
use trainyard_plan::{LinkCost, LinkProfile, Plan, Profile, Schedule};

const ROOMY: u64 = 1 << 30;

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) % end
    }
}

/// Devices that take a time of their own for each layer, and have memory enough for all of them.
fn unlike(numbers: &mut Numbers, layers: usize, devices: usize, unit_us: f64) -> Profile {
    let micro_batches = 2 + numbers.below(12) as usize;
    let mut profile = even::profile(layers, &vec![(0.0, ROOMY); devices], micro_batches);
    for device in &mut profile.devices {
        let slowness = 8 + numbers.below(12);
        let mut time = |_| (4 + numbers.below(slowness)) as f64 * unit_us;
        device.forward_us = (0..layers).map(&mut time).collect();
        device.input_grad_us = (0..layers).map(&mut time).collect();
        device.weight_grad_us = (0..layers).map(&mut time).collect();
    }
    profile
}

/// The stated objective where memory is no matter, by trying everything.
struct Oracle {
    /// By device and layer: the time of all layers before.
    before: Vec<Vec<f64>>,
    /// A transfer's time, the same wherever it goes.
    cut_us: f64,
    repeats: f64,
}

impl Oracle {
    fn new(profile: &Profile) -> Self {
        let device = |device: &trainyard_plan::DeviceProfile| {
            let mut before = vec![0.0];
            for layer in 0..profile.model.layers.len() {
                let parts = [&device.forward_us, &device.input_grad_us, &device.weight_grad_us];
                before.push(before[layer] + parts.map(|times| times[layer]).iter().sum::<f64>());
            }
            before
        };
        let before = profile.devices.iter().map(device).collect();
        let cut_us = profile.default_link.map_or(0.0, |link| link.transfer_us(10));
        Self { before, cut_us, repeats: (profile.micro_batches - 1) as f64 }
    }

    /// The least for the layers from `first` on, after stages on the devices `used`.
    fn least(&self, used: u32, first: usize, sum: f64, longest: f64) -> f64 {
        let layers = self.before[0].len() - 1;
        if first == layers {
            return sum + self.repeats * longest;
        }
        let cut_us = if used == 0 { 0.0 } else { self.cut_us };
        let mut least = f64::INFINITY;
        for (device, before) in self.before.iter().enumerate() {
            if used & (1 << device) != 0 {
                continue;
            }
            let used = used | 1 << device;
            let is_last = used.count_ones() as usize == self.before.len();
            for end in if is_last { layers } else { first + 1 }..=layers {
                let time = before[end] - before[first];
                let sum = sum + 2.0 * cut_us + time;
                least = least.min(self.least(used, end, sum, longest.max(cut_us).max(time)));
            }
        }
        least
    }
}

fn found(profile: &Profile, objective: Objective) -> ClosedFormOptimum {
    let recompute = RecomputeChoice::None;
    let request = PlanRequest {
        schedule: "1f1b".parse().unwrap(),
        recompute,
        objective,
        ..PlanRequest::new(profile)
    };
    closed_form_optimum(&request).unwrap().unwrap()
}

fn finds_the_least(profile: &Profile) {
    let found = found(profile, Objective::Time);
    let least = Oracle::new(profile).least(0, 0, 0.0, 0.0);
    assert!(found.exact);
    assert!((found.cost - least).abs() <= 1e-9 * least, "{} is not {least}", found.cost);
    let mut first = 0;
    for stage in &found.stages {
        assert!(stage.layers.0 == first && stage.layers.1 > first, "{:?}", found.stages);
        first = stage.layers.1;
    }
    assert_eq!(first, profile.model.layers.len());
}

#[test]
fn the_least_is_found_beyond_small_spaces() {
    for seed in 0..60 {
        let numbers = &mut Numbers(seed);
        let layers = 36 + numbers.below(10) as usize;
        let mut profile = unlike(numbers, layers, 4, 1.0);
        if seed % 2 == 0 {
            let latency_us = numbers.below(200) as f64;
            profile.default_link = Some(LinkCost { latency_us, bytes_per_us: 1.0 });
        }
        if seed % 3 == 0 {
            // A few layers weigh as much as all others.
            for layer in [0, layers / 2, layers / 2 + 1] {
                profile.devices.iter_mut().for_each(|device| device.forward_us[layer] *= 20.0);
            }
        }
        finds_the_least(&profile);
    }
}

#[test]
fn the_least_is_found_of_very_short_times() {
    for seed in 0..20 {
        finds_the_least(&unlike(&mut Numbers(seed), 8, 3, 1.0 / 4096.0));
    }
}

#[test]
fn a_hundred_layers_on_eight_unlike_devices_are_searched_exactly() {
    // With weaker bounds there would be more to look at than the search may.
    let numbers = &mut Numbers(1);
    let mut profile = unlike(numbers, 100, 8, 1.0);
    for (from, to) in (0..64).map(|pair| (pair / 8, pair % 8)).filter(|(from, to)| from != to) {
        link(&mut profile, from, to, numbers.below(300) as f64);
    }
    assert!(found(&profile, Objective::Time).exact);
}

fn link(profile: &mut Profile, from: usize, to: usize, latency_us: f64) {
    let (from, to) = (format!("d{from}"), format!("d{to}"));
    profile.links.push(LinkProfile { from, to, latency_us, bytes_per_us: 1.0 });
}

#[test]
fn budgets_may_be_filled_to_the_last_byte() {
    // Layers of 400 B and nothing else.
    let mut profile = even::profile(4, &[(1.0, 800), (1.0, 800)], 4);
    for layer in &mut profile.model.layers {
        (layer.input_bytes, layer.output_bytes, layer.saved_bytes) = (0, 0, 0);
    }
    for objective in [Objective::Time, Objective::Latency, Objective::Memory] {
        let layers: Vec<_> =
            found(&profile, objective).stages.iter().map(|stage| stage.layers).collect();
        assert_eq!(layers, [(0, 2), (2, 4)], "{objective:?}");
    }
}

#[test]
fn of_plans_that_take_as_much_memory_the_quickest_is_stated() {
    // Both ways from d0 have three equal stages; over d2 transfers take 211 µs, over d1 242.
    let mut profile = even::profile(6, &[(1.0, 2000); 3], 4);
    for (from, to, latency_us) in
        [(0, 1, 1.0), (1, 0, 100.0), (1, 2, 1.0), (2, 1, 100.0), (0, 2, 35.0), (2, 0, 35.0)]
    {
        link(&mut profile, from, to, latency_us);
    }
    let locks = vec![(0, 0)];
    let objective = Objective::Memory;
    let request = PlanRequest {
        schedule: "1f1b".parse().unwrap(),
        objective,
        locks,
        ..PlanRequest::new(&profile)
    };
    let stages = closed_form_optimum(&request).unwrap().unwrap().stages;
    let devices: Vec<&str> = stages.iter().map(|stage| stage.device.as_str()).collect();
    assert_eq!(devices, ["d0", "d2", "d1"]);
}

/// The partition with the least of the stated objective is simulated, however many others there
/// are, so no plan takes longer than it does.
fn is_as_good_as_what_is_stated(profile: &Profile) {
    let request = PlanRequest { schedule: "1f1b".parse().unwrap(), ..PlanRequest::new(profile) };
    let stages = closed_form_optimum(&request).unwrap().unwrap().stages;
    let schedule = Schedule::named("1f1b", stages.len(), profile.micro_batches).unwrap();
    let stated = Plan::new("", stages, schedule, profile.micro_batches);
    let stated = simulate(profile, &stated).unwrap().step_us;
    let planned = plan(&request).unwrap().candidates[0].simulation.step_us;
    assert!(planned <= stated * (1.0 + 1e-9), "{planned}, but {stated} is stated");
}

#[test]
fn what_is_stated_is_simulated_however_many_plans_there_are() {
    for (layers, devices, seeds) in [(8, 6, 4), (60, 3, 4), (140, 2, 4)] {
        for seed in 0..seeds {
            let numbers = &mut Numbers(seed);
            let mut profile = unlike(numbers, layers, devices, 1.0);
            for from in 0..devices {
                for to in (0..devices).filter(|to| *to != from) {
                    link(&mut profile, from, to, numbers.below(9) as f64);
                }
            }
            is_as_good_as_what_is_stated(&profile);
        }
    }
}
