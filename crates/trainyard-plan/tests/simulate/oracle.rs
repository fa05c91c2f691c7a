//! The step worked out in another way: every action and transfer gets a time, 0 at first, and all
//! of them are put right again and again until nothing changes. Nothing but the profile and the
//! plan goes in.

use std::collections::BTreeMap;

use proptest::prelude::*;
use trainyard_plan::simulate::simulate_traced;
use trainyard_plan::{Action, ActionKind, OptimizerTime, Plan, Profile, Recompute};

use crate::memory_oracle;
use crate::random::{self, Dice};

/// A computation, with when it runs.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) rank: usize,
    pub(crate) action: Action,
    takes: f64,
    pub(crate) start: f64,
    pub(crate) end: f64,
}

/// A tensor from one rank to another, with when it moves.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    /// Index of the work that makes it.
    from: usize,
    /// Index of the work that waits for it, if any does.
    pub(crate) to: Option<usize>,
    pub(crate) ranks: (usize, usize),
    pub(crate) bytes: u64,
    takes: f64,
    /// For those made at the same time by the same work: which goes first.
    order: usize,
    /// Whether it needs buffers.
    pub(crate) buffered: bool,
    pub(crate) made: f64,
    pub(crate) start: f64,
    pub(crate) end: f64,
}

/// A step, by the oracle.
pub(crate) struct Step {
    pub(crate) works: Vec<Work>,
    pub(crate) moves: Vec<Move>,
    /// Inputs from the same rank: maker and user.
    handed: Vec<(usize, usize)>,
    pub(crate) length_us: f64,
}

impl Step {
    pub(crate) fn of(profile: &Profile, plan: &Plan) -> Self {
        let mut step =
            Self { works: Vec::new(), moves: Vec::new(), handed: Vec::new(), length_us: 0.0 };
        step.list_works(profile, plan);
        step.list_moves(profile, plan);
        // Each round settles at least the earliest thing that was wrong.
        let rounds = 4 * (step.works.len() + step.moves.len());
        let settled = (0..rounds).any(|_| !step.put_right());
        assert!(settled, "the oracle does not settle");
        let ends = step.works.iter().map(|w| w.end).chain(step.moves.iter().map(|m| m.end));
        step.length_us = ends.fold(0.0, f64::max);
        step
    }

    fn list_works(&mut self, profile: &Profile, plan: &Plan) {
        for (rank, row) in plan.schedule.ranks.iter().enumerate() {
            for &action in row {
                let stage = &plan.stages[action.stage];
                let device = &profile.devices[profile.device_index(&stage.device).unwrap()];
                let sum = |times: &[f64]| -> f64 {
                    (stage.layers.0..stage.layers.1).map(|layer| times[layer]).sum()
                };
                let forward = sum(&device.forward_us);
                let again = if stage.recompute == Recompute::Full { forward } else { 0.0 };
                let input_grad = sum(&device.input_grad_us) + again;
                let weight_grad = sum(&device.weight_grad_us);
                let takes = match action.kind {
                    ActionKind::Forward => forward,
                    ActionKind::Backward => input_grad + weight_grad,
                    ActionKind::InputGrad => input_grad,
                    _ => weight_grad,
                };
                self.works.push(Work { rank, action, takes, start: 0.0, end: 0.0 });
            }
            let first_stage = row.iter().map(|action| action.stage).min().unwrap();
            let action = Action::new(first_stage, ActionKind::Optimizer, 0);
            let takes = optimizer_us(profile, plan, rank);
            self.works.push(Work { rank, action, takes, start: 0.0, end: 0.0 });
        }
    }

    fn find(&self, stage: usize, micro_batch: usize, forward: bool) -> usize {
        let is = |kind| match kind {
            ActionKind::Forward => forward,
            ActionKind::Backward | ActionKind::InputGrad => !forward,
            _ => false,
        };
        let same = |a: Action| a.stage == stage && a.micro_batch == micro_batch && is(a.kind);
        self.works.iter().position(|work| same(work.action)).unwrap()
    }

