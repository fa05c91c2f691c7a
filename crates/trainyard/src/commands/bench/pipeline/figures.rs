//! What `trainyard bench pipeline` reports.

use std::collections::BTreeMap;

use serde::Serialize;

use super::blocks::Shape;
use super::contenders::Round;
use super::transfers::Transfers;
use trainyard_plan::compare::{median, median_interval};

/// What was measured, medians over the rounds; ratios are taken within a round.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) format: &'static str,
    pub(super) version: u64,
    pub(super) devices: Vec<String>,
    pub(super) schedule: String,
    pub(super) width: usize,
    pub(super) inner: usize,
    pub(super) rows: usize,
    pub(super) rounds: usize,
    pub(super) plain_burn_ms: f64,
    pub(super) one_device_ms: f64,
    pub(super) all_devices_ms: f64,
    /// The whole batch at once through one graph with a `to_device` in it.
    pub(super) naive_ms: f64,
    pub(super) rows_per_s: f64,
    /// One stage on one device ÷ plain Burn loop.
    pub(super) overhead: f64,
    /// One stage on one device ÷ the same without a trace.
    pub(super) tracing: f64,
    /// One stage with split backwards ÷ with whole ones.
    pub(super) splitting: f64,
    /// One device ÷ all devices.
    pub(super) speed_up: f64,
    /// All devices under 1F1B ÷ under the schedule.
    pub(super) over_1f1b: f64,
    /// `to_device` in one graph ÷ all devices.
    pub(super) over_naive: f64,
    /// Speed of a device beside the others, each with a model of its own, ÷ alone.
    pub(super) interference: f64,
    /// The schedule's bound, as simulated from measured times with links that take no time.
    pub(super) bound: f64,
    /// p·m ÷ (m + p − 1).
    pub(super) closed_form: f64,
    /// What moving costs; none on one device.
    pub(super) links: Option<LinksFigures>,
    pub(super) torch: TorchFigures,
    /// By the name of a ratio above, the interval in which its median lies with 95 %.
    pub(super) intervals: BTreeMap<&'static str, (f64, f64)>,
}

/// All devices beside all devices with links that move nothing.
#[derive(Debug, Serialize)]
pub(super) struct LinksFigures {
    /// A step with links that move nothing.
    pub(super) free_ms: f64,
    /// What moves in a step, and how long alone.
    pub(super) transfers: Transfers,
    /// The step − the step with free links, ÷ what its transfers take alone: 0 where all of them hide,
    /// 1 where none does.
    pub(super) not_hidden: f64,
}

/// PyTorch beside us.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum TorchFigures {
    /// It is there.
    Measured {
        version: String,
        /// A loop on one device.
        plain_ms: f64,
        /// 1F1B of as many processes as there are devices.
        pipeline_ms: f64,
        rows_per_s: f64,
        /// Its loop ÷ its pipeline.
        speed_up: f64,
        /// Its loop ÷ one stage on one device.
        over_one_device: f64,
        /// Its pipeline ÷ all devices.
        over_all_devices: f64,
    },
    /// It is not, or failed.
    Skipped { skipped: String },
}

/// The rounds, and the ratios of which an interval is wanted.
pub(super) struct Rounds<'a> {
    rounds: &'a [Round],
    pub(super) intervals: BTreeMap<&'static str, (f64, f64)>,
}

impl<'a> Rounds<'a> {
    pub(super) fn new(rounds: &'a [Round]) -> Self {
        Self { rounds, intervals: BTreeMap::new() }
    }

    /// The median of a time.
    pub(super) fn time(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }

    /// The median of a ratio, whose interval is kept under its name.
    pub(super) fn ratio(&mut self, name: &'static str, of: impl Fn(&Round) -> f64) -> f64 {
        let ratios: Vec<f64> = self.rounds.iter().map(of).collect();
        self.intervals.insert(name, median_interval(ratios.clone()));
        median(ratios)
    }

    /// All devices beside those with links that move nothing.
    pub(super) fn links(&mut self, transfers: Transfers) -> LinksFigures {
        let free = |round: &Round| round.free.unwrap_or(round.all);
        let moving = |round: &Round| (round.all - free(round)) / transfers.alone_ms;
        LinksFigures {
            free_ms: self.time(free),
            transfers,
            not_hidden: self.ratio("not_hidden", moving),
        }
    }

    /// PyTorch's, where every round has its times.
    pub(super) fn torch(
        &mut self,
        version: Result<&str, &str>,
        shape: Shape,
        micro_batches: usize,
    ) -> TorchFigures {
        let skipped = |reason: &str| TorchFigures::Skipped { skipped: reason.to_owned() };
        let version = match version {
            Ok(version) if self.rounds.iter().all(|round| round.torch.is_some()) => version,
            Ok(_) => return skipped("it failed in one of the rounds"),
            Err(reason) => return skipped(reason),
        };
        let [plain, pipeline] =
            [0, 1].map(|at| move |round: &Round| round.torch.map_or(f64::NAN, |times| times[at]));
        let pipeline_ms = self.time(pipeline);
        TorchFigures::Measured {
            version: version.to_owned(),
            plain_ms: self.time(plain),
            pipeline_ms,
            rows_per_s: (micro_batches * shape.rows()) as f64 * 1e3 / pipeline_ms,
            speed_up: self.ratio("torch_speed_up", |it| plain(it) / pipeline(it)),
            over_one_device: self.ratio("torch_over_one_device", |it| plain(it) / it.one),
            over_all_devices: self.ratio("torch_over_all_devices", |it| pipeline(it) / it.all),
        }
    }
}
