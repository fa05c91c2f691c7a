//! A stage's gradients, summed over the micro-batches: measured, and used for the update.

use burn::backend::Wgpu;
use burn::tensor::Tensor;

use super::Stage;
use super::finite::FiniteCheck;
use super::layer::{StageLayer, WeightState};
use crate::EngineError;
use crate::kernels::{Kernel, gpu_tensor, squared_norms, uses};
use crate::optimizer::{Gradient, GroupEntry, GroupedOptimizer, Update};

/// Squared norms of gradients by layer and weight, 0 for weights that follow others.
pub(crate) struct Norms {
    pub(crate) of_layers: Vec<(usize, Vec<f64>)>,
    /// Those that the device has not told yet, one behind the other.
    unread: Vec<Tensor<1>>,
    /// Where they belong: a layer's position and a weight's number each.
    places: Vec<(usize, usize)>,
}

impl Norms {
    /// What is still to be read.
    pub(crate) fn unread(&self) -> impl Iterator<Item = Tensor<1>> + '_ {
        self.unread.iter().cloned()
    }

    /// Puts in what was read, in the order of [`Self::unread`].
    pub(crate) fn put(&mut self, values: &mut impl Iterator<Item = f32>) {
        self.unread.clear();
        for ((position, number), value) in self.places.drain(..).zip(values) {
            self.of_layers[position].1[number] = f64::from(value);
        }
    }
}

impl Stage {
    /// Ends the accumulation: the squared norm of every weight's gradient.
    ///
    /// On a CPU device the sum is taken in f64 over host values in their order, so that it does
    /// not depend on the partition. On others it is still to be read.
    pub(crate) fn squared_norms(&mut self, on_host: bool) -> Result<Norms, EngineError> {
        let mut norms = Norms {
            of_layers: Vec::with_capacity(self.layers.len()),
            unread: Vec::new(),
            places: Vec::new(),
        };
        let mut on_device = Vec::new();
        for (position, layer) in self.layers.iter_mut().enumerate() {
            let mut of_layer = vec![0.0; layer.weights.len()];
            for (number, weight) in layer.weights.iter_mut().enumerate() {
                let Some(sum) = weight.sum.take() else { continue };
                if !StageLayer::is_updated(weight) {
                    continue;
                }
                if on_host {
                    let data = sum.try_into_data().map_err(EngineError::driver)?;
                    let values = data
                        .as_slice::<f32>()
                        .map_err(|e| EngineError::driver(format!("{e:?}")))?;
                    of_layer[number] = squared_norm(values);
                    weight.gradient = Some(Gradient::Host(data));
                } else {
                    norms.places.push((position, number));
                    on_device.push(sum.clone());
                    weight.gradient = Some(Gradient::Device(sum));
                }
            }
            norms.of_layers.push((layer.index, of_layer));
        }
        norms.unread = squared_norms_on_device(on_device)?;
        Ok(norms)
    }

    /// Updates copies of the weights as the first step and a later one would, one after the other so that
    /// there is room for them, and drops them.
    pub(crate) fn try_update(&self, optimizer: &GroupedOptimizer) -> Result<(), EngineError> {
        for StageLayer { name, layer, weights, .. } in
            self.layers.iter().filter(|layer| layer.trains())
        {
            for (trained, values) in weights.iter().zip(layer.weight_values()) {
                let Some(gradient) = &trained.gradient else { continue };
                let factors = optimizer.factors(name, &trained.spec);
                let mut state = None;
                for step in 1..=2 {
                    let entry = GroupEntry {
                        weight: &trained.spec,
                        // Its own, which may be changed in place as the weight may.
                        values: values.clone().add_scalar(0.0),
                        gradient: gradient.clone(),
                        state: &mut state,
                        factors,
                    };
                    let update = Update { step, learning_rate: 0.0, gradient_scale: 1.0 };
                    optimizer.optimizer.update(vec![entry], &update)?;
                }
            }
        }
        Ok(())
    }

    /// Updates every weight that has a gradient and follows none, all as one group, and has what was
    /// changed in the step checked.
    pub(crate) fn update(
        &mut self,
        optimizer: &GroupedOptimizer,
        update: &Update,
    ) -> Result<(), EngineError> {
        let mut group = Vec::new();
        let mut taken: Vec<Vec<bool>> = Vec::with_capacity(self.layers.len());
        for StageLayer { name, layer, weights, .. } in &mut self.layers {
            let wanted: Vec<bool> = weights.iter().map(|state| state.gradient.is_some()).collect();
            if !wanted.contains(&true) {
                taken.push(Vec::new());
                continue;
            }
            let values = layer.take_weights(&wanted);
            for (state, values) in weights.iter_mut().zip(values) {
                if let (Some(gradient), Some(values)) = (state.gradient.take(), values) {
                    let factors = optimizer.factors(name, &state.spec);
                    let WeightState { spec: weight, state, .. } = state;
                    group.push(GroupEntry { weight, values, gradient, state, factors });
                }
            }
            taken.push(wanted);
        }
        let mut new = optimizer.optimizer.update(group, update)?.into_iter();
        let mut check = FiniteCheck::default();
        for (layer, taken) in self.layers.iter_mut().zip(taken) {
            let new = taken.into_iter().map(|taken| if taken { new.next() } else { None });
            let values = new.map(|new| {
                new.map(|new| {
                    check.updated(&new);
                    new.values
                })
            });
            layer.layer.put_weights(values.collect())?;
        }
        self.note_check(check, update);
        Ok(())
    }
}

/// The squared norms of gradients on a device, one behind the other.
fn squared_norms_on_device(gradients: Vec<Tensor<1>>) -> Result<Vec<Tensor<1>>, EngineError> {
    if uses(Kernel::SquaredNorms) {
        let tensors = gradients.iter().cloned().map(gpu_tensor).collect::<Result<Vec<_>, _>>()?;
        if let Some(norms) = squared_norms(&tensors) {
            return Ok(vec![Tensor::from_primitive::<Wgpu>(norms)]);
        }
    }
    Ok(gradients.into_iter().map(|sum| (sum.clone() * sum).sum()).collect())
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
