//! Which kernels of ours devices are faster with: tried once for a model's sort of layers, and then kept.

use serde::Serialize;
use trainyard_engine::kernels::KernelSet;
use trainyard_plan::{Api, Profile};

use super::devices::SetupDevice;
use super::training_setup::TrainingSetup;
use crate::cache::Cache;

impl TrainingSetup {
    /// The costs with the kernels that a device was found faster with before, where they do not say it: costs
    /// that were measured do.
    pub(crate) fn with_known_kernels(&self, costs: &Profile) -> Profile {
        let (mut costs, cache) = (costs.clone(), Cache::open());
        for device in self.gpus() {
            let unsaid = |it: &&mut trainyard_plan::DeviceProfile| {
                it.id == device.id && it.kernels.is_none()
            };
            if let Some(profile) = costs.devices.iter_mut().find(unsaid) {
                profile.kernels = cache.read("kernels", &self.key(device));
            }
        }
        costs
    }

    /// Keeps the kernels that devices compute with for the next training.
    pub(crate) fn keep_kernels(&self, costs: &Profile) {
        let cache = Cache::open();
        for device in self.gpus() {
            let profile = costs.devices.iter().find(|it| it.id == device.id);
            let Some(used) = profile.and_then(|it| it.kernels.as_ref()) else { continue };
            let kept: Option<Vec<String>> = cache.read("kernels", &self.key(device));
            if kept.as_ref() != Some(used) {
                cache.write("kernels", &self.key(device), used);
            }
        }
    }

    fn gpus(&self) -> impl Iterator<Item = &SetupDevice> {
        self.devices.iter().filter(|device| device.hardware.api != Api::Cpu)
    }

    /// What the outcome of a trial depends on: the adapter, its driver, and what is tried.
    fn key(&self, device: &SetupDevice) -> impl Serialize {
        let hardware = &device.hardware;
        let who = [&hardware.adapter, &hardware.name, &hardware.driver].map(Clone::clone);
        (who, self.profile.kernels.clone().unwrap_or_else(|| KernelSet::all().names()))
    }
}
