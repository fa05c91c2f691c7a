//! What a person sees while it trains: bars on a terminal, lines in a log, JSON for a program.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use indicatif::{
    HumanDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
use trainyard_plan::journal::{Header, Record};
use trainyard_plan::memory::human_bytes;

use crate::cli::{Output, say, speak_above};

/// A correction of the predicted step by less is not told, percent.
const WORTH_A_WORD_PERCENT: f64 = 5.0;

/// How often a plain line says how far compiling is: not at all where it is soon done.
const COMPILING_EVERY: Duration = Duration::from_secs(5);

/// A log has a step at least so often, while there are steps.
const STEP_EVERY: Duration = Duration::from_mins(1);

/// Shows the run's records in the way that fits.
pub(crate) struct Progress {
    output: Output,
    steps: u64,
    bars: Option<Bars>,
    device_names: Vec<String>,
    /// The newest memory figures, for plain lines.
    memory: std::cell::RefCell<Vec<(u64, u64)>>,
    budgets: Vec<u64>,
    /// Which devices were said to hold more than their budgets.
    said_over: std::cell::RefCell<BTreeSet<usize>>,
    validation: std::cell::Cell<Option<f64>>,
    /// What the journal's tokens are: tokens of a text, or rows.
    unit: String,
    /// When a plain line last said how far compiling is, or which step it is.
    said: std::cell::Cell<Instant>,
}

struct Bars {
    all: MultiProgress,
    steps: ProgressBar,
    devices: Vec<ProgressBar>,
    /// What the last step said.
    newest: std::cell::RefCell<String>,
}

/// The line of steps, with what is left behind it or not.
const STEPS: &str = "step {pos}/{len} {bar:24.cyan/dim} {msg}";

impl Progress {
    pub(crate) fn start(output: Output, header: &Header) -> Self {
        let longest =
            header.devices.iter().map(|device| device.id.chars().count()).max().unwrap_or(0);
        let device_names: Vec<_> =
            header.devices.iter().map(|device| format!("{:longest$}", device.id)).collect();
        let bars = (output == Output::Terminal).then(|| Bars::new(header, &device_names));
        speak_above(bars.as_ref().map(|bars| &bars.all));
        Self {
            output,
            steps: header.steps,
            bars,
            memory: vec![(0, 0); header.devices.len()].into(),
            budgets: header.devices.iter().map(|device| device.budget_bytes).collect(),
            said_over: BTreeSet::new().into(),
            device_names,
            validation: None.into(),
            unit: header.unit.clone(),
            said: Instant::now().into(),
        }
    }

    pub(crate) fn record(&self, record: &Record) {
        if let Record::Memory { device, peak_bytes, .. } = record {
            self.say_if_over(*device, *peak_bytes);
        }
        match self.output {
            Output::Json => Self::print_json(record),
            Output::Plain => self.print_line(record),
            Output::Terminal => self.move_bars(record),
        }
    }

    /// Says once that a device held more than it may.
    fn say_if_over(&self, device: usize, peak_bytes: u64) {
        let (Some(name), Some(budget)) = (self.device_names.get(device), self.budgets.get(device))
        else {
            return;
        };
        let over = peak_bytes.saturating_sub(*budget);
        if over > 0 && self.said_over.borrow_mut().insert(device) {
            say(format_args!(
                "'{}' has held {}, which is {} more than its budget: give it more, or plan after `trainyard measure`, \
                 which knows what this model takes",
                name.trim_end(),
                human_bytes(peak_bytes),
                human_bytes(over)
            ));
        }
    }

    /// Shows how many of a device's actions have run once, and so have their kernels.
    pub(crate) fn compiling(&self, device: &str, done: usize, of: usize) {
        let message = format!("compiling kernels for {device}, {done} of {of}");
        if let Some(bars) = &self.bars {
            bars.steps.set_message(message);
        } else if self.output == Output::Plain && self.said.get().elapsed() >= COMPILING_EVERY {
            self.said.set(Instant::now());
            say(message);
        }
    }

    /// Shows how many batches of a validation are done.
    pub(crate) fn validating(&self, done: u64, of: u64) {
        if let Some(bars) = &self.bars {
            bars.steps.set_message(format!("validating, batch {} of {of}", done + 1));
        }
    }

    /// Leaves the bars as the last step left them, and the terminal to others.
    pub(crate) fn finish(&self) {
        speak_above(None);
        if let Some(bars) = &self.bars {
            bars.steps.set_style(style(STEPS));
            bars.steps.abandon_with_message(bars.newest.borrow().clone());
            bars.devices.iter().for_each(ProgressBar::abandon);
        }
    }

    fn print_json(record: &Record) {
        if let Ok(line) = serde_json::to_string(record) {
            // A reader that has gone does not stop a training.
            let _written = writeln!(std::io::stdout(), "{line}").is_ok();
        }
    }

    fn print_line(&self, record: &Record) {
        match record {
            Record::Memory { device, in_use_bytes, peak_bytes, .. } => {
                if let Some(memory) = self.memory.borrow_mut().get_mut(*device) {
                    *memory = (*in_use_bytes, *peak_bytes);
                }
            }
            Record::Step { step, loss, tokens_per_s, metrics, .. } => {
                // Some twenty lines a run, and the first step; of a long run more.
                let every = (self.steps / 20).max(1);
                let is_due = self.said.get().elapsed() >= STEP_EVERY;
                if *step == 1 || step.is_multiple_of(every) || is_due {
                    self.said.set(Instant::now());
                    let (memory, metrics) = (self.memory_text(), metrics_text(metrics));
                    say(format_args!(
                        "step {step}/{}  loss {loss:.4}{metrics}  {tokens_per_s:.0} {}/s  {memory}",
                        self.steps, self.unit
                    ));
                }
            }
            other => {
                if let Some(line) = self.sentence(other) {
                    say(line);
                }
            }
        }
    }

