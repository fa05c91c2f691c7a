//! The worker: one thread a rank, which alone touches the rank's weights, graphs and optimizer.
//!
//! It knows nothing of schedules: it does the actions it is given, in order, each as soon as its
//! input is there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use crossbeam_channel::{Receiver, Sender};
use trainyard_plan::{Action, ActionKind, Lane, MemorySample, Plan, TraceEvent};

use crate::checkpoint::{LayerRecord, load_layer, save_layer};
use crate::fault::guarded;
use crate::link::{Inlet, Outlet, Transfer, elapsed_ns};
use crate::optimizer::{AdamW, Update};
use crate::stage::Stage;
use crate::tie::TieEnds;
use crate::{Activation, Device, EngineError, MicroBatch, Model, Pass};

/// What the pipeline asks of a worker.
pub(crate) enum Command {
    /// Do the schedule's actions for these micro-batches; answer [`Reply::Gradients`].
    Step { step: u64, micro_batches: Vec<MicroBatch> },
    /// Update the weights; answer [`Reply::Applied`].
    Apply(Update),
    /// Forget the step's gradients; answer [`Reply::Done`].
    Discard,
    /// Forward alone; answer [`Reply::Evaluated`].
    Evaluate { micro_batches: Vec<MicroBatch>, check_finite: bool },
    /// Forward of one input; the last rank answers [`Reply::Output`], the others [`Reply::Done`].
    Output { inputs: Vec<TensorData> },
    /// Write the rank's layers into a folder; answer [`Reply::Saved`].
    Save { folder: PathBuf },
    /// Read the rank's layers from a folder; answer [`Reply::Done`].
    Load { folder: PathBuf, records: Vec<LayerRecord> },
}

/// What a worker answers.
pub(crate) enum Reply {
    Done,
    /// Losses of the micro-batches (last rank) and squared gradient norms by layer and weight.
    Gradients { losses: Vec<f64>, norms: Vec<(usize, Vec<f64>)> },
    Applied { events: Vec<TraceEvent>, memory: Vec<MemorySample>, usage: Option<(u64, u64)> },
    /// Losses (last rank), and the stages whose output is not finite.
    Evaluated { losses: Vec<f64>, not_finite: Vec<usize> },
    Output(Vec<TensorData>),
    Saved(Vec<LayerRecord>),
}

/// A worker's answer, or the error that ended it.
pub(crate) type Report = (usize, Result<Reply, EngineError>);

/// Everything a worker starts with.
pub(crate) struct Start {
    pub(crate) rank: usize,
    pub(crate) device: Device,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) layer_names: Arc<Vec<String>>,
    pub(crate) seed: u64,
    pub(crate) optimizer: AdamW,
    /// By stage: where its input comes from, and so on; empty at the ends of the model.
    pub(crate) links: Vec<StageLinks>,
    pub(crate) ties: TieEnds,
    pub(crate) origin: Instant,
}

/// The links of one stage.
#[derive(Default)]
pub(crate) struct StageLinks {
    pub(crate) stage: usize,
    pub(crate) input: Option<Inlet>,
    pub(crate) output: Option<Outlet>,
    pub(crate) output_gradient: Option<Inlet>,
    pub(crate) input_gradient: Option<Outlet>,
}

struct Worker {
    start: Start,
    stages: Vec<Stage>,
    step: u64,
    /// The action in hand, for the error message.
    current: Option<Action>,
    events: Vec<TraceEvent>,
    memory: Vec<MemorySample>,
    peak_bytes: u64,
    losses: Vec<Option<Tensor<1>>>,
}

/// The worker thread's whole life. Ends when the pipeline is dropped, or after an error.
pub(crate) fn work(start: Start, commands: &Receiver<Command>, reports: &Sender<Report>) {
    let rank = start.rank;
    let threads = start.device.is_cpu().then(|| start.device.threads());
    let account = start.device.account();
    let live = || {
        account.enter();
        let mut worker = match guarded(|| Worker::build(start)) {
            Ok(worker) => worker,
            Err(error) => return drop(reports.send((rank, Err(error)))),
        };
        if reports.send((rank, Ok(Reply::Done))).is_err() {
            return;
        }
        for command in commands {
            let reply = guarded(|| worker.obey(command)).map_err(|error| worker.blame(error));
            let ended = reply.is_err();
            if reports.send((rank, reply)).is_err() || ended {
                return;
            }
        }
    };
    match threads {
        // Burn's CPU backend computes on the pool of the calling thread: one of its own keeps CPU
        // devices apart, each with the threads it was given.
        Some(threads) => {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .use_current_thread()
                .start_handler(move |_| account.enter())
                .thread_name(move |i| format!("trainyard-rank{rank}-{i}"))
                .build();
            match pool {
                Ok(_pool) => live(),
                Err(error) => drop(reports.send((rank, Err(EngineError::driver(error))))),
            }
        }
        None => live(),
    }
}

