//! What a language model writes after a validation, to see what it has learned.

use std::ops::ControlFlow;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use trainyard_data::first_token;
use trainyard_plan::journal::Record;

use super::training::Training;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::sampler::Sampler;

/// How freely samples are written, as `trainyard generate` does unless told otherwise.
const SAMPLE_TEMPERATURE: f64 = 0.8;

impl Training<'_> {
    /// Lets a language model show what it has learned, beginning on a new line where it knows one.
    /// False where it was interrupted.
    pub(super) fn write_sample(&mut self, interrupt: &Interrupt) -> Result<bool, RunError> {
        let setup = self.setup;
        let tokens = setup.config.train.sample_tokens;
        let vocabulary = setup.data()?.info().vocabulary.clone();
        let Some(context) = setup.job.context.filter(|_| tokens > 0 && !vocabulary.is_empty())
        else {
            return Ok(true);
        };
        let first = first_token(&vocabulary);
        let random = ChaCha8Rng::seed_from_u64(setup.config.train.seed);
        let writer = Sampler { context, temperature: SAMPLE_TEMPERATURE, random };
        let mut written = String::new();
        writer.write(
            &mut self.pipeline,
            vec![i32::try_from(first).unwrap_or(0)],
            tokens,
            |token| {
                written.push_str(vocabulary.get(token).map_or("\u{fffd}", String::as_str));
                Ok(if interrupt.asked() {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                })
            },
        )?;
        self.tell(&Record::Sample { at_ns: self.now(), step: self.step, text: written });
        Ok(!interrupt.asked())
    }
}
