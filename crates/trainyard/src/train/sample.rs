//! What a language model writes after a validation, to see what it has learned.

use std::ops::ControlFlow;

use trainyard_plan::journal::Record;

use super::training::Training;
use crate::error::RunError;
use crate::generation::{Sampling, Text, TextForm, Writer, each};
use crate::interrupt::Interrupt;

/// How freely samples are written, as `trainyard generate` does unless told otherwise.
const SAMPLE_TEMPERATURE: f64 = 0.8;

impl Training<'_> {
    /// Lets a language model show what it has learned, beginning on a new line where it knows one.
    /// False where it was interrupted.
    pub(super) fn write_sample(&mut self, interrupt: &Interrupt) -> Result<bool, RunError> {
        let setup = self.setup;
        let tokens = setup.config.train.sample_tokens;
        let vocabulary = setup.data()?.info().vocabulary.clone();
        let Some(context) = setup.job.context.filter(|_| tokens > 0) else { return Ok(true) };
        let Some(form) = TextForm::of_run(&setup.config, vocabulary)? else { return Ok(true) };
        let text = Text::new(form.encode("")?, tokens, setup.config.train.seed, 0);
        let writer = Writer { context, sampling: Sampling::at(SAMPLE_TEMPERATURE), at_once: 1 };
        let (mut written, mut decoder) = (String::new(), form.decoder(&[]));
        let mut listener = each(|token| {
            written.push_str(&decoder.push(token));
            Ok(if interrupt.asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        });
        writer.write(&mut self.pipeline.sequences(), &mut [text], &mut listener)?;
        written.push_str(&decoder.rest());
        self.tell(&Record::Sample { at_ns: self.now(), step: self.step, text: written });
        Ok(!interrupt.asked())
    }
}
