//! The training loop: steps, validation, checkpoints, journal.

mod checkpoint;
mod correction;
mod sample;
mod settings;
mod training;

use std::sync::Arc;
use std::time::Instant;

use trainyard_data::Prefetch;
use trainyard_engine::{Measured, StepResult};
use trainyard_plan::journal::{Record, State};
use trainyard_plan::{MemoryUse, Plan, Profile, Trace, chrome, simulate};

use crate::cli::{Output, program};
use crate::error::RunError;
use crate::evaluate::{Evaluated, evaluate};
use crate::interrupt::Interrupt;
use crate::journal::JournalWriter;
use crate::learning_rate::learning_rate;
use crate::progress::Progress;
use crate::run_dir::{RunDir, write_atomic};
use crate::setup::TrainingSetup;
pub use checkpoint::{CheckpointState, read_state};
use correction::{Corrected, Correction};
use settings::{header, write_settings};
use training::{Training, nanoseconds, state_record};

/// How a training ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether all steps are done; otherwise somebody stopped it.
    pub finished: bool,
    /// Steps done.
    pub step: u64,
    /// The last validation.
    pub validation_loss: Option<f64>,
    /// The last steps, for a picture.
    pub trace: Trace,
}

/// Steps whose events are kept for `trace.json` and for pictures.
const TRACED_STEPS: u64 = 10;

/// Trains until all steps are done or somebody presses Ctrl-C.
///
/// # Errors
/// Whatever ends a training early; the journal's last line says it too. Checkpoints made before
/// stay as they are.
pub fn train(
    setup: &TrainingSetup,
    (plan, costs): (&Plan, &Profile),
    directory: &RunDir,
    resume: bool,
    output: Output,
) -> Result<Outcome, RunError> {
    let interrupt = Interrupt::listen()?;
    let started = Instant::now();
    let checkpoint = if resume { directory.latest()? } else { None };
    let first_step = checkpoint.as_ref().map_or(0, |(step, _)| *step);
    let predicted_bytes = simulate::most_held(costs, plan)?.iter().map(MemoryUse::total).collect();
    let mut journal = JournalWriter::open(&directory.journal())?;
    if checkpoint.is_none() {
        write_settings(setup, plan, costs, directory)?;
    }
    let header = header(setup, plan, first_step)?;
    journal.write(&Record::Header(header.clone()))?;
    journal.flush()?;
    let progress = Progress::start(output, &header);
    if output == Output::Json {
        progress.record(&Record::Header(header.clone()));
    }
    let pipeline = match setup.start(plan, costs) {
        Ok(pipeline) => pipeline,
        Err(error) => {
            let failed = state_record(started, State::Failed, first_step, &error.to_string());
            journal.write(&failed)?;
            journal.flush()?;
            return Err(error);
        }
    };
    let devices = Trace::from_journal(std::iter::once(&Record::Header(header))).devices;
    let mut training = Training {
        setup,
        pipeline_offset_ns: nanoseconds(pipeline.origin().saturating_duration_since(started)),
        pipeline,
        directory,
        journal,
        progress,
        trace: Trace { devices, ..Trace::default() },
        started,
        step: first_step,
        cursor: setup.first_cursor(),
        batches: Prefetch::new(Arc::clone(setup.data()?))?,
        validation_loss: None,
        predicted_bytes,
        saved_step: checkpoint.as_ref().map(|(step, _)| *step),
        correction: plan
            .predicted
            .as_ref()
            .map(|predicted| Correction::of(predicted.step_us, costs.noise)),
    };
    let result = match checkpoint {
        // The run's settings are replaced once the checkpoint has shown that it goes with them.
        Some((step, path)) => training
            .load(step, &path)
            .and_then(|()| write_settings(setup, plan, costs, directory))
            .and_then(|()| training.run(&interrupt)),
        None => training.run(&interrupt),
    };
    if let Err(error) = &result {
        // The error itself matters more than a journal that cannot be written any more.
        let _written = training.say(State::Failed, &error.to_string()).is_ok();
    }
    training.progress.finish();
    result.map(|finished| Outcome {
        finished,
        step: training.step,
        validation_loss: training.validation_loss,
        trace: std::mem::take(&mut training.trace),
    })
}

