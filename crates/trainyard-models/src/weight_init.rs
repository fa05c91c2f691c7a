//! Initial weights, drawn on the host from the run's seed and the layer's number, so that they are
//! the same on every device and under every partition.

use std::f64::consts::TAU;

use burn::tensor::Device;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use trainyard_engine::{EngineError, check_host_room, mix, weight};

use crate::nn::Linear;

/// The source of one layer's initial weights.
pub(crate) struct WeightInit {
    random: ChaCha8Rng,
    /// Drawn so far.
    bytes: u64,
}

impl WeightInit {
    pub(crate) fn new(seed: u64, layer: usize) -> Self {
        Self { random: ChaCha8Rng::seed_from_u64(mix(&[seed, layer as u64])), bytes: 0 }
    }

    /// A linear layer of normal weights, and of a bias of zeros.
    ///
    /// # Errors
    /// As [`Self::normal`].
    pub(crate) fn linear(
        &mut self,
        shape: [usize; 2],
        bias: bool,
        deviation: f32,
        device: &Device,
    ) -> Result<Linear, EngineError> {
        let [_, outputs] = shape;
        Ok(Linear {
            weight: weight(self.normal(shape, deviation)?, shape, device),
            bias: bias.then(|| weight(vec![0.0; outputs], [outputs], device)),
        })
    }

    /// Normal numbers around zero for a matrix of that shape (Box and Muller 1958).
    ///
    /// # Errors
    /// [`EngineError::LayerTooLarge`] if the layer's weights are larger than the memory that is free.
    pub(crate) fn normal(
        &mut self,
        [rows, columns]: [usize; 2],
        deviation: f32,
    ) -> Result<Vec<f32>, EngineError> {
        let elements = rows.saturating_mul(columns);
        self.bytes = self.bytes.saturating_add((elements as u64).saturating_mul(4));
        check_host_room(self.bytes)?;
        let mut values = Vec::with_capacity(elements + 1);
        while values.len() < elements {
            // 1 − u lies in (0, 1], where the logarithm is finite.
            let radius = (-2.0 * (1.0 - self.random.random::<f64>()).ln()).sqrt();
            let (sine, cosine) = (TAU * self.random.random::<f64>()).sin_cos();
            values.extend([radius * cosine, radius * sine].map(|n| n as f32 * deviation));
        }
        values.truncate(elements);
        Ok(values)
    }

    /// Numbers from `-bound` to `bound`, each as likely, for a matrix of that shape.
    ///
    /// # Errors
    /// As [`Self::normal`].
    pub(crate) fn uniform(
        &mut self,
        [rows, columns]: [usize; 2],
        bound: f64,
    ) -> Result<Vec<f32>, EngineError> {
        let elements = rows.saturating_mul(columns);
        self.bytes = self.bytes.saturating_add((elements as u64).saturating_mul(4));
        check_host_room(self.bytes)?;
        let number = |_| ((2.0 * self.random.random::<f64>() - 1.0) * bound) as f32;
        Ok((0..elements).map(number).collect())
    }
}
