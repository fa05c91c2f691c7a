//! `trainyard compare`: what a run took beside what was predicted.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use trainyard_plan::compare::{Comparison, Measured, Pair, Prediction, WARM_UP_STEPS, compare};
use trainyard_plan::journal::Record;
use trainyard_plan::memory::human_bytes;
use trainyard_plan::{MemoryUse, TraceBuilder};

use super::run_command::RunCommand;
use super::table::{Align, percent, table, time};
use crate::app::App;
use crate::error::RunError;
use crate::files::{read_plan, read_profile};
use crate::journal::read_journal;
use crate::run_dir::RunDir;

/// Put what a run took beside what was predicted
#[derive(Debug, Args)]
pub struct CompareCommand {
    /// The run directory
    #[arg(value_name = "RUN_DIR")]
    directory: PathBuf,
    /// Predict from these costs instead of those the run was planned with
    #[arg(long, value_name = "PROFILE.json")]
    profile: Option<PathBuf>,
    /// Print JSON for machines
    #[arg(long)]
    json: bool,
}

impl RunCommand for CompareCommand {
    /// Simulates the run's plan again and prints it beside the run's medians.
    ///
    /// # Errors
    /// When the directory holds no run, or none that has made a step.
    fn run(&self, _: &App) -> Result<ExitCode, RunError> {
        let directory = RunDir::open(&self.directory)?;
        let path = self.profile.clone().unwrap_or_else(|| directory.profile());
        let comparison = of_run(&directory, &path)?;
        let out = &mut std::io::stdout();
        let printed = if self.json {
            let json = serde_json::to_string_pretty(&comparison);
            writeln!(out, "{}", json.map_err(|error| RunError::config(error.to_string()))?)
        } else {
            print(out, &comparison)
        };
        printed.map_err(RunError::io("write to", "the terminal"))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A run beside what its plan takes with the costs of a profile.
///
/// # Errors
/// When a file is missing or wrong, or no step was made.
pub(super) fn of_run(directory: &RunDir, profile: &Path) -> Result<Comparison, RunError> {
    let plan = read_plan(&directory.plan())?;
    let prediction = Prediction::of(&read_profile(profile)?, &plan)?;
    let mut parts = LastPart::default();
    read_journal(directory.path(), |record| parts.push(record))?;
    let Some(Part { mut measured, correction, .. }) = parts.with_steps() else {
        let path = directory.path().display();
        return Err(RunError::config(format!("{path} has made no step yet; train at least one")));
    };
    measured.steps.drain(..WARM_UP_STEPS.min(measured.steps.len() / 2));
    Ok(compare(&prediction, &measured).with_correction(&correction))
}

/// The actions of so many steps are kept, the newest: a long run has more than there is memory.
const KEPT_STEPS: u64 = 500;

/// Reads a journal for its last part with steps: a resumed run may have another plan in each, and one
/// that was refused has made none.
#[derive(Default)]
struct LastPart {
    before: Option<Part>,
    now: Part,
}

/// What a part of a journal says of times and memory.
#[derive(Default)]
struct Part {
    builder: TraceBuilder,
    measured: Measured,
    correction: Vec<Record>,
    /// Steps whose actions were kept since older ones were dropped.
    steps_kept: u64,
}

impl LastPart {
    fn push(&mut self, record: Record) {
        if let Record::Header(header) = &record {
            let ended = std::mem::take(&mut self.now);
            if !ended.measured.steps.is_empty() {
                self.before = Some(ended);
            }
            self.now.measured.peak_bytes = vec![None; header.devices.len()];
        }
        self.now.push(record);
    }

    fn with_steps(self) -> Option<Part> {
        let last = Some(self.now).filter(|part| !part.measured.steps.is_empty());
        let mut part = last.or(self.before)?;
        part.measured.trace = std::mem::take(&mut part.builder).into_trace();
        Some(part)
    }
}

impl Part {
    fn push(&mut self, record: Record) {
        self.builder.push(&record);
        match record {
            Record::Step { step, step_ns, .. } => {
                self.measured.steps.push((step, step_ns as f64 / 1e3));
                self.steps_kept += 1;
                if self.steps_kept >= 2 * KEPT_STEPS {
                    self.builder.forget_before(step.saturating_sub(KEPT_STEPS));
                    self.steps_kept = KEPT_STEPS;
                }
            }
            Record::Memory { device, peak_bytes: peak, .. } => {
                if let Some(most) = self.measured.peak_bytes.get_mut(device) {
                    *most = (*most).max(Some(peak));
                }
            }
            Record::Corrected { .. } => self.correction = vec![record],
            _ => {}
        }
    }
}

/// A figure as predicted and, where it is measured, as measured.
struct Figure {
    predicted: f64,
    measured: Option<f64>,
}

impl From<Pair> for Figure {
    fn from(Pair { predicted, measured }: Pair) -> Self {
        Self { predicted, measured: Some(measured) }
    }
}

/// Every figure twice, with the error, and what is furthest off.
pub(super) fn print(out: &mut impl Write, comparison: &Comparison) -> std::io::Result<()> {
    let source = if comparison.estimated {
        "; predicted from estimates: `measure` makes them better"
    } else {
        ""
    };
    let steps = comparison.steps;
    let words =
        if steps == 1 { "one step".to_owned() } else { format!("medians of {steps} steps") };
    writeln!(out, "{words}; the error is the prediction's{source}\n")?;
    if let Some(noise) = &comparison.noise {
        writeln!(out, "when the costs were measured, {noise}\n")?;
    }
    let header = ["", "", "predicted", "measured", "error"].map(str::to_owned).to_vec();
    let mut rows = vec![header];
    let mut row = |device: &str, what: &str, shown: &dyn Fn(f64) -> String, figure: Figure| {
        let Figure { predicted, measured } = figure;
        let error = measured.and_then(|measured| Pair { predicted, measured }.error_percent());
        let none = || "–".to_owned();
        let error = error.map_or_else(none, |error| format!("{error:+.1} %"));
        let measured = measured.map_or_else(none, shown);
        rows.push(vec![device.to_owned(), what.to_owned(), shown(predicted), measured, error]);
    };
    let bytes = |bytes: f64| human_bytes(bytes as u64);
    let corrected = comparison.corrected.as_ref().map(|corrected| corrected.step_us);
    let planned = if corrected.is_some() { "step, as planned" } else { "step" };
    row("", planned, &time, comparison.step_us.into());
    if let Some(corrected) = corrected {
        row("", "step, as corrected", &time, corrected.into());
    }
    row("", "bubble", &percent, comparison.bubble_fraction.into());
    for device in &comparison.devices {
        row(&device.id, "busy", &time, device.busy_us.into());
        row(&device.id, "wait", &time, device.wait_us.into());
        let of = |predicted: u64, measured: Option<u64>| Figure {
            predicted: predicted as f64,
            measured: measured.map(|bytes| bytes as f64),
        };
        let (predicted, measured) = (device.predicted_by_category, device.measured_by_category);
        let peak = of(predicted.total(), measured.as_ref().map(MemoryUse::total));
        row(&device.id, "peak memory", &bytes, peak);
        // Tensors of known size, which no counter tells from the others.
        row(&device.id, "  weights", &bytes, of(predicted.weights, None));
        row(&device.id, "  gradients", &bytes, of(predicted.gradients, None));
        row(&device.id, "  optimizer", &bytes, of(predicted.optimizer, None));
        let others = |it: MemoryUse| it.activations + it.buffers;
        let figure = of(others(predicted), measured.map(others));
        row(&device.id, "  activations, buffers", &bytes, figure);
        if let Some(padding) = device.padding_bytes {
            row(&device.id, "pool padding", &bytes, of(0, Some(padding)));
        }
    }
    table(out, &rows, &[Align::Left, Align::Left])?;
    writeln!(out, "\nlargest deviations, per step")?;
    let mut rows = Vec::new();
    for deviation in &comparison.deviations {
        let Pair { predicted, measured } = deviation.total_us;
        let from = deviation.peer.map_or_else(String::new, |peer| format!(" from stage {peer}"));
        rows.push(vec![
            format!("{} of stage {}{from}", deviation.action, deviation.stage),
            format!("on {}", deviation.device),
            format!("{} ×", deviation.count),
            time(predicted),
            time(measured),
            deviation.total_us.error_percent().map_or_else(String::new, |e| format!("{e:+.1} %")),
        ]);
    }
    table(out, &rows, &[Align::Left, Align::Left])
}
