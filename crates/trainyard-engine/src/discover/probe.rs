//! The trial computation, and the child's side of a probe.
//!
//! A program that wants its devices listed without loading drivers itself calls
//! [`answer_if_asked`] first thing in `main`:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     if let Some(code) = trainyard_engine::discover::probe::answer_if_asked() {
//!         return code;
//!     }
//!     // The program itself.
//!     ExitCode::SUCCESS
//! }
//! ```
//!
//! The parent starts its own program again with [`VARIABLE`] set to a question,
//! `enumerate:vulkan` or `compute:vulkan:0` (the position in that API's own list). The child
//! answers with one marked line of JSON on its standard output; drivers may print there as well.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use burn::tensor::{Device, Tensor, TensorData};
use serde::Serialize;
use trainyard_plan::{Api, ComputeProbe};

use super::adapters::{self, FoundAdapter};
use super::caught;
use crate::open;

/// The environment variable that makes a child of a program.
pub const VARIABLE: &str = "TRAINYARD_PROBE";

/// What the answer's line begins with.
pub(super) const MARK: &str = "trainyard-probe-answer: ";

/// Whether `main` has called [`answer_if_asked`].
static ANSWERS: AtomicBool = AtomicBool::new(false);

/// Answers a probe if this process was started for one, and says with which code to exit then.
/// Call it first thing in `main`: it also tells the listing of devices that this program answers.
#[must_use]
pub fn answer_if_asked() -> Option<ExitCode> {
    ANSWERS.store(true, Ordering::Relaxed);
    is_child().then(child_main)
}

/// Whether this process was started for a probe.
#[must_use]
pub fn is_child() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Answers the question in [`VARIABLE`] on standard output.
#[must_use]
pub fn child_main() -> ExitCode {
    let question = std::env::var(VARIABLE).unwrap_or_default();
    let written = match question.parse() {
        Ok(Question::Enumerate(api)) => answer(&adapters::enumerate(api)),
        Ok(Question::Compute(api, position)) => answer(&compute(api, position)),
        Err(()) => {
            eprintln!(
                "{VARIABLE}='{question}' is not a question: use enumerate:API or compute:API:POSITION"
            );
            return ExitCode::from(2);
        }
    };
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether this program is known to answer probes.
pub(super) fn this_program_answers() -> bool {
    ANSWERS.load(Ordering::Relaxed)
}

/// What a child is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// List an API's adapters.
    Enumerate(Api),
    /// Compute on the adapter at a position of an API's own list.
    Compute(Api, usize),
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enumerate(api) => write!(f, "enumerate:{}", api.text()),
            Self::Compute(api, position) => write!(f, "compute:{}:{position}", api.text()),
        }
    }
}

impl FromStr for Question {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let api = |text: &str| {
            [Api::Vulkan, Api::Metal, Api::Dx12, Api::Gl].into_iter().find(|it| it.text() == text)
        };
        let mut parts = text.split(':');
        match (parts.next(), parts.next().and_then(api), parts.next(), parts.next()) {
            (Some("enumerate"), Some(api), None, None) => Ok(Self::Enumerate(api)),
            (Some("compute"), Some(api), Some(position), None) => {
                position.parse().map(|position| Self::Compute(api, position)).map_err(|_| ())
            }
            _ => Err(()),
        }
    }
}

/// Writes an answer's line.
fn answer(value: &impl Serialize) -> std::io::Result<()> {
    let json = serde_json::to_string(value)?;
    let mut out = std::io::stdout().lock();
    // On a line of its own, whatever a driver printed before.
    writeln!(out, "\n{MARK}{json}")?;
    out.flush()
}

/// The trial computation in this process.
pub(super) fn compute_in_process(adapter: &FoundAdapter) -> ComputeProbe {
    compute(adapter.info.api, adapter.position)
}

/// The trial computation on the adapter at a position of an API's own list.
fn compute(api: Api, position: usize) -> ComputeProbe {
    let result = caught(|| try_out(&open::open_position(api, position)?));
    match result {
        Ok(()) => ComputeProbe::Works,
        Err(reason) => ComputeProbe::Fails { reason },
    }
}

/// Whether a device computes a small product and sum that is known beforehand.
///
/// With autotune a product would first try a dozen kernels, for minutes on a software adapter:
/// such builds multiply element by element.
fn try_out(device: &Device) -> Result<(), String> {
    const SIDE: usize = 12;
    let value = |seed: usize| {
        // Small whole numbers: every order of adding them up is exact.
        (0..SIDE * SIDE).map(|at| ((at * seed) % 7) as f32 - 3.0).collect::<Vec<_>>()
    };
    let (a, b) = (value(5), value(11));
    let tensor = |values: &[f32]| {
        Tensor::<2>::from_data(TensorData::new(values.to_vec(), [SIDE, SIDE]), device)
    };
    let (x, y) = (tensor(&a), tensor(&b));
    let product = cfg!(not(feature = "autotune"));
    let computed = if product { x.matmul(y.clone()) + y } else { x * y.clone() + y };
    let computed = computed
        .try_into_data()
        .map_err(|error| format!("a small computation failed: {error}"))?
        .try_to_vec::<f32>()
        .map_err(|error| format!("the result of a small computation is unreadable: {error}"))?;

    for (at, got) in computed.iter().enumerate() {
        let (row, column) = (at / SIDE, at % SIDE);
        let expected = b[at]
            + if product {
                (0..SIDE).map(|k| a[row * SIDE + k] * b[k * SIDE + column]).sum::<f32>()
            } else {
                a[at] * b[at]
            };
        let error = (got - expected).abs();
        if error.is_nan() || error > 1e-3 {
            return Err(format!(
                "a small computation came out wrong: {got} instead of {expected} at row {row}, column {column}"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_survive_the_trip() {
        for question in [Question::Enumerate(Api::Gl), Question::Compute(Api::Vulkan, 3)] {
            assert_eq!(question.to_string().parse(), Ok(question));
        }
        for text in
            ["", "enumerate", "enumerate:cpu", "compute:gl", "compute:gl:x", "compute:gl:1:2"]
        {
            assert_eq!(text.parse::<Question>(), Err(()), "{text}");
        }
    }

    #[test]
    fn the_cpu_passes_the_trial() {
        assert_eq!(try_out(&open::open_cpu()), Ok(()));
    }
}