impl Worker {
    fn build(start: Start) -> Result<Self, EngineError> {
        let mut stages = Vec::new();
        for links in &start.links {
            stages.push(Stage::build(
                &*start.model,
                links.stage,
                &start.plan.stages[links.stage],
                &start.layer_names,
                start.seed,
                start.device.burn(),
            )?);
        }
        Ok(Self {
            start,
            stages,
            step: 0,
            current: None,
            events: Vec::new(),
            memory: Vec::new(),
            peak_bytes: 0,
            losses: Vec::new(),
        })
    }

    /// Puts the place to an error that does not name it yet.
    fn blame(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::NeighbourStopped | EngineError::Checkpoint { .. } | EngineError::Io { .. } => error,
            other => EngineError::Worker {
                device: self.start.device.id().to_owned(),
                stage: self.current.map_or_else(
                    || self.stages.first().map_or(0, |stage| stage.index),
                    |action| action.stage,
                ),
                action: self.current.map_or_else(|| "start".to_owned(), |action| action.to_string()),
                step: self.step,
                reason: other.to_string(),
            },
        }
    }

    fn obey(&mut self, command: Command) -> Result<Reply, EngineError> {
        match command {
            Command::Step { step, micro_batches } => self.run_step(step, micro_batches),
            Command::Apply(update) => self.apply(update),
            Command::Discard => {
                self.stages.iter_mut().for_each(Stage::discard);
                Ok(Reply::Done)
            }
            Command::Evaluate { micro_batches, check_finite } => {
                self.evaluate(micro_batches, check_finite)
            }
            Command::Output { inputs } => self.output(inputs),
            Command::Save { folder } => {
                let layers = self.stages.iter().flat_map(|stage| &stage.layers);
                let saved: Result<_, _> = layers.map(|layer| save_layer(&folder, layer)).collect();
                Ok(Reply::Saved(saved?))
            }
            Command::Load { folder, records } => {
                for layer in self.stages.iter_mut().flat_map(|stage| &mut stage.layers) {
                    load_layer(&folder, &records, layer, &self.start.device)?;
                }
                self.start.ties.share_weights(&mut self.stages)?;
                Ok(Reply::Done)
            }
        }
    }

    fn run_step(&mut self, step: u64, mut micro_batches: Vec<MicroBatch>) -> Result<Reply, EngineError> {
        self.step = step;
        self.events.clear();
        self.memory.clear();
        self.losses = (0..micro_batches.len()).map(|_| None).collect();
        let rows: usize = micro_batches.iter().map(|micro_batch| micro_batch.rows).sum();
        let plan = Arc::clone(&self.start.plan);
        for &action in &plan.schedule.ranks[self.start.rank] {
            self.current = Some(action);
            self.act(action, &mut micro_batches, rows)?;
            self.sample_memory();
        }
        self.start.ties.exchange_gradients(&mut self.stages)?;
        let on_host = self.start.device.is_cpu();
        let mut norms = Vec::new();
        for stage in &mut self.stages {
            norms.extend(stage.squared_norms(on_host)?);
        }
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
        let pass = Pass {
            training: true,
            seed: crate::layer::mix(&[self.start.seed, self.step, micro_batch as u64]),
        };
        match action.kind {
            ActionKind::Forward => {
                let input = self.input_of(position, action, micro_batches)?;
                let targets = self.targets_of(position, micro_batches, micro_batch)?;
                let begun = self.now();
                let stage = &mut self.stages[position];
                let output = stage.forward(&*self.start.model, micro_batch, input, targets, &pass)?;
                self.finish(action, begun)?;
                if self.stages[position].is_last() {
                    self.losses[micro_batch] = Some(output.single()?);
                    return Ok(());
                }
                self.send(position, Action { kind: ActionKind::SendForward, ..action }, output)
            }
            ActionKind::Backward => {
                let gradient = if self.stages[position].is_last() {
                    None
                } else {
                    let kind = ActionKind::RecvBackward;
                    Some(self.receive(position, Action { kind, ..action })?)
                };
                let weight = micro_batches[micro_batch].rows as f64 / rows.max(1) as f64;
                let begun = self.now();
                let stage = &mut self.stages[position];
                let result = stage.backward(&*self.start.model, micro_batch, gradient, weight, &pass)?;
                // The previous stage waits for this; the sums can come after.
                let sent = result.input_gradient.map(|gradient| {
                    self.send(position, Action { kind: ActionKind::SendBackward, ..action }, gradient)
                });
                self.stages[position].accumulate(result.gradients);
                self.finish(action, begun)?;
                sent.unwrap_or(Ok(()))
            }
            other => Err(EngineError::driver(format!(
                "the engine runs F and B; it cannot run {} as an action of its own",
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

    fn input_of(
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

    fn targets_of(
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
        let links = &self.start.links[position];
        let inlet = match action.kind {
            ActionKind::RecvForward => &links.input,
            _ => &links.output_gradient,
        };
        let inlet = inlet.as_ref().ok_or_else(|| EngineError::driver("there is no link to receive from"))?;
        let (activation, sent) = inlet.receive(action.micro_batch)?;
        // Drawn from the moment it was on its way; waiting for it is not a transfer.
        let moved = Transfer { start_ns: sent.end_ns, end_ns: self.now(), bytes: sent.bytes };
        self.record(Lane::TransferIn, action, moved);
        Ok(activation)
    }

    fn send(&mut self, position: usize, action: Action, activation: Activation) -> Result<(), EngineError> {
        let begun = self.now();
        let bytes = activation.bytes();
        let links = &self.start.links[position];
        let outlet = match action.kind {
            ActionKind::SendForward => &links.output,
            _ => &links.input_gradient,
        };
        let outlet = outlet.as_ref().ok_or_else(|| EngineError::driver("there is no link to send to"))?;
        outlet.send(action.micro_batch, activation)?;
        self.record(Lane::TransferOut, action, Transfer { start_ns: begun, end_ns: self.now(), bytes });
        Ok(())
    }

    /// Ends a compute action. Waits for devices that compute beside the host, so that the trace
    /// shows when the work was done and not when it was asked for.
    fn finish(&mut self, action: Action, begun_ns: u64) -> Result<(), EngineError> {
        if !self.start.device.is_cpu() {
            self.start.device.burn().sync().map_err(EngineError::driver)?;
        }
        let done = Transfer { start_ns: begun_ns, end_ns: self.now(), bytes: 0 };
        self.record(Lane::Compute, action, done);
        Ok(())
    }

    fn record(&mut self, lane: Lane, action: Action, took: Transfer) {
        let Transfer { start_ns, end_ns, bytes } = took;
        let device = self.start.rank;
        self.events.push(TraceEvent { step: self.step, device, lane, action, start_ns, end_ns, bytes });
    }

    fn sample_memory(&mut self) {
        if let Some((in_use_bytes, peak)) = self.start.device.usage(self.peak_bytes) {
            self.peak_bytes = peak;
            let sample = MemorySample { at_ns: self.now(), device: self.start.rank, in_use_bytes };
            self.memory.push(sample);
        }
    }

    fn apply(&mut self, update: Update) -> Result<Reply, EngineError> {
        let begun = self.now();
        let action = Action::new(
            self.stages.first().map_or(0, |stage| stage.index),
            ActionKind::Optimizer,
            0,
        );
        self.current = Some(action);
        for stage in &mut self.stages {
            stage.update(&self.start.optimizer, update)?;
        }
        self.start.ties.share_weights(&mut self.stages)?;
        self.finish(action, begun)?;
        self.sample_memory();
        let usage = self.start.device.usage(self.peak_bytes);
        Ok(Reply::Applied {
            events: std::mem::take(&mut self.events),
            memory: std::mem::take(&mut self.memory),
            usage,
        })
    }

    fn evaluate(
        &mut self,
        mut micro_batches: Vec<MicroBatch>,
        check_finite: bool,
    ) -> Result<Reply, EngineError> {
        let pass = Pass { training: false, seed: 0 };
        let mut losses = Vec::new();
        let mut not_finite = Vec::new();
        for micro_batch in 0..micro_batches.len() {
            for position in 0..self.stages.len() {
                let action = Action::forward(self.stages[position].index, micro_batch);
                self.current = Some(action);
                let input = self.input_of(position, action, &mut micro_batches)?;
                let targets = self.targets_of(position, &mut micro_batches, micro_batch)?;
                let stage = &self.stages[position];
                let output = stage.run_without_graph(input, &pass)?;
                if check_finite && !is_finite(output.clone())? && !not_finite.contains(&stage.index) {
                    not_finite.push(stage.index);
                }
                match targets {
                    Some(targets) => losses.push(self.start.model.loss(output, targets)?),
                    None => self.send(position, Action { kind: ActionKind::SendForward, ..action }, output)?,
                }
            }
        }
        self.events.clear();
        let losses = losses.into_iter().map(read_loss).collect::<Result<_, _>>()?;
        Ok(Reply::Evaluated { losses, not_finite })
    }

    fn output(&mut self, inputs: Vec<TensorData>) -> Result<Reply, EngineError> {
        let pass = Pass { training: false, seed: 0 };
        let mut micro_batches = [MicroBatch { inputs, targets: Vec::new(), rows: 1 }];
        let mut reply = Reply::Done;
        for position in 0..self.stages.len() {
            let action = Action::forward(self.stages[position].index, 0);
            self.current = Some(action);
            let input = self.input_of(position, action, &mut micro_batches)?;
            let output = self.stages[position].run_without_graph(input, &pass)?;
            if self.stages[position].is_last() {
                reply = Reply::Output(output.into_data()?);
            } else {
                self.send(position, Action { kind: ActionKind::SendForward, ..action }, output)?;
            }
        }
        self.events.clear();
        Ok(reply)
    }

    fn now(&self) -> u64 {
        elapsed_ns(self.start.origin)
    }
}

fn read_loss(loss: Tensor<1>) -> Result<f64, EngineError> {
    loss.try_into_scalar::<f32>().map(f64::from).map_err(EngineError::driver)
}

fn is_finite(activation: Activation) -> Result<bool, EngineError> {
    let data = activation.into_data()?;
    let floats = data.iter().filter(|data| data.dtype().is_float());
    Ok(floats.flat_map(TensorData::iter::<f32>).all(f32::is_finite))
}
