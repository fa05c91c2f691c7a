//! List scheduling with look-ahead: simulates a step, and whenever a rank is free lets rules choose
//! its next operation.
//!
//! A transfer's arrival is known as soon as its sender starts to compute it, so a rank can decide to
//! wait for it. Memory is counted from that moment too, so that a forward starts only where its output
//! finds room.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::list_rules::{Prefer, Rules};
use super::memory_tracker::MemoryTracker;
use super::order::{Op, Order};
use crate::ActionKind;
use crate::costs::{PipelineCosts, StageCosts};

/// Input of a stage for one micro-batch.
#[derive(Clone, Copy)]
struct Input {
    missing: usize,
    /// Arrival of the last tensor that is on its way, µs.
    arrives_us: f64,
    bytes: u64,
}

#[derive(Clone, Copy, Default)]
struct StageState {
    forwards: usize,
    backwards: usize,
    weights: usize,
}

#[derive(Clone, Copy)]
struct RankState {
    free_us: f64,
    /// Whether its last operation was a forward.
    forward_last: bool,
    doing: Option<Op>,
    /// Whether it waits for memory on another rank, or for its own sends to arrive.
    blocked: bool,
}

/// An operation that could come next.
#[derive(Clone, Copy)]
struct Choice {
    op: Op,
    /// Its earliest start, µs.
    from_us: f64,
}

struct ListSchedule<'a> {
    costs: &'a PipelineCosts,
    rules: &'a Rules,
    micro_batches: usize,
    /// Stages of every rank, ascending.
    stages_of: Vec<Vec<usize>>,
    stages: Vec<StageState>,
    ranks: Vec<RankState>,
    forwards: Vec<Input>,
    backwards: Vec<Input>,
    link_free_us: Vec<f64>,
    memory: MemoryTracker<'a>,
    /// Times at which ranks choose, as bits of µs, and the ranks.
    wakes: BinaryHeap<Reverse<(u64, usize)>>,
    order: Order,
}

/// The order that rules lead to; `None` if they lead to where no rank can go on.
pub(super) fn build(costs: &PipelineCosts, micro_batches: usize, rules: &Rules) -> Option<Order> {
    let mut list = ListSchedule::new(costs, micro_batches, rules);
    while let Some(Reverse((bits, rank))) = list.wakes.pop() {
        list.wake(rank, f64::from_bits(bits));
    }
    let complete = list.stages.iter().all(|stage| {
        stage.backwards == micro_batches
            && (!rules.split_backward || stage.weights == micro_batches)
    });
    complete.then_some(list.order)
}

impl<'a> ListSchedule<'a> {
    fn new(costs: &'a PipelineCosts, micro_batches: usize, rules: &'a Rules) -> Self {
        let inputs = |missing: fn(&StageCosts) -> usize| {
            let input = |stage| Input { missing: missing(stage), arrives_us: 0.0, bytes: 0 };
            let cells = |stage| std::iter::repeat_n(input(stage), micro_batches);
            costs.stages.iter().flat_map(cells).collect()
        };
        let idle = RankState { free_us: 0.0, forward_last: false, doing: None, blocked: false };
        let mut stages_of = vec![Vec::new(); costs.ranks.len()];
        for (index, stage) in costs.stages.iter().enumerate() {
            stages_of[stage.rank].push(index);
        }
        Self {
            costs,
            rules,
            micro_batches,
            stages_of,
            stages: vec![StageState::default(); costs.stages.len()],
            ranks: vec![idle; costs.ranks.len()],
            forwards: inputs(|stage| stage.inputs),
            backwards: inputs(|stage| stage.output_grads),
            link_free_us: vec![0.0; costs.links.len()],
            memory: MemoryTracker::new(costs, rules),
            wakes: (0..costs.ranks.len()).map(|rank| Reverse((0, rank))).collect(),
            order: vec![Vec::new(); costs.ranks.len()],
        }
    }

