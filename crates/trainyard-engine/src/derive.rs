//! What a model costs, found out from the model itself.
//!
//! Every layer is made and run once on the CPU, one after the other, on a sample of the data;
//! layers that are alike are run once. Sizes of weights and tensors are exact. What is kept for the
//! backward and needed for a moment is what the CPU device counted, and the floating-point
//! operations are those that the CPU would have done in a matrix product in the time of the
//! forward. A layer's largest tensor is the largest block that its forward asked for. Where the
//! program does not count its memory ([`crate::memory`]), what is kept and needed is estimated from
//! the shapes, and the largest tensor is the largest that the layer takes or gives.

use std::sync::Arc;

use burn::tensor::TensorData;
use trainyard_plan::{BatchTensor, LayerProfile, ModelProfile, Precision, TensorProfile};

use crate::fault::catch_panic;
use crate::host_room::check_host_room;
use crate::kernels::{Kernel, KernelSet, asked_for};
use crate::measure::SampleFlow;
use crate::measure::layer_runner::{LayerBytes, LayerRunner, Subject};
use crate::measure::relative_speed;
use crate::optimizer::weight_name;
use crate::stage::StageLayer;
use crate::wiring::{StageWiring, Wiring};
use crate::{
    Device, EngineError, GroupedOptimizer, HostTensors, LayerSpec, MicroBatch, Model, Objective,
    WeightRole, WeightSpec, discover, with_portable_kernels,
};

/// How a model's costs are found out.
pub struct DeriveSettings<'a> {
    /// From which weights and gradients follow.
    pub seed: u64,
    /// The optimizer, whose state is counted.
    pub optimizer: &'a GroupedOptimizer,
    /// Whether sizes must hold on devices without the CPU's own fused kernels too.
    pub portable: bool,
}

/// Forwards of a layer of which the fastest counts.
const FORWARDS: usize = 3;

/// Copies of a layer's trained weights that are made to run it: fresh gradients and their sums.
const GRADIENTS: u64 = 2;

/// Without a count of memory: tensors of the largest size among inputs and outputs that a layer is
/// taken to keep, and to need for a moment.
const SAVED_TENSORS: u64 = 16;
const WORKSPACE_TENSORS: u64 = 8;

/// Finds out what every layer of a model costs for one micro-batch like `sample`.
///
/// The layers are in memory one at a time. `progress` is told how many layers are done, and of how
/// many.
///
/// # Errors
/// [`EngineError::Layer`] for a layer that does not run on what it is given;
/// [`EngineError::LayerTooLarge`] for one whose weights are larger than the memory that is free;
/// [`EngineError::BadOption`] for a group of the optimizer that no weight of the model is of.
pub fn derive_profile(
    model: &dyn Model,
    objective: &dyn Objective,
    sample: &MicroBatch,
    settings: &DeriveSettings<'_>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<ModelProfile, EngineError> {
    derive_profile_in(Precision::F32, model, objective, sample, settings, progress)
}

/// The same for devices that compute products in a precision.
///
/// # Errors
/// As [`derive_profile`].
pub fn derive_profile_in(
    precision: Precision,
    model: &dyn Model,
    objective: &dyn Objective,
    sample: &MicroBatch,
    settings: &DeriveSettings<'_>,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<ModelProfile, EngineError> {
    let wiring = Wiring::of(model)?;
    let cpu = discover::cpu();
    let gflops = relative_speed(&cpu, 1)?;
    let device = Device::open("cpu", &cpu, u64::MAX, 1)?.with_precision(precision);
    let run = || {
        let derive = Derive { model, objective, sample, settings, wiring: &wiring, gflops };
        let all = || catch_panic(|| derive.all(&device, progress));
        // Where the CPU's own fused kernels run, nobody asks for those of wgpu devices.
        if settings.portable {
            let (layers, kernels) = asked_for(|| with_portable_kernels(all));
            layers.map(|layers| (layers, Some(kernels)))
        } else {
            all().map(|layers| (layers, None))
        }
    };
    // A device computes on a thread of its own, with a pool and a count of its own.
    let (layers, kernels) = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name(format!("{}derives", crate::fault::WORKER_THREAD_PREFIX))
            .spawn_scoped(scope, || device.compute_thread().run("derives", run))
            .map_err(EngineError::no_thread)?;
        let panicked = |_| Err(EngineError::driver("the thread that runs the layers panicked"));
        thread.join().unwrap_or_else(panicked)
    })??;
    // Those of updates, too: an optimizer's has its name.
    let of_updates = [Kernel::SquaredNorms.name(), settings.optimizer.optimizer.name()];
    let kernels = kernels.map(|kernels| kernels.and(KernelSet::named(&of_updates)).names());
    Ok(ModelProfile {
        name: model.name().to_owned(),
        // Layer by layer below.
        optimizer_bytes_per_param_byte: 0,
        // The layers say themselves what stands beside their sums.
        fresh_bytes_per_param_byte: 1,
        kernels,
        layers,
    })
}

