//! What a training needs, put together.

use std::sync::Arc;

use trainyard_config::Document;
use trainyard_engine::{Device, GroupedOptimizer};
use trainyard_models::{Job, Recipe, Request, Tuning};
use trainyard_plan::{LayerProfile, ModelProfile, Schedule};

use super::devices::{SetupDevice, devices};
use super::{optimizers, place};
use crate::cli::say;
use crate::config::{RunConfig, TrainMethod};
use crate::error::RunError;

/// Everything a training needs, and nothing on any device yet.
pub struct TrainingSetup {
    /// The run file.
    pub config: RunConfig,
    /// Where it says so.
    pub(super) document: Document,
    /// Model, objective and data.
    pub job: Job,
    /// What the model's layers cost at the micro-batch size of the run.
    pub profile: ModelProfile,
    /// The same for each device of which it differs, in the order of the devices.
    pub(super) of_devices: Vec<Option<ModelProfile>>,
    /// The devices.
    pub devices: Vec<SetupDevice>,
    /// The schedule of `pipeline.schedule_file`.
    pub(super) own_schedule: Option<Schedule>,
}

impl TrainingSetup {
    /// All but what the layers cost.
    pub(super) fn without_profile(
        (config, document): (RunConfig, Document),
        recipes: &[Arc<dyn Recipe>],
        vocabulary: Option<usize>,
    ) -> Result<Self, RunError> {
        let kind = &config.model.kind;
        let recipe = recipes.iter().find(|recipe| recipe.group().kind == kind);
        let recipe = recipe.ok_or_else(|| {
            let known: Vec<&str> = recipes.iter().map(|recipe| recipe.group().kind).collect();
            RunError::config(format!("there is no model '{kind}'; there are: {}", known.join(", ")))
        })?;
        let located = |error: RunError| place::located(error, &config, &document);
        let tuning = Tuning::of(config.train.method, &config.lora);
        let request = Request { model: &config.model, data: &config.data, vocabulary, tuning };
        let job = request.check_method(&**recipe).and_then(|()| recipe.load(&request));
        let job = job.and_then(Job::with_samples_apart);
        let job = job.map_err(|error| located(error.into()))?;
        // To use a model all its bits are there.
        let trains = vocabulary.is_none();
        let devices = devices(&config, trains).map_err(located)?;
        let profile = ModelProfile::default();
        let (of_devices, own_schedule) = (Vec::new(), None);
        Ok(Self { config, document, job, profile, of_devices, devices, own_schedule })
    }

    /// Says which sections the run file gives for nothing.
    pub(crate) fn note_idle_sections(&self) {
        let gives_lora = self.document.section("lora").is_ok_and(|it| it.table().is_some());
        if gives_lora && self.config.train.method == TrainMethod::Full {
            say("note: [lora] is not used: train.method is \"full\", which trains all weights");
        }
    }

    /// An error with its place in the run file, where it has one.
    pub(crate) fn located(&self, error: RunError) -> RunError {
        place::located(error, &self.config, &self.document)
    }

    /// The optimizer of the run file, with its groups.
    pub(crate) fn optimizer(&self) -> Result<GroupedOptimizer, RunError> {
        optimizers::optimizer(&self.config)
    }

    /// The devices of the run that a plan uses, opened.
    pub(super) fn open_devices(
        &self,
        used: impl Fn(&SetupDevice) -> bool,
    ) -> Result<Vec<Device>, RunError> {
        let opened = self.devices.iter().filter(|device| used(device)).map(|device| {
            let SetupDevice { id, hardware, budget_bytes, threads, throttle, .. } = device;
            let opened = Device::open(id, hardware, *budget_bytes, *threads)?;
            let (wire, wires) = device.wires.clone();
            let opened = opened.with_throttle(*throttle).with_wires(wire, wires);
            let opened = opened.with_precision(device.precision);
            Ok(opened.with_imported_memory(device.import_memory))
        });
        opened.collect()
    }

    /// Size of a checkpoint, bytes: weights, buffers and what the optimizer keeps, without frozen weights that
    /// the model makes each time.
    pub fn checkpoint_bytes(&self) -> u64 {
        let per_byte = self.profile.optimizer_bytes_per_param_byte;
        let rebuilds = self.job.model.frozen_from().is_some();
        let of_layer = |layer: &LayerProfile| {
            let state = layer.optimizer_bytes.unwrap_or(layer.param_bytes * per_byte);
            let frozen = if rebuilds { 0 } else { layer.frozen_bytes };
            layer.param_bytes + frozen + layer.buffer_bytes + state
        };
        self.profile.layers.iter().map(of_layer).sum()
    }

    /// Number of weights; tied ones count once.
    pub fn parameters(&self) -> u64 {
        let layers = &self.profile.layers;
        let weights = |layer: &LayerProfile| layer.param_bytes + layer.frozen_bytes;
        let bytes: u64 = layers.iter().map(weights).sum();
        let ties = self.profile.ties();
        let tied =
            ties.iter().map(|&(one, other)| weights(&layers[one]).min(weights(&layers[other])));
        bytes.saturating_sub(tied.sum()) / 4
    }
}
