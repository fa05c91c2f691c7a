//! What every layer of a model costs on every device.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use burn::tensor::TensorData;
use trainyard_plan::{LayerProfile, ModelProfile};

use super::bench::{Bench, Subject};
use super::cache_pressure::PressureBytes;
use super::links::leave;
use super::unique_layers::UniqueLayers;
use crate::fault::{WORKER_THREAD_PREFIX, catch_panic};
use crate::{AdamW, Device, EngineError, MicroBatch, Model};

/// How layers are measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeasureSettings {
    /// The fewest timed runs of a layer, of which the median of means counts; at least 1 is made.
    pub samples: usize,
    /// The shortest time for which a layer is run.
    pub at_least: Duration,
    /// From which weights and gradients follow.
    pub seed: u64,
    /// The optimizer whose update is timed.
    pub optimizer: AdamW,
}

impl Default for MeasureSettings {
    fn default() -> Self {
        Self {
            samples: 9,
            at_least: Duration::from_millis(200),
            seed: 0,
            optimizer: AdamW::default(),
        }
    }
}

/// One layer on one device, for one micro-batch; times are those of several warm runs, the
/// median of means of a few.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerCost {
    /// A forward, in µs. The last layer's includes the loss.
    pub forward_us: f64,
    /// The part of a backward that gives the input's gradient, in µs; 0 for the first layer,
    /// whose input is data.
    pub input_grad_us: f64,
    /// The rest of the backward, with adding the weights' gradients up, in µs. The whole backward
    /// is the sum of the two.
    pub weight_grad_us: f64,
    /// Taking the gradient's norm and updating the weights, once a step, in µs.
    pub optimizer_us: f64,
    /// The norm's part of `optimizer_us`. All devices take their norms before any updates: the
    /// clipping needs the norm of the whole model. The trace's `OPT` is the update alone.
    pub norm_us: f64,
    /// Weights.
    pub param_bytes: u64,
    /// What comes in, for one micro-batch.
    pub input_bytes: u64,
    /// What goes out, for one micro-batch; of the last layer it is the loss.
    pub output_bytes: u64,
    /// Kept from forward to backward for one micro-batch: the input, and whatever the layer needs
    /// again, but not the output, which is the next layer's input. A stage keeps the sum over its
    /// layers and its own output. None where the device does not say.
    pub saved_bytes: Option<u64>,
    /// The most held for a moment during the layer's forward or backward, beside weights, sums of
    /// gradients, optimizer state, `saved_bytes` and the layer's fresh gradients; the output and
    /// the gradients of output and input are among it. None where the device does not say.
    pub workspace_bytes: Option<u64>,
}

/// What a model's layers cost on one device.
#[derive(Clone, Debug, PartialEq)]
pub struct DeviceCosts {
    /// The device's id.
    pub device: String,
    /// In the order of the model.
    pub layers: Vec<LayerCost>,
    /// What the device's kernels keep for themselves, whatever the layers; 0 where nobody counts.
    pub overhead_bytes: u64,
}

/// Measures every layer of a model on every device, on one micro-batch.
///
/// All devices are measured at the same time, and those that are done first work on until the last
/// is done: in a pipeline, too, they share the machine's memory and cores. Layers that differ in
/// nothing but their names are measured once. What is on the devices stays as it is, and afterwards
/// nothing of the measuring is left there.
///
/// `progress` is told how many measurements are done, and of how many.
///
/// # Errors
/// [`EngineError::OverBudget`] for a device whose budget cannot hold the largest layer, before
/// anything is made; [`EngineError::Measure`] for a device that fails.
pub fn layers(
    model: &dyn Model,
    devices: &[Device],
    sample: &MicroBatch,
    settings: &MeasureSettings,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<DeviceCosts>, EngineError> {
    let profile = model.profile(sample.rows);
    for device in devices {
        check_room(device, &profile)?;
    }
    let kinds = UniqueLayers::of(&profile);
    let names = profile.layers.iter().map(|layer| layer.name.clone()).collect();
    let survey = Survey {
        model,
        sample,
        settings,
        of: kinds.firsts.len() * devices.len(),
        kinds,
        names,
        rest_bytes: PressureBytes::of(&profile, devices.len()),
        progress,
        measured: AtomicUsize::new(0),
        busy: AtomicUsize::new(devices.len()),
        failed: AtomicBool::new(false),
    };
    let results: Vec<Result<DeviceCosts, EngineError>> = std::thread::scope(|scope| {
        let threads: Vec<_> = devices
            .iter()
            .map(|device| {
                let thread = std::thread::Builder::new()
                    .name(format!("{WORKER_THREAD_PREFIX}measures-{}", device.id()))
                    .spawn_scoped(scope, || survey.device(device));
                thread.map_err(|error| {
                    survey.failed.store(true, Ordering::Relaxed);
                    EngineError::driver(error)
                })
            })
            .collect();
        let join = |thread: Result<std::thread::ScopedJoinHandle<'_, _>, EngineError>| {
            let panicked = |_| Err(EngineError::driver("the thread that measures panicked"));
            thread.and_then(|thread| thread.join().unwrap_or_else(panicked))
        };
        threads.into_iter().map(join).collect()
    });
    let mut costs = Vec::with_capacity(devices.len());
    let mut stopped = None;
    for result in results {
        match result {
            Ok(of_device) => costs.push(of_device),
            // Stopped because another failed, which says why.
            Err(error @ EngineError::NeighbourStopped) => stopped = Some(error),
            Err(error) => return Err(error),
        }
    }
    stopped.map_or(Ok(costs), Err)
}

