//! Thinning: what stays of a closed part of a journal.
//!
//! - Every step stays, with fifteen digits of its loss and six of its other figures, as columns
//!   ([`Steps`]). So many are read as they were written, however often that is done.
//! - Headers, states, validations, corrections, samples and checkpoints stay as they are.
//! - Records of newer programs stay as they are, before the steps that they came between.
//! - Of each device's memory the fullest moment stays.
//! - Actions go: the newest steps' are in the parts that are still whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Header, Record, null_is_nan, nulls_are_nan_lists};

/// The most steps of one record, and the most figures: its line is read in one piece.
const MOST: usize = 1000;
const MOST_FIGURES: usize = 16_000;

/// Steps that follow each other, as columns: a row a step, the first of number `first`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Steps {
    /// Number of the first step.
    pub first: u64,
    /// End of the first step, ns; of each other, how much later than the one before.
    pub at_ns: Vec<u64>,
    /// Training losses.
    #[serde(deserialize_with = "super::nulls_are_nan_list")]
    pub loss: Vec<f64>,
    /// Learning rates.
    #[serde(deserialize_with = "super::nulls_are_nan_list")]
    pub learning_rate: Vec<f64>,
    /// Global gradient norms.
    #[serde(deserialize_with = "super::nulls_are_nan_list")]
    pub grad_norm: Vec<f64>,
    /// Durations, ns.
    pub step_ns: Vec<u64>,
    /// What was counted a second.
    #[serde(deserialize_with = "super::nulls_are_nan_list")]
    pub tokens_per_s: Vec<f64>,
    /// Metrics by name; one that a step lacks is not a number there.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "nulls_are_nan_lists"
    )]
    pub metrics: BTreeMap<String, Vec<f64>>,
}

impl Steps {
    /// The steps one by one; as many as every column has.
    pub fn each(&self, mut found: impl FnMut(Record)) {
        let Self { first, at_ns, loss, learning_rate, grad_norm, step_ns, tokens_per_s, metrics } =
            self;
        let mut now = 0_u64;
        for (row, at) in at_ns.iter().enumerate() {
            now = now.saturating_add(*at);
            let values = (loss.get(row), learning_rate.get(row), grad_norm.get(row));
            let (Some(&loss), Some(&learning_rate), Some(&grad_norm)) = values else { return };
            let (Some(&step_ns), Some(&tokens_per_s)) = (step_ns.get(row), tokens_per_s.get(row))
            else {
                return;
            };
            let of_row = |(name, values): (&String, &Vec<f64>)| {
                let value = values.get(row).copied().filter(|value| !value.is_nan());
                value.map(|value| (name.clone(), value))
            };
            found(Record::Step {
                at_ns: now,
                step: first.saturating_add(row as u64),
                loss,
                learning_rate,
                grad_norm,
                step_ns,
                tokens_per_s,
                metrics: metrics.iter().filter_map(of_row).collect(),
            });
        }
    }

    /// Adds a step; false where it does not follow the last one, or the columns are full.
    fn add(&mut self, record: &Record, end_ns: &mut u64) -> bool {
        let Record::Step {
            at_ns,
            step,
            loss,
            learning_rate,
            grad_norm,
            step_ns,
            tokens_per_s,
            metrics,
        } = record
        else {
            return false;
        };
        let rows = self.at_ns.len();
        let is_first = rows == 0;
        let follows = *step == self.first.saturating_add(rows as u64) && *at_ns >= *end_ns;
        let same_names = metrics.keys().eq(self.metrics.keys());
        let is_full = rows >= MOST || rows * (6 + metrics.len()) >= MOST_FIGURES;
        if !is_first && (!follows || is_full || !same_names) {
            return false;
        }
        if is_first {
            self.first = *step;
            *end_ns = 0;
        }
        self.at_ns.push(at_ns - *end_ns);
        *end_ns = *at_ns;
        self.loss.push(rounded(*loss, 15));
        self.learning_rate.push(rounded(*learning_rate, 6));
        self.grad_norm.push(rounded(*grad_norm, 6));
        self.step_ns.push(*step_ns);
        self.tokens_per_s.push(rounded(*tokens_per_s, 6));
        for (name, value) in metrics {
            self.metrics.entry(name.clone()).or_default().push(rounded(*value, 6));
        }
        true
    }
}

/// A number with so many significant digits.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits - 1).parse().unwrap_or(value)
}

/// Takes the records of closed parts, in order, and gives what stays of them.
#[derive(Debug, Default)]
pub struct Thinned {
    /// Records that stay, in order.
    kept: Vec<Record>,
    steps: Steps,
    /// End of the last of `steps`, ns.
    end_ns: u64,
    /// By device, the fullest moment since the last header or [`Self::end_of_part`].
    fullest: BTreeMap<usize, Record>,
    /// Start of the part of the run that the records are of, ms since 1970.
    started_unix_ms: Option<u64>,
}

impl Thinned {
    /// Takes the next record.
    pub fn push(&mut self, record: Record) {
        match record {
            Record::Step { .. } => {
                if !self.steps.add(&record, &mut self.end_ns) {
                    self.end_steps();
                    // The first of a row of steps is always taken.
                    self.steps.add(&record, &mut self.end_ns);
                }
            }
            Record::Action(_) | Record::Unknown => {}
            // It does not end a row of steps: a newer program may write one with every step.
            Record::Newer(_) => self.kept.push(record),
            Record::Memory { device, in_use_bytes, .. } => {
                let fuller = match self.fullest.get(&device) {
                    Some(Record::Memory { in_use_bytes: most, .. }) => in_use_bytes > *most,
                    _ => true,
                };
                if fuller {
                    self.fullest.insert(device, record);
                }
            }
            Record::Header(Header { started_unix_ms, segment, .. }) => {
                let goes_on = segment > 0 && self.started_unix_ms == Some(started_unix_ms);
                self.end_of_part();
                if !goes_on {
                    self.started_unix_ms = Some(started_unix_ms);
                    self.kept.push(record);
                }
            }
            other => {
                self.end_steps();
                self.kept.push(other);
            }
        }
    }

    /// Says that a part has ended: each keeps its own fullest moments.
    pub fn end_of_part(&mut self) {
        self.end_steps();
        self.kept.extend(std::mem::take(&mut self.fullest).into_values());
    }

    /// What stays.
    #[must_use]
    pub fn into_records(mut self) -> Vec<Record> {
        self.end_of_part();
        self.kept
    }

    fn end_steps(&mut self) {
        let steps = std::mem::take(&mut self.steps);
        if !steps.at_ns.is_empty() {
            self.kept.push(Record::Steps(steps));
        }
    }
}

/// [`null_is_nan`] of a value by itself.
#[derive(Deserialize)]
pub(super) struct OrNan(#[serde(deserialize_with = "null_is_nan")] pub(super) f64);
