//! What `trainyard bench predictions` reports.

use std::io::Write;

use serde::Serialize;
use trainyard_plan::Noise;
use trainyard_plan::compare::median;
use trainyard_plan::memory::human_bytes;

use crate::commands::table::{Align, percent, table, time};

/// The grid, predicted and measured.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub(super) format: &'static str,
    pub(super) version: u64,
    pub(super) devices: Vec<String>,
    /// How far a predicted step may be off, either way, as a fraction of the measured one.
    pub(super) step_goal: f64,
    /// How far a predicted peak may be above the measured one; never below.
    pub(super) peak_goal: f64,
    pub(super) steps_within: f64,
    pub(super) peaks_within: f64,
    /// The median size of the steps' errors.
    pub(super) median_step_error: f64,
    pub(super) plans: Vec<PlanFigures>,
}

/// One plan.
#[derive(Debug, Serialize)]
pub(super) struct PlanFigures {
    pub(super) model: &'static str,
    pub(super) schedule: &'static str,
    pub(super) split: &'static str,
    pub(super) micro_batches: usize,
    /// The step as predicted before the plan was ever run, and the median of its steps, µs.
    pub(super) predicted_us: f64,
    pub(super) measured_us: f64,
    /// (predicted − measured) ÷ measured.
    pub(super) step_error: f64,
    pub(super) peaks: Vec<Peak>,
    /// Steps of which `measured_us` is the median.
    pub(super) steps: usize,
    /// The share of a core that a control kernel got around the steps: what other programs left.
    pub(super) share: f64,
    /// What they took while the costs were measured, where that was much.
    pub(super) noise: Option<Noise>,
}

/// The most that a device holds.
#[derive(Debug, Serialize)]
pub(super) struct Peak {
    pub(super) device: String,
    pub(super) predicted_bytes: u64,
    pub(super) measured_bytes: u64,
    /// (predicted − measured) ÷ measured.
    pub(super) error: f64,
}

impl Figures {
    pub(super) fn new(
        devices: Vec<String>,
        (step_goal, peak_goal): (f64, f64),
        plans: Vec<PlanFigures>,
    ) -> Self {
        let share = |within: Vec<bool>| {
            within.iter().filter(|within| **within).count() as f64 / within.len().max(1) as f64
        };
        let steps = plans.iter().map(|plan| plan.step_error.abs());
        let peaks = plans.iter().flat_map(|plan| &plan.peaks);
        Self {
            format: "trainyard-bench-predictions",
            version: 1,
            devices,
            step_goal,
            peak_goal,
            steps_within: share(steps.clone().map(|error| error <= step_goal).collect()),
            peaks_within: share(
                peaks.map(|peak| (0.0..=peak_goal).contains(&peak.error)).collect(),
            ),
            median_step_error: median(steps.collect()),
            plans,
        }
    }

    pub(super) fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let header = [
            "model",
            "schedule",
            "split",
            "micro-batches",
            "predicted",
            "median step",
            "error",
            "peaks",
            "errors",
            "share",
        ];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        let error = |error: f64| format!("{:+.1} %", 100.0 * error);
        for plan in &self.plans {
            let joined = |of: &dyn Fn(&Peak) -> String| {
                plan.peaks.iter().map(of).collect::<Vec<_>>().join(", ")
            };
            rows.push(vec![
                plan.model.to_owned(),
                plan.schedule.to_owned(),
                plan.split.to_owned(),
                plan.micro_batches.to_string(),
                time(plan.predicted_us),
                time(plan.measured_us),
                error(plan.step_error),
                joined(&|peak| human_bytes(peak.measured_bytes)),
                joined(&|peak| error(peak.error)),
                percent(plan.share),
            ]);
        }
        table(out, &rows, &[Align::Left, Align::Left, Align::Left])?;
        let worst = self.plans.iter().map(|plan| plan.step_error.abs()).fold(0.0, f64::max);
        writeln!(
            out,
            "\n{} plans on {}; each predicted before it was run; share: of a core, got by a control kernel \
             around its steps\nsteps within {:.0} %: {:.0} % of the plans (median error {:.1} %, worst {:.1} %)\n\
             peaks within {:.0} % and not below: {:.0} % of the devices",
            self.plans.len(),
            self.devices.join(", "),
            100.0 * self.step_goal,
            100.0 * self.steps_within,
            100.0 * self.median_step_error,
            100.0 * worst,
            100.0 * self.peak_goal,
            100.0 * self.peaks_within,
        )?;
        let noisy = self.plans.iter().find_map(|plan| plan.noise);
        noisy.map_or(Ok(()), |noise| writeln!(out, "when the costs were measured, {noise}"))
    }
}
