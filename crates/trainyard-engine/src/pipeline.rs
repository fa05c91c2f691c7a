//! The pipeline: distributes a model over devices as a plan says, and trains it.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use burn::tensor::TensorData;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use trainyard_plan::memory::{self, DeviceNeed};
use trainyard_plan::{DeviceProfile, MemorySample, Plan, TraceEvent};

use crate::checkpoint::{self, Manifest};
use crate::fault::WORKER_THREAD_PREFIX;
use crate::link::{Ends, link};
use crate::optimizer::{AdamW, Update};
use crate::tie::tie_ends;
use crate::worker::{Command, Reply, Report, Start, StageLinks, work};
use crate::{Device, EngineError, Model, Part};

/// A slice of the batch, on the host.
#[derive(Clone, Debug)]
pub struct MicroBatch {
    /// What the first layer takes, tensor by tensor; the first dimension is rows.
    pub inputs: Vec<TensorData>,
    /// What the loss compares with.
    pub targets: Vec<TensorData>,
    /// How many rows: the micro-batch's weight in the batch's loss.
    pub rows: usize,
}

/// How a pipeline trains.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// From which all weights and all dropout follow.
    pub seed: u64,
    /// The optimizer's settings.
    pub optimizer: AdamW,
    /// Gradients whose global norm is larger are scaled down to it; None leaves them as they are.
    pub clip: Option<f64>,
    /// Rows of one micro-batch, from which the memory estimate follows.
    pub rows: usize,
}

/// What was measured during one step.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Every action with its time, in ns since [`Pipeline::origin`].
    pub events: Vec<TraceEvent>,
    /// Memory of the devices between actions.
    pub memory: Vec<MemorySample>,
    /// For each rank, bytes in use and the most so far; None where nobody measures.
    pub usage: Vec<Option<(u64, u64)>>,
}

/// The outcome of one step.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// Mean loss over the batch.
    pub loss: f64,
    /// Global gradient norm before clipping.
    pub gradient_norm: f64,
    /// Times and memory.
    pub measured: Measured,
}

struct Rank {
    device: String,
    commands: Sender<Command>,
    thread: JoinHandle<()>,
}

/// A model spread over devices, with a worker thread for each.
pub struct Pipeline {
    plan: Arc<Plan>,
    layer_names: Arc<Vec<String>>,
    ranks: Vec<Rank>,
    reports: Receiver<Report>,
    options: Options,
    needs: Vec<DeviceNeed>,
    origin: Instant,
    failed: bool,
}

/// How long the others may take to notice that one worker has failed.
const GRACE: Duration = Duration::from_secs(5);

impl Pipeline {
    /// Places the model's layers on the devices as the plan says and makes their weights.
    ///
    /// Nothing is created on any device before the whole placement is known to fit.
    ///
    /// # Errors
    /// [`EngineError::Plan`] when the plan is unsound or does not fit the devices' budgets;
    /// [`EngineError::Worker`] when a device fails while the weights are made.
    pub fn distribute(
        model: Arc<dyn Model>,
        plan: &Plan,
        devices: Vec<Device>,
        options: Options,
    ) -> Result<Self, EngineError> {
        let profile = model.profile(options.rows);
        let names: Vec<String> = profile.layers.iter().map(|layer| layer.name.clone()).collect();
        plan.check(names.len())?;
        let offered: Vec<_> = devices
            .iter()
            .map(|device| DeviceProfile {
                id: device.id().to_owned(),
                memory_bytes: device.capacity_bytes(),
                speed: 1.0,
            })
            .collect();
        let needs = memory::check(&profile, &plan.stages, &plan.schedule, &offered)?;
        let mut devices = in_rank_order(plan, devices)?;
        for (device, need) in devices.iter_mut().zip(&needs) {
            device.allocate(Part { name: format!("stages of {}", need.device), memory: need.peak })?;
        }

        let origin = Instant::now();
        let plan = Arc::new(plan.clone());
        let layer_names = Arc::new(names);
        let mut links = make_links(&plan, &devices, origin)?;
        let rank_of = |layer| plan.stage_of_layer(layer).and_then(|s| plan.rank_of_stage(s)).unwrap_or(0);
        let ties = tie_ends(&model.ties(), devices.len(), rank_of);
        let (report, reports) = bounded(devices.len() * 2);
        let mut ranks = Vec::new();
        for ((rank, device), ties) in devices.into_iter().enumerate().zip(ties) {
            let (commands, inbox) = bounded(2);
            let id = device.id().to_owned();
            let start = Start {
                rank,
                device,
                model: Arc::clone(&model),
                plan: Arc::clone(&plan),
                layer_names: Arc::clone(&layer_names),
                seed: options.seed,
                optimizer: options.optimizer,
                links: std::mem::take(&mut links[rank]),
                ties,
                origin,
            };
            let report = report.clone();
            let thread = std::thread::Builder::new()
                .name(format!("{WORKER_THREAD_PREFIX}rank{rank}"))
                .spawn(move || work(start, &inbox, &report))
                .map_err(EngineError::driver)?;
            ranks.push(Rank { device: id, commands, thread });
        }
        let mut pipeline =
            Self { plan, layer_names, ranks, reports, options, needs, origin, failed: false };
        pipeline.collect()?;
        Ok(pipeline)
    }

