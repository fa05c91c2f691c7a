//! The worker: one thread a rank, which alone touches the rank's weights, graphs and optimizer.
//!
//! It knows nothing of schedules: it does the actions it is given, in order, each as soon as its
//! input is there.

mod act;
mod evaluate;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use crossbeam_channel::{Receiver, Sender};
use trainyard_plan::{Action, MemorySample, Plan, TraceEvent};

use crate::checkpoint::{LayerRecord, read_layer, save_layer};
use crate::fault::catch_panic;
use crate::link::{Inlet, Outlet, elapsed_ns};
use crate::optimizer::{GroupedOptimizer, Update};
use crate::stage::Stage;
use crate::tie::TieEnds;
use crate::{Device, EngineError, MicroBatch, Model};

/// What the pipeline asks of a worker.
pub(crate) enum Command {
    /// Do the schedule's actions for these micro-batches; answer [`Reply::Gradients`].
    Step { step: u64, micro_batches: Vec<MicroBatch> },
    /// Update the weights; answer [`Reply::Applied`].
    Apply(Update),
    /// Forget the step's gradients; answer [`Reply::Done`].
    Discard,
    /// Forward alone; answer [`Reply::Evaluated`]. With a step's number the forwards are those of
    /// that step, dropout and all, and outputs that are not finite are looked for.
    Evaluate { micro_batches: Vec<MicroBatch>, find_not_finite_in: Option<u64> },
    /// Forward of one input; the last rank answers [`Reply::Output`], the others [`Reply::Done`].
    Output { inputs: Vec<TensorData> },
    /// Write the rank's layers into a folder; answer [`Reply::Saved`] or [`Reply::Refused`].
    Save { folder: PathBuf },
    /// Read and check the rank's layers, and leave them; answer [`Reply::Done`] or
    /// [`Reply::Refused`].
    CheckFiles(Files),
    /// Read the rank's layers; answer [`Reply::Done`].
    Load(Files),
}

/// A checkpoint's folder and what is in it.
pub(crate) type Files = (Arc<Path>, Arc<Vec<LayerRecord>>);

/// What a worker answers.
pub(crate) enum Reply {
    Done,
    /// Cannot do it, and is as it was.
    Refused(EngineError),
    /// Losses of the micro-batches (last rank) and squared gradient norms by layer and weight.
    Gradients {
        losses: Vec<f64>,
        norms: Vec<(usize, Vec<f64>)>,
    },
    Applied {
        events: Vec<TraceEvent>,
        memory: Vec<MemorySample>,
        usage: Option<(u64, u64)>,
    },
    /// Losses (last rank), and the stages whose output is not finite.
    Evaluated {
        losses: Vec<f64>,
        not_finite: Vec<usize>,
    },
    Output(Vec<TensorData>),
    Saved(Vec<LayerRecord>),
}

/// A worker's answer, or the error that ended it.
pub(crate) type Report = (usize, Result<Reply, EngineError>);

/// Everything a worker starts with.
pub(crate) struct WorkerContext {
    pub(crate) rank: usize,
    pub(crate) device: Device,
    pub(crate) model: Arc<dyn Model>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) layer_names: Arc<Vec<String>>,
    pub(crate) seed: u64,
    pub(crate) optimizer: GroupedOptimizer,
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
    start: WorkerContext,
    stages: Vec<Stage>,
    step: u64,
    /// The action in hand, for the error message.
    current: Option<Action>,
    events: Vec<TraceEvent>,
    memory: Vec<MemorySample>,
    /// Bytes in use at the last look, and the most so far.
    usage: Option<(u64, u64)>,
    losses: Vec<Option<Tensor<1>>>,
}

/// The worker thread's whole life. Ends when the pipeline is dropped, or after an error.
pub(crate) fn work(start: WorkerContext, commands: &Receiver<Command>, reports: &Sender<Report>) {
    let rank = start.rank;
    let seat = start.device.compute_thread();
    let live = || {
        let mut worker = match catch_panic(|| Worker::build(start)) {
            Ok(worker) => worker,
            Err(error) => return drop(reports.send((rank, Err(error)))),
        };
        if reports.send((rank, Ok(Reply::Done))).is_err() {
            return;
        }
        for command in commands {
            let reply =
                catch_panic(|| worker.handle(command)).map_err(|error| worker.with_location(error));
            let ended = reply.is_err();
            if reports.send((rank, reply)).is_err() || ended {
                return;
            }
        }
    };
    if let Err(error) = seat.take(&format!("rank{rank}"), live) {
        drop(reports.send((rank, Err(error))));
    }
}

impl Worker {
    fn build(start: WorkerContext) -> Result<Self, EngineError> {
        let mut stages = Vec::new();
        for &StageLinks { stage, .. } in &start.links {
            let build = || {
                Stage::build(
                    &*start.model,
                    stage,
                    &start.plan.stages[stage],
                    &start.layer_names,
                    start.seed,
                    start.device.burn(),
                )
            };
            stages.push(catch_panic(build).map_err(|error| EngineError::Worker {
                device: start.device.id().to_owned(),
                stage,
                action: "start".to_owned(),
                step: 0,
                reason: error.to_string(),
            })?);
        }
        Ok(Self {
            start,
            stages,
            step: 0,
            current: None,
            events: Vec::new(),
            memory: Vec::new(),
            usage: None,
            losses: Vec::new(),
        })
    }

    /// Puts the place to an error that does not name it yet.
    fn with_location(&self, error: EngineError) -> EngineError {
        match error {
            EngineError::NeighbourStopped
            | EngineError::Worker { .. }
            | EngineError::Checkpoint { .. }
            | EngineError::Io { .. } => error,
            other => EngineError::Worker {
                device: self.start.device.id().to_owned(),
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
            Command::Step { step, micro_batches } => self.run_step(step, micro_batches),
            Command::Apply(update) => self.apply(update),
            Command::Discard => {
                self.stages.iter_mut().for_each(Stage::discard);
                Ok(Reply::Done)
            }
            Command::Evaluate { micro_batches, find_not_finite_in } => {
                self.evaluate(micro_batches, find_not_finite_in)
            }
            Command::Output { inputs } => self.output(inputs),
            Command::Save { folder } => {
                let layers = self.stages.iter().flat_map(|stage| &stage.layers);
                let saved: Result<_, _> = layers.map(|layer| save_layer(&folder, layer)).collect();
                or_refuse(saved.map(Reply::Saved))
            }
            Command::CheckFiles((folder, records)) => {
                let mut layers = self.stages.iter().flat_map(|stage| &stage.layers);
                let optimizer = &self.start.optimizer;
                let checked = layers.try_for_each(|layer| {
                    read_layer(&folder, &records, layer, optimizer).map(drop)
                });
                or_refuse(checked.map(|()| Reply::Done))
            }
            Command::Load((folder, records)) => {
                for layer in self.stages.iter_mut().flat_map(|stage| &mut stage.layers) {
                    let file = read_layer(&folder, &records, layer, &self.start.optimizer)?;
                    file.put(layer, &self.start.device)?;
                }
                self.start.ties.share_weights(&mut self.stages)?;
                Ok(Reply::Done)
            }
        }
    }

    fn now(&self) -> u64 {
        elapsed_ns(self.start.origin)
    }
}

/// Trouble with a file leaves a worker as it was; any other error ends it.
fn or_refuse(reply: Result<Reply, EngineError>) -> Result<Reply, EngineError> {
    match reply {
        Err(error @ (EngineError::Io { .. } | EngineError::Checkpoint { .. })) => {
            Ok(Reply::Refused(error))
        }
        reply => reply,
    }
}
