//! Lets a language model write: token after token, each chosen from what the model says of the next.

use std::ops::ControlFlow;

use burn::tensor::TensorData;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use trainyard_engine::Pipeline;

use crate::error::RunError;

/// Samples from a pipeline.
pub(crate) struct Sampler {
    /// Tokens the model sees at once.
    pub(crate) context: usize,
    /// 0 for the likeliest token.
    pub(crate) temperature: f64,
    /// Where chance comes from.
    pub(crate) random: ChaCha8Rng,
}

impl Sampler {
    /// Adds tokens one by one and hands each to `each`, until it breaks off.
    ///
    /// # Errors
    /// When a device fails, or `each` does.
    pub(crate) fn write(
        mut self,
        pipeline: &mut Pipeline,
        mut tokens: Vec<i32>,
        more: usize,
        mut each: impl FnMut(usize) -> Result<ControlFlow<()>, RunError>,
    ) -> Result<(), RunError> {
        for _ in 0..more {
            let window = &tokens[tokens.len().saturating_sub(self.context)..];
            let input = TensorData::new(window.to_vec(), [1, window.len()]);
            let output = pipeline.output(&vec![("tokens".into(), input)])?;
            let logits: Vec<f32> = output.iter().flat_map(|(_, data)| data.iter::<f32>()).collect();
            // The last position's row says what comes next.
            let row =
                &logits[logits.len() / window.len().max(1) * (window.len().saturating_sub(1))..];
            if !row.iter().any(|logit| logit.is_finite()) {
                let words = "the model gives no numbers: its weights are past use; --checkpoint takes \
                             earlier ones";
                return Err(RunError::config(words));
            }
            let token = self.choose(row);
            if each(token)?.is_break() {
                break;
            }
            tokens.push(i32::try_from(token).unwrap_or(0));
        }
        Ok(())
    }

    fn choose(&mut self, logits: &[f32]) -> usize {
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if self.temperature == 0.0 {
            return logits.iter().position(|&logit| logit >= greatest).unwrap_or(0);
        }
        let weight = |logit: &f32| (f64::from(logit - greatest) / self.temperature).exp();
        let mut left = self.random.random::<f64>() * logits.iter().map(weight).sum::<f64>();
        for (token, logit) in logits.iter().enumerate() {
            left -= weight(logit);
            if left <= 0.0 {
                return token;
            }
        }
        logits.len().saturating_sub(1)
    }
}
