//! Weights, gradients and steps that all tests share.

use std::ops::RangeInclusive;
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use trainyard_engine::mix;
use trainyard_engine::optimizer::{
    Gradient, GroupEntry, GroupFactors, OPTIMIZERS, Optimizer, State, Update, WeightSpec,
};

/// A number, a vector, a wide and a tall matrix, a convolution's weight, a matrix of one row.
pub(crate) const SHAPES: [&[usize]; 6] = [&[], &[5], &[4, 6], &[6, 4], &[3, 2, 2, 2], &[1, 7]];

pub(crate) const DECAYING: GroupFactors =
    GroupFactors { learning_rate: 0.5, weight_decay: 0.3, matrices: true };

/// A weight with its values and its state.
#[derive(Clone, Debug)]
pub(crate) struct Trained {
    pub(crate) weight: WeightSpec,
    pub(crate) factors: GroupFactors,
    pub(crate) values: Vec<f32>,
    pub(crate) state: Option<State>,
}

pub(crate) fn trained(shape: &[usize], factors: GroupFactors) -> Trained {
    let weight = WeightSpec::trained("w", shape);
    let values = (0..weight.elements()).map(|i| random(&[1, i as u64])).collect();
    Trained { weight, factors, values, state: None }
}

/// The gradient of a step, from -1 to 1 and now and then 0.
pub(crate) fn gradient(elements: usize, step: u64) -> Vec<f32> {
    let number = |i| if i % 11 == 10 { 0.0 } else { random(&[2, step, i as u64]) };
    (0..elements).map(number).collect()
}

/// A step whose learning rate and clipping change from step to step.
pub(crate) fn update(step: u64) -> Update {
    let gradient_scale = if step.is_multiple_of(2) { 0.5 } else { 1.0 };
    Update { step, learning_rate: 0.1 / step as f64, gradient_scale }
}

/// Where gradients lie.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// On the host, as those of CPU devices do.
    Host,
    Device(Device),
}

impl Trained {
    /// What an optimizer is given for a step.
    pub(crate) fn entry(&mut self, place: &Place, step: u64) -> GroupEntry<'_> {
        let length = self.values.len();
        let data = |values| TensorData::new(values, [length]);
        let gradient = data(gradient(length, step));
        let (device, gradient) = match place {
            Place::Host => (Device::flex(), Gradient::Host(gradient)),
            Place::Device(device) => {
                (device.clone(), Gradient::Device(Tensor::from_data(gradient, device)))
            }
        };
        GroupEntry {
            weight: &self.weight,
            values: Tensor::from_data(data(self.values.clone()), &device),
            gradient,
            state: &mut self.state,
            factors: self.factors,
        }
    }

    /// Makes some steps.
    pub(crate) fn train(
        mut self,
        optimizer: &dyn Optimizer,
        place: &Place,
        steps: RangeInclusive<u64>,
    ) -> Self {
        for step in steps {
            let entry = self.entry(place, step);
            let updated = optimizer.update_weight(entry, &update(step)).unwrap();
            assert_ne!(updated.finite, Some(false), "{} of finite numbers", optimizer.name());
            self.values = updated.values.try_into_vec_as::<f32>().unwrap();
        }
        self
    }
}

pub(crate) fn on_device() -> Place {
    Place::Device(Device::flex())
}

/// Every registered optimizer with its default options.
pub(crate) fn optimizers() -> impl Iterator<Item = Arc<dyn Optimizer>> {
    OPTIMIZERS.iter().map(|kind| (kind.default)())
}

pub(crate) fn assert_near(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (i, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let apart = (found - expected).abs();
        let near = apart <= tolerance * expected.abs().max(1.0);
        assert!(near, "{what}, element {i}: {found} where {expected} is expected");
    }
}

pub(crate) fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

pub(crate) fn random(seeds: &[u64]) -> f32 {
    (mix(seeds) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}
