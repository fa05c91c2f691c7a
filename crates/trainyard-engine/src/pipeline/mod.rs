//! The pipeline: distributes a model over devices as a plan says, and trains it.

mod allocation;
mod built;
mod diagnose;
mod files;
mod links;
mod loss_scaling;
mod measured;
mod micro_batches;
mod sequences;
mod warm_up;
mod watch;
mod worker_pool;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use trainyard_plan::memory::DeviceNeed;
use trainyard_plan::{Plan, PlanError, Profile};

use crate::activity::Activity;
use crate::concurrency::{Builder, bounded};
use crate::fault::WORKER_THREAD_PREFIX;
use crate::kernels::KernelSet;
use crate::objective::LossValues;
use crate::optimizer::{GroupedOptimizer, Update};
use crate::tie::tie_ends;
use crate::wiring::{Name, StageWiring, Wiring};
use crate::worker::{Command, Reply, Shares, WorkerContext, work};
use crate::{
    Device, DeviceClock, EngineError, HostTensors, LossScale, Metrics, MicroBatch, Model, Objective,
};

use allocation::{allocate, check_actions, check_ids, choose_kernels};
use built::Built;
use links::Links;
pub use measured::{Evaluation, Measured, StepResult};
pub use sequences::Sequences;
use worker_pool::{Rank, WorkerPool};

/// How a pipeline trains.
#[derive(Clone, Debug)]
pub struct Options {
    /// From which all weights and all dropout follow.
    pub seed: u64,
    /// The optimizer with its settings and groups.
    pub optimizer: GroupedOptimizer,
    /// Gradients whose global norm is larger are scaled down to it; None leaves them as they are.
    pub clip: Option<f64>,
    /// Rows of one micro-batch, for which the profile holds.
    pub rows: usize,
}

/// A model spread over devices, with a worker thread for each.
///
/// ```
/// use std::sync::Arc;
///
/// use burn::nn::{Linear, LinearConfig};
/// use burn::tensor::{Tensor, TensorData};
/// use trainyard_engine::{
///     AdamW, DeriveSettings, Device, Layers, MeanSquaredError, MicroBatch, Options, Pipeline,
///     derive_profile, discover,
/// };
/// use trainyard_plan::{Plan, Profile, Recompute, Schedule, Stage};
///
/// // Four equal layers, `[batch, 4]` to `[batch, 4]`.
/// let model = Layers::new("line", "features").repeat("linear", 4, |layers, name, _| {
///     let init = |device: &_| LinearConfig::new(4, 4).init(device);
///     layers.layer(name, init, |linear: &Linear, x: Tensor<2>| linear.forward(x))
/// });
/// let rows = |value: f32| TensorData::new(vec![value; 2 * 4], [2, 4]);
/// let micro_batch = MicroBatch::new(2).with("features", rows(1.0)).with("targets", rows(0.5));
///
/// // What the layers need, and devices with a budget each.
/// let optimizer = AdamW::default().into();
/// let settings = DeriveSettings { seed: 1, optimizer: &optimizer, portable: false };
/// let costs = derive_profile(&model, &MeanSquaredError, &micro_batch, &settings, &|_, _| {})?;
/// let cpu = discover::cpu();
/// let open = |id: &str| Device::open(id, &cpu, 64 << 20, 1);
/// let devices = vec![open("left")?, open("right")?];
/// let profile = Profile::of_budgets(costs, [("left", 64 << 20), ("right", 64 << 20)], 2);
///
/// // Two layers on each, two micro-batches a step.
/// let stage = |device: &str, layers| Stage {
///     device: device.into(),
///     layers,
///     recompute: Recompute::None,
/// };
/// let stages = vec![stage("left", (0, 2)), stage("right", (2, 4))];
/// let plan = Plan::new("line", stages, Schedule::named("1f1b", 2, 2)?, 2);
/// let options = Options { seed: 1, optimizer, clip: None, rows: 2 };
/// let (model, objective) = (Arc::new(model), Arc::new(MeanSquaredError));
/// let mut pipeline = Pipeline::distribute(model, objective, &profile, &plan, devices, options)?;
/// let mut losses = Vec::new();
/// for step in 1..=20 {
///     losses.push(pipeline.step(step, 0.01, vec![micro_batch.clone(); 2])?.loss);
/// }
/// assert!(losses[19] < losses[0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Pipeline {
    plan: Arc<Plan>,
    objective: Arc<dyn Objective>,
    layer_names: Vec<String>,
    /// Where frozen weights come from that checkpoints leave out.
    frozen_from: Option<String>,
    /// By rank, the batch's tensors that its stages take.
    takes: Vec<BTreeSet<Name>>,
    /// Whether every layer runs on slices of a context.
    in_slices: bool,
    workers: WorkerPool,
    options: Options,
    needs: Vec<DeviceNeed>,
    clocks: Vec<DeviceClock>,
    /// Whether steps say what was done when.
    traces: bool,
    kernels: Vec<(String, KernelSet)>,
    loss_scale: Option<LossScale>,
    origin: Instant,
}

