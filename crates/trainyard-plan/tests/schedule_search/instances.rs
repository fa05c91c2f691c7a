//! Pipelines to make schedules for: equal ones, and unlike ones drawn from a seed.

use trainyard_plan::costs::PipelineCosts;
use trainyard_plan::simulate::score;
use trainyard_plan::{
    Action, DeviceProfile, LayerProfile, LinkCost, LinkProfile, ModelProfile, OptimizerTime,
    Profile, Recompute, Schedule, Stage,
};

/// Drawn anew for each seed, the same on every machine.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.below(1 << 30) as f64 / f64::from(1 << 30)
    }
}

/// One layer a stage; memory without end and free links until somebody says otherwise.
pub(crate) fn profile(times: &[[f64; 3]], ranks: usize) -> Profile {
    let layer = |index| LayerProfile {
        name: format!("layer{index}"),
        param_bytes: 1000,
        input_bytes: 100,
        output_bytes: 100,
        saved_bytes: 1000,
        weight_saved_bytes: Some(500),
        ..LayerProfile::default()
    };
    let model = ModelProfile {
        name: "test".into(),
        optimizer_bytes_per_param_byte: 2,
        fresh_bytes_per_param_byte: 0,
        kernels: None,
        layers: (0..times.len()).map(layer).collect(),
    };
    let mut profile = Profile::new(model, 1);
    let column = |kind: usize| times.iter().map(|times| times[kind]).collect::<Vec<_>>();
    profile.devices = (0..ranks)
        .map(|rank| DeviceProfile {
            id: format!("device{rank}"),
            memory_bytes: 1 << 40,
            forward_us: column(0),
            input_grad_us: column(1),
            weight_grad_us: column(2),
            ..DeviceProfile::default()
        })
        .collect();
    profile
}

/// The costs where stage `s` is on rank `owners[s]`.
pub(crate) fn costs(profile: &Profile, owners: &[usize], recompute: Recompute) -> PipelineCosts {
    let stage = |(index, rank): (usize, &usize)| Stage {
        device: profile.devices[*rank].id.clone(),
        layers: (index, index + 1),
        recompute,
    };
    let stages: Vec<Stage> = owners.iter().enumerate().map(stage).collect();
    PipelineCosts::of(profile, &stages, owners).unwrap()
}

/// Stages of F = I = W, links that take no time and buffers that take no memory.
pub(crate) fn equal(owners: &[usize]) -> PipelineCosts {
    let mut profile = profile(&vec![[1.0; 3]; owners.len()], owners.len());
    for layer in &mut profile.model.layers {
        (layer.input_bytes, layer.output_bytes) = (0, 0);
    }
    costs(&profile, owners, Recompute::None)
}

/// How much memory an instance has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Memory {
    Ample,
    /// What 1F1B needs, or interleaved or ZB-V on their placements, and up to half as much again.
    Named,
    /// What one micro-batch after the other needs, and up to four times as much.
    Tight,
}

/// Unlike stages, links from free to as slow as a forward.
pub(crate) fn unlike(draw: &mut Draw, owners: &[usize], m: usize, memory: Memory) -> PipelineCosts {
    let ranks = owners.iter().max().unwrap() + 1;
    let speeds: Vec<f64> = (0..ranks).map(|_| draw.between(0.5, 1.5)).collect();
    let times = |rank: &usize| {
        let forward = draw.between(50.0, 150.0) * speeds[*rank];
        [forward, forward * draw.between(0.7, 1.5), forward * draw.between(0.3, 1.3)]
    };
    let times: Vec<[f64; 3]> = owners.iter().map(times).collect();
    let mut profile = profile(&times, ranks);
    for layer in &mut profile.model.layers {
        layer.saved_bytes = 500 + draw.below(1000);
        layer.weight_saved_bytes = Some(draw.below(layer.saved_bytes));
        layer.workspace_bytes = draw.below(200);
    }
    // A skip and a pair of tied weights, where there are stages enough.
    let layers = &mut profile.model.layers;
    if let [first, .., last] = &mut layers[..]
        && draw.below(3) == 0
    {
        first.skips_to = vec![last.name.clone()];
        last.tied_to = Some(first.name.clone());
    }
    for device in &mut profile.devices {
        device.optimizer_us = OptimizerTime::Device(draw.between(0.0, 50.0));
    }
    let slowness = [0.0, 0.1, 1.0][draw.below(3) as usize];
    let link = |from: usize, to: usize, draw: &mut Draw| LinkProfile {
        from: profile.devices[from].id.clone(),
        to: profile.devices[to].id.clone(),
        latency_us: draw.between(0.0, 30.0) * slowness,
        bytes_per_us: 100.0 / (1.0 + draw.between(0.0, 70.0) * slowness),
    };
    let mut links = Vec::new();
    for from in 0..ranks {
        for to in (0..ranks).filter(|to| *to != from) {
            links.push(link(from, to, draw));
        }
    }
    profile.links = links;
    profile.default_link = Some(LinkCost { latency_us: 0.0, bytes_per_us: 1e9 });
    let recompute = if draw.below(4) == 0 { Recompute::Full } else { Recompute::None };
    let mut costs = costs(&profile, owners, recompute);
    let (schedule, more) = match memory {
        Memory::Ample => return costs,
        Memory::Named => (named(owners, ranks, m), 50),
        Memory::Tight => (one_by_one(owners, m), 300),
    };
    let need = score(&costs, &schedule, m).unwrap();
    for (rank, peak) in costs.ranks.iter_mut().zip(need.peak_bytes) {
        let fixed = rank.fixed.total();
        rank.budget_bytes = peak + (peak - fixed) * draw.below(more) / 100;
    }
    costs
}

/// The named schedule with full backwards that holds least on this placement, or one micro-batch
/// after the other.
fn named(owners: &[usize], ranks: usize, m: usize) -> Schedule {
    let chunks = owners.len() / ranks;
    let mut named = ["1f1b", "interleaved", "zb-v"].into_iter();
    let fits = |name: &&str| Schedule::placement(name, ranks, chunks).is_ok_and(|o| o == owners);
    match named.find(fits) {
        Some(name) => Schedule::with_chunks(name, ranks, chunks, m).unwrap().merged(),
        None => one_by_one(owners, m),
    }
}

/// A micro-batch after the other, which needs least memory.
pub(crate) fn one_by_one(owners: &[usize], m: usize) -> Schedule {
    let mut ranks = vec![Vec::new(); owners.iter().max().unwrap() + 1];
    for micro_batch in 0..m {
        for (stage, &rank) in owners.iter().enumerate() {
            ranks[rank].push(Action::forward(stage, micro_batch));
        }
        for (stage, &rank) in owners.iter().enumerate().rev() {
            ranks[rank].push(Action::backward(stage, micro_batch));
        }
    }
    Schedule::new("one by one", ranks)
}
