//! The half of a stage's backward that gives the gradients of weights.

use burn::backend::autodiff::NodeId;
use burn::tensor::{Gradients, Tensor};

use super::Stage;
use super::layer::WeightState;
use crate::EngineError;
use crate::weight_half::{Sums, WeightHalf, collect, renew};

/// What the backward of one micro-batch has left for later.
#[derive(Default)]
pub(super) struct KeptForWeights {
    /// In the order of the backward.
    halves: Vec<(NodeId, WeightHalf)>,
    /// Gradients that other operations gave of the same weights. They are added after the halves, as in
    /// a whole backward.
    others: Vec<(NodeId, Tensor<1>)>,
}

impl Stage {
    /// Goes back through the graph of a micro-batch, if there is one. What is kept of it waits for
    /// [`Self::weight_backward`].
    pub(super) fn collect(
        &mut self,
        micro_batch: usize,
        split: bool,
        root: Option<Tensor<1>>,
    ) -> Option<Gradients> {
        let sums = self.take_sums();
        let collected = collect(sums, split, || root.map(|root| root.backward()));
        self.put_sums(collected.sums);
        if split {
            if self.kept.len() <= micro_batch {
                self.kept.resize_with(micro_batch + 1, || None);
            }
            let halves = collected.kept;
            self.kept[micro_batch] = Some(KeptForWeights { halves, others: Vec::new() });
        }
        collected.result
    }

    /// Adds the gradients that a micro-batch's backward gave to the sums. Those of weights of which a
    /// part is still to come wait for that.
    ///
    /// Gives how many bytes of gradients there were.
    pub(crate) fn accumulate(&mut self, micro_batch: usize, mut gradients: Gradients) -> u64 {
        let mut kept = self.kept.get_mut(micro_batch).and_then(Option::as_mut);
        let mut bytes = 0;
        for layer in &mut self.layers {
            let fresh = layer.layer.take_gradients(&mut gradients);
            let nodes = layer.layer.weight_nodes();
            for ((weight, gradient), node) in layer.weights.iter_mut().zip(fresh).zip(nodes) {
                let Some(gradient) = gradient else { continue };
                bytes += weight.spec.bytes();
                if let (Some(kept), Some(node)) = (&mut kept, node)
                    && kept.halves.iter().any(|(waiting, _)| *waiting == node)
                {
                    kept.others.push((node, gradient));
                    continue;
                }
                weight.sum = Some(added(weight.sum.take(), gradient));
            }
        }
        bytes
    }

    /// Whether the split backward of a micro-batch has left anything.
    pub(crate) fn keeps_for_weights(&self, micro_batch: usize) -> bool {
        let kept = self.kept.get(micro_batch).and_then(Option::as_ref);
        kept.is_some_and(|kept| !kept.halves.is_empty())
    }

    /// Computes what the split backward of a micro-batch has left, and adds it to the sums.
    pub(crate) fn weight_backward(&mut self, micro_batch: usize) -> Result<(), EngineError> {
        if !self.goes_back() {
            return Ok(());
        }
        let kept = self.kept.get_mut(micro_batch).and_then(Option::take).ok_or_else(|| {
            EngineError::internal(format!("micro-batch {micro_batch} has no backward before its W"))
        })?;
        let mut sums = self.take_sums();
        for (node, half) in kept.halves {
            if let Some(sum) = sums.get_mut(&node) {
                renew(sum, half);
            }
        }
        for (node, gradient) in kept.others {
            if let Some(sum) = sums.get_mut(&node) {
                renew(sum, |sum| added(sum, gradient));
            }
        }
        self.put_sums(sums);
        Ok(())
    }

    /// Takes the sums of all weights with a gradient.
    fn take_sums(&mut self) -> Sums {
        let mut sums = Sums::new();
        for (node, weight) in self.weights_with_nodes() {
            // Of two weights that are one, the first has the sum.
            let sum = weight.sum.take().map(Box::new);
            let known = sums.entry(node).or_default();
            *known = known.take().or(sum);
        }
        sums
    }

    /// Puts back what [`Self::take_sums`] took, or what became of it.
    fn put_sums(&mut self, mut sums: Sums) {
        for (node, weight) in self.weights_with_nodes() {
            weight.sum = sums.remove(&node).flatten().map(|sum| *sum);
        }
    }

    /// The weights with a gradient, by their nodes in the graph.
    fn weights_with_nodes(&mut self) -> impl Iterator<Item = (NodeId, &mut WeightState)> {
        self.layers.iter_mut().flat_map(|layer| {
            let nodes = layer.layer.weight_nodes();
            nodes
                .into_iter()
                .zip(&mut layer.weights)
                .filter_map(|(node, weight)| Some((node?, weight)))
        })
    }
}

fn added(sum: Option<Tensor<1>>, gradient: Tensor<1>) -> Tensor<1> {
    match sum {
        Some(sum) => sum + gradient,
        None => gradient,
    }
}
