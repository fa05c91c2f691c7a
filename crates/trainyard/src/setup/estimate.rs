//! What the run's layers cost on the run's devices where they were not measured: estimated from what
//! the devices do in general.

use serde::{Deserialize, Serialize};
use trainyard_engine::measure;
use trainyard_plan::fit::FitDevice;
use trainyard_plan::{Api, DeviceProfile, LayerProfile, LinkProfile, OptimizerTime, Profile};

use super::devices::{SetupDevice, described, device_key, devices, devices_of_machine};
use super::training_setup::TrainingSetup;
use crate::cache::Cache;
use crate::config::RunConfig;
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
    /// Times from FLOPs and rates, links from rates of copying.
    pub(super) fn estimate(&self) -> Result<Profile, RunError> {
        let rates = self.devices.iter().map(rates).collect::<Result<Vec<_>, _>>()?;
        let gives_gradients = self.profile.gives_gradients();
        let device = |(index, (device, rates)): (usize, (&SetupDevice, &Rates))| {
            let flops_us = |layer: &LayerProfile| {
                let rate = rates.gflops * 1e3 / device.throttle;
                layer.forward_flops as f64 / rate
            };
            let layers = &self.profile.layers;
            let times = |time: &dyn Fn(usize) -> f64| (0..layers.len()).map(time).collect();
            let own = self.of_devices.get(index).and_then(Option::as_ref);
            // Data has no gradient, nor what nothing trained has a part in, and a product's two gradients are
            // products of its size.
            let input_us = |layer: usize| {
                if gives_gradients[layer] { flops_us(&layers[layer]) } else { 0.0 }
            };
            let weights_us = |layer: usize| {
                let LayerProfile { param_bytes, frozen_bytes, .. } = layers[layer];
                let trained = param_bytes as f64 / (param_bytes + frozen_bytes).max(1) as f64;
                trained * flops_us(&layers[layer])
            };
            let splits = |layer: usize| layers[layer].weight_saved_bytes != Some(0);
            DeviceProfile {
                forward_us: times(&|layer| flops_us(&layers[layer])),
                input_grad_us: times(&|layer| {
                    input_us(layer) + if splits(layer) { 0.0 } else { weights_us(layer) }
                }),
                weight_grad_us: times(&|layer| {
                    if splits(layer) { weights_us(layer) } else { 0.0 }
                }),
                optimizer_us: OptimizerTime::Layers(times(&|layer| {
                    OPTIMIZER_TRAFFIC * layers[layer].param_bytes as f64 * device.throttle
                        / rates.copy
                })),
                saved_bytes: own.map(|it| it.layers.iter().map(|l| l.saved_bytes).collect()),
                workspace_bytes: Some(own.unwrap_or(&self.profile).workspace_with_new_sums()),
                overhead_bytes: overhead_bytes(device),
                ..described(device)
            }
        };
        let devices = self.devices.iter().zip(&rates).enumerate().map(device).collect();
        let pairs = self.devices.iter().zip(&rates).flat_map(|from| {
            let others = self.devices.iter().zip(&rates).filter(move |to| to.0.id != from.0.id);
            others.map(move |to| {
                let (wire, wires) = &from.0.wires;
                let wire = wires.get(&to.0.id).unwrap_or(wire);
                // Half of a round trip on each side.
                let rate = 2.0 / (1.0 / from.1.copy + 1.0 / to.1.copy);
                LinkProfile {
                    from: from.0.id.clone(),
                    to: to.0.id.clone(),
                    latency_us: ESTIMATED_LATENCY_US,
                    bytes_per_us: rate / wire.share(),
                }
            })
        });
        let links = pairs.collect();
        let model = self.profile.clone();
        let profile = Profile::new(model, self.config.train.micro_batches);
        Ok(self.with_budgets(Profile { estimated: true, devices, links, ..profile }))
    }
}

/// What a run file computes with, or without one this machine, as for a run file that names no devices; and what that
/// does in general.
pub(crate) fn fit_devices(run_file: Option<&RunConfig>) -> Result<Vec<FitDevice>, RunError> {
    let device = |device: SetupDevice| {
        let rates = rates(&device)?;
        let overhead_bytes = overhead_bytes(&device);
        let described = DeviceProfile { overhead_bytes, ..described(&device) };
        let (gflops, copy_rate) = (Some(rates.gflops), Some(rates.copy));
        Ok(FitDevice { device: described, gflops, copy_rate })
    };
    let found = match run_file {
        Some(run_file) => devices(run_file, false)?,
        None => devices_of_machine()?,
    };
    found.into_iter().map(device).collect()
}

/// What a device's kernels keep for themselves.
fn overhead_bytes(device: &SetupDevice) -> u64 {
    match device.hardware.api {
        Api::Cpu => CPU_OVERHEAD_BYTES * device.threads as u64,
        _ => 0,
    }
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
