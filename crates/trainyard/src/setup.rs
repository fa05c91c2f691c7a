//! Makes up the yard: from a run file to data, model, devices and plan.

use std::path::Path;
use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_engine::{AdamW, MicroBatch, Model, Options, Pipeline};
use trainyard_models::registry::{self, ModelOptions};
use trainyard_plan::planner::{self, PlanRequest, Planned};
use trainyard_plan::{ModelProfile, Plan, PlanError, Profile, simulate};

use crate::config::{RecomputeChoice, RunConfig};
use crate::data::rows::{RowBatch, RowTask};
use crate::data::{CharText, TextDataset, TokenBatch, builtin_text};
use crate::error::RunError;
use crate::files::read_plan;
use devices::devices;
pub use devices::{SetupDevice, default_devices};

mod calibration_run;
mod costs;
mod devices;
pub(crate) mod references;

/// What a model learns from.
pub enum Data {
    /// Windows of a text.
    Text(TextDataset),
    /// Rows of a small task.
    Rows {
        /// The task.
        task: RowTask,
        /// `[inputs, outputs]` of the model.
        shape: [usize; 2],
    },
}

/// Everything a training needs, and nothing on any device yet.
pub struct TrainingSetup {
    /// The run file.
    pub config: RunConfig,
    /// The data.
    pub data: Data,
    /// The model.
    pub model: Arc<dyn Model>,
    /// What its layers cost at the micro-batch size of the run.
    pub profile: ModelProfile,
    /// The devices.
    pub devices: Vec<SetupDevice>,
}

impl TrainingSetup {
    /// Reads the data, checks the model, finds the devices.
    ///
    /// # Errors
    /// Whatever is wrong with one of them, with its place and remedy.
    pub fn load(config: RunConfig) -> Result<Self, RunError> {
        let options = model_options(&config)?;
        let (data, vocabulary) = data(&config, &options)?;
        let model = registry::model(options, vocabulary)?;
        Self::with_model(config, data, model)
    }

