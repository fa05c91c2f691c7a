//! Memory of every rank while a list schedule is built: the simulator's rules, but buffers count
//! from the moment that something is sure to need them.

use std::collections::VecDeque;

use super::list_rules::Rules;
use super::order::Op;
use crate::ActionKind;
use crate::costs::{PipelineCosts, Route, StageCosts};

/// The memory of every rank.
pub(super) struct MemoryTracker<'a> {
    costs: &'a PipelineCosts,
    ranks: Vec<RankMemory>,
}

#[derive(Clone, Default)]
struct RankMemory {
    /// Weights and their state, activations, and inputs that are there or on their way, bytes.
    held: u64,
    /// Workspace of the operation that runs, bytes.
    workspace: u64,
    /// Sends that have not arrived: time of arrival, µs, and bytes.
    sends: VecDeque<(f64, u64)>,
    /// Sum of their bytes.
    sending: u64,
    /// Bytes to leave free for a backward and its buffers; 0 for careless rules.
    for_backward: u64,
}

impl RankMemory {
    fn total(&self) -> u64 {
        self.held.saturating_add(self.workspace).saturating_add(self.sending)
    }
}

impl<'a> MemoryTracker<'a> {
    /// Careful rules leave room for a backward and its buffers.
    pub(super) fn new(costs: &'a PipelineCosts, rules: &Rules) -> Self {
        let mut ranks = vec![RankMemory::default(); costs.ranks.len()];
        for (memory, rank) in ranks.iter_mut().zip(&costs.ranks) {
            memory.held = rank.fixed.total();
        }
        for stage in costs.stages.iter().filter(|_| rules.careful) {
            let sent = |routes: &[Route]| {
                let over_links = routes.iter().filter(|route| route.link.is_some());
                over_links.map(|route| route.bytes).fold(0, u64::saturating_add)
            };
            let memory = &mut ranks[stage.rank];
            let need = backward_room(stage, rules).saturating_add(sent(&stage.outputs));
            memory.for_backward = memory.for_backward.max(need).max(sent(&stage.input_grads));
        }
        Self { costs, ranks }
    }

    /// Whether the forward of a stage can start and leave `reserved` bytes for later stages. A
    /// forward that everything waits for (`must`) only has to fit itself.
    pub(super) fn fits(
        &self,
        rank: usize,
        stage: usize,
        input: u64,
        reserved: u64,
        must: bool,
    ) -> bool {
        let costs = &self.costs.stages[stage];
        let memory = &self.ranks[rank];
        let footprint = costs.footprint(ActionKind::Forward);
        let held = footprint.after(memory.total().saturating_sub(input));
        let after = if must { 0 } else { memory.for_backward };
        let most = held.saturating_add(footprint.workspace.max(reserved.saturating_add(after)));
        if most > self.costs.ranks[rank].budget_bytes {
            return false;
        }
        must || costs.outputs.iter().filter(|route| route.link.is_some()).all(|route| {
            let to = self.costs.stages[route.stage].rank;
            let there = &self.ranks[to];
            let backward = there.for_backward.saturating_sub(there.workspace);
            let more = route.bytes.saturating_add(backward);
            there.total().saturating_add(more) <= self.costs.ranks[to].budget_bytes
        })
    }

    /// An operation starts and uses `input` bytes of what has arrived.
    pub(super) fn start(&mut self, rank: usize, op: Op, input: u64) {
        let footprint = self.costs.stages[op.stage].footprint(op.kind);
        let memory = &mut self.ranks[rank];
        memory.held = memory.held.saturating_sub(input).saturating_add(footprint.kept);
        memory.workspace = footprint.workspace;
    }

    /// An operation has ended.
    pub(super) fn end(&mut self, rank: usize, op: Op) {
        let footprint = self.costs.stages[op.stage].footprint(op.kind);
        let memory = &mut self.ranks[rank];
        memory.workspace = 0;
        memory.held = memory.held.saturating_sub(footprint.freed).saturating_add(footprint.left);
    }

    /// `bytes` are sent from a rank to another and arrive at a known time.
    pub(super) fn send(&mut self, from: usize, to: usize, bytes: u64, arrives_us: f64) {
        let sender = &mut self.ranks[from];
        sender.sends.push_back((arrives_us, bytes));
        sender.sending = sender.sending.saturating_add(bytes);
        self.ranks[to].held = self.ranks[to].held.saturating_add(bytes);
    }

    /// Arrival of the first of a rank's sends that are on their way, µs.
    pub(super) fn next_arrival_us(&self, rank: usize) -> Option<f64> {
        self.ranks[rank].sends.front().map(|(arrives_us, _)| *arrives_us)
    }

    /// Frees the buffers of a rank's sends that have arrived by `now`, µs.
    pub(super) fn free_arrived(&mut self, rank: usize, now: f64) {
        let memory = &mut self.ranks[rank];
        while let Some((arrives_us, bytes)) = memory.sends.front().copied() {
            if arrives_us > now {
                break;
            }
            memory.sends.pop_front();
            memory.sending = memory.sending.saturating_sub(bytes);
        }
    }
}

/// Bytes that a stage's backward takes beside what its forward kept: while it runs or, of a split one,
/// in either half.
fn backward_room(stage: &StageCosts, rules: &Rules) -> u64 {
    if !rules.split_backward {
        return stage.footprint(ActionKind::Backward).workspace;
    }
    let first = stage.footprint(ActionKind::InputGrad);
    let second = stage.footprint(ActionKind::WeightGrad);
    let more_kept = first.left.saturating_sub(first.freed);
    first.workspace.max(more_kept.saturating_add(second.workspace))
}
