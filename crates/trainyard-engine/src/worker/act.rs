//! One training step of one rank: its actions, the exchange of tied gradients, the update.

use std::sync::Arc;

use trainyard_plan::{Action, ActionKind, Lane, MemorySample, TraceEvent};

use super::evaluate::read_loss;
use super::{Reply, Worker};
use crate::device::Begun;
use crate::link::{Transfer, elapsed_ns, ns_between};
use crate::optimizer::Update;
use crate::{Activation, EngineError, ForwardContext, MicroBatch};

impl Worker {
    pub(super) fn run_step(
        &mut self,
        step: u64,
        mut micro_batches: Vec<MicroBatch>,
    ) -> Result<Reply, EngineError> {
        self.step = step;
        self.events.clear();
        self.memory.clear();
        self.losses = (0..micro_batches.len()).map(|_| None).collect();
        let rows: usize = micro_batches.iter().map(|micro_batch| micro_batch.rows).sum();
        let plan = Arc::clone(&self.start.plan);
        for &action in &plan.schedule.ranks[self.start.rank] {
            self.current = Some(action);
            self.act(action, &mut micro_batches, rows)?;
        }
        self.start.ties.exchange_gradients(&mut self.stages)?;
        let on_host = self.start.device.is_cpu();
        let begun = self.start.device.begin();
        let mut norms = Vec::new();
        for stage in &mut self.stages {
            norms.extend(stage.squared_norms(on_host)?);
        }
        self.start.device.slow_down(begun);
        // The optimizer step begins here: it goes on when everybody's norm is there.
        let start_ns = ns_between(self.start.origin, begun.at);
        let taken = Transfer { start_ns, end_ns: self.now(), bytes: 0 };
        self.record(Lane::Compute, self.optimizer_action(), taken);
        let losses = self.losses.drain(..).flatten().map(read_loss).collect::<Result<_, _>>()?;
        Ok(Reply::Gradients { losses, norms })
    }

    fn act(
        &mut self,
        action: Action,
        micro_batches: &mut [MicroBatch],
        rows: usize,
    ) -> Result<(), EngineError> {
        let position = self.position(action.stage)?;
        let micro_batch = action.micro_batch;
        let pass = self.training_pass(self.step, micro_batch);
        match action.kind {
            ActionKind::Forward => {
                let input = self.input_of(position, action, micro_batches)?;
                let targets = self.targets_of(position, micro_batches, micro_batch)?;
                let begun = self.start.device.begin();
                let stage = &mut self.stages[position];
                let output =
                    stage.forward(&*self.start.model, micro_batch, input, targets, &pass)?;
                self.finish(action, begun)?;
                if self.stages[position].is_last() {
                    self.losses[micro_batch] = Some(output.single()?);
                    return Ok(());
                }
                self.send(position, Action { kind: ActionKind::SendForward, ..action }, output)
            }
            // Burn's autodiff gives both halves of a backward at once, and so a split one is done
            // as a whole where its first half stands.
            ActionKind::Backward | ActionKind::InputGrad => {
                let gradient = if self.stages[position].is_last() {
                    None
                } else {
                    let kind = ActionKind::RecvBackward;
                    Some(self.receive(position, Action { kind, ..action })?)
                };
                let weight = micro_batches[micro_batch].rows as f64 / rows.max(1) as f64;
                let begun = self.start.device.begin();
                let stage = &mut self.stages[position];
                let result =
                    stage.backward(&*self.start.model, micro_batch, gradient, weight, &pass)?;
                // The previous stage waits for this; the sums can come after. A device that was
                // slowed down is not ready before it has slept.
                let mut gradient = result.input_gradient;
                if self.start.device.throttle() <= 1.0 {
                    self.send_back(position, action, gradient.take())?;
                }
                if !self.start.device.is_cpu() {
                    // The fullest moment: all fresh gradients are there. A CPU device is counted
                    // without being asked.
                    self.sample_memory();
                }
                if let Some(gradients) = result.gradients {
                    self.stages[position].accumulate(gradients);
                }
                self.finish(action, begun)?;
                self.send_back(position, action, gradient)
            }
            ActionKind::WeightGrad => {
                let now = self.now();
                let done = Transfer { start_ns: now, end_ns: now, bytes: 0 };
                self.record(Lane::Compute, action, done);
                Ok(())
            }
            other => Err(EngineError::driver(format!(
                "the engine runs F, B, I and W; it cannot run {} as an action of its own",
                other.text()
            ))),
        }
    }

    fn position(&self, stage: usize) -> Result<usize, EngineError> {
        self.stages
            .iter()
            .position(|own| own.index == stage)
            .ok_or_else(|| EngineError::driver(format!("stage {stage} is not on this rank")))
    }

