//! Random profiles, partitions and schedules. Times are whole µs and rates powers of two, so that
//! every sum is exact and simulator and oracle can be compared bit for bit.

use trainyard_plan::{
    Action, ActionKind, BatchTensor, DeviceProfile, LayerProfile, LinkCost, LinkProfile,
    ModelProfile, OptimizerTime, Plan, Profile, Recompute, Schedule, Stage, TensorProfile,
};

/// `SplitMix64`: enough to pick numbers.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number from 0 to `below - 1`.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((bits ^ (bits >> 31)) % below as u64) as usize
    }

    fn one_in(&mut self, sides: usize) -> bool {
        self.below(sides) == 0
    }

    fn times(&mut self, count: usize, least: usize) -> Vec<f64> {
        (0..count).map(|_| (least + self.below(9)) as f64).collect()
    }

    fn bytes(&mut self) -> u64 {
        8 * self.below(12) as u64
    }
}

/// A profile of so many layers and devices.
pub(crate) fn profile(dice: &mut Dice, layers: usize, devices: usize, m: usize) -> Profile {
    let mut model = ModelProfile {
        name: "random".into(),
        optimizer_bytes_per_param_byte: dice.below(3) as u64,
        fresh_bytes_per_param_byte: dice.below(2) as u64,
        kernels: None,
        layers: (0..layers).map(|index| layer(dice, index)).collect(),
    };
    for index in 1..layers {
        if dice.one_in(4) {
            model.layers[index].tied_to = Some("layer0".into());
        }
        let from = dice.below(index);
        if dice.one_in(4) {
            model.layers[from].skips_to.push(format!("layer{index}"));
        }
    }
    if dice.one_in(2) {
        name_tensors(dice, &mut model.layers);
    }
    let mut profile = Profile::new(model, m);
    profile.devices = (0..devices).map(|index| device(dice, index, layers)).collect();
    for (from, to) in (0..devices).flat_map(|from| (0..devices).map(move |to| (from, to))) {
        if from != to && dice.one_in(2) {
            let LinkCost { latency_us, bytes_per_us } = link(dice);
            let id = |index: usize| format!("device{index}");
            let (from, to) = (id(from), id(to));
            profile.links.push(LinkProfile { from, to, latency_us, bytes_per_us });
        }
    }
    profile.default_link = dice.one_in(2).then(|| link(dice));
    profile
}

/// Names most layers' tensors, each taken by any later layers, and some of the batch's.
fn name_tensors(dice: &mut Dice, layers: &mut [LayerProfile]) {
    for index in 0..layers.len() {
        if dice.one_in(3) {
            layers[index].batch.push(BatchTensor { name: "mask".into(), bytes: 24 });
        }
        if dice.one_in(3) {
            layers[index].batch.push(BatchTensor { name: "ids".into(), bytes: 8 });
        }
        if index + 1 == layers.len() || dice.one_in(4) {
            continue;
        }
        layers[index].skips_to.clear();
        for number in 0..=dice.below(3) {
            let later = (index + 1..layers.len()).filter(|_| dice.one_in(2));
            let to: Vec<usize> = later.collect();
            let bytes = dice.bytes();
            for to in &to {
                layers[*to].input_bytes += bytes;
            }
            layers[index].gives.push(TensorProfile {
                name: format!("tensor{index}.{number}"),
                bytes,
                gradient_bytes: if dice.one_in(3) { 0 } else { dice.bytes() },
                to: to.iter().map(|to| format!("layer{to}")).collect(),
            });
        }
    }
    for layer in layers {
        layer.input_bytes += layer.batch.iter().map(|tensor| tensor.bytes).sum::<u64>();
        if !layer.gives.is_empty() {
            layer.output_bytes = layer.gives.iter().map(|tensor| tensor.bytes).sum();
        }
    }
}

fn layer(dice: &mut Dice, index: usize) -> LayerProfile {
    let param_bytes = dice.bytes();
    LayerProfile {
        name: format!("layer{index}"),
        param_bytes,
        fresh_bytes: dice.one_in(2).then(|| dice.bytes().min(param_bytes)),
        frozen_bytes: if dice.one_in(4) { dice.bytes() } else { 0 },
        buffer_bytes: if dice.one_in(4) { dice.bytes() } else { 0 },
        optimizer_bytes: dice.one_in(4).then(|| dice.bytes()),
        input_bytes: dice.bytes(),
        output_bytes: dice.bytes(),
        saved_bytes: dice.bytes(),
        output_saved_bytes: if dice.one_in(4) { dice.bytes() } else { 0 },
        input_saved_bytes: if dice.one_in(3) { dice.bytes() } else { 0 },
        weight_saved_bytes: dice.one_in(2).then(|| dice.bytes()),
        workspace_bytes: if dice.one_in(2) { dice.bytes() } else { 0 },
        split_workspace_bytes: if dice.one_in(2) { dice.bytes() } else { 0 },
        weight_workspace_bytes: if dice.one_in(2) { dice.bytes() } else { 0 },
        ..LayerProfile::default()
    }
}

