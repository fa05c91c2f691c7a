//! One layer on one device, run as a worker runs it.

use burn::tensor::TensorData;
use trainyard_plan::{Recompute, Slice};

use crate::layer::mix;
use crate::memory::Usage;
use crate::optimizer::{GroupedOptimizer, Update};
use crate::stage::{BackwardStart, ForwardResult, Stage, StageLayer, StagePlace};
use crate::wiring::{StageWiring, Wiring};
use crate::{
    Device, EngineError, ForwardContext, HostTensors, MicroBatch, Model, Objective, Tensors,
    WeightRole,
};

/// A stage of one layer, with everything that goes in and comes back.
pub(crate) struct LayerRunner<'a> {
    objective: &'a dyn Objective,
    device: &'a Device,
    stage: Stage,
    input: HostTensors,
    targets: Option<HostTensors>,
    /// By stage that takes outputs: gradients of what it takes; none for the last layer, which
    /// starts from the loss.
    gradients: Vec<HostTensors>,
    context: ForwardContext,
    updates: u64,
}

/// Which layer is run, and on what.
pub(crate) struct Subject<'a> {
    pub(crate) model: &'a dyn Model,
    pub(crate) objective: &'a dyn Objective,
    pub(crate) wiring: &'a Wiring,
    /// What it takes and gives as a stage of its own.
    pub(crate) of_layer: &'a StageWiring,
    /// Index in the model.
    pub(crate) layer: usize,
    /// By layer before it, whether a backward comes to that.
    pub(crate) goes_back: &'a [bool],
    /// What it takes.
    pub(crate) input: HostTensors,
    pub(crate) sample: &'a MicroBatch,
    pub(crate) seed: u64,
}

/// About what a layer's nodes of the graph weigh on a CPU device, and no more than matters beside what the
/// layer keeps. Those of one layer lie in blocks that are too small to be counted, those of several in
/// blocks that are.
fn nodes_bytes(saved: u64) -> u64 {
    (saved / 100).min(8 << 10)
}

/// Bytes of a layer, for one micro-batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LayerBytes {
    /// Kept from forward to backward, beside the outputs.
    pub(crate) saved: Option<u64>,
    /// The largest tensor of the forward.
    pub(crate) largest: Option<u64>,
    /// The part of the outputs that is kept too.
    pub(crate) output_saved: Option<u64>,
    /// The part of `saved` that is the input.
    pub(crate) input_saved: Option<u64>,
    /// What a split backward keeps until the gradients of weights are computed.
    pub(crate) weight_saved: Option<u64>,
    /// Needed for a moment in the first half of a split backward beyond `workspace`.
    pub(crate) split_workspace: u64,
    /// Needed for a moment in the second beside what is kept for it.
    pub(crate) weight_workspace: u64,
    /// Whether the gradient of any weight can wait.
    pub(crate) splits: bool,
    /// Gradients of weights that stand beside their sums until the backward ends.
    pub(crate) fresh: u64,
    /// Needed for a moment, beside weights, sums of gradients, `saved` and fresh gradients.
    pub(crate) workspace: Option<u64>,
}

/// What a split backward and its halves hold, in bytes; of the halves nothing where it cannot be split.
#[derive(Default)]
struct Halves {
    splits: bool,
    /// Gradients that stand beside their sums until a backward ends.
    fresh: u64,
    /// Kept from the first to the second.
    kept: u64,
    /// The most in the first, beside what was there before the forward.
    first: u64,
    /// The most in the second, beside what was there before it.
    second: u64,
}

impl<'a> LayerRunner<'a> {
    /// Makes the layer.
    pub(crate) fn make(subject: Subject<'a>, device: &'a Device) -> Result<Self, EngineError> {
        let Subject { model, objective, wiring, of_layer, layer, goes_back, input, sample, seed } =
            subject;
        let place = StagePlace {
            index: layer,
            wiring: of_layer.clone(),
            layers: layer..layer + 1,
            recompute: Recompute::None,
            seed,
            device: device.burn(),
        };
        let mut stage = Stage::build(model, wiring, place)?;
        let mut trains = goes_back.get(..layer).unwrap_or_default().to_vec();
        trains.push(stage.layers.iter().any(StageLayer::trains));
        stage.end_backward(wiring, &wiring.goes_back(&trains));
        let targets = stage.is_last().then(|| sample.tensors_of(&objective.targets()));
        Ok(Self {
            objective,
            device,
            stage,
            input,
            targets: targets.transpose()?,
            gradients: Vec::new(),
            context: ForwardContext {
                training: true,
                seed: mix(&[seed, 1]),
                ..ForwardContext::default()
            },
            updates: 0,
        })
    }

