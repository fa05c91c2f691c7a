//! What a training has in its hands, and how it tells what happens.

use std::time::{Duration, Instant};

use trainyard_data::{Cursor, Prefetch};
use trainyard_engine::Pipeline;
use trainyard_plan::journal::{Record, State};
use trainyard_plan::{Plan, Profile, Trace, chrome};

use super::batch_file::BatchFile;
use super::checkpoint_pace::CheckpointPace;
use super::correction::Correction;
use super::sample::Samples;
use super::troubles::Troubles;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::journal::JournalWriter;
use crate::progress::Progress;
use crate::run_dir::{RunDir, write_atomic};
use crate::setup::TrainingSetup;
use crate::validations::Validations;

/// A training between its steps.
pub(super) struct Training<'a> {
    pub(super) setup: &'a TrainingSetup,
    pub(super) plan: &'a Plan,
    pub(super) costs: &'a Profile,
    pub(super) pipeline: Pipeline,
    pub(super) directory: &'a RunDir,
    /// None before the run directory is written to.
    pub(super) journal: Option<JournalWriter>,
    pub(super) progress: Progress,
    pub(super) trace: Trace,
    pub(super) started: Instant,
    /// The pipeline's clock started this much after the journal's.
    pub(super) pipeline_offset_ns: u64,
    pub(super) step: u64,
    /// The data of the next step.
    pub(super) cursor: Cursor,
    pub(super) batches: Prefetch,
    /// What tells the tokenizer of the data from others, where there is one.
    pub(super) tokenizer: Option<String>,
    /// Where batches are written to that were trained on.
    pub(super) batch_file: Option<BatchFile>,
    pub(super) validation_loss: Option<f64>,
    /// What a language model writes after each validation; None for another model.
    pub(super) samples: Option<Samples>,
    /// The step from which this training goes on.
    pub(super) first_step: u64,
    pub(super) validations: Validations,
    /// By rank: the most it may hold, as predicted.
    pub(super) predicted_bytes: Vec<u64>,
    /// What tells this run's checkpoints from those of others.
    pub(super) run_id: String,
    /// The newest step that is safe on disk.
    pub(super) saved_step: Option<u64>,
    pub(super) pace: CheckpointPace,
    /// Of what the plan predicts, where it predicts something.
    pub(super) correction: Option<Correction>,
    pub(super) interrupt: Interrupt,
    pub(super) troubles: Troubles,
    /// When the run directory was last looked after, s.
    pub(super) looked_s: f64,
}

/// How often it is looked whether the run directory is still there, s.
const GLANCE_S: f64 = 1.0;

/// How `troubles` name the journal.
const JOURNAL: &str = "the journal";

impl Training<'_> {
    /// Says that the run changed state.
    pub(super) fn say(&mut self, state: State, message: &str) {
        let record = Record::State {
            at_ns: self.now(),
            state,
            step: self.step,
            message: message.to_owned(),
        };
        self.tell(&record);
        // Of a directory that is gone the journal went with it, and has the record there.
        if self.directory.check_still_there().is_ok() {
            self.sync();
        }
    }

    /// Puts a record into the journal and before the person's eyes.
    pub(super) fn tell(&mut self, record: &Record) {
        self.progress.record(record);
        self.write(record);
        let flushed = self.journal.as_mut().map_or(Ok(()), JournalWriter::flush);
        self.troubles.note(JOURNAL, flushed);
    }

    /// Puts a record into the journal, to be flushed with the next.
    pub(super) fn write(&mut self, record: &Record) {
        if let Some(Err(error)) = self.journal.as_mut().map(|journal| journal.write(record)) {
            self.troubles.note(JOURNAL, Err(error));
        }
    }

    /// Refuses to go on in a run directory that is not there any more.
    ///
    /// # Errors
    /// [`RunError::RunMoved`].
    pub(super) fn look_after_the_directory(&mut self) -> Result<(), RunError> {
        let now = self.seconds();
        if now - self.looked_s < GLANCE_S {
            return Ok(());
        }
        self.looked_s = now;
        self.directory.check_still_there()
    }

    /// Waits until the disk has all of the journal.
    pub(super) fn sync(&mut self) {
        let synced = self.journal.as_mut().map_or(Ok(()), JournalWriter::sync);
        self.troubles.note(JOURNAL, synced);
    }

    /// Begins another part of the journal where this one has grown long.
    pub(super) fn close_long_part(&mut self) {
        let closed = self.journal.as_mut().map_or(Ok(()), JournalWriter::close_long_part);
        self.troubles.note("closing a part of the journal", closed);
    }

    /// The trace of the last steps, beside the journal.
    pub(super) fn write_trace(&mut self) {
        // A run that was finished already has the trace of what it did.
        if !self.trace.events.is_empty() {
            let text = chrome::to_string(&self.trace);
            let written = write_atomic(&self.directory.trace(), text.as_bytes());
            self.troubles.note("trace.json", written);
        }
    }

    /// Time on the journal's clock, ns.
    pub(super) fn now(&self) -> u64 {
        nanoseconds(self.started.elapsed())
    }

    /// The same in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
