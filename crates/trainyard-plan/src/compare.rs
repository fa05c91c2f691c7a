//! Measured against predicted: the same step, from the simulator and from the devices.

mod measured;
mod prediction;
mod totals;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::journal::Record;
pub use crate::quantile::{median, median_interval};
use crate::{Lane, MemoryUse, Noise, Trace, TraceEvent};
pub use measured::Measured;
pub(crate) use measured::steps_of;
pub use prediction::Prediction;
use totals::totals;
pub(crate) use totals::{Sort, taken};

/// Number of first steps of a run that do not count, as they warm everything up; at most half of
/// its steps.
pub const WARM_UP_STEPS: usize = 5;

/// A figure as predicted and as measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    /// By the simulator.
    pub predicted: f64,
    /// On the devices: the median over the steps compared.
    pub measured: f64,
}

impl Pair {
    /// Error of the prediction in percent of the measured figure; `None` where that is 0.
    #[must_use]
    pub fn error_percent(&self) -> Option<f64> {
        (self.measured != 0.0).then(|| 100.0 * (self.predicted - self.measured) / self.measured)
    }
}

/// One device, predicted and measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ComparedDevice {
    /// Its id.
    pub id: String,
    /// Time it computes in a step, the optimizer step included, µs.
    pub busy_us: Pair,
    /// Time it waits in a step, µs.
    pub wait_us: Pair,
    /// The most it holds, bytes; measured 0 where the device does not count. Predicted is what it may
    /// hold whatever the times are: [`crate::simulate::most_held`].
    pub peak_bytes: Pair,
    /// The predicted peak by category.
    pub predicted_by_category: MemoryUse,
    /// The measured peak by category, where the device counts: weights, sums of gradients and
    /// optimizer state are tensors of known size, as many as at the predicted peak; the rest counts as
    /// activations, for a counter does not tell them from buffers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_by_category: Option<MemoryUse>,
    /// The most that alignment left empty between tensors, bytes, where the device's allocator tells. No
    /// part of the peak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub padding_bytes: Option<u64>,
}

/// One sort of action on one device, predicted and measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deviation {
    /// The device's id.
    pub device: String,
    /// The stage.
    pub stage: usize,
    /// The sort of action, such as `F` or `RECV_B`.
    pub action: String,
    /// Of a receive of a stage that receives from several: the stage at the other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<usize>,
    /// Their number in a step.
    pub count: usize,
    /// Time of all of them in a step, µs.
    pub total_us: Pair,
}

/// The prediction as a run corrected it from its first steps: the last
/// [`Record::Corrected`] of its journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Corrected {
    /// The step after which it was corrected.
    pub after_step: u64,
    /// Time of a step, µs, as corrected and as measured.
    pub step_us: Pair,
    /// The corrected step time ÷ the planned one.
    pub factor: f64,
    /// In words, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A run beside its prediction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// `trainyard-comparison`.
    pub format: String,
    /// 1.
    pub version: u64,
    /// Number of measured steps it goes over.
    pub steps: usize,
    /// Set where the prediction comes from estimated times.
    pub estimated: bool,
    /// Time of a step, µs, as planned and as measured.
    pub step_us: Pair,
    /// The prediction as the run corrected it, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected: Option<Corrected>,
    /// What other programs took from the measuring behind the prediction, where that was much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// Idle ÷ (ranks × step time).
    pub bubble_fraction: Pair,
    /// A row a rank.
    pub devices: Vec<ComparedDevice>,
    /// The sorts of actions whose times are furthest off, the worst first.
    pub deviations: Vec<Deviation>,
}

impl Comparison {
    /// The comparison with the correction that the records of the run hold last, if any.
    #[must_use]
    pub fn with_correction<'a>(self, records: impl IntoIterator<Item = &'a Record>) -> Self {
        let corrected = records.into_iter().filter_map(|record| match record {
            Record::Corrected { step, step_us, factor, reason, .. } => Some(Corrected {
                after_step: *step,
                step_us: Pair { predicted: *step_us, measured: self.step_us.measured },
                factor: *factor,
                reason: reason.clone(),
            }),
            _ => None,
        });
        Self { corrected: corrected.last(), ..self }
    }

    /// The value of `format`.
    pub const FORMAT: &'static str = "trainyard-comparison";
    /// The value of `version`.
    pub const VERSION: u64 = 1;
    /// The most deviations that are listed.
    pub const DEVIATIONS: usize = 5;
}

