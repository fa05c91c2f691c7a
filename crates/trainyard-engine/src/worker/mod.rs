//! The worker: one thread a rank, which alone touches the rank's weights, graphs and optimizer.
//!
//! It knows nothing of schedules: it does the actions it is given, in order, each as soon as its
//! input is there.

mod act;
mod evaluate;
mod go_on;
mod links;
mod record;
mod send;
mod timeline;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use trainyard_plan::{Action, MemorySample, Plan, TraceEvent};

use crate::activity::Activity;
use crate::checkpoint::{LayerRecord, Loading, read_layer, save_layer};
use crate::concurrency::{Receiver, Sender};
use crate::fault::catch_panic;
use crate::objective::{Loss, LossValues};
use crate::optimizer::{GroupedOptimizer, Update};
use crate::stage::{Stage, StagePlace};
use crate::tie::{Shared, TieEnds};
use crate::wiring::{StageWiring, Wiring};
use crate::{Device, DeviceClock, EngineError, HostTensors, MicroBatch, Model, Objective, Tensors};
pub(crate) use act::Shares;
pub(crate) use links::StageLinks;
use timeline::Timeline;

/// What the pipeline asks of a worker.
pub(crate) enum Command {
    /// Do the schedule's actions for these micro-batches; answer [`Reply::Gradients`], or
    /// [`Reply::Refused`] where the last update has left numbers that are not finite.
    Step { step: u64, micro_batches: Vec<MicroBatch>, shares: Arc<Shares> },
    /// Update copies of the weights and drop them; answer [`Reply::Done`].
    TryUpdate,
    /// Update the weights; answer [`Reply::Applied`].
    Apply(Update),
    /// Give what of the last step has been told since; answer [`Reply::Applied`].
    Settle,
    /// Keep, or do not keep, what is done when; answer [`Reply::Done`].
    Trace(bool),
    /// Let links move nothing from this step on; answer [`Reply::Done`].
    FreeLinks { from_step: u64 },
    /// Forget the step's gradients and what it did to buffers; answer [`Reply::Done`].
    Discard,
    /// Give weights that follow others their values; answer [`Reply::Done`].
    ShareWeights,
    /// End backwards where, by layer of the model, none comes; answer [`Reply::Done`].
    EndBackward { goes_back: Arc<[bool]> },
    /// Forward alone, as a model is used; answer [`Reply::Evaluated`].
    Evaluate { micro_batches: Vec<MicroBatch> },
    /// The forwards of a step again, and look whether their outputs are finite; answer
    /// [`Reply::NotFinite`].
    FindNotFinite { step: u64, micro_batches: Vec<MicroBatch> },
    /// Forward of one input; the last rank answers [`Reply::Output`], the others [`Reply::Done`].
    Output { inputs: HostTensors },
    /// Forward of a sequence's next `positions`, after what was kept of those before; the last rank answers
    /// [`Reply::Output`], the others nothing.
    GoOn { sequence: u64, positions: usize, micro_batch: MicroBatch },
    /// Keep nothing of a sequence any more, or of all; answer nothing.
    Forget(Option<u64>),
    /// Look whether the last update has left finite numbers; answer [`Reply::Done`] or
    /// [`Reply::Refused`].
    CheckFinite,
    /// Write the rank's layers into a folder; answer [`Reply::Saved`] or [`Reply::Refused`].
    Save { folder: PathBuf },
    /// Read and check the rank's layers, and leave them; answer [`Reply::Done`] or
    /// [`Reply::Refused`].
    CheckFiles(Files),
    /// Read the rank's layers; answer [`Reply::Done`].
    Load(Files),
}

impl Command {
    /// Whether weights and optimizer state are afterwards what they were, however it ends.
    pub(crate) fn keeps_weights(&self) -> bool {
        !matches!(self, Self::Apply(_) | Self::ShareWeights | Self::Load(_))
    }

    /// Whether a save needs it, so that a worker whose step failed still does it.
    pub(crate) fn saves(&self) -> bool {
        matches!(self, Self::Discard | Self::CheckFinite | Self::Save { .. })
    }
}

/// A checkpoint's folder and what is in it.
#[derive(Clone)]
pub(crate) struct Files {
    pub(crate) folder: Arc<Path>,
    pub(crate) records: Arc<Vec<LayerRecord>>,
    pub(crate) loading: Loading,
}

/// What a worker answers.
pub(crate) enum Reply {
    /// The first, when the weights are made.
    Built {
        clock: DeviceClock,
        /// The weights that train, by layer and path.
        trained: Vec<(usize, String)>,
    },
    Done,
    /// Nothing is sent.
    Nothing,
    /// Refused; the worker's state is unchanged.
    Refused(EngineError),
    /// Losses of the micro-batches (last rank) and squared gradient norms by layer and weight.
    Gradients {
        losses: Vec<LossValues>,
        norms: Vec<(usize, Vec<f64>)>,
    },
    Applied(Recorded),
    /// Losses of the micro-batches (last rank).
    Evaluated(Vec<LossValues>),
    /// The rank's stages with an output that is not finite.
    NotFinite(Vec<usize>),
    Output(HostTensors),
    Saved(Vec<LayerRecord>),
}

