//! A stage: consecutive layers on one device, with what is kept between forward and backward.

mod gradients;

use burn::tensor::{Device as BurnDevice, Gradients, Tensor};
use trainyard_plan::Recompute;

use crate::optimizer::{Gradient, State};
use crate::{Activation, EngineError, ForwardContext, Model, PlacedLayer, Value, WeightSpec};

/// A layer with what the trainer keeps for it.
pub(crate) struct StageLayer {
    /// Index in the model.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) layer: PlacedLayer,
    pub(crate) weights: Vec<Trained>,
}

/// A weight tensor with its gradient and optimizer state.
pub(crate) struct Trained {
    pub(crate) weight: WeightSpec,
    /// Follows another layer's weight: no optimizer state, updates come from the owner.
    pub(crate) follows: bool,
    /// Sum over the step's micro-batches so far.
    pub(crate) sum: Option<Tensor<1>>,
    /// The finished sum, once its norm has been taken.
    pub(crate) gradient: Option<Gradient>,
    pub(crate) state: Option<State>,
}

/// What one micro-batch leaves behind between its forward and its backward.
enum SavedForBackward {
    /// The graph, from the stage's input to its output (on the last stage: to the loss).
    Graph { input: Activation, output: Activation },
    /// Under recompute: what it takes to run the forward again.
    Input { input: Activation, targets: Option<Activation> },
}

pub(crate) struct Stage {
    pub(crate) index: usize,
    pub(crate) layers: Vec<StageLayer>,
    is_first: bool,
    is_last: bool,
    recompute: Recompute,
    kept: Vec<Option<SavedForBackward>>,
}

/// What a backward gives: the gradient for the stage before, and the weights' gradients.
pub(crate) struct BackwardResult {
    pub(crate) input_gradient: Option<Activation>,
    /// None when the stage has nothing to train.
    pub(crate) gradients: Option<Gradients>,
}

impl Stage {
    /// Makes the layers `[first, end)` on a device.
    pub(crate) fn build(
        model: &dyn Model,
        index: usize,
        plan_stage: &trainyard_plan::Stage,
        names: &[String],
        seed: u64,
        device: &BurnDevice,
    ) -> Result<Self, EngineError> {
        let (first, end) = plan_stage.layers;
        let ties = model.ties();
        let mut layers = Vec::with_capacity(end - first);
        for (layer_index, name) in names.iter().enumerate().take(end).skip(first) {
            let layer = model.build(layer_index, seed, device)?;
            let weights = layer.weights().into_iter().enumerate().map(|(number, weight)| Trained {
                follows: ties
                    .iter()
                    .any(|t| t.follower_layer == layer_index && t.follower_weight == number),
                weight,
                sum: None,
                gradient: None,
                state: None,
            });
            let weights = weights.collect();
            layers.push(StageLayer { index: layer_index, name: name.clone(), layer, weights });
        }
        Ok(Self {
            index,
            layers,
            is_first: first == 0,
            is_last: end == names.len(),
            recompute: plan_stage.recompute,
            kept: Vec::new(),
        })
    }

    pub(crate) fn is_first(&self) -> bool {
        self.is_first
    }

    pub(crate) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Runs the layers without a graph.
    pub(crate) fn run_without_graph(
        &self,
        mut activation: Activation,
        pass: &ForwardContext,
    ) -> Result<Activation, EngineError> {
        for layer in &self.layers {
            activation = in_layer(layer, layer.layer.without_graph().forward(activation, pass))?;
        }
        Ok(activation)
    }

    /// Runs the layers so that nothing is kept for a backward, and the output is that of
    /// [`Self::run`] to the last bit: without autodiff Burn takes other kernels.
    fn run_frozen(
        &self,
        activation: Activation,
        pass: &ForwardContext,
    ) -> Result<Activation, EngineError> {
        let mut activation = activation.map(Value::frozen);
        for layer in &self.layers {
            activation = in_layer(layer, layer.layer.frozen().forward(activation, pass))?;
        }
        Ok(activation)
    }

    fn run(
        &self,
        mut activation: Activation,
        pass: &ForwardContext,
    ) -> Result<Activation, EngineError> {
        for layer in &self.layers {
            activation = in_layer(layer, layer.layer.forward(activation, pass))?;
        }
        Ok(activation)
    }

    /// Runs the forward of one micro-batch and keeps what its backward needs.
    ///
    /// Gives the stage's output without graph, on the last stage the loss.
    pub(crate) fn forward(
        &mut self,
        model: &dyn Model,
        micro_batch: usize,
        input: Activation,
        targets: Option<Activation>,
        pass: &ForwardContext,
    ) -> Result<Activation, EngineError> {
        let (kept, output) = match self.recompute {
            Recompute::None => {
                let (input, output) = self.graph(model, input, targets, pass)?;
                let plain = output.clone().map(Value::plain);
                (SavedForBackward::Graph { input, output }, plain)
            }
            Recompute::Full => {
                let mut output = self.run_frozen(input.clone(), pass)?;
                if let Some(targets) = targets.clone() {
                    output = model.loss(output, targets)?.into();
                }
                (SavedForBackward::Input { input, targets }, output.map(Value::plain))
            }
        };
        if self.kept.len() <= micro_batch {
            self.kept.resize_with(micro_batch + 1, || None);
        }
        self.kept[micro_batch] = Some(kept);
        Ok(output)
    }

