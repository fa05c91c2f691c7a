//! What can go wrong while devices are found, opened and trained on.

use std::path::PathBuf;

use thiserror::Error;
use trainyard_plan::PlanError;

/// Everything the engine refuses or reports, with the place and the way out.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The plan is not sound, or does not fit.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An option of a run that makes no sense for its model.
    #[error("{key} is {value}, but must be {must}")]
    BadOption {
        /// Dotted name of the key in a run file.
        key: String,
        /// Its value, as text.
        value: String,
        /// What it must be.
        must: String,
    },
    /// No adapter matches what a run file asks for.
    #[error(
        "no adapter matches '{wanted}'{meant}; name one that this machine has, or its number: {available}"
    )]
    NoSuchAdapter {
        /// What was asked for.
        wanted: String,
        /// What other tools mean by that, in words; empty for anything else.
        meant: &'static str,
        /// What exists.
        available: String,
    },
    /// Several adapters match what a run file asks for.
    #[error("'{wanted}' matches several adapters: {matches}; say which, by name or by index")]
    AmbiguousAdapter {
        /// What was asked for.
        wanted: String,
        /// What matches.
        matches: String,
    },
    /// A device could not be opened.
    #[error("cannot open device '{device}': {reason}")]
    CannotOpen {
        /// Which device.
        device: String,
        /// What the driver said.
        reason: String,
    },
    /// The device cannot take more: its budget is used up.
    #[error(
        "device '{device}' has {available_bytes} bytes left of its budget, but '{part}' needs {needed_bytes}"
    )]
    OverBudget {
        /// Which device.
        device: String,
        /// The part of the model that was to be put there.
        part: String,
        /// What the part needs.
        needed_bytes: u64,
        /// What is left of the budget.
        available_bytes: u64,
    },
    /// A worker failed in the middle of a step.
    #[error("device '{device}' failed at {action} (stage {stage}) of step {step}: {reason}")]
    Worker {
        /// Which device.
        device: String,
        /// Which stage it was running.
        stage: usize,
        /// The action, as in the trace.
        action: String,
        /// Which step, from 1.
        step: u64,
        /// What the library or the driver said.
        reason: String,
    },
    /// A device failed while it was measured.
    #[error("device '{device}' failed while {what} was measured: {reason}")]
    Measure {
        /// Which device.
        device: String,
        /// What was measured, such as `layer 'block0'`.
        what: String,
        /// What the library or the driver said.
        reason: String,
    },
    /// A loss or gradient that is not a number, before the weights were touched.
    #[error(
        "step {step}: {what} is not finite; the first stage that has it is stage {stage} on device '{device}' (layers {layers}). The weights are as they were before the step. Try a smaller learning rate (train.learning_rate), or limit the gradients' norm (train.clip)"
    )]
    NotFinite {
        /// Which step, from 1.
        step: u64,
        /// The loss, an activation or a gradient.
        what: String,
        /// The first stage that has it.
        stage: usize,
        /// The device of that stage.
        device: String,
        /// The names of the stage's layers.
        layers: String,
    },
    /// A weight, buffer or optimizer state that is not a number, after an update.
    #[error(
        "after step {step} '{tensor}' of layer '{layer}' is not finite any more, so there is nothing sound to save. Go on from a checkpoint made before, with a smaller learning rate"
    )]
    NotFiniteWeights {
        /// The step whose update was the last, from 1; 0 before the first.
        step: u64,
        /// Which layer.
        layer: String,
        /// Which of its tensors, as checkpoints name it: `weight/…`, `second/…`.
        tensor: String,
    },
    /// The caller does not want the answer any more; see
    /// [`Pipeline::cancel_with`](crate::Pipeline::cancel_with).
    #[error("cancelled")]
    Cancelled,
    /// A checkpoint that cannot be used. The way out depends on which others there are.
    #[error("checkpoint {path}: {reason}", path = .path.display())]
    Checkpoint {
        /// The file or folder.
        path: PathBuf,
        /// The kind of fault.
        fault: CheckpointFault,
        /// What is wrong.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Something is wrong with a layer, or with what it was given.
    #[error("layer '{layer}': {reason}")]
    Layer {
        /// Which layer.
        layer: String,
        /// What is wrong.
        reason: String,
    },
    /// A layer that the machine has no room for, whatever its devices.
    #[error(
        "layer '{layer}' has weights of {}, more than the memory that is free here, {}",
        trainyard_plan::memory::human_bytes(*.needed_bytes),
        trainyard_plan::memory::human_bytes(*.free_bytes)
    )]
    LayerTooLarge {
        /// Which layer.
        layer: String,
        /// What its weights need, with their gradients where it is to be run.
        needed_bytes: u64,
        /// The memory that is free.
        free_bytes: u64,
    },
    /// A tensor of another rank or kind than expected.
    #[error("expected {expected}, found {found}")]
    WrongTensor {
        /// What was expected.
        expected: String,
        /// What was there.
        found: String,
    },
    /// The driver or the compute library reported an error.
    #[error("{message}")]
    Driver {
        /// What it said.
        message: String,
    },
    /// The system gives no thread.
    #[error(
        "no thread is to be had ({reason}): end other programs, or raise the limits of threads and memory (`ulimit -a`), and start again"
    )]
    NoThread {
        /// What the system said.
        reason: String,
    },
    /// Something that the engine itself promises does not hold.
    #[error("internal error: {message}; please report it")]
    Internal {
        /// What does not hold.
        message: String,
    },
    /// No device has come further for too long; see [`Pipeline::stall_after`](crate::Pipeline::stall_after).
    #[error(
        "device '{device}' (rank {rank}) {} {action} (stage {stage}) of step {step}, and nothing has happened for {} s: {}. Start again, from the last checkpoint where there is one",
        if *.waits { "waits for the input of" } else { "is at" },
        .waited.as_secs(),
        if *.waits { "a message is missing" } else { "its driver hangs, or the action takes longer than it may" }
    )]
    Stalled {
        /// The device that stands still: one that waits for no other, if there is one.
        device: String,
        /// Its rank.
        rank: usize,
        /// Which stage it is at.
        stage: usize,
        /// The action, as in the trace.
        action: String,
        /// Which step, from 1.
        step: u64,
        /// Whether it waits for what another device sends, as then all do.
        waits: bool,
        /// For how long nothing has happened.
        waited: std::time::Duration,
    },
    /// The worker at the other end has stopped; its own error says why.
    #[error("the stage at the other end of a link has stopped")]
    NeighbourStopped,
}