/// What a rank did and held, as far as the times are known.
#[derive(Default)]
pub(crate) struct Recorded {
    pub(crate) events: Vec<TraceEvent>,
    pub(crate) memory: Vec<MemorySample>,
    /// Bytes in use at the last look, and the most so far.
    pub(crate) usage: Option<(u64, u64)>,
    /// How often the host has waited for the device.
    pub(crate) host_waits: u64,
}

/// A worker's answer, or the error that ended it.
pub(crate) type Report = (usize, Result<Reply, EngineError>);

/// Everything a worker starts with.
pub(crate) struct WorkerContext {
    pub(crate) rank: usize,
    pub(crate) device: Device,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) objective: Arc<dyn Objective>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) wiring: Arc<Wiring>,
    /// By stage of the plan.
    pub(crate) stage_wirings: Arc<[StageWiring]>,
    pub(crate) seed: u64,
    pub(crate) optimizer: GroupedOptimizer,
    /// By stage of the rank.
    pub(crate) links: Vec<StageLinks>,
    pub(crate) ties: TieEnds,
    pub(crate) origin: Instant,
    pub(crate) activity: Activity,
}

struct Worker {
    context: WorkerContext,
    stages: Vec<Stage>,
    step: u64,
    /// The action in hand, for the error message.
    current: Option<Action>,
    timeline: Timeline,
    losses: Vec<Option<Loss>>,
    /// The number of the last update.
    updated: u64,
    /// By sequence that goes on, what the layers of each stage of this rank have handed to themselves.
    carried: BTreeMap<u64, Vec<Tensors>>,
}

/// The worker thread's whole life. Ends when the pipeline is dropped, or after an error.
pub(crate) fn work(context: WorkerContext, commands: &Receiver<Command>, reports: &Sender<Report>) {
    let rank = context.rank;
    let thread = context.device.compute_thread();
    let live = || {
        let mut worker = match catch_panic(|| Worker::build(context)) {
            Ok(worker) => worker,
            Err(error) => return drop(reports.send((rank, Err(error)))),
        };
        let trained = worker.stages.iter().flat_map(Stage::trained).collect();
        let built = Reply::Built { clock: worker.timeline.clock(), trained };
        if reports.send((rank, Ok(built))).is_err() {
            return;
        }
        for command in commands {
            let keeps_weights = command.keeps_weights();
            let reply = worker.checked(command).map_err(|error| worker.with_location(error));
            let failed = reply.is_err();
            worker.context.activity.end();
            if matches!(reply, Ok(Reply::Nothing)) {
                continue;
            }
            if failed {
                // Whoever waits for this rank's messages learns it from the ends of its links.
                worker.context.links.clear();
                worker.context.ties = TieEnds::default();
            }
            if reports.send((rank, reply)).is_err() {
                return;
            }
            if failed {
                if keeps_weights {
                    worker.save_what_is_left(commands, reports);
                }
                return;
            }
        }
    };
    if let Err(error) = thread.run(&format!("rank{rank}"), live) {
        drop(reports.send((rank, Err(error))));
    }
}

impl Worker {
    fn build(context: WorkerContext) -> Result<Self, EngineError> {
        let mut stages = Vec::new();
        for &StageLinks { stage, .. } in &context.links {
            let of_plan = &context.plan.stages[stage];
            let place = StagePlace {
                index: stage,
                wiring: context.stage_wirings[stage].clone(),
                layers: of_plan.layers.0..of_plan.layers.1,
                recompute: of_plan.recompute,
                seed: context.seed,
                device: context.device.burn(),
            };
            let build = || {
                let stage = Stage::build(&*context.model, &context.wiring, place)?;
                context.device.flush()?;
                context.device.check_driver()?;
                Ok(stage)
            };
            stages.push(catch_panic(build).map_err(|error| EngineError::Worker {
                device: context.device.id().to_owned(),
                stage,
                action: "start".to_owned(),
                step: 0,
                reason: error.to_string(),
            })?);
        }
        let clock = context.device.clock(context.origin)?;
        let timeline = Timeline::new(context.rank, context.origin, clock);
        let (step, updated, current, losses, carried) = (0, 0, None, Vec::new(), BTreeMap::new());
        Ok(Self { context, stages, step, current, timeline, losses, updated, carried })
    }

    /// Begins with an action.
    fn begin(&mut self, action: Action) {
        self.current = Some(action);
        self.context.activity.begin(self.step, action);
    }

    /// Gives weights that follow others their values: all, or those that an update changes.
    fn share_weights(&mut self, which: Shared) -> Result<(), EngineError> {
        let WorkerContext { ties, device, activity, .. } = &self.context;
        ties.share_weights(which, &mut self.stages, device.burn(), activity)
    }