    pub(crate) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// Runs forward and backward once. Gives everything that the layer gives, as a later layer
    /// takes it.
    pub(crate) fn first_run(&mut self) -> Result<HostTensors, EngineError> {
        let burn = self.device.burn();
        let input = Tensors::from_data(self.input.clone(), burn)?;
        let outputs = self.stage.run_without_graph(input, &self.context)?.into_data()?;
        let seed = self.context.seed;
        let takers = self.stage.wiring.outputs.iter();
        self.gradients = takers
            .map(|(_, names)| {
                let taken = outputs.iter().filter(|(name, _)| names.contains(name));
                random_like(taken, seed)
            })
            .collect();
        self.forward()?;
        self.backward()?;
        Ok(outputs)
    }

    /// Bytes that stay of what the layer would hand on to the next slice, for the whole context.
    pub(crate) fn carried_bytes(&self) -> Result<u64, EngineError> {
        let in_use = || self.device.usage().unwrap_or_default().in_use;
        let slice = Slice { index: 0, of: 2 };
        let context = ForwardContext { slice, ..self.context };
        let before = in_use();
        let (input, _) = self.upload()?;
        let (carried, others) = Stage::without_carried(self.stage.run_untracked(input, &context)?);
        drop(others);
        let held = in_use().saturating_sub(before);
        Ok(if carried.is_empty() { 0 } else { held.max(carried.bytes()) })
    }

    /// The inputs on the device, ready for a forward.
    pub(crate) fn upload(&self) -> Result<(Tensors, Option<Tensors>), EngineError> {
        let burn = self.device.burn();
        let input = Tensors::from_data(self.input.clone(), burn)?;
        let targets = self.targets.clone().map(|data| Tensors::from_data(data, burn));
        let targets = targets.transpose()?;
        self.device.wait()?;
        Ok((input, targets))
    }

    /// A forward of what [`Self::upload`] gave.
    pub(crate) fn run_forward(
        &mut self,
        (input, targets): (Tensors, Option<Tensors>),
    ) -> Result<ForwardResult, EngineError> {
        self.stage.forward(self.objective, 0, input, targets, &self.context)
    }

    fn forward(&mut self) -> Result<ForwardResult, EngineError> {
        let uploaded = self.upload()?;
        self.run_forward(uploaded)
    }

    /// The gradients of the outputs on the device, ready for a backward.
    pub(crate) fn upload_gradients(&self) -> Result<Vec<Tensors>, EngineError> {
        let burn = self.device.burn();
        let gradients = self.gradients.iter().map(|g| Tensors::from_data(g.clone(), burn));
        let gradients = gradients.collect::<Result<_, _>>()?;
        self.device.wait()?;
        Ok(gradients)
    }

    /// A whole backward from what [`Self::upload_gradients`] gave.
    ///
    /// Gives the bytes of gradients that the sums were not made of at once.
    pub(crate) fn run_backward(&mut self, gradients: Vec<Tensors>) -> Result<u64, EngineError> {
        self.run(gradients, false)
    }

    /// The half of a backward that gives the inputs' gradients.
    ///
    /// Gives what [`Self::run_backward`] gives.
    pub(crate) fn run_input_backward(
        &mut self,
        gradients: Vec<Tensors>,
    ) -> Result<u64, EngineError> {
        self.run(gradients, true)
    }

    /// The other half.
    pub(crate) fn run_weight_backward(&mut self) -> Result<(), EngineError> {
        self.stage.weight_backward(0)
    }

    fn run(&mut self, output_gradients: Vec<Tensors>, split: bool) -> Result<u64, EngineError> {
        let start = BackwardStart { micro_batch: 0, output_gradients, loss_weight: 1.0, split };
        let result = self.stage.backward(self.objective, start, &self.context, || ())?;
        Ok(result.gradients.map_or(0, |gradients| self.stage.accumulate(0, gradients)))
    }

    fn backward(&mut self) -> Result<u64, EngineError> {
        let gradients = self.upload_gradients()?;
        self.run_backward(gradients)
    }

    /// Takes the norms of the sums of gradients.
    pub(crate) fn run_norms(&mut self) -> Result<(), EngineError> {
        self.stage.squared_norms(self.device.is_cpu()).map(drop)
    }

    /// Updates the weights with a learning rate of 0, so that they stay what they are.
    pub(crate) fn run_update(&mut self, optimizer: &GroupedOptimizer) -> Result<(), EngineError> {
        self.updates += 1;
        let update = Update { step: self.updates, learning_rate: 0.0, gradient_scale: 1.0 };
        self.stage.update(optimizer, &update)
    }