    fn graph(
        &self,
        model: &dyn Model,
        input: Activation,
        targets: Option<Activation>,
        pass: &ForwardContext,
    ) -> Result<(Activation, Activation), EngineError> {
        // The first stage's input is data: nobody wants its gradient.
        let input = if self.is_first { input } else { input.map(Value::leaf) };
        let mut output = self.run(input.clone(), pass)?;
        if let Some(targets) = targets {
            output = model.loss(output, targets)?.into();
        }
        Ok((input, output))
    }

    /// Runs the backward of one micro-batch.
    ///
    /// `output_gradient` comes from the next stage; the last stage starts from the loss, weighted
    /// by `loss_weight` (the micro-batch's share of the batch).
    pub(crate) fn backward(
        &mut self,
        model: &dyn Model,
        micro_batch: usize,
        output_gradient: Option<Activation>,
        loss_weight: f64,
        pass: &ForwardContext,
    ) -> Result<BackwardResult, EngineError> {
        let kept = self.kept.get_mut(micro_batch).and_then(Option::take).ok_or_else(|| {
            EngineError::driver(format!(
                "micro-batch {micro_batch} has no forward to go back through"
            ))
        })?;
        let (input, output) = match kept {
            SavedForBackward::Graph { input, output } => (input, output),
            SavedForBackward::Input { input, targets } => {
                self.graph(model, input, targets, pass)?
            }
        };
        let root = match output_gradient {
            None => output.single::<Tensor<1>>()?.mul_scalar(loss_weight),
            Some(gradient) => seed(output, gradient)?,
        };
        // Without weights and without an input of numbers there is nothing to go back through.
        let mut gradients = root.is_tracked().then(|| root.backward());
        // The stage before counts on one gradient for each floating-point tensor it sent.
        let of_input = |value: &Value| {
            let gradient = gradients.as_mut().and_then(|all| value.gradient(all));
            gradient.or_else(|| value.zeros())
        };
        let input_gradient = (!self.is_first)
            .then(|| Activation { values: input.values.iter().filter_map(of_input).collect() });
        Ok(BackwardResult { input_gradient, gradients })
    }

    /// The same layers with weights that want no gradient, so that a backward is no more than what
    /// the stage before waits for.
    pub(crate) fn without_weight_gradients(&self) -> Self {
        let frozen = |layer: &StageLayer| StageLayer {
            index: layer.index,
            name: layer.name.clone(),
            layer: layer.layer.frozen(),
            weights: Vec::new(),
        };
        Self {
            index: self.index,
            layers: self.layers.iter().map(frozen).collect(),
            is_first: self.is_first,
            is_last: self.is_last,
            recompute: self.recompute,
            kept: Vec::new(),
        }
    }

    /// The layer of this stage with an index in the model.
    pub(crate) fn layer_mut(&mut self, index: usize) -> Option<&mut StageLayer> {
        self.layers.iter_mut().find(|layer| layer.index == index)
    }
}

impl StageLayer {
    /// Replaces one weight.
    pub(crate) fn set_weight(
        &mut self,
        weight: usize,
        values: &Tensor<1>,
    ) -> Result<(), EngineError> {
        self.layer
            .update(&mut |number, old| Ok(if number == weight { values.clone() } else { old }))
    }
}

/// The root from which a backward starts with exactly these gradients.
fn seed(output: Activation, gradient: Activation) -> Result<Tensor<1>, EngineError> {
    let floats: Vec<Value> = output.values.into_iter().filter(Value::is_float).collect();
    if floats.len() != gradient.values.len() {
        return Err(EngineError::driver(format!(
            "{} gradients came for {} outputs",
            gradient.values.len(),
            floats.len()
        )));
    }
    let mut root: Option<Tensor<1>> = None;
    for (value, gradient) in floats.into_iter().zip(gradient.values) {
        if let Some(product) = value.seeded(gradient)? {
            root = Some(match root {
                Some(root) => root + product,
                None => product,
            });
        }
    }
    root.ok_or_else(|| EngineError::driver("a stage's output has no floating-point tensor"))
}

fn in_layer<T>(layer: &StageLayer, result: Result<T, EngineError>) -> Result<T, EngineError> {
    result.map_err(|error| EngineError::Layer {
        layer: layer.name.clone(),
        reason: error.to_string(),
    })
}