/// Refuses a device that cannot hold what every layer needs at the very least: weights, their
/// gradient and its sum, optimizer state, input and output.
fn check_room(device: &Device, profile: &ModelProfile) -> Result<(), EngineError> {
    let need = |layer: &LayerProfile| {
        let times = profile.optimizer_bytes_per_param_byte.saturating_add(3);
        let weights = layer.param_bytes.saturating_mul(times);
        weights.saturating_add(layer.input_bytes).saturating_add(layer.output_bytes)
    };
    let available_bytes = device.available_bytes();
    match profile.layers.iter().max_by_key(|layer| need(layer)) {
        Some(largest) if need(largest) > available_bytes => Err(EngineError::OverBudget {
            device: device.id().to_owned(),
            part: format!("layer '{}', to be measured alone,", largest.name),
            needed_bytes: need(largest),
            available_bytes,
        }),
        _ => Ok(()),
    }
}

/// What is to be measured, and how far it has come.
struct Survey<'a> {
    model: &'a dyn Model,
    sample: &'a MicroBatch,
    settings: &'a MeasureSettings,
    kinds: UniqueLayers,
    names: Vec<String>,
    rest_bytes: PressureBytes,
    progress: &'a (dyn Fn(usize, usize) + Sync),
    of: usize,
    measured: AtomicUsize,
    /// Devices that are not done yet.
    busy: AtomicUsize,
    failed: AtomicBool,
}

impl Survey<'_> {
    /// Measures a device on this thread.
    fn device(&self, device: &Device) -> Result<DeviceCosts, EngineError> {
        let name = format!("measures-{}", device.id());
        let measured = device.compute_thread().take(&name, || self.seated(device));
        let measured = measured.and_then(|measured| measured);
        if measured.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        measured
    }

    fn seated(&self, device: &Device) -> Result<DeviceCosts, EngineError> {
        let go_on = || {
            let failed = self.failed.load(Ordering::Relaxed);
            if failed { Err(EngineError::NeighbourStopped) } else { Ok(()) }
        };
        let held = || device.usage(0).map_or(0, |(in_use, _)| in_use);
        let held_before = held();
        let by_kind = self.round(device, &go_on, &|| {
            let measured = self.measured.fetch_add(1, Ordering::Relaxed) + 1;
            (self.progress)(measured, self.of);
        })?;
        // All layers are gone, and what is left is nobody's.
        let left = held().saturating_sub(held_before);
        let overhead_bytes = if device.is_cpu() { left } else { 0 };
        self.busy.fetch_sub(1, Ordering::Relaxed);
        // From here it is load for the others.
        let go_on = || {
            let busy = self.busy.load(Ordering::Relaxed) > 0;
            if busy { go_on() } else { Err(EngineError::NeighbourStopped) }
        };
        while go_on().is_ok() {
            match self.round(device, &go_on, &|| {}) {
                Ok(_) | Err(EngineError::NeighbourStopped) => {}
                Err(error) => return Err(error),
            }
        }
        leave(device);
        let layers = self.kinds.of_layer.iter().map(|&kind| by_kind[kind]).collect();
        Ok(DeviceCosts { device: device.id().to_owned(), layers, overhead_bytes })
    }

    /// Measures one layer of every kind.
    fn round(
        &self,
        device: &Device,
        go_on: &dyn Fn() -> Result<(), EngineError>,
        done: &dyn Fn(),
    ) -> Result<Vec<LayerCost>, EngineError> {
        let mut inputs: Vec<Vec<TensorData>> = vec![Vec::new(); self.kinds.firsts.len()];
        if let Some(first) = inputs.first_mut() {
            first.clone_from(&self.sample.inputs);
        }
        let mut costs = Vec::with_capacity(inputs.len());
        for (kind, &layer) in self.kinds.firsts.iter().enumerate() {
            let input = std::mem::take(&mut inputs[kind]);
            let Self { model, settings, sample, names, rest_bytes, .. } = self;
            let subject = Subject { names, layer, input, sample, rest_bytes: *rest_bytes };
            let measure = || Bench::make(*model, device, settings, subject)?.run(go_on);
            let (cost, output) = catch_panic(measure).map_err(|error| match error {
                EngineError::NeighbourStopped => error,
                error => EngineError::Measure {
                    device: device.id().to_owned(),
                    what: format!("layer '{}'", names[layer]),
                    reason: error.to_string(),
                },
            })?;
            for after in self.kinds.after(kind) {
                inputs[after].clone_from(&output);
            }
            costs.push(cost);
            done();
        }
        Ok(costs)
    }
}
