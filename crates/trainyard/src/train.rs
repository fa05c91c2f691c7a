//! The training loop: steps, validation, checkpoints, journal.

mod batch_file;
mod checkpoint;
mod checkpoint_pace;
mod correction;
mod sample;
mod settings;
mod step_records;
mod training;
mod troubles;
mod validation;
mod warm_up;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use trainyard_data::{Prefetch, tokenizer_mark};
use trainyard_engine::{DeviceClock, EngineError};
use trainyard_plan::journal::{Header, Record, State};
use trainyard_plan::{MemoryUse, Plan, Profile, Trace, simulate};

use crate::cli::{Output, program, quoted};
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::journal::JournalWriter;
use crate::learning_rate::learning_rate;
use crate::progress::Progress;
use crate::room::check_room;
use crate::run_dir::{Found, RunDir, run_id};
use crate::setup::TrainingSetup;
use crate::validations::Validations;
pub use batch_file::BatchFile;
pub use checkpoint::{CheckpointState, read_state};
use checkpoint_pace::CheckpointPace;
use correction::Correction;
use sample::Samples;
use settings::{header, write_settings};
use training::{Training, nanoseconds};
use troubles::Troubles;

/// How a training ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether the run is done; otherwise somebody stopped it.
    pub finished: bool,
    /// Why it is done before all steps are made, if it is.
    pub reason: Option<String>,
    /// Steps done.
    pub step: u64,
    /// The newest step that is safe on disk.
    pub saved_step: Option<u64>,
    /// The last validation.
    pub validation_loss: Option<f64>,
    /// What could not be written, in words.
    pub trouble: Option<String>,
    /// The last steps, for a picture.
    pub trace: Trace,
}

/// What a training goes on from.
#[derive(Debug)]
pub struct GoingOn {
    /// The checkpoint.
    pub checkpoint: Found,
    /// Whether the data may be others than the checkpoint was made with; they then begin anew.
    pub other_data: bool,
    /// Whether the model may have more tokens than in the checkpoint.
    pub grown: bool,
}

/// How a run is gone on with, as a person would type it.
pub(crate) fn go_on_with(directory: &Path, saved_step: Option<u64>) -> String {
    let again = if saved_step.is_some() { "" } else { " --restart" };
    format!("go on with: {} resume {}{again}", program(), quoted(directory))
}

/// A training that somebody stopped before it had begun.
fn interrupted(error: RunError) -> RunError {
    match error {
        RunError::Engine(EngineError::Cancelled) => RunError::Interrupted,
        error => error,
    }
}

/// Where a training ends.
enum End {
    Finished,
    /// Before all steps are made, and why.
    Early(String),
    Stopped,
}

/// Trains until all steps are done or somebody stops it. The run directory stays as it is until weights
/// and data are known to go together. Batches that were trained on go into the `batch_file`.
///
/// # Errors
/// Whatever ends a training early; the journal's last line says it too, and what was kept.
pub fn train(
    setup: &TrainingSetup,
    (plan, costs): (&Plan, &Profile),
    directory: &RunDir,
    from: Option<GoingOn>,
    output: Output,
    batch_file: Option<BatchFile>,
) -> Result<Outcome, RunError> {
    let started = Instant::now();
    let first_step = from.as_ref().map_or(0, |from| from.checkpoint.step);
    let most_held = simulate::most_held(costs, plan)?;
    let mut header = header(setup, plan, first_step)?;
    let costs = match &from {
        Some(_) => settings::with_kernels_before(costs, directory),
        None => costs.clone(),
    };
    let samples = Samples::of(setup)?;
    validation::check(setup)?;
    let mut pipeline = setup.start(plan, &costs)?;
    let costs = &settings::with_kernels(costs, &pipeline);
    for (device, clock) in header.devices.iter_mut().zip(pipeline.clocks()) {
        match clock {
            DeviceClock::Host => {}
            DeviceClock::Own { error_ns } => device.clock_error_ns = Some(*error_ns),
            DeviceClock::Noticed => device.times_noticed = true,
        }
    }
    if !setup.config.run.trace {
        pipeline.trace(false)?;
    }
    // Up to here a signal ends the program, as nothing has been begun.
    let interrupt = Interrupt::listen()?;
    pipeline.cancel_with(interrupt.stop_now());
    let checkpoint_bytes = setup.checkpoint_bytes();
    let train = &setup.config.train;
    let steps = train.steps;
    let predicted = plan.predicted.as_ref();
    let mut training = Training {
        setup,
        plan,
        costs,
        pipeline_offset_ns: nanoseconds(pipeline.origin().saturating_duration_since(started)),
        pipeline,
        directory,
        journal: None,
        progress: Progress::start(output, &header),
        trace: Trace {
            devices: Trace::from_journal([&Record::Header(header.clone())]).devices,
            ..Trace::default()
        },
        started,
        step: first_step,
        cursor: setup.first_cursor(),
        batches: Prefetch::new(Arc::clone(setup.data()?))?,
        tokenizer: setup.data()?.tokenizer().map(|it| tokenizer_mark(&it)).transpose()?,
        batch_file,
        validation_loss: None,
        samples,
        first_step,
        validations: Validations::default(),
        predicted_bytes: most_held.iter().map(MemoryUse::total).collect(),
        run_id: directory.run_id()?.unwrap_or_else(|| run_id(&header)),
        saved_step: from.as_ref().map(|from| from.checkpoint.step),
        pace: CheckpointPace::new(train.checkpoint_every, steps, first_step, checkpoint_bytes),
        correction: predicted.map(|it| Correction::of(it.step_us, costs.noise)),
        interrupt,
        troubles: Troubles::default(),
        looked_s: 0.0,
    };
    if let Some(from) = from {
        training.load(&from).map_err(interrupted)?;
        training.validations = directory.validations()?;
        training.validations.forget_after(first_step);
    }
    check_room(directory.path(), checkpoint_bytes, train.keep_checkpoints)?;
    training.warm_up().map_err(interrupted)?;
    directory.begin()?;
    training.journal = Some(JournalWriter::open(directory.path())?);
    write_settings(setup, plan, costs, directory)?;
    if training.saved_step.is_some() {
        // From here on it is the newest, also where there are later ones of before.
        directory.set_latest(first_step)?;
    }
    training.begin(&header, output);
    let result = match training.run() {
        Err(RunError::Engine(EngineError::Cancelled)) => Ok(End::Stopped),
        result => result,
    };
    let outcome = match result {
        Ok(end) => Ok(training.end(end)),
        Err(error) => {
            let error = training.rescue(error, &header);
            training.say(State::Failed, &error.to_string());
            Err(error)
        }
    };
    training.progress.finish();
    Interrupt::listen_no_more();
    outcome
}

