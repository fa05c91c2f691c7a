//! The training loop: steps, validation, checkpoints, journal.

mod checkpoint;
mod checkpoint_pace;
mod correction;
mod sample;
mod settings;
mod step_records;
mod training;
mod troubles;
mod validation;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use trainyard_data::Prefetch;
use trainyard_engine::EngineError;
use trainyard_plan::journal::{Header, Record, State};
use trainyard_plan::{MemoryUse, Plan, Profile, Trace, simulate};

use crate::cli::{Output, program, say};
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::journal::JournalWriter;
use crate::learning_rate::learning_rate;
use crate::progress::Progress;
use crate::room::check_room;
use crate::run_dir::{Found, RunDir};
use crate::setup::TrainingSetup;
use checkpoint::run_id;
pub use checkpoint::{CheckpointState, read_state};
use checkpoint_pace::CheckpointPace;
use correction::Correction;
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

/// Where a training ends.
enum End {
    Finished,
    /// Before all steps are made, and why.
    Early(String),
    Stopped,
}

/// Trains until all steps are done or somebody stops it. The run directory stays as it is until weights
/// and data are known to go together.
///
/// # Errors
/// Whatever ends a training early; the journal's last line says it too, and what was kept.
pub fn train(
    setup: &TrainingSetup,
    (plan, costs): (&Plan, &Profile),
    directory: &RunDir,
    from: Option<&GoingOn>,
    output: Output,
) -> Result<Outcome, RunError> {
    let interrupt = Interrupt::listen()?;
    let started = Instant::now();
    let first_step = from.map_or(0, |from| from.checkpoint.step);
    let most_held = simulate::most_held(costs, plan)?;
    let header = header(setup, plan, first_step)?;
    let mut pipeline = setup.start(plan, costs)?;
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
        validation_loss: None,
        validated: BTreeMap::new(),
        predicted_bytes: most_held.iter().map(MemoryUse::total).collect(),
        run_id: run_id(&header),
        saved_step: from.map(|from| from.checkpoint.step),
        pace: CheckpointPace::new(train.checkpoint_every, steps, first_step, checkpoint_bytes),
        correction: predicted.map(|it| Correction::of(it.step_us, costs.noise)),
        interrupt,
        troubles: Troubles::default(),
    };
    if let Some(from) = from {
        training.load(from)?;
        training.validated = directory.validations()?;
        training.validated.retain(|step, _| *step <= first_step);
        training.run_id = directory.run_id()?.unwrap_or(training.run_id);
    }
    check_room(directory.path(), checkpoint_bytes, train.keep_checkpoints)?;
    directory.begin()?;
    write_settings(setup, plan, costs, directory)?;
    training.journal = Some(JournalWriter::open(directory.path())?);
    training.begin(&header, output);
    let result = match training.run() {
        Err(RunError::Engine(EngineError::Cancelled)) => {
            training.write_trace();
            Ok(End::Stopped)
        }
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
                if !self.validate(last, &self.interrupt.clone())? {
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
        let is_validated = self.validated.contains_key(&self.step);
        if !is_validated && !self.validate(true, &self.interrupt.clone())? {
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
        let micro_batches = self.setup.cut(&batch);
        let before = Instant::now();
        let result = self.pipeline.step(step, rate, micro_batches)?;
        let took = nanoseconds(before.elapsed());
        self.step = step;
        self.cursor = self.cursor.advanced(batch.rows);
        self.interrupt.set_at_stake(true);
        self.note(result, rate, took)
    }

    /// Says how it ended.
    fn end(&mut self, end: End) -> Outcome {
        self.write_trace();
        let unsaved = (self.saved_step != Some(self.step) && self.step > 0).then(|| {
            let newest = self.saved_step.map_or_else(
                || "there is no checkpoint".to_owned(),
                |step| format!("the newest checkpoint is that after step {step}"),
            );
            format!("the weights after step {} are not saved: {newest}", self.step)
        });
        let (state, message) = match &end {
            End::Stopped => {
                let path = self.directory.path().display();
                let again = if self.saved_step.is_some() { "" } else { " --restart" };
                (State::Stopped, format!("go on with: {} resume {path}{again}", program()))
            }
            End::Early(reason) => (State::Finished, reason.clone()),
            End::Finished => (State::Finished, String::new()),
        };
        match &unsaved {
            None => self.say(state, &message),
            Some(unsaved) => self.say(State::Failed, unsaved),
        }
        let lost = self.journal.as_ref().map_or(0, JournalWriter::lost);
        if lost > 0 {
            say(format_args!("{lost} records of the journal are lost"));
        }
        let trouble = self.troubles.at_end();
        let trouble = [trouble, unsaved].into_iter().flatten().collect::<Vec<_>>().join("; ");
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
