//! What ranks hold while a list schedule is made: the simulator's rules, but buffers count from
//! the moment that something is sure to need them.

use std::collections::VecDeque;

use super::rows::Turn;
use crate::ActionKind;
use crate::costs::PipelineCosts;

/// The memory of every rank.
pub(super) struct Room<'a> {
    costs: &'a PipelineCosts,
    ranks: Vec<RankRoom>,
}

#[derive(Clone, Default)]
struct RankRoom {
    /// Weights and the like, activations, and inputs that are there or on their way.
    held: u64,
    /// What the turn it is doing needs for a moment.
    work: u64,
    /// Sends that have not arrived: when they will have, µs, and their size.
    sends: VecDeque<(f64, u64)>,
    /// Their sum.
    sending: u64,
    /// What must stay free for a backward: its work, its input and its output; 0 if nobody cares.
    for_backward: u64,
}

impl RankRoom {
    fn total(&self) -> u64 {
        self.held.saturating_add(self.work).saturating_add(self.sending)
    }
}

impl<'a> Room<'a> {
    pub(super) fn new(costs: &'a PipelineCosts, careful: bool) -> Self {
        let mut ranks = vec![RankRoom::default(); costs.ranks.len()];
        for (room, rank) in ranks.iter_mut().zip(&costs.ranks) {
            room.held = rank.fixed.total();
        }
        for stage in costs.stages.iter().filter(|_| careful) {
            let sent = |routes: &[crate::costs::Route]| {
                let over_links = routes.iter().filter(|route| route.link.is_some());
                over_links.map(|route| route.bytes).fold(0, u64::saturating_add)
            };
            let work = stage.memory.backward_workspace(stage.recompute);
            let room = &mut ranks[stage.rank];
            let need = work.saturating_add(sent(&stage.outputs));
            room.for_backward = room.for_backward.max(need).max(sent(&stage.input_grads));
        }
        Self { costs, ranks }
    }

    /// Whether the forward of a stage can start, with so much to be left for stages to come. What
    /// nothing else can go on without need only find room for itself.
    pub(super) fn fits(
        &self,
        rank: usize,
        stage: usize,
        input: u64,
        reserved: u64,
        must: bool,
    ) -> bool {
        let costs = &self.costs.stages[stage];
        let room = &self.ranks[rank];
        let kept = costs.memory.kept(costs.recompute);
        let held = room.total().saturating_sub(input).saturating_add(kept);
        let work = costs.memory.forward_workspace(costs.recompute);
        let after = if must { 0 } else { room.for_backward };
        let most = held.saturating_add(work.max(reserved.saturating_add(after)));
        if most > self.costs.ranks[rank].budget_bytes {
            return false;
        }
        must || costs.outputs.iter().filter(|route| route.link.is_some()).all(|route| {
            let to = self.costs.stages[route.stage].rank;
            let there = &self.ranks[to];
            let more = route.bytes.saturating_add(there.for_backward.saturating_sub(there.work));
            there.total().saturating_add(more) <= self.costs.ranks[to].budget_bytes
        })
    }

    /// A turn starts and uses so much of what came in.
    pub(super) fn start(&mut self, rank: usize, turn: Turn, used: u64) {
        let stage = &self.costs.stages[turn.stage];
        let (memory, recompute) = (&stage.memory, stage.recompute);
        let room = &mut self.ranks[rank];
        room.held = room.held.saturating_sub(used);
        room.work = match turn.kind {
            ActionKind::Forward => {
                room.held = room.held.saturating_add(memory.kept(recompute));
                memory.forward_workspace(recompute)
            }
            ActionKind::WeightGrad => 0,
            _ => memory.backward_workspace(recompute),
        };
    }

    /// A turn has ended.
    pub(super) fn end(&mut self, rank: usize, turn: Turn) {
        let stage = &self.costs.stages[turn.stage];
        let kept = stage.memory.kept(stage.recompute);
        let room = &mut self.ranks[rank];
        room.work = 0;
        room.held = match turn.kind {
            ActionKind::Forward => room.held,
            ActionKind::InputGrad => {
                room.held.saturating_sub(kept).saturating_add(stage.memory.weight_saved)
            }
            ActionKind::WeightGrad => room.held.saturating_sub(stage.memory.weight_saved),
            _ => room.held.saturating_sub(kept),
        };
    }

    /// Something will be sent and arrive at a time.
    pub(super) fn send(&mut self, from: usize, to: usize, bytes: u64, arrives_us: f64) {
        let sender = &mut self.ranks[from];
        sender.sends.push_back((arrives_us, bytes));
        sender.sending = sender.sending.saturating_add(bytes);
        self.ranks[to].held = self.ranks[to].held.saturating_add(bytes);
    }

    /// When the first of a rank's sends arrives, µs.
    pub(super) fn next_arrival_us(&self, rank: usize) -> Option<f64> {
        self.ranks[rank].sends.front().map(|(arrives_us, _)| *arrives_us)
    }

    /// A rank's sends up to now have arrived.
    pub(super) fn pass(&mut self, rank: usize, now: f64) {
        let room = &mut self.ranks[rank];
        while let Some((arrives_us, bytes)) = room.sends.front().copied() {
            if arrives_us > now {
                break;
            }
            room.sends.pop_front();
            room.sending = room.sending.saturating_sub(bytes);
        }
    }
}
