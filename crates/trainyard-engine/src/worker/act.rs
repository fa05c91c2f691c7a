//! One training step of one rank: its actions, the exchange of tied gradients, the update.

use std::sync::Arc;
use std::time::Instant;

use trainyard_plan::{Action, ActionKind, Lane, MemorySample, TraceEvent};

use super::evaluate::read_loss;
use super::{Reply, Worker};
use crate::device::Begun;
use crate::link::{Transfer, elapsed_ns, ns_between};
use crate::optimizer::Update;
use crate::{EngineError, ForwardContext, MicroBatch, Tensors};

impl Worker {
    /// Does the schedule's actions. `shares` is by micro-batch its weight in the batch's loss.
    pub(super) fn run_step(
        &mut self,
        step: u64,
        mut micro_batches: Vec<MicroBatch>,
        shares: &[f64],
    ) -> Result<Reply, EngineError> {
        self.step = step;
        self.events.clear();
        self.memory.clear();
        self.losses = (0..micro_batches.len()).map(|_| None).collect();
        for stage in &mut self.stages {
            stage.begin_step();
        }
        let plan = Arc::clone(&self.context.plan);
        for &action in &plan.schedule.ranks[self.context.rank] {
            self.current = Some(action);
            self.act(action, &mut micro_batches, shares)?;
        }
        self.context.ties.exchange_gradients(&mut self.stages, self.context.device.burn())?;
        let on_host = self.context.device.is_cpu();
        let begun = self.context.device.begin();
        let mut norms = Vec::new();
        for stage in &mut self.stages {
            norms.extend(stage.squared_norms(on_host)?);
        }
        self.context.device.slow_down(begun);
        // The optimizer step begins here: it goes on when everybody's norm is there.
        let start_ns = ns_between(self.context.origin, begun.at);
        let taken = Transfer { start_ns, end_ns: self.now(), bytes: 0 };
        self.record(Lane::Compute, self.optimizer_action(), None, taken);
        let losses = self.losses.drain(..).flatten().map(read_loss).collect::<Result<_, _>>()?;
        Ok(Reply::Gradients { losses, norms })
    }

    fn act(
        &mut self,
        action: Action,
        micro_batches: &mut [MicroBatch],
        shares: &[f64],
    ) -> Result<(), EngineError> {
        let position = self.position(action.stage)?;
        let micro_batch = action.micro_batch;
        let context = self.training_context(self.step, micro_batch);
        match action.kind {
            ActionKind::Forward => {
                let input = self.input_of(position, action, micro_batches)?;
                let targets = self.targets_of(position, micro_batches, micro_batch)?;
                let begun = self.context.device.begin();
                let stage = &mut self.stages[position];
                let objective = &*self.context.objective;
                let result = stage.forward(objective, micro_batch, input, targets, &context)?;
                self.finish(action, begun)?;
                if let Some(loss) = result.loss {
                    self.losses[micro_batch] = Some(loss);
                }
                self.send_outputs(position, action, &result.outputs)
            }
            // Burn's autodiff gives both halves of a backward at once, and so a split one is done
            // as a whole where its first half stands.
            ActionKind::Backward | ActionKind::InputGrad => {
                let gradients = self.output_gradients(position, action)?;
                let weight = shares.get(micro_batch).copied().unwrap_or(0.0);
                let mut begun = self.context.device.begin();
                let stage = &mut self.stages[position];
                let (objective, device) = (&*self.context.objective, &self.context.device);
                let (mut full, origin) = (None, self.context.origin);
                let recomputed = || full = Some((elapsed_ns(origin), device.usage_when_asked()));
                let result = stage.backward(
                    objective,
                    micro_batch,
                    gradients,
                    weight,
                    &context,
                    recomputed,
                )?;
                // The stages before wait for this; the sums can come after. A device that was
                // slowed down is not ready before it has slept.
                let mut input_gradients = Some(result.input_gradients);
                if self.context.device.throttle() <= 1.0 {
                    let sending = Instant::now();
                    self.send_back(position, action, input_gradients.take())?;
                    // The link's time, not the action's.
                    begun.at += sending.elapsed();
                }
                // The fullest moments: all that was recomputed is there, or all fresh gradients.
                let fresh = (self.now(), self.context.device.usage_when_asked());
                for (at_ns, held) in full.into_iter().chain([fresh]) {
                    self.note_memory(at_ns, held);
                }
                if let Some(gradients) = result.gradients {
                    self.stages[position].accumulate(gradients);
                }
                self.finish(action, begun)?;
                self.send_back(position, action, input_gradients)
            }
            ActionKind::WeightGrad => {
                let now = self.now();
                let done = Transfer { start_ns: now, end_ns: now, bytes: 0 };
                self.record(Lane::Compute, action, None, done);
                Ok(())
            }
            other => Err(EngineError::internal(format!(
                "the engine runs F, B, I and W; it cannot run {} as an action of its own",
                other.text()
            ))),
        }
    }

    fn position(&self, stage: usize) -> Result<usize, EngineError> {
        self.stages
            .iter()
            .position(|own| own.index == stage)
            .ok_or_else(|| EngineError::internal(format!("stage {stage} is not on this rank")))
    }

