//! What a step leaves in the journal and before the person's eyes.

use trainyard_engine::{LossScale, Measured, StepResult};
use trainyard_plan::journal::Record;

use super::correction::Corrected;
use super::training::Training;

/// Steps whose events are kept for `trace.json` and for pictures.
const TRACED_STEPS: u64 = 10;

impl Training<'_> {
    /// Puts a step of so many tokens or rows into the journal and before the person's eyes.
    pub(super) fn note(
        &mut self,
        result: StepResult,
        learning_rate: f64,
        (step_ns, tokens): (u64, u64),
        scale_before: Option<LossScale>,
    ) {
        let StepResult { loss, metrics, gradient_norm: grad_norm, skipped, measured } = result;
        let mut measured = self.note_measured(measured);
        self.tell(&Record::Step {
            at_ns: self.now(),
            step: self.step,
            loss,
            learning_rate,
            grad_norm,
            step_ns,
            tokens_per_s: tokens as f64 / (step_ns.max(1) as f64 / 1e9),
            metrics,
        });
        self.note_loss_scale(scale_before, skipped);
        let step_us = step_ns as f64 / 1e3;
        let corrected = self.correction.as_mut().and_then(|correction| correction.step(step_us));
        if let Some(Corrected { step_us, factor, reason }) = corrected {
            let (at_ns, step) = (self.now(), self.step);
            self.tell(&Record::Corrected { at_ns, step, step_us, factor, reason });
        }
        if self.step + TRACED_STEPS <= self.setup.config.train.steps + 1 {
            self.trace.events.clear();
            self.trace.memory.clear();
        }
        self.trace.events.append(&mut measured.events);
        self.trace.memory.append(&mut measured.memory);
        self.close_long_part();
    }

    /// Where it is another than before the step.
    fn note_loss_scale(&mut self, before: Option<LossScale>, skipped: bool) {
        let factor = |scale: LossScale| scale.factor();
        let (before, now) = (before.map(factor), self.pipeline.loss_scale().map(factor));
        if let Some(scale) = now.filter(|_| now != before) {
            let (at_ns, step) = (self.now(), self.step);
            self.tell(&Record::LossScale { at_ns, step, scale, skipped });
        }
    }

    /// What a device that is not waited for tells of the last step when nothing comes after it.
    pub(super) fn note_the_end(&mut self) {
        // A pipeline that was given up has nothing to tell any more.
        if let Ok(measured) = self.pipeline.settle() {
            let mut measured = self.note_measured(measured);
            self.trace.events.append(&mut measured.events);
            self.trace.memory.append(&mut measured.memory);
        }
    }

    /// What was done and held when, into the journal, on the journal's clock.
    fn note_measured(&mut self, mut measured: Measured) -> Measured {
        for event in &mut measured.events {
            event.start_ns += self.pipeline_offset_ns;
            event.end_ns += self.pipeline_offset_ns;
            self.write(&Record::Action(event.clone()));
        }
        for sample in &mut measured.memory {
            sample.at_ns += self.pipeline_offset_ns;
        }
        for device in 0..measured.usage.len() {
            self.note_memory(device, &measured);
        }
        measured
    }

    /// Every sample of a device into the journal, the fullest one before the person's eyes.
    fn note_memory(&mut self, device: usize, measured: &Measured) {
        let Some((_, peak_bytes)) = measured.usage[device] else { return };
        let predicted_bytes = self.predicted_bytes.get(device).copied().unwrap_or(0);
        let mut fullest: Option<(u64, Record)> = None;
        for sample in measured.memory.iter().filter(|sample| sample.device == device) {
            let record = Record::Memory {
                at_ns: sample.at_ns,
                device,
                in_use_bytes: sample.in_use_bytes,
                reserved_bytes: sample.reserved_bytes,
                padding_bytes: sample.padding_bytes,
                peak_bytes,
                predicted_bytes,
            };
            self.write(&record);
            if fullest.as_ref().is_none_or(|(bytes, _)| sample.in_use_bytes > *bytes) {
                fullest = Some((sample.in_use_bytes, record));
            }
        }
        if let Some((_, fullest)) = fullest {
            self.progress.record(&fullest);
        }
    }
}
