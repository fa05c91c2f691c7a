//! The pipeline: distributes a model over devices as a plan says, and trains it.

mod allocation;
mod diagnose;
mod files;
mod links;
mod worker_pool;

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::TensorData;
use crossbeam_channel::bounded;
use trainyard_plan::memory::DeviceNeed;
use trainyard_plan::{MemorySample, Plan, PlanError, Profile, TraceEvent};

use crate::fault::WORKER_THREAD_PREFIX;
use crate::optimizer::{AdamW, Update};
use crate::tie::tie_ends;
use crate::worker::{Command, Reply, WorkerContext, work};
use crate::{Device, EngineError, Model};

use allocation::{allocate, check_actions, check_ids};
use links::Links;
use worker_pool::{Rank, WorkerPool};

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

/// A model spread over devices, with a worker thread for each.
pub struct Pipeline {
    plan: Arc<Plan>,
    layer_names: Arc<Vec<String>>,
    workers: WorkerPool,
    options: Options,
    needs: Vec<DeviceNeed>,
    origin: Instant,
}

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
        Self::distribute_profiled(model, plan, devices, options, None)
    }

    /// The same where the memory that layers need on these devices is known better than the model
    /// itself can say.
    ///
    /// # Errors
    /// As [`Self::distribute`].
    #[expect(clippy::needless_pass_by_value, reason = "the workers keep the model")]
    pub fn distribute_profiled(
        model: Arc<dyn Model>,
        plan: &Plan,
        devices: Vec<Device>,
        options: Options,
        profile: Option<&Profile>,
    ) -> Result<Self, EngineError> {
        let costs = model.profile(options.rows);
        let layer_names: Vec<String> =
            costs.layers.iter().map(|layer| layer.name.clone()).collect();
        plan.check(layer_names.len())?;
        check_actions(plan)?;
        check_ids(&devices)?;
        let (devices, needs) = allocate(costs, profile.cloned(), plan, devices)?;

        let origin = Instant::now();
        let plan = Arc::new(plan.clone());
        let layer_names = Arc::new(layer_names);
        let Links { of_rank, threads } = Links::make(&plan, &devices, origin)?;
        let rank_of =
            |layer| plan.stage_of_layer(layer).and_then(|s| plan.rank_of_stage(s)).unwrap_or(0);
        let ties = tie_ends(&model.ties(), devices.len(), rank_of);
        let (report, reports) = bounded(devices.len() * 2);
        let mut workers =
            WorkerPool { ranks: Vec::new(), reports, link_threads: threads, failed: false };
        for (rank, ((device, links), ties)) in
            devices.into_iter().zip(of_rank).zip(ties).enumerate()
        {
            let (commands, inbox) = bounded(2);
            let id = device.id().to_owned();
            let start = WorkerContext {
                rank,
                device,
                model: Arc::clone(&model),
                plan: Arc::clone(&plan),
                layer_names: Arc::clone(&layer_names),
                seed: options.seed,
                optimizer: options.optimizer.into(),
                links,
                ties,
                origin,
            };
            let report = report.clone();
            let thread = std::thread::Builder::new()
                .name(format!("{WORKER_THREAD_PREFIX}rank{rank}"))
                .spawn(move || work(start, &inbox, &report))
                .map_err(EngineError::driver)?;
            workers.ranks.push(Rank { device: id, commands, thread });
        }
        // From here the workers alone hold it, so that it closes when they have all ended.
        drop(report);
        workers.collect()?;
        Ok(Self { plan, layer_names, workers, options, needs, origin })
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
        self.check_micro_batches(&micro_batches)?;
        let weights: Vec<usize> = micro_batches.iter().map(|m| m.rows).collect();
        // A copy of host data, small beside what the step computes from it.
        let for_diagnosis = micro_batches.clone();
        let command = |micro_batches| Command::Step { step, micro_batches };
        self.workers.hand_out(self.ends(), micro_batches, command)?;
        let mut losses = Vec::new();
        let mut norms = Vec::new();
        for reply in self.workers.collect()? {
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
        self.workers.ask_all(|| Command::Apply(update))?;
        let mut measured = Measured::default();
        for reply in self.workers.collect()? {
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
        if micro_batches.is_empty() {
            return Err(EngineError::Plan(PlanError::BadNumber {
                what: "the number of micro-batches to evaluate".into(),
                value: "0".into(),
                must: "at least 1".into(),
            }));
        }
        self.workers.hand_out(self.ends(), micro_batches, |micro_batches| Command::Evaluate {
            micro_batches,
            find_not_finite_in: None,
        })?;
        let mut losses = Vec::new();
        for reply in self.workers.collect()? {
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
        self.workers.ask_all(|| Command::Output { inputs: inputs.to_vec() })?;
        let output = self.workers.collect()?.into_iter().find_map(|reply| match reply {
            Reply::Output(data) => Some(data),
            _ => None,
        });
        output.ok_or_else(|| EngineError::driver("no rank gave an output"))
    }

    /// The ranks with the first and the last stage.
    fn ends(&self) -> [usize; 2] {
        [0, self.plan.stages.len() - 1].map(|stage| self.plan.rank_of_stage(stage).unwrap_or(0))
    }

    /// Refuses micro-batches that the plan was not made for.
    fn check_micro_batches(&self, micro_batches: &[MicroBatch]) -> Result<(), PlanError> {
        let bad = |what: &str, value: usize, must: String| {
            Err(PlanError::BadNumber { what: what.into(), value: value.to_string(), must })
        };
        let (given, planned) = (micro_batches.len(), self.plan.micro_batches);
        if given != planned {
            let must = format!("{planned}, as the plan says");
            return bad("the number of micro-batches", given, must);
        }
        let planned = self.options.rows;
        match micro_batches.iter().find(|micro_batch| !(1..=planned).contains(&micro_batch.rows)) {
            None => Ok(()),
            Some(micro_batch) => {
                let must = format!("from 1 to {planned}, for which memory was set aside");
                bad("the number of rows of a micro-batch", micro_batch.rows, must)
            }
        }
    }
}

fn weighted_mean(values: &[f64], weights: &[usize]) -> f64 {
    let total: usize = weights.iter().sum();
    let sum: f64 = values.iter().zip(weights).map(|(value, &weight)| value * weight as f64).sum();
    sum / total.max(1) as f64
}