impl Pipeline {
    /// Places the model's layers on the devices as the plan says and makes their weights. The
    /// profile says what memory the layers need; [`crate::derive_profile`] finds it out.
    ///
    /// Nothing is created on any device before the whole placement is known to fit.
    ///
    /// # Errors
    /// [`EngineError::Plan`] when the plan is unsound or does not fit the devices' budgets;
    /// [`EngineError::Layer`] when the model's layers do not go together;
    /// [`EngineError::Worker`] when a device fails while the weights are made.
    #[expect(clippy::needless_pass_by_value, reason = "the workers keep model and objective")]
    pub fn distribute(
        model: Arc<dyn Model>,
        objective: Arc<dyn Objective>,
        profile: &Profile,
        plan: &Plan,
        devices: Vec<Device>,
        options: Options,
    ) -> Result<Self, EngineError> {
        let wiring = Arc::new(Wiring::of(&*model)?);
        let layer_names = wiring.names();
        plan.check(layer_names.len())?;
        check_actions(plan)?;
        check_ids(&devices)?;
        let (devices, needs) = allocate(profile.clone(), plan, devices)?;
        let kernels = choose_kernels(profile, &devices);

        let origin = Instant::now();
        let plan = Arc::new(plan.clone());
        let ranges: Vec<_> = plan.stages.iter().map(|s| s.layers.0..s.layers.1).collect();
        let stage_wirings: Arc<[StageWiring]> = wiring.stages(&ranges).into();
        let takes = tensors_by_rank(&plan, &stage_wirings, &*objective, devices.len());
        let Links { of_rank, threads } = Links::make(&plan, &stage_wirings, &devices, origin)?;
        let rank_of =
            |layer| plan.stage_of_layer(layer).and_then(|s| plan.rank_of_stage(s)).unwrap_or(0);
        let ranks = devices.len();
        let ties = tie_ends(&wiring.ties, ranks, rank_of, model.builds_tied_frozen());
        let (report, reports) = bounded(ranks * 2);
        let mut workers = WorkerPool::new(reports, threads);
        for (rank, ((device, links), ties)) in
            devices.into_iter().zip(of_rank).zip(ties).enumerate()
        {
            // Room for all sequences that may be on their way; see `sequences`.
            let (commands, inbox) = bounded(ranks + 1);
            let (id, compiles) = (device.id().to_owned(), !device.is_cpu());
            let activity = Activity::default();
            let context = WorkerContext {
                rank,
                device,
                model: Arc::clone(&model),
                objective: Arc::clone(&objective),
                plan: Arc::clone(&plan),
                wiring: Arc::clone(&wiring),
                stage_wirings: Arc::clone(&stage_wirings),
                seed: options.seed,
                optimizer: options.optimizer.clone(),
                links,
                ties,
                origin,
                activity: activity.clone(),
            };
            let report = report.clone();
            let thread = Builder::new()
                .name(format!("{WORKER_THREAD_PREFIX}rank{rank}"))
                .spawn(move || work(context, &inbox, &report))
                .map_err(EngineError::no_thread)?;
            workers.ranks.push(Rank { device: id, compiles, commands, thread, activity });
        }
        // From here the workers alone hold it, so that it closes when they have all ended.
        drop(report);
        let built = Built::wait(&mut workers)?;
        built.end_backwards(&mut workers, &wiring)?;
        if !wiring.ties.is_empty() {
            workers.ask_all(|| Command::ShareWeights)?;
            workers.collect()?;
            built.check_ties(&wiring)?;
        }
        Ok(Self {
            plan,
            objective,
            layer_names,
            frozen_from: model.frozen_from(),
            takes,
            in_slices: wiring.layers.iter().all(|layer| layer.in_slices),
            workers,
            options,
            needs,
            clocks: built.clocks,
            traces: true,
            kernels,
            loss_scale: None,
            origin,
        })
    }

