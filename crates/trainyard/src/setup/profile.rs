//! What the run's model costs: found out from the model itself, once.

use burn::tensor::TensorData;
use serde::Serialize;
use trainyard_engine::{DeriveSettings, EngineError, MicroBatch, Precision, derive_profile_in};
use trainyard_plan::memory::{DeviceNeed, MemoryUse};
use trainyard_plan::{Api, LayerProfile, ModelProfile, PlanError};

use super::devices::SetupDevice;
use super::optimizers::optimizer_key;
use super::training_setup::TrainingSetup;
use crate::cache::Cache;
use crate::config::RunConfig;
use crate::error::RunError;
use crate::generation::PIECE;

/// Elements of a sample's tensors from which a layer is run on fewer rows than a micro-batch has, and
/// what it takes for the rest follows from those.
const SAMPLE_ELEMENTS: usize = 1 << 16;

/// What the model costs, and where it differs from device to device.
#[derive(Clone, Debug)]
pub(super) struct DerivedProfile {
    /// What holds on all devices of the run.
    pub model: ModelProfile,
    /// The same by device of the run that needs another memory: where the CPU's own kernels run, or products are
    /// in sixteen bits. None where it does not.
    pub of_devices: Vec<Option<ModelProfile>>,
}

/// For which devices layers are run.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Form {
    /// Without the CPU's own kernels.
    portable: bool,
    precision: Precision,
}