struct Derive<'a> {
    model: &'a dyn Model,
    objective: &'a dyn Objective,
    sample: &'a MicroBatch,
    settings: &'a DeriveSettings<'a>,
    wiring: &'a Wiring,
    gflops: f64,
}

/// What two layers must have in common to cost the same.
#[derive(PartialEq)]
struct Signature {
    kind: String,
    module: String,
    weights: Vec<WeightSpec>,
    /// Names, shapes and number types of what it takes.
    takes: Vec<(Arc<str>, Vec<usize>, burn::tensor::DType)>,
    gives: Vec<Arc<str>>,
    carries: Vec<Arc<str>>,
    /// Whether a backward comes to it, whether a gradient goes back from it, and whether the loss is computed
    /// after it.
    ends: (bool, bool, bool),
    follows: Vec<String>,
}

/// What is known from the layers before.
struct Known<'a> {
    found: Vec<(Signature, Found)>,
    flow: SampleFlow<'a>,
    /// By layer, whether a backward comes to it.
    goes_back: Vec<bool>,
    /// Names of all weights that the optimizer updates.
    updated: Vec<String>,
}

/// What running a layer showed.
struct Found {
    bytes: LayerBytes,
    trained_bytes: u64,
    frozen_bytes: u64,
    buffer_bytes: u64,
    largest_weight_bytes: u64,
    input_bytes: u64,
    carried_bytes: u64,
    flops: u64,
    outputs: HostTensors,
}