    /// After a failure that left the weights alone: does what a save needs, and nothing else.
    fn save_what_is_left(&mut self, commands: &Receiver<Command>, reports: &Sender<Report>) {
        for command in commands {
            if !command.saves() {
                return;
            }
            self.context.device.forget_driver_errors();
            let reply = self.checked(command);
            if reports.send((self.context.rank, reply)).is_err() {
                return;
            }
        }
    }

    /// What a command leads to. What the driver has reported goes before: no reply is made of what its
    /// device did not compute, and what fails afterwards fails because of it.
    fn checked(&mut self, command: Command) -> Result<Reply, EngineError> {
        let reply = catch_panic(|| self.handle(command));
        let device = &self.context.device;
        let reported = match device.gpu() {
            Some(gpu) if reply.is_err() => gpu.ask_after_failure(),
            _ => device.check_driver(),
        };
        match reported {
            Err(first) if !matches!(reply, Err(EngineError::Worker { .. })) => Err(first),
            _ => reply,
        }
    }

    /// Puts the place to an error that does not name it yet.
    fn with_location(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::NeighbourStopped
            | EngineError::Worker { .. }
            | EngineError::Checkpoint { .. }
            | EngineError::NotFiniteWeights { .. }
            | EngineError::Io { .. } => error,
            other => EngineError::Worker {
                device: self.context.device.id().to_owned(),
                stage: self.current.map_or_else(
                    || self.stages.first().map_or(0, |stage| stage.index),
                    |action| action.stage,
                ),
                action: self
                    .current
                    .map_or_else(|| "start".to_owned(), |action| action.to_string()),
                step: self.step,
                reason: other.to_string(),
            },
        }
    }

    fn handle(&mut self, command: Command) -> Result<Reply, EngineError> {
        match command {
            Command::Step { step, micro_batches, shares } => {
                or_refuse(self.run_step(step, micro_batches, &shares))
            }
            Command::TryUpdate => self.try_update(),
            Command::Apply(update) => self.apply(update),
            Command::Settle => {
                let reading = self.timeline.begin_read();
                self.timeline.finish_read(reading.as_ref())?;
                Ok(self.applied())
            }
            Command::Trace(is_on) => {
                self.timeline.turn(is_on);
                Ok(Reply::Done)
            }
            Command::FreeLinks { from_step } => {
                self.context.links.iter_mut().for_each(|links| links.free_from(from_step));
                Ok(Reply::Done)
            }
            Command::Discard => {
                self.stages.iter_mut().try_for_each(Stage::discard)?;
                Ok(Reply::Done)
            }
            Command::ShareWeights => {
                self.share_weights(Shared::All)?;
                Ok(Reply::Done)
            }
            Command::EndBackward { goes_back } => {
                let wiring = &self.context.wiring;
                self.stages.iter_mut().for_each(|stage| stage.end_backward(wiring, &goes_back));
                Ok(Reply::Done)
            }
            Command::Evaluate { micro_batches } => self.evaluate(micro_batches),
            Command::FindNotFinite { step, micro_batches } => {
                self.find_not_finite(step, micro_batches)
            }
            Command::Output { inputs } => self.output(inputs),
            Command::GoOn { sequence, positions, micro_batch } => {
                self.go_on(sequence, positions, micro_batch)
            }
            Command::Forget(sequence) => {
                self.forget(sequence);
                Ok(Reply::Nothing)
            }
            Command::CheckFinite => or_refuse(self.check_finite().map(|()| Reply::Done)),
            Command::Save { folder } => {
                let layers = self.stages.iter().flat_map(|stage| &stage.layers);
                let rebuilds = self.context.model.frozen_from().is_some();
                let save = |layer| save_layer(&folder, layer, self.updated, rebuilds);
                let saved: Result<_, _> = layers.map(save).collect();
                or_refuse(saved.map(Reply::Saved))
            }
            Command::CheckFiles(Files { folder, records, loading }) => {
                let mut layers = self.stages.iter().flat_map(|stage| &stage.layers);
                let optimizer = &self.context.optimizer;
                let checked = layers.try_for_each(|layer| {
                    read_layer(&folder, &records, layer, optimizer, loading).map(drop)
                });
                or_refuse(checked.map(|()| Reply::Done))
            }
            Command::Load(Files { folder, records, loading }) => {
                for layer in self.stages.iter_mut().flat_map(|stage| &mut stage.layers) {
                    let optimizer = &self.context.optimizer;
                    let file = read_layer(&folder, &records, layer, optimizer, loading)?;
                    file.put(layer, &self.context.device)?;
                }
                self.stages.iter_mut().for_each(Stage::forget_check);
                self.share_weights(Shared::All)?;
                Ok(Reply::Done)
            }
        }
    }
}

/// Trouble with a file, or with what should go into one, leaves a worker as it was; any other error
/// ends it.
fn or_refuse(reply: Result<Reply, EngineError>) -> Result<Reply, EngineError> {
    use EngineError::{Checkpoint, Io, NotFiniteWeights};
    match reply {
        Err(error @ (Io { .. } | Checkpoint { .. } | NotFiniteWeights { .. })) => {
            Ok(Reply::Refused(error))
        }
        reply => reply,
    }
}