    /// The same for a model whose data need not be there: for generating.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn for_inference(config: RunConfig, vocabulary: usize) -> Result<Self, RunError> {
        let options = model_options(&config)?;
        let model = registry::model(options, Some(vocabulary))?;
        let task = RowTask::named("waves", 1, 1)?;
        Self::with_model(config, Data::Rows { task, shape: [1, 1] }, model)
    }

    fn with_model(config: RunConfig, data: Data, model: Arc<dyn Model>) -> Result<Self, RunError> {
        let profile = model.profile(config.rows_of_micro_batch());
        let devices = devices(&config)?;
        Ok(Self { config, data, model, profile, devices })
    }

    /// The plan of the run file, or the best one that the planner finds; with what is predicted of
    /// it.
    ///
    /// # Errors
    /// [`trainyard_plan::PlanError::DoesNotFit`] when the devices are too small; whatever is wrong
    /// with a plan file.
    pub fn plan(&self, costs: &Profile) -> Result<Plan, RunError> {
        if let Some(path) = &self.config.pipeline.plan {
            return self.plan_of_file(path, costs);
        }
        let best = self.planned(costs)?.candidates.into_iter().next();
        Ok(best.ok_or_else(|| RunError::config("the planner found no plan"))?.plan)
    }

    fn plan_of_file(&self, path: &Path, costs: &Profile) -> Result<Plan, RunError> {
        let unusable = |error| RunError::PlanFile { path: path.to_owned(), error };
        let mut plan = read_plan(path)?;
        plan.check(self.profile.layers.len()).map_err(unusable)?;
        if plan.model != self.profile.name {
            let (made_for, model) = (&plan.model, &self.profile.name);
            let reason = format!("it was made for a {made_for}, this run trains a {model}");
            return Err(unusable(PlanError::BadPlan { reason }));
        }
        if plan.micro_batches != self.config.train.micro_batches {
            return Err(RunError::BadValue {
                key: "train.micro_batches".to_owned(),
                value: self.config.train.micro_batches.to_string(),
                must: format!("{}, as {} says", plan.micro_batches, path.display()),
            });
        }
        plan.schedule = plan.schedule.compute_only();
        plan.merge_backward();
        plan.predicted(costs).map_err(unusable)
    }

    /// The plans that the run file's settings allow, the best first.
    ///
    /// # Errors
    /// [`PlanError::DoesNotFit`] when the devices are too small; as [`Self::plan_request`].
    pub fn planned(&self, costs: &Profile) -> Result<Planned, RunError> {
        Ok(planner::plan(&self.plan_request(costs)?)?)
    }

    /// What the run file asks of the planner.
    ///
    /// # Errors
    /// [`RunError::BadValue`] for a lock of a layer or device that does not exist.
    pub fn plan_request<'a>(&'a self, costs: &'a Profile) -> Result<PlanRequest<'a>, RunError> {
        let locks = &self.config.pipeline.lock;
        let locks = locks.iter().map(|lock| references::lock(costs, "pipeline.lock", lock));
        Ok(PlanRequest {
            locks: locks.collect::<Result<_, _>>()?,
            schedule: self.config.pipeline.schedule.text().parse()?,
            recompute: match self.config.pipeline.recompute {
                RecomputeChoice::Auto => planner::RecomputeChoice::Auto,
                RecomputeChoice::None => planner::RecomputeChoice::None,
                RecomputeChoice::Full => planner::RecomputeChoice::Full,
            },
            // The engine runs both halves at once.
            split_backward: false,
            ..PlanRequest::new(costs)
        })
    }

    /// Opens the devices that a plan uses and puts the model on them.
    ///
    /// # Errors
    /// When the plan does not fit, before anything is opened or allocated; when a device fails.
    pub fn start(&self, plan: &Plan, costs: &Profile) -> Result<Pipeline, RunError> {
        self.check_fit(plan, costs)?;
        let used = |device: &SetupDevice| plan.stages.iter().any(|stage| stage.device == device.id);
        let opened = self.open_devices(used)?;
        let train = &self.config.train;
        let options = Options {
            seed: train.seed,
            optimizer: self.optimizer(),
            clip: (train.clip > 0.0).then_some(train.clip),
            rows: self.config.rows_of_micro_batch(),
        };
        let model = Arc::clone(&self.model);
        Ok(Pipeline::distribute_profiled(model, plan, opened, options, Some(costs))?)
    }

    fn optimizer(&self) -> AdamW {
        let train = &self.config.train;
        AdamW {
            beta1: train.beta1,
            beta2: train.beta2,
            epsilon: train.epsilon,
            weight_decay: train.weight_decay,
        }
    }

    /// Whether a plan fits the devices' budgets; nothing is opened for the answer.
    ///
    /// # Errors
    /// [`trainyard_plan::PlanError::DoesNotFit`] with every device's need, budget and deficit.
    pub fn check_fit(&self, plan: &Plan, costs: &Profile) -> Result<(), RunError> {
        match (simulate::check_memory(costs, plan), &self.config.pipeline.plan) {
            (Ok(_), _) => Ok(()),
            // Somebody's file names devices or layers that are not there.
            (Err(error @ PlanError::BadPlan { .. }), Some(path)) => {
                Err(RunError::PlanFile { path: path.clone(), error })
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// Tokens a language model sees at once; None for other models.
    pub fn context(&self) -> Option<usize> {
        match model_options(&self.config) {
            Ok(ModelOptions::Gpt(gpt)) => Some(gpt.context),
            _ => None,
        }
    }

    /// Number of weights; tied ones count once.
    pub fn parameters(&self) -> u64 {
        let bytes: u64 = self.profile.layers.iter().map(|layer| layer.param_bytes).sum();
        let tied: usize = self.model.ties().iter().map(|tie| tie.elements).sum();
        (bytes / 4).saturating_sub(tied as u64)
    }
}

impl RunConfig {
    /// Rows of one micro-batch.
    pub fn rows_of_micro_batch(&self) -> usize {
        (self.train.batch / self.train.micro_batches.max(1)).max(1)
    }
}

impl Data {
    /// The micro-batches of a training step.
    ///
    /// # Errors
    /// When the text cannot be read any more.
    pub fn train(&self, config: &RunConfig, step: u64) -> Result<Vec<MicroBatch>, RunError> {
        let train = &config.train;
        let rows = config.rows_of_micro_batch();
        match self {
            Self::Text(text) => {
                Ok(token_micro_batches(&text.train_batch(train.seed, step, train.batch)?, rows))
            }
            Self::Rows { task, shape } => {
                Ok(row_micro_batches(&task.batch(train.seed, step, train.batch), *shape, rows))
            }
        }
    }

    /// Validation data, some micro-batches at a time; `limit` batches or, without, all there is.
    pub fn validation<'a>(
        &'a self,
        config: &'a RunConfig,
        limit: Option<usize>,
    ) -> Box<dyn Iterator<Item = Result<Vec<MicroBatch>, RunError>> + 'a> {
        let train = &config.train;
        let rows = config.rows_of_micro_batch();
        match self {
            Self::Text(text) => Box::new(
                text.validation_batches(train.batch, limit)
                    .map(move |batch| Ok(token_micro_batches(&batch?, rows))),
            ),
            // There is no end of rows: as many batches as a text's validation would take by default.
            Self::Rows { task, shape } => {
                let seed = train.seed ^ u64::MAX;
                let batch = move |step| {
                    row_micro_batches(&task.batch(seed, step, train.batch), *shape, rows)
                };
                Box::new((0..limit.unwrap_or(20) as u64).map(move |step| Ok(batch(step))))
            }
        }
    }

    /// Tokens (of a text) or rows in one row of a batch.
    pub fn tokens_per_row(&self) -> u64 {
        match self {
            Self::Text(text) => text.context as u64,
            Self::Rows { .. } => 1,
        }
    }

    /// The text, where there is one.
    pub fn text(&self) -> Option<&CharText> {
        match self {
            Self::Text(text) => Some(&text.text),
            Self::Rows { .. } => None,
        }
    }
}

