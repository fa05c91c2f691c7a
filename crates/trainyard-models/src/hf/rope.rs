//! Rotary position embedding (Su et al., arXiv 2104.09864) as Hugging Face's models have it: number `i` of a
//! head's first half turns with number `i` of its second half.

use std::f64::consts::TAU;
use std::fmt::{self, Debug, Formatter};
use std::sync::Arc;

use burn::tensor::Tensor;
use trainyard_pretrained::{ModelConfig, RopeScaling};

use crate::fused::{self, Rotation};

/// The rotation of one or several blocks.
#[derive(Clone)]
pub(super) struct Rope {
    frequencies: Arc<[f32]>,
    /// Of the positions of a whole context.
    rotation: Arc<Rotation>,
}

impl Rope {
    /// That of blocks with a window or without; None where the model has none.
    pub(super) fn new(config: &ModelConfig, is_windowed: bool, context: usize) -> Option<Self> {
        let (theta, scaling) = config.rotation(is_windowed)?;
        let turned = config.turned() as usize;
        let half = turned.div_ceil(2);
        let frequency = |i: usize| theta.powf(-2.0 * i as f64 / turned as f64);
        let scale = |(i, frequency): (usize, f64)| scaled(frequency, i, scaling) as f32;
        let frequencies: Arc<[f32]> = (0..half).map(frequency).enumerate().map(scale).collect();
        let rotation = Rotation::new(&frequencies, config.head_width as usize, context);
        Some(Self { frequencies, rotation: Arc::new(rotation) })
    }

    /// Turns the heads of rows, `[batch, positions, heads·head width]`, of which `before` positions come first.
    pub(super) fn turn(&self, x: Tensor<3>, before: usize) -> Tensor<3> {
        let rotation = self.covering(before + x.dims()[1]);
        fused::rotate(x, &rotation, before)
    }

    /// Turned keys with values behind them, `[batch, positions, 2·width]`.
    pub(super) fn join(&self, keys: Tensor<3>, values: Tensor<3>, before: usize) -> Tensor<3> {
        let rotation = self.covering(before + keys.dims()[1]);
        fused::rotate_and_join(keys, values, &rotation, before)
    }

    fn covering(&self, positions: usize) -> Arc<Rotation> {
        if positions <= self.rotation.positions() {
            return Arc::clone(&self.rotation);
        }
        let head_width = self.rotation.head_width();
        Arc::new(Rotation::new(&self.frequencies, head_width, positions))
    }
}

impl Debug for Rope {
    /// What tells one from another.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rope").field(&self.frequencies).finish()
    }
}

/// A frequency, changed for longer contexts.
fn scaled(frequency: f64, number: usize, scaling: Option<&RopeScaling>) -> f64 {
    match scaling {
        None => frequency,
        Some(RopeScaling::Linear { factor }) => frequency / factor,
        Some(RopeScaling::Factors { factors }) => {
            frequency / factors.get(number).map_or(1.0, |factor| f64::from(*factor))
        }
        Some(RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_context,
        }) => {
            let turns = *original_context as f64 * frequency / TAU;
            let kept = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
            let kept = if turns < *low_freq_factor {
                0.0
            } else if turns > *high_freq_factor {
                1.0
            } else {
                kept
            };
            frequency * (kept + (1.0 - kept) / factor)
        }
    }
}