/// Compares a run with its prediction. Devices are matched by id.
#[must_use]
pub fn compare(prediction: &Prediction, measured: &Measured) -> Comparison {
    let Prediction { simulation, trace, .. } = prediction;
    let steps = steps_of(measured);
    let step_us = Pair {
        predicted: simulation.step_us,
        measured: median(measured.steps.iter().map(|(_, us)| *us).collect()),
    };
    let mut devices = Vec::with_capacity(simulation.devices.len());
    for (of_simulation, &predicted) in simulation.devices.iter().zip(&prediction.most_held) {
        let index = measured.trace.devices.iter().position(|d| d.id == of_simulation.id);
        let busy = |events: &Vec<&TraceEvent>| {
            let computing = events.iter().filter(|event| event.lane == Lane::Compute);
            let of_device = computing.filter(|event| Some(event.device) == index);
            of_device.fold(0.0, |sum, event| sum + event.duration_ns() as f64 / 1e3)
        };
        let busy_us = Pair {
            predicted: of_simulation.busy_us + of_simulation.optimizer_us,
            measured: median(steps.values().map(busy).collect()),
        };
        let peak = index.and_then(|index| measured.peak_bytes.get(index).copied().flatten());
        let of_known_size = MemoryUse { activations: 0, buffers: 0, ..predicted };
        let measured_by_category = peak.map(|peak| MemoryUse {
            activations: peak.saturating_sub(of_known_size.total()),
            ..of_known_size
        });
        devices.push(ComparedDevice {
            id: of_simulation.id.clone(),
            wait_us: Pair {
                predicted: (step_us.predicted - busy_us.predicted).max(0.0),
                measured: (step_us.measured - busy_us.measured).max(0.0),
            },
            busy_us,
            peak_bytes: Pair {
                predicted: predicted.total() as f64,
                measured: peak.unwrap_or(0) as f64,
            },
            predicted_by_category: predicted,
            measured_by_category,
            padding_bytes: index.and_then(|index| {
                let of_device = measured.trace.memory.iter().filter(|it| it.device == index);
                of_device.filter_map(|sample| sample.padding_bytes).max()
            }),
        });
    }
    let ranks = devices.len() as f64;
    let waiting: f64 = devices.iter().map(|device| device.wait_us.measured).sum();
    Comparison {
        format: Comparison::FORMAT.to_owned(),
        version: Comparison::VERSION,
        steps: measured.steps.len(),
        estimated: prediction.estimated,
        bubble_fraction: Pair {
            predicted: simulation.bubble_fraction,
            measured: (waiting / (ranks * step_us.measured).max(f64::MIN_POSITIVE)).min(1.0),
        },
        step_us,
        corrected: None,
        noise: prediction.noise,
        devices,
        deviations: deviations(trace, measured, &steps),
    }
}

fn deviations(
    predicted: &Trace,
    measured: &Measured,
    steps: &BTreeMap<u64, Vec<&TraceEvent>>,
) -> Vec<Deviation> {
    let expected = totals(predicted, predicted.events.iter());
    let found = taken(&measured.trace, steps);
    let row = |(sort, (count, total)): (&Sort, &(usize, f64))| {
        let measured = found.get(sort).copied().unwrap_or(0.0);
        (sort.clone(), *count, Pair { predicted: *total, measured })
    };
    let mut rows: Vec<(Sort, usize, Pair)> = expected.iter().map(row).collect();
    let off = |(.., total_us): &(Sort, usize, Pair)| (total_us.predicted - total_us.measured).abs();
    rows.sort_by(|a, b| off(b).total_cmp(&off(a)));
    rows.truncate(Comparison::DEVIATIONS);
    let deviation = |(sort, count, total_us): (Sort, usize, Pair)| {
        // Where there is but one, it goes without saying.
        let several = expected.keys().any(|other| other.differs_in_peer_from(&sort));
        Deviation {
            device: sort.device,
            stage: sort.stage,
            action: sort.kind.text().to_owned(),
            peer: sort.peer.filter(|_| several),
            count,
            total_us,
        }
    };
    rows.into_iter().map(deviation).collect()
}
