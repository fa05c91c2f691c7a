//! The event loop: times of actions and transfers, and memory meanwhile.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::simulation::nanoseconds;
use super::state::{Cargo, Event, Node, Outcome, RankState, Ready, Waiting};
use crate::costs::PipelineCosts;
use crate::memory::Footprint;
use crate::{
    Action, ActionKind, MemorySample, MemoryUse, Plan, PlanError, Profile, Schedule, validate,
};

pub(super) struct Run<'a> {
    pub(super) costs: &'a PipelineCosts,
    pub(super) schedule: &'a Schedule,
    pub(super) micro_batches: usize,
    /// Set where memory over time is wanted.
    pub(super) record: bool,
    /// Set where the schedule has transfers of its own: between ranks that hold neighbouring stages.
    pub(super) explicit: bool,
    pub(super) events: BinaryHeap<Reverse<(u64, Event)>>,
    pub(super) forwards: Vec<Waiting>,
    pub(super) backwards: Vec<Waiting>,
    /// Time at which each link is free again, µs, and the node before that.
    pub(super) link_free: Vec<(f64, Option<usize>)>,
    pub(super) to_start: VecDeque<usize>,
    /// A rank that begins an action only when nothing else happens at that instant any more.
    slow: Option<usize>,
    /// By stage: bytes of the sums of gradients that are not there before its first backward ends.
    sums_to_come: Vec<u64>,
    pub(super) out: Outcome,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        costs: &'a PipelineCosts,
        schedule: &'a Schedule,
        micro_batches: usize,
        record: bool,
    ) -> Self {
        let waiting = |missing| Waiting { missing, ..Waiting::default() };
        let table = |missing: fn(&crate::costs::StageCosts) -> usize| {
            let of_stage = |stage| std::iter::repeat_n(waiting(missing(stage)), micro_batches);
            costs.stages.iter().flat_map(of_stage).collect()
        };
        let mut ranks = vec![RankState::default(); costs.ranks.len()];
        let sums_to_come: Vec<u64> =
            costs.stages.iter().map(|stage| stage.memory.sums_to_come()).collect();
        let mut opening: Vec<MemoryUse> = costs.ranks.iter().map(|rank| rank.fixed).collect();
        for (stage, bytes) in costs.stages.iter().zip(&sums_to_come) {
            let gradients = &mut opening[stage.rank].gradients;
            *gradients = gradients.saturating_sub(*bytes);
        }
        for (state, opening) in ranks.iter_mut().zip(opening) {
            state.ledger.open(opening);
        }
        for tie in &costs.ties {
            ranks[tie.owner].ties_missing += 1;
        }
        let actions: usize = schedule.ranks.iter().map(Vec::len).sum();
        Self {
            costs,
            schedule,
            micro_batches,
            record,
            explicit: schedule.has_transfers(),
            events: BinaryHeap::with_capacity(costs.ranks.len() + costs.links.len() + 8),
            forwards: table(|stage| stage.inputs),
            backwards: table(|stage| stage.output_grads),
            link_free: vec![(0.0, None); costs.links.len()],
            to_start: (0..costs.ranks.len()).collect(),
            slow: None,
            sums_to_come,
            out: Outcome {
                step_us: 0.0,
                nodes: Vec::with_capacity(actions * 2),
                ranks,
                link_busy_us: vec![0.0; costs.links.len()],
                memory: Vec::new(),
            },
        }
    }

    /// With a rank that begins last, so that it finds all that can have come.
    pub(super) fn with_slow(self, rank: usize) -> Self {
        Self { slow: Some(rank), ..self }
    }

    /// Runs the step to its end.
    pub(super) fn finish(mut self) -> Result<Outcome, PlanError> {
        self.begin_all(0.0);
        while let Some(&Reverse((bits, _))) = self.events.peek() {
            let now = f64::from_bits(bits);
            // All that ends at this instant, then all that begins: what gives way and what takes
            // its place are never counted together, in whatever order the events stand.
            while let Some(event) = self.next_at(bits) {
                match event {
                    Event::Done { rank } => self.end(rank, now),
                    Event::Arrived { node } => self.arrive(node, now),
                }
            }
            self.begin_all(now);
        }
        if let Some(rank) = self.out.ranks.iter().position(|rank| !rank.done) {
            let next = self.schedule.ranks[rank].get(self.out.ranks[rank].next);
            let action = next.map_or_else(|| "its optimizer step".to_owned(), Action::to_string);
            let reason = format!("rank {rank} waits for the input of {action} for ever");
            return Err(PlanError::BadPlan { reason });
        }
        let ends = self.out.nodes.iter().map(|node| node.end_us);
        self.out.step_us = ends.fold(0.0, f64::max);
        for rank in &mut self.out.ranks {
            rank.idle.drain_us = self.out.step_us - rank.free_us;
        }
        Ok(self.out)
    }

    /// Takes the next event if it is of this instant.
    fn next_at(&mut self, bits: u64) -> Option<Event> {
        self.events.peek().filter(|Reverse((at, _))| *at == bits)?;
        self.events.pop().map(|Reverse((_, event))| event)
    }

    /// All that begins at an instant.
    fn begin_all(&mut self, now: f64) {
        loop {
            while let Some(rank) = self.to_start.pop_front() {
                if self.slow != Some(rank) {
                    self.begin_next(rank, now);
                }
            }
            self.note_memory(now);
            let Some(rank) = self.slow else { return };
            if self.events.peek().is_some_and(|Reverse((at, _))| *at == now.to_bits()) {
                return;
            }
            let next = self.out.ranks[rank].next;
            self.begin_next(rank, now);
            // A named transfer takes no time: the rank goes on to its next action.
            if self.out.ranks[rank].next == next {
                return self.note_memory(now);
            }
        }
    }

    /// Begins a rank's next action, if the rank is free and the action's input is there.
    fn begin_next(&mut self, rank: usize, now: f64) {
        if self.out.ranks[rank].busy || self.out.ranks[rank].done {
            return;
        }
        match self.schedule.ranks[rank].get(self.out.ranks[rank].next) {
            Some(&action) if action.kind.is_transfer() => self.try_transfer(rank, action, now),
            Some(&action) => self.try_start(rank, action, now),
            None => self.try_optimizer(rank, now),
        }
    }

    pub(super) fn cell(&self, action: Action) -> usize {
        action.stage * self.micro_batches + action.micro_batch
    }

    fn try_start(&mut self, rank: usize, action: Action, now: f64) {
        let stage = &self.costs.stages[action.stage];
        let cell = self.cell(action);
        let waiting = match action.kind {
            ActionKind::Forward => Some(&mut self.forwards[cell]),
            ActionKind::Backward | ActionKind::InputGrad => Some(&mut self.backwards[cell]),
            _ => None,
        };
        let mut ready = Ready::default();
        if let Some(waiting) = waiting {
            if waiting.missing > 0 {
                return;
            }
            ready = waiting.ready;
            // Used from now on.
            let bytes = std::mem::take(&mut waiting.arrived_bytes);
            self.out.ranks[rank].ledger.drop_buffer(bytes);
        }
        let duration = stage.duration_us(action.kind);
        let node = self.begin(rank, action, ready, now, duration);
        let state = &mut self.out.ranks[rank];
        state.busy_us += duration;
        state.last = Some(node);
        let footprint = self.footprint(action);
        self.out.ranks[rank].ledger.begin(&footprint);
    }

    /// What an action adds and frees now.
    fn footprint(&self, action: Action) -> Footprint {
        let stage = &self.costs.stages[action.stage];
        let first = self.sums_to_come[action.stage] > 0;
        let slice = self.schedule.slice_of(action.micro_batch);
        stage.memory.footprint(action.kind, stage.recompute, first, slice)
    }

    /// Starts an action or optimizer step and accounts for the wait before it.
    fn begin(
        &mut self,
        rank: usize,
        action: Action,
        ready: Ready,
        now: f64,
        duration: f64,
    ) -> usize {
        let node = self.out.nodes.len();
        let state = &mut self.out.ranks[rank];
        let ready = std::mem::take(&mut state.received).latest(ready);
        let waited = now - state.free_us;
        let cause = if waited > 0.0 { ready.node } else { state.last };
        if state.last.is_none() {
            state.idle.warm_up_us += waited;
        } else {
            let for_neighbour = (ready.made_us - state.free_us).clamp(0.0, waited);
            state.idle.neighbour_us += for_neighbour;
            state.idle.link_us += waited - for_neighbour;
        }
        state.busy = true;
        let end_us = now + duration;
        self.out.nodes.push(Node { action, rank, transfer: None, start_us: now, end_us, cause });
        self.events.push(Reverse((end_us.to_bits(), Event::Done { rank })));
        node
    }

    fn try_optimizer(&mut self, rank: usize, now: f64) {
        if !std::mem::replace(&mut self.out.ranks[rank].ties_sent, true) {
            let last = self.out.ranks[rank].last;
            self.send_ties(rank, Cargo::TiedGradient, last, now);
        }
        let state = &self.out.ranks[rank];
        if state.ties_missing > 0 {
            return;
        }
        let tied = self.largest_tie(rank);
        self.out.ranks[rank].ledger.buffer(tied);
        let state = &self.out.ranks[rank];
        let duration = self.costs.ranks[rank].optimizer_us;
        let stage = self.costs.stages.iter().position(|stage| stage.rank == rank).unwrap_or(0);
        let action = Action::new(stage, ActionKind::Optimizer, 0);
        let node = self.begin(rank, action, state.tie_ready, now, duration);
        self.out.ranks[rank].optimizer_us = duration;
        self.out.ranks[rank].last = Some(node);
    }

    /// Room for the gradients that come from tied weights, which are added one after the other.
    fn largest_tie(&self, owner: usize) -> u64 {
        let tied = self.costs.ties.iter().filter(|tie| tie.owner == owner);
        tied.map(|tie| tie.bytes).max().unwrap_or(0)
    }

    /// The action that a rank was doing has ended.
    fn end(&mut self, rank: usize, now: f64) {
        let state = &mut self.out.ranks[rank];
        state.busy = false;
        state.free_us = now;
        let Some(node) = state.last else { return };
        self.to_start.push_back(rank);
        let action = self.out.nodes[node].action;
        if action.kind == ActionKind::Optimizer {
            self.out.ranks[rank].done = true;
            let tied = self.largest_tie(rank);
            self.out.ranks[rank].ledger.drop_buffer(tied);
            return self.send_ties(rank, Cargo::TiedWeights, Some(node), now);
        }
        let stage = &self.costs.stages[action.stage];
        let footprint = self.footprint(action);
        let ledger = &mut self.out.ranks[rank].ledger;
        ledger.end(&footprint);
        if matches!(action.kind, ActionKind::Backward | ActionKind::InputGrad) {
            ledger.add_gradients(std::mem::take(&mut self.sums_to_come[action.stage]));
        }
        let (routes, neighbour) = match action.kind {
            ActionKind::Forward => (&stage.outputs[..], Some(action.stage + 1)),
            ActionKind::Backward | ActionKind::InputGrad => {
                (&stage.input_grads[..], action.stage.checked_sub(1))
            }
            _ => (&[][..], None),
        };
        // A schedule that names its transfers has a send after it where the neighbouring stage lies
        // on another rank, and that send is for all routes.
        let neighbour = neighbour.and_then(|stage| self.costs.stages.get(stage));
        let later = self.explicit && neighbour.is_some_and(|neighbour| neighbour.rank != rank);
        for route in routes {
            self.pass_on(rank, action, *route, node, now, later);
        }
        self.out.ranks[rank].next += 1;
        // Sends that follow come with the end, not with the next beginning.
        let sends = [ActionKind::SendForward, ActionKind::SendBackward];
        while let Some(&next) = self.schedule.ranks[rank].get(self.out.ranks[rank].next)
            && sends.contains(&next.kind)
        {
            self.try_transfer(rank, next, now);
        }
    }

    /// Samples every rank's memory once an instant is over.
    fn note_memory(&mut self, now: f64) {
        for (device, state) in self.out.ranks.iter_mut().enumerate() {
            if state.ledger.note(now) && self.record {
                self.out.memory.push(MemorySample {
                    at_ns: nanoseconds(now),
                    device,
                    in_use_bytes: state.ledger.now.total(),
                    by_category: Some(state.ledger.now),
                    ..MemorySample::default()
                });
            }
        }
    }
}

/// Runs one step of a plan that may not be sound. `record` says whether memory over time is wanted.
pub(super) fn run(
    profile: &Profile,
    plan: &Plan,
    record: bool,
) -> Result<(PipelineCosts, Outcome), PlanError> {
    plan.check(profile.model.layers.len())?;
    let profile = &*profile.in_slices(plan.schedule.slices)?;
    let costs = PipelineCosts::of(profile, &plan.stages, &plan.schedule.owners())?;
    let links = costs.stage_links();
    if links.iter().any(|link| link.to != link.from + 1) {
        validate::validate_links(&plan.schedule, plan.stages.len(), plan.micro_batches, &links)?;
    }
    let outcome = Run::new(&costs, &plan.schedule, plan.micro_batches, record).finish()?;
    Ok((costs, outcome))
}
