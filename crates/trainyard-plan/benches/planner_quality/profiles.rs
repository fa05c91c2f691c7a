//! Random profiles to plan for: 2–8 devices, 4–200 layers, 1–64 micro-batches, tight and roomy
//! memory, free and slow links, ties and skips. A seed gives the same profile on every machine.

use trainyard_plan::{
    DeviceProfile, LayerProfile, LinkCost, LinkProfile, ModelProfile, OptimizerTime, Profile,
};

/// Memory of the devices together, relative to the model's need with one micro-batch in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Memory {
    /// 40 times as much.
    Roomy,
    /// 2 to 4 times as much.
    Medium,
    /// 1.1 to 1.7 times as much: some profiles have no plan at all.
    Tight,
}

/// One request to the planner.
pub(crate) struct Case {
    pub(crate) profile: Profile,
    pub(crate) memory: Memory,
    /// A schedule's name, or `auto`.
    pub(crate) schedule: &'static str,
    pub(crate) split_backward: bool,
}

/// Deterministic PRNG: Knuth's MMIX linear congruential generator.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end.max(1)
    }

    /// True once in `times` draws.
    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// From `least` to `most`, with as many draws between 4 and 8 as between 8 and 16.
    fn spread(&mut self, least: u64, most: u64) -> u64 {
        let octaves = u64::from((most / least).ilog2());
        let low = least << self.below(octaves + 1);
        (low + self.below(low)).min(most)
    }
}

/// The case of a seed.
pub(crate) fn case(seed: u64) -> Case {
    let numbers = &mut Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1));
    for _ in 0..8 {
        numbers.below(2);
    }
    let layers = numbers.spread(4, 200) as usize;
    let devices = 2 + numbers.below(7) as usize;
    let micro_batches = numbers.spread(1, 64) as usize;
    let mut model = model(numbers, layers);
    connect(numbers, &mut model);
    let mut profile = Profile::new(model, micro_batches);
    let memory = [Memory::Roomy, Memory::Medium, Memory::Tight][numbers.below(3) as usize];
    add_devices(numbers, &mut profile, devices, memory);
    add_links(numbers, &mut profile);
    let schedules = ["auto", "auto", "auto", "auto", "auto", "auto", "1f1b", "interleaved", "zb-v"];
    let schedule = schedules[numbers.below(schedules.len() as u64) as usize];
    Case { profile, memory, schedule, split_backward: !numbers.one_in(3) }
}

/// Locks that ask for devices in turns: the first, a middle and the last layer, of which the outer two
/// are on one device. Only several stages a rank, or a searched schedule, can keep them.
pub(crate) fn locks(case: &Case) -> Vec<(usize, usize)> {
    let last = case.profile.model.layers.len() - 1;
    vec![(0, 0), (last / 2, 1), (last, 0)]
}

fn model(numbers: &mut Numbers, layers: usize) -> ModelProfile {
    // Equal layers, unlike ones, or a few that weigh as much as many.
    let unlike = numbers.below(3);
    let layer = |index: usize| {
        let scale = match unlike {
            0 => 8,
            1 => 4 + numbers.below(13),
            _ if numbers.one_in(8) => 64,
            _ => 4,
        };
        let saved = scale * ((1 << 16) + numbers.below(1 << 18));
        let mut layer = LayerProfile {
            name: format!("layer{index}"),
            kind: "block".into(),
            param_bytes: scale << (16 + numbers.below(3)),
            input_bytes: 1 << 18,
            output_bytes: 1 << 18,
            saved_bytes: saved,
            ..LayerProfile::default()
        };
        if unlike > 0 {
            layer.output_bytes = (1 << 16) + numbers.below(1 << 19);
            layer.input_bytes = layer.output_bytes;
        }
        if numbers.one_in(2) {
            layer.weight_saved_bytes = Some(saved / 2);
        }
        layer
    };
    let layers = (0..layers).map(layer).collect();
    ModelProfile {
        name: "random".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: numbers.below(2),
        kernels: None,
        layers,
    }
}

