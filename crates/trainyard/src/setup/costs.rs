//! What the run's layers cost on the run's devices, as measured; a measurement is kept.

use serde::Serialize;
use trainyard_engine::measure::{self, DeviceCosts, LayerCost, MeasureSettings};
use trainyard_plan::{
    Api, DeviceProfile, FixedTimes, LinkCost, LinkProfile, ModelProfile, Noise, OptimizerTime,
    Profile,
};

use super::devices::{SetupDevice, described, device_key};
use super::noise;
use super::optimizers::optimizer_key;
use super::training_setup::TrainingSetup;
use crate::cache::Cache;
use crate::cli::say;
use crate::error::RunError;

impl TrainingSetup {
    /// The costs as measured before, if they were; else as estimated, with the kernels that devices were found
    /// faster with before.
    ///
    /// # Errors
    /// When a device cannot be opened to measure its rates.
    pub fn costs(&self) -> Result<Profile, RunError> {
        let cache = Cache::open();
        let costs = self.known(&cache).map_or_else(|| self.estimate(), Ok)?;
        Ok(self.with_known_kernels(costs, &cache))
    }

    /// The costs as measured before. What was kept may be damaged.
    fn known(&self, cache: &Cache) -> Option<Profile> {
        let profile: Profile = cache.read("profile", &self.measured_key())?;
        let is_ours = profile.model.layers.len() == self.profile.layers.len()
            && profile.devices.len() == self.devices.len()
            && profile.check().is_ok();
        is_ours.then(|| self.with_budgets(profile))
    }

    /// The costs as measured, now if they never were, if `refresh` asks for it, or if they were
    /// measured on a busy machine and this one is quieter, which is said. `progress` is told how
    /// many measurements are done, of how many, and of what; of none if they were known.
    ///
    /// # Errors
    /// When a device fails, or cannot hold a single layer.
    pub fn measure(
        &self,
        refresh: bool,
        progress: &(dyn Fn(usize, usize, &str) + Sync),
    ) -> Result<Profile, RunError> {
        let cache = Cache::open();
        let known = if refresh { None } else { self.known(&cache) };
        let Some(known) = known else {
            let profile = self.measure_anew(progress)?;
            self.keep(&cache, &profile);
            return Ok(profile);
        };
        if !self.is_quieter_than_when_measured(&known) {
            progress(0, 0, "known");
            return Ok(known);
        }
        say("the costs were measured on a busy machine, which is quieter now: measuring anew");
        let profile = self.measure_anew(progress)?;
        // The other load may have come back meanwhile.
        let better = |noise: &Noise| known.noise.as_ref().is_some_and(|k| noise.is_quieter_than(k));
        if profile.noise.as_ref().is_some_and(|noise| !better(noise)) {
            say("the machine was no quieter while measuring: the costs stay as they were");
            return Ok(known);
        }
        self.keep(&cache, &profile);
        Ok(profile)
    }

    /// Keeps what was measured for `plan` and `train`, and says where it cannot.
    fn keep(&self, cache: &Cache, profile: &Profile) {
        if !cache.write("profile", &self.measured_key(), profile) {
            say(format_args!(
                "what was measured could not be kept in {}: `plan` and `train` will estimate; set \
                 TRAINYARD_CACHE to a folder that can be written to",
                cache.place()
            ));
        }
    }

    /// Whether the machine is quieter than it was when a profile was measured. Times of a busy machine
    /// say little of a quiet one: they are longer, or those of the few moments without other load.
    /// Where that cannot be found out, it counts as no quieter.
    fn is_quieter_than_when_measured(&self, known: &Profile) -> bool {
        let Some(before) = &known.noise else { return false };
        noise::now(&self.devices).is_ok_and(|now| now.is_quieter_than(before))
    }

    /// The costs as measured now. They are not kept. `progress` is told as by [`Self::measure`].
    ///
    /// # Errors
    /// As [`Self::measure`].
    pub fn measure_anew(
        &self,
        progress: &(dyn Fn(usize, usize, &str) + Sync),
    ) -> Result<Profile, RunError> {
        let profile = self.with_budgets(self.measure_layers_and_links(progress)?);
        Ok(self.calibrated(profile, progress))
    }

    /// All that the measured costs depend on. Budgets are not among it.
    fn measured_key(&self) -> impl Serialize {
        let devices: Vec<_> = self.devices.iter().map(device_key).collect();
        (
            without_flops(&self.profile),
            optimizer_key(&self.config),
            self.config.rows_of_micro_batch(),
            self.config.train.batch,
            devices,
        )
    }

    /// The profile with the run file's budgets and number of micro-batches.
    pub(super) fn with_budgets(&self, mut profile: Profile) -> Profile {
        profile.micro_batches = self.config.train.micro_batches;
        // What was kept has the ids of the run file that it was measured for.
        let renamed = |id: &String| {
            let index = profile.devices.iter().position(|device| device.id == *id);
            let device = index.and_then(|index| self.devices.get(index));
            device.map_or_else(|| id.clone(), |device| device.id.clone())
        };
        let links = profile.links.iter().map(|link| LinkProfile {
            from: renamed(&link.from),
            to: renamed(&link.to),
            ..link.clone()
        });
        profile.links = links.collect();
        for (of_profile, device) in profile.devices.iter_mut().zip(&self.devices) {
            of_profile.id.clone_from(&device.id);
            of_profile.precision = device.precision;
            of_profile.memory_bytes = device.budget_bytes;
            of_profile.reserve_bytes = device.reserve_bytes;
            of_profile.max_tensor_bytes = device.hardware.max_tensor_bytes();
        }
        profile
    }