fn device(dice: &mut Dice, index: usize, layers: usize) -> DeviceProfile {
    DeviceProfile {
        id: format!("device{index}"),
        memory_bytes: 1000 + dice.bytes(),
        reserve_bytes: dice.bytes(),
        forward_us: dice.times(layers, 1),
        input_grad_us: dice.times(layers, 1),
        weight_grad_us: dice.times(layers, 1),
        optimizer_us: if dice.one_in(2) {
            OptimizerTime::Device(dice.below(9) as f64)
        } else {
            OptimizerTime::Layers(dice.times(layers, 0))
        },
        saved_bytes: dice.one_in(3).then(|| (0..layers).map(|_| dice.bytes()).collect()),
        ..DeviceProfile::default()
    }
}

fn link(dice: &mut Dice) -> LinkCost {
    let bytes_per_us = [1.0, 2.0, 4.0, 8.0][dice.below(4)];
    LinkCost { latency_us: dice.below(6) as f64, bytes_per_us }
}

/// A plan over the first devices in some order: random cuts, and either a schedule with a name or
/// any order that can run.
pub(crate) fn plan(dice: &mut Dice, profile: &Profile, ranks: usize, stages: usize) -> Plan {
    let m = profile.micro_batches;
    let named: Vec<Schedule> = Schedule::names()
        .flat_map(|name| (1..4).map(move |chunks| Schedule::with_chunks(name, ranks, chunks, m)))
        .filter_map(Result::ok)
        .filter(|schedule| schedule.stages() == stages)
        .collect();
    let schedule = if named.is_empty() || dice.one_in(2) {
        any_order(dice, ranks, stages, m)
    } else {
        named[dice.below(named.len())].clone()
    };
    let devices = shuffled(dice, profile.devices.len());
    let mut cuts: Vec<usize> = (1..profile.model.layers.len()).collect();
    while cuts.len() >= stages {
        cuts.remove(dice.below(cuts.len()));
    }
    cuts.push(profile.model.layers.len());
    let mut first = 0;
    let stage = |(end, rank): (&usize, usize)| Stage {
        device: profile.devices[devices[rank]].id.clone(),
        layers: (std::mem::replace(&mut first, *end), *end),
        recompute: if dice.one_in(3) { Recompute::Full } else { Recompute::None },
    };
    let stages = cuts.iter().zip(schedule.owners()).map(stage).collect();
    Plan::new("random", stages, schedule, m)
}

fn shuffled(dice: &mut Dice, count: usize) -> Vec<usize> {
    let mut numbers: Vec<usize> = (0..count).collect();
    (1..count).for_each(|last| numbers.swap(last, dice.below(last + 1)));
    numbers
}

/// Any order that can run, of full and split backwards, with stages on any rank: some action whose
/// inputs are there comes next, again and again. All stages take the micro-batches in one order
/// forward and in one backward, as transfers arrive in the order in which they were sent.
fn any_order(dice: &mut Dice, ranks: usize, stages: usize, m: usize) -> Schedule {
    use ActionKind::{Backward, Forward, InputGrad, WeightGrad};
    // Every rank has a stage; the others lie anywhere.
    let owners: Vec<usize> =
        (0..stages).map(|stage| if stage < ranks { stage } else { dice.below(ranks) }).collect();
    let split: Vec<bool> = (0..stages * m).map(|_| dice.one_in(2)).collect();
    let orders = [shuffled(dice, m), shuffled(dice, m)];
    let mut done: Vec<Action> = Vec::new();
    let mut rows = vec![Vec::new(); ranks];
    loop {
        let has = |stage, kind, micro_batch| done.contains(&Action::new(stage, kind, micro_batch));
        let mut ready = Vec::new();
        for (stage, micro_batch) in (0..stages).flat_map(|s| (0..m).map(move |mb| (s, mb))) {
            let gone_back = |s| has(s, Backward, micro_batch) || has(s, InputGrad, micro_batch);
            let forward = has(stage, Forward, micro_batch);
            let count = |kinds: &[ActionKind]| {
                done.iter().filter(|a| a.stage == stage && kinds.contains(&a.kind)).count()
            };
            let turn = orders[0].get(count(&[Forward])) == Some(&micro_batch);
            if turn && (stage == 0 || has(stage - 1, Forward, micro_batch)) {
                ready.push(Action::forward(stage, micro_batch));
            }
            let turn = orders[1].get(count(&[Backward, InputGrad])) == Some(&micro_batch);
            if turn && forward && (stage + 1 == stages || gone_back(stage + 1)) {
                let kind = if split[stage * m + micro_batch] { InputGrad } else { Backward };
                ready.push(Action::new(stage, kind, micro_batch));
            }
            if has(stage, InputGrad, micro_batch) && !has(stage, WeightGrad, micro_batch) {
                ready.push(Action::new(stage, WeightGrad, micro_batch));
            }
        }
        if ready.is_empty() {
            return Schedule::new("random", rows);
        }
        let action = ready[dice.below(ready.len())];
        rows[owners[action.stage]].push(action);
        done.push(action);
    }
}
