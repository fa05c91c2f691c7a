//! What a pipeline tells of its steps.

use trainyard_plan::{MemorySample, TraceEvent};

use super::Pipeline;
use crate::worker::{Command, Recorded, Reply};
use crate::{EngineError, Metrics};

/// What was measured during one step, and at the end of the one before.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// Every action with its step and time, in ns since [`Pipeline::origin`].
    pub events: Vec<TraceEvent>,
    /// Memory of the devices between actions.
    pub memory: Vec<MemorySample>,
    /// For each rank, bytes in use and the most so far; None where nobody measures.
    pub usage: Vec<Option<(u64, u64)>>,
    /// For each rank, how often its worker waited for the device; a CPU device is never waited for.
    pub host_waits: Vec<u64>,
}

/// The outcome of one step.
#[derive(Clone, Debug)]
pub struct StepResult {
    /// Mean loss over the batch.
    pub loss: f64,
    /// The objective's metrics over the batch.
    pub metrics: Metrics,
    /// Global gradient norm before clipping.
    pub gradient_norm: f64,
    /// Whether a gradient was too large for sixteen bits, so that nothing was updated.
    pub skipped: bool,
    /// Times and memory.
    pub measured: Measured,
}

/// Loss and metrics over data that was not trained on.
#[derive(Clone, Debug, Default)]
pub struct Evaluation {
    /// Mean loss.
    pub loss: f64,
    /// Mean of each metric, without what [`Objective::summarize`] adds.
    pub metrics: Metrics,
    /// Over how much: [`Objective::count`] of all micro-batches.
    pub count: f64,
}

impl Pipeline {
    /// What the devices have told since the last step: a device that is not waited for tells the end of
    /// a step with the next one.
    ///
    /// # Errors
    /// When a device fails; that ends the pipeline.
    pub fn settle(&mut self) -> Result<Measured, EngineError> {
        self.workers.ask_all(|| Command::Settle)?;
        self.collect_measured()
    }

    /// Whether steps are to say what was done when, and what was held: they do from the start.
    ///
    /// # Errors
    /// When a device fails; that ends the pipeline.
    pub fn trace(&mut self, is_on: bool) -> Result<(), EngineError> {
        self.traces = is_on;
        self.workers.ask_all(|| Command::Trace(is_on))?;
        self.workers.collect().map(drop)
    }

    /// For benchmarks of links: from a step on nothing moves between devices. Word that a tensor is
    /// computed still does, and the receiver then goes on with what came last in the step before, which
    /// it has kept. So all takes as long as if moving took no time, and losses and weights mean nothing.
    /// One step at least must be made between this and `from_step`.
    ///
    /// # Errors
    /// When a device fails; that ends the pipeline.
    pub fn free_links(&mut self, from_step: u64) -> Result<(), EngineError> {
        self.workers.ask_all(|| Command::FreeLinks { from_step })?;
        self.workers.collect().map(drop)
    }

    pub(super) fn collect_measured(&mut self) -> Result<Measured, EngineError> {
        let mut measured = Measured::default();
        for reply in self.workers.collect()? {
            if let Reply::Applied(Recorded { events, memory, usage, host_waits }) = reply {
                measured.events.extend(events);
                measured.memory.extend(memory);
                measured.usage.push(usage);
                measured.host_waits.push(host_waits);
            }
        }
        Ok(measured)
    }
}