    /// What a stage takes: the batch's tensors, and what other stages send.
    pub(super) fn input_of(
        &mut self,
        position: usize,
        action: Action,
        micro_batches: &mut [MicroBatch],
    ) -> Result<Tensors, EngineError> {
        let names = &self.stages[position].wiring.from_batch;
        let data = micro_batches[action.micro_batch].tensors_of(names)?;
        let mut input = Tensors::from_data(data, self.context.device.burn())?;
        let receive = Action { kind: ActionKind::RecvForward, ..action };
        for at in 0..self.context.links[position].inputs.len() {
            let asked_ns = elapsed_ns(self.context.origin);
            let (from, inlet) = &mut self.context.links[position].inputs[at];
            let from = *from;
            let (tensors, sent) = inlet.receive(action.micro_batch)?;
            self.record_arrival(receive, from, asked_ns, sent);
            for (name, value) in tensors {
                input.insert(name, value);
            }
        }
        Ok(input)
    }

    pub(super) fn targets_of(
        &self,
        position: usize,
        micro_batches: &mut [MicroBatch],
        micro_batch: usize,
    ) -> Result<Option<Tensors>, EngineError> {
        if !self.stages[position].is_last() {
            return Ok(None);
        }
        let data = micro_batches[micro_batch].tensors_of(&self.context.objective.targets())?;
        Tensors::from_data(data, self.context.device.burn()).map(Some)
    }

    /// The gradients of a stage's outputs, from the stages that took them.
    fn output_gradients(
        &mut self,
        position: usize,
        action: Action,
    ) -> Result<Vec<Tensors>, EngineError> {
        let receive = Action { kind: ActionKind::RecvBackward, ..action };
        let count = self.context.links[position].output_gradients.len();
        let mut gradients = Vec::with_capacity(count);
        for at in 0..count {
            let asked_ns = elapsed_ns(self.context.origin);
            let (from, inlet) = &mut self.context.links[position].output_gradients[at];
            let from = *from;
            let (tensors, sent) = inlet.receive(action.micro_batch)?;
            self.record_arrival(receive, from, asked_ns, sent);
            gradients.push(tensors);
        }
        Ok(gradients)
    }

    fn record_arrival(
        &mut self,
        action: Action,
        from: usize,
        asked_ns: u64,
        sent: Option<Transfer>,
    ) {
        if let Some(sent) = sent {
            // What lay here until it was asked for was not on its way, and waiting for what had not
            // been sent is no transfer.
            let start_ns = sent.start_ns.max(asked_ns);
            let moved = Transfer { start_ns, end_ns: self.now(), bytes: sent.bytes };
            self.record(Lane::TransferIn, action, Some(from), moved);
        }
    }

    /// Ends a compute action.
    fn finish(&mut self, action: Action, begun: Begun) -> Result<(), EngineError> {
        self.context.device.complete(begun)?;
        let start_ns = ns_between(self.context.origin, begun.at);
        let done = Transfer { start_ns, end_ns: self.now(), bytes: 0 };
        self.record(Lane::Compute, action, None, done);
        self.sample_memory();
        Ok(())
    }

    /// `peer` is the stage at the other end of a transfer.
    pub(super) fn record(
        &mut self,
        lane: Lane,
        action: Action,
        peer: Option<usize>,
        took: Transfer,
    ) {
        let Transfer { start_ns, end_ns, bytes } = took;
        let device = self.context.rank;
        self.events.push(TraceEvent {
            step: self.step,
            device,
            lane,
            action,
            start_ns,
            end_ns,
            bytes,
            peer,
        });
    }

    /// Asks the device what it holds. To be called when a GPU has nothing left to do, or it waits.
    fn sample_memory(&mut self) {
        let held = self.context.device.usage();
        self.note_memory(self.now(), held);
    }

    /// Keeps what a device said that it holds, and the most so far.
    fn note_memory(&mut self, at_ns: u64, usage: Option<(u64, u64)>) {
        let Some((in_use_bytes, peak)) = usage else { return };
        let peak_so_far = self.usage.map_or(0, |(_, peak)| peak);
        self.usage = Some((in_use_bytes, peak.max(peak_so_far)));
        let device = self.context.rank;
        let sample = MemorySample { at_ns, device, in_use_bytes, by_category: None };
        self.memory.push(sample);
    }

    pub(super) fn apply(&mut self, update: Update) -> Result<Reply, EngineError> {
        let begun = self.context.device.begin();
        let action = self.optimizer_action();
        self.current = Some(action);
        for stage in &mut self.stages {
            stage.update(&self.context.optimizer, &update)?;
            stage.end_step();
        }
        self.context.ties.share_weights(&mut self.stages, self.context.device.burn())?;
        self.finish(action, begun)?;
        Ok(Reply::Applied {
            events: std::mem::take(&mut self.events),
            memory: std::mem::take(&mut self.memory),
            usage: self.usage,
        })
    }

    /// The optimizer step as an action of the rank's first stage.
    fn optimizer_action(&self) -> Action {
        let stage = self.stages.first().map_or(0, |stage| stage.index);
        Action::new(stage, ActionKind::Optimizer, 0)
    }

    /// What is random in a micro-batch of a step, wherever its layers run.
    pub(super) fn training_context(&self, step: u64, micro_batch: usize) -> ForwardContext {
        let seed = crate::layer::mix(&[self.context.seed, step, micro_batch as u64]);
        ForwardContext { training: true, seed }
    }
}