    /// The plan that runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What each device was estimated to need, in rank order.
    pub fn needs(&self) -> &[DeviceNeed] {
        &self.needs
    }

    /// The zero of all times in [`Measured`].
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// One optimizer step: forward and backward of every micro-batch, clipping, update.
    ///
    /// `step` counts from 1. The result equals the step of the whole model on one device over the
    /// same micro-batches.
    ///
    /// # Errors
    /// [`EngineError::NotFinite`] before the update when the loss or a gradient is not a number;
    /// the pipeline stays usable. Any other error ends it.
    pub fn step(
        &mut self,
        step: u64,
        learning_rate: f64,
        micro_batches: Vec<MicroBatch>,
    ) -> Result<StepResult, EngineError> {
        let weights: Vec<usize> = micro_batches.iter().map(|m| m.rows).collect();
        if weights.len() != self.plan.micro_batches {
            return Err(trainyard_plan::PlanError::BadNumber {
                what: "number of micro-batches".into(),
                value: weights.len().to_string(),
                must: format!("{}, as the plan says", self.plan.micro_batches),
            }
            .into());
        }
        let for_diagnosis = micro_batches.clone();
        self.hand_out(micro_batches, |micro_batches| Command::Step { step, micro_batches })?;
        let mut losses = Vec::new();
        let mut norms = Vec::new();
        for reply in self.collect()? {
            if let Reply::Gradients { losses: of_rank, norms: of_layers } = reply {
                losses.extend(of_rank);
                norms.extend(of_layers);
            }
        }
        let loss = weighted_mean(&losses, &weights);
        // In the order of the layers, whatever the partition: floating-point sums depend on it.
        norms.sort_by_key(|(layer, _)| *layer);
        let gradient_norm = norms.iter().flat_map(|(_, squares)| squares).sum::<f64>().sqrt();
        if !loss.is_finite() || !gradient_norm.is_finite() {
            return Err(self.diagnose(step, loss, &norms, for_diagnosis)?);
        }
        let gradient_scale = match self.options.clip {
            Some(clip) if gradient_norm > clip => clip / gradient_norm,
            _ => 1.0,
        };
        let update = Update { step, learning_rate, gradient_scale };
        self.ask_all(|| Command::Apply(update))?;
        let mut measured = Measured::default();
        for reply in self.collect()? {
            if let Reply::Applied { events, memory, usage } = reply {
                measured.events.extend(events);
                measured.memory.extend(memory);
                measured.usage.push(usage);
            }
        }
        Ok(StepResult { loss, gradient_norm, measured })
    }

    /// Mean loss over micro-batches, weighted by their rows, without training.
    ///
    /// # Errors
    /// When a device fails; that ends the pipeline.
    pub fn evaluate(&mut self, micro_batches: Vec<MicroBatch>) -> Result<f64, EngineError> {
        let weights: Vec<usize> = micro_batches.iter().map(|m| m.rows).collect();
        self.hand_out(micro_batches, |micro_batches| Command::Evaluate {
            micro_batches,
            check_finite: false,
        })?;
        let mut losses = Vec::new();
        for reply in self.collect()? {
            if let Reply::Evaluated { losses: of_rank, .. } = reply {
                losses.extend(of_rank);
            }
        }
        Ok(weighted_mean(&losses, &weights))
    }

    /// The model's output for one input, without training.
    ///
    /// # Errors
    /// When a device fails; that ends the pipeline.
    pub fn output(&mut self, inputs: &[TensorData]) -> Result<Vec<TensorData>, EngineError> {
        self.ask_all(|| Command::Output { inputs: inputs.to_vec() })?;
        let output = self.collect()?.into_iter().find_map(|reply| match reply {
            Reply::Output(data) => Some(data),
            _ => None,
        });
        output.ok_or_else(|| EngineError::driver("no rank gave an output"))
    }

