//! One training step of one rank: its actions, the exchange of tied gradients, the update.

use std::sync::Arc;
use std::time::Instant;

use trainyard_plan::{Action, ActionKind, Lane};

use super::timeline::Moment;
use super::{Recorded, Reply, Worker, WorkerContext};
use crate::device::Begun;
use crate::link::{Transfer, elapsed_ns, ns_between};
use crate::optimizer::Update;
use crate::stage::BackwardStart;
use crate::tie::Shared;
use crate::{EngineError, ForwardContext, MicroBatch, Tensors};

/// When a compute action began, and the mark of that in the device's queue.
struct Started {
    begun: Begun,
    mark: Option<Moment>,
}

impl Started {
    fn moment(&self, worker: &Worker) -> Moment {
        let at = || Moment::At(ns_between(worker.context.origin, self.begun.at));
        self.mark.unwrap_or_else(at)
    }
}

/// What each micro-batch's loss goes back with.
pub(crate) struct Shares {
    /// By micro-batch its weight in the batch's loss.
    pub(crate) of_batch: Vec<f64>,
    /// By what all of them are multiplied, so that sixteen bits are enough for gradients.
    pub(crate) loss_scale: f64,
}

impl Worker {
    /// Does the schedule's actions.
    pub(super) fn run_step(
        &mut self,
        step: u64,
        mut micro_batches: Vec<MicroBatch>,
        shares: &Shares,
    ) -> Result<Reply, EngineError> {
        self.step = step;
        let Shares { of_batch, loss_scale } = shares;
        self.context.links.iter_mut().for_each(|links| links.scaled_by(*loss_scale));
        let weights: Vec<f64> = of_batch.iter().map(|share| share * loss_scale).collect();
        self.timeline.begin_step();
        self.losses = (0..micro_batches.len()).map(|_| None).collect();
        for stage in &mut self.stages {
            stage.begin_step();
        }
        let plan = Arc::clone(&self.context.plan);
        self.context.activity.begin_step();
        for &action in &plan.schedule.ranks[self.context.rank] {
            self.begin(action);
            self.act(action, &mut micro_batches, &weights)?;
            self.context.activity.did();
        }
        let WorkerContext { ties, device, activity, .. } = &self.context;
        ties.exchange_gradients(&mut self.stages, device.burn(), activity)?;
        let on_host = self.context.device.is_cpu();
        let started = self.start()?;
        let norms = self.stages.iter_mut().map(|stage| stage.squared_norms(on_host));
        let norms = norms.collect::<Result<Vec<_>, _>>()?;
        self.context.device.slow_down(started.begun);
        // The optimizer step begins here: it goes on when everybody's norm is there.
        let end = self.moment()?;
        self.timeline.computed(self.step, self.optimizer_action(), started.moment(self), end);
        self.read_record(norms)
    }

    /// A compute action begins.
    fn start(&mut self) -> Result<Started, EngineError> {
        let mark = self.timeline.mark()?;
        Ok(Started { begun: self.context.device.begin(), mark })
    }

    /// This moment of the device.
    fn moment(&mut self) -> Result<Moment, EngineError> {
        Ok(self.timeline.mark()?.unwrap_or_else(|| self.timeline.now()))
    }

