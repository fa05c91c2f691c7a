//! WeightInit weights, drawn on the host from the run's seed and the layer's number, so that they are
//! the same on every device and under every partition.

use std::f64::consts::TAU;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trainyard_engine::mix;

/// The source of one layer's initial weights.
pub(crate) struct WeightInit {
    random: ChaCha8Rng,
}

impl WeightInit {
    pub(crate) fn new(seed: u64, layer: usize) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(mix(&[seed, layer as u64])) }
    }

    /// Normal numbers around zero (Box and Muller 1958).
    pub(crate) fn normal(&mut self, elements: usize, deviation: f32) -> Vec<f32> {
        let mut values = Vec::with_capacity(elements + 1);
        while values.len() < elements {
            // 1 − u lies in (0, 1], where the logarithm is finite.
            let radius = (-2.0 * (1.0 - self.random.random::<f64>()).ln()).sqrt();
            let (sine, cosine) = (TAU * self.random.random::<f64>()).sin_cos();
            values.extend([radius * cosine, radius * sine].map(|n| n as f32 * deviation));
        }
        values.truncate(elements);
        values
    }
}
