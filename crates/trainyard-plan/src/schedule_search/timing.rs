//! Step time of an order: the simulator's times without its memory, ten times as fast.
//!
//! Only one rank sends on a directed link, in the order of its operations, so who queues behind whom does
//! not depend on times. All starts follow from one pass along the order.

use std::collections::VecDeque;

use super::order::{Done, Op, Order};
use crate::ActionKind;
use crate::costs::{PipelineCosts, Route};

/// An operation by rank and position.
pub(super) type Place = (usize, usize);

/// Consecutive operations of a rank on the critical path, each starting when the one before ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) rank: usize,
    pub(super) first: usize,
    pub(super) last: usize,
}

/// Times orders of the same costs, again and again.
pub(super) struct Timing<'a> {
    costs: &'a PipelineCosts,
    micro_batches: usize,
    forwards: Vec<Input>,
    backwards: Vec<Input>,
    links: Vec<LinkState>,
    ranks: Vec<RankState>,
    done: Vec<Done>,
    to_try: VecDeque<usize>,
    /// Last end of the step, and where it comes from.
    last: LinkState,
}

/// Arrival of an operation's inputs.
#[derive(Clone, Copy)]
struct Input {
    missing: usize,
    ready_us: f64,
    from: Option<Place>,
}

#[derive(Clone, Copy, Default)]
struct LinkState {
    free_us: f64,
    /// Operation that the transfer on the link goes back to, through those it queued behind.
    from: Option<Place>,
}

#[derive(Clone, Default)]
struct RankState {
    /// End of each operation, µs.
    ends: Vec<f64>,
    /// Operation of another rank that each waited for; `None` if it followed the one before it.
    causes: Vec<Option<Place>>,
    free_us: f64,
    /// Whether the input of the next operation is still to come.
    waiting: bool,
    /// Micro-batch of the operation that waits to start.
    micro_batch: Option<usize>,
}

impl<'a> Timing<'a> {
    pub(super) fn new(costs: &'a PipelineCosts, micro_batches: usize) -> Self {
        let cells = costs.stages.len() * micro_batches;
        let input = Input { missing: 0, ready_us: 0.0, from: None };
        Self {
            costs,
            micro_batches,
            forwards: vec![input; cells],
            backwards: vec![input; cells],
            links: Vec::new(),
            ranks: vec![RankState::default(); costs.ranks.len()],
            done: vec![Done::default(); costs.stages.len()],
            to_try: VecDeque::new(),
            last: LinkState::default(),
        }
    }

    /// Time of the step, µs; `None` for an order that cannot run to its end.
    pub(super) fn step_us(&mut self, order: &Order) -> Option<f64> {
        self.reset();
        while let Some(rank) = self.to_try.pop_front() {
            self.ranks[rank].waiting = false;
            self.advance(rank, &order[rank])?;
        }
        let all = self.ranks.iter().zip(order).all(|(rank, row)| rank.ends.len() == row.len());
        all.then(|| self.finish())
    }

    fn reset(&mut self) {
        let costs = self.costs;
        for (index, stage) in costs.stages.iter().enumerate() {
            let cells = index * self.micro_batches..(index + 1) * self.micro_batches;
            let input = |missing| Input { missing, ready_us: 0.0, from: None };
            self.forwards[cells.clone()].fill(input(stage.inputs));
            self.backwards[cells].fill(input(stage.output_grads));
        }
        self.links.clear();
        self.links.resize(costs.links.len(), LinkState::default());
        self.done.iter_mut().for_each(Done::reset);
        for rank in &mut self.ranks {
            rank.ends.clear();
            rank.causes.clear();
            (rank.free_us, rank.waiting, rank.micro_batch) = (0.0, true, None);
        }
        self.to_try.clear();
        self.to_try.extend(0..self.ranks.len());
    }

