//! A stage's gradients: summed over micro-batches, measured, used for the update.

use burn::tensor::{Gradients, Tensor};

use super::{Stage, StageLayer};
use crate::EngineError;
use crate::optimizer::{Gradient, GroupEntry, GroupedOptimizer, Update};

impl Stage {
    /// Adds a micro-batch's gradients to the sums.
    pub(crate) fn accumulate(&mut self, mut gradients: Gradients) {
        for layer in &mut self.layers {
            let fresh = layer.layer.take_gradients(&mut gradients);
            for (trained, gradient) in layer.weights.iter_mut().zip(fresh) {
                trained.sum = match (trained.sum.take(), gradient) {
                    (Some(sum), Some(gradient)) => Some(sum + gradient),
                    (sum, gradient) => sum.or(gradient),
                };
            }
        }
    }

    /// Ends the accumulation: the squared norm of every weight's gradient, by layer and weight, 0
    /// for weights that follow others.
    ///
    /// On a CPU device the sum is taken in f64 over host values in their order, so that it does
    /// not depend on the partition.
    pub(crate) fn squared_norms(
        &mut self,
        on_host: bool,
    ) -> Result<Vec<(usize, Vec<f64>)>, EngineError> {
        let mut norms: Vec<(usize, Vec<f64>)> = Vec::with_capacity(self.layers.len());
        let mut pending: Vec<(usize, usize, Tensor<1>)> = Vec::new();
        for (position, layer) in self.layers.iter_mut().enumerate() {
            let mut of_layer = vec![0.0; layer.weights.len()];
            for (number, trained) in layer.weights.iter_mut().enumerate() {
                let Some(sum) = trained.sum.take() else { continue };
                if trained.follows {
                    continue;
                }
                if on_host {
                    let data = sum.try_into_data().map_err(EngineError::driver)?;
                    let values = data
                        .as_slice::<f32>()
                        .map_err(|e| EngineError::driver(format!("{e:?}")))?;
                    of_layer[number] = squared_norm(values);
                    trained.gradient = Some(Gradient::Host(data));
                } else {
                    pending.push((position, number, (sum.clone() * sum.clone()).sum()));
                    trained.gradient = Some(Gradient::Device(sum));
                }
            }
            norms.push((layer.index, of_layer));
        }
        if !pending.is_empty() {
            // One read for all of them: every read waits for the device.
            let sums = pending.iter().map(|(_, _, sum)| sum.clone()).collect();
            let values =
                Tensor::cat(sums, 0).try_into_vec_as::<f32>().map_err(EngineError::driver)?;
            for ((position, number, _), value) in pending.iter().zip(values) {
                norms[*position].1[*number] = f64::from(value);
            }
        }
        Ok(norms)
    }

    /// Updates every weight that has a gradient and follows nobody.
    pub(crate) fn update(
        &mut self,
        optimizer: &GroupedOptimizer,
        update: &Update,
    ) -> Result<(), EngineError> {
        for StageLayer { name, layer, weights, .. } in &mut self.layers {
            layer.update(&mut |number, values| {
                let trained = &mut weights[number];
                let Some(gradient) = trained.gradient.take() else { return Ok(values) };
                let weight = &trained.weight;
                let factors = optimizer.factors(name, weight);
                let state = &mut trained.state;
                let entry = GroupEntry { weight, values, gradient, state, factors };
                optimizer.optimizer.update_weight(entry, update)
            })?;
        }
        Ok(())
    }

    /// Forgets everything of an unfinished step.
    pub(crate) fn discard(&mut self) {
        self.kept.clear();
        for trained in self.layers.iter_mut().flat_map(|layer| &mut layer.weights) {
            trained.sum = None;
            trained.gradient = None;
        }
    }
}

/// The sum of squares, in eight partial sums: an order that depends on the length alone and leaves
/// the processor's vector units something to do.
fn squared_norm(values: &[f32]) -> f64 {
    let mut sums = [0.0_f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for (sum, &value) in sums.iter_mut().zip(chunk) {
            *sum += f64::from(value) * f64::from(value);
        }
    }
    let rest: f64 = rest.iter().map(|&value| f64::from(value) * f64::from(value)).sum();
    sums.iter().sum::<f64>() + rest
}
