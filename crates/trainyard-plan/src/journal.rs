//! The run's journal: `journal.jsonl`, one [`Record`] a line, append-only.
//!
//! A long one is written in parts; see [`Segment`]. The first line of each is always a
//! [`Record::Header`]. A resumed run appends another header. Times are
//! nanoseconds since the process that wrote the nearest header above started its run. A reader
//! skips record types it does not know and stops at a version it does not know.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::json::is_zero;
use crate::{PlanError, Precision, TraceEvent};
use thin::OrNan;

mod segment;
mod stream;
mod thin;

pub use segment::{OPEN_SEGMENT, Segment};
pub use stream::{Stream, Unreadable};
pub use thin::{Steps, Thinned};

/// One line of the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// Program, model and devices.
    Header(Header),
    /// The run changed state.
    State {
        /// Time, ns.
        at_ns: u64,
        /// The new state.
        state: State,
        /// Steps finished so far.
        step: u64,
        /// In words, for a person; may be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
    },
    /// One optimizer step.
    Step {
        /// End, ns.
        at_ns: u64,
        /// Number of the step, from 1.
        step: u64,
        /// Training loss, mean over the batch.
        #[serde(deserialize_with = "null_is_nan")]
        loss: f64,
        /// Learning rate used.
        #[serde(deserialize_with = "null_is_nan")]
        learning_rate: f64,
        /// Global gradient norm before clipping.
        #[serde(deserialize_with = "null_is_nan")]
        grad_norm: f64,
        /// Its duration, ns.
        step_ns: u64,
        /// Samples' tokens (or rows) a second.
        #[serde(deserialize_with = "null_is_nan")]
        tokens_per_s: f64,
        /// The objective's metrics by name, each over the batch.
        #[serde(
            default,
            skip_serializing_if = "BTreeMap::is_empty",
            deserialize_with = "nulls_are_nan"
        )]
        metrics: BTreeMap<String, f64>,
    },
    /// Loss and metrics over validation data.
    Validation {
        /// Time, ns.
        at_ns: u64,
        /// After this step.
        step: u64,
        /// Mean loss.
        #[serde(deserialize_with = "null_is_nan")]
        loss: f64,
        /// Tokens (or rows) it was taken over.
        tokens: u64,
        /// Rows it was taken over, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<u64>,
        /// Set where that was all of the validation data.
        whole: bool,
        /// The objective's metrics by name, each over the validation data.
        #[serde(
            default,
            skip_serializing_if = "BTreeMap::is_empty",
            deserialize_with = "nulls_are_nan"
        )]
        metrics: BTreeMap<String, f64>,
    },
    /// The prediction was corrected from the steps made so far.
    Corrected {
        /// Time, ns.
        at_ns: u64,
        /// After this step.
        step: u64,
        /// Predicted time of a step from here on, µs.
        #[serde(deserialize_with = "null_is_nan")]
        step_us: f64,
        /// `step_us` ÷ the step time the plan predicted.
        #[serde(deserialize_with = "null_is_nan")]
        factor: f64,
        /// In words, for a person: what was seen, and why it differs.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// The factor of the loss that keeps gradients in sixteen bits from vanishing has changed.
    LossScale {
        /// Time, ns.
        at_ns: u64,
        /// After this step.
        step: u64,
        /// What it is from here on.
        scale: f64,
        /// Whether a gradient of the step was not finite, so that the step has changed nothing.
        skipped: bool,
    },
    /// One action of one rank.
    Action(TraceEvent),
    /// Memory of one device.
    Memory {
        /// Time, ns.
        at_ns: u64,
        /// Index of the device in the header.
        device: usize,
        /// Bytes in use, as measured.
        in_use_bytes: u64,
        /// Bytes the allocator holds, in use or not, where it reports them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved_bytes: Option<u64>,
        /// Bytes between the tensors in use that their alignment leaves empty, where it reports them.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        padding_bytes: Option<u64>,
        /// Most bytes in use so far, as measured.
        peak_bytes: u64,
        /// The most that the plan may take, as predicted.
        predicted_bytes: u64,
    },
    /// Text that a language model generated.
    Sample {
        /// Time, ns.
        at_ns: u64,
        /// After this step.
        step: u64,
        /// What it was given to go on with, where it was; the text begins with it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompt: Option<String>,
        /// The text.
        text: String,
    },
    /// A checkpoint is safely on disk.
    Checkpoint {
        /// Time, ns.
        at_ns: u64,
        /// After this step.
        step: u64,
        /// Its path, relative to the run directory.
        path: String,
    },
    /// Steps of a part that was thinned. Readers get each as a [`Record::Step`].
    Steps(Steps),
    /// The line of a record of a newer program, as it stands; only from a [`Stream`] that keeps them.
    #[serde(skip)]
    Newer(String),
    /// A record of a newer program.
    #[serde(other)]
    Unknown,
}