impl Derive<'_> {
    fn all(
        &self,
        device: &Device,
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<LayerProfile>, EngineError> {
        let wirings = self.wiring.layers_alone();
        let flow = SampleFlow::new(self.sample);
        let (found, goes_back, updated) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = Known { found, flow, goes_back, updated };
        let mut profiles = Vec::with_capacity(wirings.len());
        for (layer, of_layer) in wirings.iter().enumerate() {
            let run = || self.layer(device, (layer, of_layer), &mut known);
            profiles.push(catch_panic(run).map_err(|error| match error {
                EngineError::Layer { .. } | EngineError::LayerTooLarge { .. } => error,
                error => EngineError::Layer {
                    layer: self.wiring.layers[layer].name.clone(),
                    reason: error.to_string(),
                },
            })?);
            progress(layer + 1, wirings.len());
        }
        self.settings.optimizer.groups.check_used(&known.updated)?;
        Ok(profiles)
    }

    /// Runs a layer, unless one that is alike has run before.
    fn layer(
        &self,
        device: &Device,
        (layer, of_layer): (usize, &StageWiring),
        known: &mut Known<'_>,
    ) -> Result<LayerProfile, EngineError> {
        let spec = &self.wiring.layers[layer];
        let input = known.flow.input_of(spec)?;
        let goes_back = known.goes_back.clone();
        let runner = LayerRunner::make(
            Subject {
                model: self.model,
                objective: self.objective,
                wiring: self.wiring,
                of_layer,
                layer,
                goes_back: &goes_back,
                input: input.clone(),
                sample: self.sample,
                seed: self.settings.seed,
            },
            device,
        )?;
        let signature = signature(spec, &runner, &input);
        known.goes_back.push(runner.stage().goes_back());
        // By its name a layer may be of another group than one that is alike.
        let optimizer = self.settings.optimizer;
        let weights = runner.stage().layers[0].weights.iter();
        let updated = weights.filter(|weight| StageLayer::is_updated(weight)).map(|it| &it.spec);
        let state_bytes = |weight| optimizer.state_bytes(&spec.name, weight);
        let frozen_as = self.frozen_as(layer, &runner);
        let optimizer_bytes = Some(updated.clone().map(state_bytes).sum());
        known.updated.extend(updated.map(|weight| weight_name(&spec.name, weight)));
        let alike = known.found.iter().position(|(other, _)| *other == signature);
        let at = if let Some(at) = alike {
            at
        } else {
            known.found.push((signature, self.run(spec, runner)?));
            known.found.len() - 1
        };
        let found = &known.found[at].1;
        known.flow.put(spec, &found.outputs);
        let profile = self.profile(layer, of_layer, &input, found);
        let profile = LayerProfile { optimizer_bytes, frozen_as, ..profile };
        let goes_back = known.goes_back.last().copied().unwrap_or(true);
        Ok(if goes_back { profile } else { profile.without_backward() })
    }

    /// How its frozen weights are held that are not 32-bit floats, each once. Layers that are alike otherwise may differ
    /// in it.
    fn frozen_as(&self, layer: usize, runner: &LayerRunner<'_>) -> Vec<String> {
        let weights = runner.stage().layers[0].layer.weights().iter();
        let frozen = weights.filter(|weight| weight.role == WeightRole::Frozen);
        let mut formats: Vec<String> =
            frozen.filter_map(|weight| self.model.held_as(layer, &weight.path)).collect();
        formats.sort();
        formats.dedup();
        formats
    }

    fn run(&self, spec: &LayerSpec, mut runner: LayerRunner<'_>) -> Result<Found, EngineError> {
        let trained_bytes = runner.weight_bytes(WeightRole::Trained);
        let name = &runner.stage().layers[0].name;
        check_host_room(GRADIENTS.saturating_mul(trained_bytes))
            .map_err(|error| error.of_layer(name))?;
        let outputs = runner.first_run()?;
        let mut fastest_ns = f64::INFINITY;
        for _ in 0..FORWARDS {
            let uploaded = runner.upload()?;
            let began = std::time::Instant::now();
            drop(runner.run_forward(uploaded)?);
            fastest_ns = fastest_ns.min(began.elapsed().as_nanos() as f64);
        }
        Ok(Found {
            bytes: runner.bytes()?,
            trained_bytes,
            frozen_bytes: runner.weight_bytes(WeightRole::Frozen),
            buffer_bytes: runner.weight_bytes(WeightRole::Buffer),
            largest_weight_bytes: runner.largest_weight_bytes(),
            input_bytes: runner.input_bytes(),
            carried_bytes: if self.context_of(spec).is_some() {
                runner.carried_bytes()?
            } else {
                0
            },
            flops: (fastest_ns * self.gflops) as u64,
            outputs,
        })
    }

    /// Length of the context along which a layer's micro-batches may be cut into slices.
    fn context_of(&self, spec: &LayerSpec) -> Option<usize> {
        self.sample.context().ok().filter(|_| spec.in_slices)
    }

    fn profile(
        &self,
        layer: usize,
        of_layer: &StageWiring,
        input: &HostTensors,
        found: &Found,
    ) -> LayerProfile {
        let spec = &self.wiring.layers[layer];
        let is_last = layer + 1 == self.wiring.layers.len();
        let given = |(name, data): &(Arc<str>, TensorData)| {
            let bytes = data.as_bytes().len() as u64;
            let takers = self.wiring.takers(layer, name);
            TensorProfile {
                name: name.to_string(),
                bytes,
                gradient_bytes: if data.dtype().is_float() { bytes } else { 0 },
                to: takers.map(|taker| self.wiring.layers[taker].name.clone()).collect(),
            }
        };
        let gives: Vec<TensorProfile> =
            found.outputs.iter().map(given).filter(|tensor| !tensor.to.is_empty()).collect();
        let of_batch = |(name, data): &(Arc<str>, TensorData)| {
            let bytes = data.as_bytes().len() as u64;
            let from_batch = of_layer.from_batch.contains(name);
            from_batch.then(|| BatchTensor { name: name.to_string(), bytes })
        };
        let output_bytes = if is_last {
            // What goes on is the loss.
            size_of::<f32>() as u64
        } else {
            gives.iter().map(|tensor| tensor.bytes).sum()
        };
        let all_outputs: u64 =
            found.outputs.iter().map(|(_, data)| data.as_bytes().len() as u64).sum();
        let largest = found.input_bytes.max(all_outputs);
        let tensors = input.iter().chain(&found.outputs);
        let tensors = tensors.map(|(_, data)| data.as_bytes().len() as u64);
        let largest_tensor_bytes = tensors.chain(found.bytes.largest).max().unwrap_or(0);
        let tied_to = spec.shares.first().map(|shared| shared.owner.clone());
        LayerProfile {
            name: spec.name.clone(),
            kind: spec.kind.clone(),
            param_bytes: found.trained_bytes,
            frozen_bytes: found.frozen_bytes,
            buffer_bytes: found.buffer_bytes,
            input_bytes: found.input_bytes,
            output_bytes,
            saved_bytes: found.bytes.saved.unwrap_or(SAVED_TENSORS * largest),
            output_saved_bytes: found.bytes.output_saved.unwrap_or(0),
            input_saved_bytes: found.bytes.input_saved.unwrap_or(0),
            weight_saved_bytes: if found.bytes.splits { found.bytes.weight_saved } else { Some(0) },
            split_workspace_bytes: found.bytes.split_workspace,
            weight_workspace_bytes: found.bytes.weight_workspace,
            fresh_bytes: Some(found.bytes.fresh),
            workspace_bytes: found.bytes.workspace.unwrap_or(WORKSPACE_TENSORS * largest),
            largest_weight_bytes: found.largest_weight_bytes,
            largest_tensor_bytes,
            forward_flops: found.flops,
            context: self.context_of(spec),
            carried_bytes: found.carried_bytes,
            tied_to,
            gives,
            batch: input.iter().filter_map(of_batch).collect(),
            ..LayerProfile::default()
        }
    }
}

fn signature(spec: &LayerSpec, runner: &LayerRunner<'_>, input: &HostTensors) -> Signature {
    let stage = runner.stage();
    let layer = &stage.layers[0];
    let taken = |(name, data): &(Arc<str>, TensorData)| {
        (name.clone(), data.shape().as_slice().to_vec(), data.dtype())
    };
    Signature {
        kind: spec.kind.clone(),
        module: layer.layer.describe(),
        weights: layer.layer.weights().to_vec(),
        takes: input.iter().map(taken).collect(),
        gives: spec.gives.clone(),
        carries: spec.carries.clone(),
        ends: (stage.goes_back(), stage.gives_gradients(), stage.is_last()),
        follows: spec.shares.iter().map(|shared| shared.weight.clone()).collect(),
    }
}
