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
        let data = setup.data()?;
        let (vocabulary, tokenizer) = (&data.info().vocabulary, data.tokenizer());
        let Some(context) = setup.job.context.filter(|_| tokens > 0) else { return Ok(true) };
        let begin: Vec<i32> = match &tokenizer {
            // A text begins behind the end of another, for models that have no mark for it.
            Some(it) => match it.bos().or_else(|| it.eos().first().copied()) {
                Some(token) => vec![token.cast_signed()],
                None => it.encode("\n", false).into_iter().map(u32::cast_signed).collect(),
            },
            None if vocabulary.is_empty() => return Ok(true),
            None => vec![i32::try_from(first_token(vocabulary)).unwrap_or(0)],
        };
        let mut stream = tokenizer.as_ref().map(|it| (it.stream(true), it.eos()));
        let random = ChaCha8Rng::seed_from_u64(setup.config.train.seed);
        let writer = Sampler { context, temperature: SAMPLE_TEMPERATURE, random };
        let mut written = String::new();
        writer.write(&mut self.pipeline, begin, tokens, |token| {
            let mut ended = false;
            if let Some((stream, eos)) = &mut stream {
                let token = u32::try_from(token).unwrap_or(0);
                written.push_str(&stream.push(token));
                ended = eos.contains(&token);
            } else {
                written.push_str(vocabulary.get(token).map_or("\u{fffd}", String::as_str));
            }
            let stops = ended || interrupt.asked();
            Ok(if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if let Some((stream, _)) = &mut stream {
            written.push_str(&stream.rest());
        }
        self.tell(&Record::Sample { at_ns: self.now(), step: self.step, text: written });
        Ok(!interrupt.asked())
    }
}
