//! What every layer of a model costs on every device.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use burn::tensor::TensorData;
use trainyard_plan::{LayerProfile, ModelProfile};

use super::bench::Bench;
use super::cache_pressure::PressureBytes;
use super::control::Control;
use super::costs::{DeviceCosts, LayerCost, MeasureSettings};
use super::layer_runner::Subject;
use super::links::leave;
use super::unique_layers::UniqueLayers;
use crate::fault::{WORKER_THREAD_PREFIX, catch_panic};
use crate::kernels::KernelSet;
use crate::wiring::{Name, StageWiring, Wiring};
use crate::{Device, EngineError, HostTensors, LayerSpec, MicroBatch, Model, Objective};

/// About what a graph weighs on a CPU device beside its nodes.
const GRAPH_BYTES: u64 = 16 << 10;

/// What another device holds beside tensors, at the most: sizes and numbers that kernels take. They
/// come and go while nothing is measured.
const KERNEL_ARGUMENTS_BYTES: u64 = 16 << 10;

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
    (model, objective): (&dyn Model, &dyn Objective),
    profile: &ModelProfile,
    devices: &[Device],
    sample: &MicroBatch,
    settings: &MeasureSettings,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Vec<DeviceCosts>, EngineError> {
    for device in devices {
        check_room(device, profile)?;
    }
    // Tried while no other device computes.
    for device in devices {
        device.try_kernels(KernelSet::wanted(profile));
    }
    let kinds = UniqueLayers::of(profile);
    let wiring = Wiring::of(model)?;
    let goes_back = profile.layers.iter().map(|layer| !layer.forward_only).collect();
    let survey = Survey {
        model,
        objective,
        sample,
        settings,
        of: kinds.firsts.len() * devices.len(),
        kinds,
        wirings: wiring.layers_alone(),
        wiring,
        goes_back,
        pressure: PressureBytes::of(profile, devices.len()),
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
                    EngineError::no_thread(error)
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
        let gradients = layer.param_bytes.saturating_mul(2);
        let state = profile.optimizer_bytes(layer);
        let parts = [gradients, state, layer.input_bytes, layer.output_bytes];
        parts.into_iter().fold(layer.weight_bytes(), u64::saturating_add)
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
    objective: &'a dyn Objective,
    sample: &'a MicroBatch,
    settings: &'a MeasureSettings,
    kinds: UniqueLayers,
    wiring: Wiring,
    /// By layer, what it takes and gives as a stage of its own.
    wirings: Vec<StageWiring>,
    /// By layer, whether a backward comes to it.
    goes_back: Vec<bool>,
    pressure: PressureBytes,
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
        // Outside, so that its memory does not count as the device's.
        let mut control = Control::start();
        let measured = device.compute_thread().run(&name, || self.on_thread(device, &mut control));
        let measured = measured.and_then(|measured| measured);
        if measured.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        measured.map(|costs| DeviceCosts { control_us: control.into_times_us(), ..costs })
    }

    fn on_thread(
        &self,
        device: &Device,
        control: &mut Control,
    ) -> Result<DeviceCosts, EngineError> {
        let go_on = || {
            let failed = self.failed.load(Ordering::Relaxed);
            if failed { Err(EngineError::NeighbourStopped) } else { Ok(()) }
        };
        let held = || device.usage().unwrap_or_default().in_use;
        let held_before = held();
        let (by_kind, largest_output) = self.round(device, control, &go_on, &|| {
            let measured = self.measured.fetch_add(1, Ordering::Relaxed) + 1;
            (self.progress)(measured, self.of);
        })?;
        // All layers are gone, and what is left is nobody's.
        let left = held().saturating_sub(held_before);
        self.busy.fetch_sub(1, Ordering::Relaxed);
        // From here it is load for the others.
        let go_on = || {
            let busy = self.busy.load(Ordering::Relaxed) > 0;
            if busy { go_on() } else { Err(EngineError::NeighbourStopped) }
        };
        while go_on().is_ok() {
            match self.round(device, control, &go_on, &|| {}) {
                Ok(_) | Err(EngineError::NeighbourStopped) => {}
                Err(error) => return Err(error),
            }
        }
        leave(device);
        let layers = self.kinds.of_layer.iter().map(|&kind| by_kind[kind]).collect();
        // What goes to the host is copied on the device first.
        let overhead_bytes = if device.is_cpu() {
            left + GRAPH_BYTES
        } else {
            largest_output + KERNEL_ARGUMENTS_BYTES
        };
        Ok(DeviceCosts {
            device: device.id().to_owned(),
            layers,
            overhead_bytes,
            control_us: Vec::new(),
            kernels: device.kernels(),
        })
    }

    /// Measures one layer of every kind. Gives the size of the largest output too, in bytes.
    fn round(
        &self,
        device: &Device,
        control: &mut Control,
        go_on: &dyn Fn() -> Result<(), EngineError>,
        done: &dyn Fn(),
    ) -> Result<(Vec<LayerCost>, u64), EngineError> {
        let mut costs: Vec<(LayerCost, HostTensors)> = Vec::new();
        let mut held = SampleFlow::new(self.sample);
        for (layer, &kind) in self.kinds.of_layer.iter().enumerate() {
            let spec = &self.wiring.layers[layer];
            if kind == costs.len() {
                let subject = Subject {
                    model: self.model,
                    objective: self.objective,
                    wiring: &self.wiring,
                    of_layer: &self.wirings[layer],
                    layer,
                    goes_back: &self.goes_back,
                    input: held.input_of(spec)?,
                    sample: self.sample,
                    seed: self.settings.seed,
                };
                let measure = || {
                    let control = &mut *control;
                    let settings = (self.settings, self.pressure);
                    Bench::make(device, settings, control, subject)?.run(go_on)
                };
                costs.push(catch_panic(measure).map_err(|error| match error {
                    EngineError::NeighbourStopped => error,
                    error => EngineError::Measure {
                        device: device.id().to_owned(),
                        what: format!("layer '{}'", spec.name),
                        reason: error.to_string(),
                    },
                })?);
                done();
            }
            held.put(spec, &costs[kind].1);
        }
        let bytes = |outputs: &HostTensors| {
            outputs.iter().map(|(_, data)| data.as_bytes().len() as u64).sum::<u64>()
        };
        let largest = costs.iter().map(|(_, outputs)| bytes(outputs)).max().unwrap_or(0);
        Ok((costs.into_iter().map(|(cost, _)| cost).collect(), largest))
    }
}

/// A sample on its way through the layers, on the host: what the next layer takes. A layer that is
/// like one that has run before gives what that one gave.
pub(crate) struct SampleFlow<'a> {
    sample: &'a MicroBatch,
    given: BTreeMap<Name, TensorData>,
}

impl<'a> SampleFlow<'a> {
    pub(crate) fn new(sample: &'a MicroBatch) -> Self {
        Self { sample, given: BTreeMap::new() }
    }

    /// What a layer takes.
    pub(crate) fn input_of(&self, layer: &LayerSpec) -> Result<HostTensors, EngineError> {
        let find = |name: &Name| match self.given.get(name) {
            Some(data) => Ok((name.clone(), data.clone())),
            None => Ok(self.sample.tensors_of(std::slice::from_ref(name))?.remove(0)),
        };
        layer.takes.iter().map(find).collect()
    }

    /// What a layer gives.
    pub(crate) fn put(&mut self, layer: &LayerSpec, outputs: &HostTensors) {
        for (name, data) in outputs.iter().filter(|(name, _)| layer.gives.contains(name)) {
            self.given.insert(name.clone(), data.clone());
        }
    }
}