/// Why a checkpoint cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckpointFault {
    /// It is not as it was written, or holds what is past use.
    Damaged,
    /// It is of another model, or of one with other options.
    OtherModel,
    /// It holds the state of another optimizer.
    OtherOptimizer {
        /// That optimizer's name.
        saved: String,
    },
    /// What the optimizer keeps of a weight is another now, with other groups, say.
    OtherState,
    /// Another version of the program wrote it.
    OtherVersion,
}

impl EngineError {
    /// An error of the compute library, by what it says.
    pub(crate) fn driver(error: impl std::fmt::Display) -> Self {
        Self::Driver { message: error.to_string() }
    }

    /// An error of the system's, asked for a thread.
    pub(crate) fn no_thread(error: impl std::fmt::Display) -> Self {
        Self::NoThread { reason: error.to_string() }
    }

    /// Names the layer in an error of a layer that cannot know its name.
    pub(crate) fn of_layer(self, name: &str) -> Self {
        match self {
            Self::LayerTooLarge { needed_bytes, free_bytes, .. } => {
                Self::LayerTooLarge { layer: name.to_owned(), needed_bytes, free_bytes }
            }
            other => other,
        }
    }

    /// A broken promise of the engine's own.
    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        Self::Internal { message: message.to_string() }
    }

    /// A read or write that failed, by its path.
    pub(crate) fn io(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

/// A tensor of any rank is always what it is.
impl From<std::convert::Infallible> for EngineError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