    fn wake(&mut self, rank: usize, now: f64) {
        if self.ranks[rank].free_us > now {
            return;
        }
        if let Some(op) = self.ranks[rank].doing.take() {
            self.memory.end(rank, op);
            for other in 0..self.ranks.len() {
                if std::mem::take(&mut self.ranks[other].blocked) {
                    self.wakes.push(Reverse((now.to_bits(), other)));
                }
            }
        }
        self.memory.free_arrived(rank, now);
        self.ranks[rank].blocked = false;
        if let Some(op) = self.choose(rank, now) {
            self.start(rank, op, now);
        } else if self.ranks[rank].blocked {
            // Its own sends hold memory too.
            let arrival = self.memory.next_arrival_us(rank);
            self.wakes.extend(arrival.map(|at_us| Reverse((at_us.to_bits(), rank))));
        }
    }

    fn choose(&mut self, rank: usize, now: f64) -> Option<Op> {
        if let Some(op) = self.weight(rank, true) {
            return Some(op);
        }
        let backward = self.backward(rank, now);
        let forward = self.forward(rank, now);
        let ready = |choice: Option<Choice>| choice.filter(|choice| choice.from_us <= now);
        let first = match (ready(backward), ready(forward)) {
            (Some(backward), Some(forward)) => {
                let forward_first = match self.rules.prefer {
                    Prefer::Backward => false,
                    Prefer::Forward => true,
                    Prefer::Alternate => !self.ranks[rank].forward_last,
                };
                Some(if forward_first { forward } else { backward })
            }
            (backward, forward) => backward.or(forward),
        };
        let (op, better) = if let Some(choice) = first {
            // Only a forward waits, for a backward; a backward that is ready starts.
            (choice.op, backward)
        } else {
            let soon = [backward, forward].into_iter().flatten();
            let soonest = soon.reduce(|a, b| if b.from_us < a.from_us { b } else { a });
            (self.weight(rank, false)?, soonest)
        };
        // The better one may come before this would be done.
        let takes_us = self.costs.stages[op.stage].duration_us(op.kind);
        let waits = better.is_some_and(|better| {
            better.from_us > now && better.from_us - now < self.rules.patience * takes_us
        });
        (!waits).then_some(op)
    }

    /// The backward that is ready, or else the first to come.
    fn backward(&self, rank: usize, now: f64) -> Option<Choice> {
        let kind =
            if self.rules.split_backward { ActionKind::InputGrad } else { ActionKind::Backward };
        let ready = self.stages_of[rank].iter().filter_map(|&stage| {
            let state = self.stages[stage];
            let input = self.backwards.get(self.cell(stage, state.backwards)?)?;
            (input.missing == 0 && state.backwards < state.forwards)
                .then_some(Choice { op: Op { stage, kind }, from_us: input.arrives_us })
        });
        // Of several that are ready the oldest micro-batch, then the latest stage.
        ready.reduce(|a, b| {
            let key =
                |choice: &Choice| (choice.from_us.max(now), self.stages[choice.op.stage].backwards);
            if key(&b) <= key(&a) { b } else { a }
        })
    }

    /// As [`Self::backward`], of those that the rules and the memory allow.
    fn forward(&mut self, rank: usize, now: f64) -> Option<Choice> {
        let mut best: Option<Choice> = None;
        for index in 0..self.stages_of[rank].len() {
            let stage = self.stages_of[rank][index];
            let state = self.stages[stage];
            let Some(cell) = self.cell(stage, state.forwards) else { continue };
            let input = self.forwards[cell];
            if input.missing > 0 || state.forwards - state.backwards >= self.rules.depth[stage] {
                continue;
            }
            let choice =
                Choice { op: Op { stage, kind: ActionKind::Forward }, from_us: input.arrives_us };
            // Of several that are ready the latest stage.
            let is_sooner =
                best.is_none_or(|best| choice.from_us.max(now) <= best.from_us.max(now));
            if is_sooner && self.has_room(rank, stage, input.bytes) {
                best = Some(choice);
            }
        }
        best
    }