    /// Bytes kept from forward to backward, and those needed for a moment.
    ///
    /// Outputs are later layers' inputs, and counted there where they are in one stage.
    pub(crate) fn bytes(&mut self) -> Result<LayerBytes, EngineError> {
        // The sums of a step that has begun are there before; they are not this micro-batch's.
        let input_saved = self.input_saved()?;
        let halves = self.halves()?;
        let Halves { splits, fresh, .. } = halves;
        let counter = self.device.counter();
        let Some(Usage { in_use: before, .. }) = self.device.usage() else {
            return Ok(LayerBytes { splits, fresh, ..LayerBytes::default() });
        };
        counter.restart_peak();
        let outputs = self.forward()?.outputs;
        let now = || self.device.usage().unwrap_or_default();
        let Usage { in_use: with_outputs, peak: in_forward, .. } = now();
        let largest = counter.largest().filter(|_| self.device.is_cpu());
        let output_bytes = outputs.bytes();
        drop(outputs);
        let saved = with_outputs.saturating_sub(before).saturating_sub(output_bytes);
        let output_saved = now().in_use.saturating_sub(before + saved);
        counter.restart_peak();
        self.backward()?;
        let in_backward = now().peak;
        // Fresh gradients, which count beside, are there in the backward alone; and it is in a
        // backward that a stage is at its fullest.
        let beside = before + saved + fresh;
        let workspace = in_forward.max(in_backward).saturating_sub(beside);
        let nodes = if self.device.is_cpu() { nodes_bytes(saved) } else { 0 };
        Ok(LayerBytes {
            saved: Some(saved + nodes),
            largest,
            output_saved: Some(output_saved),
            input_saved: Some(input_saved),
            weight_saved: Some(halves.kept),
            split_workspace: halves.first.saturating_sub(saved + fresh + workspace),
            weight_workspace: halves.second,
            splits,
            fresh,
            workspace: self.device.is_cpu().then_some(workspace),
        })
    }

    /// Bytes of the input that stay when whoever gave it lets it go. Runs forward and backward: the
    /// handle that is held meanwhile keeps kernels from writing over the input.
    fn input_saved(&mut self) -> Result<u64, EngineError> {
        let in_use = |runner: &Self| runner.device.usage().unwrap_or_default().in_use;
        let uploaded = self.upload()?;
        let held = uploaded.0.clone();
        let bytes = held.bytes();
        drop(self.run_forward(uploaded)?);
        let with_held = in_use(self);
        drop(held);
        let freed = with_held.saturating_sub(in_use(self));
        self.backward()?;
        Ok(bytes.saturating_sub(freed))
    }

    /// Runs a forward and the two halves of its backward.
    fn halves(&mut self) -> Result<Halves, EngineError> {
        let usage = |runner: &Self| runner.device.usage().unwrap_or_default();
        let before = usage(self).in_use;
        drop(self.forward()?);
        let gradients = self.upload_gradients()?;
        self.device.counter().restart_peak();
        let fresh = self.run_input_backward(gradients)?;
        let Usage { in_use: with_kept, peak: in_first, .. } = usage(self);
        let splits = self.stage.keeps_for_weights(0);
        self.device.counter().restart_peak();
        self.run_weight_backward()?;
        let in_second = usage(self).peak;
        if !splits {
            return Ok(Halves { fresh, ..Halves::default() });
        }
        Ok(Halves {
            splits,
            fresh,
            kept: with_kept.saturating_sub(before),
            first: in_first.saturating_sub(before),
            second: in_second.saturating_sub(with_kept),
        })
    }

    /// Bytes of the weights with a role.
    pub(crate) fn weight_bytes(&self, role: WeightRole) -> u64 {
        let weights = self.stage.layers.iter().flat_map(|layer| &layer.weights);
        weights.filter(|weight| weight.spec.role == role).map(|weight| weight.spec.bytes()).sum()
    }

    /// Bytes of the largest of the layer's weights and buffers.
    pub(crate) fn largest_weight_bytes(&self) -> u64 {
        let weights = self.stage.layers.iter().flat_map(|layer| &layer.weights);
        weights.map(|weight| weight.spec.bytes()).max().unwrap_or(0)
    }

    /// Bytes of everything that goes in.
    pub(crate) fn input_bytes(&self) -> u64 {
        self.input.iter().map(|(_, data)| data.as_bytes().len() as u64).sum()
    }
}

/// Numbers from -1 to 1 in the shapes of floating-point tensors.
fn random_like<'a>(
    tensors: impl Iterator<Item = &'a (std::sync::Arc<str>, TensorData)>,
    seed: u64,
) -> HostTensors {
    let floats = tensors.filter(|(_, data)| data.dtype().is_float());
    let random = |(name, data): &(std::sync::Arc<str>, TensorData)| {
        let shape = data.shape().clone();
        let number = |i| (mix(&[seed, 2, i as u64]) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0;
        let numbers = (0..shape.num_elements()).map(number).collect::<Vec<f32>>();
        (name.clone(), TensorData::new(numbers, shape))
    };
    floats.map(random).collect()
}
