//! A stage: consecutive layers on one device, with what is kept between forward and backward.

mod backward;
mod buffers;
mod carry;
mod finite;
mod gradients;
mod layer;
mod numbers;
mod reach;
mod weight_gradients;

use std::sync::Arc;

use burn::tensor::{Device as BurnDevice, Tensor};
use trainyard_plan::Recompute;

use crate::generator::{draws, with_generator_to_the_end, with_seeds};
use crate::layer::mix;
use crate::objective::Loss;
use crate::tensor::{Root, carried, is_carried, numbered};
use crate::wiring::{Name, StageWiring, Wiring};
use crate::{
    EngineError, ErasedLayer, ForwardContext, Model, Objective, Tensors, Value, WeightSpec,
};
pub(crate) use backward::BackwardStart;
use carry::Carry;
use finite::FiniteCheck;
pub(crate) use gradients::Norms;
pub(crate) use layer::{StageLayer, WeightState};
use numbers::{check_given, check_weights};
use reach::Reach;
use weight_gradients::KeptForWeights;

/// What one micro-batch leaves behind between its forward and its backward.
#[expect(clippy::large_enum_variant, reason = "one a micro-batch in flight, and of one sort each")]
enum SavedForBackward {
    Graph(Graph),
    /// Under recompute: what it takes to run the forward again.
    Input {
        input: Tensors,
        targets: Option<Tensors>,
    },
}

/// A graph, from what came from other stages to what goes to others or to the loss.
struct Graph {
    inputs: Tensors,
    /// By output that has a gradient; none on the last stage, which goes back from the loss alone.
    roots: Vec<(Name, Root)>,
    /// By tensor that is handed to the next slice.
    carried: Vec<(Name, Root)>,
    /// On the last stage, where there are targets and something to train.
    loss: Option<Root>,
}

/// What a stage's forward gives, without graph.
pub(crate) struct ForwardResult {
    /// For other stages; of the last stage what the model's last layer gives.
    pub(crate) outputs: Tensors,
    /// On the last stage, where there are targets.
    pub(crate) loss: Option<Loss>,
}

pub(crate) struct Stage {
    pub(crate) index: usize,
    pub(crate) layers: Vec<StageLayer>,
    pub(crate) wiring: StageWiring,
    is_last: bool,
    recompute: Recompute,
    device: BurnDevice,
    saved: Vec<Option<SavedForBackward>>,
    /// By micro-batch, what a split backward has left for `W`.
    kept: Vec<Option<KeptForWeights>>,
    carry: Carry,
    reach: Reach,
    /// Buffers as they were before the step, layer by layer.
    buffers_before: Vec<Vec<Option<Tensor<1>>>>,
    /// What is known of the numbers that the last update left.
    check: FiniteCheck,
}

/// Where and how a stage is made.
pub(crate) struct StagePlace<'a> {
    pub(crate) index: usize,
    pub(crate) wiring: StageWiring,
    pub(crate) layers: std::ops::Range<usize>,
    pub(crate) recompute: Recompute,
    pub(crate) seed: u64,
    pub(crate) device: &'a BurnDevice,
}

impl Stage {
    /// Makes a run of layers on a device.
    pub(crate) fn build(
        model: &dyn Model,
        wiring: &Wiring,
        place: StagePlace<'_>,
    ) -> Result<Self, EngineError> {
        let StagePlace { index, wiring: of_stage, layers: range, recompute, seed, device } = place;
        let is_last = range.end == wiring.layers.len();
        let mut layers = Vec::with_capacity(range.len());
        for layer_index in range {
            let spec = &wiring.layers[layer_index];
            let layer = model
                .build(layer_index, seed, device)
                .map_err(|error| error.of_layer(&spec.name))?;
            check_weights(&spec.name, &layer)?;
            let follows = |weight: &WeightSpec| {
                let mut ties = wiring.ties.iter();
                ties.any(|t| t.follower_layer == layer_index && t.follower_weight == weight.path)
            };
            let weights = layer.weights().iter().map(|weight| WeightState {
                follows: follows(weight),
                spec: weight.clone(),
                sum: None,
                gradient: None,
                state: None,
            });
            layers.push(StageLayer {
                index: layer_index,
                name: spec.name.clone(),
                takes: spec.takes.clone(),
                gives: spec.gives.clone(),
                carries: spec.carries.clone(),
                weights: weights.collect(),
                draws: draws(&layer.describe()),
                layer,
            });
        }
        Ok(Self {
            index,
            reach: Reach::all(layers.len()),
            layers,
            wiring: of_stage,
            is_last,
            recompute,
            device: device.clone(),
            saved: Vec::new(),
            kept: Vec::new(),
            carry: Carry::default(),
            buffers_before: Vec::new(),
            check: FiniteCheck::default(),
        })
    }

    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Runs the layers without a graph.
    pub(crate) fn run_without_graph(
        &self,
        input: Tensors,
        context: &ForwardContext,
    ) -> Result<Tensors, EngineError> {
        let forward = |layer: &ErasedLayer, input| layer.without_graph().forward(input, context);
        self.run_layers(input, context, forward)
    }

