//! What is known of a run, folded from the records of its journal. Its size is bounded.

use std::collections::{BTreeMap, VecDeque};

use trainyard_plan::Trace;
use trainyard_plan::compare::{Measured, WARM_UP_STEPS};
use trainyard_plan::journal::{Header, Record, State};

use super::metrics::{Metric, Metrics};
use super::recent_steps::RecentSteps;
use super::recent_trace::RecentTrace;
use super::records::{Checkpoint, Correction, DeviceMemory, MeasuredMemory, Sample};
use super::series::Series;

/// Checkpoints listed at most; the program itself keeps three by default.
const MOST_CHECKPOINTS: usize = 64;
/// Generated texts kept at most.
const MOST_SAMPLES: usize = 8;

/// A run, as its journal tells it.
#[derive(Clone, Debug, Default)]
pub struct RunState {
    header: Option<Header>,
    state: Option<State>,
    message: String,
    step: u64,
    devices: Vec<DeviceMemory>,
    loss: Series,
    validation: Series,
    learning_rate: Series,
    grad_norm: Series,
    tokens_per_s: Series,
    step_ms: Series,
    metrics: Metrics,
    correction: Option<Correction>,
    not_a_number: Option<u64>,
    checkpoints: VecDeque<Checkpoint>,
    samples: VecDeque<Sample>,
    trace: RecentTrace,
    /// Those of this part of the journal.
    steps: RecentSteps,
    parts: u64,
    revision: u64,
}

impl RunState {
    /// Takes the next record of the journal.
    pub fn push(&mut self, record: &Record) {
        self.revision += 1;
        match record {
            Record::Header(header) => self.begin_part(header),
            Record::State { state, step, message, .. } => {
                self.state = Some(*state);
                self.step = *step;
                self.message.clone_from(message);
            }
            Record::Step { .. } => self.note_step(record),
            Record::Validation { step, loss, metrics, .. } => {
                self.note_loss(*step, *loss);
                self.validation.push(*step, *loss);
                self.metrics.note_validation(*step, metrics);
            }
            Record::Corrected { step, step_us, factor, reason, .. } => {
                self.correction = Some(Correction {
                    after_step: *step,
                    step_us: *step_us,
                    factor: *factor,
                    reason: reason.clone(),
                });
            }
            Record::Memory {
                device,
                in_use_bytes,
                reserved_bytes,
                padding_bytes,
                peak_bytes,
                predicted_bytes,
                ..
            } => {
                if let Some(device) = self.devices.get_mut(*device) {
                    device.measured = Some(MeasuredMemory {
                        in_use_bytes: *in_use_bytes,
                        reserved_bytes: *reserved_bytes,
                        padding_bytes: *padding_bytes,
                        peak_bytes: *peak_bytes,
                        predicted_bytes: *predicted_bytes,
                    });
                }
            }
            Record::Checkpoint { step, path, .. } => {
                self.checkpoints.push_back(Checkpoint { step: *step, path: path.clone() });
                if self.checkpoints.len() > MOST_CHECKPOINTS {
                    self.checkpoints.pop_front();
                }
            }
            Record::Sample { step, text, .. } => {
                self.samples.push_front(Sample { step: *step, text: text.clone() });
                self.samples.truncate(MOST_SAMPLES);
            }
            Record::Action(_)
            | Record::LossScale { .. }
            | Record::Steps(_)
            | Record::Newer(_)
            | Record::Unknown => {}
        }
        self.trace.push(record, self.step);
    }

    /// The same in the place of another: no revision of the two is alike.
    #[must_use]
    pub(super) fn after(self, other: &Self) -> Self {
        Self { revision: self.revision + other.revision + 1, ..self }
    }

    /// Who runs what on what: the newest header.
    #[must_use]
    pub fn header(&self) -> Option<&Header> {
        self.header.as_ref()
    }

    /// What is counted a second: `tokens` or `rows`.
    #[must_use]
    pub fn unit(&self) -> &str {
        self.header.as_ref().map_or("tokens", |header| &header.unit)
    }

    /// What the journal last said the run is doing.
    #[must_use]
    pub fn state(&self) -> Option<State> {
        self.state
    }