    fn act(
        &mut self,
        action: Action,
        micro_batches: &mut [MicroBatch],
        weights: &[f64],
    ) -> Result<(), EngineError> {
        let position = self.position(action.stage)?;
        let micro_batch = action.micro_batch;
        let context = self.training_context(self.step, micro_batch, &micro_batches[micro_batch]);
        match action.kind {
            ActionKind::Forward => {
                let input = self.input_of(position, action, micro_batches)?;
                let targets = self.targets_of(position, micro_batches, micro_batch)?;
                let started = self.start()?;
                let stage = &mut self.stages[position];
                let objective = &*self.context.objective;
                let result = stage.forward(objective, micro_batch, input, targets, &context)?;
                self.finish(action, &started)?;
                if let Some(loss) = result.loss {
                    self.losses[micro_batch] = Some(loss);
                }
                self.send_outputs(position, action, &result.outputs)
            }
            ActionKind::Backward | ActionKind::InputGrad => {
                let start = BackwardStart {
                    micro_batch,
                    output_gradients: self.output_gradients(position, action)?,
                    loss_weight: weights.get(micro_batch).copied().unwrap_or(0.0),
                    split: action.kind == ActionKind::InputGrad,
                };
                let mut started = self.start()?;
                let stage = &mut self.stages[position];
                let (objective, device) = (&*self.context.objective, &self.context.device);
                let (mut full, timeline) = (None, &mut self.timeline);
                let recomputed = || full = Some((timeline.now(), device.usage_when_asked()));
                let result = stage.backward(objective, start, &context, recomputed)?;
                // The stages before wait for this; the sums can come after. A device that was
                // slowed down is not ready before it has slept.
                let mut input_gradients = Some(result.input_gradients);
                if self.context.device.throttle() <= 1.0 {
                    let sending = Instant::now();
                    self.send_back(position, action, input_gradients.take())?;
                    // The link's time, not the action's.
                    started.begun.at += sending.elapsed();
                }
                // The fullest moments: all that was recomputed is there, or all fresh gradients.
                let fresh = (self.timeline.now(), self.context.device.usage_when_asked());
                for (moment, held) in full.into_iter().chain([fresh]) {
                    // Where times are marked, these lie within the action.
                    self.timeline.held(started.mark.unwrap_or(moment), held);
                }
                if let Some(gradients) = result.gradients {
                    self.stages[position].accumulate(micro_batch, gradients);
                }
                self.finish(action, &started)?;
                self.send_back(position, action, input_gradients)
            }
            ActionKind::WeightGrad => {
                let started = self.start()?;
                self.stages[position].weight_backward(micro_batch)?;
                self.finish(action, &started)
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
            let WorkerContext { links, activity, .. } = &mut self.context;
            let (from, inlet) = &mut links[position].inputs[at];
            let from = *from;
            let (tensors, sent) = inlet.receive(action.micro_batch, activity)?;
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
            let WorkerContext { links, activity, .. } = &mut self.context;
            let (from, inlet) = &mut links[position].output_gradients[at];
            let from = *from;
            let (tensors, sent) = inlet.receive(action.micro_batch, activity)?;
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
        // Where no gradient goes back there is word alone.
        if let Some(sent) = sent.filter(|sent| sent.bytes > 0) {
            // What lay here until it was asked for was not on its way, and waiting for what had not
            // been sent is no transfer.
            let start_ns = sent.start_ns.max(asked_ns);
            let end_ns = elapsed_ns(self.context.origin);
            let moved = Transfer { start_ns, end_ns, bytes: sent.bytes };
            self.timeline.moved(self.step, (Lane::TransferIn, action, from), moved);
        }
    }

    /// Ends a compute action: the device is told to begin with it, and not waited for, unless it is
    /// slowed down.
    fn finish(&mut self, action: Action, started: &Started) -> Result<(), EngineError> {
        let device = &self.context.device;
        if device.throttle() > 1.0 {
            device.complete(started.begun)?;
        }
        // To mark is to flush.
        let end = if let Some(mark) = self.timeline.mark()? {
            mark
        } else {
            self.context.device.flush()?;
            self.timeline.now()
        };
        // What is computed from what failed is not sent on.
        self.context.device.check_driver()?;
        self.timeline.computed(self.step, action, started.moment(self), end);
        if self.timeline.is_on() {
            self.timeline.held(end, self.context.device.usage());
        }
        Ok(())
    }

    /// Has the kernels of an update compiled, and leaves the weights.
    pub(super) fn try_update(&mut self) -> Result<Reply, EngineError> {
        if !self.context.device.is_cpu() {
            let optimizer = &self.context.optimizer;
            self.stages.iter().try_for_each(|stage| stage.try_update(optimizer))?;
            self.context.device.wait()?;
        }
        Ok(Reply::Done)
    }

    pub(super) fn apply(&mut self, update: Update) -> Result<Reply, EngineError> {
        let started = self.start()?;
        let action = self.optimizer_action();
        self.begin(action);
        for stage in &mut self.stages {
            stage.update(&self.context.optimizer, &update)?;
            stage.end_step();
        }
        self.share_weights(Shared::Trained)?;
        self.finish(action, &started)?;
        self.updated = update.step;
        Ok(self.applied())
    }

    /// What the timeline knows of what was done.
    pub(super) fn applied(&mut self) -> Reply {
        let host_waits = self.context.device.take_waits();
        Reply::Applied(Recorded { host_waits, ..self.timeline.take() })
    }

    /// The optimizer step as an action of the rank's first stage.
    fn optimizer_action(&self) -> Action {
        let stage = self.stages.first().map_or(0, |stage| stage.index);
        Action::new(stage, ActionKind::Optimizer, 0)
    }

    /// What is random in a micro-batch of a step, wherever its layers run.
    pub(super) fn training_context(
        &self,
        step: u64,
        micro_batch: usize,
        of: &MicroBatch,
    ) -> ForwardContext {
        let seed = crate::layer::mix(&[self.context.seed, step, micro_batch as u64]);
        ForwardContext { training: true, seed, ..of.evaluation_context() }
    }
}