    /// Runs a rank as far as its inputs are known. `None` for an operation that cannot come at all.
    fn advance(&mut self, rank: usize, row: &[Op]) -> Option<()> {
        while let Some(&Op { stage, kind }) = row.get(self.ranks[rank].ends.len()) {
            let micro_batch = match self.ranks[rank].micro_batch {
                Some(micro_batch) => micro_batch,
                None => self.done[stage].advance(kind)?,
            };
            let cell = stage * self.micro_batches + micro_batch;
            // A W has its input since its I.
            let inputs = if kind == ActionKind::Forward { &self.forwards } else { &self.backwards };
            let input = inputs[cell];
            let state = &mut self.ranks[rank];
            if input.missing > 0 {
                (state.waiting, state.micro_batch) = (true, Some(micro_batch));
                return Some(());
            }
            state.micro_batch = None;
            let is_late = input.ready_us > state.free_us;
            let start_us = state.free_us.max(input.ready_us);
            let end_us = start_us + self.costs.stages[stage].duration_us(kind);
            state.free_us = end_us;
            state.causes.push(input.from.filter(|_| is_late));
            state.ends.push(end_us);
            let place = (rank, state.ends.len() - 1);
            self.pass_on(place, stage, kind, micro_batch, end_us);
        }
        Some(())
    }

    fn pass_on(&mut self, from: Place, stage: usize, kind: ActionKind, m: usize, now: f64) {
        let stage = &self.costs.stages[stage];
        let (routes, inputs) = match kind {
            ActionKind::Forward => (&stage.outputs, &mut self.forwards),
            ActionKind::WeightGrad => return,
            _ => (&stage.input_grads, &mut self.backwards),
        };
        for route in routes {
            let arrival = arrive(&mut self.links, route, from, now);
            let input = &mut inputs[route.stage * self.micro_batches + m];
            input.missing = input.missing.saturating_sub(1);
            if arrival.free_us >= input.ready_us {
                (input.ready_us, input.from) = (arrival.free_us, arrival.from);
            }
            let to = self.costs.stages[route.stage].rank;
            if input.missing == 0 && self.ranks[to].waiting {
                self.ranks[to].waiting = false;
                self.to_try.push_back(to);
            }
        }
    }

    /// Optimizer steps and tied weights.
    fn finish(&mut self) -> f64 {
        let mut ready: Vec<LinkState> = (self.ranks.iter().enumerate())
            .map(|(rank, state)| LinkState {
                free_us: state.free_us,
                from: state.ends.len().checked_sub(1).map(|position| (rank, position)),
            })
            .collect();
        let last_ops = ready.clone();
        for tie in &self.costs.ties {
            let sent = last_ops[tie.follower];
            let link = &mut self.links[tie.gradient.0];
            if sent.free_us >= link.free_us {
                *link = sent;
            }
            link.free_us += tie.gradient.1;
            if link.free_us > ready[tie.owner].free_us {
                ready[tie.owner] = *link;
            }
        }
        for (state, rank) in ready.iter_mut().zip(&self.costs.ranks) {
            state.free_us += rank.optimizer_us;
        }
        let mut last = ready.iter().copied().fold(LinkState::default(), later);
        for tie in &self.costs.ties {
            let link = &mut self.links[tie.weights.0];
            if ready[tie.owner].free_us >= link.free_us {
                *link = ready[tie.owner];
            }
            link.free_us += tie.weights.1;
            last = later(last, *link);
        }
        last = self.links.iter().copied().fold(last, later);
        self.last = last;
        last.free_us
    }

    /// Step time of the last order, µs.
    pub(super) fn last_us(&self) -> f64 {
        self.last.free_us
    }

    /// Sum over the ranks of the end of their last operation, µs.
    pub(super) fn ends_sum_us(&self) -> f64 {
        self.ranks.iter().map(|rank| rank.free_us).sum()
    }

    /// Critical path of the last order, from its end backwards.
    pub(super) fn critical(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut next = self.last.from;
        while let Some((rank, last)) = next {
            let causes = &self.ranks[rank].causes;
            let first = (0..=last).rev().find(|&at| causes[at].is_some()).unwrap_or(0);
            blocks.push(Block { rank, first, last });
            next = causes[first];
        }
        blocks
    }
}

fn later(a: LinkState, b: LinkState) -> LinkState {
    if b.free_us > a.free_us { b } else { a }
}

/// Arrival of a tensor that is there now, and what it goes back to.
fn arrive(links: &mut [LinkState], route: &Route, from: Place, now: f64) -> LinkState {
    let Some(link) = route.link else { return LinkState { free_us: now, from: Some(from) } };
    let link = &mut links[link];
    if now >= link.free_us {
        *link = LinkState { free_us: now, from: Some(from) };
    }
    link.free_us += route.transfer_us;
    *link
}
