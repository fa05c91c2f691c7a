//! Which kernels of ours devices are faster with: tried once for a model's sort of layers, and then kept.

use serde::Serialize;
use trainyard_engine::Pipeline;
use trainyard_engine::kernels::KernelSet;
use trainyard_plan::{Api, Profile};

use super::devices::{SetupDevice, adapter_key};
use super::training_setup::TrainingSetup;
use crate::cache::Cache;

impl TrainingSetup {
    /// The costs with the kernels that a device was found faster with before, where they do not say it: costs
    /// that were measured do.
    pub(super) fn with_known_kernels(&self, mut costs: Profile, cache: &Cache) -> Profile {
        for (device, profile) in self.devices.iter().zip(&mut costs.devices) {
            if device.hardware.api != Api::Cpu && profile.kernels.is_none() {
                profile.kernels = cache.read("kernels", &self.kernels_key(device));
            }
        }
        costs
    }

    /// Keeps the kernels that a pipeline's devices compute with for the next one.
    pub(super) fn keep_kernels(&self, pipeline: &Pipeline) {
        let cache = Cache::open();
        for (id, kernels) in pipeline.kernels() {
            let Some(device) = self.devices.iter().find(|device| device.id == *id) else {
                continue;
            };
            let (key, used) = (self.kernels_key(device), kernels.names());
            let kept: Option<Vec<String>> = cache.read("kernels", &key);
            if kept.as_ref() != Some(&used) {
                cache.write("kernels", &key, &used);
            }
        }
    }

    /// What the outcome of a trial depends on: the adapter, its driver, and what is tried.
    fn kernels_key(&self, device: &SetupDevice) -> impl Serialize {
        let tried = self.profile.kernels.clone();
        (adapter_key(device), tried.unwrap_or_else(|| KernelSet::all().names()))
    }
}
