//! What a training has in its hands, and how it tells what happens.

use std::time::{Duration, Instant};

use trainyard_data::{Cursor, Prefetch};
use trainyard_engine::Pipeline;
use trainyard_plan::Trace;
use trainyard_plan::journal::{Record, State};

use super::correction::Correction;
use crate::error::RunError;
use crate::journal::JournalWriter;
use crate::progress::Progress;
use crate::run_dir::RunDir;
use crate::setup::TrainingSetup;

/// A training between its steps.
pub(super) struct Training<'a> {
    pub(super) setup: &'a TrainingSetup,
    pub(super) pipeline: Pipeline,
    pub(super) directory: &'a RunDir,
    pub(super) journal: JournalWriter,
    pub(super) progress: Progress,
    pub(super) trace: Trace,
    pub(super) started: Instant,
    /// The pipeline's clock started this much after the journal's.
    pub(super) pipeline_offset_ns: u64,
    pub(super) step: u64,
    /// The data of the next step.
    pub(super) cursor: Cursor,
    pub(super) batches: Prefetch,
    pub(super) validation_loss: Option<f64>,
    /// By rank: the most it may hold, as predicted.
    pub(super) predicted_bytes: Vec<u64>,
    /// The newest step that is safe on disk.
    pub(super) saved_step: Option<u64>,
    /// Of what the plan predicts, where it predicts something.
    pub(super) correction: Option<Correction>,
}

impl Training<'_> {
    /// Says that the run changed state.
    pub(super) fn say(&mut self, state: State, message: &str) -> Result<(), RunError> {
        let record = state_record(self.started, state, self.step, message);
        self.tell(&record)?;
        self.journal.sync()
    }

    /// Puts a record into the journal and before the person's eyes.
    pub(super) fn tell(&mut self, record: &Record) -> Result<(), RunError> {
        self.progress.record(record);
        self.journal.write(record)?;
        self.journal.flush()
    }

    /// Time on the journal's clock, ns.
    pub(super) fn now(&self) -> u64 {
        nanoseconds(self.started.elapsed())
    }
}

pub(super) fn state_record(started: Instant, state: State, step: u64, message: &str) -> Record {
    let at_ns = nanoseconds(started.elapsed());
    Record::State { at_ns, state, step, message: message.to_owned() }
}

pub(super) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
