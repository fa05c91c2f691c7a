//! What the run's layers cost on the run's devices: measured, or estimated from the devices' rates.

use serde::{Deserialize, Serialize};
use trainyard_engine::measure::{self, DeviceCosts, LayerCost, MeasureSettings};
use trainyard_engine::{Device, MicroBatch};
use trainyard_plan::{
    Api, DeviceProfile, FixedTimes, LinkCost, LinkProfile, ModelProfile, OptimizerTime, Profile,
};

use super::{SetupDevice, TrainingSetup};
use crate::cache::Cache;
use crate::error::RunError;

/// What a device does in general, from which costs are estimated.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Rates {
    /// Floating-point operations a nanosecond in a matrix product.
    gflops: f64,
    /// Bytes a microsecond from the host and back.
    copy: f64,
}

/// Bytes that AdamW reads and writes for each byte of weights: weight, gradient and two moments
/// are read, all but the gradient written.
const OPTIMIZER_TRAFFIC: f64 = 7.0;

/// What a thread of a CPU device keeps for the panels of its matrix products, for estimates, bytes.
const CPU_OVERHEAD_BYTES: u64 = 2 << 20;

/// How long a link takes to begin, for estimates, µs: a thread that wakes up.
const ESTIMATED_LATENCY_US: f64 = 50.0;

impl TrainingSetup {
    /// The costs as measured before, if they were; else as estimated.
    ///
    /// # Errors
    /// When a device cannot be opened to measure its rates.
    pub fn costs(&self) -> Result<Profile, RunError> {
        self.known(&Cache::open()).map_or_else(|| self.estimate(), Ok)
    }

    /// The costs as measured before. What was kept may be damaged.
    fn known(&self, cache: &Cache) -> Option<Profile> {
        let profile: Profile = cache.read("profile", &self.measured_key())?;
        let is_ours = profile.model.layers.len() == self.profile.layers.len()
            && profile.devices.len() == self.devices.len()
            && profile.check().is_ok();
        is_ours.then(|| self.with_budgets(profile))
    }

    /// The costs as measured, now if they never were or `refresh` asks for it. `progress` is told
    /// how many measurements are done, of how many, and of what; of none if they were known.
    ///
    /// # Errors
    /// When a device fails, or cannot hold a single layer.
    pub fn measure(
        &self,
        refresh: bool,
        progress: &(dyn Fn(usize, usize, &str) + Sync),
    ) -> Result<Profile, RunError> {
        let cache = Cache::open();
        if !refresh && let Some(profile) = self.known(&cache) {
            progress(0, 0, "known");
            return Ok(profile);
        }
        let profile = self.with_budgets(self.measure_now(progress)?);
        let profile = self.calibrated(profile, progress);
        cache.write("profile", &self.measured_key(), &profile);
        Ok(profile)
    }

    /// All that the measured costs depend on. Budgets are not among it.
    fn measured_key(&self) -> impl Serialize {
        let devices: Vec<_> = self.devices.iter().map(device_key).collect();
        (self.profile.clone(), self.config.rows_of_micro_batch(), self.config.train.batch, devices)
    }

    /// The profile with the run file's budgets and number of micro-batches.
    fn with_budgets(&self, mut profile: Profile) -> Profile {
        profile.micro_batches = self.config.train.micro_batches;
        for (of_profile, device) in profile.devices.iter_mut().zip(&self.devices) {
            of_profile.id.clone_from(&device.id);
            of_profile.memory_bytes = device.budget_bytes;
            of_profile.reserve_bytes = device.reserve_bytes;
        }
        profile
    }

    fn measure_now(
        &self,
        progress: &(dyn Fn(usize, usize, &str) + Sync),
    ) -> Result<Profile, RunError> {
        let devices = self.open_devices(|_| true)?;
        let rows = self.config.rows_of_micro_batch();
        // A second size, from which follows what does not depend on the size.
        let other = if rows > 1 { rows.div_ceil(2) } else { 2 };
        let settings =
            MeasureSettings { optimizer: self.optimizer(), ..MeasureSettings::default() };
        let layers = |rows, half: usize| {
            let sample = self.sample(rows)?;
            let told = |done, of| progress(done + half * of, 2 * of, "layers");
            Ok::<_, RunError>(measure::layers(&*self.model, &devices, &sample, &settings, &told)?)
        };
        let (costs, at_other) = (layers(rows, 0)?, layers(other, 1)?);
        progress(0, 1, "links");
        let links = measure::links(&devices)?;
        progress(1, 1, "links");

        let sizes = (rows as f64, other as f64);
        let device = |(device, (costs, at_other)): (&SetupDevice, (&DeviceCosts, &DeviceCosts))| {
            let measured = measured_device(device, &costs.layers, &at_other.layers, sizes);
            DeviceProfile { overhead_bytes: costs.overhead_bytes, ..measured }
        };
        let measured = self.devices.iter().zip(costs.iter().zip(&at_other)).map(device).collect();
        let link = |(from, to, cost): (String, String, LinkCost)| LinkProfile {
            from,
            to,
            latency_us: rounded(cost.latency_us),
            bytes_per_us: rounded(cost.bytes_per_us).max(1e-3),
        };
        Ok(Profile {
            devices: measured,
            links: links.into_iter().map(link).collect(),
            rows: Some(rows),
            ..Profile::new(measured_model(&self.profile, &costs), self.config.train.micro_batches)
        })
    }