    pub(super) fn input_of(
        &mut self,
        position: usize,
        action: Action,
        micro_batches: &mut [MicroBatch],
    ) -> Result<Activation, EngineError> {
        if !self.stages[position].is_first() {
            return self.receive(position, Action { kind: ActionKind::RecvForward, ..action });
        }
        let data = std::mem::take(&mut micro_batches[action.micro_batch].inputs);
        Activation::from_data(data, self.start.device.burn())
    }

    pub(super) fn targets_of(
        &self,
        position: usize,
        micro_batches: &mut [MicroBatch],
        micro_batch: usize,
    ) -> Result<Option<Activation>, EngineError> {
        if !self.stages[position].is_last() {
            return Ok(None);
        }
        let data = std::mem::take(&mut micro_batches[micro_batch].targets);
        Activation::from_data(data, self.start.device.burn()).map(Some)
    }

    fn receive(&mut self, position: usize, action: Action) -> Result<Activation, EngineError> {
        let links = &mut self.start.links[position];
        let inlet = match action.kind {
            ActionKind::RecvForward => &mut links.input,
            _ => &mut links.output_gradient,
        };
        let inlet = inlet
            .as_mut()
            .ok_or_else(|| EngineError::driver("there is no link to receive from"))?;
        let asked_ns = elapsed_ns(self.start.origin);
        let (activation, sent) = inlet.receive(action.micro_batch)?;
        if let Some(sent) = sent {
            // What lay here until somebody asked for it was not on its way, and waiting for what
            // had not been sent is no transfer.
            let start_ns = sent.start_ns.max(asked_ns);
            let moved = Transfer { start_ns, end_ns: self.now(), bytes: sent.bytes };
            self.record(Lane::TransferIn, action, moved);
        }
        Ok(activation)
    }

    /// Sends the gradient of a stage's input, if there is one.
    fn send_back(
        &mut self,
        position: usize,
        action: Action,
        gradient: Option<Activation>,
    ) -> Result<(), EngineError> {
        let action = Action { kind: ActionKind::SendBackward, ..action };
        gradient.map_or(Ok(()), |gradient| self.send(position, action, gradient))
    }

    pub(super) fn send(
        &mut self,
        position: usize,
        action: Action,
        activation: Activation,
    ) -> Result<(), EngineError> {
        let begun = self.now();
        let bytes = activation.bytes();
        let links = &self.start.links[position];
        let outlet = match action.kind {
            ActionKind::SendForward => &links.output,
            _ => &links.input_gradient,
        };
        let outlet =
            outlet.as_ref().ok_or_else(|| EngineError::driver("there is no link to send to"))?;
        let crosses = outlet.crosses();
        outlet.send(self.step, action, activation)?;
        if crosses {
            let sent = Transfer { start_ns: begun, end_ns: self.now(), bytes };
            self.record(Lane::TransferOut, action, sent);
        }
        Ok(())
    }

    /// Ends a compute action.
    fn finish(&mut self, action: Action, begun: Begun) -> Result<(), EngineError> {
        self.start.device.complete(begun)?;
        let start_ns = ns_between(self.start.origin, begun.at);
        let done = Transfer { start_ns, end_ns: self.now(), bytes: 0 };
        self.record(Lane::Compute, action, done);
        self.sample_memory();
        Ok(())
    }

    fn record(&mut self, lane: Lane, action: Action, took: Transfer) {
        let Transfer { start_ns, end_ns, bytes } = took;
        let device = self.start.rank;
        self.events.push(TraceEvent {
            step: self.step,
            device,
            lane,
            action,
            start_ns,
            end_ns,
            bytes,
            peer: None,
        });
    }

    /// Asks the device what it holds. To be called when a GPU has nothing left to do, or it waits.
    fn sample_memory(&mut self) {
        let peak_so_far = self.usage.map_or(0, |(_, peak)| peak);
        self.usage = self.start.device.usage(peak_so_far);
        if let Some((in_use_bytes, _)) = self.usage {
            let (at_ns, device) = (self.now(), self.start.rank);
            let sample = MemorySample { at_ns, device, in_use_bytes, by_category: None };
            self.memory.push(sample);
        }
    }

    pub(super) fn apply(&mut self, update: Update) -> Result<Reply, EngineError> {
        let begun = self.start.device.begin();
        let action = self.optimizer_action();
        self.current = Some(action);
        for stage in &mut self.stages {
            stage.update(&self.start.optimizer, update)?;
        }
        self.start.ties.share_weights(&mut self.stages)?;
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
    pub(super) fn training_pass(&self, step: u64, micro_batch: usize) -> ForwardContext {
        let seed = crate::layer::mix(&[self.start.seed, step, micro_batch as u64]);
        ForwardContext { training: true, seed }
    }
}
