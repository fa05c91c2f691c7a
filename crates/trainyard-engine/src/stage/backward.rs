//! The backward of a stage.

use std::sync::Arc;

use burn::tensor::{Gradients, Tensor};

use super::{Graph, SavedForBackward, Stage};
use crate::tensor::{Root, without_number};
use crate::wiring::Name;
use crate::{EngineError, ForwardContext, Objective, Tensors, Value};

/// What a backward starts from.
pub(crate) struct BackwardStart {
    pub(crate) micro_batch: usize,
    /// From the stages that took this one's outputs, in their order.
    pub(crate) output_gradients: Vec<Tensors>,
    /// The micro-batch's share of the batch, times the factor of the loss: on the last stage, which starts
    /// from the loss.
    pub(crate) loss_weight: f64,
    /// Leaves the gradients of weights that can wait to [`Stage::weight_backward`].
    pub(crate) split: bool,
}

/// What a backward gives: the gradients for the stages that inputs came from, and those of weights
/// that are not in the sums yet and do not wait.
pub(crate) struct BackwardResult {
    /// By the name of the input.
    pub(crate) input_gradients: Tensors,
    /// None when the stage has nothing to train.
    pub(crate) gradients: Option<Gradients>,
}

impl Stage {
    /// Runs the backward of one micro-batch. Under recompute `recomputed` is called when the forward
    /// has run again.
    pub(crate) fn backward(
        &mut self,
        objective: &dyn Objective,
        start: BackwardStart,
        context: &ForwardContext,
        recomputed: impl FnOnce(),
    ) -> Result<BackwardResult, EngineError> {
        let BackwardStart { micro_batch, output_gradients, loss_weight, split } = start;
        if !self.goes_back() {
            let input_gradients = Tensors::new();
            return Ok(BackwardResult { input_gradients, gradients: None });
        }
        let saved = self.saved.get_mut(micro_batch).and_then(Option::take).ok_or_else(|| {
            EngineError::internal(format!(
                "micro-batch {micro_batch} has no forward to go back through"
            ))
        })?;
        let Graph { inputs, roots, carried, loss } = match saved {
            SavedForBackward::Graph(graph) => graph,
            SavedForBackward::Input { input, targets } => {
                let before = self.buffers();
                let (graph, _, _) = self.graph(objective, input, targets, context)?;
                // The forward has been counted before.
                self.restore_buffers(before)?;
                recomputed();
                graph
            }
        };
        let root = match loss {
            Some(loss) => {
                let weight = Tensor::<1>::full([1], loss_weight, &self.device);
                loss.put(weight.into())?;
                Some(loss.number)
            }
            // Without weights and without an input of numbers there is nothing to go back through.
            None => seeded(roots, output_gradients)?,
        };
        let root = self.carry.seed(micro_batch, carried, root)?;
        let mut gradients = self.collect(micro_batch, split, root);
        // The stage before waits for one gradient for each floating-point tensor it sent that has one.
        let mut input_gradients = Tensors::new();
        for (name, value) in inputs {
            let gradient = gradients.as_mut().and_then(|all| value.gradient(all));
            if let Some(gradient) = gradient.or_else(|| value.zeros()) {
                input_gradients.insert(name, gradient);
            }
        }
        if !context.slice.is_first() {
            let (carried, others) = Self::without_carried(input_gradients);
            self.carry.give_back(micro_batch, carried);
            input_gradients = others;
        }
        Ok(BackwardResult { input_gradients, gradients })
    }
}

/// The root from which a backward starts with exactly the sum of what the takers of each output
/// gave back. The last taker's comes first, as in one graph of all stages.
fn seeded(
    roots: Vec<(Name, Root)>,
    mut gradients: Vec<Tensors>,
) -> Result<Option<Tensor<1>>, EngineError> {
    let mut all: Option<Tensor<1>> = None;
    for (name, root) in roots {
        let mut sum: Option<Value> = None;
        for of_taker in gradients.iter_mut().rev() {
            // Of several layers of a stage the first comes first.
            let of = |given: &&Arc<str>| without_number(given) == &*name;
            let names: Vec<Arc<str>> =
                of_taker.iter().map(|(given, _)| given).filter(of).cloned().collect();
            for given in names.iter().rev() {
                let gradient: Value = of_taker.take(given)?;
                sum = Some(match sum {
                    None => gradient,
                    Some(sum) => sum.add(gradient)?,
                });
            }
        }
        let Some(gradient) = sum else {
            return Err(EngineError::internal(format!("no gradient came for '{name}'")));
        };
        root.put(gradient)?;
        all = Some(match all {
            Some(all) => all + root.number,
            None => root.number,
        });
    }
    Ok(all)
}
