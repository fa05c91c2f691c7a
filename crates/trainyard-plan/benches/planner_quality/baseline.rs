//! Step times and planning times by case, and the file that keeps them.

use std::fmt::Write;
use std::time::Instant;

use trainyard_plan::planner::{PlanRequest, plan};

use crate::profiles::Case;

/// Result of planning one case.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Simulated time of a step, µs; `None` where the planner found no plan that fits.
    pub(crate) step_us: Option<f64>,
    /// Time that planning took, µs: of this thread alone where the system says.
    pub(crate) planning_us: u64,
}

/// Plans a case.
pub(crate) fn measure(request: &PlanRequest) -> Outcome {
    let before = Clock::now();
    let planned = plan(request);
    let planning_us = before.elapsed_us();
    let first = planned.ok().and_then(|planned| planned.candidates.into_iter().next());
    Outcome { step_us: first.map(|first| first.simulation.step_us), planning_us }
}

/// The request of a case.
pub(crate) fn request(case: &Case) -> PlanRequest<'_> {
    PlanRequest {
        schedule: case.schedule.parse().unwrap(),
        split_backward: case.split_backward,
        ..PlanRequest::new(&case.profile)
    }
}

/// Outcomes as lines of "step planning", both in µs; `-` for no plan.
pub(crate) fn write(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for Outcome { step_us, planning_us } in outcomes {
        let step = step_us.map_or_else(|| "-".to_owned(), |us| us.to_string());
        let _ = writeln!(text, "{step} {planning_us}");
    }
    text
}

/// Reads the text of [`write`].
pub(crate) fn read(text: &str) -> Vec<Outcome> {
    let line = |line: &str| {
        let (step, planning) = line.split_once(' ')?;
        Some(Outcome { step_us: step.parse().ok(), planning_us: planning.parse().ok()? })
    };
    text.lines().filter_map(line).collect()
}

/// The time that this thread has run, which other work on the machine does not lengthen much.
enum Clock {
    Thread(u64),
    Wall(Instant),
}

impl Clock {
    fn now() -> Self {
        Self::thread_ns().map_or_else(|| Self::Wall(Instant::now()), Self::Thread)
    }

    /// Linux: the first number is the time on a processor, ns.
    fn thread_ns() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        text.split_whitespace().next()?.parse().ok()
    }

    fn elapsed_us(&self) -> u64 {
        match self {
            Self::Thread(before) => {
                Self::thread_ns().unwrap_or(*before).saturating_sub(*before) / 1000
            }
            Self::Wall(before) => before.elapsed().as_micros() as u64,
        }
    }
}