    /// Whether the next forward of a stage finds room, here and where its output goes.
    fn has_room(&mut self, rank: usize, stage: usize, input: u64) -> bool {
        let micro_batch = self.stages[stage].forwards;
        // The oldest micro-batch in flight must be able to go through all of the rank's stages.
        let oldest = self.stages_of[rank].iter().map(|&s| self.stages[s].backwards).min();
        let is_oldest = oldest.is_none_or(|oldest| micro_batch <= oldest);
        let mut reserved: u64 = 0;
        for &other in &self.stages_of[rank] {
            let to_come = self.stages[other].forwards <= oldest.unwrap_or(0);
            if other > stage && to_come {
                let footprint = self.costs.stages[other].footprint(ActionKind::Forward);
                reserved = reserved.saturating_add(footprint.kept);
            }
        }
        let fits = self.memory.fits(rank, stage, input, reserved, is_oldest);
        self.ranks[rank].blocked |= !fits;
        fits
    }

    /// The weight gradient of the stage that has put off most; with `over`, only if the rank has put
    /// off more than the rules allow.
    fn weight(&self, rank: usize, over: bool) -> Option<Op> {
        let pending = |stage: &usize| self.stages[*stage].backwards - self.stages[*stage].weights;
        let stages = self.stages_of[rank].iter().copied().filter(|_| self.rules.split_backward);
        let of_rank = stages.filter(|stage| pending(stage) > 0);
        let stage = of_rank.max_by_key(|stage| (pending(stage), *stage))?;
        let all: usize = self.stages_of[rank].iter().map(pending).sum();
        let allowed = !over || all > self.rules.weights_pending[rank];
        allowed.then_some(Op { stage, kind: ActionKind::WeightGrad })
    }

    fn start(&mut self, rank: usize, op: Op, now: f64) {
        let Op { stage, kind } = op;
        let end_us = now + self.costs.stages[stage].duration_us(kind);
        let state = &mut self.stages[stage];
        let (done, inputs) = match kind {
            ActionKind::Forward => (&mut state.forwards, Some(&mut self.forwards)),
            ActionKind::WeightGrad => (&mut state.weights, None),
            _ => (&mut state.backwards, Some(&mut self.backwards)),
        };
        let micro_batch = *done;
        *done += 1;
        let cell = stage * self.micro_batches + micro_batch;
        let used = inputs.map_or(0, |inputs| std::mem::take(&mut inputs[cell].bytes));
        self.memory.start(rank, op, used);
        self.order[rank].push(op);
        self.ranks[rank] = RankState {
            free_us: end_us,
            forward_last: kind == ActionKind::Forward,
            doing: Some(op),
            blocked: false,
        };
        self.wakes.push(Reverse((end_us.to_bits(), rank)));
        self.send(rank, op, micro_batch, end_us);
    }

    /// Puts the outputs of an operation on their way when it starts: its end is known by then.
    fn send(&mut self, rank: usize, op: Op, micro_batch: usize, end_us: f64) {
        let stage = &self.costs.stages[op.stage];
        let (routes, inputs) = match op.kind {
            ActionKind::Forward => (&stage.outputs, &mut self.forwards),
            ActionKind::WeightGrad => return,
            _ => (&stage.input_grads, &mut self.backwards),
        };
        for route in routes {
            let to = self.costs.stages[route.stage].rank;
            let input = &mut inputs[route.stage * self.micro_batches + micro_batch];
            let arrives_us = match route.link {
                None => end_us,
                Some(link) => {
                    let free_us = &mut self.link_free_us[link];
                    *free_us = free_us.max(end_us) + route.transfer_us;
                    input.bytes = input.bytes.saturating_add(route.bytes);
                    self.memory.send(rank, to, route.bytes, *free_us);
                    *free_us
                }
            };
            input.missing = input.missing.saturating_sub(1);
            input.arrives_us = input.arrives_us.max(arrives_us);
            self.wakes.push(Reverse((arrives_us.to_bits(), to)));
        }
    }

    /// Index of a stage's micro-batch; `None` beyond the last.
    fn cell(&self, stage: usize, micro_batch: usize) -> Option<usize> {
        (micro_batch < self.micro_batches).then_some(stage * self.micro_batches + micro_batch)
    }
}