/// The first line of a journal, and of each continuation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// `trainyard-journal`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// Version of the program that writes.
    pub program: String,
    /// Wall-clock start, ms since 1970.
    pub started_unix_ms: u64,
    /// Steps already done when this part of the journal starts.
    pub first_step: u64,
    /// Steps the run is to have at its end.
    pub steps: u64,
    /// Name of the model.
    pub model: String,
    /// Number of weights.
    pub parameters: u64,
    /// What is counted a second: `tokens` or `rows`.
    #[serde(default = "tokens")]
    pub unit: String,
    /// Number of the part before the one that this is the first line of, where that one is of the
    /// same start of the program: such a header says nothing new. 0 where a part of the run starts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub segment: u64,
    /// The devices, in the plan's order; other records name them by index.
    pub devices: Vec<HeaderDevice>,
}

/// A device of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeaderDevice {
    /// The id of the run file.
    pub id: String,
    /// Its hardware in words.
    pub name: String,
    /// Budget, bytes.
    pub budget_bytes: u64,
    /// The numbers in which it computes products.
    #[serde(default, skip_serializing_if = "Precision::is_f32")]
    pub precision: Precision,
    /// By how much its times may be wrong beside the others', ns, where it tells them by its own clock;
    /// absent where the host takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_error_ns: Option<u64>,
    /// Whether its times are those at which a thread of the host noticed that it was done, while it
    /// went on: late by as long as the thread took to be woken. Not so where the host computes itself,
    /// or waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub times_noticed: bool,
}

/// The state of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Devices are opened, weights made.
    Starting,
    /// Steps are made.
    Running,
    /// Interrupted; it can be resumed.
    Stopped,
    /// All steps are done.
    Finished,
    /// An error ended it.
    Failed,
}

impl Header {
    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-journal";
    /// The value of `version`.
    pub const VERSION: u64 = 1;
}

/// What journals counted that do not say.
fn tokens() -> String {
    "tokens".to_owned()
}

/// JSON has no NaN and no infinity: both are written as null. A run whose loss diverged is exactly
/// the one whose journal a person will read.
fn null_is_nan<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// [`null_is_nan`] for each value of a map.
fn nulls_are_nan<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, f64>, D::Error> {
    let values: BTreeMap<String, Option<f64>> = BTreeMap::deserialize(deserializer)?;
    Ok(values.into_iter().map(|(name, value)| (name, value.unwrap_or(f64::NAN))).collect())
}

/// [`null_is_nan`] for each value of a list.
fn nulls_are_nan_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let values: Vec<OrNan> = Vec::deserialize(deserializer)?;
    Ok(values.into_iter().map(|OrNan(value)| value).collect())
}

/// [`null_is_nan`] for each value of the lists of a map.
fn nulls_are_nan_lists<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Vec<f64>>, D::Error> {
    let lists: BTreeMap<String, Vec<OrNan>> = BTreeMap::deserialize(deserializer)?;
    let plain = |values: Vec<OrNan>| values.into_iter().map(|OrNan(value)| value).collect();
    Ok(lists.into_iter().map(|(name, values)| (name, plain(values))).collect())
}

/// Reads one line; `None` for a blank or incomplete one (the writer may be in the middle of it).
///
/// # Errors
/// [`PlanError::UnknownVersion`] for a header of another version, whatever else that version
/// changed in it.
pub fn read_line(line: &str) -> Result<Option<Record>, PlanError> {
    parse(line.as_bytes()).map(Result::ok)
}

/// A record, or why there is none. The outer error is a version this program does not know.
fn parse(line: &[u8]) -> Result<Result<Record, serde_json::Error>, PlanError> {
    #[derive(Deserialize)]
    struct Head {
        r#type: String,
        version: u64,
    }
    let record = serde_json::from_slice(line);
    let version = match &record {
        Ok(Record::Header(header)) => header.version,
        Ok(_) => Header::VERSION,
        // A header that this version cannot read may be one of another version.
        Err(_) => match serde_json::from_slice::<Head>(line) {
            Ok(head) if head.r#type == "header" => head.version,
            _ => Header::VERSION,
        },
    };
    if version == Header::VERSION {
        return Ok(record);
    }
    Err(PlanError::UnknownVersion {
        format: Header::FORMAT.into(),
        found: version,
        expected: Header::VERSION,
    })
}