    /// Writes a checkpoint: a folder that holds every layer in a file of its own, so that it can
    /// be loaded under any partition. `folder` appears whole or not at all.
    ///
    /// # Errors
    /// [`EngineError::Io`] when the disk does not take it; training may go on.
    pub fn save(&mut self, folder: &Path, step: u64, state: serde_json::Value) -> Result<(), EngineError> {
        let unfinished = checkpoint::begin(folder)?;
        self.ask_all(|| Command::Save { folder: unfinished.clone() })?;
        let mut layers = Vec::new();
        for reply in self.collect()? {
            if let Reply::Saved(records) = reply {
                layers.extend(records);
            }
        }
        layers.sort_by_key(|record| record.index);
        checkpoint::finish(&unfinished, folder, &Manifest::new(&self.plan.model, step, layers, state))
    }

    /// Reads weights and optimizer state from a checkpoint, whatever partition wrote it.
    ///
    /// # Errors
    /// [`EngineError::Checkpoint`] when it is not whole or belongs to another model.
    pub fn load(&mut self, folder: &Path) -> Result<Manifest, EngineError> {
        let manifest = checkpoint::read_manifest(folder)?;
        manifest.check_layers(folder, &self.layer_names)?;
        self.ask_all(|| Command::Load {
            folder: folder.to_owned(),
            records: manifest.layers.clone(),
        })?;
        self.collect()?;
        Ok(manifest)
    }

    /// Finds out which stage is the first with something that is not a number.
    fn diagnose(
        &mut self,
        step: u64,
        loss: f64,
        norms: &[(usize, Vec<f64>)],
        micro_batches: Vec<MicroBatch>,
    ) -> Result<EngineError, EngineError> {
        self.ask_all(|| Command::Discard)?;
        self.collect()?;
        self.hand_out(micro_batches, |micro_batches| Command::Evaluate {
            micro_batches,
            check_finite: true,
        })?;
        let mut forward = Vec::new();
        for reply in self.collect()? {
            if let Reply::Evaluated { not_finite, .. } = reply {
                forward.extend(not_finite);
            }
        }
        // A backward goes from the last stage to the first, so that is the order in which a bad
        // gradient spreads.
        let bad_layer = norms.iter().rev().find(|(_, n)| n.iter().any(|norm| !norm.is_finite()));
        let in_backward = bad_layer.and_then(|(layer, _)| self.plan.stage_of_layer(*layer));
        let (what, stage) = match (forward.into_iter().min(), in_backward) {
            (Some(stage), _) => ("an activation", stage),
            (None, _) if !loss.is_finite() => ("the loss", self.plan.stages.len() - 1),
            (None, stage) => ("a gradient", stage.unwrap_or(0)),
        };
        let of_stage = &self.plan.stages[stage];
        Ok(EngineError::NotFinite {
            step,
            what: what.to_owned(),
            stage,
            device: of_stage.device.clone(),
            layers: self.layer_names[of_stage.layers.0..of_stage.layers.1].join(", "),
        })
    }

    /// Gives inputs to the rank with the first stage, targets to the rank with the last, and the
    /// number of rows to everybody.
    fn hand_out(
        &mut self,
        micro_batches: Vec<MicroBatch>,
        command: impl Fn(Vec<MicroBatch>) -> Command,
    ) -> Result<(), EngineError> {
        let first = self.plan.rank_of_stage(0);
        let last = self.plan.rank_of_stage(self.plan.stages.len() - 1);
        let mut shares: Vec<Vec<MicroBatch>> = vec![Vec::new(); self.ranks.len()];
        for micro_batch in micro_batches {
            let MicroBatch { inputs, targets, rows } = micro_batch;
            for share in &mut shares {
                share.push(MicroBatch { inputs: Vec::new(), targets: Vec::new(), rows });
            }
            let newest = |share: &mut Vec<MicroBatch>, put: &mut dyn FnMut(&mut MicroBatch)| {
                if let Some(micro_batch) = share.last_mut() {
                    put(micro_batch);
                }
            };
            let (mut inputs, mut targets) = (Some(inputs), Some(targets));
            if let Some(rank) = first {
                newest(&mut shares[rank], &mut |m| m.inputs = inputs.take().unwrap_or_default());
            }
            if let Some(rank) = last {
                newest(&mut shares[rank], &mut |m| m.targets = targets.take().unwrap_or_default());
            }
        }
        let mut shares = shares.into_iter();
        self.ask_all(|| command(shares.next().unwrap_or_default()))
    }

    fn ask_all(&mut self, mut command: impl FnMut() -> Command) -> Result<(), EngineError> {
        if self.failed {
            return Err(EngineError::driver("the pipeline has failed before; make a new one"));
        }
        // A worker that is gone has left its error in `reports`; `collect` finds it.
        for rank in &self.ranks {
            let _gone = rank.commands.send(command()).is_err();
        }
        Ok(())
    }