    /// What it said beside that; for a failed run, why.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Steps done.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Steps the run is to have; 0 while unknown.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.header.as_ref().map_or(0, |header| header.steps)
    }

    /// How often the run was started or resumed.
    #[must_use]
    pub fn parts(&self) -> u64 {
        self.parts
    }

    /// The devices in the plan's order, with their memory.
    #[must_use]
    pub fn devices(&self) -> &[DeviceMemory] {
        &self.devices
    }

    /// What a language model wrote last, the newest first.
    #[must_use]
    pub fn samples(&self) -> &VecDeque<Sample> {
        &self.samples
    }

    /// Training loss.
    #[must_use]
    pub fn loss(&self) -> &Series {
        &self.loss
    }

    /// Validation loss.
    #[must_use]
    pub fn validation(&self) -> &Series {
        &self.validation
    }

    /// Learning rate.
    #[must_use]
    pub fn learning_rate(&self) -> &Series {
        &self.learning_rate
    }

    /// Global gradient norm before clipping.
    #[must_use]
    pub fn grad_norm(&self) -> &Series {
        &self.grad_norm
    }

    /// Tokens (or rows) a second.
    #[must_use]
    pub fn tokens_per_s(&self) -> &Series {
        &self.tokens_per_s
    }

    /// Time of a step, ms.
    #[must_use]
    pub fn step_ms(&self) -> &Series {
        &self.step_ms
    }

    /// The objective's metrics by name.
    #[must_use]
    pub fn metrics(&self) -> &BTreeMap<String, Metric> {
        self.metrics.by_name()
    }

    /// The prediction as the newest part of the run corrected it, where it did.
    #[must_use]
    pub fn correction(&self) -> Option<&Correction> {
        self.correction.as_ref()
    }

    /// The first step after which the loss was not a number.
    #[must_use]
    pub fn not_a_number(&self) -> Option<u64> {
        self.not_a_number
    }

    /// The newest checkpoints, oldest first.
    pub fn checkpoints(&self) -> impl DoubleEndedIterator<Item = &Checkpoint> {
        self.checkpoints.iter()
    }

    /// The events and memory samples of the newest steps, [`super::TRACED_STEPS`] or some more.
    #[must_use]
    pub fn trace(&self) -> &Trace {
        self.trace.trace()
    }

    /// How many steps were done whose events are no longer kept.
    #[must_use]
    pub fn forgotten_steps(&self) -> u64 {
        self.trace.forgotten_steps()
    }

    /// Changes whenever anything does.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How long the rest takes at the pace of the newest steps, validation and checkpoints
    /// included, s. `None` where that cannot be said.
    #[must_use]
    pub fn seconds_left(&self) -> Option<f64> {
        let left = self.steps().checked_sub(self.step).filter(|&left| left > 0)?;
        Some(left as f64 * self.steps.seconds_per_step()?)
    }

    /// What [`trainyard_plan::compare::compare`] puts beside a prediction: the newest part of the
    /// journal without the steps that warm up, and of the steps whose events are kept at most the
    /// newest `most`.
    #[must_use]
    pub fn measured(&self, most: usize) -> Measured {
        let first = self.header.as_ref().map_or(0, |header| header.first_step);
        let done = self.step.saturating_sub(first);
        let warm = first + (WARM_UP_STEPS as u64).min(done / 2);
        let steps = self.steps.after(warm.max(self.trace.last_forgotten()), most);
        let oldest = steps.first().map_or(u64::MAX, |(step, _)| *step);
        let trace = self.trace.trace();
        let peak_of = |id: &str| {
            let device = self.devices.iter().find(|device| device.id == id)?;
            device.measured.map(|measured| measured.peak_bytes)
        };
        Measured {
            peak_bytes: trace.devices.iter().map(|device| peak_of(&device.id)).collect(),
            trace: Trace {
                devices: trace.devices.clone(),
                // The comparison looks at events alone.
                memory: Vec::new(),
                events: trace.events.iter().filter(|e| e.step >= oldest).cloned().collect(),
            },
            steps,
        }
    }

    fn begin_part(&mut self, header: &Header) {
        self.parts += 1;
        self.step = header.first_step;
        self.state = Some(State::Starting);
        self.message.clear();
        self.steps.clear();
        let first = header.first_step;
        for series in [
            &mut self.loss,
            &mut self.validation,
            &mut self.learning_rate,
            &mut self.grad_norm,
            &mut self.tokens_per_s,
            &mut self.step_ms,
        ] {
            series.cut_after(first);
        }
        self.metrics.cut_after(first);
        self.correction = None;
        self.not_a_number = self.not_a_number.filter(|&step| step <= first);
        self.checkpoints.retain(|checkpoint| checkpoint.step <= first);
        self.devices = header
            .devices
            .iter()
            .map(|device| DeviceMemory {
                id: device.id.clone(),
                name: device.name.clone(),
                budget_bytes: device.budget_bytes,
                measured: None,
            })
            .collect();
        self.header = Some(header.clone());
    }

    fn note_step(&mut self, record: &Record) {
        let &Record::Step {
            at_ns,
            step,
            loss,
            learning_rate,
            grad_norm,
            step_ns,
            tokens_per_s,
            ref metrics,
        } = record
        else {
            return;
        };
        self.metrics.note_step(step, metrics);
        self.step = step;
        self.state = Some(State::Running);
        self.note_loss(step, loss);
        self.loss.push(step, loss);
        self.learning_rate.push(step, learning_rate);
        self.grad_norm.push(step, grad_norm);
        self.tokens_per_s.push(step, tokens_per_s);
        self.step_ms.push(step, step_ns as f64 / 1e6);
        self.steps.push(step, at_ns, step_ns);
    }

    fn note_loss(&mut self, step: u64, loss: f64) {
        if !loss.is_finite() {
            self.not_a_number.get_or_insert(step);
        }
    }
}