    /// One micro-batch of so many rows.
    fn sample(&self, rows: usize) -> Result<MicroBatch, RunError> {
        let mut config = self.config.clone();
        config.train.batch = rows;
        config.train.micro_batches = 1;
        let first = self.data.train(&config, 1)?.into_iter().next();
        first.ok_or_else(|| RunError::config("the data gave no micro-batch"))
    }

    /// Times from FLOPs and rates, links from rates of copying.
    fn estimate(&self) -> Result<Profile, RunError> {
        let rates = self.devices.iter().map(rates).collect::<Result<Vec<_>, _>>()?;
        let device = |(device, rates): (&SetupDevice, &Rates)| {
            let flops_us = |layer: &trainyard_plan::LayerProfile| {
                let rate = rates.gflops * 1e3 / device.throttle;
                layer.forward_flops as f64 / rate
            };
            let layers = &self.profile.layers;
            let times = |time: &dyn Fn(usize) -> f64| (0..layers.len()).map(time).collect();
            let has_weights = |layer: usize| layers[layer].param_bytes > 0;
            DeviceProfile {
                forward_us: times(&|layer| flops_us(&layers[layer])),
                // Data has no gradient, and a product's two gradients are products of its size.
                input_grad_us: times(&|layer| {
                    if layer == 0 { 0.0 } else { flops_us(&layers[layer]) }
                }),
                weight_grad_us: times(&|layer| {
                    if has_weights(layer) { flops_us(&layers[layer]) } else { 0.0 }
                }),
                optimizer_us: OptimizerTime::Layers(times(&|layer| {
                    OPTIMIZER_TRAFFIC * layers[layer].param_bytes as f64 * device.throttle
                        / rates.copy
                })),
                workspace_bytes: Some(self.profile.workspace_with_new_sums()),
                overhead_bytes: match device.hardware.api {
                    Api::Cpu => CPU_OVERHEAD_BYTES * device.threads as u64,
                    _ => 0,
                },
                ..described(device)
            }
        };
        let devices = self.devices.iter().zip(&rates).map(device).collect();
        let pairs = self.devices.iter().zip(&rates).flat_map(|from| {
            let others = self.devices.iter().zip(&rates).filter(move |to| to.0.id != from.0.id);
            others.map(move |to| LinkProfile {
                from: from.0.id.clone(),
                to: to.0.id.clone(),
                latency_us: ESTIMATED_LATENCY_US,
                // Half of a round trip on each side.
                bytes_per_us: 2.0 / (1.0 / from.1.copy + 1.0 / to.1.copy),
            })
        });
        let links = pairs.collect();
        let model = self.profile.clone();
        let profile = Profile::new(model, self.config.train.micro_batches);
        Ok(self.with_budgets(Profile { estimated: true, devices, links, ..profile }))
    }

    /// The devices of the run that a plan uses, opened.
    pub(super) fn open_devices(
        &self,
        used: impl Fn(&SetupDevice) -> bool,
    ) -> Result<Vec<Device>, RunError> {
        let opened = self.devices.iter().filter(|device| used(device)).map(|device| {
            let SetupDevice { id, hardware, budget_bytes, threads, throttle, .. } = device;
            Ok(Device::open(id, hardware, *budget_bytes, *threads)?.with_throttle(*throttle))
        });
        opened.collect()
    }
}

/// The model's profile with sizes as they were measured: the largest of any device where devices
/// differ. Names, kinds and FLOPs stay the model's own.
fn measured_model(model: &ModelProfile, costs: &[DeviceCosts]) -> ModelProfile {
    let mut model = model.clone();
    for (index, layer) in model.layers.iter_mut().enumerate() {
        let of_devices = costs.iter().filter_map(|device| device.layers.get(index));
        let Some(any) = of_devices.clone().next() else { continue };
        layer.param_bytes = any.param_bytes;
        layer.input_bytes = any.input_bytes;
        layer.output_bytes = any.output_bytes;
        if let Some(saved) = of_devices.filter_map(|cost| cost.saved_bytes).max() {
            layer.saved_bytes = saved;
        }
    }
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

/// Who a device is, without costs.
fn described(device: &SetupDevice) -> DeviceProfile {
    DeviceProfile {
        id: device.id.clone(),
        name: device.hardware.name.clone(),
        kind: Some(device.hardware.kind),
        api: Some(device.hardware.api),
        memory_bytes: device.budget_bytes,
        reserve_bytes: device.reserve_bytes,
        ..DeviceProfile::default()
    }
}

fn device_key(device: &SetupDevice) -> impl Serialize + use<> {
    let hardware = &device.hardware;
    let who = [&hardware.adapter, &hardware.name, &hardware.driver].map(Clone::clone);
    (who, device.threads, device.throttle.to_bits())
}

/// A device's rates, measured once and then kept.
fn rates(device: &SetupDevice) -> Result<Rates, RunError> {
    let cache = Cache::open();
    let key = (device_key(device), "unthrottled");
    let known = cache.read::<Rates>("rates", &key);
    let measured = if let Some(rates) = known.filter(|r| r.gflops > 0.0 && r.copy > 0.0) {
        rates
    } else {
        let gflops = measure::relative_speed(&device.hardware, device.threads)?;
        let copy = measure::copy_rate(&device.hardware, device.threads)?.max(1.0);
        let rates = Rates { gflops, copy };
        cache.write("rates", &key, &rates);
        rates
    };
    Ok(Rates { gflops: device.speed.unwrap_or(measured.gflops), ..measured })
}