    /// One reply from every rank, in rank order; or the error that started the trouble.
    fn collect(&mut self) -> Result<Vec<Reply>, EngineError> {
        let mut replies: Vec<Option<Reply>> = self.ranks.iter().map(|_| None).collect();
        let mut trouble: Option<EngineError> = None;
        for _ in 0..self.ranks.len() {
            let report = match &trouble {
                None => self.next_report(),
                Some(_) => self.reports.recv_timeout(GRACE).map_err(|_| EngineError::NeighbourStopped),
            };
            match report {
                Ok((rank, Ok(reply))) => replies[rank] = Some(reply),
                Ok((_, Err(error))) | Err(error) => {
                    let consequence = matches!(error, EngineError::NeighbourStopped);
                    let known = trouble.as_ref().is_some_and(|t| !matches!(t, EngineError::NeighbourStopped));
                    if !(consequence || known) || trouble.is_none() {
                        trouble = Some(error);
                    }
                }
            }
        }
        match trouble {
            Some(error) => {
                self.failed = true;
                Err(error)
            }
            None => Ok(replies.into_iter().flatten().collect()),
        }
    }

    /// Waits for a report, and notices when a worker thread has ended without one.
    fn next_report(&self) -> Result<Report, EngineError> {
        loop {
            match self.reports.recv_timeout(Duration::from_secs(1)) {
                Ok(report) => return Ok(report),
                Err(RecvTimeoutError::Disconnected) => return Err(EngineError::NeighbourStopped),
                Err(RecvTimeoutError::Timeout) => {
                    let ended = self.ranks.iter().find(|rank| rank.thread.is_finished());
                    if let (Some(rank), true) = (ended, self.reports.is_empty()) {
                        let device = &rank.device;
                        return Err(EngineError::driver(format!("the worker of device '{device}' has ended")));
                    }
                }
            }
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        for Rank { commands, thread, .. } in self.ranks.drain(..) {
            drop(commands);
            // After a fault a worker may hang in its driver; it must not take the program with it.
            if !self.failed {
                let _panicked = thread.join().is_err();
            }
        }
    }
}

/// The devices that the plan uses, rank by rank.
fn in_rank_order(plan: &Plan, devices: Vec<Device>) -> Result<Vec<Device>, EngineError> {
    let mut devices: Vec<Option<Device>> = devices.into_iter().map(Some).collect();
    let mut ordered = Vec::new();
    for rank in &plan.schedule.ranks {
        let id = rank.first().map_or("", |action| plan.stages[action.stage].device.as_str());
        let found = devices.iter_mut().find(|d| d.as_ref().is_some_and(|d| d.id() == id));
        let device = found.and_then(Option::take).ok_or_else(|| trainyard_plan::PlanError::BadPlan {
            reason: format!("it names device '{id}', which is not there or runs another rank"),
        })?;
        ordered.push(device);
    }
    Ok(ordered)
}

/// The links of every rank's stages.
fn make_links(plan: &Plan, devices: &[Device], origin: Instant) -> Result<Vec<Vec<StageLinks>>, EngineError> {
    let ranks: Vec<usize> = (0..plan.stages.len())
        .map(|stage| plan.rank_of_stage(stage).unwrap_or(0))
        .collect();
    let mut of_stage: Vec<StageLinks> = (0..plan.stages.len())
        .map(|stage| StageLinks { stage, ..StageLinks::default() })
        .collect();
    let mut link_threads = Vec::new();
    // A stage has at most all micro-batches on their way: with that much room no send ever waits.
    let capacity = plan.micro_batches;
    for stage in 1..plan.stages.len() {
        let (before, after) = (&devices[ranks[stage - 1]], &devices[ranks[stage]]);
        let forward = Ends { source: before, target: after };
        let (outlet, inlet) = link(&format!("F{stage}"), &forward, capacity, origin, &mut link_threads)?;
        of_stage[stage - 1].output = Some(outlet);
        of_stage[stage].input = Some(inlet);
        let backward = Ends { source: after, target: before };
        let (outlet, inlet) = link(&format!("B{stage}"), &backward, capacity, origin, &mut link_threads)?;
        of_stage[stage].input_gradient = Some(outlet);
        of_stage[stage - 1].output_gradient = Some(inlet);
    }
    let mut of_rank: Vec<Vec<StageLinks>> = devices.iter().map(|_| Vec::new()).collect();
    for links in of_stage {
        of_rank[ranks[links.stage]].push(links);
    }
    Ok(of_rank)
}

fn weighted_mean(values: &[f64], weights: &[usize]) -> f64 {
    let total: usize = weights.iter().sum();
    let sum: f64 = values.iter().zip(weights).map(|(value, &weight)| value * weight as f64).sum();
    sum / total.max(1) as f64
}
