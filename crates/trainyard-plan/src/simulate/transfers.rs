//! The part of the event loop that moves tensors: sends, arrivals, tied weights.

use std::cmp::Reverse;

use super::run::Run;
use super::state::{Cargo, Event, Node, Ready, Transfer, Waiting};
use crate::costs::Route;
use crate::{Action, ActionKind};

impl Run<'_> {
    /// A named transfer takes the rank no time: a send puts what the stage has computed on its
    /// links, one message to each stage that takes any of it; a receive waits until the messages of
    /// all stages on other ranks have arrived.
    pub(super) fn try_transfer(&mut self, rank: usize, action: Action, now: f64) {
        use ActionKind::{RecvForward, SendForward};
        let kind = action.kind;
        let costs = &self.costs.stages[action.stage];
        if matches!(kind, ActionKind::SendForward | ActionKind::SendBackward) {
            let routes = if kind == SendForward { &costs.outputs } else { &costs.input_grads };
            let state = &self.out.ranks[rank];
            let cause =
                if state.received.at_us > state.free_us { state.received.node } else { state.last };
            for &Route { stage: to, bytes, transfer_us: takes_us, link } in routes {
                let Some(link) = link else { continue };
                let cargo = Cargo::ForStage(to);
                self.send(action, Transfer { link, bytes, cargo, takes_us, made_us: now }, cause);
            }
        } else {
            let (all, table) = if kind == RecvForward {
                (costs.linked_inputs, &self.forwards)
            } else {
                (costs.linked_output_grads, &self.backwards)
            };
            let waiting = &table[self.cell(action)];
            if waiting.received < all {
                return;
            }
            let received = &mut self.out.ranks[rank].received;
            *received = received.latest(waiting.received_ready);
        }
        self.out.ranks[rank].next += 1;
        self.to_start.push_back(rank);
    }

    /// Hands a tensor to a stage: at once on the same rank, else through the link, now or `later`.
    pub(super) fn pass_on(
        &mut self,
        rank: usize,
        action: Action,
        route: Route,
        node: usize,
        now: f64,
        later: bool,
    ) {
        let Route { stage, bytes, transfer_us: takes_us, link } = route;
        let Some(link) = link else {
            let ready = Ready { at_us: now, made_us: now, node: Some(node) };
            self.deliver(action, stage, 0, ready);
            return;
        };
        let kind = match action.kind {
            ActionKind::Forward => ActionKind::SendForward,
            _ => ActionKind::SendBackward,
        };
        self.out.ranks[rank].ledger.buffer(bytes);
        if later {
            return;
        }
        let cargo = Cargo::ForStage(stage);
        let transfer = Transfer { link, bytes, cargo, takes_us, made_us: now };
        self.send(Action { kind, ..action }, transfer, Some(node));
    }

    /// Puts a transfer on its link, behind those that came first.
    fn send(&mut self, action: Action, transfer: Transfer, cause: Option<usize>) {
        let Transfer { link, takes_us, made_us, .. } = transfer;
        let (free_us, before) = self.link_free[link];
        let queued = free_us > made_us;
        let (start_us, cause) = if queued { (free_us, before) } else { (made_us, cause) };
        let end_us = start_us + takes_us;
        let node = self.out.nodes.len();
        let rank = self.costs.links[link].0;
        let transfer = Some(transfer);
        self.out.nodes.push(Node { action, rank, transfer, start_us, end_us, cause });
        self.link_free[link] = (end_us, Some(node));
        self.out.link_busy_us[link] += takes_us;
        self.events.push(Reverse((end_us.to_bits(), Event::Arrived { node })));
    }

    pub(super) fn send_ties(&mut self, rank: usize, cargo: Cargo, cause: Option<usize>, now: f64) {
        let Some(action) = cause.map(|node| self.out.nodes[node].action) else { return };
        for tie in &self.costs.ties {
            let (sender, (link, takes_us)) = match cargo {
                Cargo::TiedGradient => (tie.follower, tie.gradient),
                _ => (tie.owner, tie.weights),
            };
            if sender == rank {
                let kind = match cargo {
                    Cargo::TiedGradient => ActionKind::SendBackward,
                    _ => ActionKind::SendForward,
                };
                let bytes = tie.bytes;
                let transfer = Transfer { link, bytes, cargo, takes_us, made_us: now };
                self.send(Action { kind, ..action }, transfer, cause);
            }
        }
    }

    pub(super) fn arrive(&mut self, node: usize, now: f64) {
        let Node { action, rank, transfer, .. } = self.out.nodes[node];
        let Some(Transfer { link, bytes, cargo, made_us, .. }) = transfer else { return };
        let to_rank = self.costs.links[link].1;
        let ready = Ready { at_us: now, made_us, node: Some(node) };
        match cargo {
            Cargo::ForStage(stage) => {
                self.out.ranks[rank].ledger.drop_buffer(bytes);
                self.out.ranks[to_rank].ledger.buffer(bytes);
                let waiting = self.deliver(action, stage, bytes, ready);
                waiting.received += 1;
                waiting.received_ready = waiting.received_ready.latest(ready);
            }
            Cargo::TiedGradient => {
                let owner = &mut self.out.ranks[to_rank];
                owner.ties_missing = owner.ties_missing.saturating_sub(1);
                owner.tie_ready = owner.tie_ready.latest(ready);
                self.to_start.push_back(to_rank);
            }
            // Nothing in this step waits for them.
            Cargo::TiedWeights => {}
        }
    }

    /// An input of a stage is there. Returns what the stage still waits for.
    fn deliver(&mut self, action: Action, stage: usize, bytes: u64, ready: Ready) -> &mut Waiting {
        let cell = stage * self.micro_batches + action.micro_batch;
        let forward = matches!(action.kind, ActionKind::Forward | ActionKind::SendForward);
        let table = if forward { &mut self.forwards } else { &mut self.backwards };
        let waiting = &mut table[cell];
        if waiting.missing == 1 || self.explicit {
            self.to_start.push_back(self.costs.stages[stage].rank);
        }
        waiting.missing = waiting.missing.saturating_sub(1);
        waiting.ready = waiting.ready.latest(ready);
        waiting.arrived_bytes = waiting.arrived_bytes.saturating_add(bytes);
        waiting
    }
}