    fn list_moves(&mut self, profile: &Profile, plan: &Plan) {
        let layers = &profile.model.layers;
        let stage_of = |layer: usize| plan.stage_of_layer(layer).unwrap();
        let index = |name: &str| layers.iter().position(|layer| layer.name == name).unwrap();
        for (order, (from, to, there, back)) in ways(profile, plan).into_iter().enumerate() {
            for micro_batch in 0..plan.micro_batches {
                let forward = [from, to].map(|stage| self.find(stage, micro_batch, true));
                let backward = [to, from].map(|stage| self.find(stage, micro_batch, false));
                for ([maker, user], bytes) in [(forward, there), (backward, back)] {
                    // Neighbours wait for each other, whatever there is to send.
                    match bytes {
                        Some(bytes) if self.works[maker].rank != self.works[user].rank => {
                            self.push_move(profile, plan, maker, Some(user), bytes, order);
                        }
                        None if from + 1 != to => {}
                        _ => self.handed.push((maker, user)),
                    }
                }
            }
        }
        for (follower, layer) in layers.iter().enumerate() {
            let Some(owner) = layer.tied_to.as_deref().map(index) else { continue };
            let rank_of = |layer| plan.rank_of_stage(stage_of(layer)).unwrap();
            let (from, to) = (rank_of(follower), rank_of(owner));
            // Frozen weights are not exchanged.
            let bytes = layer.param_bytes.min(layers[owner].param_bytes);
            if from != to && bytes > 0 {
                let optimizer =
                    |rank: usize| self.works.iter().rposition(|work| work.rank == rank).unwrap();
                let (last, owners) = (optimizer(from) - 1, optimizer(to));
                let order = 1_000_000 + follower;
                self.push_move(profile, plan, last, Some(owners), bytes, order);
                self.moves.last_mut().unwrap().buffered = false;
                self.push_move(profile, plan, owners, None, bytes, order);
                self.moves.last_mut().unwrap().buffered = false;
                let back = self.moves.last_mut().unwrap();
                back.ranks = (to, from);
                back.takes = link_us(profile, plan, (to, from), bytes);
            }
        }
    }

    fn push_move(
        &mut self,
        profile: &Profile,
        plan: &Plan,
        from: usize,
        to: Option<usize>,
        bytes: u64,
        order: usize,
    ) {
        let ranks = (self.works[from].rank, to.map_or(0, |to| self.works[to].rank));
        let takes = link_us(profile, plan, ranks, bytes);
        let (made, start, end) = (0.0, 0.0, 0.0);
        let buffered = true;
        self.moves.push(Move { from, to, ranks, bytes, takes, order, buffered, made, start, end });
    }

    /// One round; says whether anything changed.
    fn put_right(&mut self) -> bool {
        let before: Vec<f64> =
            self.works.iter().map(|w| w.end).chain(self.moves.iter().map(|m| m.end)).collect();
        for index in 0..self.works.len() {
            let same_rank = index > 0 && self.works[index - 1].rank == self.works[index].rank;
            let free = if same_rank { self.works[index - 1].end } else { 0.0 };
            let start = self.inputs(index).map(|(at, _)| at).fold(free, f64::max);
            let work = &mut self.works[index];
            (work.start, work.end) = (start, start + work.takes);
        }
        let mut queues: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for index in 0..self.moves.len() {
            self.moves[index].made = self.works[self.moves[index].from].end;
            queues.entry(self.moves[index].ranks).or_default().push(index);
        }
        for queue in queues.values_mut() {
            let key = |index: &usize| {
                let Move { made, from, order, .. } = self.moves[*index];
                (made.to_bits(), from, order)
            };
            queue.sort_by_key(key);
            let mut free = 0.0;
            for index in queue {
                let transfer = &mut self.moves[*index];
                transfer.start = f64::max(free, transfer.made);
                transfer.end = transfer.start + transfer.takes;
                free = transfer.end;
            }
        }
        let after = self.works.iter().map(|w| w.end).chain(self.moves.iter().map(|m| m.end));
        after.zip(before).any(|(after, before)| after.to_bits() != before.to_bits())
    }

    /// When each input of a work comes, and when it had been made.
    fn inputs(&self, work: usize) -> impl Iterator<Item = (f64, f64)> {
        let moved = self.moves.iter().filter(move |m| m.to == Some(work)).map(|m| (m.end, m.made));
        let handed = self.handed.iter().filter(move |(_, user)| *user == work);
        moved.chain(handed.map(|(maker, _)| (self.works[*maker].end, self.works[*maker].end)))
    }

    /// Warm-up, drain, neighbour, link of a rank.
    pub(crate) fn idle(&self, rank: usize) -> [f64; 4] {
        let mut idle = [0.0; 4];
        let of_rank = (0..self.works.len()).filter(|index| self.works[*index].rank == rank);
        let mut free = None;
        for index in of_rank {
            let work = &self.works[index];
            let Some(free_us) = free.replace(work.end) else {
                idle[0] = work.start;
                continue;
            };
            let inputs: Vec<_> = self.inputs(index).collect();
            let last = inputs.into_iter().max_by(|a, b| a.partial_cmp(b).unwrap());
            let waited = work.start - free_us;
            let made = last.map_or(free_us, |(_, made)| made.clamp(free_us, work.start));
            idle[2] += made - free_us;
            idle[3] += waited - (made - free_us);
        }
        idle[1] = self.length_us - free.unwrap();
        idle
    }
}