impl Training<'_> {
    fn begin(&mut self, header: &Header, output: Output) {
        let header = Record::Header(header.clone());
        self.write(&header);
        if output == Output::Json {
            self.progress.record(&header);
        }
        self.say(State::Running, "");
    }

    fn run(&mut self) -> Result<End, RunError> {
        let train = &self.setup.config.train;
        while self.step < train.steps {
            self.make_step()?;
            self.look_after_the_directory()?;
            let step = self.step;
            let last = step == train.steps;
            let asked = self.interrupt.asked();
            if last || asked || self.pace.is_due(step, self.seconds()) {
                self.save()?;
            }
            if asked && !last {
                return Ok(End::Stopped);
            }
            if train.validate_every > 0 && step.is_multiple_of(train.validate_every) && !last {
                if !self.validate(false)? {
                    self.save()?;
                    return Ok(End::Stopped);
                }
                if self.is_among_best() {
                    self.save()?;
                }
                if let Some(reason) = self.reason_to_stop() {
                    self.save()?;
                    return Ok(End::Early(reason));
                }
            }
        }
        self.save()?;
        if !self.validations.has(self.step) && !self.validate(true)? {
            return Ok(End::Stopped);
        }
        self.prune();
        Ok(End::Finished)
    }

    fn make_step(&mut self) -> Result<(), RunError> {
        let train = &self.setup.config.train;
        let step = self.step + 1;
        let rate = learning_rate(train).at(step);
        let batch = self.batches.batch(self.cursor, train.batch)?;
        let micro_batches = self.setup.cut(&batch, self.plan.schedule.slices)?;
        let before = Instant::now();
        let scale = self.pipeline.loss_scale();
        let result = self.pipeline.step(step, rate, micro_batches)?;
        let took = nanoseconds(before.elapsed());
        self.step = step;
        self.cursor = self.cursor.advanced(batch.rows);
        self.interrupt.set_at_stake(true);
        if let Some(file) = &mut self.batch_file {
            let written = file.write(step, &batch);
            self.troubles.note("the file of batches", written);
        }
        let tokens = self.setup.data()?.items(&batch);
        self.note(result, rate, (took, tokens), scale);
        Ok(())
    }

    /// Says how it ended.
    fn end(&mut self, end: End) -> Outcome {
        self.troubles.end();
        self.note_the_end();
        self.write_trace();
        let unsaved = (self.saved_step != Some(self.step) && self.step > 0).then(|| {
            format!("the weights after step {} are not saved: {}", self.step, self.newest())
        });
        let (state, message) = match &end {
            End::Stopped => (State::Stopped, go_on_with(self.directory.path(), self.saved_step)),
            End::Early(reason) => (State::Finished, reason.clone()),
            End::Finished => (State::Finished, String::new()),
        };
        match &unsaved {
            None => self.say(state, &message),
            Some(unsaved) => self.say(State::Failed, unsaved),
        }
        let lost = self.journal.as_ref().map_or(0, JournalWriter::lost);
        let lost = (lost > 0).then(|| format!("{lost} records of the journal are lost"));
        let trouble = [self.troubles.at_end(), lost, unsaved];
        let trouble = trouble.into_iter().flatten().collect::<Vec<_>>().join("; ");
        Outcome {
            finished: !matches!(end, End::Stopped),
            reason: match end {
                End::Early(reason) => Some(reason),
                _ => None,
            },
            step: self.step,
            saved_step: self.saved_step,
            validation_loss: self.validation_loss,
            trouble: (!trouble.is_empty()).then_some(trouble),
            trace: std::mem::take(&mut self.trace),
        }
    }
}