    fn memory_text(&self) -> String {
        let memory = self.memory.borrow();
        let of_device = |((name, (_, peak)), budget): ((&String, &(u64, u64)), &u64)| {
            format!("{} {} of {}", name.trim_end(), human_bytes(*peak), human_bytes(*budget))
        };
        let all = self.device_names.iter().zip(memory.iter()).zip(&self.budgets).map(of_device);
        all.collect::<Vec<_>>().join(", ")
    }

    /// Records that are worth a line of their own.
    fn sentence(&self, record: &Record) -> Option<String> {
        match record {
            Record::Validation { step, loss, tokens, whole, metrics, .. } => {
                let scope = if *whole { "the whole validation data" } else { "a part" };
                let (metrics, unit) = (metrics_text(metrics), &self.unit);
                Some(format!(
                    "step {step}  validation loss {loss:.4}{metrics} ({tokens} {unit}, {scope})"
                ))
            }
            // Of its own a model writes pages.
            Record::Sample { step, prompt: Some(prompt), text, .. } => {
                let answer = text.strip_prefix(prompt.as_str()).unwrap_or(text).trim_start();
                // What is said in a chat ends its line; what is gone on with does not.
                Some(match prompt.strip_suffix('\n') {
                    Some(asked) => format!("step {step}  asked {asked:?}: {answer}"),
                    None => format!("step {step}  it writes: {text}"),
                })
            }
            Record::Checkpoint { step, path, .. } => Some(format!("step {step}  saved {path}")),
            Record::LossScale { step, scale, skipped: true, .. } => Some(format!(
                "step {step}  a gradient is too large for f16: the step is skipped, the loss scale is now {scale}"
            )),
            Record::Corrected { step, step_us, factor, .. } => {
                let (took_ms, predicted_ms) = (step_us / 1e3, step_us / factor / 1e3);
                let difference = 100.0 * (factor - 1.0);
                // Below, the prediction held.
                (difference.abs() >= WORTH_A_WORD_PERCENT).then(|| {
                    format!(
                        "step {step}  a step takes {took_ms:.1} ms, not {predicted_ms:.1} ms as \
                         predicted ({difference:+.0} %); the prediction is corrected"
                    )
                })
            }
            _ => None,
        }
    }

    fn move_bars(&self, record: &Record) {
        let Some(bars) = &self.bars else { return };
        match record {
            Record::Step { step, loss, tokens_per_s, metrics, .. } => {
                bars.steps.set_position(*step);
                let validation = self
                    .validation
                    .get()
                    .map_or_else(String::new, |v| format!("  validation {v:.3}"));
                let (metrics, unit) = (metrics_text(metrics), &self.unit);
                let message =
                    format!("loss {loss:.3}{validation}{metrics}  {tokens_per_s:.0} {unit}/s");
                bars.newest.replace(message.clone());
                bars.steps.set_message(message);
            }
            Record::Memory { device, in_use_bytes, peak_bytes, .. } => {
                if let Some(bar) = bars.devices.get(*device) {
                    bar.set_position(*in_use_bytes);
                    let budget = human_bytes(bar.length().unwrap_or(0));
                    let now = human_bytes(*in_use_bytes);
                    bar.set_message(format!(
                        "{now} of {budget}, peak {}",
                        human_bytes(*peak_bytes)
                    ));
                }
            }
            Record::Validation { loss, .. } => {
                self.validation.set(Some(*loss));
                self.above_bars(record);
            }
            other => self.above_bars(other),
        }
    }

    fn above_bars(&self, record: &Record) {
        if let (Some(bars), Some(line)) = (&self.bars, self.sentence(record)) {
            // A terminal that cannot be written to has nobody before it.
            let _written = bars.all.println(line).is_ok();
        }
    }
}

/// Every metric by its name, each after two spaces.
fn metrics_text(metrics: &BTreeMap<String, f64>) -> String {
    metrics.iter().fold(String::new(), |mut text, (name, value)| {
        // Writing to a text cannot fail.
        let _written = write!(text, "  {name} {value:.3}");
        text
    })
}

impl Bars {
    fn new(header: &Header, device_names: &[String]) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let steps = all.add(ProgressBar::new(header.steps));
        let first = header.first_step;
        let left = move |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            // Before the first step nobody knows.
            if state.pos() > first {
                let _written = write!(text, "  {:#} left", HumanDuration(state.eta())).is_ok();
            }
        };
        steps.set_style(style(&format!("{STEPS}{{left}}")).with_key("left", left));
        steps.set_position(header.first_step);
        steps.reset_eta();
        let of_device = |(device, name): (&trainyard_plan::journal::HeaderDevice, &String)| {
            let bar = all.add(ProgressBar::new(device.budget_bytes));
            bar.set_style(style("  {prefix} {bar:24.green/dim} {msg}"));
            bar.set_prefix(name.clone());
            bar
        };
        let devices = header.devices.iter().zip(device_names).map(of_device).collect();
        Self { all, steps, devices, newest: std::cell::RefCell::default() }
    }
}

fn style(template: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(template);
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─")
}