    /// Runs the layers so that nothing is kept for a backward, and the output is that of
    /// [`Self::run`] to the last bit: without autodiff Burn takes other kernels.
    pub(crate) fn run_untracked(
        &self,
        input: Tensors,
        context: &ForwardContext,
    ) -> Result<Tensors, EngineError> {
        let input = input.map(Value::untracked);
        let forward = |layer: &ErasedLayer, input| layer.untracked().forward(input, context);
        self.run_layers(input, context, forward)
    }

    fn run(&self, input: Tensors, context: &ForwardContext) -> Result<Tensors, EngineError> {
        self.run_layers(input, context, |layer, input| layer.forward(input, context))
    }

    /// Runs layer after layer. A tensor is handed over where nobody needs it any more, so that it
    /// can be changed in place, and dropped where nobody takes it. A layer whose module draws numbers
    /// draws them from the context's seed and its own number.
    fn run_layers(
        &self,
        mut tensors: Tensors,
        context: &ForwardContext,
        forward: impl Fn(&ErasedLayer, Tensors) -> Result<Tensors, EngineError>,
    ) -> Result<Tensors, EngineError> {
        for (at, layer) in self.layers.iter().enumerate() {
            let mut input = Tensors::new();
            for (name, last) in layer.takes.iter().zip(&self.wiring.last_use[at]) {
                if let Some(own) = self.separate_input(&mut tensors, name, at) {
                    input.insert(Arc::clone(name), own);
                    continue;
                }
                let mut value: Value = tensors.take(name).map_err(|error| layer.located(&error))?;
                if !last {
                    let (own, rest) = value.fork();
                    tensors.insert(Arc::clone(name), rest);
                    value = own;
                }
                input.insert(Arc::clone(name), value);
            }
            if !context.slice.is_first() {
                for name in &layer.carries {
                    let before: Value = tensors.take(&carried(name, at))?;
                    input.insert(Arc::clone(name), before);
                }
            }
            let run = || forward(&layer.layer, input);
            let seed = mix(&[context.seed, layer.index as u64]);
            let output = match (context.training, layer.draws) {
                (false, _) => run(),
                (true, false) => with_seeds(seed, run),
                (true, true) => {
                    with_generator_to_the_end(&self.device, seed, || with_seeds(seed, run))
                }
            };
            let mut output = output.map_err(|error| layer.located(&error))?;
            for (name, needed) in layer.gives.iter().zip(&self.wiring.needed[at]) {
                let value: Value = output.take(name).map_err(|error| layer.located(&error))?;
                check_given(name, &value).map_err(|error| layer.located(&error))?;
                if *needed {
                    tensors.insert(Arc::clone(name), value.node());
                }
            }
            if !context.slice.is_last() {
                for name in &layer.carries {
                    let value: Value = output.take(name).map_err(|error| layer.located(&error))?;
                    tensors.insert(carried(name, at), value.node());
                }
            }
        }
        let leaves = |name: &str| {
            let outputs = &self.wiring.outputs;
            outputs.iter().any(|(_, names)| names.iter().any(|leaving| &**leaving == name))
        };
        let of_last = |name: &str| {
            let last = self.layers.last().filter(|_| self.is_last);
            last.is_some_and(|layer| layer.gives.iter().any(|given| &**given == name))
        };
        tensors.retain(|name| leaves(name) || of_last(name) || is_carried(name));
        Ok(tensors)
    }