fn token_micro_batches(batch: &TokenBatch, rows: usize) -> Vec<MicroBatch> {
    let starts = (0..batch.rows).step_by(rows);
    let cut = |start: usize| {
        let end = (start + rows).min(batch.rows);
        let (inputs, targets) = batch.rows(start..end);
        let shape = [end - start, batch.context];
        MicroBatch {
            inputs: vec![TensorData::new(inputs.to_vec(), shape)],
            targets: vec![TensorData::new(targets.to_vec(), shape)],
            rows: end - start,
        }
    };
    starts.map(cut).collect()
}

fn row_micro_batches(
    batch: &RowBatch,
    [inputs, outputs]: [usize; 2],
    rows: usize,
) -> Vec<MicroBatch> {
    let cut = |(x, y): (&[f32], &[f32])| MicroBatch {
        rows: x.len() / inputs,
        inputs: vec![TensorData::new(x.to_vec(), [x.len() / inputs, inputs])],
        targets: vec![TensorData::new(y.to_vec(), [y.len() / outputs, outputs])],
    };
    batch.inputs.chunks(rows * inputs).zip(batch.targets.chunks(rows * outputs)).map(cut).collect()
}

fn model_options(config: &RunConfig) -> Result<ModelOptions, RunError> {
    let options = toml::Value::Table(config.model.options.clone());
    Ok(registry::read_options(&config.model.kind, options)?)
}

fn data(config: &RunConfig, options: &ModelOptions) -> Result<(Data, Option<usize>), RunError> {
    match options {
        ModelOptions::Gpt(gpt) => {
            let text = match (&config.data.text, &config.data.builtin) {
                (Some(path), _) => CharText::open(path)?,
                (None, Some(name)) => CharText::from_string(name, builtin_text(name)?)?,
                (None, None) => return Err(RunError::config("a gpt needs [data] text or builtin")),
            };
            let vocabulary = text.vocabulary().len();
            let fraction = config.data.validation_fraction;
            let dataset = TextDataset::new(Arc::new(text), gpt.context, fraction)?;
            Ok((Data::Text(dataset), Some(vocabulary)))
        }
        ModelOptions::Mlp(mlp) => {
            let name = config.data.builtin.as_deref().unwrap_or("waves");
            let task = RowTask::named(name, mlp.inputs, mlp.outputs)?;
            Ok((Data::Rows { task, shape: [mlp.inputs, mlp.outputs] }, None))
        }
    }
}