impl Training<'_> {
    /// True when all steps are done, false when somebody stopped it.
    fn run(&mut self, interrupt: &Interrupt) -> Result<bool, RunError> {
        let config = &self.setup.config;
        let train = &config.train;
        self.say(State::Running, "")?;
        while self.step < train.steps {
            let step = self.step + 1;
            let rate = learning_rate(train).at(step);
            let batch = self.batches.batch(self.cursor, train.batch)?;
            let micro_batches = self.setup.cut(&batch);
            let before = Instant::now();
            let result = self.pipeline.step(step, rate, micro_batches)?;
            let took = nanoseconds(before.elapsed());
            self.step = step;
            self.cursor = self.cursor.advanced(batch.rows);
            self.note(result, rate, took)?;
            let last = step == train.steps;
            if last || (train.validate_every > 0 && step.is_multiple_of(train.validate_every)) {
                self.validate(last && train.validate_whole_at_end)?;
            }
            let stopped = interrupt.asked() && !last;
            let due = train.checkpoint_every > 0 && step.is_multiple_of(train.checkpoint_every);
            if last || due || stopped {
                self.save()?;
            }
            if stopped {
                self.write_trace()?;
                let path = self.directory.path().display();
                self.say(State::Stopped, &format!("go on with: {} resume {path}", program()))?;
                return Ok(false);
            }
        }
        if self.saved_step != Some(self.step) {
            self.save()?;
        }
        self.write_trace()?;
        self.say(State::Finished, "")?;
        Ok(true)
    }

    fn write_trace(&self) -> Result<(), RunError> {
        // A run that was finished already has the trace of what it did.
        if self.trace.events.is_empty() {
            return Ok(());
        }
        write_atomic(&self.directory.trace(), chrome::to_string(&self.trace).as_bytes())
    }

    /// Puts a step into the journal and before the person's eyes.
    fn note(
        &mut self,
        result: StepResult,
        learning_rate: f64,
        step_ns: u64,
    ) -> Result<(), RunError> {
        let StepResult { loss, metrics, gradient_norm: grad_norm, mut measured } = result;
        for event in &mut measured.events {
            event.start_ns += self.pipeline_offset_ns;
            event.end_ns += self.pipeline_offset_ns;
            self.journal.write(&Record::Action(event.clone()))?;
        }
        for sample in &mut measured.memory {
            sample.at_ns += self.pipeline_offset_ns;
        }
        for device in 0..measured.usage.len() {
            self.note_memory(device, &measured)?;
        }
        let tokens = self.setup.config.train.batch as u64 * self.items_per_row()?;
        self.tell(&Record::Step {
            at_ns: self.now(),
            step: self.step,
            loss,
            learning_rate,
            grad_norm,
            step_ns,
            tokens_per_s: tokens as f64 / (step_ns.max(1) as f64 / 1e9),
            metrics,
        })?;
        let step_us = step_ns as f64 / 1e3;
        let corrected = self.correction.as_mut().and_then(|correction| correction.step(step_us));
        if let Some(Corrected { step_us, factor, reason }) = corrected {
            let (at_ns, step) = (self.now(), self.step);
            self.tell(&Record::Corrected { at_ns, step, step_us, factor, reason })?;
        }
        if self.step + TRACED_STEPS <= self.setup.config.train.steps + 1 {
            self.trace.events.clear();
            self.trace.memory.clear();
        }
        self.trace.events.append(&mut measured.events);
        self.trace.memory.append(&mut measured.memory);
        Ok(())
    }

    /// Every sample of a device into the journal, the fullest one before the person's eyes.
    fn note_memory(&mut self, device: usize, measured: &Measured) -> Result<(), RunError> {
        let Some((_, peak_bytes)) = measured.usage[device] else { return Ok(()) };
        let predicted_bytes = self.predicted_bytes.get(device).copied().unwrap_or(0);
        let mut fullest: Option<(u64, Record)> = None;
        for sample in measured.memory.iter().filter(|sample| sample.device == device) {
            let record = Record::Memory {
                at_ns: sample.at_ns,
                device,
                in_use_bytes: sample.in_use_bytes,
                reserved_bytes: None,
                peak_bytes,
                predicted_bytes,
            };
            self.journal.write(&record)?;
            if fullest.as_ref().is_none_or(|(bytes, _)| sample.in_use_bytes > *bytes) {
                fullest = Some((sample.in_use_bytes, record));
            }
        }
        if let Some((_, fullest)) = fullest {
            self.progress.record(&fullest);
        }
        Ok(())
    }

    fn validate(&mut self, whole: bool) -> Result<(), RunError> {
        let batches = self.setup.config.train.validate_batches;
        let limit = (!whole && batches > 0).then_some(batches);
        let evaluated = evaluate(self.setup, &mut self.pipeline, limit)?;
        let Evaluated { loss, metrics, rows, items } = evaluated;
        self.validation_loss = Some(loss);
        self.tell(&Record::Validation {
            at_ns: self.now(),
            step: self.step,
            loss,
            tokens: items,
            rows: Some(rows),
            whole: limit.is_none(),
            metrics,
        })?;
        self.write_sample()
    }

    fn items_per_row(&self) -> Result<u64, RunError> {
        Ok(self.setup.data()?.info().items_per_row)
    }
}