    /// Runs the forward of one micro-batch and keeps what its backward needs.
    pub(crate) fn forward(
        &mut self,
        objective: &dyn Objective,
        micro_batch: usize,
        mut input: Tensors,
        targets: Option<Tensors>,
        context: &ForwardContext,
    ) -> Result<ForwardResult, EngineError> {
        if !context.slice.is_first() {
            input.extend(self.carry.take(micro_batch)?);
        }
        let (saved, outputs, loss) = match self.recompute {
            _ if !self.goes_back() => {
                let (outputs, loss) = self.run_alone(objective, input, targets, context)?;
                (None, outputs, loss)
            }
            Recompute::None => {
                let (graph, outputs, loss) = self.graph(objective, input, targets, context)?;
                (Some(SavedForBackward::Graph(graph)), outputs, loss)
            }
            Recompute::Full => {
                let (kept, of_loss) = (input.clone(), targets.clone());
                let (outputs, loss) = self.run_alone(objective, kept, of_loss, context)?;
                (Some(SavedForBackward::Input { input, targets }), outputs, loss)
            }
        };
        if self.saved.len() <= micro_batch {
            self.saved.resize_with(micro_batch + 1, || None);
        }
        self.saved[micro_batch] = saved;
        let (carried, outputs) = Self::without_carried(outputs);
        if !context.slice.is_last() {
            self.carry.give(micro_batch, carried);
        }
        let loss = loss.map(|loss| Loss { loss: loss.loss.inner(), ..loss });
        let outputs = if loss.is_some() { Tensors::new() } else { outputs };
        Ok(ForwardResult { outputs, loss })
    }

    /// Runs the layers so that nothing is kept for a backward. Gives what they give, to the next slice too, and
    /// the loss.
    fn run_alone(
        &self,
        objective: &dyn Objective,
        input: Tensors,
        targets: Option<Tensors>,
        context: &ForwardContext,
    ) -> Result<(Tensors, Option<Loss>), EngineError> {
        let (mut all, outputs) = Self::without_carried(self.run_untracked(input, context)?);
        let loss = targets.map(|targets| objective.loss(outputs.clone(), targets)).transpose()?;
        all.extend(outputs);
        Ok((all.map(Value::detach), loss))
    }

    /// Runs the layers as a graph. Gives what they give without it, to the next slice too, and the loss.
    fn graph(
        &self,
        objective: &dyn Objective,
        input: Tensors,
        targets: Option<Tensors>,
        context: &ForwardContext,
    ) -> Result<(Graph, Tensors, Option<Loss>), EngineError> {
        let start = |(name, value): (Name, Value)| {
            if !self.needs_gradient(&name) {
                // With autodiff all the same: layers take that as the sign that they are trained.
                return vec![(name, value.untracked())];
            }
            if self.wiring.separate.contains(&name) && value.is_float() {
                return self.starts_by_layer(&name, &value);
            }
            vec![(name, value.requires_grad())]
        };
        let input: Tensors = input.into_iter().flat_map(start).collect();
        let mut inputs = input.clone();
        inputs.retain(|name| self.needs_gradient(name));
        let (mut all, outputs) = Self::without_carried(self.run(input, context)?);
        let loss = targets.map(|targets| objective.loss(outputs.clone(), targets)).transpose()?;
        let of_others = if self.is_last { Tensors::new() } else { outputs.clone() };
        let root = |(name, value): (Name, Value)| {
            Ok::<_, EngineError>(Root::of(value)?.map(|root| (name, root)))
        };
        let roots_of = |tensors: Tensors| {
            let roots = tensors.into_iter().filter_map(|output| root(output).transpose());
            roots.collect::<Result<Vec<_>, _>>()
        };
        let (roots, carried) = (roots_of(of_others)?, roots_of(all.clone())?);
        let of_loss = loss.as_ref().map(|loss| Root::of(loss.loss.clone().into())).transpose()?;
        let graph = Graph { inputs, roots, carried, loss: of_loss.flatten() };
        all.extend(outputs);
        Ok((graph, all.map(Value::detach), loss))
    }

    /// A start of the graph for each layer that takes a tensor of another stage.
    fn starts_by_layer(&self, name: &Name, value: &Value) -> Vec<(Name, Value)> {
        let mut starts = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            if layer.takes.contains(name) {
                starts.push((numbered(name, at), value.clone().requires_grad()));
            }
            if layer.gives.contains(name) {
                break;
            }
        }
        starts
    }

    /// The start that [`Self::starts_by_layer`] made for a layer.
    fn separate_input(&self, tensors: &mut Tensors, name: &Name, at: usize) -> Option<Value> {
        let is_separate = self.wiring.separate.contains(name);
        is_separate.then(|| tensors.take(&numbered(name, at)).ok()).flatten()
    }

    /// The layer of this stage with an index in the model.
    pub(crate) fn layer_mut(&mut self, index: usize) -> Option<&mut StageLayer> {
        self.layers.iter_mut().find(|layer| layer.index == index)
    }
}