    /// The plan that runs.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What each device was estimated to need, in rank order.
    pub fn needs(&self) -> &[DeviceNeed] {
        &self.needs
    }

    /// By which clock each device's times are, in rank order.
    pub fn clocks(&self) -> &[DeviceClock] {
        &self.clocks
    }

    /// The kernels of ours that each wgpu device computes with, by its id: those of the profile, or else
    /// those that it was found to be faster with.
    pub fn kernels(&self) -> &[(String, KernelSet)] {
        &self.kernels
    }

    /// The zero of all times in [`Measured`].
    pub fn origin(&self) -> Instant {
        self.origin
    }

    /// Ends whatever this pipeline is doing, within a moment, once the flag is set: the call returns
    /// [`EngineError::Cancelled`], and the pipeline is over. What the devices are at they end alone.
    pub fn cancel_with(&mut self, flag: Arc<AtomicBool>) {
        self.workers.cancel = Some(flag);
    }

    /// One optimizer step: forward and backward of every micro-batch, clipping, update.
    ///
    /// `step` counts from 1. The result equals the step of the whole model on one device over the
    /// same micro-batches.
    ///
    /// # Errors
    /// [`EngineError::NotFinite`] before the update when the loss or a gradient is not a number,
    /// [`EngineError::NotFiniteWeights`] when the update before this step has left one that is not; the
    /// pipeline stays usable. Any other error ends it.
    pub fn step(
        &mut self,
        step: u64,
        learning_rate: f64,
        micro_batches: Vec<MicroBatch>,
    ) -> Result<StepResult, EngineError> {
        self.check_micro_batches(&micro_batches)?;
        let counts = self.counts(&micro_batches);
        // A copy of host data, small beside what the step computes from it.
        let for_diagnosis = micro_batches.clone();
        self.begin_step(step, &counts, micro_batches)?;
        let mut losses = Vec::new();
        let mut norms = Vec::new();
        for reply in self.step_replies()? {
            if let Reply::Gradients { losses: of_rank, norms: of_layers } = reply {
                losses.extend(of_rank);
                norms.extend(of_layers);
            }
        }
        let (loss, mut metrics) = weighted_means(&losses, &counts);
        self.objective.summarize(loss, &mut metrics);
        // In the order of the layers, whatever the partition: floating-point sums depend on it.
        norms.sort_by_key(|(layer, _)| *layer);
        let scale = self.loss_factor();
        let scaled_norm = norms.iter().flat_map(|(_, squares)| squares).sum::<f64>().sqrt();
        let gradient_norm = scaled_norm / scale;
        if !loss.is_finite() || !gradient_norm.is_finite() {
            self.check_weights()?;
            if loss.is_finite() && self.skips() {
                let measured = self.skip()?;
                return Ok(StepResult { loss, metrics, gradient_norm, skipped: true, measured });
            }
            return Err(self.diagnose(step, loss, &norms, for_diagnosis)?);
        }
        let gradient_scale = match self.options.clip {
            Some(clip) if gradient_norm > clip => clip / gradient_norm,
            _ => 1.0,
        };
        let update = self.unscaled(Update { step, learning_rate, gradient_scale });
        self.workers.ask_all(|| Command::Apply(update))?;
        let measured = self.collect_measured()?;
        Ok(StepResult { loss, metrics, gradient_norm, skipped: false, measured })
    }