    /// Layer by layer and link by link; times are those under the noise that was met.
    fn measure_layers_and_links(
        &self,
        progress: &(dyn Fn(usize, usize, &str) + Sync),
    ) -> Result<Profile, RunError> {
        let devices = self.open_devices(|_| true)?;
        let rows = self.config.rows_of_micro_batch();
        // A second size, from which follows what does not depend on the size.
        let other = if rows > 1 { rows.div_ceil(2) } else { 2 };
        let settings =
            MeasureSettings { optimizer: self.optimizer()?, ..MeasureSettings::default() };
        let layers = |rows, half: usize| {
            let sample = self.sample(rows)?;
            let told = |done, of| progress(done + half * of, 2 * of, "layers");
            let what = (&*self.job.model, &*self.job.objective);
            let profile = &self.profile;
            Ok::<_, RunError>(measure::layers(what, profile, &devices, &sample, &settings, &told)?)
        };
        let (costs, at_other) = (layers(rows, 0)?, layers(other, 1)?);
        progress(0, 1, "links");
        let links = measure::links(&devices)?;
        progress(1, 1, "links");

        let sizes = (rows as f64, other as f64);
        let device = |(device, (costs, at_other)): (&SetupDevice, (&DeviceCosts, &DeviceCosts))| {
            let measured = measured_device(device, &costs.layers, &at_other.layers, sizes);
            let is_cpu = device.hardware.api == Api::Cpu;
            let kernels = (!is_cpu).then(|| costs.kernels.names());
            DeviceProfile { overhead_bytes: costs.overhead_bytes, kernels, ..measured }
        };
        let measured = self.devices.iter().zip(costs.iter().zip(&at_other)).map(device).collect();
        let link = |(from, to, cost): (String, String, LinkCost)| LinkProfile {
            from,
            to,
            latency_us: rounded(cost.latency_us),
            bytes_per_us: rounded(cost.bytes_per_us).max(1e-3),
        };
        let mut profile = Profile {
            devices: measured,
            links: links.into_iter().map(link).collect(),
            rows: Some(rows),
            ..Profile::new(measured_model(&self.profile, &costs), self.config.train.micro_batches)
        };
        let noise = noise::while_measuring(&self.devices, [&costs, &at_other])?;
        noise::apply(&mut profile, &self.devices, noise);
        Ok(profile)
    }
}

/// The model's profile with what is kept as it was measured: the largest of any device where
/// devices differ.
fn measured_model(model: &ModelProfile, costs: &[DeviceCosts]) -> ModelProfile {
    let mut model = model.clone();
    for (index, layer) in model.layers.iter_mut().enumerate() {
        let measured = |of: fn(&LayerCost) -> Option<u64>| {
            costs.iter().filter_map(|device| device.layers.get(index)).filter_map(of)
        };
        let most = |of| measured(of).max();
        if let Some(saved) = most(|cost| cost.saved_bytes) {
            layer.saved_bytes = saved;
        }
        if let Some(saved) = most(|cost| cost.output_saved_bytes) {
            layer.output_saved_bytes = saved;
        }
        if let Some(saved) = most(|cost| cost.weight_saved_bytes) {
            layer.weight_saved_bytes = Some(saved);
        }
        // Predicted once where it counts twice: so the least is on the safe side.
        if let Some(saved) = measured(|cost| cost.input_saved_bytes).min() {
            layer.input_saved_bytes = saved;
        }
    }
    model
}

/// Without the one figure that was timed and so is never twice the same.
fn without_flops(model: &ModelProfile) -> ModelProfile {
    let mut model = model.clone();
    model.layers.iter_mut().for_each(|layer| layer.forward_flops = 0);
    model
}

/// A device's costs at the run's size, and what of them does not depend on it: through the times
/// `t` at `r` rows and `t'` at `r'` goes `fixed + r·slope`.
fn measured_device(
    device: &SetupDevice,
    costs: &[LayerCost],
    at_other: &[LayerCost],
    (rows, other): (f64, f64),
) -> DeviceProfile {
    let times = |of: fn(&LayerCost) -> f64| costs.iter().map(of).map(rounded).collect::<Vec<_>>();
    let fixed = |of: fn(&LayerCost) -> f64| {
        let pairs = costs.iter().map(of).zip(at_other.iter().map(of));
        let of_layer = |(time, at_other): (f64, f64)| {
            let slope = (time - at_other) / (rows - other);
            rounded((time - slope * rows).clamp(0.0, time))
        };
        pairs.map(of_layer).collect()
    };
    let bytes = |of: fn(&LayerCost) -> Option<u64>| costs.iter().map(of).collect();
    DeviceProfile {
        forward_us: times(|cost| cost.forward_us),
        input_grad_us: times(|cost| cost.input_grad_us),
        weight_grad_us: times(|cost| cost.weight_grad_us),
        optimizer_us: OptimizerTime::Layers(times(|cost| cost.optimizer_us)),
        saved_bytes: bytes(|cost| cost.saved_bytes),
        // A graphics device tells what it holds between its kernels, not what one of them needs for
        // a moment; what is predicted of it is what it will tell.
        workspace_bytes: bytes(|cost| Some(cost.workspace_bytes.unwrap_or(0))),
        fixed_us: Some(FixedTimes {
            forward: fixed(|cost| cost.forward_us),
            input_grad: fixed(|cost| cost.input_grad_us),
            weight_grad: fixed(|cost| cost.weight_grad_us),
        }),
        ..described(device)
    }
}

/// To a thousandth, far below what a clock can tell: such a number is written and read back as it
/// is.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