/// Ties the last layer to the first in a third of the models, and lets outputs skip layers in
/// another.
fn connect(numbers: &mut Numbers, model: &mut ModelProfile) {
    let count = model.layers.len();
    if numbers.one_in(3) {
        let first = model.layers[0].name.clone();
        let bytes = model.layers[0].param_bytes;
        let last = &mut model.layers[count - 1];
        (last.tied_to, last.param_bytes) = (Some(first), bytes);
    }
    if numbers.one_in(3) {
        for _ in 0..=numbers.below(3) {
            let from = numbers.below(count as u64 - 2) as usize;
            let to = from + 2 + numbers.below((count - from - 2) as u64) as usize;
            let name = model.layers[to].name.clone();
            if !model.layers[from].skips_to.contains(&name) {
                model.layers[from].skips_to.push(name);
            }
        }
    }
}

fn add_devices(numbers: &mut Numbers, profile: &mut Profile, devices: usize, memory: Memory) {
    let layers = &profile.model.layers;
    let needed: u64 = layers.iter().map(|layer| layer.param_bytes * 4 + layer.saved_bytes).sum();
    let percent = match memory {
        Memory::Roomy => 4000,
        Memory::Medium => 200 + numbers.below(200),
        Memory::Tight => 110 + numbers.below(60),
    };
    let costs: Vec<u64> = layers.iter().map(|layer| 50 + layer.param_bytes / 20_000).collect();
    let equal_devices = numbers.one_in(3);
    let equal_memory = numbers.one_in(3);
    let same_ratios = numbers.one_in(2);
    for index in 0..devices {
        let share = if equal_memory { 100 } else { 50 + numbers.below(101) };
        let memory_bytes = needed / 100 * percent / 100 * share / devices as u64;
        if let Some(first) = profile.devices.first().filter(|_| equal_devices) {
            let device = DeviceProfile { id: format!("d{index}"), memory_bytes, ..first.clone() };
            profile.devices.push(device);
            continue;
        }
        let slowness = 10 + numbers.below(40);
        let mut times = |tenths: u64| -> Vec<f64> {
            let time = |cost: &u64| {
                let jitter = if same_ratios { 100 } else { 70 + numbers.below(61) };
                (cost * tenths * slowness * jitter) as f64 / 10_000.0
            };
            costs.iter().map(time).collect()
        };
        let (forward_us, input_grad_us, weight_grad_us) = (times(10), times(11), times(9));
        let step_us = 100.0 * slowness as f64;
        let optimizer_us = if numbers.one_in(2) {
            OptimizerTime::Layers(vec![step_us / costs.len() as f64; costs.len()])
        } else {
            OptimizerTime::Device(step_us)
        };
        profile.devices.push(DeviceProfile {
            id: format!("d{index}"),
            memory_bytes,
            forward_us,
            input_grad_us,
            weight_grad_us,
            optimizer_us,
            ..DeviceProfile::default()
        });
    }
}

fn add_links(numbers: &mut Numbers, profile: &mut Profile) {
    let mut link = || LinkCost {
        latency_us: numbers.below(60) as f64,
        bytes_per_us: numbers.spread(200, 16_000) as f64,
    };
    let (default, mut others) = (link(), Vec::new());
    for _ in 0..profile.devices.len() * profile.devices.len() {
        others.push(link());
    }
    match numbers.below(4) {
        0 => {}
        1 | 2 => profile.default_link = Some(default),
        _ => {
            let ids: Vec<String> = profile.devices.iter().map(|device| device.id.clone()).collect();
            let pairs = ids.iter().flat_map(|from| ids.iter().map(move |to| (from, to)));
            for ((from, to), cost) in pairs.zip(others).filter(|((from, to), _)| from != to) {
                profile.links.push(LinkProfile {
                    from: from.clone(),
                    to: to.clone(),
                    latency_us: cost.latency_us,
                    bytes_per_us: cost.bytes_per_us,
                });
            }
        }
    }
}