impl TrainingSetup {
    /// Runs every sort of layer once on the CPU, or takes what was found out before. `progress` is
    /// told how many layers are done, and of how many.
    ///
    /// # Errors
    /// [`RunError::Engine`] for a model whose layers do not go together or not with the data;
    /// [`RunError::BadValue`] for a group of the optimizer that no weight is of;
    /// [`PlanError::DoesNotFit`] for one with a layer that is larger than this machine's memory.
    pub(super) fn derive(
        &self,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<DerivedProfile, RunError> {
        let is_cpu = |device: &SetupDevice| device.hardware.api == Api::Cpu;
        let common = Form { portable: !self.devices.iter().all(is_cpu), precision: Precision::F32 };
        let model = self.derive_for(common, progress)?;
        let mut others: Vec<(Form, ModelProfile)> = Vec::new();
        let mut of_devices = Vec::with_capacity(self.devices.len());
        for device in &self.devices {
            let form = Form { portable: !is_cpu(device), precision: device.precision };
            let known = others.iter().find(|(other, _)| *other == form).map(|(_, it)| it.clone());
            let own = match known {
                _ if form == common => None,
                Some(known) => Some(known),
                None => Some(self.derive_for(form, progress)?),
            };
            others.extend(own.clone().map(|own| (form, own)));
            of_devices.push(own);
        }
        Ok(DerivedProfile { model, of_devices })
    }

    fn derive_for(
        &self,
        form: Form,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<ModelProfile, RunError> {
        let cache = Cache::open();
        let key = self.profile_key(form);
        let names: Vec<String> = self.job.model.layers().into_iter().map(|l| l.name).collect();
        let known = cache
            .read::<ModelProfile>("layers", &key)
            .filter(|profile| profile.layers.iter().map(|layer| &layer.name).eq(&names));
        if let Some(known) = known {
            return Ok(known);
        }
        let rows = self.config.rows_of_micro_batch();
        let sample = match &self.job.data {
            Some(_) => self.sample(self.sample_rows(rows)?)?,
            None => self.blank_sample(),
        };
        let optimizer = self.optimizer()?;
        let Form { portable, precision } = form;
        let settings =
            DeriveSettings { seed: self.config.train.seed, optimizer: &optimizer, portable };
        let (model, objective) = (&*self.job.model, &*self.job.objective);
        let profile = derive_profile_in(precision, model, objective, &sample, &settings, progress)
            .map_err(|error| self.no_room(error))?;
        let profile = match &self.job.data {
            Some(_) => profile.with_rows(sample.rows, rows),
            None => self.of_whole_context(&profile).with_rows(1, rows),
        };
        cache.write("layers", &key, &profile);
        Ok(profile)
    }

    /// How many of a micro-batch's rows the layers are run on.
    fn sample_rows(&self, rows: usize) -> Result<usize, RunError> {
        let elements = |tensor: &trainyard_data::TensorInfo| {
            tensor.row_shape.iter().fold(1, |all: usize, n| all.saturating_mul(*n))
        };
        let of_row: usize =
            self.data()?.info().tensors.iter().map(elements).fold(0, usize::saturating_add);
        Ok(rows.min((SAMPLE_ELEMENTS / of_row.max(1)).max(1)))
    }

    /// One row of a text that says nothing, as long as the parts in which texts are computed.
    fn blank_sample(&self) -> MicroBatch {
        let positions = self.job.context.unwrap_or(1).clamp(1, PIECE);
        let tokens = || TensorData::new(vec![0_i32; positions], [1, positions]);
        MicroBatch::new(1).with("tokens", tokens()).with("targets", tokens())
    }

    /// What layers need for such a part behind all others of the context: those that look at the others have as
    /// many times as much to do.
    fn of_whole_context(&self, of_part: &ModelProfile) -> ModelProfile {
        let context = self.job.context.unwrap_or(1).max(1);
        let longer = of_part.with_rows(context.min(PIECE), context);
        let layer = |(part, longer): (&LayerProfile, LayerProfile)| {
            let sees_others = part.carried_bytes > 0;
            let bytes = |part, longer| if sees_others { longer } else { part };
            LayerProfile {
                context: part.context.map(|_| context),
                carried_bytes: longer.carried_bytes,
                saved_bytes: bytes(part.saved_bytes, longer.saved_bytes),
                workspace_bytes: bytes(part.workspace_bytes, longer.workspace_bytes),
                ..part.clone()
            }
        };
        let layers = of_part.layers.iter().zip(longer.layers).map(layer).collect();
        ModelProfile { layers, ..of_part.clone() }
    }

    /// A layer that cannot even be made does not fit on any device whose budget is smaller.
    fn no_room(&self, error: EngineError) -> RunError {
        let EngineError::LayerTooLarge { layer, needed_bytes, .. } = &error else {
            return error.into();
        };
        let need = |device: &SetupDevice| {
            let weights = MemoryUse { weights: *needed_bytes, ..MemoryUse::default() };
            DeviceNeed::new(&device.id, device.budget_bytes, weights)
        };
        let devices: Vec<DeviceNeed> = self.devices.iter().map(need).collect();
        if devices.iter().any(|need| need.deficit_bytes() == 0) {
            return error.into();
        }
        let hint = format!("layer '{layer}' alone has weights of that size: make it smaller");
        PlanError::DoesNotFit { devices, hint }.into()
    }

    /// Everything that the costs depend on. A recipe of a user's own may change without its name:
    /// so the program that holds it is part of the key.
    fn profile_key(&self, form: Form) -> impl Serialize {
        let data = self.job.data.as_ref().map(|data| {
            let info = data.info();
            (info.tensors.clone(), info.token_count, info.classes.len())
        });
        let RunConfig { model, train, lora, .. } = &self.config;
        (
            program_mark(),
            (model.kind.clone(), model.options.clone(), self.job.model.frozen_from()),
            // What is trained, and how the rest is held.
            format!("{:?} {lora:?}", train.method),
            optimizer_key(&self.config),
            data,
            self.config.rows_of_micro_batch(),
            (form.portable, form.precision),
        )
    }

    /// Refuses a profile of another model.
    pub(super) fn check_profile(&self, profile: &ModelProfile) -> Result<(), PlanError> {
        let layers = self.job.model.layers();
        let mut pairs = profile.layers.iter().zip(&layers).enumerate();
        let reason = if profile.layers.len() != layers.len() {
            format!(
                "the profile is of a model with {} layers, this one has {}",
                profile.layers.len(),
                layers.len()
            )
        } else if let Some((index, (one, other))) = pairs.find(|(_, (a, b))| a.name != b.name) {
            format!(
                "the profile is of another model: its layer {index} is '{}', this one's is '{}'",
                one.name, other.name
            )
        } else {
            return Ok(());
        };
        Err(PlanError::BadPlan { reason })
    }
}

/// Tells builds of a program apart: its path, length and time of change.
fn program_mark() -> Option<(String, u64, u128)> {
    let path = std::env::current_exe().ok()?;
    let about = std::fs::metadata(&path).ok()?;
    let changed = about.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((path.display().to_string(), about.len(), changed.as_nanos()))
}