/// From stage, to stage, bytes there and bytes back, where anything goes: one message for each pair
/// of stages, and one for each skip.
fn ways(profile: &Profile, plan: &Plan) -> Vec<(usize, usize, Option<u64>, Option<u64>)> {
    let layers = &profile.model.layers;
    let in_stage = |stage: usize, name: &String| {
        let (first, end) = plan.stages[stage].layers;
        layers[first..end].iter().any(|layer| layer.name == *name)
    };
    let mut ways = Vec::new();
    let stages = plan.stages.len();
    for (from, to) in (0..stages).flat_map(|from| (from + 1..stages).map(move |to| (from, to))) {
        let (first, end) = plan.stages[from].layers;
        let tensors = || layers[first..end].iter().flat_map(|layer| &layer.gives);
        let carried: Vec<_> =
            tensors().filter(|t| t.to.iter().any(|name| in_stage(to, name))).collect();
        let mut there: Vec<u64> = carried.iter().map(|tensor| tensor.bytes).collect();
        let with_gradient = carried.iter().filter(|tensor| tensor.gradient_bytes > 0);
        let mut back: Vec<u64> = with_gradient.map(|tensor| tensor.gradient_bytes).collect();
        if to == from + 1 && layers[end - 1].gives.is_empty() {
            there.push(layers[end - 1].output_bytes);
            back.push(memory_oracle::unnamed(layers, end));
        }
        let sum = |bytes: Vec<u64>| (!bytes.is_empty()).then(|| bytes.into_iter().sum());
        if to == from + 1 || !there.is_empty() {
            ways.push((from, to, sum(there), sum(back)));
        }
    }
    let stage_of = |layer: usize| plan.stage_of_layer(layer).unwrap();
    for (source, layer) in layers.iter().enumerate() {
        for target in &layer.skips_to {
            let target = layers.iter().position(|layer| layer.name == *target).unwrap();
            let (from, to) = (stage_of(source), stage_of(target));
            if from != to {
                ways.push((from, to, Some(layer.output_bytes), Some(layer.output_bytes)));
            }
        }
    }
    ways
}

fn optimizer_us(profile: &Profile, plan: &Plan, rank: usize) -> f64 {
    let owners = plan.schedule.owners();
    let stages = || plan.stages.iter().zip(&owners).filter(|(_, r)| **r == rank).map(|(s, _)| s);
    let device = profile.device_index(&stages().next().unwrap().device).unwrap();
    match &profile.devices[device].optimizer_us {
        OptimizerTime::Device(time) => *time,
        OptimizerTime::Layers(times) => {
            stages().flat_map(|stage| &times[stage.layers.0..stage.layers.1]).sum()
        }
    }
}

fn link_us(profile: &Profile, plan: &Plan, ranks: (usize, usize), bytes: u64) -> f64 {
    let owners = plan.schedule.owners();
    let id = |rank: usize| &plan.stages[owners.iter().position(|r| *r == rank).unwrap()].device;
    let (from, to) = (id(ranks.0), id(ranks.1));
    let listed = profile.links.iter().find(|link| link.from == *from && link.to == *to);
    match (listed, profile.default_link) {
        (Some(link), _) => link.latency_us + bytes as f64 / link.bytes_per_us,
        (None, Some(link)) => link.latency_us + bytes as f64 / link.bytes_per_us,
        (None, None) => 0.0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_simulator_says_what_the_oracle_says(
        seed in any::<u64>(),
        ranks in 1_usize..5,
        more_stages in 0_usize..4,
        more_layers in 0_usize..4,
        m in 1_usize..6,
    ) {
        let mut dice = Dice(seed);
        let stages = ranks + more_stages;
        let profile = random::profile(&mut dice, stages + more_layers, ranks + 1, m);
        let plan = random::plan(&mut dice, &profile, ranks, stages);
        let oracle = Step::of(&profile, &plan);
        let (simulation, trace) = simulate_traced(&profile, &plan).unwrap();
        prop_assert_eq!(simulation.step_us, oracle.length_us);
        for (rank, device) in simulation.devices.iter().enumerate() {
            let idle = device.idle_us;
            let idle = [idle.warm_up_us, idle.drain_us, idle.neighbour_us, idle.link_us];
            prop_assert_eq!(idle, oracle.idle(rank), "idle of rank {}", rank);
            let (peak, at) = memory_oracle::peak(&profile, &plan, &oracle, rank);
            prop_assert_eq!(device.peak_bytes, peak, "peak of rank {}", rank);
            prop_assert_eq!(device.peak_at_us, at);
        }
        let computed = trace.events.iter().filter(|event| event.bytes == 0).count();
        prop_assert!(computed >= oracle.works.len());
        for work in &oracle.works {
            let (start_ns, end_ns) = (work.start as u64 * 1000, work.end as u64 * 1000);
            let found = trace.events.iter().any(|event| {
                (event.device, event.action) == (work.rank, work.action)
                    && (event.start_ns, event.end_ns) == (start_ns, end_ns)
            });
            prop_assert!(found, "{:?} is not in the trace", work);
        }
    }
}