    /// Has the workers do a step's actions. `counts` is what each micro-batch counts.
    fn begin_step(
        &mut self,
        step: u64,
        counts: &[f64],
        micro_batches: Vec<MicroBatch>,
    ) -> Result<(), EngineError> {
        let total: f64 = counts.iter().sum();
        let share = |count: &f64| count / total.max(f64::MIN_POSITIVE);
        let of_batch = counts.iter().map(share).collect();
        let loss_scale = self.loss_factor();
        let shares = Arc::new(Shares { of_batch, loss_scale });
        let command =
            |micro_batches| Command::Step { step, micro_batches, shares: Arc::clone(&shares) };
        self.workers.hand_out(&self.takes, micro_batches, command)
    }

    /// Mean loss and metrics over micro-batches, weighted by what each counts, without training.
    ///
    /// # Errors
    /// When a device fails; that ends the pipeline.
    pub fn evaluate(&mut self, micro_batches: Vec<MicroBatch>) -> Result<Evaluation, EngineError> {
        if micro_batches.is_empty() {
            return Err(EngineError::Plan(PlanError::BadNumber {
                what: "the number of micro-batches to evaluate".into(),
                value: "0".into(),
                must: "at least 1".into(),
            }));
        }
        let counts = self.counts(&micro_batches);
        let command = |micro_batches| Command::Evaluate { micro_batches };
        self.workers.hand_out(&self.takes, micro_batches, command)?;
        let mut losses = Vec::new();
        for reply in self.workers.collect()? {
            if let Reply::Evaluated(of_rank) = reply {
                losses.extend(of_rank);
            }
        }
        let (loss, metrics) = weighted_means(&losses, &counts);
        Ok(Evaluation { loss, metrics, count: counts.iter().sum() })
    }

    /// What the model's last layer gives for one input, without training.
    ///
    /// # Errors
    /// When a device fails; that ends the pipeline.
    pub fn output(&mut self, inputs: &HostTensors) -> Result<HostTensors, EngineError> {
        self.workers.ask_all(|| Command::Output { inputs: inputs.clone() })?;
        let output = self.workers.collect()?.into_iter().find_map(|reply| match reply {
            Reply::Output(data) => Some(data),
            _ => None,
        });
        output.ok_or_else(|| EngineError::internal("no rank gave an output"))
    }
}

/// Means of losses and metrics, weighted by what each micro-batch counts.
fn weighted_means(losses: &[LossValues], counts: &[f64]) -> (f64, Metrics) {
    let total: f64 = counts.iter().sum();
    let share = |count: &f64| count / total.max(f64::MIN_POSITIVE);
    let mut loss = 0.0;
    let mut metrics = Metrics::new();
    for ((of_micro_batch, named), count) in losses.iter().zip(counts) {
        // A micro-batch in which nothing counts has a loss of 0 ÷ 0.
        if *count > 0.0 {
            loss += of_micro_batch * share(count);
            for (name, value) in named {
                *metrics.entry((*name).to_owned()).or_default() += value * share(count);
            }
        }
    }
    (loss, metrics)
}

/// By rank, the batch's tensors that its stages take and, on the last, the objective.
fn tensors_by_rank(
    plan: &Plan,
    wirings: &[StageWiring],
    objective: &dyn Objective,
    ranks: usize,
) -> Vec<BTreeSet<Name>> {
    let mut takes = vec![BTreeSet::new(); ranks];
    for (stage, wiring) in wirings.iter().enumerate() {
        let rank = plan.rank_of_stage(stage).unwrap_or(0);
        takes[rank].extend(wiring.from_batch.iter().cloned());
        if stage + 1 == wirings.len() {
            takes[rank].extend(objective.targets());
        }
    }
    takes
}
